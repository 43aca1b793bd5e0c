"""What the report says over the tasks of a suite: aggregates, profiles, sample efficiency, pairs and ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from benchmark.analysis import statistics
from benchmark.analysis.runs.run_table import RunGroup, SuiteRuns
from benchmark.analysis.runs.scoring import normalised
from benchmark.analysis.schema import (
    Estimate,
    Improvement,
    Interval,
    Overall,
    Status,
    VariantAggregate,
    VariantBand,
    VariantEstimate,
    VariantRank,
)
from benchmark.analysis.statistics import SCALARS, Band, OverTasks, VariantScores
from benchmark.experiments.statements import Measure


def overall(runs: SuiteRuns, standing: Mapping[str, Status]) -> Overall:
    """Everything over the tasks. `standing`: each variant's status, in the suite's order."""
    tasks = [task for task in runs.tasks if task.reference_scores is not None]
    groups = {variant: [runs.group(task, variant) for task in tasks] for variant in standing}
    lacking = {variant: _lacking(row) for variant, row in groups.items()}
    scores = {variant: _scores(row) for variant, row in groups.items() if lacking[variant] is None}
    aggregates = {variant: statistics.over_tasks(found) for variant, found in scores.items()}
    points = runs.suite.evaluation.points
    published = any(variant.published_iqm is not None for variant in runs.suite.variants.values())
    return Overall(
        tasks=tuple(task.id for task in tasks),
        left_out=tuple(task.id for task in runs.tasks if task.reference_scores is None),
        final=tuple(_aggregate(variant, aggregates.get(variant), "final", lacking[variant]) for variant in standing),
        absolute=tuple(_aggregate(variant, aggregates.get(variant), "absolute", lacking[variant]) for variant in standing),
        profile_thresholds=statistics.PROFILE_THRESHOLDS,
        profiles=tuple(_variant_band(variant, found.profile) for variant, found in aggregates.items()),
        efficiency_fractions=tuple(point / (points - 1) for point in range(points)),
        efficiency=tuple(_variant_band(variant, found.efficiency) for variant, found in aggregates.items()),
        improvement=improvements([runs.row(variant) for variant in standing]),
        ranks=_ranks(scores, aggregates, standing),
        before_normalisation=tuple(
            _before_normalisation(variant, groups[variant]) for variant in (scores if published else ())
        ),
    )


def _lacking(row: Sequence[RunGroup]) -> str | None:
    """Why a variant has no aggregate, None if it has."""
    if not row:
        return "no task of the suite has reference scores"
    empty = [group.task.id for group in row if not group.comparable]
    return f"no runs to score on {', '.join(empty)}" if empty else None


def _before_normalisation(variant: str, row: Sequence[RunGroup]) -> VariantEstimate:
    """The IQM of final scores as they are, as papers give it where all tasks have one scale."""
    value, ends = statistics.iqm_over_tasks([group.final for group in row], [group.counts for group in row])
    return VariantEstimate(variant=variant, estimate=interval_estimate(value, ends))


def _scores(row: Sequence[RunGroup]) -> VariantScores:
    return VariantScores(
        final=tuple(normalised(group.task, group.final) for group in row),
        absolute=tuple(normalised(group.task, np.array([scores.absolute for scores in group.scores])) for group in row),
        curves=tuple(normalised(group.task, np.array([scores.curve for scores in group.scores])) for group in row),
        counts=tuple(group.counts for group in row),
    )


def _aggregate(variant: str, found: OverTasks | None, measure: str, lacking: str | None) -> VariantAggregate:
    if found is None:
        return VariantAggregate(
            variant=variant, method=None, reason=lacking, iqm=None, median=None, mean=None, optimality_gap=None
        )
    band = found.final if measure == "final" else found.absolute
    reason = None if band.low is not None else "one run on some task, so no interval"
    return VariantAggregate(
        variant=variant, method=found.method, reason=reason, **dict(zip(SCALARS, _estimates(band), strict=True))
    )


def _estimates(band: Band) -> list[Estimate]:
    if band.low is None or band.high is None:
        return [Estimate(value=value, interval=None) for value in band.value.tolist()]
    return [
        Estimate(value=value, interval=Interval(low=low, high=high))
        for value, low, high in zip(band.value.tolist(), band.low.tolist(), band.high.tolist(), strict=True)
    ]


def _variant_band(variant: str, band: Band) -> VariantBand:
    low, high = (None if edge is None else tuple(edge.tolist()) for edge in (band.low, band.high))
    return VariantBand(variant=variant, values=tuple(band.value.tolist()), low=low, high=high)


def improvements(rows: Sequence[Sequence[RunGroup]]) -> tuple[Improvement, ...]:
    """Every ordered pair of variants, each given by its groups on the same tasks; over the tasks on which both have scores.

    A pair without such a task is left out.
    """
    found: dict[tuple[int, int], Improvement] = {}
    for (i, first), (j, second) in combinations(enumerate(rows), 2):
        pair = improvement(first, second)
        if pair is not None:
            found[i, j] = pair
            found[j, i] = _mirrored(pair)
    return tuple(found[pair] for pair in sorted(found))


def improvement(better: Sequence[RunGroup], than: Sequence[RunGroup], measure: Measure = "final") -> Improvement | None:
    """P(a run of `better` scores higher than one of `than`) over the tasks on which both have scores; None without any.

    It compares scores of one task with each other and so needs no normalisation.
    """
    shared = [(x, y) for x, y in zip(better, than, strict=True) if x.comparable and y.comparable]
    if not shared:
        return None
    xs, ys = [x for x, _ in shared], [y for _, y in shared]
    probability, interval = statistics.improvement(
        [x.of(measure) for x in xs], [y.of(measure) for y in ys], [x.counts for x in xs], [y.counts for y in ys]
    )
    return Improvement(
        better=xs[0].variant, than=ys[0].variant, n_tasks=len(shared), probability=interval_estimate(probability, interval)
    )


def _mirrored(pair: Improvement) -> Improvement:
    ends = pair.probability.interval
    mirrored = None if ends is None else (1 - ends.high, 1 - ends.low)
    return Improvement(
        better=pair.than,
        than=pair.better,
        n_tasks=pair.n_tasks,
        probability=interval_estimate(1 - pair.probability.value, mirrored),
    )


def interval_estimate(value: float, ends: tuple[float, float] | None) -> Estimate:
    """A number with the two ends of its interval, where it has one."""
    return Estimate(value=value, interval=None if ends is None else Interval(low=ends[0], high=ends[1]))


def _ranks(
    scores: Mapping[str, VariantScores], aggregates: Mapping[str, OverTasks], standing: Mapping[str, Status]
) -> tuple[VariantRank, ...]:
    """Among the variants that are ranked or preliminary and have an interval; best first."""
    names = [name for name, found in scores.items() if standing[name] != "unranked" and found.has_interval]
    if not names:
        return ()
    iqms = np.array([aggregates[name].final.value[SCALARS.index("iqm")] for name in names])
    found = statistics.ranks(
        iqms, np.stack([statistics.iqm_samples(scores[name].final, scores[name].counts) for name in names])
    )
    rows = [
        VariantRank(
            variant=name,
            status=standing[name],
            rank=int(found.rank[i]),
            low=int(found.low[i]),
            high=int(found.high[i]),
            distribution=tuple(found.distribution[i].tolist()),
            tied_with=tuple(other for j, other in enumerate(names) if j != i and found.tied[i, j]),
        )
        for i, name in enumerate(names)
    ]
    return tuple(sorted(rows, key=lambda row: row.rank))
