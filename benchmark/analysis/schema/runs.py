"""Runs one by one: where each comes from, what it scored, with what it was computed, what it cost; and the records used."""

from __future__ import annotations

from typing import Any, Literal

from benchmark.analysis.schema.base import Model
from benchmark.experiments.store import Presence

REWARD_MODEL = "reward model"
"""Among the seconds of a run: the part of its updates that went into the reward model."""


class ProvenanceSummary(Model):
    """With what a run was computed, see record.Provenance. `commit`: the first 12 digits."""

    commit: str | None
    commit_unknown: str | None = None
    dirty: bool | None
    installed_sha256: str | None = None
    packages: tuple[str, ...] | None = None
    lock_sha256: str | None = None
    python: str
    torch: str
    numpy: str
    processor: str
    threads: int
    device: str


class PlannedAs(Model):
    """Under which names a suite plans a run."""

    suite: str
    variant: str


class RunRow(Model):
    """One planned run, there or not. Two suites that plan the same run share one row.

    `status` is None unless there is a record; `reason`: why it failed, crashed, or cannot be believed. `path`: of the
    record, below the root of the results. `final_*`: mean over the episodes of the last evaluation; `absolute_*`: of the
    best policy on fresh episodes; for a diverged run both are the random policy's (`scored_as_random`), None where the
    task does not know it. `greedy_*`: by the task's measure, of greedy evaluations beside sampled ones; None where the run
    has none. `seconds`: by phase; `total_seconds`: from start to end.
    """

    planned: tuple[PlannedAs, ...]
    task: str
    task_version: int
    backend: str
    algorithm: str
    algorithm_version: int
    regime: str
    settings: dict[str, Any]
    seed: int
    budget: int
    parallel_episodes: int
    time_limit: str
    fingerprint: str
    presence: Presence
    path: str | None
    status: Literal["ok", "failed"] | None
    reason: str | None
    scored_as_random: bool
    steps_done: int | None
    final_return: float | None
    final_success: float | None
    absolute_return: float | None
    absolute_success: float | None
    normalised_final: float | None
    normalised_absolute: float | None
    greedy_final: float | None
    greedy_absolute: float | None
    seconds: dict[str, float]
    total_seconds: float | None
    steps_per_second: float | None
    peak_memory_bytes: int | None
    resumes: int | None
    provenance: ProvenanceSummary | None
    outcome_sha256: str | None


class Coverage(Model):
    """How many of the planned runs are there. found + missing + crashed + corrupt = planned; `failed` are among the found."""

    planned: int
    found: int
    failed: int
    missing: int
    crashed: int
    corrupt: int


class Cost(Model):
    """What an algorithm cost on a task: over all runs with a record, failed ones included.

    Medians of environment steps per second and of whole seconds; the largest peak memory; core-hours are seconds x
    threads, summed. `reward_model_share`: of the seconds, None without a reward model. `untimed`: crashed runs, whose time
    nobody recorded. `processors`: what it ran on.
    """

    task: str
    algorithm: str
    algorithm_version: int
    backend: str
    runs: int
    failed: int
    untimed: int
    steps_per_second: float | None
    seconds: float | None
    reward_model_share: float | None
    peak_memory_bytes: int | None
    core_hours: float
    processors: tuple[str, ...]


class ManifestEntry(Model):
    """A record that was used, own ones of a comparison included. `path`: below the root of the results."""

    path: str
    presence: Presence
    fingerprint: str
    outcome_sha256: str
    file_sha256: str


class StudyFile(Model):
    """A study's result that was used. `content_sha256`: over all of it but seconds and provenance."""

    path: str
    content_sha256: str
    file_sha256: str
