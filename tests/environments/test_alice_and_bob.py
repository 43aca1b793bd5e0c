"""Alice & Bob against its hand-computed plan and against exact dynamic programming (specification of STAS, 6.1)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from benchmark.environments.native.alice_and_bob.environment import AliceAndBob
from benchmark.environments.native.alice_and_bob.maps import MAPS, LockedRooms
from benchmark.environments.tasks.alice_and_bob import RANDOM_RETURNS, THREE_ROOMS

PLAN = [(0, 1), (2, 1), (3, 3), (3, 3), (3, 0), (3, 0), (1, 1), (0, 3), (0, 3), (0, 0), (0, 3), (0, 3)]
THREE_ROOMS_PLAN = [(0, 1), (2, 1), (3, 3), (3, 3), (3, 0), (3, 0), (1, 1), (0, 3), (3, 3), (3, 0), (3, 1)]
THREE_ROOMS_PLAN += [(3, 0), (0, 1), (0, 0), (0, 1), (0, 0), (0, 1)]


def started(layout: str = "two-rooms", horizon: int = 40) -> AliceAndBob:
    environment = AliceAndBob(1, horizon=horizon, layout=layout)
    environment.reset(np.zeros(1, np.uint64))
    return environment


def test_the_first_observation_is_the_published_one() -> None:
    environment = started()
    expected = [1, 1, 1, 1, 5, 0, 1, 0, 0, 1, 1, 0, -6, -2, -4, -4, 0, 1, 0]
    assert environment.observation[0, 0].tolist() == expected
    assert environment.state[0].reshape(9, 9)[7, 7] == 7


def test_the_shortest_plan_wins_in_twelve_steps() -> None:
    environment = started()
    total = 0.0
    for actions in PLAN:
        assert environment.running[0]
        environment.step(np.array([actions]))
        total += environment.team_reward[0]
    assert total == pytest.approx(99.9)
    assert environment.terminated[0]
    assert environment.success[0]
    assert environment.positions[0].tolist() == [[5, 6], [7, 7]]


def test_touching_the_treasure_alone_wins_nothing() -> None:
    environment = started()
    environment.load_state(np.array([0]), np.array([[[6, 7], [1, 7]]]), np.array([[True, False]]), 0)
    environment.step(np.array([[3, 2]]))
    assert environment.running[0]
    assert environment.team_reward[0] == pytest.approx(-0.1)  # agent 1 ran into the wall above it


def test_a_blocked_move_costs_its_agent_a_tenth() -> None:
    environment = started()
    environment.step(np.array([[2, 1]]))
    assert environment.team_reward[0] == pytest.approx(-0.1)
    assert environment.individual_reward[0].tolist() == [-0.1, 0.0]
    assert environment.observation[0, 0, 18] == -1


def test_a_key_opens_its_door_and_leaves_the_observation() -> None:
    environment = started()
    environment.load_state(np.array([0]), np.array([[[1, 1], [2, 5]]]), np.array([[False, False]]), 0)
    environment.step(np.array([[0, 3]]))
    assert environment.taken[0].tolist() == [True, False]
    assert environment.observation[0, 1, 18] == 2
    assert environment.observation[0, :, 13:15].tolist() == [[0, 0], [0, 0]]
    assert environment.cells[0, 4, 2] == 0


def test_in_three_rooms_there_is_a_third_key_to_see() -> None:
    environment = started("three-rooms")
    expected = [1, 1, 1, 0, 6, 1, 0, 0, 1, 1, 7, 0, 6, -2, 2, -4, 6, -4, 0, 1, 0]
    assert environment.observation[0, 1].tolist() == expected
    codes = environment.state[0].reshape(11, 9)
    assert [codes[5, 7], codes[9, 7], codes[8, 2]] == [4, 7, 1]


def test_the_shortest_plan_of_three_rooms_takes_the_keys_in_turn_and_wins() -> None:
    environment = started("three-rooms")
    total, taken_at = 0.0, []
    for step, actions in enumerate(THREE_ROOMS_PLAN, start=1):
        assert environment.running[0]
        environment.step(np.array([actions]))
        total += environment.team_reward[0]
        taken_at += [(step, *event) for event in np.argwhere(environment.observation[0, :, 20:] >= 2)[:, :1].tolist()]
    assert taken_at == [(4, 1), (7, 0), (10, 1), (17, 0)]  # (step, agent): keys 0, 1 and 2, then the treasure
    assert total == pytest.approx(99.9)
    assert environment.success[0]


def test_the_third_key_opens_the_third_room() -> None:
    environment = started("three-rooms")
    environment.load_state(np.array([0]), np.array([[[7, 2], [6, 7]]]), np.array([[True, True, False]]), 0)
    environment.step(np.array([[3, 0]]))  # both run into walls, agent 0 into the shut door
    assert environment.team_reward[0] == pytest.approx(-0.2)
    environment.step(np.array([[2, 2]]))
    assert environment.taken[0].tolist() == [True, True, True]
    assert environment.observation[0, 1, 20] == 4
    environment.step(np.array([[3, 2]]))
    environment.step(np.array([[3, 3]]))
    assert environment.positions[0, 0].tolist() == [8, 2]


def test_in_three_rooms_the_treasure_counts_only_with_both_agents_out() -> None:
    environment = started("three-rooms")
    environment.load_state(np.array([0]), np.array([[[9, 6], [3, 6]]]), np.array([[True, True, True]]), 0)
    environment.step(np.array([[0, 1]]))
    assert environment.positions[0, 0].tolist() == [9, 7]
    assert environment.running[0]


@pytest.mark.parametrize(
    ("drawing", "message"),
    [
        ("####\n#ABT#\n#####", "equally long"),
        ("#####\n#ABT.\n#####", "a wall all around"),
        ("#####\n#AB.#\n#####", "each of A B T once"),
        ("######\n#AB0T#\n######", "each of 0 A B T a once"),
        ("######\n#ABTx#\n######", "else only # and"),
    ],
)
def test_a_map_that_cannot_be_played_is_refused(drawing: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LockedRooms(drawing, rooms=())


def test_an_unknown_layout_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="allowed: two-rooms, three-rooms"):
        AliceAndBob(1, layout="four-rooms")


def test_the_map_of_the_state_is_the_map_of_the_simulation_after_every_step() -> None:
    for layout in MAPS:
        environment = started(layout, horizon=200)
        generator = np.random.default_rng(0)
        while environment.running[0]:
            environment.step(generator.integers(0, 4, (1, 2)))
            np.testing.assert_array_equal(environment.state[0], environment.cells[0].ravel())


def transitions(layout: str) -> tuple[int, np.ndarray, np.ndarray]:
    """How many states can be reached; for each state and joint action the next state's index (-1: won), and the reward."""
    n_keys = len(MAPS[layout].keys)
    start = ((1, 1), (1, 7), *(False,) * n_keys)
    joint = list(product(range(4), range(4)))
    index, successors, rewards = {start: 0}, [], []
    frontier = [start]
    while frontier:
        environment = AliceAndBob(len(frontier) * 16, horizon=1000, layout=layout)
        environment.reset(np.arange(environment.batch_size, dtype=np.uint64))
        repeated = [state for state in frontier for _ in joint]
        environment.load_state(
            np.arange(environment.batch_size),
            np.array([state[:2] for state in repeated]),
            np.array([state[2:] for state in repeated]),
            0,
        )
        environment.step(np.array(joint * len(frontier)))
        found = []
        for row in range(environment.batch_size):
            rewards.append(environment.team_reward[row])
            if environment.success[row]:
                successors.append(-1)
                continue
            place = environment.positions[row].tolist()
            state = (tuple(place[0]), tuple(place[1]), *environment.taken[row].tolist())
            if state not in index:
                index[state] = len(index)
                found.append(state)
            successors.append(index[state])
        frontier = found
    return len(index), np.array(successors).reshape(-1, 16), np.array(rewards).reshape(-1, 16)


