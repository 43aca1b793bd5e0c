"""Aggregates over runs and tasks, with 95 % intervals. Episodes have been averaged before anything arrives here.

Two kinds of interval. The mean over the seeds of one task has Student's t interval, whose coverage holds for few runs.
Everything else is a percentile bootstrap that resamples whole runs within each task (Agarwal et al. 2021,
arXiv 2108.13264), a run's curve staying in one piece. rliable does it where every task has the same number of runs;
our own bootstrap where it has not, for pairs and ranks (rliable takes minutes for what takes milliseconds here), and for
curves on one task. In it each task weighs the same, however many runs it has; with equal numbers it is rliable's
estimate to rounding. Everything is seeded, by name: a variant's intervals do not move when a rival joins.

NaN is a value that a run does not have; it makes every number that depends on it NaN. One run has no interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from algorithms.seeds import derive

CONFIDENCE = 0.95
RESAMPLES = 2000
BOOTSTRAP_SEED = 2021
PROFILE_THRESHOLDS = tuple(round(0.01 * k, 2) for k in range(101))

_QUANTILES = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
_CHUNK = 2_000_000
"""Array elements per step of the bootstrap: keeps its memory at some tens of megabytes."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """`value`, and `low` and `high` of its interval (None: no interval), all of one shape."""

    value: Array
    low: Array | None
    high: Array | None


def mean_over_runs(values: Array) -> Band:
    """Mean over the runs of one task, values [n, ...] -> [...], with Student's t interval (n >= 2)."""
    mean = values.mean(axis=0)
    n = len(values)
    if n < 2:
        return Band(mean, None, None)
    half = t_quantile(n - 1) * values.std(axis=0, ddof=1) / np.sqrt(n)
    return Band(mean, mean - half, mean + half)


def iqm_over_runs(values: Array, counts: NDArray[np.int64]) -> Band:
    """IQM over the runs of one task, values [n, P] -> [P], with the interval of the resamples counts [R, n]."""
    n = len(values)
    point = weighted_iqm(values, np.full((1, n), 1 / n))[0]
    if n < 2:
        return Band(point, None, None)
    return _band(point, weighted_iqm(values, counts / n))


def prediction_interval(values: Array, m: int) -> tuple[float, float] | None:
    """Where the mean of m further runs is expected with 95 % probability, given values [n]; None for n < 2.

    Student's t: mean ± t sd sqrt(1/n + 1/m).
    """
    n = len(values)
    if n < 2:
        return None
    half = t_quantile(n - 1) * values.std(ddof=1) * np.sqrt(1 / n + 1 / m)
    return float(values.mean() - half), float(values.mean() + half)


def t_quantile(degrees: int) -> float:
    """The 97.5 % point of Student's t."""
    return float(special.stdtrit(degrees, _QUANTILES[1]))


def resample_counts(n: int, *names: str) -> NDArray[np.int64]:
    """How often each of n runs is drawn in each resample: [RESAMPLES, n], rows sum to n. `names` (variant, task) seed it."""
    if n == 0:
        return np.zeros((RESAMPLES, 0), np.int64)
    generator = np.random.default_rng(derive(BOOTSTRAP_SEED, *names))
    return generator.multinomial(n, np.full(n, 1 / n), size=RESAMPLES)


