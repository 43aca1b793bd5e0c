"""The native multi-particle environments: rewards and observations by hand and by plain Python, prey, ends, settings."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.environments.native.mpe.environment import ParticleEnvironment, SimpleSpread, SimpleTag
from benchmark.environments.native.random_actions import action_streams, random_available_actions

UP = 4
SPREAD_REWARDS = ["pettingzoo", "epymarl", "stas", "seca", "dependence_graph"]
TAG_REWARDS = ["pettingzoo", "epymarl", "stas", "seca"]


def seeds(count: int) -> NDArray[np.uint64]:
    return np.arange(count, dtype=np.uint64)


def rest(environment: ParticleEnvironment) -> None:
    environment.step(np.zeros((environment.batch_size, environment.team.n_agents), np.int64))


def placed(environment: ParticleEnvironment, agents: Any, landmarks: Any, velocities: Any = None) -> Any:
    """A fresh episode in row 0 with everybody where told, at rest unless velocities are given."""
    environment.reset(seeds(1))
    agents = np.array([agents], float)
    landmarks = np.array(landmarks, float).reshape(environment.landmarks.shape)
    environment.load_state(agents, np.zeros_like(agents) if velocities is None else [velocities], landmarks)
    return environment


def play(environment: ParticleEnvironment) -> None:
    """A whole random episode in every row."""
    streams = action_streams(seeds(environment.batch_size) + np.uint64(99))
    actions = np.zeros((environment.batch_size, environment.team.n_agents), np.int64)
    while environment.running.any():
        random_available_actions(environment.available, streams, actions)
        environment.step(actions)


# ---- physics


def test_an_agent_at_rest_moves_one_step_after_its_push() -> None:
    spread = placed(SimpleSpread(1, n_agents=1), [(0, 0)], [(1, 1)])
    spread.step(np.array([[UP]]))
    np.testing.assert_allclose(spread.positions[0], [[0, 0]])
    np.testing.assert_allclose(spread.velocities[0], [[0, 0.5]])
    rest(spread)
    np.testing.assert_allclose(spread.positions[0], [[0, 0.05]])
    np.testing.assert_allclose(spread.velocities[0], [[0, 0.375]])


@pytest.mark.parametrize(("action", "direction"), [(0, (0, 0)), (1, (-1, 0)), (2, (1, 0)), (3, (0, -1)), (4, (0, 1))])
def test_actions_push_along_the_axes(action: int, direction: tuple[int, int]) -> None:
    spread = placed(SimpleSpread(1, n_agents=1), [(0, 0)], [(1, 1)])
    spread.step(np.array([[action]]))
    np.testing.assert_allclose(spread.velocities[0, 0], 0.5 * np.array(direction))


def test_touching_bodies_are_pushed_apart_by_the_softened_overlap() -> None:
    spread = placed(SimpleSpread(1, n_agents=2), [(0.0, 0.0), (0.29, 0.0)], [(1, 1), (1, -1)])
    rest(spread)
    overlap = 0.001 * math.log1p(math.exp(-(0.29 - 0.3) / 0.001))
    np.testing.assert_allclose(spread.velocities[0], [[-10 * overlap, 0], [10 * overlap, 0]], rtol=1e-12)


def test_bodies_at_the_same_place_stay_finite() -> None:
    spread = placed(SimpleSpread(1, n_agents=2), [(0.1, 0.1), (0.1, 0.1)], [(1, 1), (1, -1)])
    rest(spread)
    assert np.isfinite(spread.positions).all()
    assert np.isfinite(spread.velocities).all()


def test_obstacles_push_and_do_not_move() -> None:
    tag = placed(SimpleTag(1, n_predators=1, n_obstacles=1, prey="controlled"), [(0.27, 0), (-3, 0)], [(0, 0)])
    rest(tag)
    assert tag.velocities[0, 0, 0] > 0
    np.testing.assert_array_equal(tag.landmarks[0], [[0, 0]])


def test_predators_and_prey_keep_to_their_top_speeds() -> None:
    tag = placed(SimpleTag(1, prey="controlled"), [(0, 0), (0, 1), (0, 2), (0, 3)], [(9, 9), (9, 8)])
    for _ in range(10):
        tag.step(np.full((1, 4), 2))
    np.testing.assert_allclose(np.linalg.norm(tag.velocities[0], axis=-1), [1.0, 1.0, 1.0, 1.3])


# ---- spread


def spread_costs(environment: SimpleSpread, row: int) -> tuple[float, list[int], list[float]]:
    """D, C_i and D_i of a row, by plain Python."""
    agents, landmarks = environment.positions[row].tolist(), environment.landmarks[row].tolist()
    total, own = 0.0, [0.0] * len(agents)
    for landmark in landmarks:
        distances = [math.dist(agent, landmark) for agent in agents]
        total += min(distances)
        own[distances.index(min(distances))] += min(distances)
    touches = [sum(j != i and math.dist(one, two) < 0.3 for j, two in enumerate(agents)) for i, one in enumerate(agents)]
    return total, touches, own


@pytest.mark.parametrize("n", [1, 3, 6])
@pytest.mark.parametrize("reward", SPREAD_REWARDS)
def test_spread_rewards_are_the_formulas(reward: str, n: int) -> None:
    formulas = {
        "pettingzoo": lambda total, touches, own: -(total + touches) / 2,
        "epymarl": lambda total, touches, own: -(total + touches + 1),
        "stas": lambda total, touches, own: -(total / n + touches),
        "seca": lambda total, touches, own: -total / n,
        "dependence_graph": lambda total, touches, own: -(n * own + touches),
    }
    spread = SimpleSpread(40, n_agents=n, reward=reward, half_width=0.5)
    spread.reset(seeds(40))
    touched = 0
    for _ in range(3):
        rest(spread)
        for row in range(40):
            total, touches, own = spread_costs(spread, row)
            touched += sum(touches)
            expected = [formulas[reward](total, touches[i], own[i]) for i in range(n)]
            np.testing.assert_allclose(spread.individual_reward[row], expected, atol=1e-12)
            np.testing.assert_allclose(spread.team_reward[row], sum(expected), atol=1e-12)
    assert touched > 0 or n == 1


def test_the_published_unit_is_the_formula_of_the_2021_tables() -> None:
    spread = placed(SimpleSpread(1, reward="epymarl"), [(0, 0), (0.1, 0), (3, 0)], [(0, 1), (0.1, 1), (3, 2)])
    spread.step(np.zeros((1, 3), np.int64))
    distances, overlaps = 1 + 1 + 2, 2
    assert spread.team_reward[0] == pytest.approx(-(3 * distances + overlaps + 3))


def test_the_published_unit_is_twice_the_packages_minus_one_for_every_agent() -> None:
    one, other = SimpleSpread(8, reward="epymarl"), SimpleSpread(8, reward="pettingzoo")
    for environment in (one, other):
        environment.reset(seeds(8))
        rest(environment)
    np.testing.assert_allclose(one.individual_reward, 2 * other.individual_reward - 1, atol=1e-12)


def test_spread_never_terminates_and_success_is_covering_every_landmark_at_the_end() -> None:
    spread = SimpleSpread(2)
    spread.reset(seeds(2))
    landmarks = np.array([[(0, 0), (1, 0), (0, 1)]] * 2, float)
    positions = landmarks + 0.06
    positions[1, 2] += 0.05
    spread.load_state(positions, np.zeros_like(positions), landmarks)
    for step in range(25):
        assert spread.running.all(), step
        assert not spread.success.any()
        rest(spread)
    assert spread.truncated.all()
    assert not spread.terminated.any()
    assert spread.success.tolist() == [True, False]


def test_a_spread_observation_is_velocity_position_landmarks_others_and_silence() -> None:
    agents, velocities = [(0.0, 0.0), (0.5, 0.0), (-0.25, 0.75)], [(0.5, 0.25), (0.0, 0.0), (-1.0, 0.0)]
    spread = placed(SimpleSpread(1), agents, [(1.0, 1.0), (0.0, -1.0), (0.5, 0.5)], velocities)
    assert spread.observation.shape == (1, 3, 18)
    assert spread.observation[0, 1].tolist() == [0, 0, 0.5, 0, 0.5, 1, -0.5, -1, 0, 0.5, -0.5, 0, -0.75, 0.75, 0, 0, 0, 0]
    assert spread.state[0].tolist() == spread.observation[0].ravel().tolist()


def test_near_landmarks_and_agents_are_shown_nearest_first() -> None:
    spread = placed(
        SimpleSpread(
            1, landmark_order="nearest", observed_landmarks=2, agent_order="nearest", observed_agents=1, messages=False
        ),
        [(0.0, 0.0), (0.5, 0.0), (-0.25, 0.0)],
        [(1.0, 0.0), (0.0, -0.5), (0.25, 0.0)],
    )
    assert spread.observation[0, 0].tolist() == [0, 0, 0, 0, 0.25, 0, 0, -0.5, -0.25, 0]
    assert spread.observation[0, 1].tolist() == [0, 0, 0.5, 0, -0.25, 0, 0.5, 0, -0.5, 0]


def test_others_are_observed_from_left_to_right_with_that_order() -> None:
    spread = placed(
        SimpleSpread(1, agent_order="x", messages=False),
        [(0.0, 0.0), (0.5, 0.25), (-0.25, 0.75)],
        [(1.0, 0.0), (0.0, -0.5), (0.25, 0.0)],
    )
    assert spread.observation[0, 0, 10:].tolist() == [-0.25, 0.75, 0.5, 0.25]


def test_landmarks_can_be_kept_apart() -> None:
    spread = SimpleSpread(500, n_agents=15, half_width=2.2, landmark_distance=0.675)
    spread.reset(seeds(500))
    for one, other in itertools.combinations(range(15), 2):
        gaps = np.linalg.norm(spread.landmarks[:, one] - spread.landmarks[:, other], axis=-1)
        assert gaps.min() >= 0.675
    assert np.abs(spread.landmarks).max() <= 2.2
    assert np.abs(spread.landmarks).max() > 2.19


# ---- tag


def tag_facts(tag: SimpleTag, row: int, n_predators: int) -> tuple[list[int], list[float]]:
    """Each predator's touching pairs and distance to the nearest prey, by plain Python."""
    everyone = tag.positions[row].tolist()
    reach = tag.bodies.size[0] + tag.bodies.size[-1]
    gaps = [[math.dist(everyone[i], prey) for prey in everyone[n_predators:]] for i in range(n_predators)]
    return [sum(gap < reach for gap in mine) for mine in gaps], [min(mine) for mine in gaps]


