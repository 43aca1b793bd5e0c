"""What the report says of one task of a suite: curves, table and pairs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmark.analysis.findings.suite_summary import improvements
from benchmark.analysis.runs.eligibility import group_notes
from benchmark.analysis.runs.run_table import RunGroup, SuiteRuns, number
from benchmark.analysis.runs.scales import Evaluation, normalised_scale, return_scale, score_scale, success_scale
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
from benchmark.analysis.statistics.one_task import iqm_over_runs, mean_over_runs
from benchmark.analysis.statistics.resampling import SMALLEST_SAMPLE, Array, Band, Draws
from benchmark.analysis.statistics.resolution import Scale
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
        returns=_curve(group, points, lambda scores: scores.returns, return_scale(group)),
        successes=_curve(group, points, lambda scores: scores.successes, success_scale(group)),
    )


def _curve(group: RunGroup, points: int, of: Callable[[RunScores], Array], scale: Scale | None) -> Curve:
    values = np.array([of(scores) for scores in group.scores], np.float64).reshape(-1, points)
    if len(values):
        mean, iqm = mean_over_runs(values, scale), iqm_over_runs(values, group.draws, scale)
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
    def over_runs(of: Callable[[RunScores], float], scale: Scale | None) -> Summary:
        return summary(np.array([of(scores) for scores in group.scores], np.float64), group.draws, scale)

    def over_normalised(of: Callable[[RunScores], float], evaluation: Evaluation) -> Summary | None:
        if group.task.reference_scores is None:
            return None
        values = np.array([of(scores) for scores in group.scores], np.float64)
        return summary(normalised(group.task, values), group.draws, normalised_scale(group, evaluation))

    return TableRow(
        variant=group.variant,
        n_planned=len(group.states),
        n_found=len(group.scores),
        n_failed=sum(state.failed for state in group.states),
        final_return=over_runs(lambda scores: float(scores.returns[-1]), return_scale(group)),
        final_success=over_runs(lambda scores: float(scores.successes[-1]), success_scale(group)),
        absolute_return=over_runs(lambda scores: scores.absolute_return, return_scale(group, "absolute")),
        absolute_success=over_runs(lambda scores: scores.absolute_success, success_scale(group, "absolute")),
        normalised_final=over_normalised(lambda scores: scores.final, "final"),
        normalised_absolute=over_normalised(lambda scores: scores.absolute, "absolute"),
        area=summary(group.area, group.draws, score_scale(group, "area")),
        published=planned.published.get(group.variant),
        published_source=planned.published_source if group.variant in planned.published else "",
        notes=tuple(group_notes(group)),
    )


def summary(values: Array, draws: Draws, scale: Scale | None) -> Summary:
    """Of one number per run [n], with the resamples [R, n] and the scale of the number."""
    if len(values) == 0 or not np.isfinite(values).all():
        return Summary(n=len(values), mean=None, sd=None, iqm=None, minimum=None, maximum=None)
    return Summary(
        n=len(values),
        mean=estimate(mean_over_runs(values, scale), values),
        sd=float(values.std(ddof=1)) if len(values) > 1 else None,
        iqm=estimate(iqm_over_runs(values[:, None], draws, scale), values),
        minimum=float(values.min()),
        maximum=float(values.max()),
    )


def estimate(band: Band, runs: Array) -> Estimate:
    """The one number that a band holds; the single runs beside it where they are too few for an interval."""
    low, high = (np.nan if edge is None else edge.item() for edge in (band.low, band.high))
    return Estimate(
        value=band.value.item(),
        interval=None if np.isnan(low) else Interval(low=low, high=high),
        runs=tuple(runs.tolist()) if len(runs) < SMALLEST_SAMPLE else (),
    )
