"""The planned runs of suites with what is there of each: read once, checked, scored."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from benchmark.analysis.runs.scoring import RunScores, score, without_noise
from benchmark.analysis.schema import Coverage, ManifestEntry, PlannedAs, ProvenanceSummary, RunRow
from benchmark.analysis.statistics.resampling import Array, Draws, resample
from benchmark.environments.tasks.registry import Task, get_task
from benchmark.experiments.record import Execution, Provenance
from benchmark.experiments.run_spec import RunSpec
from benchmark.experiments.statements import Measure
from benchmark.experiments.store import Found, Store
from benchmark.experiments.suite import Suite


@dataclass(frozen=True)
class RunState:
    """One run of one suite. `scores` is None where there is no record that can be believed."""

    variant: str
    spec: RunSpec
    found: Found
    scores: RunScores | None

    @property
    def failed(self) -> bool:
        return self.found.record is not None and self.found.record.outcome.status == "failed"


class Reader:
    """Reads each record once, however many suites plan its run, and keeps a list of all that were used."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: dict[tuple[str, bool], tuple[Found, RunScores | None]] = {}

    def states(self, suite: Suite, *, reference: bool) -> list[RunState]:
        """Every planned run of a suite. `reference`: the committed record is taken where there is one."""
        return [
            RunState(planned.variant, planned.spec, *self._read(planned.spec, reference=reference)) for planned in suite.runs()
        ]

    def _read(self, spec: RunSpec, *, reference: bool) -> tuple[Found, RunScores | None]:
        key = (spec.fingerprint, reference)
        if key not in self._seen:
            found = self._store.find(spec, reference=reference)
            scores = None if found.record is None else score(found.record, get_task(spec.task))
            reason = None if found.reason is None else portable(found.reason, self._store)
            self._seen[key] = replace(found, reason=reason), scores
        return self._seen[key]

    def manifest(self) -> list[ManifestEntry]:
        """The records that were believed, by path."""
        entries = {}
        for found, _ in self._seen.values():
            if found.record is not None and found.path is not None:
                path = self.relative(found)
                entries[path] = ManifestEntry(
                    path=path,
                    presence=found.presence,
                    fingerprint=found.record.fingerprint,
                    outcome_sha256=found.record.outcome_sha256,
                    file_sha256=hashlib.sha256(found.path.read_bytes()).hexdigest(),
                )
        return [entries[path] for path in sorted(entries)]

    def relative(self, found: Found) -> str:
        """The path of a record below the root, the same on every machine."""
        assert found.path is not None
        return found.path.relative_to(self._store.root).as_posix()

    def row(self, state: RunState, planned: Sequence[PlannedAs]) -> RunRow:
        """The run as one row of the table of all runs."""
        spec, record, scores = state.spec, state.found.record, state.scores
        execution = record.execution if record else None
        return RunRow(
            planned=tuple(planned),
            **spec.model_dump(include=_SPEC_FIELDS),
            fingerprint=spec.fingerprint,
            presence=state.found.presence,
            path=self.relative(state.found) if state.found.path else None,
            status=record.outcome.status if record else None,
            reason=state.found.reason,
            scored_as_random=state.failed,
            steps_done=record.outcome.steps_done if record else None,
            **_scores(scores, get_task(spec.task)),
            seconds=dict(execution.seconds) if execution else {},
            total_seconds=total_seconds(execution) if execution else None,
            steps_per_second=execution.steps_per_second if execution else None,
            peak_memory_bytes=execution.peak_memory_bytes if execution else None,
            resumes=execution.resumes if execution else None,
            provenance=_provenance(execution.provenance) if execution else None,
            outcome_sha256=record.outcome_sha256 if record else None,
        )


_SPEC_FIELDS = {
    "task",
    "task_version",
    "backend",
    "algorithm",
    "algorithm_version",
    "regime",
    "settings",
    "seed",
    "budget",
    "parallel_episodes",
    "time_limit",
}


def _scores(scores: RunScores | None, task: Task) -> dict[str, Any]:
    names = (
        "final_return", "final_success", "absolute_return", "absolute_success", "normalised_final", "normalised_absolute",
        "greedy_final", "greedy_absolute",
    )  # fmt: skip
    if scores is None:
        return dict.fromkeys(names)
    final, absolute = number(scores.final), number(scores.absolute)
    values = (
        number(scores.returns[-1]),
        number(scores.successes[-1]),
        number(scores.absolute_return),
        number(scores.absolute_success),
        None if final is None else task.normalise(final),
        None if absolute is None else task.normalise(absolute),
        scores.greedy_final,
        scores.greedy_absolute,
    )
    return dict(zip(names, values, strict=True))


