"""What is said of a suite: its variants, its tasks, the aggregates over them, claims and reproduction."""

from __future__ import annotations

from typing import Any, Literal

from benchmark.analysis.schema.ablations import AblationReport, MonitorCurve
from benchmark.analysis.schema.base import Estimate, Interval, Model, Numbers, Status, Summary, Verdict
from benchmark.analysis.schema.dependence_graphs import GraphReport
from benchmark.analysis.schema.runs import Coverage


class VariantSummary(Model):
    """A variant of a suite and whether it may be ranked. `reasons`: in words, why it is not (empty if it is).

    `settings`: those that differ from the algorithm's defaults, by dotted names (and, by task, in `settings_by_task` where
    a suite overrides them). `privileged`: data that it needs and no rival has. `published_iqm`: over the same tasks, by the
    `published_source` of the suite.
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
    published_iqm: float | None


class SeedCurve(Model):
    """One run's curve: `values[k]` at `TaskReport.steps[k]`, mean over the episodes. After `failed_at` (environment steps)
    the values are the random policy's."""

    seed: int
    values: Numbers
    failed_at: int | None


class Curve(Model):
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


class VariantCurves(Model):
    """A variant on one task."""

    variant: str
    returns: Curve
    successes: Curve


class TableRow(Model):
    """A variant on one task. `n_found` of `n_planned` runs are there, `n_failed` of them diverged.

    The normalised summaries are None where the task has no reference scores. `area`: under the learning curve, the mean
    score over the evaluation points of a run. `published`: mean final return by `published_source`. `notes`: what must be
    said where the numbers stand.
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
    area: Summary
    published: float | None
    published_source: str
    notes: tuple[str, ...]


class Improvement(Model):
    """P(a run of `better` scores higher than one of `than`), ties half, averaged over `n_tasks` tasks; final scores.

    `significant`: whether it differs from 1/2 after Holm's correction for all pairs that stand beside it; its interval is for
    this pair alone.
    """

    better: str
    than: str
    n_tasks: int
    probability: Estimate
    significant: bool


class ReferenceSummary(Model):
    """The fixed scores that normalise a task."""

    random: float
    random_source: str
    best: float
    best_source: str


class TaskReport(Model):
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


class VariantAggregate(Model):
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


class VariantEstimate(Model):
    """One number of a variant."""

    variant: str
    estimate: Estimate


class VariantBand(Model):
    """Values with a pointwise 95 % band (`low`, `high` None without one, None at a point without), along the x of what holds
    it. `runs`: the curves of single seeds, of sample efficiency alone and where they are too few for a band."""

    variant: str
    values: tuple[float, ...]
    low: Numbers | None
    high: Numbers | None
    runs: tuple[tuple[float, ...], ...] = ()


class VariantRank(Model):
    """Place by IQM of normalised final scores among the variants that are ranked or preliminary (1 = best, equal IQMs
    share a place). `tied_with`: those whose IQM does not differ significantly, after Holm's correction for all pairs.
    `low`..`high`: the places that the significant differences leave; with 95 % probability right for all variants at once."""

    variant: str
    status: Status
    rank: int
    low: int
    high: int
    tied_with: tuple[str, ...]


class Overall(Model):
    """Over the tasks. `tasks`: those with reference scores; `left_out`: those without, in no normalised aggregate.

    `profile_thresholds`: normalised scores; a profile's value is the share of runs above it. `efficiency_fractions`:
    of the budget; the values are the IQM of normalised scores there. `before_normalisation`: the IQM of final scores as they
    are, to stand beside published ones; empty unless the suite has such.
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
    before_normalisation: tuple[VariantEstimate, ...]


class ClaimVerdict(Model):
    """A published statement and what was found. `expected` and `found` are words for the two columns of a table.

    `measure`: whether final scores are compared or areas under the learning curve.
    """

    id: str
    statement: str
    source: str
    kind: str
    measure: str
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


class Reproduction(Model):
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


class EvaluationPolicy(Model):
    """How a suite evaluates."""

    points: int
    episodes: int
    absolute_episodes: int
    policy: str


class SuiteReport(Model):
    """One suite. Variants keep the order of the suite everywhere, tasks too. `notes`: what is missing, failed, preliminary.

    `preset`: of settings, empty for none. `core_hours`: what the runs that are there took; `declared_core_hours`: what the
    suite says that all its runs take. `monitor_curves`: those of reward models and of dependence graphs, where there are any.
    `graphs`: who influences whom, by task and variant, where runs have measurements of it.
    """

    name: str
    title: str
    description: str
    smoke: bool
    always_train: bool
    settings_source: str
    published_source: str
    preset: str
    core_hours: float
    declared_core_hours: float | None
    evaluation: EvaluationPolicy
    time_limit: str
    parallel_episodes: int
    seeds: tuple[int, ...]
    coverage: Coverage
    variants: tuple[VariantSummary, ...]
    tasks: tuple[TaskReport, ...]
    overall: Overall
    claims: tuple[ClaimVerdict, ...]
    ablations: tuple[AblationReport, ...]
    monitor_curves: tuple[MonitorCurve, ...]
    graphs: tuple[GraphReport, ...]
    reproduction: tuple[Reproduction, ...]
    notes: tuple[str, ...]
