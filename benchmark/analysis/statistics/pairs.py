"""Pairs of variants: probability of improvement, tests of differences, correction for their number, and places.

rliable has none of these for few runs. Its `probability_of_improvement` (Agarwal et al. 2021, section 4.3) is the estimate
here too; its bootstrap interval is too narrow for few runs, and [1, 1] where one variant wins every comparison.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from benchmark.analysis.statistics.over_tasks import floor_over_tasks, resampled_iqm
from benchmark.analysis.statistics.resampling import (
    CONFIDENCE,
    SMALLEST_SAMPLE,
    Array,
    Draws,
    Z,
    degrees_of_freedom,
)
from benchmark.analysis.statistics.resolution import Scale, equal

ALPHA = 1 - CONFIDENCE
EQUAL = 1e-9
"""Sums of equal scores differ by less."""
_BISECTIONS = 60


@dataclass(frozen=True)
class ProbabilityOfImprovement:
    """P(X > Y), ties half, averaged over tasks. `interval`, and `p`, the two-sided p-value of 1/2: None for too few runs."""

    value: float
    interval: tuple[float, float] | None
    p: float | None


def improvement(better: Sequence[Array], than: Sequence[Array]) -> ProbabilityOfImprovement:
    """P(X > Y), ties half, averaged over tasks, of the scores [n], [m] of each.

    The interval holds every q with |value - q| <= z sqrt(V(q)), where V is the variance of Hanley and McNeil 1982 (Newcombe's
    method 5, 2006), averaged over the T tasks:

        V(q) = 1 / T^2 * sum_t q (1 - q) / (n m) * (1 + ((n + m) / 2 - 1) * ((1 - q) / (2 - q) + q / (1 + q))).

    At q = 1/2 it is the variance of Mann and Whitney's statistic without ties, so that the interval excludes 1/2 exactly where
    that test, added over the tasks (van Elteren 1960), is significant.
    """
    pairs = list(zip(better, than, strict=True))
    value = float(np.mean([((np.sign(x[:, None] - y[None, :]) + 1) / 2).mean() for x, y in pairs]))
    sizes = [(len(x), len(y)) for x, y in pairs]
    if min(min(pair) for pair in sizes) < SMALLEST_SAMPLE:
        return ProbabilityOfImprovement(value, None, None)
    low, high = _lower_end(value, sizes), 1 - _lower_end(1 - value, sizes)
    p = 2 * special.ndtr(-abs(value - 0.5) / math.sqrt(_variance(0.5, sizes)))
    return ProbabilityOfImprovement(value, (low, high), float(p))


def _variance(q: float, sizes: Sequence[tuple[int, int]]) -> float:
    """V(q) of `improvement`."""
    tails = (1 - q) / (2 - q) + q / (1 + q)
    return sum(q * (1 - q) / (n * m) * (1 + ((n + m) / 2 - 1) * tails) for n, m in sizes) / len(sizes) ** 2


def _lower_end(value: float, sizes: Sequence[tuple[int, int]]) -> float:
    """The least q <= value with value - q <= z sqrt(V(q)), by bisection."""
    out, inside = 0.0, value
    for _ in range(_BISECTIONS):
        middle = (out + inside) / 2
        if value - middle <= Z * math.sqrt(_variance(middle, sizes)):
            inside = middle
        else:
            out = middle
    return inside


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for their number by Holm's method (1979): all rejections at a level are right with 1 - that level."""
    order = np.argsort(p, kind="stable")
    steps = np.asarray(p, np.float64)[order] * np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1) if len(p) else steps
    return [float(value) for value in corrected]


# Differences


@dataclass(frozen=True)
class Sample:
    """One number per run of a variant. Per task: `values` [n], `draws` [R, n] and the scale of the numbers."""

    values: tuple[Array, ...]
    draws: tuple[Draws, ...]
    scales: tuple[Scale | None, ...]


def difference_p(first: Sample, second: Sample) -> float:
    """The two-sided p-value of two variants with equal IQMs and means over the same tasks; 1 for fewer than SMALLEST_SAMPLE
    runs of either on some task, and where the mean of one is higher but the IQM of the other.

    The larger one of two tests by Student's t with Welch and Satterthwaite's degrees of freedom: of the means, with s_t^2 / n_t
    from each task, and of the IQMs, with the bootstrap's variance n / (n - 1) s^2. The IQM alone is too sure where runs either
    solve a task or fail: it is 1 for 8 of 10 solved as for 10 of 10. No variance is smaller than what the episodes can resolve.
    """
    return _difference_p(_Moments.of(first), _Moments.of(second))


