"""Aggregates of a variant over the tasks: IQM, median, mean, optimality gap, performance profile, sample efficiency.

Where every task has the same number of runs, rliable computes and resamples them (Agarwal et al. 2021, arXiv 2108.13264). It
knows no unequal numbers of runs: those have our own estimates, in which each task weighs the same however many runs it has.
With equal numbers they are rliable's to rounding, and both read the same resamples. The intervals of both are stretched for
few runs (see `resampling`) and have the floor of what the episodes can resolve (see `resolution`).

NaN is a value that a run does not have; it makes every number that depends on it NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from benchmark.analysis.statistics.resampling import (
    SMALLEST_SAMPLE,
    Array,
    Band,
    Draws,
    degrees_of_freedom,
    equal_shares,
    jackknife_shares,
    jackknife_variances,
    percentiles,
    resampled_shares,
    stretched,
    weighted_iqm,
)
from benchmark.analysis.statistics.resolution import Scale, equal, unresolved, widened, wilson

PROFILE_THRESHOLDS = tuple(round(0.01 * k, 2) for k in range(101))
SCALARS = ("iqm", "median", "mean", "optimality_gap")


@dataclass(frozen=True)
class VariantScores:
    """Normalised scores of one variant. Per task: `final` [n], `absolute` [n], `curves` [n, P], `draws` [R, n], and the
    scales of final and absolute scores (None: nothing bounds them).

    The number of runs n may differ between tasks; P may not.
    """

    final: tuple[Array, ...]
    absolute: tuple[Array, ...]
    curves: tuple[Array, ...]
    draws: tuple[Draws, ...]
    scales: tuple[Scale | None, ...]
    absolute_scales: tuple[Scale | None, ...]

    @property
    def sizes(self) -> list[int]:
        """Runs by task."""
        return [len(task) for task in self.final]

    @property
    def full(self) -> bool:
        """Whether the runs make a full runs x tasks matrix."""
        return len(set(self.sizes)) == 1

    @property
    def has_interval(self) -> bool:
        return min(self.sizes) >= SMALLEST_SAMPLE


@dataclass(frozen=True)
class OverTasks:
    """A variant's aggregates: `final` and `absolute` [4] in the order of SCALARS, `profile` [101], `efficiency` [P].

    Where there are too few runs for intervals, `final_by_seed` and `absolute_by_seed` [n, 4] and `efficiency_by_seed` [n, P]
    are the same over the first run of each task, over the second, and so on; else they are empty.
    """

    final: Band
    absolute: Band
    profile: Band
    efficiency: Band
    final_by_seed: Array
    absolute_by_seed: Array
    efficiency_by_seed: Array
    method: Literal["rliable", "own"]


def over_tasks(scores: VariantScores) -> OverTasks:
    """All aggregates of a variant: by rliable where the runs x tasks matrix is full, else by our own bootstrap."""
    sizes = scores.sizes
    point = _by_rliable(scores) if scores.full else _weighted(scores, equal_shares(sizes)[None])[0]
    ends = np.cumsum([len(SCALARS), len(SCALARS), len(PROFILE_THRESHOLDS)])
    values = np.split(point, ends)
    method: Literal["rliable", "own"] = "rliable" if scores.full else "own"
    if not scores.has_interval:
        final, absolute, profile, efficiency = (Band(value, None, None) for value in values)
        by_seed = np.split(_by_seed(scores), ends, axis=1)
        return OverTasks(final, absolute, profile, efficiency, by_seed[0], by_seed[1], by_seed[3], method)
    low, high = _rliables_interval(scores) if scores.full else percentiles(_weighted(scores, resampled_shares(scores.draws)))
    variances = jackknife_variances(_weighted(scores, jackknife_shares(sizes)), sizes)
    low, high = stretched(point, low, high, degrees_of_freedom(variances, sizes), min(sizes))
    pairs = list(zip(values, np.split(low, ends), np.split(high, ends), strict=True))
    none = np.zeros((0, 0))
    return OverTasks(
        _scalar_band(pairs[0], scores.final, scores.scales),
        _scalar_band(pairs[1], scores.absolute, scores.absolute_scales),
        _share_band(pairs[2], sum(sizes)),
        _floored(pairs[3], scores.curves, scores.scales),
        none,
        none,
        none,
        method,
    )


# The floor of what episodes can resolve


def floor_over_tasks(values: Sequence[Array], scales: Sequence[Scale | None]) -> tuple[Array, Array]:
    """That of a mean over tasks of which the runs have values [n, ...]: sqrt(sum_t d_t^2) / T, below and above."""
    sides = [unresolved(task.mean(axis=0), len(task), equal(task), scale) for task, scale in zip(values, scales, strict=True)]
    below, above = (np.sqrt(np.square(np.stack(side)).sum(axis=0)) / len(values) for side in zip(*sides, strict=True))
    return below, above


def _bounds(scales: Sequence[Scale | None]) -> tuple[float, float]:
    ends = [(-np.inf, np.inf) if scale is None else scale.ends for scale in scales]
    return min(low for low, _ in ends), max(high for _, high in ends)


def _floored(part: tuple[Array, Array, Array], values: Sequence[Array], scales: Sequence[Scale | None]) -> Band:
    point, low, high = part
    return Band(point, *widened(point, (low, high), floor_over_tasks(values, scales), _bounds(scales)))


def _scalar_band(part: tuple[Array, Array, Array], values: Sequence[Array], scales: Sequence[Scale | None]) -> Band:
    """The floor of the gap is mirrored, and it cannot be below 0."""
    scores = _floored(tuple(side[:-1] for side in part), values, scales)  # type: ignore[arg-type]
    point, low, high = (side[-1:] for side in part)
    below, above = floor_over_tasks(values, scales)
    gap = widened(point, (low, high), (above, below), (0.0, np.inf))
    assert scores.low is not None
    assert scores.high is not None
    return Band(part[0], np.concatenate([scores.low, gap[0]]), np.concatenate([scores.high, gap[1]]))


def _share_band(part: tuple[Array, Array, Array], runs: int) -> Band:
    """A share of runs is known no better than by Wilson's interval. A profile falls, and so do its edges, widened to do so."""
    share, low, high = part
    least, most = wilson(np.clip(share, 0, 1), runs)
    low, high = widened(share, (low, high), (share - least, most - share), (0.0, 1.0))
    return Band(share, np.minimum.accumulate(low), np.maximum.accumulate(high[::-1])[::-1])


