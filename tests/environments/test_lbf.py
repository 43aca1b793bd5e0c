"""The rules of Level-Based Foraging by hand-computed cases; tests/differential compares with the real package."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmark.environments.native.lbf.environment import LevelBasedForaging

REST, NORTH, SOUTH, WEST, EAST, LOAD = range(6)
Cell = tuple[int, int]


def game(
    players: list[tuple[Cell, int]],
    foods: dict[Cell, int],
    step: int = 0,
    food_total: int | None = None,
    **rules: Any,
) -> LevelBasedForaging:
    """One 8 x 8 game: `players` are (cell, level), `foods` level by cell; all food there is was there at the start."""
    environment = LevelBasedForaging(1, size=8, n_players=len(players), n_foods=len(foods), **rules)
    field = np.zeros((8, 8), int)
    for cell, level in foods.items():
        field[cell] = level
    cells, levels = [cell for cell, _ in players], [level for _, level in players]
    environment.load_state(0, field, cells, levels, step, food_total or sum(foods.values()))
    return environment


def after(cells: list[Cell], actions: list[int]) -> list[Cell]:
    """Where players end up who act on a board with one food far off."""
    environment = game([(cell, 1) for cell in cells], {(6, 6): 1})
    environment.step(np.array([actions]))
    return [tuple(position) for position in environment.positions[0].tolist()]


def rewards(environment: LevelBasedForaging, actions: list[int]) -> list[float]:
    environment.step(np.array([actions]))
    return environment.individual_reward[0].tolist()


def test_each_move_goes_its_way() -> None:
    start = [(1, 1), (1, 3), (1, 5), (3, 1), (3, 3)]
    assert after(start, [REST, NORTH, SOUTH, WEST, EAST]) == [(1, 1), (0, 3), (2, 5), (3, 0), (3, 4)]


def test_two_players_who_want_the_same_cell_both_stay() -> None:
    assert after([(0, 0), (0, 2)], [EAST, WEST]) == [(0, 0), (0, 2)]


def test_a_player_cannot_enter_the_cell_of_one_who_stays() -> None:
    assert after([(0, 0), (0, 1)], [EAST, REST]) == [(0, 0), (0, 1)]


def test_players_can_swap_places() -> None:
    assert after([(0, 0), (0, 1)], [EAST, WEST]) == [(0, 1), (0, 0)]


def test_players_can_move_in_a_row() -> None:
    assert after([(0, 0), (0, 1), (0, 2)], [EAST, EAST, EAST]) == [(0, 1), (0, 2), (0, 3)]


def test_a_cell_whose_occupant_wants_to_leave_but_cannot_is_shared() -> None:
    assert after([(0, 0), (0, 1), (0, 3)], [EAST, EAST, WEST]) == [(0, 1), (0, 1), (0, 3)]


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ([REST, REST], [(2, 2), (2, 2)]),
        ([EAST, EAST], [(2, 2), (2, 2)]),
        ([EAST, REST], [(2, 3), (2, 2)]),
        ([EAST, WEST], [(2, 3), (2, 1)]),
    ],
)
def test_players_who_share_a_cell_follow_the_same_rule(actions: list[int], expected: list[Cell]) -> None:
    assert after([(2, 2), (2, 2)], actions) == expected


def test_moves_off_the_board_and_onto_food_are_not_available_and_loading_needs_a_food_beside() -> None:
    environment = game([((0, 0), 1), ((7, 7), 1), ((3, 4), 1), ((4, 4), 1)], {(3, 3): 1})
    assert np.flatnonzero(environment.available[0, 0]).tolist() == [REST, SOUTH, EAST]
    assert np.flatnonzero(environment.available[0, 1]).tolist() == [REST, NORTH, WEST]
    assert np.flatnonzero(environment.available[0, 2]).tolist() == [REST, NORTH, SOUTH, EAST, LOAD]
    assert np.flatnonzero(environment.available[0, 3]).tolist() == [REST, NORTH, SOUTH, WEST, EAST]


def test_loaders_share_by_level_and_by_the_food_s_part_of_all_food() -> None:
    environment = game([((3, 2), 1), ((3, 4), 2)], {(3, 3): 3, (6, 6): 2})
    assert rewards(environment, [LOAD, LOAD]) == [1 * 3 / (3 * 5), 2 * 3 / (3 * 5)]
    assert environment.team_reward[0] == 0.2 + 0.4
    assert not environment.fields[0, 3, 3]
    assert environment.fields[0, 6, 6] == 2


def test_food_eaten_before_still_counts_in_the_sum() -> None:
    environment = game([((3, 2), 2), ((0, 0), 1)], {(3, 3): 1}, food_total=4)
    assert rewards(environment, [LOAD, REST]) == [0.25, 0.0]


def test_two_groups_load_two_foods_in_one_step() -> None:
    environment = game([((3, 2), 2), ((5, 6), 1), ((6, 5), 1)], {(3, 3): 1, (6, 6): 2})
    assert rewards(environment, [LOAD, LOAD, LOAD]) == [2 / 6, 2 / 6, 2 / 6]
    assert environment.terminated[0]


def test_players_on_one_cell_load_together() -> None:
    environment = game([((3, 2), 1), ((3, 2), 2)], {(3, 3): 3})
    assert rewards(environment, [LOAD, LOAD]) == [1 / 3, 2 / 3]


def test_a_neighbour_that_does_not_load_neither_helps_nor_gets_a_reward() -> None:
    environment = game([((3, 2), 1), ((3, 4), 2)], {(3, 3): 3})
    assert rewards(environment, [LOAD, REST]) == [0.0, 0.0]
    assert environment.fields[0, 3, 3] == 3
    environment = game([((3, 2), 1), ((3, 4), 2)], {(3, 3): 2})
    assert rewards(environment, [REST, LOAD]) == [0.0, 1.0]


def test_an_agent_that_only_arrives_beside_the_food_does_not_help() -> None:
    environment = game([((3, 2), 1), ((3, 5), 2)], {(3, 3): 3})
    assert rewards(environment, [LOAD, WEST]) == [0.0, 0.0]
    assert rewards(environment, [LOAD, LOAD]) == [1 / 3, 2 / 3]


def test_a_failed_load_costs_each_loader_the_penalty_and_no_other_agent() -> None:
    environment = game([((3, 2), 1), ((3, 4), 1), ((2, 3), 2)], {(3, 3): 3}, penalty=0.1)
    assert rewards(environment, [LOAD, LOAD, REST]) == [-0.1, -0.1, 0.0]
    assert environment.team_reward[0] == -0.2
    assert environment.fields[0, 3, 3] == 3


def test_the_winner_gets_the_whole_reward_of_the_group() -> None:
    environment = game([((3, 2), 1), ((3, 4), 2)], {(3, 3): 3, (6, 6): 3}, reward="winner")
    assert rewards(environment, [LOAD, LOAD]) == [0.0, 1 * 3 / (3 * 6) + 2 * 3 / (3 * 6)]


def test_on_ties_the_first_player_wins() -> None:
    environment = game([((3, 2), 1), ((3, 4), 2), ((2, 3), 2)], {(3, 3): 3}, reward="winner")
    assert rewards(environment, [LOAD, LOAD, LOAD]) == [0.0, pytest.approx(1.0), 0.0]


def test_a_failed_load_costs_everyone_the_penalty_also_where_the_winner_takes_all() -> None:
    environment = game([((3, 2), 1), ((3, 4), 1)], {(3, 3): 3}, reward="winner", penalty=0.5)
    assert rewards(environment, [LOAD, LOAD]) == [-0.5, -0.5]


def test_loading_the_last_food_ends_the_episode_with_success() -> None:
    environment = game([((3, 2), 1), ((3, 4), 2)], {(3, 3): 3})
    assert sum(rewards(environment, [LOAD, LOAD])) == 1.0
    assert environment.terminated[0]
    assert environment.success[0]
    assert not environment.truncated[0]
    assert not environment.running[0]


def test_the_time_limit_truncates_without_success() -> None:
    environment = game([((0, 0), 1), ((3, 4), 2)], {(3, 3): 3}, step=48)
    environment.step(np.zeros((1, 2), np.int64))
    assert environment.running[0]
    environment.step(np.zeros((1, 2), np.int64))
    assert environment.truncated[0]
    assert not environment.terminated[0]
    assert not environment.success[0]


def test_the_last_food_loaded_in_the_last_step_is_a_termination() -> None:
    environment = game([((3, 2), 1), ((3, 4), 2)], {(3, 3): 3}, step=49)
    environment.step(np.array([[LOAD, LOAD]]))
    assert environment.terminated[0]
    assert not environment.truncated[0]


def test_an_observation_lists_food_in_row_major_order_then_the_viewer_then_the_others() -> None:
    environment = game([((0, 1), 1), ((7, 2), 2)], {(5, 1): 2, (2, 6): 3})
    expected = [[2, 6, 3, 5, 1, 2, 0, 1, 1, 7, 2, 2], [2, 6, 3, 5, 1, 2, 7, 2, 2, 0, 1, 1]]
    np.testing.assert_array_equal(environment.observation[0], expected)
    np.testing.assert_array_equal(environment.state[0], expected[0] + expected[1])


def test_an_eaten_food_leaves_the_observation() -> None:
    environment = game([((2, 5), 2), ((7, 2), 2)], {(5, 1): 2, (2, 6): 2})
    environment.step(np.array([[LOAD, REST]]))
    np.testing.assert_array_equal(environment.observation[0, 0], [5, 1, 2, -1, -1, 0, 2, 5, 2, 7, 2, 2])


def test_positions_are_relative_to_the_window_of_sight() -> None:
    environment = game([((4, 5), 1), ((6, 4), 2), ((4, 2), 1)], {(3, 6): 1, (6, 2): 2}, sight=2)
    # The window of player 0 begins at (2, 3); the food at (6, 2) and the player at (4, 2) are outside.
    np.testing.assert_array_equal(environment.observation[0, 0], [1, 3, 1, -1, -1, 0, 2, 2, 1, 4, 1, 2, -1, -1, 0])


def test_near_the_top_left_corner_players_are_seen_further_than_food() -> None:
    environment = game([((0, 0), 1), ((4, 3), 2), ((5, 0), 1)], {(4, 4): 1}, sight=2)
    np.testing.assert_array_equal(environment.observation[0, 0], [-1, -1, 0, 0, 0, 1, 4, 3, 2, -1, -1, 0])


def test_a_scene_shows_food_and_players_with_their_levels() -> None:
    scene = game([((0, 1), 1), ((7, 2), 2)], {(5, 3): 3}).scene(0)
    shown = [(type(shape).__name__, int(shape.x), int(shape.y), shape.label) for shape in scene.shapes]  # type: ignore[union-attr]
    assert shown == [("Box", 3, 5, "3"), ("Disc", 1, 0, "1"), ("Disc", 2, 7, "2")]
    assert scene.bounds == (0, 0, 8, 8)
    assert scene.y_down


def test_every_state_dimension_has_its_meaning() -> None:
    team = LevelBasedForaging(1, size=8, n_players=2, n_foods=1).team
    names = [field.name for field in team.state_fields]
    assert names[:9] == [f"agent0.{who}.{what}" for who in ("food0", "self", "other0") for what in ("row", "column", "level")]
    assert [field.agent for field in team.state_fields] == [0] * 9 + [1] * 9
    assert [field.kind for field in team.state_fields[:3]] == ["position", "position", "level"]


@given(
    size=st.integers(5, 9),
    n_players=st.integers(2, 9),
    n_foods=st.integers(1, 9),
    coop=st.booleans(),
    rule=st.sampled_from(["inclusive", "exclusive"]),
    food_cap=st.sampled_from([2, 3]),
    seed=st.integers(0, 2**40),
)
@settings(max_examples=60, deadline=None)
def test_every_start_obeys_the_rules(
    size: int, n_players: int, n_foods: int, coop: bool, rule: Any, food_cap: Any, seed: int
) -> None:
    environment = LevelBasedForaging(
        16, size=size, n_players=n_players, n_foods=n_foods, force_coop=coop, food_level=rule, food_cap=food_cap
    )
    environment.reset(np.arange(seed, seed + 16, dtype=np.uint64))
    for field, positions, levels, total in zip(
        environment.fields, environment.positions, environment.levels, environment.food_total, strict=True
    ):
        assert len(np.unique(positions, axis=0)) == n_players
        assert positions.min() >= 0
        assert positions.max() < size
        assert set(levels.tolist()) <= {1, 2}
        assert not field[positions[:, 0], positions[:, 1]].any()
        foods = np.argwhere(field)
        assert len(foods) <= n_foods
        assert foods.size == 0 or (foods.min() >= 1 and foods.max() <= size - 2)
        for one, other in combinations(foods, 2):
            down, right = np.abs(one - other)
            assert max(down, right) > 1
            assert not (min(down, right) == 0 and max(down, right) <= 2)
        highest = np.sort(levels)[:food_cap].sum()
        found = field[field > 0]
        assert found.sum() == total
        if coop:
            assert (found == highest).all()
        else:
            assert (found <= highest - (rule == "exclusive")).all()


def able_to_lift(levels: NDArray, food: int) -> int:
    """The smallest number of players whose levels suffice."""
    return int((np.cumsum(np.sort(levels)[::-1]) < food).sum()) + 1


def shares_by_enumeration(n_players: int, exclusive: bool) -> list[Fraction]:
    """How likely a food needs one, two or three players, over all levels of players and food."""
    shares = [Fraction(0)] * 3
    for levels in product((1, 2), repeat=n_players):
        highest = sum(sorted(levels)[:3]) - exclusive
        for food in range(1, highest + 1):
            shares[able_to_lift(np.array(levels), food) - 1] += Fraction(1, 2**n_players * highest)
    return shares


# Derived from the rules of both releases, independently of this code.
LIFTING = {
    ("exclusive", 2): (0.917, 0.083, 0),
    ("exclusive", 3): (0.550, 0.425, 0.025),
    ("exclusive", 4): (0.681, 0.306, 0.013),
    ("inclusive", 2): (0.583, 0.417, 0),
    ("inclusive", 3): (0.421, 0.327, 0.252),
    ("inclusive", 4): (0.496, 0.413, 0.092),
}


@pytest.mark.parametrize(("rule", "n_players"), LIFTING)
def test_food_levels_are_as_often_within_reach_as_the_rule_says(rule: Any, n_players: int) -> None:
    exact = shares_by_enumeration(n_players, rule == "exclusive")
    np.testing.assert_allclose([float(share) for share in exact], LIFTING[rule, n_players], atol=6e-4)
    environment = LevelBasedForaging(20_000, size=10, n_players=n_players, n_foods=1, food_level=rule)
    environment.reset(np.arange(20_000, dtype=np.uint64))
    foods = environment.fields.max(axis=(1, 2))
    needed = [able_to_lift(levels, food) for levels, food in zip(environment.levels, foods, strict=True)]
    for number, share in enumerate(exact, start=1):
        error = (float(share) * (1 - float(share)) / 20_000) ** 0.5
        assert abs(needed.count(number) / 20_000 - float(share)) <= 5 * error


def test_a_cap_of_two_makes_every_cooperative_food_the_task_of_the_two_weakest() -> None:
    environment = LevelBasedForaging(500, size=10, n_players=4, n_foods=2, force_coop=True, food_cap=2)
    environment.reset(np.arange(500, dtype=np.uint64))
    np.testing.assert_array_equal(environment.fields.max(axis=(1, 2)), np.sort(environment.levels, axis=1)[:, :2].sum(axis=1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"row": 1}, "row must be 0 to 0"),
        ({"field": np.zeros((7, 8))}, "field must have shape"),
        ({"field": np.zeros((8, 8), int)}, "1 to 2 foods"),
        ({"field": np.pad([[1]], ((0, 7), (3, 4)))}, "border"),
        ({"field": np.pad([[1, 1]], ((3, 4), (3, 3)))}, "too near"),
        ({"field": np.pad([[1, 0, 1]], ((3, 4), (3, 2)))}, "too near"),
        ({"field": np.pad([[300]], ((3, 4), (3, 4)))}, "0 to 127"),
        ({"positions": [[0, 0], [3, 3]]}, "must not stand on food"),
        ({"positions": [[0, 0], [8, 3]]}, "on the board"),
        ({"positions": [[0, 0]]}, "positions must have shape"),
        ({"levels": [1, 0]}, "at least 1"),
        ({"levels": [1]}, "levels must have shape"),
        ({"step": 50}, "step must be 0 to 49"),
        ({"food_total": 1}, "food_total must be at least"),
    ],
)
def test_states_that_no_episode_reaches_are_refused(change: dict[str, Any], message: str) -> None:
    environment = LevelBasedForaging(1, size=8, n_players=2, n_foods=2)
    state = {
        "row": 0,
        "field": np.pad([[2]], ((3, 4), (3, 4))),
        "positions": [[0, 0], [1, 1]],
        "levels": [1, 2],
        "step": 0,
        "food_total": 2,
    }
    environment.load_state(**state)
    before = environment.fingerprint()
    with pytest.raises(ValueError, match=message):
        environment.load_state(**state | change)
    np.testing.assert_array_equal(environment.fingerprint(), before)


@pytest.mark.parametrize(
    "change",
    [
        {"size": 2},
        {"n_players": 0},
        {"n_players": 33},
        {"size": 5, "n_players": 25},
        {"n_foods": 0},
        {"sight": 0},
        {"penalty": -0.1},
        {"food_level": "exact"},
        {"reward": "loser"},
        {"food_cap": 4},
        {"horizon": 0},
    ],
)
def test_games_that_cannot_be_played_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="|".join(change)):
        LevelBasedForaging(1, **{"size": 8, "n_players": 2, "n_foods": 2} | change)