@dataclass(frozen=True)
class _Moments:
    """A variant's mean and IQM with their variances, and the parts of the tasks in these, [T]. None for too few runs."""

    sizes: tuple[int, ...]
    mean: float
    mean_variances: Array
    iqm: float
    iqm_variance: float
    iqm_variances: Array
    floor: float

    @staticmethod
    def of(sample: Sample) -> _Moments | None:
        sizes = tuple(map(len, sample.values))
        if min(sizes) < SMALLEST_SAMPLE:
            return None
        alike = np.array([bool(equal(task)) for task in sample.values])
        variances = np.array([task.var(ddof=1) / len(task) for task in sample.values]) / len(sizes) ** 2
        iqm, n = resampled_iqm(sample.values, sample.draws), min(sizes)
        return _Moments(
            sizes,
            float(np.mean([task.mean() for task in sample.values])),
            np.where(alike, 0, variances),
            iqm.value,
            0.0 if alike.all() and iqm.samples.max() == iqm.samples.min() else float(iqm.samples.var()) * n / (n - 1),
            iqm.variances,
            (max(float(side) for side in floor_over_tasks(sample.values, sample.scales)) / Z) ** 2,
        )


def _difference_p(first: _Moments | None, second: _Moments | None) -> float:
    if first is None or second is None:
        return 1.0
    if (first.mean - second.mean) * (first.iqm - second.iqm) < 0:
        return 1.0
    sizes = first.sizes + second.sizes
    mean_variance, iqm_variance = (
        max(one, first.floor) + max(other, second.floor)
        for one, other in (
            (float(first.mean_variances.sum()), float(second.mean_variances.sum())),
            (first.iqm_variance, second.iqm_variance),
        )
    )
    return max(
        _t_p(first.mean - second.mean, mean_variance, np.concatenate([first.mean_variances, second.mean_variances]), sizes),
        _t_p(first.iqm - second.iqm, iqm_variance, np.concatenate([first.iqm_variances, second.iqm_variances]), sizes),
    )


def _t_p(difference: float, variance: float, parts: Array, sizes: Sequence[int]) -> float:
    """Of a difference with this variance, whose degrees of freedom follow from its parts by task and variant. Without any
    variance nothing is known, and nothing differs."""
    if abs(difference) < EQUAL or variance == 0:
        return 1.0
    return float(2 * special.stdtr(degrees_of_freedom(parts, sizes), -abs(difference) / math.sqrt(variance)))


# Places


@dataclass(frozen=True)
class Ranks:
    """Places of V variants, 1 = best, equal values share the better place. `low`, `high` [V]: the places that each may have
    by the differences that are significant; `tied` [V, V]: whether the difference of two is not."""

    rank: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    tied: NDArray[np.bool_]


def ranks(variants: Sequence[Sample], points: Sequence[float]) -> Ranks:
    """Places by `points`, the IQMs of variants on the same tasks.

    Two variants differ where `difference_p` is at most 0.05 after Holm's correction for all pairs. A variant's place is then
    between 1 + the number of those that are better and V - the number of those that are worse: with 95 % probability at once
    for all variants (Mogstad et al. 2024, doi 10.1093/restud/rdad006).
    """
    v = len(variants)
    moments = [_Moments.of(sample) for sample in variants]
    pairs = list(combinations(range(v), 2))
    p = holm([_difference_p(moments[i], moments[j]) for i, j in pairs])
    values = np.asarray(points)
    differs = np.zeros((v, v), np.bool_)
    for (i, j), corrected in zip(pairs, p, strict=True):
        differs[i, j] = differs[j, i] = corrected <= ALPHA
    above = values[None, :] > values[:, None]
    better, worse = (differs & above).sum(axis=1), (differs & ~above).sum(axis=1)
    return Ranks(places(values), 1 + better, v - worse, ~differs)


def places(values: Array) -> NDArray[np.int64]:
    """Places [V] of values [V]. Rounded first: sums of equal scores differ in the last digits."""
    rounded = values.round(9)
    found: NDArray[np.int64] = 1 + (rounded[None, :] > rounded[:, None]).sum(axis=1)
    return found
