"""Own goals against hand-computed steps, against exact dynamic programming and against shortest paths."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.environments.native.grids.individual_goals import MOVES, IndividualGoals
from benchmark.environments.native.random_actions import action_streams, random_available_actions
from benchmark.environments.tasks.registry import get_task

STAY, UP, DOWN, LEFT, RIGHT = range(5)
SIDE = 5

each_task = pytest.mark.parametrize("name", ["grid/two-goals", "grid/four-goals", "grid/five-goals"])


def two_goals(rows: int) -> IndividualGoals:
    environment = IndividualGoals(rows, side=SIDE, n_agents=2, horizon=25)
    environment.reset(np.arange(rows, dtype=np.uint64))
    return environment


def placed(positions: list, goals: list) -> IndividualGoals:
    environment = two_goals(1)
    environment.load_state(np.array([positions]), np.array([goals]))
    return environment


def test_a_hand_computed_episode() -> None:
    environment = placed(positions=[(0, 0), (4, 4)], goals=[(1, 0), (4, 2)])
    environment.step(np.array([[RIGHT, UP]]))  # agent 0 arrives, agent 1 needs one more step
    assert environment.individual_reward[0].tolist() == [0.0, -0.01]
    assert environment.team_reward[0] == -0.01
    environment.step(np.array([[LEFT, UP]]))  # agent 1 arrives, but agent 0 has left
    assert environment.individual_reward[0].tolist() == [-0.01, 0.0]
    assert environment.running[0]
    environment.step(np.array([[RIGHT, STAY]]))
    assert environment.individual_reward[0].tolist() == [0.5, 0.5]
    assert environment.team_reward[0] == 1.0
    assert (environment.terminated[0], environment.success[0], environment.truncated[0]) == (True, True, False)


def test_each_agent_away_from_its_goal_costs_a_hundredth() -> None:
    environment = placed(positions=[(2, 2), (2, 2)], goals=[(0, 0), (4, 4)])
    environment.step(np.array([[STAY, STAY]]))
    assert environment.individual_reward[0].tolist() == [-0.01, -0.01]
    assert environment.team_reward[0] == -0.02


def test_standing_on_another_agents_goal_does_not_count() -> None:
    environment = placed(positions=[(0, 0), (4, 4)], goals=[(4, 4), (0, 0)])
    environment.step(np.array([[STAY, STAY]]))
    assert environment.team_reward[0] == -0.02
    assert environment.running[0]


def test_all_of_five_agents_must_stand_on_their_goals() -> None:
    environment = IndividualGoals(2, side=10, n_agents=5, horizon=50)
    environment.reset(np.arange(2, dtype=np.uint64))
    goals = np.array([[(i, 2 * i) for i in range(5)]] * 2)
    positions = goals.copy()
    positions[1, 3] = (9, 9)
    environment.load_state(positions, goals)
    environment.step(np.full((2, 5), STAY))
    assert environment.success.tolist() == [True, False]
    assert environment.team_reward.tolist() == [1.0, -0.01]
    assert environment.individual_reward[0].tolist() == [0.2] * 5
    assert environment.individual_reward[1].tolist() == [0.0, 0.0, 0.0, -0.01, 0.0]


def test_positive_returns_are_larger_by_a_constant_and_never_negative() -> None:
    plain, positive = (IndividualGoals(256, SIDE, 2, 25, positive) for positive in (False, True))
    returns, individual = np.zeros((2, 256)), np.zeros((2, 256, 2))
    for environment in (plain, positive):
        environment.reset(np.arange(256, dtype=np.uint64))
    streams, actions = action_streams(np.arange(1000, 1256, dtype=np.uint64)), np.zeros((256, 2), np.int64)
    while plain.running.any():
        random_available_actions(plain.available, streams, actions)
        for k, environment in enumerate((plain, positive)):
            environment.step(actions)
            returns[k] += environment.team_reward
            individual[k] += environment.individual_reward
        assert min(positive.team_reward.min(), positive.individual_reward.min()) >= 0
        np.testing.assert_array_equal(positive.observation, plain.observation)
        np.testing.assert_array_equal(positive.running, plain.running)
    assert plain.success.any()
    np.testing.assert_allclose(returns[1] - returns[0], 0.01 * 2 * 25, atol=1e-5)
    np.testing.assert_allclose(individual.sum(-1), returns, atol=1e-5)


def test_agents_may_share_a_cell_and_walk_through_each_other() -> None:
    environment = placed(positions=[(1, 2), (2, 2)], goals=[(4, 4), (0, 0)])
    environment.step(np.array([[RIGHT, STAY]]))
    assert environment.positions[0].tolist() == [[2, 2], [2, 2]]
    environment.step(np.array([[RIGHT, LEFT]]))
    assert environment.positions[0].tolist() == [[3, 2], [1, 2]]


def test_an_agent_sees_itself_first_and_the_others_in_circular_order() -> None:
    environment = IndividualGoals(1, side=SIDE, n_agents=3, horizon=25)
    environment.reset(np.zeros(1, np.uint64))
    environment.load_state(np.array([[(0, 1), (4, 4), (2, 2)]]), np.array([[(2, 1), (4, 0), (0, 0)]]))
    zero, one, two = [0.0, 0.25, 0.5, 0.0], [1.0, 1.0, 0.0, -1.0], [0.5, 0.5, -0.5, -0.5]
    assert environment.observation[0].tolist() == [zero + one + two, one + two + zero, two + zero + one]
    assert environment.state[0].tolist() == zero + one + two


def test_a_move_over_the_border_is_unavailable() -> None:
    environment = placed(positions=[(0, 0), (4, 2)], goals=[(2, 1), (4, 0)])
    assert np.flatnonzero(environment.available[0, 0]).tolist() == [STAY, DOWN, RIGHT]
    assert np.flatnonzero(environment.available[0, 1]).tolist() == [STAY, UP, DOWN, LEFT]


def test_starts_and_goals_are_different_cells_and_every_cell_is_equally_likely() -> None:
    rows = 20_000
    environment = two_goals(rows)
    cells = np.concatenate([environment.positions, environment.goals], axis=1) @ (1, SIDE)
    assert (np.diff(np.sort(cells, axis=1), axis=1) > 0).all()
    for thing in range(4):
        shares = np.bincount(cells[:, thing], minlength=SIDE * SIDE) / rows
        assert shares == pytest.approx(1 / SIDE**2, abs=5 * np.sqrt(0.04 * 0.96 / rows))


def cells_of(side: int) -> list[tuple[int, int]]:
    return [(x, y) for x in range(side) for y in range(side)]


def random_walk(side: int) -> NDArray[np.float64]:
    """[side**2, side**2] where one step of the random policy leads from each cell; cells are numbered as in cells_of."""
    cells = cells_of(side)
    walk = np.zeros((len(cells), len(cells)))
    for cell, (x, y) in enumerate(cells):
        reached = [(x + dx, y + dy) for dx, dy in MOVES.tolist() if (x + dx, y + dy) in cells]
        for place in reached:
            walk[cell, cells.index(place)] = 1 / len(reached)
    return walk


def exact_random_return_and_success() -> tuple[float, float]:
    """Of grid/two-goals: means over all starts and goals, by dynamic programming over both agents' cells."""
    walk, everywhere = random_walk(SIDE), np.arange(SIDE**2)
    totals, count = np.zeros(2), 0
    for one, other in permutations(everywhere, 2):
        away = -0.01 * np.add.outer(everywhere != one, everywhere != other, dtype=float)
        value, chance = np.zeros((2, SIDE**2, SIDE**2))
        for _ in range(25):
            arrived, won = away + value, chance.copy()
            arrived[one, other] = won[one, other] = 1.0
            value, chance = walk @ arrived @ walk.T, walk @ won @ walk.T
        start = everywhere[:, None] != everywhere
        start[[one, other]] = start[:, [one, other]] = False
        totals += value[start].sum(), chance[start].sum()
        count += start.sum()
    return totals[0] / count, totals[1] / count


