"""What the report says of one task of a suite: curves, table and pairs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmark.analysis import statistics
from benchmark.analysis.findings.suite_summary import improvements
from benchmark.analysis.runs.eligibility import group_notes
from benchmark.analysis.runs.run_table import RunGroup, SuiteRuns, number
from benchmark.analysis.runs.scoring import RunScores, normalised
from benchmark.analysis.schema import (
    Curve,
    Estimate,
    Interval,
    Numbers,
    ReferenceSummary,
    SeedCurve,
    Summary,
    TableRow,
    TaskReport,
    VariantCurves,
)
from benchmark.analysis.statistics import Array, Band
from benchmark.environments.tasks.registry import Task
from benchmark.experiments.suite import SuiteTask


def task_report(runs: SuiteRuns, planned: SuiteTask, task: Task) -> TaskReport:
    """One task of a suite, with all its variants in the suite's order."""
    groups = runs.column(task)
    schedule = runs.suite.evaluation
    scores = task.reference_scores
    return TaskReport(
        task=task.id,
        version=task.version,
        title=task.title,
        family=task.family,
        description=task.description,
        source=task.source,
        n_agents=task.n_agents,
        horizon=task.horizon,
        success=task.success,
        note=task.note,
        score=task.score,
        reference=None if scores is None else ReferenceSummary(**vars(scores)),
        backend=groups[0].states[0].spec.backend,
        budget=planned.budget,
        steps=tuple(schedule.due(point, planned.budget) for point in range(schedule.points)),
        curves=tuple(_curves(group, schedule.points) for group in groups),
        table=tuple(_table_row(group, planned) for group in groups),
        improvement=improvements([[group] for group in groups]),
    )


def _curves(group: RunGroup, points: int) -> VariantCurves:
    return VariantCurves(
        variant=group.variant,
        returns=_curve(group, points, lambda scores: scores.returns),
        successes=_curve(group, points, lambda scores: scores.successes),
    )


def _curve(group: RunGroup, points: int, of: Callable[[RunScores], Array]) -> Curve:
    values = np.array([of(scores) for scores in group.scores], np.float64).reshape(-1, points)
    if len(values):
        mean, iqm = statistics.mean_over_runs(values), statistics.iqm_over_runs(values, group.counts)
    else:
        mean = iqm = Band(np.full(points, np.nan), None, None)
    return Curve(
        mean=_numbers(mean.value, points),
        mean_low=_numbers(mean.low, points),
        mean_high=_numbers(mean.high, points),
        iqm=_numbers(iqm.value, points),
        iqm_low=_numbers(iqm.low, points),
        iqm_high=_numbers(iqm.high, points),
        seeds=tuple(
            SeedCurve(seed=state.spec.seed, values=_numbers(row, points), failed_at=scores.failed_at)
            for state, scores, row in zip(group.scored, group.scores, values, strict=True)
        ),
    )


def _numbers(values: Array | None, points: int) -> Numbers:
    return (None,) * points if values is None else tuple(number(value) for value in values.tolist())


def _table_row(group: RunGroup, planned: SuiteTask) -> TableRow:
    def over_runs(of: Callable[[RunScores], float]) -> Summary:
        return summary(np.array([of(scores) for scores in group.scores], np.float64), group.counts)

    def over_normalised(of: Callable[[RunScores], float]) -> Summary | None:
        if group.task.reference_scores is None:
            return None
        values = np.array([of(scores) for scores in group.scores], np.float64)
        return summary(normalised(group.task, values), group.counts)

    return TableRow(
        variant=group.variant,
        n_planned=len(group.states),
        n_found=len(group.scores),
        n_failed=sum(state.failed for state in group.states),
        final_return=over_runs(lambda scores: float(scores.returns[-1])),
        final_success=over_runs(lambda scores: float(scores.successes[-1])),
        absolute_return=over_runs(lambda scores: scores.absolute_return),
        absolute_success=over_runs(lambda scores: scores.absolute_success),
        normalised_final=over_normalised(lambda scores: scores.final),
        normalised_absolute=over_normalised(lambda scores: scores.absolute),
        area=summary(group.area, group.counts),
        published=planned.published.get(group.variant),
        published_source=planned.published_source if group.variant in planned.published else "",
        notes=tuple(group_notes(group)),
    )


def summary(values: Array, counts: NDArray[np.int64]) -> Summary:
    """Of one number per run [n], resampled by counts [R, n]."""
    if len(values) == 0 or not np.isfinite(values).all():
        return Summary(n=len(values), mean=None, sd=None, iqm=None, minimum=None, maximum=None)
    iqm = statistics.iqm_over_runs(values[:, None], counts)
    return Summary(
        n=len(values),
        mean=estimate(statistics.mean_over_runs(values)),
        sd=float(values.std(ddof=1)) if len(values) > 1 else None,
        iqm=estimate(iqm),
        minimum=float(values.min()),
        maximum=float(values.max()),
    )


def estimate(band: Band) -> Estimate:
    """The one number that a band holds."""
    interval = None if band.low is None or band.high is None else Interval(low=band.low.item(), high=band.high.item())
    return Estimate(value=band.value.item(), interval=interval)