@pytest.mark.parametrize("reward", TAG_REWARDS)
def test_tag_rewards_are_the_formulas(reward: str) -> None:
    formulas = {
        "pettingzoo": lambda own, pairs, gap: 10 * pairs,
        "epymarl": lambda own, pairs, gap: 10 * own,
        "stas": lambda own, pairs, gap: 10 * own - 0.1 * gap,
        "seca": lambda own, pairs, gap: 10 * own / pairs if pairs else 0,
    }
    tag = SimpleTag(200, n_predators=4, n_prey=2, reward=reward, half_width=0.4)
    tag.reset(seeds(200))
    shared = 0
    for _ in range(3):
        rest(tag)
        for row in range(200):
            touches, gaps = tag_facts(tag, row, 4)
            shared += sum(touches) > max(touches) > 0
            expected = [formulas[reward](touches[i], sum(touches), gaps[i]) for i in range(4)]
            np.testing.assert_allclose(tag.individual_reward[row], expected, atol=1e-12)
            np.testing.assert_allclose(tag.team_reward[row], sum(expected), atol=1e-12)
    assert shared > 0


def test_controlled_prey_are_charged_for_touches_and_for_leaving_the_screen() -> None:
    tag = SimpleTag(1, prey="controlled", reward="pettingzoo")
    assert not tag.individual_sums_to_team
    assert tag.team.agent_types == (0, 0, 0, 1)
    for place, fine in (((0.5, -0.5), 0), ((0.95, 0), 0.5), ((0, -1.5), math.e), ((3, -3), 20)):
        placed(tag, [(8, 8), (8, 9), (9, 8), place], [(5, 5), (5, 6)])
        rest(tag)
        assert tag.individual_reward[0, 3] == pytest.approx(-fine)
    placed(tag, [(0, 0.1), (0, -0.1), (9, 8), (0, 0)], [(5, 5), (5, 6)])
    rest(tag)
    assert tag.individual_reward[0].tolist() == [20, 20, 20, -20]
    assert tag.team_reward[0] == 60