def random_episodes(environment: IndividualGoals) -> NDArray[np.float64]:
    """Returns [B] of the random policy from the start on."""
    streams = action_streams(np.arange(10**6, 10**6 + environment.batch_size, dtype=np.uint64))
    actions = np.zeros(environment.alive.shape, np.int64)
    returns = np.zeros(environment.batch_size)
    while environment.running.any():
        random_available_actions(environment.available, streams, actions)
        environment.step(actions)
        returns += environment.team_reward
    return returns


def test_the_random_anchor_of_two_goals_is_exact_and_what_episodes_give() -> None:
    expected, chance = exact_random_return_and_success()
    assert get_task("grid/two-goals").reference_scores.random == pytest.approx(expected, abs=1e-8)
    environment = two_goals(rows := 40_000)
    returns = random_episodes(environment)
    assert returns.mean() == pytest.approx(expected, abs=4 * returns.std() / np.sqrt(rows))
    assert environment.success.mean() == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / rows))


@pytest.mark.parametrize("name", ["grid/four-goals", "grid/five-goals"])
def test_the_random_anchor_of_larger_grids_is_exact_but_for_a_negligible_chance_of_success(name: str) -> None:
    task = get_task(name)
    side, n = task.native.parameters["side"], task.n_agents
    walk, apart = random_walk(side), ~np.eye(side**2, dtype=bool)
    reached, expected = np.eye(side**2), 0.0
    for _ in range(task.horizon):
        reached = reached @ walk
        expected -= 0.01 * n * (1 - reached[apart].mean())
    # Were starts and goals drawn without regard to each other, all agents would stand on theirs with chance side**-2N at any
    # step; drawn different they are a share of those draws. A success adds at most the prize and the penalties saved.
    share = np.prod(1 - np.arange(2 * n) / side**2)
    neglected = task.horizon * side ** (-2.0 * n) / share * (1 + 0.01 * n * task.horizon)
    assert neglected < 1.1e-5
    assert task.reference_scores.random == pytest.approx(expected, abs=1e-5)
    environment = task.build(rows := 20_000)
    environment.reset(np.arange(rows, dtype=np.uint64))
    returns = random_episodes(environment)
    assert returns.mean() == pytest.approx(expected, abs=4 * returns.std() / np.sqrt(rows))


