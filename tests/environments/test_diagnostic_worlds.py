"""The diagnostic worlds against hand-computed steps, known graphs and closed-form credit."""

from __future__ import annotations

import math
from itertools import permutations, product

import numpy as np
import pytest

from algorithms.plugins import UnknownName
from benchmark.environments.native.diagnostics.beacon import Beacon
from benchmark.environments.native.diagnostics.matrix import MatrixGame
from benchmark.environments.native.diagnostics.rooms import COLUMNS, SwitchDoorRooms
from benchmark.environments.native.diagnostics.spread_variants import SpreadVariant, landmark_positions, reward_dependence
from benchmark.environments.native.diagnostics.synergy import Synergy
from benchmark.environments.reference_scores.random_policy import random_policy_returns
from benchmark.environments.tasks.registry import get_task

SEEDS = np.arange(1, dtype=np.uint64)


def repeat(environment, actions: list[int]) -> float:
    """Plays one joint action to the end; the return."""
    environment.reset(SEEDS)
    total = 0.0
    while environment.running[0]:
        environment.step(np.array([actions]))
        total += environment.team_reward[0]
    return total


@pytest.mark.parametrize(
    ("game", "penalty", "actions", "expected"),
    [
        ("climbing", None, [0, 0], 275),
        ("climbing", None, [1, 1], 175),
        ("climbing", None, [2, 2], 125),
        ("climbing", None, [0, 1], -750),
        ("penalty", -100.0, [0, 2], 250),
        ("penalty", -100.0, [1, 1], 50),
        ("penalty", -100.0, [0, 0], -2500),
        ("two_step", None, [1, 1], 8),
        ("two_step", None, [0, 1], 7),
        ("two_step", None, [1, 0], 1),
    ],
)
def test_a_repeated_joint_action_earns_what_its_matrix_says(game, penalty, actions, expected) -> None:
    assert repeat(MatrixGame(1, game=game, penalty=penalty), actions) == expected


def test_the_two_step_game_shows_its_stage_to_everyone() -> None:
    environment = MatrixGame(1, game="two_step")
    environment.reset(SEEDS)
    assert environment.observation[0].tolist() == [[1, 0, 0]] * 2
    environment.step(np.array([[1, 0]]))
    assert environment.observation[0].tolist() == [[0, 0, 1]] * 2
    environment.step(np.array([[0, 0]]))
    assert environment.terminated[0]


@pytest.mark.parametrize(("shape", "n"), [("star", 5), ("line", 4), ("cycle", 4)])
def test_the_known_graph_is_what_moving_one_agent_shows(shape: str, n: int) -> None:
    influence = np.zeros((n, n), np.bool_)
    for trial in range(200):
        environment = SpreadVariant(5, shape=shape, n_agents=n, noise=0.0)
        environment.reset(np.full(5, trial, np.uint64))
        for agent in range(n):
            actions = np.zeros((5, n), np.int64)
            actions[:, agent] = np.arange(5)
            fork = environment.fork(np.arange(5))
            fork.step(actions)
            influence[agent] |= np.ptp(fork.individual_reward, axis=0) > 1e-12
    assert (influence == reward_dependence(shape, n)).all()


def test_the_rewards_of_hub_and_leaves_of_a_star_are_their_formulas() -> None:
    environment = SpreadVariant(1, shape="star", n_agents=3, noise=0.0)
    environment.reset(SEEDS)
    environment.positions[0] = [[0.0, 0.0], [0.5, 0.0], [-1.0, 0.0]]
    environment.step(np.array([[0, 4, 3]]))  # the last one is clipped at the border
    places = np.array([[0.0, 0.0], [0.6, 0.0], [-1.0, 0.0]])
    distance = np.linalg.norm(places[:, None] - landmark_positions("star", 3)[None], axis=-1)
    expected = [-distance.min(0).sum(), -distance[1].min(), -distance[2].min()]
    assert environment.individual_reward[0] == pytest.approx(expected, abs=1e-12)
    assert environment.team_reward[0] == pytest.approx(sum(expected))


def test_hidden_agents_are_zeros_in_the_observation() -> None:
    environment = SpreadVariant(1, shape="cycle", n_agents=4)
    environment.reset(SEEDS)
    seen = environment.observation[0, :, 2:10].reshape(4, 4, 2).any(-1)
    expected = np.eye(4, dtype=bool) | np.roll(np.eye(4, dtype=bool), -1, axis=1)
    assert (seen == expected).all()


def test_reward_noise_has_the_stated_spread() -> None:
    rows = 20_000
    quiet, noisy = (SpreadVariant(rows, shape="line", n_agents=3, noise=noise) for noise in (0.0, 1.0))
    for environment in (quiet, noisy):
        environment.reset(np.arange(rows, dtype=np.uint64))
        environment.step(np.zeros((rows, 3), np.int64))
    noise = noisy.individual_reward - quiet.individual_reward
    assert np.abs(noise.mean(0)).max() < 5 / math.sqrt(rows)
    assert noise.std(0) == pytest.approx(np.ones(3), abs=0.03)
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.03


def test_the_door_opens_one_step_after_the_real_switch_is_held() -> None:
    environment = SwitchDoorRooms(1, n_agents=3, real_switch=2)
    environment.reset(SEEDS)
    for _ in range(4):
        environment.step(np.array([[2, 2, 2]]))
    environment.step(np.array([[2, 2, 2]]))
    assert environment.columns[0].tolist() == [4, 5, 5]  # agent 0 ran into the shut door
    assert environment.individual_reward[0].tolist() == [-0.1, 0, 0]
    while environment.columns[0, 2] < COLUMNS - 1:
        environment.step(np.array([[0, 0, 2]]))
    assert environment.open[0]
    environment.step(np.array([[2, 0, 1]]))  # passes while the switch is let go
    assert environment.columns[0, 0] == 5
    assert not environment.open[0]