def portable(reason: str, store: Store) -> str:
    """The reason without the machine's own path to the results."""
    return reason.replace(f"{store.root}/", "") if store.root.is_absolute() else reason


def number(value: float) -> float | None:
    """A plain float; None for NaN."""
    return None if value != value else float(value)


def total_seconds(execution: Execution) -> float:
    """The trainer's own total, which has more in it than the phases; their sum for a record without one."""
    return execution.seconds.get("total", sum(execution.seconds.values()))


def _provenance(provenance: Provenance) -> ProvenanceSummary:
    values = provenance.model_dump()
    if values["commit"] is not None:
        values["commit"] = values["commit"][:12]
    return ProvenanceSummary(**values)


def coverage(states: Sequence[RunState]) -> Coverage:
    """How many of these runs are there."""
    presences = [state.found.presence for state in states]
    return Coverage(
        planned=len(states),
        found=sum(state.scores is not None for state in states),
        failed=sum(state.failed for state in states),
        missing=presences.count("missing"),
        crashed=presences.count("crashed"),
        corrupt=presences.count("corrupt"),
    )


@dataclass(frozen=True)
class RunGroup:
    """The runs of one variant on one task, in the order of their seeds; `scored`: those with a record."""

    task: Task
    variant: str
    states: tuple[RunState, ...]

    @property
    def scored(self) -> tuple[RunState, ...]:
        return tuple(state for state in self.states if state.scores is not None)

    @cached_property
    def scores(self) -> tuple[RunScores, ...]:
        """Of the scored runs."""
        return tuple(state.scores for state in self.states if state.scores is not None)

    @cached_property
    def final(self) -> Array:
        """Final scores [n], `without_noise`, by the measure that the task is scored by; NaN where a diverged run has none."""
        return without_noise(np.array([scores.final for scores in self.scores], np.float64))

    @cached_property
    def area(self) -> Array:
        """Areas under the curves [n], in the same manner; NaN for the same runs, as it is their end that has no score."""
        return without_noise(np.array([scores.area for scores in self.scores], np.float64))

    def of(self, measure: Measure) -> Array:
        """Final scores or areas [n]."""
        return self.final if measure == "final" else self.area

    @cached_property
    def alike(self) -> tuple[tuple[int, ...], ...]:
        """Seeds whose finished runs have one outcome, bit for bit: a record under several seeds, or runs without chance."""
        seeds: dict[str, list[int]] = {}
        for state in self.states:
            record = state.found.record
            if record is not None and record.outcome.status == "ok":
                seeds.setdefault(record.outcome_sha256, []).append(state.spec.seed)
        return tuple(tuple(same) for same in seeds.values() if len(same) > 1)

    @property
    def complete(self) -> bool:
        """Whether every planned run is there and has a score."""
        return len(self.scores) == len(self.states) and self.comparable

    @property
    def comparable(self) -> bool:
        """Whether there is a run, and every run that is there has a score."""
        return len(self.scores) > 0 and bool(np.isfinite(self.final).all())

    @cached_property
    def draws(self) -> Draws:
        """The bootstrap of these runs [R, n]: the same wherever they are looked at."""
        return resample(len(self.scores), self.variant, self.task.id)


class SuiteRuns:
    """The runs of a suite by task and variant."""

    def __init__(self, suite: Suite, states: Sequence[RunState]) -> None:
        self.suite = suite
        self.states = tuple(states)
        self.tasks = tuple(get_task(entry.task) for entry in suite.tasks)
        grouped: dict[tuple[str, str], list[RunState]] = {}
        for state in states:
            grouped.setdefault((state.spec.task, state.variant), []).append(state)
        self._groups = {
            (task.id, variant): RunGroup(task, variant, tuple(sorted(grouped[task.id, variant], key=lambda s: s.spec.seed)))
            for task in self.tasks
            for variant in suite.variants
        }

    def group(self, task: Task, variant: str) -> RunGroup:
        """The runs of one variant on one task."""
        return self._groups[task.id, variant]

    def row(self, variant: str) -> list[RunGroup]:
        """The runs of one variant, by task."""
        return [self.group(task, variant) for task in self.tasks]

    def column(self, task: Task) -> list[RunGroup]:
        """The runs on one task, by variant."""
        return [self.group(task, variant) for variant in self.suite.variants]
