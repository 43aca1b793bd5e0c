"""What the studies compute with numbers: intervals of shares and ratios, similarity of directions, growth laws."""

from __future__ import annotations

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
    """The columns of an `Interval`."""
    return name, f"{name}, low", f"{name}, high"


def share(count: int, of: int) -> Interval:
    """A share of `of` independent cases with its Wilson interval. Raises ValueError where there are none."""
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
    """Of the angle between two arrays taken as vectors; 0 where one of them is zero."""
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(np.vdot(first, second)) / size if size > 0 else 0.0


def power_law(sizes: ArrayLike, values: ArrayLike) -> Interval:
    """The exponent b of values ~ sizes^b, fitted to logarithms by least squares, with its Student's t interval.

    sizes, values [n >= 3], positive.
    """
    fit = stats.linregress(np.log(np.asarray(sizes, np.float64)), np.log(np.asarray(values, np.float64)))
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(np.asarray(sizes)) - 2) * fit.stderr
    return Interval(float(fit.slope), float(fit.slope - half), float(fit.slope + half))


def above(found: Interval, level: float, *, strictly: bool = True) -> Verdict:
    """Whether a quantity lies above a level: decided where its interval does not hold the level.

    Not strictly: not below it; refuted where the whole interval is.
    """
    if found.high < level:
        return "not supported"
    return "supported" if found.low > level or not strictly else "undecided"


def below(found: Interval, level: float) -> Verdict:
    """Whether a quantity lies below a level: decided where its interval does not hold the level."""
    return above(Interval(-found.value, -found.high, -found.low), -level)


def holds(true: bool) -> Verdict:
    """The verdict on what numbers without uncertainty decide."""
    return "supported" if true else "not supported"
