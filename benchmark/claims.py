"""Claims -> verdicts: whether what we find bears a published statement out, and how sure that is.

    at_least   the mean final score over seeds reaches `value` on `task` (without one, on every task of the suite):
               decided when the 95 % t interval of the mean lies wholly on one side of the value
    better     a run of `variant` scores higher than one of `than` (on `task`, or averaged over all tasks of the suite):
               decided when the 95 % bootstrap interval of the probability of improvement lies wholly on one side of 1/2

Scores are of the measure that the task is scored by. What is not decided is undecided, and so is everything with runs
missing and everything in a smoke suite, whose numbers are shown all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.aggregate_model import ClaimVerdict, Estimate, SuiteReport, TableRow, TaskReport, Verdict
from benchmark.suites import Claim

SMALLEST_SAMPLE = 4
"""Seeds a side that `better` needs: with three against three, even if all of one beat all of the other, chance does as
well in 1 case of 10 (2 / C(6, 3)); with four in 1 of 35."""

T_INTERVAL = "95 % Student t interval of the mean over seeds"
IMPROVEMENT = "95 % bootstrap interval of the probability of improvement"
_ORDER: tuple[Verdict, ...] = ("not supported", "undecided", "supported")


def judge(claims: Sequence[Claim], report: SuiteReport) -> tuple[ClaimVerdict, ...]:
    """The verdict on each of a suite's claims, from what its report says. Tasks and variants are the suite's."""
    kinds = {"at_least": _at_least, "better": _better}
    return tuple(
        kinds[claim.kind](claim, report, [task for task in report.tasks if claim.task in (None, task.task)]) for claim in claims
    )


def _at_least(claim: Claim, report: SuiteReport, tasks: Sequence[TaskReport]) -> ClaimVerdict:
    """Over several tasks the claim is as good as its worst task, whose numbers are the verdict's."""
    assert claim.value is not None
    threshold = claim.value
    rows = [_row(task, claim.variant) for task in tasks]
    found = [
        (row.final_return if task.score == "return" else row.final_success).mean for task, row in zip(tasks, rows, strict=True)
    ]
    decisions = [decide(estimate, threshold, strictly=False) for estimate in found]
    worst = min(range(len(tasks)), key=lambda i: _ORDER.index(decisions[i][0]))
    verdict, reason = decisions[worst]
    doubt = _doubt(report, rows)
    places = [f"{task.task}: " if len(tasks) > 1 else "" for task in tasks]
    shown = [f"{place}{_shown(mean)}, {_seeds([row])}" for place, mean, row in zip(places, found, rows, strict=True)]
    return ClaimVerdict(
        **_named(claim),
        expected=f"mean final {' or '.join(sorted({task.score for task in tasks}))} of {threshold:g} or more",
        found="; ".join(shown),
        estimate=found[worst],
        threshold=threshold,
        verdict="undecided" if doubt else verdict,
        reason=doubt or f"{places[worst]}{reason}",
        estimator=T_INTERVAL,
    )


def _better(claim: Claim, report: SuiteReport, tasks: Sequence[TaskReport]) -> ClaimVerdict:
    assert claim.than is not None
    pairs = tasks[0].improvement if claim.task is not None else report.overall.improvement
    pair = next((pair for pair in pairs if (pair.better, pair.than) == (claim.variant, claim.than)), None)
    found = None if pair is None else pair.probability
    verdict, reason = decide(found, 0.5, strictly=True)
    rows = [_row(task, name) for task in tasks for name in (claim.variant, claim.than)]
    doubt = _doubt(report, rows)
    if not doubt and pair is not None and pair.n_tasks < len(tasks):
        doubt = f"only {pair.n_tasks} of {len(tasks)} tasks can be compared"
    if not doubt and min(row.n_found for row in rows) < SMALLEST_SAMPLE:
        doubt = f"{_seeds(rows)} a side cannot decide it; {SMALLEST_SAMPLE} can"
    over = f" over {len(tasks)} tasks" if claim.task is None else ""
    return ClaimVerdict(
        **_named(claim),
        expected=f"probability of improvement on {claim.than} above 0.5{over}",
        found=f"{_shown(found)}, {_seeds(rows)} a side",
        estimate=found,
        threshold=0.5,
        verdict="undecided" if doubt else verdict,
        reason=doubt or reason,
        estimator=IMPROVEMENT,
    )


def decide(found: Estimate | None, threshold: float, *, strictly: bool) -> tuple[Verdict, str]:
    """Whether the interval lies on one side of the threshold, and the reason in words.

    Supported: all of it reaches the threshold (`strictly`: exceeds it). Not supported: none of it reaches the threshold.
    """
    if found is None:
        return "undecided", "there is no number to judge by"
    if found.interval is None:
        return "undecided", "one run has no interval"
    low, high = found.interval.low, found.interval.high
    interval = f"the interval [{low:.4g}, {high:.4g}]"
    if low > threshold or (low == threshold and not strictly):
        return "supported", f"{interval} lies above {threshold:g}"
    if high < threshold:
        return "not supported", f"{interval} lies below {threshold:g}"
    return "undecided", f"{interval} holds {threshold:g}"


def _doubt(report: SuiteReport, rows: Sequence[TableRow]) -> str:
    """Why nothing can be decided, empty if it can."""
    if report.smoke:
        return "smoke suite, not evidence"
    absent = sum(row.n_planned - row.n_found for row in rows)
    if absent:
        return f"{absent} of {sum(row.n_planned for row in rows)} runs are not there"
    return ""


def _row(task: TaskReport, variant: str) -> TableRow:
    return next(row for row in task.table if row.variant == variant)


def _named(claim: Claim) -> dict[str, Any]:
    return claim.model_dump(exclude={"value"})


def _shown(found: Estimate | None) -> str:
    if found is None:
        return "no runs"
    if found.interval is None:
        return f"{found.value:.4g} (no interval)"
    return f"{found.value:.4g} [{found.interval.low:.4g}, {found.interval.high:.4g}]"


def _seeds(rows: Sequence[TableRow]) -> str:
    counts = sorted({row.n_found for row in rows})
    few = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]}-{counts[-1]}"
    return f"{few} seed{'s' if counts[-1] != 1 else ''}"