def test_a_capture_is_remembered_as_success_until_the_end() -> None:
    tag = SimpleTag(2, prey="controlled")
    tag.reset(seeds(2))
    positions = np.array([[(0, 0), (5, 5), (6, 6), (0.1, 0)], [(0, 0), (5, 5), (6, 6), (3, 0)]], float)
    tag.load_state(positions, np.zeros_like(positions), np.full((2, 2, 2), 9.0))
    while tag.running.any():
        tag.step(np.array([[1, 0, 0, 2]] * 2) * tag.running[:, None])
    assert tag.truncated.all()
    assert tag.success.tolist() == [True, False]
    tag.reset(seeds(2))
    tag.load_state(positions[[1, 1]], np.zeros_like(positions), np.full((2, 2, 2), 9.0))
    while tag.running.any():
        rest(tag)
    assert not tag.success.any()


def test_the_first_capture_can_end_the_episode_and_is_rewarded_once() -> None:
    tag = SimpleTag(1, prey="controlled", reward="seca", end_on_capture=True, horizon=50)
    placed(tag, [(0, 0.1), (0, -0.1), (6, 6), (0, 0)], [(9, 9), (9, 8)])
    rest(tag)
    assert tag.team_reward[0] == 10
    assert tag.individual_reward[0].tolist()[:3] == [5, 5, 0]
    assert tag.terminated[0]
    assert not tag.truncated[0]
    assert tag.success[0]


