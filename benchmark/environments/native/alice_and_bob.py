"""Alice & Bob: two locked rooms, two keys, one treasure (the task of STAS; facts in its released environment).

Nine by nine cells, (row, column) from the top left. Each agent starts in its own room; the key in the right room opens the
left door, the key outside opens the right door, and the treasure counts once both agents are out. Everything is
deterministic. Agents move one after the other on one map of codes; a cell that is left becomes empty, whoever else
stands on it, and that is what the observation shows (a property of the released environment, kept).

Observation [19], not normalised: the 3x3 codes around (9), own (row, column), own minus other (2), own minus key 0 (2), own
minus key 1 (2), both zero once taken, in-a-room flag, last event (0 none, -1 blocked, 2 or 3 key 0 or 1 taken, 7 treasure).
State [81]: the codes of the map.
Reward: -0.1 for every blocked move, +100 when an agent is on the treasure and both are outside the rooms, which ends the
episode. `individual_reward` is ours: own bumps, and half the treasure each (the release gives both agents the team's scalar).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from algorithms.team import StateField, TeamShape
from benchmark.environments.native.base import NativeEnvironment
from benchmark.environments.native.compilation import njit
from benchmark.environments.scene import Box, Disc, Line, Scene

SIDE = 9
EMPTY, WALL, TREASURE = 0, 1, 7
AGENT_CODES = np.array([5, 6], np.int64)
KEY_CODES = np.array([2, 3], np.int64)
STARTS = np.array([[1, 1], [1, 7]], np.int64)
KEYS = np.array([[3, 5], [5, 1]], np.int64)
DOORS = np.array([[4, 2], [4, 6]], np.int64)
TREASURE_CELL = np.array([7, 7], np.int64)
# Effects of actions 0..3 on (row, column).
MOVES = np.array([[0, 1], [0, -1], [-1, 0], [1, 0]], np.int64)
ACTION_NAMES = ("right", "left", "up", "down")
BUMP = -0.1
PRIZE = 100.0
OBSERVATION_SIZE = 19


def initial_map() -> NDArray[np.int64]:
    """The map of codes [9, 9] at the start."""
    cells = np.zeros((SIDE, SIDE), np.int64)
    cells[[0, -1], :] = WALL
    cells[:, [0, -1]] = WALL
    cells[1:4, 4] = WALL
    cells[4, :] = WALL
    for cell, code in zip((*STARTS, *KEYS, TREASURE_CELL), (*AGENT_CODES, *KEY_CODES, TREASURE), strict=True):
        cells[tuple(cell)] = code
    return cells


class AliceAndBob(NativeEnvironment):
    """B games of Alice & Bob; `horizon`: steps until an episode is cut (40 in the paper)."""

    individual_sums_to_team = True

    def __init__(self, batch_size: int, horizon: int = 40) -> None:
        if horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {horizon}")
        team = TeamShape(
            n_agents=2,
            observation_sizes=(OBSERVATION_SIZE,) * 2,
            action_sizes=(4, 4),
            agent_types=(0, 0),
            state_size=SIDE * SIDE,
            horizon=horizon,
            state_fields=tuple(
                StateField(name=f"cell {row},{column}", entity="map", agent=None, kind="code")
                for row in range(SIDE)
                for column in range(SIDE)
            ),
        )
        super().__init__(batch_size, team, {"horizon": horizon})
        self.cells = self.simulation_array("cells", (SIDE, SIDE), np.int64)
        self.positions = self.simulation_array("positions", (2, 2), np.int64)
        self.taken = self.simulation_array("taken", (2,), np.bool_)
        self.events = self.simulation_array("events", (2,), np.int64)
        self._initial = initial_map()

    def _reset_rows(self, count: int) -> None:
        rows = slice(0, count)
        self.cells[rows] = self._initial
        self.positions[rows] = STARTS
        self.taken[rows] = False
        self.events[rows] = 0
        self.alive[rows] = True
        self.available[rows] = True
        _observe_rows(count, self.cells, self.positions, self.taken, self.events, self.observation, self.state)

    def _step_rows(self, actions: NDArray[np.int64]) -> None:
        self._begin_step()
        _step(
            actions,
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

    def scene(self, row: int) -> Scene:
        shapes: list[Disc | Box | Line] = []
        for i, j in np.argwhere(self.cells[row] == WALL).tolist():
            shapes.append(Box(j, i, 1, 1, "wall"))
        shapes.append(Box(TREASURE_CELL[1] + 0.1, TREASURE_CELL[0] + 0.1, 0.8, 0.8, "goal", "T"))
        for key in range(2):
            if not self.taken[row, key]:
                shapes.append(Box(KEYS[key, 1] + 0.2, KEYS[key, 0] + 0.2, 0.6, 0.6, "item", f"k{key}"))
        for agent, (i, j) in enumerate(self.positions[row].tolist()):
            shapes.append(Disc(j + 0.5, i + 0.5, 0.4, "agent", str(agent), agent))
        return Scene((0, 0, SIDE, SIDE), tuple(shapes), cells=True, y_down=True)

    def load_state(self, rows: NDArray[np.int64], positions: NDArray[np.int64], taken: NDArray[np.bool_], step: int) -> None:
        """Puts running rows into a state, for tests: positions [R, 2, 2] (row, column), taken [R, 2], steps done."""
        for row, places, keys in zip(rows, positions, taken, strict=True):
            cells = self._initial.copy()
            for agent in range(2):
                cells[tuple(STARTS[agent])] = EMPTY
                if keys[agent]:
                    cells[tuple(KEYS[agent])] = EMPTY
                    cells[tuple(DOORS[agent])] = EMPTY
            for agent in range(2):
                cells[tuple(places[agent])] = AGENT_CODES[agent]
            self.cells[row] = cells
            self.positions[row] = places
            self.taken[row] = keys
            self.events[row] = 0
            self.steps[row] = step
        _observe_rows(self.batch_size, self.cells, self.positions, self.taken, self.events, self.observation, self.state)


@njit(cache=True)
def _in_room(row, column):
    return 1 <= row <= 3 and (1 <= column <= 3 or 5 <= column <= 7)


@njit(cache=True)
def _observe(cells, positions, taken, events, observation, state):
    """Fills observation [2, 19] and state [81] of one episode."""
    for agent in range(2):
        row, column = positions[agent]
        place = 0
        for i in range(row - 1, row + 2):
            for j in range(column - 1, column + 2):
                observation[agent, place] = cells[i, j]
                place += 1
        for axis in range(2):
            own = positions[agent, axis]
            observation[agent, 9 + axis] = own
            observation[agent, 11 + axis] = own - positions[1 - agent, axis]
            for key in range(2):
                observation[agent, 13 + 2 * key + axis] = 0 if taken[key] else own - KEYS[key, axis]
        observation[agent, 17] = _in_room(row, column)
        observation[agent, 18] = events[agent]
    for i in range(SIDE):
        for j in range(SIDE):
            state[i * SIDE + j] = cells[i, j]


@njit(cache=True)
def _observe_rows(count, cells, positions, taken, events, observation, state):
    for row in range(count):
        _observe(cells[row], positions[row], taken[row], events[row], observation[row], state[row])


@njit(cache=True)
def _move(action, agent, cells, position):
    """Moves one agent on the map; returns whether it was blocked."""
    row, column = position[0] + MOVES[action, 0], position[1] + MOVES[action, 1]
    if cells[row, column] == WALL:
        return True
    cells[position[0], position[1]] = EMPTY
    cells[row, column] = AGENT_CODES[agent]
    position[0], position[1] = row, column
    return False


@njit(cache=True)
def _step(
    actions,
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
            if _move(actions[row, agent], agent, cells[row], positions[row, agent]):
                events[row, agent] = -1
                individual_reward[row, agent] += BUMP
                team_reward[row] += BUMP
        for agent in range(2):
            for key in range(2):
                at_key = positions[row, agent, 0] == KEYS[key, 0] and positions[row, agent, 1] == KEYS[key, 1]
                if at_key and not taken[row, key]:
                    taken[row, key] = True
                    events[row, agent] = KEY_CODES[key]
                    cells[row, DOORS[key, 0], DOORS[key, 1]] = EMPTY
        on_treasure = False
        outside = True
        for agent in range(2):
            place = positions[row, agent]
            on_treasure |= place[0] == TREASURE_CELL[0] and place[1] == TREASURE_CELL[1]
            outside &= not _in_room(place[0], place[1])
        if on_treasure and outside:
            team_reward[row] += PRIZE
            for agent in range(2):
                individual_reward[row, agent] += PRIZE / 2
                if positions[row, agent, 0] == TREASURE_CELL[0] and positions[row, agent, 1] == TREASURE_CELL[1]:
                    events[row, agent] = TREASURE
            terminated[row] = True
        _observe(cells[row], positions[row], taken[row], events[row], observation[row], state[row])