# By rliable


def _by_rliable(scores: VariantScores) -> Array:
    n = len(scores.final[0])
    return _aggregates(scores)(np.repeat(np.arange(n)[:, None], len(scores.final), axis=1))


def _rliables_interval(scores: VariantScores) -> tuple[Array, Array]:
    """rliable resamples a matrix of run numbers [n, T], so that a run's final score, absolute score and curve stay together."""
    from benchmark.analysis.statistics.rliable_bootstrap import percentile_interval  # rliable takes seconds to import

    return percentile_interval(_aggregates(scores), np.stack(scores.draws, axis=2))


def _aggregates(scores: VariantScores) -> Callable[[Draws], Array]:
    """All aggregates of the runs with the numbers [n, T]."""
    final, absolute = np.stack(scores.final, axis=1), np.stack(scores.absolute, axis=1)
    curves = np.stack(scores.curves, axis=1)
    n, tasks = final.shape
    columns = np.arange(tasks)
    thresholds = np.array(PROFILE_THRESHOLDS)

    def aggregates(runs: Draws) -> Array:
        return np.concatenate(
            [
                scalars(final[runs, columns]),
                scalars(absolute[runs, columns]),
                _profile(final[runs, columns], thresholds),
                interquartile_mean(curves[runs, columns].reshape(n * tasks, -1)),
            ]
        )

    return aggregates


def interquartile_mean(values: Array) -> Array:
    """The mean of the middle half along the first axis: [n, ...] -> [...].

    Bit for bit `rliable.metrics.aggregate_iqm` (scipy's trimmed mean), without the ten times dearer checks that scipy makes
    at each of the thousands of resamples; tests/analysis/test_over_tasks.py compares the two.
    """
    n = len(values)
    cut = n // 4
    middle: Array = np.partition(values, (cut, n - cut - 1), axis=0)[cut : n - cut].mean(axis=0)
    return middle


