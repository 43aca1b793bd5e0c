"""rliable's stratified bootstrap on given resamples. Imported where it is used: rliable takes seconds to import.

`rliable.library.get_interval_estimates` of version 1.2.0 ignores its `random_state`: StratifiedBootstrap draws from numpy's
global generator. The subclass takes resamples that were drawn before; all else is rliable's (and arch's).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rliable.library import StratifiedBootstrap

from benchmark.analysis.statistics.resampling import CONFIDENCE, Array, Draws


class GivenDraws(StratifiedBootstrap):
    """A bootstrap of run numbers [n, T] whose resamples are `draws` [R, n, T], in this order."""

    def __init__(self, draws: Draws) -> None:
        _, n, tasks = draws.shape
        super().__init__(np.repeat(np.arange(n)[:, None], tasks, axis=1))
        self._draws = iter(draws)

    def update_indices(self) -> tuple[Draws, ...]:
        return (next(self._draws), *self._strata_indices)


def percentile_interval(aggregates: Callable[[Draws], Array], draws: Draws) -> tuple[Array, Array]:
    """The 95 % percentile interval of aggregates of run numbers [n, T] -> [K], over the resamples."""
    low, high = GivenDraws(draws).conf_int(aggregates, reps=len(draws), size=CONFIDENCE, method="percentile")
    return low, high
