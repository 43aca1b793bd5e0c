"""Alice & Bob against its hand-computed plan and against exact dynamic programming (specification of STAS, 6.1)."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from benchmark.catalogue.alice_and_bob import RANDOM_RETURNS
from benchmark.environments.native.alice_and_bob import AliceAndBob

PLAN = [(0, 1), (2, 1), (3, 3), (3, 3), (3, 0), (3, 0), (1, 1), (0, 3), (0, 3), (0, 0), (0, 3), (0, 3)]


def started(horizon: int = 40) -> AliceAndBob:
    environment = AliceAndBob(1, horizon=horizon)
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


def transitions() -> tuple[list[tuple], np.ndarray, np.ndarray, np.ndarray]:
    """All reachable states, and for each state and joint action: the next state's index (-1 for a win) and the reward."""
    start = ((1, 1), (1, 7), False, False)
    joint = list(product(range(4), range(4)))
    index, states, successors, rewards = {start: 0}, [start], [], []
    frontier = [start]
    while frontier:
        environment = AliceAndBob(len(frontier) * 16, horizon=1000)
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
                index[state] = len(states)
                states.append(state)
                found.append(state)
            successors.append(index[state])
        frontier = found
    return states, np.array(successors).reshape(-1, 16), np.array(rewards).reshape(-1, 16), np.array(joint)


def test_exact_dynamic_programming_gives_the_published_numbers() -> None:
    states, successors, rewards, _ = transitions()
    assert len(states) == 1978
    value, chance = np.zeros(len(states) + 1), np.zeros(len(states) + 1)
    best = np.zeros(len(states) + 1)
    shortest = None
    win = np.where(successors < 0, 1.0, 0.0)
    for step in range(1, 41):
        value[:-1] = (rewards + value[successors]).mean(1)
        chance[:-1] = (win + chance[successors]).mean(1)
        best[:-1] = (rewards + best[successors]).max(1)
        if shortest is None and chance[0] > 0:
            shortest = step
        if step in RANDOM_RETURNS:
            assert value[0] == pytest.approx(RANDOM_RETURNS[step], abs=1e-6)
    assert shortest == 12
    assert chance[0] == pytest.approx(9.41e-4, rel=1e-3)
    assert value[0] == pytest.approx(-2.572699, abs=1e-5)
    assert best[0] == pytest.approx(100.0)
