"""The rules of Level-Based Foraging as kernels over one episode's arrays. `lbf.py` says what they simulate.

Every kernel takes the arrays of one row: `grid` [S + 2, S + 2] int8 is the board with a border of walls (-1 wall, 0 no
food, k > 0 food of level k); `positions` [N, 2] int32 are (row, column) on the board, `levels` [N] int32; `foods` [F, 3] int32
lists (row, column, level) of the `food_count` foods that are left, in row-major order, zeros behind them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.environments.native.compilation import njit
from benchmark.environments.native.random import next_below

NONE, NORTH, SOUTH, WEST, EAST, LOAD = range(6)
N_ACTIONS = 6

WALL = -1

PLACING_ATTEMPTS = 1000
FULL_BOARD_CHECK = 32


class Board(NamedTuple):
    """The arrays of a batch: those of the module's docstring with a leading B, `food_total` [B] int64 is the sum at reset."""

    grid: NDArray[np.int8]
    positions: NDArray[np.int32]
    levels: NDArray[np.int32]
    foods: NDArray[np.int32]
    food_count: NDArray[np.int32]
    food_total: NDArray[np.int64]


class View(NamedTuple):
    """What the outside sees: the public arrays of `BatchedEnvironment` that the kernels fill."""

    observation: NDArray[np.float32]
    available: NDArray[np.bool_]
    running: NDArray[np.bool_]
    team_reward: NDArray[np.float64]
    individual_reward: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    success: NDArray[np.bool_]


class Rules(NamedTuple):
    """The numbers that make a variant of the game."""

    sight: int
    horizon: int
    penalty: float
    winner_takes_all: bool
    force_coop: bool
    exclusive_food_level: bool
    food_cap: int


@njit(cache=True)
def player_on(positions, count, row, column):
    """Whether one of the first `count` players stands there."""
    occupied = False
    for player in range(count):
        occupied |= positions[player, 0] == row and positions[player, 1] == column
    return occupied


@njit(cache=True)
def food_may_lie_on(grid, row, column):
    """Whether an inner cell keeps the distance to all food: none in the 3 x 3 block, none two cells off along row or column."""
    for i in range(row, row + 3):
        for j in range(column, column + 3):
            if grid[i, j] > 0:
                return False
    return (
        grid[row - 1, column + 1] <= 0
        and grid[row + 3, column + 1] <= 0
        and grid[row + 1, column - 1] <= 0
        and grid[row + 1, column + 3] <= 0
    )


@njit(cache=True)
def room_for_food(grid, positions):
    """Whether any cell could still take a food."""
    size = grid.shape[0] - 2
    for row in range(1, size - 1):
        for column in range(1, size - 1):
            if food_may_lie_on(grid, row, column) and not player_on(positions, len(positions), row, column):
                return True
    return False


@njit(cache=True)
def add_food(foods, count, row, column, level):
    """Inserts a food into the list of `count` foods, keeping the row-major order."""
    slot = count
    while slot > 0 and (foods[slot - 1, 0] > row or (foods[slot - 1, 0] == row and foods[slot - 1, 1] > column)):
        for item in range(3):
            foods[slot, item] = foods[slot - 1, item]
        slot -= 1
    foods[slot, 0] = row
    foods[slot, 1] = column
    foods[slot, 2] = level


@njit(cache=True)
def place_players(stream, grid, positions, levels):
    """Players on distinct random cells, levels 1 or 2."""
    size = grid.shape[0] - 2
    for player in range(len(positions)):
        while True:
            row = next_below(stream, size)
            column = next_below(stream, size)
            if not player_on(positions, player, row, column):
                break
        positions[player, 0] = row
        positions[player, 1] = column
        levels[player] = 1 + next_below(stream, 2)


@njit(cache=True)
def highest_food_level(levels, food_cap):
    """The sum of the `food_cap` lowest player levels (of all players, if they are fewer); levels are 1 or 2."""
    ones = 0
    for level in levels:
        if level == 1:
            ones += 1
    counted = min(food_cap, len(levels))
    return 2 * counted - min(counted, ones)


