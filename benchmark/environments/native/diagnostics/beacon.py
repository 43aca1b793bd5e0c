"""Beacon: influence through an agent's action or through its state, in known shares (dependence-graph experiment X7; ours).

Agent 1, the keeper, walks a ring of six cells: 0 stay, 1 forward, 2 back. Agent 0, the ship, has a lamp with three colours:
after each step it shows, with probability `action_gain`, the keeper's action, and otherwise the keeper's old cell modulo 3. The
ship earns 1 when the lamp shows colour 1; its own actions (0, 1, 2) do nothing. Every move costs the keeper 0.1.
`action_gain` = 1: influence is driven by actions alone; 0: by states alone.

Observation [6]: the ship sees its lamp one-hot (3, then zeros), the keeper its cell one-hot (6). State [9]: both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from algorithms.team import StateField, TeamShape
from benchmark.environments.native.base import NativeEnvironment
from benchmark.environments.native.compilation import njit
from benchmark.environments.native.random import next_below, next_uniform

CELLS = 6
COLOURS = 3
LIT = 1
MOVE_COST = -0.1
MOVES = np.array([0, 1, -1], np.int64)


class Beacon(NativeEnvironment):
    """B episodes of the ship (agent 0) and the keeper (agent 1)."""

    individual_sums_to_team = True

    def __init__(self, batch_size: int, action_gain: float, horizon: int = 25) -> None:
        if not 0.0 <= action_gain <= 1.0 or horizon < 1:
            raise ValueError(f"needs action_gain in [0, 1] and horizon >= 1; got {action_gain}, {horizon}")
        fields = [StateField(f"lamp.{i}", "agent0", 0, "lamp") for i in range(COLOURS)]
        fields += [StateField(f"cell.{i}", "agent1", 1, "position") for i in range(CELLS)]
        team = TeamShape(
            n_agents=2,
            observation_sizes=(COLOURS, CELLS),
            action_sizes=(3, 3),
            agent_types=(0, 1),
            state_size=len(fields),
            horizon=horizon,
            state_fields=tuple(fields),
        )
        super().__init__(batch_size, team, {"action_gain": action_gain, "horizon": horizon})
        self._gain = action_gain
        self.lamp = self.simulation_array("lamp", (), np.int64)
        self.cell = self.simulation_array("cell", (), np.int64)

    def _reset_rows(self, count: int) -> None:
        self.alive[:count] = True
        self.available[:count] = True
        _place(count, self.lamp, self.cell, self.streams)
        self._publish()

    def _publish(self) -> None:
        rows = np.flatnonzero(self.alive[:, 0])
        self.observation[rows] = 0
        self.state[rows] = 0
        self.observation[rows, 0, self.lamp[rows]] = 1
        self.observation[rows, 1, self.cell[rows]] = 1
        self.state[rows, self.lamp[rows]] = 1
        self.state[rows, COLOURS + self.cell[rows]] = 1

    def _step_rows(self, actions: NDArray[np.int64]) -> None:
        self._begin_step()
        _advance(
            actions, self._gain, self.lamp, self.cell, self.streams, self.running, self.team_reward, self.individual_reward
        )
        self._end_step()
        self._publish()


@njit(cache=True)
def _place(count, lamp, cell, streams):
    for row in range(count):
        lamp[row] = next_below(streams[row], COLOURS)
        cell[row] = next_below(streams[row], CELLS)


@njit(cache=True)
def _advance(actions, gain, lamp, cell, streams, running, team_reward, individual_reward):
    for row in range(len(running)):
        if not running[row]:
            continue
        action = actions[row, 1]
        lamp[row] = action if next_uniform(streams[row]) < gain else cell[row] % COLOURS
        cell[row] = (cell[row] + MOVES[action]) % CELLS
        individual_reward[row, 0] = 1.0 if lamp[row] == LIT else 0.0
        individual_reward[row, 1] = MOVE_COST if action != 0 else 0.0
        team_reward[row] = individual_reward[row, 0] + individual_reward[row, 1]
