"""Everything that the report shows, as one model: what `aggregate.json` holds.

Pages read this and nothing else. Every number that can be missing is None, and the words that say why stand beside it.
Intervals are two-sided 95 % intervals; None where there is none to give (one seed, say), never an interval of width 0
for want of data. "Score" is the measure that the task is scored by (`TaskReport.score`); "normalised" is
(score - random) / (best - random) by the task's fixed reference scores.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from benchmark.store import Presence

MODEL_VERSION: Literal[1] = 1

Status = Literal["ranked", "preliminary", "unranked"]
Verdict = Literal["supported", "not supported", "undecided"]
Numbers = tuple[float | None, ...]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Interval(_Model):
    """Two-sided, 95 %."""

    low: float
    high: float


class Estimate(_Model):
    """A number and how sure it is. `interval` is None where there is no interval; pages then say "no interval"."""

    value: float
    interval: Interval | None


class ProvenanceSummary(_Model):
    """With what a run was computed; no host or user names. `commit`: the first 12 digits."""

    commit: str | None
    dirty: bool | None
    lock_sha256: str
    python: str
    torch: str
    numpy: str
    processor: str
    threads: int
    device: str


class PlannedAs(_Model):
    """Under which names a suite plans a run."""

    suite: str
    variant: str


class RunRow(_Model):
    """One planned run, there or not. Two suites that plan the same run share one row.

    `status` is None unless there is a record; `reason`: why it failed, crashed, or cannot be believed. `path`: of the
    record, below the root of the results. `final_*`: mean over the episodes of the last evaluation; `absolute_*`: of the
    best policy on fresh episodes; for a diverged run both are the random policy's (`scored_as_random`), None where the
    task does not know it. `seconds`: by phase; `total_seconds`: from start to end.
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
    seconds: dict[str, float]
    total_seconds: float | None
    steps_per_second: float | None
    peak_memory_bytes: int | None
    resumes: int | None
    provenance: ProvenanceSummary | None
    outcome_sha256: str | None


class Coverage(_Model):
    """How many of the planned runs are there. found + missing + crashed + corrupt = planned; `failed` are among the found."""

    planned: int
    found: int
    failed: int
    missing: int
    crashed: int
    corrupt: int


class VariantSummary(_Model):
    """A variant of a suite and whether it may be ranked. `reasons`: in words, why it is not (empty if it is).

    `settings`: those that differ from the algorithm's defaults (and, by task, in `settings_by_task` where a suite
    overrides them). `privileged`: data that it needs and no rival has.
    """

    variant: str
    title: str
    algorithm: str
    algorithm_title: str
    algorithm_version: int
    regime: str
    settings: dict[str, Any]
    settings_by_task: dict[str, dict[str, Any]]
    privileged: tuple[str, ...]
    seeds: tuple[int, ...]
    coverage: Coverage
    status: Status
    reasons: tuple[str, ...]


class SeedCurve(_Model):
    """One run's curve: `values[k]` at `TaskReport.steps[k]`, mean over the episodes. After `failed_at` (environment steps)
    the values are the random policy's."""

    seed: int
    values: Numbers
    failed_at: int | None


class Curve(_Model):
    """Over seeds, at `TaskReport.steps`: mean (Student t interval) and interquartile mean (bootstrap interval).

    None at a point: some run has no value there. `seeds`: each run's own curve.
    """

    mean: Numbers
    mean_low: Numbers
    mean_high: Numbers
    iqm: Numbers
    iqm_low: Numbers
    iqm_high: Numbers
    seeds: tuple[SeedCurve, ...]


class VariantCurves(_Model):
    """A variant on one task."""

    variant: str
    returns: Curve
    successes: Curve


class Summary(_Model):
    """Of one number per run, over seeds: n runs, mean (t interval), IQM (bootstrap), sd (None for one run), extremes.

    `mean`, `sd`, `iqm`, `minimum`, `maximum` are None where there is no run, or one without a value.
    """

    n: int
    mean: Estimate | None
    sd: float | None
    iqm: Estimate | None
    minimum: float | None
    maximum: float | None


class TableRow(_Model):
    """A variant on one task. `n_found` of `n_planned` runs are there, `n_failed` of them diverged.

    The normalised summaries are None where the task has no reference scores. `published`: mean final return by
    `published_source`. `notes`: what must be said where the numbers stand.
    """

    variant: str
    n_planned: int
    n_found: int
    n_failed: int
    final_return: Summary
    final_success: Summary
    absolute_return: Summary
    absolute_success: Summary
    normalised_final: Summary | None
    normalised_absolute: Summary | None
    published: float | None
    published_source: str
    notes: tuple[str, ...]


class Improvement(_Model):
    """P(a run of `better` scores higher than one of `than`), ties half, averaged over `n_tasks` tasks; final scores."""

    better: str
    than: str
    n_tasks: int
    probability: Estimate


class ReferenceSummary(_Model):
    """The fixed scores that normalise a task."""

    random: float
    random_source: str
    best: float
    best_source: str


class TaskReport(_Model):
    """A task of a suite. `steps[k]`: environment steps at which evaluation k was due; `improvement`: every ordered pair."""

    task: str
    version: int
    title: str
    family: str
    description: str
    source: str
    n_agents: int
    horizon: int
    success: str
    note: str
    score: Literal["return", "success"]
    reference: ReferenceSummary | None
    backend: str
    budget: int
    steps: tuple[int, ...]
    curves: tuple[VariantCurves, ...]
    table: tuple[TableRow, ...]
    improvement: tuple[Improvement, ...]


