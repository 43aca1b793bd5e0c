"""Means, interquartile means, differences and ratios over the runs of one task, with 95 % intervals.

Fewer than SMALLEST_SAMPLE runs have no interval. NaN is a value that a run does not have; it makes every number that depends
on it NaN.
"""

from __future__ import annotations

import numpy as np

from benchmark.analysis.statistics.resampling import (
    SMALLEST_SAMPLE,
    Array,
    Band,
    Draws,
    Z,
    counts_of,
    percentiles,
    stretched,
    t_quantile,
    weighted_iqm,
)
from benchmark.analysis.statistics.resolution import Scale, equal, unresolved, widened

Ends = tuple[float, float]


def mean_over_runs(values: Array, scale: Scale | None = None) -> Band:
    """Mean over the runs, values [n, ...] -> [...], with Student's t interval and the floor of `scale`."""
    mean = values.mean(axis=0)
    n = len(values)
    if n < SMALLEST_SAMPLE:
        return Band(mean, None, None)
    half = t_quantile(n - 1) * _spread(values) / np.sqrt(n)
    return Band(mean, *widened(mean, (mean - half, mean + half), unresolved(mean, n, equal(values), scale), _bounds(scale)))


def iqm_over_runs(values: Array, draws: Draws, scale: Scale | None = None) -> Band:
    """IQM over the runs, values [n, P] -> [P], with the stretched bootstrap interval and the floor of `scale`."""
    n = len(values)
    point = weighted_iqm(values, np.full((1, n), 1 / n))[0]
    if n < SMALLEST_SAMPLE:
        return Band(point, None, None)
    low, high = percentiles(weighted_iqm(values, counts_of(draws) / n))
    ends = stretched(point, low, high, n - 1, n)
    return Band(point, *widened(point, ends, unresolved(point, n, equal(values), scale), _bounds(scale)))


def prediction_interval(values: Array, m: int, scale: Scale | None = None) -> Ends | None:
    """Where the mean of m further runs is expected with 95 % probability, given values [n].

    Student's t, mean ± t sd sqrt(1/n + 1/m); at least as wide as what the episodes of both can resolve, the two floors added
    in squares. None for fewer than SMALLEST_SAMPLE runs and where nothing is known of the spread.
    """
    n = len(values)
    if n < SMALLEST_SAMPLE:
        return None
    mean = values.mean(axis=0)
    half = t_quantile(n - 1) * _spread(values) * np.sqrt(1 / n + 1 / m)
    known, new = (unresolved(mean, runs, equal(values), scale) for runs in (n, m))
    floor = np.hypot(known[0], new[0]), np.hypot(known[1], new[1])
    low, high = widened(mean, (mean - half, mean + half), floor, _bounds(scale))
    return None if np.isnan(low) else (float(low), float(high))


def difference_of_means(x: Array, y: Array, scale: Scale | None = None) -> tuple[float, Ends | None]:
    """mean(x) - mean(y) of runs [n], [m] with Welch's t interval; the floors of both sides added in squares."""
    difference = float(x.mean() - y.mean())
    if min(len(x), len(y)) < SMALLEST_SAMPLE:
        return difference, None
    half = t_quantile(_welch(x, y)) * np.sqrt(_error(x) ** 2 + _error(y) ** 2)
    x_floor, y_floor = (unresolved(values.mean(axis=0), len(values), equal(values), scale) for values in (x, y))
    floor = np.hypot(x_floor[0], y_floor[1]), np.hypot(x_floor[1], y_floor[0])
    value = np.asarray(difference)
    low, high = widened(value, (value - half, value + half), floor, (-np.inf, np.inf))
    return difference, None if np.isnan(low) else (float(low), float(high))


def ratio_of_means(x: Array, y: Array, scale: Scale | None = None) -> tuple[float, Ends | None] | None:
    """mean(x) / mean(y) of runs [n], [m] with Fieller's interval (Fieller 1954), t with Welch's degrees of freedom.

    The ratios r with |mean(x) - r mean(y)| <= t sqrt(e_x^2 + r^2 e_y^2), e: standard errors, at least the floor's. None unless
    mean(y) is above 0, and surely so where it has an interval.
    """
    if y.mean() <= 0:
        return None
    ratio = float(x.mean() / y.mean())
    if min(len(x), len(y)) < SMALLEST_SAMPLE:
        return ratio, None
    t = float(t_quantile(_welch(x, y)))
    errors = [
        max(_error(values), *(float(side) / Z for side in unresolved(values.mean(axis=0), len(values), equal(values), scale)))
        for values in (x, y)
    ]
    below, above = x.mean(), y.mean()
    a = above**2 - (t * errors[1]) ** 2
    if a <= 0:
        return None
    if max(errors) == 0:
        return ratio, None
    root = np.sqrt(max((above * below) ** 2 - a * (below**2 - (t * errors[0]) ** 2), 0.0))
    return ratio, (float((above * below - root) / a), float((above * below + root) / a))


def _spread(values: Array) -> Array:
    """Standard deviations over runs; exactly 0 where all are equal."""
    deviation = values.std(axis=0, ddof=1)
    return np.where(equal(values), 0, deviation)


def _error(values: Array) -> float:
    return float(_spread(values) / np.sqrt(len(values)))


def _welch(x: Array, y: Array) -> float:
    """Welch and Satterthwaite's degrees of freedom of a difference of means."""
    u, v = _error(x) ** 2, _error(y) ** 2
    below = u**2 / (len(x) - 1) + v**2 / (len(y) - 1)
    return (u + v) ** 2 / below if below > 0 else min(len(x), len(y)) - 1


def _bounds(scale: Scale | None) -> Ends:
    return (-np.inf, np.inf) if scale is None else scale.ends