@njit(cache=True)
def place_foods(stream, grid, positions, foods, highest, rules):
    """Up to F foods by random trial, `PLACING_ATTEMPTS` in all. Returns how many were placed, and the sum of their levels."""
    size = grid.shape[0] - 2
    count = 0
    total = 0
    failures = 0
    for _ in range(PLACING_ATTEMPTS):
        row = 1 + next_below(stream, size - 2)
        column = 1 + next_below(stream, size - 2)
        if not food_may_lie_on(grid, row, column) or player_on(positions, len(positions), row, column):
            failures += 1
            # On a full board the remaining attempts would all fail: stopping early changes nothing but the time.
            if failures == FULL_BOARD_CHECK and not room_for_food(grid, positions):
                break
            continue
        if rules.force_coop:
            level = highest
        elif rules.exclusive_food_level:
            level = 1 + next_below(stream, max(highest - 1, 1))
        else:
            level = 1 + next_below(stream, highest)
        grid[row + 1, column + 1] = level
        add_food(foods, count, row, column, level)
        total += level
        count += 1
        failures = 0
        if count == len(foods):
            break
    return count, total


@njit(cache=True)
def observe(positions, levels, foods, food_count, sight, observation):
    """Fills observation [N, 3F + 3P]: foods in sight, the viewer, other players in sight; (-1, -1, 0) where nothing is.

    Coordinates are relative to the corner of the window, which the top and left border clip. A player is seen within
    2 * sight of that corner, so near those borders further than food, which is seen within `sight` of the viewer.
    """
    n_players = len(positions)
    n_foods = len(foods)
    for viewer in range(n_players):
        row = positions[viewer, 0]
        column = positions[viewer, 1]
        top = max(row - sight, 0)
        left = max(column - sight, 0)
        own = observation[viewer]
        offset = 0
        for food in range(food_count):
            if abs(foods[food, 0] - row) <= sight and abs(foods[food, 1] - column) <= sight:
                own[offset] = foods[food, 0] - top
                own[offset + 1] = foods[food, 1] - left
                own[offset + 2] = foods[food, 2]
                offset += 3
        while offset < 3 * n_foods:
            own[offset] = -1
            own[offset + 1] = -1
            own[offset + 2] = 0
            offset += 3
        own[offset] = row - top
        own[offset + 1] = column - left
        own[offset + 2] = levels[viewer]
        offset += 3
        for other in range(n_players):
            down = positions[other, 0] - top
            right = positions[other, 1] - left
            if other != viewer and 0 <= down <= 2 * sight and 0 <= right <= 2 * sight:
                own[offset] = down
                own[offset + 1] = right
                own[offset + 2] = levels[other]
                offset += 3
        while offset < 3 * (n_foods + n_players):
            own[offset] = -1
            own[offset + 1] = -1
            own[offset + 2] = 0
            offset += 3


@njit(cache=True)
def find_available(grid, positions, available):
    """Fills available [N, 6]: resting always, moving onto the board where no food lies, loading beside a food."""
    for player in range(len(positions)):
        row = positions[player, 0] + 1
        column = positions[player, 1] + 1
        north = grid[row - 1, column]
        south = grid[row + 1, column]
        west = grid[row, column - 1]
        east = grid[row, column + 1]
        available[player, NONE] = True
        available[player, NORTH] = north == 0
        available[player, SOUTH] = south == 0
        available[player, WEST] = west == 0
        available[player, EAST] = east == 0
        available[player, LOAD] = north > 0 or south > 0 or west > 0 or east > 0


@njit(cache=True)
def move_players(actions, positions):
    """Moves everyone whose destination nobody else proposes; resting and loading propose the cell one stands on.

    A destination is granted even if its present occupant's own move is denied, so two players can come to share a cell.
    """
    n_players = len(positions)
    granted = 0  # one bit a player: all are decided before anyone moves
    for player in range(n_players):
        row, column = destination(actions[player], positions[player, 0], positions[player, 1])
        alone = True
        for other in range(n_players):
            if other != player:
                other_row, other_column = destination(actions[other], positions[other, 0], positions[other, 1])
                if other_row == row and other_column == column:
                    alone = False
                    break
        if alone:
            granted |= 1 << player
    for player in range(n_players):
        if granted & (1 << player):
            row, column = destination(actions[player], positions[player, 0], positions[player, 1])
            positions[player, 0] = row
            positions[player, 1] = column


@njit(cache=True, inline="always")
def destination(action, row, column):
    """The cell that an action proposes."""
    if action == NORTH:
        row -= 1
    elif action == SOUTH:
        row += 1
    elif action == WEST:
        column -= 1
    elif action == EAST:
        column += 1
    return row, column


