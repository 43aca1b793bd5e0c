"""Own runs beside the committed ones of the same fingerprints."""

from __future__ import annotations

from typing import Literal

import numpy as np

from benchmark.analysis.runs.run_table import RunGroup, SuiteRuns, number
from benchmark.analysis.runs.scales import score_scale
from benchmark.analysis.runs.scoring import without_noise
from benchmark.analysis.schema import Interval, Reproduction
from benchmark.analysis.statistics.one_task import prediction_interval
from benchmark.analysis.statistics.resampling import SMALLEST_SAMPLE, Array

Agreement = Literal["identical", "agrees", "differs", "undecided"]


def reproduction(committed: SuiteRuns, own: SuiteRuns) -> tuple[Reproduction, ...]:
    """One row per task and variant of which some run has both a committed and an own record.

    `committed`: the suite's runs as they are taken for the report; `own`: the same without the committed records.
    """
    groups = [
        (theirs, ours)
        for task in committed.tasks
        for theirs, ours in zip(committed.column(task), own.column(task), strict=True)
    ]
    rows = [_compare(committed.suite.name, theirs, ours) for theirs, ours in groups]
    return tuple(row for row in rows if row is not None)


def _compare(suite: str, theirs: RunGroup, ours: RunGroup) -> Reproduction | None:
    """Own runs against all committed ones of the group; None if no run has both."""
    pairs = [
        (old.found.record, new)
        for old, new in zip(theirs.states, ours.states, strict=True)
        if old.found.presence == "reference" and old.found.record and new.found.record
    ]
    if not pairs:
        return None
    identical = sum(old.outcome_sha256 == new.found.record.outcome_sha256 for old, new in pairs if new.found.record)
    old = _final([state.scores.final for state in theirs.states if state.found.presence == "reference" and state.scores])
    new = _final([state.scores.final for _, state in pairs if state.scores])
    known = np.isfinite(old).all()
    prediction = prediction_interval(old, len(new), score_scale(theirs)) if known else None
    own_mean = float(new.mean())
    verdict, reason = _verdict(identical, len(pairs), own_mean, prediction, len(old))
    return Reproduction(
        suite=suite,
        task=theirs.task.id,
        variant=theirs.variant,
        n_committed=len(old),
        n_own=len(new),
        n_compared=len(pairs),
        identical=identical,
        committed_mean=number(old.mean()),
        own_mean=number(own_mean),
        difference=number(own_mean - old.mean()),
        prediction=None if prediction is None else Interval(low=prediction[0], high=prediction[1]),
        verdict=verdict,
        reason=reason,
    )


def _final(scores: list[float]) -> Array:
    return without_noise(np.array(scores, np.float64))


def _verdict(
    identical: int, compared: int, own_mean: float, prediction: tuple[float, float] | None, committed: int
) -> tuple[Agreement, str]:
    if identical == compared:
        return "identical", f"all {compared} outcomes are equal, bit for bit"
    equal = f"{identical} of {compared} outcomes are equal"
    if committed < SMALLEST_SAMPLE:
        return "undecided", f"{equal}; {committed} committed runs are too few to predict others, {SMALLEST_SAMPLE} can"
    if prediction is None or own_mean != own_mean:
        return (
            "undecided",
            f"{equal}; the committed runs have no score, or no spread, to predict others by",
        )
    low, high = prediction
    interval = f"the committed runs predict a mean in [{low:.4g}, {high:.4g}]"
    # The edges carry the rounding of a sum that the scores do not.
    if low - 1e-6 <= own_mean <= high + 1e-6:
        return "agrees", f"{equal}; {interval}, and it is {own_mean:.4g}"
    return "differs", f"{equal}; {interval}, but it is {own_mean:.4g}"
