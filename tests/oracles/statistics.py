"""Statistics by plain loops, by scipy's root finder and by enumeration: slow, and as they are defined."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import optimize, stats

Z = 1.959963984540054
Tasks = Sequence[Sequence[float]]


def iqm(tasks: Tasks) -> float:
    """Of equal numbers of runs: scipy's trimmed mean of all of them."""
    return float(stats.trim_mean([value for task in tasks for value in task], 0.25))


def resampled(tasks: Tasks, draws: Sequence[np.ndarray], of: Callable[[Tasks], float]) -> list[float]:
    """The number of each resample, run by run."""
    return [
        of([[task[run] for run in drawn[k]] for task, drawn in zip(tasks, draws, strict=True)]) for k in range(len(draws[0]))
    ]


def iqm_without(tasks: Tasks, left: tuple[int, int]) -> float:
    """The IQM without one run, whose task keeps its weight: of N runs, N // 4 runs' weight is cut at either end."""
    n = sum(map(len, tasks))
    weighted = []
    for t, task in enumerate(tasks):
        kept = [value for k, value in enumerate(task) if (t, k) != left]
        weighted += [(value, 1 / (len(kept) * len(tasks))) for value in kept]
    cut, below, total = (n // 4) / n, 0.0, 0.0
    for value, weight in sorted(weighted):
        above = below + weight
        total += value * max(0.0, min(above, 1 - cut) - max(below, cut))
        below = above
    return total / (1 - 2 * cut)


def jackknife_parts(tasks: Tasks, without: Callable[[Tasks, tuple[int, int]], float]) -> list[float]:
    """(n - 1) / n times the sum of squares of the numbers without each run of a task, by task."""
    parts = []
    for t, task in enumerate(tasks):
        numbers = [without(tasks, (t, k)) for k in range(len(task))]
        middle = sum(numbers) / len(numbers)
        parts.append((len(task) - 1) / len(task) * sum((number - middle) ** 2 for number in numbers))
    return parts


def satterthwaite(parts: Sequence[float], sizes: Sequence[int]) -> float:
    """Degrees of freedom of a sum of variances, each of one mean."""
    return sum(parts) ** 2 / sum(part**2 / (n - 1) for part, n in zip(parts, sizes, strict=True))


def stretched_iqm(tasks: Tasks, draws: Sequence[np.ndarray]) -> tuple[float, float]:
    """The interval of the IQM over tasks, from its definition."""
    point, n = iqm(tasks), min(map(len, tasks))
    low, high = np.quantile(resampled(tasks, draws, iqm), [0.025, 0.975])
    sizes = [len(task) for task in tasks]
    degrees = satterthwaite(jackknife_parts(tasks, iqm_without), sizes)
    k = stats.t.ppf(0.975, degrees) / Z * math.sqrt(n / (n - 1))
    return point - k * (point - low), point + k * (high - point)


def hanley_mcneil(q: float, n: int, m: int) -> float:
    """The variance of a probability of improvement q, as Hanley and McNeil write it."""
    q1, q2, more = q / (2 - q), 2 * q**2 / (1 + q), (n + m) / 2 - 1
    return (q * (1 - q) + more * (q1 - q**2) + more * (q2 - q**2)) / (n * m)


def score_interval(value: float, sizes: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Where the standardised distance from `value` is 1.96, by scipy's root finder."""

    def distance(q: float) -> float:
        variance = sum(hanley_mcneil(q, n, m) for n, m in sizes) / len(sizes) ** 2
        return (value - q) ** 2 - Z**2 * variance

    low = 0.0 if value == 0 else optimize.brentq(distance, 0.0, value - 1e-12)
    high = 1.0 if value == 1 else optimize.brentq(distance, value + 1e-12, 1.0)
    return low, high