def test_a_capture_in_the_last_step_is_a_termination() -> None:
    tag = SimpleTag(1, prey="controlled", end_on_capture=True, horizon=1)
    placed(tag, [(0, 0.1), (5, 5), (6, 6), (0, 0)], [(9, 9), (9, 8)])
    rest(tag)
    assert tag.terminated[0]
    assert not tag.truncated[0]


def test_a_predator_sees_obstacles_predators_prey_and_how_the_prey_move() -> None:
    agents = [(0.0, 0.0), (0.5, 0.0), (-0.25, 0.75), (1.0, 1.0)]
    velocities = [(0.25, 0.0), (0.0, 0.5), (0.0, 0.0), (0.75, -0.5)]
    tag = placed(SimpleTag(1), agents, [(0.5, 0.5), (-0.5, 0.0)], velocities)
    assert tag.observation.shape == (1, 3, 16)
    expected = [0, 0.5, 0.5, 0, 0, 0.5, -1, 0, -0.5, 0, -0.75, 0.75, 0.5, 1, 0.75, -0.5]
    assert tag.observation[0, 1].tolist() == expected


def test_predators_see_the_nearest_prey_with_their_own_velocities() -> None:
    agents = [(0.0, 0.0), (9.0, 9.0), (0.5, 0.0), (-0.25, 0.0)]
    velocities = [(0.0, 0.0), (0.0, 0.0), (0.25, 0.5), (0.75, -0.5)]
    tag = placed(SimpleTag(1, n_predators=2, n_prey=2, observed_prey=1), agents, [(5, 5), (5, 6)], velocities)
    assert tag.observation[0, 0, -4:].tolist() == [-0.25, 0, 0.75, -0.5]


@pytest.mark.parametrize(("place", "predator", "away"), [((0, 0), (-0.5, 0), (1, 0)), ((0, 0), (0.1, 0.5), (0, -1))])
def test_evading_prey_accelerate_away(place: tuple, predator: tuple, away: tuple) -> None:
    moves = np.zeros((300, 2))
    tag = SimpleTag(300, n_predators=1, n_obstacles=0)
    tag.reset(seeds(300))
    positions = np.array([[predator, place]] * 300, float)
    tag.load_state(positions, np.zeros_like(positions), np.zeros((300, 0, 2)))
    rest(tag)
    moves = tag.velocities[:, 1] / 0.4
    share = np.isclose(moves, away).all(axis=1).mean()
    assert 0.86 < share < 0.97  # 1 - 0.1 * 4/5


def test_evading_prey_turn_back_at_the_wall() -> None:
    tag = SimpleTag(400, half_width=1.5)
    tag.reset(seeds(400))
    play(tag)
    assert np.abs(tag.positions[:, 3]).max() < 1.5 * 1.25