def scalars(matrix: Array) -> Array:
    """The four SCALARS of a matrix of scores [n, T]: bit for bit rliable's `aggregate_*` (the tests compare them)."""
    return np.array(
        [
            interquartile_mean(matrix.ravel()),
            np.median(matrix.mean(axis=0)),
            matrix.mean(axis=0).mean(),
            1 - np.minimum(matrix, 1).mean(),
        ]
    )


def _profile(matrix: Array, thresholds: Array) -> Array:
    """Share of runs above each threshold: rliable's score distribution, all thresholds at once."""
    shares: Array = (matrix.reshape(-1, 1) > thresholds).mean(axis=0)
    return shares


def _by_seed(scores: VariantScores) -> Array:
    """The aggregates of the k-th run of each task, [n, 4 + 4 + 101 + P]."""

    def only(k: int) -> VariantScores:
        final, absolute, curves = (
            tuple(task[k : k + 1] for task in part) for part in (scores.final, scores.absolute, scores.curves)
        )
        return replace(scores, final=final, absolute=absolute, curves=curves)

    return np.stack([_by_rliable(only(k)) for k in range(min(scores.sizes))])


# By weights


def _weighted(scores: VariantScores, weights: Array) -> Array:
    """All aggregates under each row of weights [R, N] -> [R, 4 + 4 + 101 + P]."""
    sizes = scores.sizes
    final, absolute = np.concatenate(scores.final), np.concatenate(scores.absolute)
    above = (final[:, None] > np.array(PROFILE_THRESHOLDS)).astype(float)
    # A weighted sum of ones may round to 1 + 1e-16, which is no share.
    profile = np.minimum(weights @ above, 1.0)
    efficiency = weighted_iqm(np.concatenate(scores.curves), weights)
    return np.concatenate(
        [_weighted_scalars(final, weights, sizes), _weighted_scalars(absolute, weights, sizes), profile, efficiency], axis=1
    )


def _weighted_scalars(values: Array, weights: Array, sizes: Sequence[int]) -> Array:
    starts = np.cumsum([0, *sizes[:-1]])
    task_means = np.add.reduceat(weights * values, starts, axis=1) * len(sizes)
    return np.stack(
        [
            weighted_iqm(values[:, None], weights)[:, 0],
            np.median(task_means, axis=1),
            task_means.mean(axis=1),
            1 - weights @ np.minimum(values, 1.0),
        ],
        axis=1,
    )


@dataclass(frozen=True)
class ResampledIqm:
    """The IQM over tasks of one number per run: its value, `samples` [R] of it, and v_t, the parts [T] of the tasks in its
    jackknife variance."""

    value: float
    samples: Array
    variances: Array
    sizes: tuple[int, ...]

    @property
    def band(self) -> tuple[Array, Array]:
        """The stretched percentile interval."""
        low, high = percentiles(self.samples)
        degrees = degrees_of_freedom(self.variances, self.sizes)
        return stretched(np.asarray(self.value), low, high, degrees, min(self.sizes))


def resampled_iqm(values: Sequence[Array], draws: Sequence[Draws]) -> ResampledIqm:
    """Of values, per task [n], n at least 2."""
    sizes = tuple(len(task) for task in values)
    column = np.concatenate(values)[:, None]
    return ResampledIqm(
        float(weighted_iqm(column, equal_shares(sizes)[None])[0, 0]),
        weighted_iqm(column, resampled_shares(draws))[:, 0],
        jackknife_variances(weighted_iqm(column, jackknife_shares(sizes))[:, 0], sizes),
        sizes,
    )


def iqm_over_tasks(
    values: Sequence[Array], draws: Sequence[Draws], scales: Sequence[Scale | None]
) -> tuple[float, tuple[float, float] | None]:
    """The IQM over tasks of values, per task [n], and its interval; none for fewer than SMALLEST_SAMPLE runs of some task."""
    sizes = [len(task) for task in values]
    if min(sizes) < SMALLEST_SAMPLE:
        return float(weighted_iqm(np.concatenate(values)[:, None], equal_shares(sizes)[None])[0, 0]), None
    found = resampled_iqm(values, draws)
    low, high = widened(np.asarray(found.value), found.band, floor_over_tasks(values, scales), _bounds(scales))
    return found.value, None if np.isnan(low) else (float(low), float(high))
