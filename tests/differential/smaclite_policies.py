"""Policies for SMAClite battles of either backend: functions of what a batched environment shows, and of a generator.

Each takes the environment, the `Sight` of its team and a generator, and gives the actions [B, N].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from algorithms.team import TeamShape
from benchmark.environments.interface import BatchedEnvironment

NONE, STOP, NORTH, SOUTH, EAST, WEST, TARGET = range(7)


class Sight:
    """Where in a state health and position of each ally [N, 3] and each enemy [M, 3] stand, and which agents heal [N]."""

    def __init__(self, team: TeamShape) -> None:
        place = {field.name: number for number, field in enumerate(team.state_fields)}
        enemies = sum(name.startswith("enemy") and name.endswith(".x") for name in place)
        self.allies = self._places(place, "ally", team.n_agents)
        self.enemies = self._places(place, "enemy", enemies)
        self.healers = np.array([f"ally{agent}.energy" in place for agent in range(team.n_agents)])

    @staticmethod
    def _places(place: dict[str, int], side: str, count: int) -> NDArray[np.int64]:
        return np.array([[place[f"{side}{k}.{part}"] for part in ("health", "x", "y")] for k in range(count)])


Policy = Callable[[BatchedEnvironment, Sight, np.random.Generator], NDArray[np.int64]]


def at_random(environment: BatchedEnvironment, sight: Sight, generator: np.random.Generator) -> NDArray[np.int64]:
    """Uniform over the available actions."""
    return (environment.available * generator.random(environment.available.shape)).argmax(2)


def nearest_first(environment: BatchedEnvironment, sight: Sight, generator: np.random.Generator) -> NDArray[np.int64]:
    """Everyone attacks the nearest enemy in range, else goes towards the nearest; healers do so with allies who fight."""
    allies, enemies = environment.state[:, sight.allies], environment.state[:, sight.enemies]
    actions = np.zeros(environment.alive.shape, np.int64)
    for agent, healer in enumerate(sight.healers):
        goals = allies[:, ~sight.healers] if healer and not sight.healers.all() else enemies
        numbers = np.flatnonzero(~sight.healers) if healer and not sight.healers.all() else np.arange(len(sight.enemies))
        away = goals[:, :, 1:] - allies[:, agent, None, 1:]
        distance = np.where(goals[:, :, 0] > 0, np.hypot(away[:, :, 0], away[:, :, 1]), np.inf)
        available = environment.available[:, agent]
        in_range = np.where(available[:, TARGET + numbers], distance, np.inf)
        dx, dy = np.take_along_axis(away, distance.argmin(1)[:, None, None], 1)[:, 0].T
        along_x, along_y = np.where(dx > 0, EAST, WEST), np.where(dy > 0, NORTH, SOUTH)
        sideways = np.abs(dx) >= np.abs(dy)
        wishes = [
            np.where(np.isfinite(in_range.min(1)), TARGET + numbers[in_range.argmin(1)], NONE),
            np.where(sideways, along_x, along_y),
            np.where(sideways, along_y, along_x),
            np.full(len(available), STOP),
        ]
        for wish in reversed(wishes):
            allowed = np.take_along_axis(available, wish[:, None], 1)[:, 0]
            actions[:, agent] = np.where(allowed & available[:, STOP], wish, actions[:, agent])
    return actions


def mixed(environment: BatchedEnvironment, sight: Sight, generator: np.random.Generator) -> NDArray[np.int64]:
    """Each agent at each step one way or the other, with equal chance."""
    coins = generator.random(environment.alive.shape) < 0.5
    return np.where(coins, at_random(environment, sight, generator), nearest_first(environment, sight, generator))


POLICIES: dict[str, Policy] = {"random": at_random, "focus-fire": nearest_first, "mixed": mixed}