def test_reaching_the_end_of_the_corridor_is_rewarded_once() -> None:
    environment = SwitchDoorRooms(1, n_agents=2, horizon=40)
    environment.reset(SEEDS)
    total = 0.0
    while environment.running[0]:
        wait = environment.columns[0, 1] < COLUMNS - 1
        at_end = environment.columns[0, 0] == COLUMNS - 1
        environment.step(np.array([[0 if wait or at_end else 2, 2 if wait else 0]]))
        total += environment.team_reward[0]
    assert total == pytest.approx(10.0)
    assert environment.success[0]
    assert environment.truncated[0]


@pytest.mark.parametrize("gain", [0.0, 0.3, 1.0])
def test_the_beacon_shows_action_and_state_in_the_stated_shares(gain: float) -> None:
    rows = 20_000
    environment = Beacon(rows, action_gain=gain)
    environment.reset(np.arange(rows, dtype=np.uint64))
    environment.cell[:] = 4  # colour 1
    environment.step(np.full((rows, 2), 2, np.int64))  # action 2
    assert (environment.lamp == 2).mean() == pytest.approx(gain, abs=0.02)
    assert (environment.cell == 3).all()
    assert environment.individual_reward[:, 1].tolist() == [-0.1] * rows
    assert (environment.individual_reward[:, 0] == (environment.lamp == 1)).all()


def shapley_shares(ability: list[int], actions: list[int], exponent: float, cost: float) -> list[float]:
    """Shapley values by enumerating orders: an absent agent idles."""
    n = len(actions)

    def value(team: set[int]) -> float:
        effort = sum(ability[i] * actions[i] for i in team)
        paid = (effort / n) ** exponent if not math.isinf(exponent) else float(effort == n)
        return paid - cost * sum(actions[i] for i in team)

    shares = [0.0] * n
    orders = list(permutations(range(n)))
    for order in orders:
        team: set[int] = set()
        for agent in order:
            before = value(team)
            team.add(agent)
            shares[agent] += (value(team) - before) / len(orders)
    return shares


@pytest.mark.parametrize("exponent", [1.0, 2.0, 4.0, math.inf])
def test_the_individual_rewards_of_synergy_are_shapley_values(exponent: float) -> None:
    environment = Synergy(1, n_agents=3, exponent=exponent)
    for ability, actions in product(product([0, 1], repeat=3), product([0, 1], repeat=3)):
        environment.reset(SEEDS)
        environment.ability[0] = ability
        environment.step(np.array([actions]))
        expected = shapley_shares(list(ability), list(actions), exponent, 0.05)
        assert environment.individual_reward[0] == pytest.approx(expected, abs=1e-12)
        assert environment.team_reward[0] == pytest.approx(sum(expected), abs=1e-12)


def test_synergy_in_blocks_multiplies_over_time() -> None:
    environment = Synergy(1, n_agents=2, exponent=1.0, blocks=2, cost=0.0, horizon=4)
    environment.reset(SEEDS)
    means, total = [], 0.0
    while environment.running[0]:
        means.append(environment.ability[0].sum() / 2)
        environment.step(np.ones((1, 2), np.int64))
        total += environment.team_reward[0]
    assert total == pytest.approx(4 * (means[0] + means[1]) / 2 * (means[2] + means[3]) / 2)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MatrixGame(1, game="penalty"), "needs `penalty`"),
        (lambda: MatrixGame(1, game="penalty", penalty=3.0), "at most 0"),
        (lambda: SpreadVariant(1, shape="ring", n_agents=3), "allowed: star, line, cycle"),
        (lambda: SwitchDoorRooms(1, n_agents=3, real_switch=3), "allowed: 1..2"),
        (lambda: Beacon(1, action_gain=1.5), r"action_gain in \[0, 1\]"),
        (lambda: Synergy(1, n_agents=2, exponent=1.0, blocks=3), "must divide the horizon"),
        (lambda: Synergy(0, n_agents=2, exponent=1.0), "batch_size must be at least 1"),
    ],
)
def test_a_wrong_parameter_is_refused_with_what_is_allowed(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    "name",
    [
        *("matrix/climbing", "matrix/penalty-50", "matrix/two-step", "synergy/3-b2", "synergy/3-and", "synergy/5-b4"),
        *(
            "dg/beacon-0",
            "dg/beacon-0.5",
            "dg/beacon-1",
            "dg/star-5",
            "dg/cycle-5",
            "dg/rooms-3",
            "grid/navigation",
            "grid/unlock",
        ),
    ],
)
def test_the_random_anchor_is_what_the_simulator_gives(name: str) -> None:
    task = get_task(name)
    found = random_policy_returns(task, episodes=4000, seed=1)
    assert found["mean_return"] == pytest.approx(task.reference_scores.random, abs=5 * found["standard_error"])


def test_names_that_make_no_sense_are_unknown() -> None:
    for name in ("matrix/penalty-7", "synergy/3-b2-x3", "dg/star-1", "dg/beacon-1.5", "alice_and_bob/h11", "grid/chess"):
        with pytest.raises(UnknownName, match=f"There is no task '{name}'"):
            get_task(name)