class VariantAggregate(_Model):
    """A variant over all normalised tasks. The estimates are None where it has no run on some task (`reason` says so).

    `method`: "rliable" for a full runs x tasks matrix, "own" for unequal numbers of seeds.
    """

    variant: str
    method: Literal["rliable", "own"] | None
    reason: str | None
    iqm: Estimate | None
    median: Estimate | None
    mean: Estimate | None
    optimality_gap: Estimate | None


class VariantBand(_Model):
    """Values with a pointwise 95 % band (`low`, `high` None without one), along the x of what holds it."""

    variant: str
    values: tuple[float, ...]
    low: tuple[float, ...] | None
    high: tuple[float, ...] | None


class VariantRank(_Model):
    """Place by IQM of normalised final scores among the variants that are ranked or preliminary (1 = best, equal IQMs
    share a place). `low`..`high`: 95 % of the bootstrap ranks; `distribution[k]`: share of resamples with place k + 1.
    `tied_with`: those whose IQM differs by an interval that holds 0."""

    variant: str
    status: Status
    rank: int
    low: int
    high: int
    distribution: tuple[float, ...]
    tied_with: tuple[str, ...]


class Overall(_Model):
    """Over the tasks. `tasks`: those with reference scores; `left_out`: those without, in no normalised aggregate.

    `profile_thresholds`: normalised scores; a profile's value is the share of runs above it. `efficiency_fractions`:
    of the budget; the values are the IQM of normalised scores there.
    """

    tasks: tuple[str, ...]
    left_out: tuple[str, ...]
    final: tuple[VariantAggregate, ...]
    absolute: tuple[VariantAggregate, ...]
    profile_thresholds: tuple[float, ...]
    profiles: tuple[VariantBand, ...]
    efficiency_fractions: tuple[float, ...]
    efficiency: tuple[VariantBand, ...]
    improvement: tuple[Improvement, ...]
    ranks: tuple[VariantRank, ...]


class ClaimVerdict(_Model):
    """A published statement and what was found. `expected` and `found` are words for the two columns of a table."""

    id: str
    statement: str
    source: str
    kind: str
    task: str | None
    variant: str
    than: str | None
    expected: str
    found: str
    estimate: Estimate | None
    threshold: float
    verdict: Verdict
    reason: str
    estimator: str


class Reproduction(_Model):
    """Own runs beside the committed ones of the same fingerprints, one task and variant; scores are final ones.

    `n_compared`: runs of which there are both; `identical`: those of them with equal outcomes, bit for bit.
    `prediction`: where the mean of the own runs is expected with 95 % probability by the committed ones. Numbers are None
    where there is nothing to compute them from.
    """

    suite: str
    task: str
    variant: str
    n_committed: int
    n_own: int
    n_compared: int
    identical: int
    committed_mean: float | None
    own_mean: float | None
    difference: float | None
    prediction: Interval | None
    verdict: Literal["identical", "agrees", "differs", "undecided"]
    reason: str


class EvaluationPolicy(_Model):
    """How a suite evaluates."""

    points: int
    episodes: int
    absolute_episodes: int
    policy: str


class SuiteReport(_Model):
    """One suite. Variants keep the order of the suite everywhere, tasks too. `notes`: what is missing, failed, preliminary."""

    name: str
    title: str
    description: str
    smoke: bool
    always_train: bool
    settings_source: str
    evaluation: EvaluationPolicy
    time_limit: str
    parallel_episodes: int
    seeds: tuple[int, ...]
    coverage: Coverage
    variants: tuple[VariantSummary, ...]
    tasks: tuple[TaskReport, ...]
    overall: Overall
    claims: tuple[ClaimVerdict, ...]
    reproduction: tuple[Reproduction, ...]
    notes: tuple[str, ...]


class Cost(_Model):
    """What an algorithm cost on a task: over all runs with a record, failed ones included.

    Medians of environment steps per second and of whole seconds; the largest peak memory; core-hours are seconds x
    threads, summed. `untimed`: crashed runs, whose time nobody recorded. `processors`: what it ran on.
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
    peak_memory_bytes: int | None
    core_hours: float
    processors: tuple[str, ...]


class Methods(_Model):
    """How the numbers were computed, for the methods page. `texts`: one sentence per kind of number."""

    confidence: float
    resamples: int
    bootstrap_seed: int
    rliable_version: str
    ranking_seeds: int
    protocol_version: int
    texts: dict[str, str]


class Aggregate(_Model):
    """The whole of `aggregate.json`."""

    model_version: Literal[1]
    methods: Methods
    runs: tuple[RunRow, ...]
    suites: tuple[SuiteReport, ...]
    cost: tuple[Cost, ...]
    core_hours: float
    notes: tuple[str, ...]


class ManifestEntry(_Model):
    """A record that was used, own ones of a comparison included. `path`: below the root of the results."""

    path: str
    presence: Presence
    fingerprint: str
    outcome_sha256: str
    file_sha256: str


class Manifest(_Model):
    """The whole of `manifest.json`: sorted by path."""

    model_version: Literal[1]
    records: tuple[ManifestEntry, ...]