@dataclass(frozen=True)
class Exact:
    """What dynamic programming finds of the start: with h steps left, element h of each array is for horizon h.

    The expected return and the chance of success of the random policy, and the return of the best plan.
    """

    n_states: int
    random_return: np.ndarray
    random_success: np.ndarray
    best_return: np.ndarray

    @property
    def shortest_plan(self) -> int:
        return int(np.flatnonzero(self.random_success)[0])


def solve(layout: str, horizon: int) -> Exact:
    n_states, successors, rewards = transitions(layout)
    value, chance, best = np.zeros((3, n_states + 1))  # the last place, of index -1, is the end of an episode
    win = np.where(successors < 0, 1.0, 0.0)
    found = [(0.0, 0.0, 0.0)]
    for _ in range(horizon):
        value[:-1] = (rewards + value[successors]).mean(1)
        chance[:-1] = (win + chance[successors]).mean(1)
        best[:-1] = (rewards + best[successors]).max(1)
        found.append((value[0], chance[0], best[0]))
    return Exact(n_states, *np.array(found).T)


def test_exact_dynamic_programming_gives_the_published_numbers() -> None:
    exact = solve("two-rooms", 40)
    assert exact.n_states == 1978
    assert exact.shortest_plan == len(PLAN) == 12
    for horizon, expected in RANDOM_RETURNS.items():
        assert exact.random_return[horizon] == pytest.approx(expected, abs=1e-6)
    assert exact.random_success[40] == pytest.approx(9.41e-4, rel=1e-3)
    assert exact.random_return[40] == pytest.approx(-2.572699, abs=1e-5)
    assert exact.best_return[[12, 40]] == pytest.approx([99.9, 100.0])


def test_exact_dynamic_programming_gives_the_anchors_of_three_rooms() -> None:
    exact = solve("three-rooms", THREE_ROOMS.horizon)
    assert exact.n_states == 1079
    assert exact.shortest_plan == len(THREE_ROOMS_PLAN) == 17
    assert exact.random_return[THREE_ROOMS.horizon] == pytest.approx(THREE_ROOMS.reference_scores.random, abs=1e-6)
    assert exact.best_return[17] == pytest.approx(THREE_ROOMS.reference_scores.best)
    assert exact.random_success[THREE_ROOMS.horizon] == pytest.approx(7.32e-5, rel=1e-3)
