"""The package SMAClite, where installed, as a `BatchedEnvironment`: the reference that our simulator is tested against.

It is not on the package index and has no licence file; it can be used, not shipped. By hand:
`pip install gymnasium pygame-ce scikit-learn "Rtree>=1.3"`, then the package from its source repository with `--no-deps`
(its own pin of Rtree fails at import).

Observations, states, available actions and the team's reward are the package's own. It has no individual rewards: each agent
gets an equal share. The last actions in its state survive a reset; they are cleared here, so that a row depends on its seed
alone. It iterates over ground and air units in the order of Python's string hashes, so ties between them are broken
differently from process to process.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from benchmark.environments.adapters.rows import Ending, Row, RowEnvironment, RowSimulator
from benchmark.environments.native.smaclite.maps.map_files import load_map
from benchmark.environments.native.smaclite.maps.scenario import build_rules, team_shape

try:
    import smaclite  # noqa: F401  (registers the ids)
except ImportError as error:
    raise ImportError(
        "The package 'smaclite' is not installed. It is not on the package index: install gymnasium, pygame-ce, scikit-learn "
        "and Rtree>=1.3, then smaclite from its source repository with pip's --no-deps."
    ) from error


def make(batch_size: int, *, map_name: str, horizon: int, workers: int = 0) -> RowEnvironment:
    """B battles on one of the package's maps, cut after `horizon` steps. `workers`: processes to step in (0: this one)."""
    return RowEnvironment(batch_size, partial(BattleRow, map_name, horizon), workers=workers, deterministic=False)


class BattleRow(RowSimulator):
    """One instance of the package: `battle`."""

    def __init__(self, map_name: str, horizon: int) -> None:
        own = load_map(map_name)
        self.team = team_shape(own, build_rules(own, horizon, sparse=False, released=False))
        with redirect_stdout(StringIO()):  # the package prints a line, and commands print JSON
            self.battle: Any = gymnasium.make(f"smaclite/{map_name}-v0", disable_env_checker=True).unwrapped
        self._won = False

    def reset(self, seed: int, row: Row) -> None:
        observation, _ = self.battle.reset(seed=seed)
        self._won = False
        self._write(observation, row)
        row.state[-self.team.n_agents * self.team.action_size :] = 0

    def step(self, actions: list[int], row: Row) -> tuple[float, Ending | None]:
        observation, reward, terminated, _, info = self.battle.step(actions)
        self._won = bool(info["battle_won"]) if terminated else False
        row.individual_reward[:] = reward / self.team.n_agents
        self._write(observation, row)
        return float(reward), "terminated" if terminated else None

    def success(self) -> bool:
        return self._won

    def close(self) -> None:
        self.battle.close()

    def _write(self, observation: Sequence[NDArray[np.float32]], row: Row) -> None:
        row.observation[:] = observation
        row.state[:] = self.battle.get_state()
        row.available[:] = np.asarray(self.battle.get_avail_actions(), np.bool_)
        row.alive[:] = ~row.available[:, 0]
