"""Level-Based Foraging: the native twin of the package lbforaging 2.0.0 (vector observations).

N players on an S x S board collect F foods. A food of level k is loaded by neighbours whose levels sum to k or more;
each loader gets `level * k / (sum of the loaders' levels * sum of all food levels)`, so a solved episode has a return of 1.
Actions [6]: rest, north, south, west, east, load. Observation [3F + 3N]: triples (row, column, level) of the foods in
sight, of the viewer and of the players in sight. State: all observations, one after the other (EPyMARL's convention).

Same rules, observations, rewards, ends and available actions as the package, bit for bit; same distribution of starts,
from random numbers of our own. Three things differ, as in every environment here: actions that are not available raise
instead of becoming a rest, the time limit is `truncated` instead of `terminated`, and a start never depends on the
episode before it (in the package the players not yet placed still block the cells where they last stood).

Beyond the package: `food_level="exclusive"` draws food levels below the upper bound, as releases before 2.0.0 did and
published results of 2021 assume; `reward="winner"` with `food_cap=2` is the game of Le and Ta (arXiv 2601.21523), in which
the loader of the highest level gets the whole group's reward.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algorithms.team import TeamShape, concatenated_observation_fields
from benchmark.environments.native.base import NativeEnvironment
from benchmark.environments.native.lbf.kernels import (
    N_ACTIONS,
    WALL,
    Board,
    Rules,
    View,
    find_available,
    food_may_lie_on,
    observe,
    reset_rows,
    step_rows,
)
from benchmark.environments.scene import Box, Disc, Line, Scene

MAX_PLAYERS = 32


def foraging_team(n_players: int, n_foods: int, horizon: int) -> TeamShape:
    """The team of one game: N equal players, O = 3F + 3N, A = 6, S = N * O."""
    entities = [f"food{food}" for food in range(n_foods)] + ["self"] + [f"other{other}" for other in range(n_players - 1)]
    kinds = (("row", "position"), ("column", "position"), ("level", "level"))
    fields = tuple((f"{entity}.{name}", kind) for entity in entities for name, kind in kinds)
    return TeamShape(
        n_agents=n_players,
        observation_sizes=(len(fields),) * n_players,
        action_sizes=(N_ACTIONS,) * n_players,
        agent_types=(0,) * n_players,
        state_size=n_players * len(fields),
        horizon=horizon,
        state_fields=concatenated_observation_fields(n_players, fields),
    )


class LevelBasedForaging(NativeEnvironment):
    """B games at once. `individual_reward` is the package's reward of each player, `team_reward` their sum.

    size: S, rows and columns of the board. n_players: N. n_foods: F; a crowded board may start with fewer.
    sight: how far a player sees food, None for the whole board. force_coop: every food has the highest level that its
    rule allows. penalty: cost of a failed load for each loader. food_level: whether the highest level itself is drawn
    ("inclusive") or not. reward: "share" by level, or "winner" takes all. food_cap: the highest food level is the sum of that
    many lowest player levels. horizon: steps until the episode is truncated.

    Raises ValueError for a game that cannot be played.
    """

    individual_sums_to_team = True
    reach = 3.0  # Le and Ta 2026

    def __init__(
        self,
        batch_size: int,
        *,
        size: int,
        n_players: int,
        n_foods: int,
        sight: int | None = None,
        force_coop: bool = False,
        penalty: float = 0.0,
        food_level: Literal["inclusive", "exclusive"] = "inclusive",
        reward: Literal["share", "winner"] = "share",
        food_cap: Literal[2, 3] = 3,
        horizon: int = 50,
    ) -> None:
        _check(size >= 3, f"size must be at least 3 (food lies off the border), got {size}")
        _check(1 <= n_players <= MAX_PLAYERS, f"n_players must be 1 to {MAX_PLAYERS}, got {n_players}")
        _check(n_players < size * size, f"n_players must leave room on a board of {size} x {size}, got {n_players}")
        _check(n_foods >= 1, f"n_foods must be at least 1, got {n_foods}")
        _check(sight is None or sight >= 1, f"sight must be at least 1, or None for the whole board, got {sight}")
        _check(penalty >= 0, f"penalty must not be negative, got {penalty}")
        _check(food_level in ("inclusive", "exclusive"), f"food_level must be 'inclusive' or 'exclusive', got {food_level!r}")
        _check(reward in ("share", "winner"), f"reward must be 'share' or 'winner', got {reward!r}")
        _check(food_cap in (2, 3), f"food_cap must be 2 or 3, got {food_cap}")
        _check(horizon >= 1, f"horizon must be at least 1, got {horizon}")
        parameters = {
            "size": size,
            "n_players": n_players,
            "n_foods": n_foods,
            "sight": sight,
            "force_coop": force_coop,
            "penalty": penalty,
            "food_level": food_level,
            "reward": reward,
            "food_cap": food_cap,
            "horizon": horizon,
        }
        super().__init__(batch_size, foraging_team(n_players, n_foods, horizon), parameters)
        self.substate[:, 3 * (n_foods + 1) :] = False  # food and oneself come first
        # The state is the observations in another shape: one memory, so it costs nothing and cannot disagree.
        self.state = self.observation.reshape(batch_size, -1)
        self._board = Board(
            grid=self.simulation_array("grid", (size + 2, size + 2), np.int8),
            positions=self.simulation_array("positions", (n_players, 2), np.int32),
            levels=self.simulation_array("levels", (n_players,), np.int32),
            foods=self.simulation_array("foods", (n_foods, 3), np.int32),
            food_count=self.simulation_array("food_count", (), np.int32),
            food_total=self.simulation_array("food_total", (), np.int64),
        )
        self._board.grid[:] = WALL
        self._board.grid[:, 1:-1, 1:-1] = 0
        self._view = View(**{name: getattr(self, name) for name in View._fields})
        self._rules = Rules(
            sight=size if sight is None else sight,
            horizon=horizon,
            penalty=float(penalty),
            winner_takes_all=reward == "winner",
            force_coop=force_coop,
            exclusive_food_level=food_level == "exclusive",
            food_cap=food_cap,
        )

    def _reset_rows(self, count: int) -> None:
        self.alive[:count] = True
        reset_rows(count, self.streams, self._board, self._view, self._rules)

    def _step_rows(self, actions: NDArray[np.int64]) -> None:
        step_rows(actions, self.steps, self._board, self._view, self._rules)

    @property
    def fields(self) -> NDArray[np.int8]:
        """[B, S, S] the level of the food on each cell, 0 where there is none (a view: do not write)."""
        return self._board.grid[:, 1:-1, 1:-1]

    @property
    def positions(self) -> NDArray[np.int32]:
        """[B, N, 2] row and column of each player (a view: do not write)."""
        return self._board.positions

    def agent_positions(self) -> NDArray[np.float64]:
        return self.positions.astype(np.float64)

    @property
    def levels(self) -> NDArray[np.int32]:
        """[B, N] level of each player (a view: do not write)."""
        return self._board.levels

    @property
    def food_total(self) -> NDArray[np.int64]:
        """[B] sum of the food levels at the start, which rewards are divided by (a view: do not write)."""
        return self._board.food_total

    def scene(self, row: int) -> Scene:
        size = len(self.fields[row])
        shapes: list[Disc | Box | Line] = []
        for at_row, at_column in np.argwhere(self.fields[row]).tolist():
            shapes.append(Box(at_column + 0.15, at_row + 0.15, 0.7, 0.7, "goal", str(self.fields[row, at_row, at_column])))
        for player, (at_row, at_column) in enumerate(self.positions[row].tolist()):
            label = str(self.levels[row, player])
            shapes.append(Disc(at_column + 0.5, at_row + 0.5, 0.4, "agent", label, player))
        return Scene((0, 0, size, size), tuple(shapes), cells=True, y_down=True)

    def load_state(
        self, row: int, field: ArrayLike, positions: ArrayLike, levels: ArrayLike, step: int, food_total: int
    ) -> None:
        """Puts one row into a given state, as if the episode had come there; for tests and hand-made situations.

        field [S, S]: level of the food on each cell, 0 for none. positions [N, 2], levels [N]: of the players. step: steps
        already made. food_total: sum of the food levels at the start. The row's random stream is kept.

        Raises ValueError for a state that no episode reaches: food on the border or too near other food, more than F
        foods or none, players on food or off the board, levels below 1, a step at or past the horizon.
        """
        size, n_foods = len(self.fields[0]), self._board.foods.shape[1]
        field, positions, levels = np.asarray(field), np.asarray(positions), np.asarray(levels)
        _check(0 <= row < self.batch_size, f"row must be 0 to {self.batch_size - 1}, got {row}")
        _check(field.shape == (size, size), f"field must have shape {(size, size)}, got {field.shape}")
        _check(positions.shape == self.positions[row].shape, f"positions must have shape {self.positions[row].shape}")
        _check(levels.shape == self.levels[row].shape, f"levels must have shape {self.levels[row].shape}")
        _check(field.min() >= 0 and field.max() <= np.iinfo(np.int8).max, "food levels must be 0 to 127")
        _check(1 <= np.count_nonzero(field) <= n_foods, f"a running episode has 1 to {n_foods} foods")
        _check(positions.min() >= 0 and positions.max() < size, "players must stand on the board")
        _check(levels.min() >= 1, "player levels must be at least 1")
        _check(not field[positions[:, 0], positions[:, 1]].any(), "players must not stand on food")
        _check(0 <= step < self.team.horizon, f"step must be 0 to {self.team.horizon - 1}, got {step}")
        _check(food_total >= field.sum(), f"food_total must be at least the food on the field, got {food_total}")

        grid = np.full((size + 2, size + 2), WALL, np.int8)
        grid[1:-1, 1:-1] = 0
        foods = np.zeros((n_foods, 3), np.int32)
        cells = np.argwhere(field)  # in row-major order
        for count, (at_row, at_column) in enumerate(cells):
            inside = 0 < at_row < size - 1 and 0 < at_column < size - 1
            _check(inside, f"food must not lie on the border: ({at_row}, {at_column})")
            _check(food_may_lie_on(grid, at_row, at_column), f"the food at ({at_row}, {at_column}) is too near another")
            grid[at_row + 1, at_column + 1] = field[at_row, at_column]
            foods[count] = at_row, at_column, field[at_row, at_column]

        board = self._board
        board.grid[row] = grid
        board.foods[row] = foods
        board.positions[row] = positions
        board.levels[row] = levels
        board.food_count[row] = len(cells)
        board.food_total[row] = food_total
        self.steps[row] = step
        self.alive[row] = True
        self.running[row] = True
        for array in (self.terminated, self.truncated, self.success, self.team_reward, self.individual_reward):
            array[row] = 0
        observe(board.positions[row], board.levels[row], foods, len(cells), self._rules.sight, self.observation[row])
        find_available(grid, board.positions[row], self.available[row])


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
