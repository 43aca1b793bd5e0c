"""Alice & Bob: two agents in locked rooms, keys that open each other's doors, one treasure (the task of STAS).

The rules and the map with two rooms are facts of the released environment; other maps are ours (alice_and_bob_maps.py).
Cells are (row, column) from the top left. Each agent starts in a room of its own; key k opens door k for ever, whoever takes
it, and the treasure counts once both agents are out of the rooms. Everything is deterministic. Agents move one after the
other on one map of codes; a cell that is left becomes empty, whoever else stands on it, and that is what the observation
shows (a property of the released environment, kept).

Observation [15 + 2 K] for K keys, not normalised: the 3x3 codes around (9), own (row, column), own minus other (2), own minus
each key (2 K; zero once it is taken), in-a-room flag, last event (0 none, -1 blocked, 2 + k key k taken, 7 treasure).
State [rows x columns]: the codes of the map.
Reward: -0.1 for every blocked move, +100 when an agent is on the treasure and both are outside the rooms, which ends the
episode. `individual_reward` is ours: own bumps, and half the treasure each (the release gives both agents the team's scalar).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from algorithms.team import StateField, TeamShape
from benchmark.environments.native.alice_and_bob.maps import AGENT_CODES, EMPTY, KEY_CODES, MAPS, TREASURE, WALL
from benchmark.environments.native.base import NativeEnvironment
from benchmark.environments.native.compilation import njit
from benchmark.environments.scene import Box, Disc, Line, Scene

# Effects of actions 0..3 on (row, column).
MOVES = np.array([[0, 1], [0, -1], [-1, 0], [1, 0]], np.int64)
ACTION_NAMES = ("right", "left", "up", "down")
BUMP = -0.1
PRIZE = 100.0


class AliceAndBob(NativeEnvironment):
    """B games of Alice & Bob. `layout`: a name in MAPS; `horizon`: steps until an episode is cut."""

    individual_sums_to_team = True

    def __init__(self, batch_size: int, horizon: int = 40, layout: str = "two-rooms") -> None:
        if horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {horizon}")
        if layout not in MAPS:
            raise ValueError(f"layout is '{layout}', allowed: {', '.join(MAPS)}")
        plan = MAPS[layout]
        rows, columns = plan.codes.shape
        team = TeamShape(
            n_agents=2,
            observation_sizes=(15 + 2 * len(plan.keys),) * 2,
            action_sizes=(4, 4),
            agent_types=(0, 0),
            state_size=rows * columns,
            horizon=horizon,
            state_fields=tuple(
                StateField(name=f"cell {row},{column}", entity="map", agent=None, kind="code")
                for row in range(rows)
                for column in range(columns)
            ),
        )
        super().__init__(batch_size, team, {"horizon": horizon, "layout": layout})
        self.plan = plan
        self.cells = self.simulation_array("cells", (rows, columns), np.int64)
        self.positions = self.simulation_array("positions", (2, 2), np.int64)
        self.taken = self.simulation_array("taken", (len(plan.keys),), np.bool_)
        self.events = self.simulation_array("events", (2,), np.int64)
        # The codes around an agent may show the other one. What opens a door shows in the keys at the same step.
        self.substate[:, :9] = False
        self.substate[:, 11:13] = False

    def _reset_rows(self, count: int) -> None:
        rows = slice(0, count)
        self.cells[rows] = self.plan.codes
        self.positions[rows] = self.plan.starts
        self.taken[rows] = False
        self.events[rows] = 0
        self.alive[rows] = True
        self.available[rows] = True
        self._observe_first(count)

    def _observe_first(self, count: int) -> None:
        """Observations and states of rows 0..count-1 that no step has led to."""
        _observe_rows(
            count,
            self.plan.keys,
            self.plan.inside,
            self.cells,
            self.positions,
            self.taken,
            self.events,
            self.observation,
            self.state,
        )

    def _step_rows(self, actions: NDArray[np.int64]) -> None:
        self._begin_step()
        _step(
            actions,
            self.plan.keys,
            self.plan.doors,
            self.plan.treasure,
            self.plan.inside,
            self.cells,
            self.positions,
            self.taken,
            self.events,
            self.observation,
            self.state,
            self.running,
            self.team_reward,
            self.individual_reward,
            self.terminated,
        )
        self._end_step()
        self.success[:] = self.terminated

    def agent_positions(self) -> NDArray[np.float64]:
        return self.positions.astype(np.float64)

    def scene(self, row: int) -> Scene:
        shapes: list[Disc | Box | Line] = []
        for i, j in np.argwhere(self.cells[row] == WALL).tolist():
            shapes.append(Box(j, i, 1, 1, "wall"))
        for door, (i, j) in enumerate(self.plan.doors.tolist()):
            if self.cells[row, i, j] == WALL:
                shapes.append(Box(j, i, 1, 1, "mark", f"d{door}"))
        i, j = self.plan.treasure.tolist()
        covered = (self.positions[row] == self.plan.treasure).all(1).any()
        shapes.append(Box(j + 0.1, i + 0.1, 0.8, 0.8, "goal", "" if covered else "T"))
        for key, (i, j) in enumerate(self.plan.keys.tolist()):
            if not self.taken[row, key]:
                shapes.append(Box(j + 0.2, i + 0.2, 0.6, 0.6, "item", f"k{key}"))
        for agent, (i, j) in enumerate(self.positions[row].tolist()):
            shapes.append(Disc(j + 0.5, i + 0.5, 0.4, "agent", str(agent), agent))
        rows, columns = self.plan.codes.shape
        return Scene((0, 0, columns, rows), tuple(shapes), cells=True, y_down=True)

    def load_state(self, rows: NDArray[np.int64], positions: NDArray[np.int64], taken: NDArray[np.bool_], step: int) -> None:
        """Puts running rows into a state, for tests: positions [R, 2, 2] (row, column), taken [R, K], steps done."""
        for row, agent_cells, keys in zip(rows, positions, taken, strict=True):
            cells = self.plan.codes.copy()
            for start in self.plan.starts:
                cells[tuple(start)] = EMPTY
            for key in np.flatnonzero(keys):
                cells[tuple(self.plan.keys[key])] = EMPTY
                cells[tuple(self.plan.doors[key])] = EMPTY
            for agent in range(2):
                cells[tuple(agent_cells[agent])] = AGENT_CODES[agent]
            self.cells[row] = cells
            self.positions[row] = agent_cells
            self.taken[row] = keys
            self.events[row] = 0
            self.steps[row] = step
        self._observe_first(self.batch_size)


@njit(cache=True)
def _observe(row, keys, inside, cells, positions, taken, events, observation):
    """Fills observation [B, 2, 15 + 2 K] of one episode."""
    n_keys = len(keys)
    for agent in range(2):
        i, j = positions[row, agent, 0], positions[row, agent, 1]
        index = 0
        for near_i in range(i - 1, i + 2):
            for near_j in range(j - 1, j + 2):
                observation[row, agent, index] = cells[row, near_i, near_j]
                index += 1
        for axis in range(2):
            own = positions[row, agent, axis]
            observation[row, agent, 9 + axis] = own
            observation[row, agent, 11 + axis] = own - positions[row, 1 - agent, axis]
            for key in range(n_keys):
                observation[row, agent, 13 + 2 * key + axis] = 0 if taken[row, key] else own - keys[key, axis]
        observation[row, agent, 13 + 2 * n_keys] = inside[i, j]
        observation[row, agent, 14 + 2 * n_keys] = events[row, agent]


@njit(cache=True)
def _observe_rows(count, keys, inside, cells, positions, taken, events, observation, state):
    for row in range(count):
        _observe(row, keys, inside, cells, positions, taken, events, observation)
        state[row] = cells[row].reshape(-1)


@njit(cache=True)
def _write(row, i, j, code, cells, state):
    """Puts a code onto the map [B, rows, columns] and into the state [B, rows x columns], which shows the map."""
    cells[row, i, j] = code
    state[row, i * cells.shape[2] + j] = code


@njit(cache=True)
def _move(row, agent, action, cells, state, positions):
    """Moves one agent on the map; returns whether it was blocked."""
    old_i, old_j = positions[row, agent, 0], positions[row, agent, 1]
    i, j = old_i + MOVES[action, 0], old_j + MOVES[action, 1]
    if cells[row, i, j] == WALL:
        return True
    _write(row, old_i, old_j, EMPTY, cells, state)
    _write(row, i, j, AGENT_CODES[agent], cells, state)
    positions[row, agent, 0], positions[row, agent, 1] = i, j
    return False


@njit(cache=True)
def _step(
    actions,
    keys,
    doors,
    treasure,
    inside,
    cells,
    positions,
    taken,
    events,
    observation,
    state,
    running,
    team_reward,
    individual_reward,
    terminated,
):
    for row in range(len(running)):
        if not running[row]:
            continue
        for agent in range(2):
            events[row, agent] = 0
            if _move(row, agent, actions[row, agent], cells, state, positions):
                events[row, agent] = -1
                individual_reward[row, agent] += BUMP
                team_reward[row] += BUMP
        for agent in range(2):
            for key in range(len(keys)):
                at_key = positions[row, agent, 0] == keys[key, 0] and positions[row, agent, 1] == keys[key, 1]
                if at_key and not taken[row, key]:
                    taken[row, key] = True
                    events[row, agent] = KEY_CODES[key]
                    _write(row, doors[key, 0], doors[key, 1], EMPTY, cells, state)
        on_treasure = False
        outside = True
        for agent in range(2):
            i, j = positions[row, agent, 0], positions[row, agent, 1]
            on_treasure |= i == treasure[0] and j == treasure[1]
            outside &= not inside[i, j]
        if on_treasure and outside:
            team_reward[row] += PRIZE
            for agent in range(2):
                individual_reward[row, agent] += PRIZE / 2
                if positions[row, agent, 0] == treasure[0] and positions[row, agent, 1] == treasure[1]:
                    events[row, agent] = TREASURE
            terminated[row] = True
        _observe(row, keys, inside, cells, positions, taken, events, observation)