def test_random_prey_use_all_five_moves_equally() -> None:
    tag = SimpleTag(5000, n_predators=1, prey="random", n_obstacles=0)
    tag.reset(seeds(5000))
    positions = np.array([[(5, 5), (0, 0)]] * 5000, float)
    tag.load_state(positions, np.zeros_like(positions), np.zeros((5000, 0, 2)))
    rest(tag)
    _, counts = np.unique(tag.velocities[:, 1].round(6), axis=0, return_counts=True)
    assert len(counts) == 5
    assert np.abs(counts - 1000).max() < 150


# ---- both


@pytest.mark.parametrize(
    "environment",
    [
        SimpleSpread(3),
        SimpleSpread(3, n_agents=6, agent_order="nearest", observed_agents=2, messages=False),
        SimpleTag(3),
        SimpleTag(3, prey="controlled", n_prey=2),
    ],
    ids=["spread", "spread-nearest", "tag", "tag-controlled"],
)
def test_every_state_dimension_is_named_after_what_it_shows(environment: ParticleEnvironment) -> None:
    environment.reset(seeds(3))
    fields = environment.team.state_fields
    assert len({field.name for field in fields}) == len(fields)
    for k, field in enumerate(fields):
        if field.agent is not None and field.kind in ("velocity", "position"):
            source = environment.positions if field.kind == "position" else environment.velocities
            expected = source[:, field.agent, "xy".index(field.name[-1])]
            np.testing.assert_allclose(environment.state[:, k], expected, atol=1e-6)
        assert field.kind in ("velocity", "position", "relative_position", "message", "padding")


def test_a_fork_copies_the_world_and_keeps_the_settings() -> None:
    tag = SimpleTag(4, n_predators=2, prey="random", end_on_capture=True, horizon=9)
    tag.reset(seeds(4))
    rest(tag)
    fork = tag.fork(np.array([3, 3, 0]))
    for _ in range(8):
        tag.step(np.ones((4, 2), np.int64) * tag.running[:, None])
        fork.step(np.ones((3, 2), np.int64) * fork.running[:, None])
    np.testing.assert_array_equal(fork.positions, tag.positions[[3, 3, 0]])
    assert not fork.running.any()


@pytest.mark.parametrize(
    ("factory", "settings", "message"),
    [
        (SimpleSpread, {"reward": "mine"}, "reward must be one of pettingzoo, epymarl"),
        (SimpleSpread, {"n_agents": 0}, "n_agents must be at least 1"),
        (SimpleSpread, {"half_width": 0.0}, "leaves no room"),
        (SimpleSpread, {"horizon": 0}, "horizon must be at least 1"),
        (SimpleSpread, {"landmark_distance": 2.0}, "do not fit"),
        (SimpleSpread, {"observed_agents": 1}, "needs an order other than 'index'"),
        (SimpleSpread, {"agent_order": "nearest", "observed_agents": 3}, r"observed_agents must be 0\.\.2"),
        (SimpleSpread, {"landmark_order": "best"}, "order of landmarks must be index, nearest or x"),
        (SimpleTag, {"reward": "dependence_graph"}, "reward must be one of"),
        (SimpleTag, {"prey": "smart"}, "prey must be one of controlled, random, evade"),
        (SimpleTag, {"n_prey": 0}, "needs predators, prey"),
        (SimpleTag, {"prey": "controlled", "observed_prey": 1}, "observed_"),
    ],
)
def test_settings_that_make_no_sense_are_refused(factory: type, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        factory(1, **settings)


@pytest.mark.parametrize("wrong", [np.zeros((1, 2, 2)), np.full((1, 3, 2), np.nan)])
def test_states_that_cannot_be_are_refused_and_change_nothing(wrong: NDArray) -> None:
    spread = SimpleSpread(1)
    spread.reset(seeds(1))
    before = spread.positions.copy()
    with pytest.raises(ValueError, match="velocities must be finite numbers of shape"):
        spread.load_state(np.zeros((1, 3, 2)), wrong, np.zeros((1, 3, 2)))
    np.testing.assert_array_equal(spread.positions, before)


def test_a_picture_shows_agents_and_landmarks() -> None:
    spread, tag = SimpleSpread(1), SimpleTag(1)
    for environment, roles in ((spread, {"agent": 3, "goal": 3}), (tag, {"agent": 3, "goal": 1, "wall": 2})):
        environment.reset(seeds(1))
        shown = [shape.role for shape in environment.scene(0).shapes]
        assert {role: shown.count(role) for role in set(shown)} == roles
