"""The bootstrap that all intervals over tasks share, and how it is corrected for few runs.

Whole runs are drawn with replacement within each task (Agarwal et al. 2021, arXiv 2108.13264), a run's curve staying in one
piece. One run's draws are the same in every number: rliable's loop and our own vectorised one read the same resamples. They
are seeded by name: a variant's intervals do not move when a rival joins.

The percentile interval of few runs is too narrow: it has the plug-in variance, (n - 1) / n of the unbiased one, and normal
tails instead of Student's (Hesterberg 2015, arXiv 1411.5279, section 5.3). Its two sides are therefore stretched by

    k = t(df) / z * sqrt(n / (n - 1)),        df = (sum_t v_t)^2 / sum_t v_t^2 / (n_t - 1),

t and z the 97.5 % points of Student's and the normal distribution, v_t the part of task t in the jackknife variance of the
number (Welch and Satterthwaite's degrees of freedom). The study `interval-coverage` measures what that does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from algorithms.seeds import derive

CONFIDENCE = 0.95
RESAMPLES = 2000
BOOTSTRAP_SEED = 2021
SMALLEST_SAMPLE = 5
"""Runs that an interval or a verdict needs. Of fewer the report shows each run: no interval of them keeps what it promises."""

LOW, HIGH = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
Z = float(special.ndtri(HIGH))
"""The 97.5 % point of the normal distribution."""
_CHUNK = 2_000_000
"""Array elements per step of the bootstrap: keeps its memory at some tens of megabytes."""

Array = NDArray[np.float64]
Draws = NDArray[np.int64]
"""Which of n runs each resample has: [R, n]."""


@dataclass(frozen=True)
class Band:
    """`value`, and `low` and `high` of its interval, all of one shape. None: no interval; NaN: none of that number."""

    value: Array
    low: Array | None
    high: Array | None


def t_quantile(degrees: Array | float) -> Array:
    """The 97.5 % point of Student's t."""
    return np.asarray(special.stdtrit(degrees, HIGH))


def resample(n: int, *names: str) -> Draws:
    """The numbers of the runs in each resample of n runs, [RESAMPLES, n]. `names` (variant, task) seed it."""
    if n == 0:
        return np.zeros((RESAMPLES, 0), np.int64)
    return np.random.default_rng(derive(BOOTSTRAP_SEED, *names)).integers(n, size=(RESAMPLES, n))


def counts_of(draws: Draws) -> NDArray[np.int64]:
    """How often each run is in each resample: [R, n], rows sum to n."""
    counts: NDArray[np.int64] = (draws[:, :, None] == np.arange(draws.shape[1])).sum(axis=1)
    return counts


def equal_shares(sizes: Sequence[int]) -> Array:
    """The weight of each run, [N]: each task has 1 / T, spread evenly over its runs."""
    return np.concatenate([np.full(n, 1 / (n * len(sizes))) for n in sizes])


def resampled_shares(draws: Sequence[Draws]) -> Array:
    """The weight of each run in each resample, [R, N]."""
    sizes = [drawn.shape[1] for drawn in draws]
    return np.concatenate([counts_of(drawn) for drawn in draws], axis=1) * equal_shares(sizes)


def jackknife_shares(sizes: Sequence[int]) -> Array:
    """The weight of each run without run i, [N, N]: the other runs of its task take its share. Every size is 2 or more."""
    shares = np.tile(equal_shares(sizes), (sum(sizes), 1))
    first = 0
    for n in sizes:
        shares[first : first + n, first : first + n] *= n / (n - 1)
        first += n
    np.fill_diagonal(shares, 0)
    return shares


def jackknife_variances(left_out: Array, sizes: Sequence[int]) -> Array:
    """v_t [T, ...]: (n - 1) / n times the squared deviations, within each task, of the numbers without run i, [N, ...]."""
    parts = np.split(left_out, np.cumsum(sizes)[:-1])
    squares = [np.square(part - part.mean(axis=0)).sum(axis=0) for part in parts]
    return np.stack([(n - 1) / n * square for n, square in zip(sizes, squares, strict=True)])


def degrees_of_freedom(variances: Array, sizes: Sequence[int]) -> Array:
    """Welch and Satterthwaite's, of variances [T, ...] of means of n_t runs; n - 1 of the smallest task where all are 0."""
    least = min(sizes) - 1
    # Scaled first: the square of a tiny variance is 0.
    largest = variances.max(axis=0)
    scaled = variances / np.where(largest > 0, largest, 1)
    below = (np.square(scaled).T / (np.array(sizes) - 1)).T.sum(axis=0)
    return np.where(below > 0, np.square(scaled.sum(axis=0)) / np.where(below > 0, below, 1), least)


def stretch(degrees: Array | float, n: int) -> Array:
    """k of the module's equation."""
    return np.asarray(t_quantile(degrees) / Z * np.sqrt(n / (n - 1)))


def stretched(point: Array, low: Array, high: Array, degrees: Array | float, n: int) -> tuple[Array, Array]:
    """A percentile interval with its two sides stretched from `point`; n: runs of the smallest task."""
    k = stretch(degrees, n)
    return point - k * np.maximum(point - low, 0), point + k * np.maximum(high - point, 0)


def percentiles(samples: Array) -> tuple[Array, Array]:
    """The 2.5 % and the 97.5 % point of samples [R, ...]."""
    low, high = np.quantile(samples, (LOW, HIGH), axis=0)
    return low, high


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