@each_task
def test_the_best_anchor_is_what_shortest_paths_give(name: str) -> None:
    task = get_task(name)
    side, n = task.native.parameters["side"], task.n_agents
    distances = [abs(a - c) + abs(b - d) for (a, b), (c, d) in permutations(cells_of(side), 2)]
    assert task.reference_scores.best == pytest.approx(1 - 0.01 * n * (np.mean(distances) - 1))
    environment = task.build(rows := 5_000)
    environment.reset(np.arange(rows, dtype=np.uint64))
    needed = np.abs(environment.goals - environment.positions).sum(2)
    returns, lengths = np.zeros(rows), np.zeros(rows, np.int64)
    while environment.running.any():
        dx, dy = np.moveaxis(environment.goals - environment.positions, 2, 0)
        sideways = np.where(dx > 0, RIGHT, LEFT)
        upright = np.where(dy > 0, DOWN, np.where(dy < 0, UP, STAY))
        lengths += environment.running
        environment.step(np.where(environment.running[:, None], np.where(dx != 0, sideways, upright), STAY))
        returns += environment.team_reward
    np.testing.assert_array_equal(lengths, needed.max(1))
    np.testing.assert_allclose(returns, 1 - 0.01 * (needed - 1).sum(1))
    assert environment.success.all()
    assert returns.mean() == pytest.approx(task.reference_scores.best, abs=4 * returns.std() / np.sqrt(rows))


def test_no_plan_is_better_than_shortest_paths() -> None:
    x, y = np.array(cells_of(SIDE)).T
    distances = [np.abs(x - goal_x) + np.abs(y - goal_y) for goal_x, goal_y in ((0, 3), (4, 4))]
    at_goals = tuple(int(distance.argmin()) for distance in distances)
    away = -0.01 * np.add.outer(*(distance > 0 for distance in distances), dtype=float)
    value = np.zeros((SIDE**2, SIDE**2))
    for _ in range(25):
        value = away + value
        value[at_goals] = 1.0
        for _agent in range(2):  # one agent's best move, then the other's
            value = np.array([value[reached > 0].max(0) for reached in random_walk(SIDE)]).T
    unavoidable = np.add.outer(*(np.maximum(distance - 1, 0) for distance in distances))
    np.testing.assert_allclose(value, 1 - 0.01 * unavoidable)


@pytest.mark.parametrize("wrong", [{"horizon": 0}, {"side": 1}, {"n_agents": 1}, {"n_agents": 13}])
def test_impossible_sizes_are_refused_with_what_is_needed(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"at most half as many agents as cells; got horizon"):
        IndividualGoals(1, **{"side": 5, "n_agents": 2, "horizon": 25} | wrong)
