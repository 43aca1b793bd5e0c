"""Switch-door rooms: one agent's door opens only while another holds the right switch (Le and Ta 2026, toy experiments).

n corridors of 10 cells. Agent 0 must reach the right end of corridor 0, worth 10 once; a door at column 5 blocks it. Agents
1..n-1 have a corridor each with a switch at its right end; one switch is real and opens the door while an agent stands on
it. Agents act in index order; what happens to the door takes effect in the next step. A blocked move costs its agent
0.1. Episodes are cut at the horizon. True dependence: the holder of the real switch -> agent 0, when it enters or leaves.

Actions: 0 stay, 1 left, 2 right. (The corridors are walled, so the released game's up and down could only bump.)
Observation [4]: own corridor and column (scaled to [0, 1]), door open, goal reached. State [2n + 2]: every agent's corridor and
column, door open, goal reached. Which switch is real is a parameter of the task, not observed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from algorithms.team import StateField, TeamShape
from benchmark.environments.native.base import NativeEnvironment
from benchmark.environments.native.compilation import njit
from benchmark.environments.scene import Box, Disc, Line, Scene

COLUMNS = 10
DOOR_COLUMN = 5
PRIZE = 10.0
BUMP = -0.1
MOVES = np.array([0, -1, 1], np.int64)


class SwitchDoorRooms(NativeEnvironment):
    """B episodes of n corridors. `real_switch`: the corridor 1..n-1 whose switch opens the door."""

    individual_sums_to_team = True

    def __init__(self, batch_size: int, n_agents: int, real_switch: int = 1, horizon: int = 200) -> None:
        if n_agents < 2 or horizon < 1:
            raise ValueError(f"needs n_agents >= 2 and horizon >= 1; got {n_agents}, {horizon}")
        if not 1 <= real_switch < n_agents:
            raise ValueError(f"real_switch is {real_switch}, allowed: 1..{n_agents - 1}")
        fields = [
            StateField(f"agent{i}.{name}", f"agent{i}", i, "position")
            for i in range(n_agents)
            for name in ("corridor", "column")
        ]
        fields += [StateField("door", "door", None, "open"), StateField("goal", "goal", None, "reached")]
        team = TeamShape(
            n_agents=n_agents,
            observation_sizes=(4,) * n_agents,
            action_sizes=(3,) * n_agents,
            agent_types=(0,) * n_agents,
            state_size=len(fields),
            horizon=horizon,
            state_fields=tuple(fields),
        )
        super().__init__(batch_size, team, {"n_agents": n_agents, "real_switch": real_switch, "horizon": horizon})
        self._real_switch = real_switch
        self.columns = self.simulation_array("columns", (n_agents,), np.int64)
        self.open = self.simulation_array("open", (), np.bool_)
        self.reached = self.simulation_array("reached", (), np.bool_)

    def _reset_rows(self, count: int) -> None:
        rows = slice(0, count)
        self.columns[rows] = 0
        self.open[rows] = False
        self.reached[rows] = False
        self.alive[rows] = True
        self.available[rows] = True
        _publish(self.alive, self.columns, self.open, self.reached, self.observation, self.state)

    def agent_positions(self) -> NDArray[np.float64]:
        corridors = np.broadcast_to(2 * np.arange(self.team.n_agents), self.columns.shape)  # a wall lies between two
        return np.stack([corridors, self.columns], axis=-1).astype(np.float64)

    def scene(self, row: int) -> Scene:
        n = self.team.n_agents
        shapes: list[Disc | Box | Line] = [Box(0, 2 * i + 1, COLUMNS, 1, "wall") for i in range(n - 1)]
        shapes.append(Box(COLUMNS - 1, 0, 1, 1, "goal", "G"))
        shapes.append(Box(DOOR_COLUMN, 0, 1, 1, "mark" if self.open[row] else "wall", "D"))
        for agent in range(1, n):
            shapes.append(Box(COLUMNS - 1, 2 * agent, 1, 1, "item" if agent == self._real_switch else "mark", "S"))
        for agent, column in enumerate(self.columns[row].tolist()):
            shapes.append(Disc(column + 0.5, 2 * agent + 0.5, 0.4, "agent", str(agent), agent))
        return Scene((0, 0, COLUMNS, 2 * n - 1), tuple(shapes), cells=True, y_down=True)

    def _step_rows(self, actions: NDArray[np.int64]) -> None:
        self._begin_step()
        _advance(
            actions,
            self._real_switch,
            self.columns,
            self.open,
            self.reached,
            self.running,
            self.team_reward,
            self.individual_reward,
        )
        self._end_step()
        self.success[:] = self.reached & ~self.running
        _publish(self.alive, self.columns, self.open, self.reached, self.observation, self.state)


@njit(cache=True)
def _publish(alive, columns, is_open, reached, observation, state):
    n = columns.shape[1]
    for row in range(len(alive)):
        if not alive[row, 0]:
            continue
        for agent in range(n):
            corridor, column = agent / (n - 1), columns[row, agent] / (COLUMNS - 1)
            observation[row, agent, 0] = corridor
            observation[row, agent, 1] = column
            observation[row, agent, 2] = is_open[row]
            observation[row, agent, 3] = reached[row]
            state[row, 2 * agent] = corridor
            state[row, 2 * agent + 1] = column
        state[row, 2 * n] = is_open[row]
        state[row, 2 * n + 1] = reached[row]


@njit(cache=True)
def _advance(
    actions,
    real_switch,
    columns,
    is_open,
    reached,
    running,
    team_reward,
    individual_reward,
):
    n = columns.shape[1]
    for row in range(len(running)):
        if not running[row]:
            continue
        for agent in range(n):
            target = columns[row, agent] + MOVES[actions[row, agent]]
            shut = agent == 0 and target == DOOR_COLUMN and columns[row, 0] != DOOR_COLUMN and not is_open[row]
            if target < 0 or target >= COLUMNS or shut:
                individual_reward[row, agent] += BUMP
                team_reward[row] += BUMP
            else:
                columns[row, agent] = target
        if columns[row, 0] == COLUMNS - 1 and not reached[row]:
            reached[row] = True
            individual_reward[row, 0] += PRIZE
            team_reward[row] += PRIZE
        is_open[row] = columns[row, real_switch] == COLUMNS - 1
