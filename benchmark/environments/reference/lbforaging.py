"""The real package lbforaging behind `BatchedEnvironment`: B instances stepped one after the other in this process.

Observations, rewards and available actions are the package's own. Its one `terminated` flag is split: a true end is an
empty field, everything else is the time limit.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import lbforaging  # noqa: F401  (registers the ids)
import numpy as np
from numpy.typing import NDArray

from benchmark.environments.interface import BatchedEnvironment, UnavailableAction
from benchmark.environments.native.lbf import foraging_team


class RealForaging(BatchedEnvironment):
    """B games of the package. `games` [B] are its instances, for tests that set or read their state."""

    backend = "reference"
    deterministic = True
    individual_sums_to_team = True

    def __init__(self, batch_size: int, gym_id: str, overrides: dict[str, Any]) -> None:
        self.games = [gymnasium.make(gym_id, disable_env_checker=True, **overrides).unwrapped for _ in range(batch_size)]
        game: Any = self.games[0]
        self.allocate(batch_size, foraging_team(len(game.players), game.max_num_food, game._max_episode_steps))
        self.state = self.observation.reshape(batch_size, -1)  # one memory, as in the native twin

    def reset(self, seeds: NDArray[np.uint64]) -> None:
        if not 1 <= len(seeds) <= self.batch_size:
            raise ValueError(f"reset takes 1 to {self.batch_size} seeds, got {len(seeds)}")
        for name in self.PUBLIC:
            getattr(self, name)[:] = 0
        self.available[:, :, 0] = True
        for row, seed in enumerate(seeds):
            game: Any = self.games[row]
            for player in game.players:
                player.position = None  # else the last episode's positions block cells, and the seed is not all that counts
            observations, _ = game.reset(seed=int(seed))
            self.running[row] = True
            self.alive[row] = True
            self.read(row, observations)

    def step(self, actions: NDArray[np.int64]) -> None:
        actions = np.asarray(actions, np.int64)
        if actions.shape != self.available.shape[:2]:
            raise ValueError(f"actions must have shape {self.available.shape[:2]}, got {actions.shape}")
        self._refuse_unavailable(actions)
        self.team_reward[:] = 0
        self.individual_reward[:] = 0
        for row in np.flatnonzero(self.running).tolist():
            game: Any = self.games[row]
            observations, rewards, done, _, _ = game.step(actions[row].tolist())
            self.individual_reward[row] = rewards
            self.team_reward[row] = sum(rewards)
            if done:
                self.running[row] = False
                self.success[row] = self.terminated[row] = not game.field.any()
                self.truncated[row] = not self.terminated[row]
            self.read(row, observations)

    def read(self, row: int, observations: tuple[NDArray[np.float32], ...]) -> None:
        """Takes over the observations [N] of one game and what its players can do."""
        game: Any = self.games[row]
        self.observation[row] = observations
        self.available[row] = False
        self.available[row, :, 0] = True
        if self.running[row]:
            for player, valid in zip(self.available[row], game._valid_actions.values(), strict=True):
                player[[action.value for action in valid]] = True

    def _refuse_unavailable(self, actions: NDArray[np.int64]) -> None:
        size = self.team.action_size
        inside = (actions >= 0) & (actions < size)
        allowed = np.take_along_axis(self.available, np.where(inside, actions, 0)[:, :, None], axis=2)[:, :, 0] & inside
        for row, agent in np.argwhere(~allowed)[:1]:
            choices = np.flatnonzero(self.available[row, agent]).tolist()
            raise UnavailableAction(
                f"row {row}, agent {agent}: action {actions[row, agent]} is not available; allowed: {choices}"
            )

    def close(self) -> None:
        for game in self.games:
            game.close()


def make(batch_size: int, *, gym_id: str, **overrides: Any) -> RealForaging:
    """B games of a registered id such as "Foraging-8x8-2p-2f-coop-v3".

    `overrides` of the id's own parameters go to the package: `max_num_food` (more foods than the ids have), `penalty`.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    return RealForaging(batch_size, gym_id, overrides)