def weighted_iqm(values: Array, weights: Array) -> Array:
    """Interquartile means of values [N, P] under weights [R, N] (rows sum to 1) -> [R, P].

    A share floor(N / 4) / N of the weight is cut at either end: for equal weights scipy's trim_mean(0.25), which rliable
    uses; for counts of a bootstrap the trimmed mean of the resample.
    """
    n, points = values.shape
    cut = (n // 4) / n
    order = np.argsort(values, axis=0)
    ordered = np.take_along_axis(values, order, axis=0)
    result = np.empty((len(weights), points))
    step = max(1, _CHUNK // (n * points))
    for first in range(0, len(weights), step):
        part = slice(first, first + step)
        kept = np.clip(np.cumsum(weights[part][:, order], axis=1), cut, 1 - cut)
        kept[:, 1:] -= kept[:, :-1].copy()
        kept[:, 0] -= cut
        result[part] = np.einsum("rnp,np->rp", kept, ordered) / (1 - 2 * cut)
    # A weighted mean of equal values may leave them by a rounding error.
    return np.clip(result, ordered[0], ordered[-1])


def _band(point: Array, samples: Array) -> Band:
    low, high = np.quantile(samples, _QUANTILES, axis=0)
    return Band(point, low, high)


# Over tasks


@dataclass(frozen=True)
class VariantScores:
    """Normalised scores of one variant. Per task: `final` [n], `absolute` [n], `curves` [n, P] and `counts` [R, n].

    The number of runs n may differ between tasks; P may not.
    """

    final: tuple[Array, ...]
    absolute: tuple[Array, ...]
    curves: tuple[Array, ...]
    counts: tuple[NDArray[np.int64], ...]

    @property
    def full(self) -> bool:
        """Whether the runs make a full runs x tasks matrix."""
        return len({len(task) for task in self.final}) == 1

    @property
    def has_interval(self) -> bool:
        return min(len(task) for task in self.final) >= 2


SCALARS = ("iqm", "median", "mean", "optimality_gap")


@dataclass(frozen=True)
class OverTasks:
    """A variant's aggregates: `final` and `absolute` [4] in the order of SCALARS, `profile` [101], `efficiency` [P]."""

    final: Band
    absolute: Band
    profile: Band
    efficiency: Band
    method: Literal["rliable", "own"]


def over_tasks(scores: VariantScores) -> OverTasks:
    """All aggregates of a variant: by rliable where the runs x tasks matrix is full, else by our own bootstrap."""
    parts = _by_rliable(scores) if scores.full else _by_weights(scores)
    ends = np.cumsum([len(SCALARS), len(SCALARS), len(PROFILE_THRESHOLDS)])
    final, absolute, profile, efficiency = (
        Band(value, *(edges if scores.has_interval else (None, None)))
        for value, *edges in zip(*(np.split(part, ends) for part in parts), strict=True)
    )
    return OverTasks(final, absolute, profile, efficiency, "rliable" if scores.full else "own")


def _by_rliable(scores: VariantScores) -> tuple[Array, Array, Array]:
    """rliable resamples a matrix of run numbers [n, T], so that a run's final score, absolute score and curve stay together."""
    final, absolute = np.stack(scores.final, axis=1), np.stack(scores.absolute, axis=1)
    curves = np.stack(scores.curves, axis=1)
    n, tasks = final.shape
    columns = np.arange(tasks)
    thresholds = np.array(PROFILE_THRESHOLDS)

    def aggregates(runs: NDArray[np.int64]) -> Array:
        return np.concatenate(
            [
                scalars(final[runs, columns]),
                scalars(absolute[runs, columns]),
                _profile(final[runs, columns], thresholds),
                interquartile_mean(curves[runs, columns].reshape(n * tasks, -1)),
            ]
        )

    numbers = np.repeat(np.arange(n)[:, None], tasks, axis=1)
    if n == 1:
        point = aggregates(numbers)
        return point, point, point
    from rliable import library  # takes seconds to import: not for reading what was aggregated before

    with _global_seed():
        points, intervals = library.get_interval_estimates(
            {"": numbers}, aggregates, reps=RESAMPLES, confidence_interval_size=CONFIDENCE
        )
    low, high = intervals[""]
    return points[""], low, high


def interquartile_mean(values: Array) -> Array:
    """The mean of the middle half along the first axis: [n, ...] -> [...].

    Bit for bit `rliable.metrics.aggregate_iqm` (scipy's trimmed mean), without the ten times dearer checks that scipy makes
    at each of the thousands of resamples; tests/analysis/test_statistics.py compares the two.
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


@contextmanager
def _global_seed() -> Iterator[None]:
    """rliable ignores its `random_state` and draws from numpy's global generator: that one is seeded, then put back."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(BOOTSTRAP_SEED)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _by_weights(scores: VariantScores) -> tuple[Array, Array, Array]:
    """The same numbers for unequal seeds: each task has weight 1 / T, spread evenly over its runs."""
    sizes = [len(task) for task in scores.final]
    share = np.concatenate([np.full(n, 1 / (n * len(sizes))) for n in sizes])
    point = _weighted(scores, share[None], sizes)[0]
    samples = _weighted(scores, np.concatenate(scores.counts, axis=1) * share, sizes)
    low, high = np.quantile(samples, _QUANTILES, axis=0)
    return point, low, high


def _weighted(scores: VariantScores, weights: Array, sizes: list[int]) -> Array:
    """All aggregates under each row of weights [R, N] -> [R, 4 + 4 + 101 + P]."""
    final, absolute = np.concatenate(scores.final), np.concatenate(scores.absolute)
    above = (final[:, None] > np.array(PROFILE_THRESHOLDS)).astype(float)
    # A weighted sum of ones may round to 1 + 1e-16, which is no share.
    profile = np.minimum(weights @ above, 1.0)
    efficiency = weighted_iqm(np.concatenate(scores.curves), weights)
    return np.concatenate(
        [_weighted_scalars(final, weights, sizes), _weighted_scalars(absolute, weights, sizes), profile, efficiency], axis=1
    )


def _weighted_scalars(values: Array, weights: Array, sizes: list[int]) -> Array:
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


def iqm_samples(values: Sequence[Array], counts: Sequence[NDArray[np.int64]]) -> Array:
    """The IQM over tasks of values, per task [n], in each resample of our own bootstrap, counts [R, n]: [R]."""
    weights = np.concatenate([drawn / (drawn.shape[1] * len(values)) for drawn in counts], axis=1)
    return weighted_iqm(np.concatenate(values)[:, None], weights)[:, 0]


def iqm_over_tasks(values: Sequence[Array], counts: Sequence[NDArray[np.int64]]) -> tuple[float, tuple[float, float] | None]:
    """The IQM over tasks of values, per task [n], and its interval from the resamples counts [R, n]; none for n < 2."""
    point = float(iqm_samples(values, [np.ones((1, len(task)), np.int64) for task in values])[0])
    if min(len(task) for task in values) < 2:
        return point, None
    low, high = np.quantile(iqm_samples(values, counts), _QUANTILES)
    return point, (float(low), float(high))


# Pairs, differences and ranks


def improvement(
    better: Sequence[Array], than: Sequence[Array], counts: Sequence[NDArray[Any]], than_counts: Sequence[NDArray[Any]]
) -> tuple[float, tuple[float, float] | None]:
    """P(X > Y), ties half, averaged over tasks (Agarwal et al. 2021, section 4.3), and its interval.

    `better`, `than`: per task the scores [n], [m]; the counts [R, n], [R, m] are their independent resamples. No interval
    if either has a single run on some task.
    """
    points, samples = [], []
    for x, y, x_counts, y_counts in zip(better, than, counts, than_counts, strict=True):
        wins = (np.sign(x[:, None] - y[None, :]) + 1) / 2
        points.append(wins.mean())
        samples.append(np.einsum("ri,ij,rj->r", x_counts, wins, y_counts, optimize=True) / wins.size)
    probability = float(np.mean(points))
    if min(len(values) for values in (*better, *than)) < 2:
        return probability, None
    low, high = np.quantile(np.mean(samples, axis=0), _QUANTILES)
    return probability, (float(low), float(high))


def difference_of_means(
    x: Array, y: Array, x_counts: NDArray[np.int64], y_counts: NDArray[np.int64]
) -> tuple[float, tuple[float, float] | None]:
    """mean(x) - mean(y) of runs [n], [m] and its interval from independent resamples [R, n], [R, m]; none for n or m < 2."""
    difference = float(x.mean() - y.mean())
    if min(len(x), len(y)) < 2:
        return difference, None
    low, high = np.quantile(_resampled_means(x, x_counts) - _resampled_means(y, y_counts), _QUANTILES)
    return difference, (float(low), float(high))


def ratio_of_means(
    x: Array, y: Array, x_counts: NDArray[np.int64], y_counts: NDArray[np.int64]
) -> tuple[float, tuple[float, float] | None] | None:
    """mean(x) / mean(y), resampled as `difference_of_means` is. None unless mean(y) is above 0, in every resample too."""
    below = _resampled_means(y, y_counts)
    if y.mean() <= 0 or below.min() <= 0:
        return None
    ratio = float(x.mean() / y.mean())
    if min(len(x), len(y)) < 2:
        return ratio, None
    low, high = np.quantile(_resampled_means(x, x_counts) / below, _QUANTILES)
    return ratio, (float(low), float(high))


def _resampled_means(values: Array, counts: NDArray[np.int64]) -> Array:
    means: Array = counts @ values / len(values)
    return means


@dataclass(frozen=True)
class Ranks:
    """Places of V variants, 1 = best, equal values share the better place. `distribution` [V, V]: share of resamples with
    place k + 1; `low`, `high` [V]: 95 % of them; `tied` [V, V]: whether the interval of the difference holds 0."""

    rank: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    distribution: Array
    tied: NDArray[np.bool_]


def ranks(points: Array, samples: Array) -> Ranks:
    """Places by points [V] and their uncertainty by independent resamples [V, R] of the same quantity."""
    places = _places(samples)
    low, high = np.quantile(places, _QUANTILES, axis=1, method="inverted_cdf")
    distribution = (places[:, :, None] == np.arange(1, len(points) + 1)).mean(axis=1)
    lower, upper = np.quantile(samples[:, None] - samples[None, :], _QUANTILES, axis=2)
    return Ranks(_places(points[:, None])[:, 0], low, high, distribution, (lower <= 0) & (upper >= 0))


def _places(values: Array) -> NDArray[np.int64]:
    """Places [V, R] of values [V, R] within each column. Rounded first: sums of equal scores differ in the last digits."""
    rounded = values.round(9)
    places: NDArray[np.int64] = 1 + (rounded[None, :] > rounded[:, None]).sum(axis=1)
    return places