@njit(cache=True, inline="always")
def beside(positions, player, row, column):
    """Whether the player stands on one of the four neighbours of a cell."""
    return abs(positions[player, 0] - row) + abs(positions[player, 1] - column) == 1


@njit(cache=True)
def has_loader(actions):
    """Whether anyone loads."""
    loads = False
    for action in actions:
        loads |= action == LOAD
    return loads


@njit(cache=True)
def load_foods(actions, grid, positions, levels, foods, food_count, food_total, rules, reward):
    """Pays every group of loaders in reward [N] float64 and takes away what they load. Returns how many foods are left.

    No cell is beside two foods, so going through foods instead of loaders forms the same groups.
    """
    n_players = len(positions)
    left = 0
    for food in range(food_count):
        row = foods[food, 0]
        column = foods[food, 1]
        level = foods[food, 2]
        strength = 0
        for player in range(n_players):
            if actions[player] == LOAD and beside(positions, player, row, column):
                strength += levels[player]
        if strength >= level:
            pay_group(actions, positions, levels, row, column, level, strength, food_total, rules.winner_takes_all, reward)
            grid[row + 1, column + 1] = 0
            continue
        if strength > 0:
            for player in range(n_players):
                if actions[player] == LOAD and beside(positions, player, row, column):
                    reward[player] -= rules.penalty
        for item in range(3):
            foods[left, item] = foods[food, item]
        left += 1
    for food in range(left, food_count):
        for item in range(3):
            foods[food, item] = 0
    return left


@njit(cache=True)
def pay_group(actions, positions, levels, row, column, level, strength, food_total, winner_takes_all, reward):
    """Pays a group that loads: each its share by level, or all of it to the highest level, the first player on ties."""
    winner = -1
    group_reward = 0.0
    for player in range(len(positions)):
        if actions[player] == LOAD and beside(positions, player, row, column):
            share = float(levels[player] * level) / float(strength * food_total)
            group_reward += share
            if not winner_takes_all:
                reward[player] = share
            elif winner < 0 or levels[player] > levels[winner]:
                winner = player
    if winner_takes_all:
        reward[winner] = group_reward


# The two kernels below take the arrays of a row one by one: passing the named tuples on to a kernel that is called for
# each row costs more than the step (numba counts a reference for every array in them).
@njit(cache=True)
def reset_rows(count, streams, board, view, rules):
    """Starts an episode in rows 0..count-1."""
    for row in range(count):
        grid, positions, levels, foods = board.grid[row], board.positions[row], board.levels[row], board.foods[row]
        grid[1:-1, 1:-1] = 0
        foods[:] = 0
        place_players(streams[row], grid, positions, levels)
        highest = highest_food_level(levels, rules.food_cap)
        placed, total = place_foods(streams[row], grid, positions, foods, highest, rules)
        board.food_count[row] = placed
        board.food_total[row] = total
        observe(positions, levels, foods, placed, rules.sight, view.observation[row])
        find_available(grid, positions, view.available[row])


@njit(cache=True)
def step_rows(actions, steps, board, view, rules):
    """Advances every running row by valid actions [B, N]."""
    for row in range(len(actions)):
        reward = view.individual_reward[row]
        reward[:] = 0.0
        view.team_reward[row] = 0.0
        if not view.running[row]:
            continue
        steps[row] += 1
        chosen = actions[row]
        grid, positions, levels, foods = board.grid[row], board.positions[row], board.levels[row], board.foods[row]
        food_count = board.food_count[row]
        move_players(chosen, positions)
        if has_loader(chosen):
            food_count = load_foods(chosen, grid, positions, levels, foods, food_count, board.food_total[row], rules, reward)
            board.food_count[row] = food_count
            team_reward = 0.0
            for player in range(len(reward)):
                team_reward += reward[player]
            view.team_reward[row] = team_reward
        observe(positions, levels, foods, food_count, rules.sight, view.observation[row])
        if food_count > 0 and steps[row] < rules.horizon:
            find_available(grid, positions, view.available[row])
        else:
            view.running[row] = False
            view.terminated[row] = view.success[row] = food_count == 0
            view.truncated[row] = food_count > 0
            view.available[row] = False
            view.available[row, :, NONE] = True
