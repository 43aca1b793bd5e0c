"""What the number of evaluation episodes can resolve: a floor for the width of intervals.

Ten runs that win all of their episodes have no spread, and their policies may still lose one episode in a hundred. A rate over
E episodes a run has Wilson's interval over the n E episodes of n runs (Wilson 1927); no interval of a rate is narrower on
either side. A mean return has a spread of its own and gets no such floor, except where all runs are equal: then an episode is
taken to score somewhere between the random policy (0) and the best known (1), and of all such numbers with the same mean
the rate is the one with the largest variance, u (1 - u). Without reference scores nothing bounds an episode's return:
returns without any spread have no interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.analysis.statistics.resampling import Array, Z


@dataclass(frozen=True)
class Scale:
    """How a number of a run is read as a share of its `episodes`: share = offset + slope * number, slope above 0.

    `rate`: the number is a rate over the episodes, so that the share lies in [0, 1] and every interval has the floor; else
    only runs without spread have it.
    """

    episodes: int
    offset: float
    slope: float
    rate: bool

    @property
    def ends(self) -> tuple[float, float]:
        """The numbers that shares of 0 and 1 belong to; infinite if nothing bounds the number."""
        return (-self.offset / self.slope, (1 - self.offset) / self.slope) if self.rate else (-np.inf, np.inf)


def wilson(share: Array | float, n: int) -> tuple[Array, Array]:
    """Wilson's 95 % interval of a share of n independent cases."""
    share = np.asarray(share, np.float64)
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return np.clip(centre - half, 0, share), np.clip(centre + half, share, 1)


def equal(values: Array) -> NDArray[np.bool_]:
    """Whether all runs have the same number, values [n, ...] -> [...]."""
    return np.asarray(values.max(axis=0) == values.min(axis=0))


def unresolved(point: Array, runs: int, alike: NDArray[np.bool_], scale: Scale | None) -> tuple[Array, Array]:
    """How far below and above `point` [...] the interval of so many runs has to reach at least; `alike`: they are equal."""
    if scale is None:
        return np.zeros_like(point), np.zeros_like(point)
    share = np.clip(scale.offset + scale.slope * point, 0, 1)
    low, high = wilson(share, runs * scale.episodes)
    applies = scale.rate | alike
    return np.where(applies, (share - low) / scale.slope, 0), np.where(applies, (high - share) / scale.slope, 0)


def widened(
    point: Array, ends: tuple[Array, Array], floor: tuple[Array, Array], bounds: tuple[float, float]
) -> tuple[Array, Array]:
    """The interval with its floor, within the bounds of the number; NaN where that leaves no width: no interval is known."""
    low = np.clip(np.minimum(ends[0], point - floor[0]), *bounds)
    high = np.clip(np.maximum(ends[1], point + floor[1]), *bounds)
    # Bounds carry rounding errors, and point estimates may lie on them.
    low, high = np.minimum(low, point), np.maximum(high, point)
    known = high - low > 1e-12
    return np.where(known, low, np.nan), np.where(known, high, np.nan)
