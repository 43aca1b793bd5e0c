"""Intervals of means, shares and growth exponents, similarity of directions, and verdicts from intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from benchmark.experiments.study_result import Verdict

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A value and the 95 % interval around it."""

    value: float
    low: float
    high: float

    @property
    def text(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


def with_interval(name: str) -> tuple[str, str, str]:
    """The names of the three columns of an `Interval` in a table."""
    return name, f"{name}, low", f"{name}, high"


def named_intervals(intervals: Mapping[str, Interval]) -> str:
    """The intervals as text, each after its name."""
    return "; ".join(f"{name}: {interval.text}" for name, interval in intervals.items())


def share(count: int, of: int) -> Interval:
    """The share count / of of independent cases with its Wilson interval. Raises ValueError if `of` is less than 1."""
    if of < 1:
        raise ValueError("a share of no cases is not defined")
    interval = stats.binomtest(count, of).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(count / of, float(interval.low), float(interval.high))


def mean_interval(values: ArrayLike) -> Interval:
    """The mean of independent values [n >= 2] with Student's t interval."""
    numbers = np.asarray(values, np.float64)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(numbers) - 1) * numbers.std(ddof=1) / np.sqrt(len(numbers))
    return Interval(float(numbers.mean()), float(numbers.mean() - half), float(numbers.mean() + half))


def cosine(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """The cosine of the angle between two arrays, flattened to vectors; 0 if one of them is zero."""
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(np.vdot(first, second)) / size if size > 0 else 0.0


def power_law(sizes: ArrayLike, values: ArrayLike) -> Interval:
    """The exponent b of values ~ sizes^b, fitted to logarithms by least squares, with its Student's t interval.

    sizes, values [n >= 3], positive.
    """
    fit = stats.linregress(np.log(np.asarray(sizes, np.float64)), np.log(np.asarray(values, np.float64)))
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(np.asarray(sizes)) - 2) * fit.stderr
    return Interval(float(fit.slope), float(fit.slope - half), float(fit.slope + half))


def above(interval: Interval, level: float, *, strictly: bool = True) -> Verdict:
    """Whether a quantity is above a level: undecided if its interval contains the level.

    With strictly=False, whether it is not below the level: "not supported" only if the whole interval is below it.
    """
    if interval.high < level:
        return "not supported"
    return "supported" if interval.low > level or not strictly else "undecided"


def below(interval: Interval, level: float) -> Verdict:
    """Whether a quantity is below a level: undecided if its interval contains the level."""
    return above(Interval(-interval.value, -interval.high, -interval.low), -level)


def holds(condition: bool) -> Verdict:
    """The verdict of a condition on exact numbers."""
    return "supported" if condition else "not supported"
