"""Whether a game keeps its promise that an episode is a function of its seed and its actions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.environments.checks import GameChecks
from benchmark.environments.interface import BatchedEnvironment

SEED = 1
STEPS = 10


def repeats_itself(environment: BatchedEnvironment) -> bool:
    """Whether episodes of one seed are equal under the same random actions, for up to ten steps.

    Two are played at once, in two rows if there are so many, and then two again: a game that ignores its seed is seen by one
    or the other. False without playing where the environment declares `deterministic` False. Raises BrokenGame.
    """
    if not environment.deterministic:
        return False
    first, second = _played(environment), _played(environment)
    alike = {name: array[:, :1] for name, array in first.items()}
    return all(
        arrays[name].shape[0] == alike[name].shape[0] and bool((arrays[name] == alike[name]).all())
        for arrays in (first, second)
        for name in alike
    )


def _played(environment: BatchedEnvironment) -> dict[str, NDArray[Any]]:
    """The public arrays [steps + 1, rows, …] of one or two episodes of SEED."""
    rows = min(2, environment.batch_size)
    checks, generator = GameChecks(environment, rows), np.random.default_rng(SEED)
    environment.reset(np.full(rows, SEED, np.uint64))
    checks.reset()
    seen = [_copied(environment, rows)]
    while len(seen) <= STEPS and environment.running.any():
        environment.step(_random_actions(environment.available, generator))
        checks.step()
        seen.append(_copied(environment, rows))
    return {name: np.stack([arrays[name] for arrays in seen]) for name in environment.PUBLIC}


def _copied(environment: BatchedEnvironment, rows: int) -> dict[str, NDArray[Any]]:
    return {name: getattr(environment, name)[:rows].copy() for name in environment.PUBLIC}


def _random_actions(available: NDArray[np.bool_], generator: np.random.Generator) -> NDArray[np.int64]:
    """Available actions [B, N] by one random number for each agent: the same in rows whose masks are equal."""
    chances = generator.random(available.shape[1])
    chosen = (chances * available.sum(-1)).astype(np.int64)
    allowed_first = np.argsort(~available, axis=-1, kind="stable")
    return np.take_along_axis(allowed_first, chosen[:, :, None], axis=-1)[:, :, 0]
