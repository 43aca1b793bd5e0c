"""The package lbforaging as a `BatchedEnvironment`: the reference that our simulator is tested against.

Observations, rewards and available actions are the package's own. Its one `terminated` flag is split: an
empty field is a termination, everything else the time limit. Player positions of the last episode, which in the package
still block cells while new positions are drawn, are cleared before each reset: an episode depends on its seed alone.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium
import lbforaging  # noqa: F401  (registers the ids)

from benchmark.environments.adapters.rows import Ending, Row, RowEnvironment, RowSimulator
from benchmark.environments.native.lbf.environment import foraging_team


def make(batch_size: int, *, gym_id: str, workers: int = 0, **overrides: Any) -> RowEnvironment:
    """B games of a registered id such as "Foraging-8x8-2p-2f-coop-v3".

    `workers`: processes to step in (0: this one). `overrides` of the id's own parameters go to the package: `max_num_food`
    (more foods than the ids have), `penalty`. Seeds are cut to their low 32 bits.
    """
    return RowEnvironment(batch_size, partial(ForagingRow, gym_id, overrides), workers=workers)


class ForagingRow(RowSimulator):
    """One instance of the package: `game`."""

    def __init__(self, gym_id: str, overrides: dict[str, Any]) -> None:
        game: Any = gymnasium.make(gym_id, disable_env_checker=True, **overrides).unwrapped
        self.game = game
        self.team = foraging_team(len(game.players), game.max_num_food, game._max_episode_steps)

    def reset(self, seed: int, row: Row) -> None:
        for player in self.game.players:
            player.position = None
        observations, _ = self.game.reset(seed=seed)
        row.alive[:] = True
        self._write(observations, row)

    def step(self, actions: list[int], row: Row) -> tuple[float, Ending | None]:
        observations, rewards, done, _, _ = self.game.step(actions)
        row.individual_reward[:] = rewards
        self._write(observations, row)
        return float(sum(rewards)), None if not done else "terminated" if self.success() else "truncated"

    def success(self) -> bool:
        return not self.game.field.any()

    def close(self) -> None:
        self.game.close()

    def _write(self, observations: tuple[Any, ...], row: Row) -> None:
        row.observation[:] = observations
        row.state[:] = row.observation.ravel()
        row.available[:] = False
        for player, valid in zip(row.available, self.game._valid_actions.values(), strict=True):
            player[[action.value for action in valid]] = True
