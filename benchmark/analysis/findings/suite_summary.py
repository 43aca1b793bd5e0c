"""What the report says over the tasks of a suite: aggregates, profiles, sample efficiency, pairs and ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from benchmark.analysis.runs.run_table import RunGroup, SuiteRuns, number
from benchmark.analysis.runs.scales import normalised_scale, score_scale
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
from benchmark.analysis.statistics import pairs
from benchmark.analysis.statistics.over_tasks import (
    PROFILE_THRESHOLDS,
    SCALARS,
    OverTasks,
    VariantScores,
    iqm_over_tasks,
    over_tasks,
)
from benchmark.analysis.statistics.resampling import SMALLEST_SAMPLE, Array, Band
from benchmark.experiments.statements import Measure


def overall(runs: SuiteRuns, standing: Mapping[str, Status]) -> Overall:
    """Everything over the tasks. `standing`: each variant's status, in the suite's order."""
    tasks = [task for task in runs.tasks if task.reference_scores is not None]
    groups = {variant: [runs.group(task, variant) for task in tasks] for variant in standing}
    lacking = {variant: _lacking(row) for variant, row in groups.items()}
    scores = {variant: _scores(row) for variant, row in groups.items() if lacking[variant] is None}
    aggregates = {variant: over_tasks(found) for variant, found in scores.items()}
    points = runs.suite.evaluation.points
    published = any(variant.published_iqm is not None for variant in runs.suite.variants.values())
    return Overall(
        tasks=tuple(task.id for task in tasks),
        left_out=tuple(task.id for task in runs.tasks if task.reference_scores is None),
        final=tuple(_aggregate(variant, aggregates.get(variant), "final", lacking[variant]) for variant in standing),
        absolute=tuple(_aggregate(variant, aggregates.get(variant), "absolute", lacking[variant]) for variant in standing),
        profile_thresholds=PROFILE_THRESHOLDS,
        profiles=tuple(_variant_band(variant, found.profile) for variant, found in aggregates.items()),
        efficiency_fractions=tuple(point / (points - 1) for point in range(points)),
        efficiency=tuple(
            _variant_band(variant, found.efficiency, found.efficiency_by_seed) for variant, found in aggregates.items()
        ),
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
    value, ends = iqm_over_tasks(
        [group.final for group in row], [group.draws for group in row], [score_scale(group) for group in row]
    )
    return VariantEstimate(variant=variant, estimate=interval_estimate(value, ends))


def _scores(row: Sequence[RunGroup]) -> VariantScores:
    return VariantScores(
        final=tuple(normalised(group.task, group.final) for group in row),
        absolute=tuple(normalised(group.task, np.array([scores.absolute for scores in group.scores])) for group in row),
        curves=tuple(normalised(group.task, np.array([scores.curve for scores in group.scores])) for group in row),
        draws=tuple(group.draws for group in row),
        scales=tuple(normalised_scale(group) for group in row),
        absolute_scales=tuple(normalised_scale(group, "absolute") for group in row),
    )


def _aggregate(variant: str, found: OverTasks | None, measure: str, lacking: str | None) -> VariantAggregate:
    if found is None:
        return VariantAggregate(
            variant=variant, method=None, reason=lacking, iqm=None, median=None, mean=None, optimality_gap=None
        )
    band, by_seed = (found.final, found.final_by_seed) if measure == "final" else (found.absolute, found.absolute_by_seed)
    reason = None if band.low is not None else f"fewer than {SMALLEST_SAMPLE} runs on some task, so no interval"
    return VariantAggregate(
        variant=variant, method=found.method, reason=reason, **dict(zip(SCALARS, _estimates(band, by_seed), strict=True))
    )


def _estimates(band: Band, by_seed: Array) -> list[Estimate]:
    if band.low is None or band.high is None:
        return [
            Estimate(value=value, interval=None, runs=tuple(runs))
            for value, runs in zip(band.value.tolist(), by_seed.T.tolist(), strict=True)
        ]
    return [
        interval_estimate(value, None if low != low else (low, high))
        for value, low, high in zip(band.value.tolist(), band.low.tolist(), band.high.tolist(), strict=True)
    ]


def _variant_band(variant: str, band: Band, by_seed: Array | None = None) -> VariantBand:
    low, high = (None if edge is None else tuple(map(number, edge.tolist())) for edge in (band.low, band.high))
    runs = () if by_seed is None else tuple(map(tuple, by_seed.tolist()))
    return VariantBand(variant=variant, values=tuple(band.value.tolist()), low=low, high=high, runs=runs)


def improvements(rows: Sequence[Sequence[RunGroup]]) -> tuple[Improvement, ...]:
    """Every ordered pair of variants, each given by its groups on the same tasks; over the tasks on which both have scores.

    A pair without such a task is left out. Which are significant is decided after Holm's correction for all pairs.
    """
    found = {
        (i, j): pair
        for (i, first), (j, second) in combinations(enumerate(rows), 2)
        if (pair := improvement(first, second)) is not None
    }
    corrected = pairs.holm([pair.p for pair in found.values() if pair.p is not None])
    known = [places for places, pair in found.items() if pair.p is not None]
    significant = {places for places, p in zip(known, corrected, strict=True) if p <= pairs.ALPHA}
    both = {}
    for (i, j), pair in found.items():
        both[i, j] = pair.model(significant=(i, j) in significant)
        both[j, i] = pair.mirrored.model(significant=(i, j) in significant)
    return tuple(both[places] for places in sorted(both))


@dataclass(frozen=True)
class PairOfVariants:
    """P(a run of `better` scores higher than one of `than`) over `n_tasks` tasks; `p`: the two-sided p-value of 1/2."""

    better: str
    than: str
    n_tasks: int
    probability: Estimate
    p: float | None

    @property
    def mirrored(self) -> PairOfVariants:
        ends = self.probability.interval
        probability = interval_estimate(1 - self.probability.value, None if ends is None else (1 - ends.high, 1 - ends.low))
        return PairOfVariants(self.than, self.better, self.n_tasks, probability, self.p)

    def model(self, *, significant: bool) -> Improvement:
        """As the report reads it."""
        return Improvement(
            better=self.better,
            than=self.than,
            n_tasks=self.n_tasks,
            probability=self.probability,
            significant=significant,
        )


def improvement(better: Sequence[RunGroup], than: Sequence[RunGroup], measure: Measure = "final") -> PairOfVariants | None:
    """A pair over the tasks on which both have scores; None without any.

    It compares scores of one task with each other and so needs no normalisation.
    """
    shared = [(x, y) for x, y in zip(better, than, strict=True) if x.comparable and y.comparable]
    if not shared:
        return None
    found = pairs.improvement([x.of(measure) for x, _ in shared], [y.of(measure) for _, y in shared])
    (first, second), estimate = shared[0], interval_estimate(found.value, found.interval)
    return PairOfVariants(first.variant, second.variant, len(shared), estimate, found.p)


def interval_estimate(value: float, ends: tuple[float, float] | None) -> Estimate:
    """A number with the two ends of its interval, where it has one."""
    return Estimate(value=value, interval=None if ends is None else Interval(low=ends[0], high=ends[1]))


def _ranks(
    scores: Mapping[str, VariantScores], aggregates: Mapping[str, OverTasks], standing: Mapping[str, Status]
) -> tuple[VariantRank, ...]:
    """Among the variants that are ranked or preliminary; best first."""
    names = [name for name in scores if standing[name] != "unranked"]
    if not names:
        return ()
    samples = [pairs.Sample(scores[name].final, scores[name].draws, scores[name].scales) for name in names]
    found = pairs.ranks(samples, [float(aggregates[name].final.value[SCALARS.index("iqm")]) for name in names])
    rows = [
        VariantRank(
            variant=name,
            status=standing[name],
            rank=int(found.rank[i]),
            low=int(found.low[i]),
            high=int(found.high[i]),
            tied_with=tuple(other for j, other in enumerate(names) if j != i and found.tied[i, j]),
        )
        for i, name in enumerate(names)
    ]
    return tuple(sorted(rows, key=lambda row: row.rank))
