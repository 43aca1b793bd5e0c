"""ISA's grids against hand-computed plans and the random policy's known scores (specification, B.8)."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.environments.interface import UnavailableAction
from benchmark.environments.native.grids.influence_scope import SHOOT, Grid
from benchmark.environments.native.random_actions import action_streams, random_available_actions


def started(game: str) -> Grid:
    environment = Grid(1, game=game)
    environment.reset(np.zeros(1, np.uint64))
    return environment


def act_towards_targets(environment: Grid, first_axis: int) -> np.ndarray:
    """Each agent walks to the target of its own number, one axis first, then stays, or shoots where it may.

    The axis is chosen so that nobody is frozen on another's target on the way.
    """
    actions = np.zeros((1, environment.team.n_agents), np.int64)
    for agent, (place, target) in enumerate(zip(environment.positions[0], environment.targets, strict=True)):
        for axis in (first_axis, 1 - first_axis):
            if place[axis] != target[axis] and actions[0, agent] == 0:
                backward, forward = ((3, 4), (1, 2))[axis]
                actions[0, agent] = forward if target[axis] > place[axis] else backward
        if environment.frozen[0, agent]:
            can_shoot = environment.available.shape[2] > SHOOT and environment.available[0, agent, SHOOT]
            actions[0, agent] = SHOOT if can_shoot else 0
    return actions


@pytest.mark.parametrize(
    ("game", "first_axis", "steps", "reward"), [("navigation", 1, 26, 7.0), ("unlock", 1, 26, 7.0), ("shooting", 0, 27, 0.0)]
)
def test_walking_straight_to_the_targets_is_an_optimal_plan(game: str, first_axis: int, steps: int, reward: float) -> None:
    environment = started(game)
    total, taken = 0.0, 0
    while environment.running[0]:
        environment.step(act_towards_targets(environment, first_axis))
        total += environment.team_reward[0]
        taken += 1
    assert (taken, total) == (steps, reward)
    assert environment.success[0]
    assert environment.terminated[0]


@pytest.mark.parametrize("game", ["navigation", "unlock", "shooting"])
def test_no_plan_is_shorter_than_the_published_shortest_one(game: str) -> None:
    environment = started(game)
    distances = np.abs(environment.targets - environment.positions[0]).sum(1)
    if game == "shooting":
        # Every step that does not move an agent may add one bullet, once its agent stands beyond the line.
        steps = next(t for t in range(100) if t * 3 - distances.sum() >= 51)
        assert steps == 27
    else:
        assert distances.max() == 26


def test_a_move_over_the_border_is_unavailable() -> None:
    environment = started("navigation")
    assert environment.available[0, 0].tolist() == [True, False, True, False, True]
    with pytest.raises(UnavailableAction, match=r"agent 3: action 1 .* allowed: \[0, 2, 4\]"):
        environment.step(np.array([[0, 0, 0, 1, 0, 0, 0]]))


def test_only_the_first_agent_on_a_landmark_is_frozen_and_rewarded() -> None:
    environment = started("navigation")
    environment.positions[0, :2] = (2, 5)
    environment.step(np.array([[2, 2, 0, 0, 0, 0, 0]]))
    assert environment.frozen[0].tolist() == [True] + [False] * 6
    assert environment.individual_reward[0].tolist() == [1.0] + [0.0] * 6
    assert environment.available[0, 0].tolist() == [True, False, False, False, False]


def test_another_agents_lock_stays_locked() -> None:
    environment = started("unlock")
    environment.positions[0, 0] = (2, 5)
    environment.step(np.array([[2, 0, 0, 0, 0, 0, 0]]))
    assert environment.team_reward[0] == 0
    assert not environment.frozen.any()


def test_shooting_is_allowed_beyond_the_line_also_when_frozen() -> None:
    environment = started("shooting")
    environment.positions[0] = [(5, 6), (1, 5), (1, 6)]
    environment.step(np.array([[2, 0, 0]]))
    assert environment.frozen[0].tolist() == [True, False, False]
    assert environment.available[0, :, SHOOT].tolist() == [True, False, True]
    environment.step(np.array([[SHOOT, 0, SHOOT]]))
    assert environment.bullets[0] == 2
    assert environment.observation[0, :, 2].tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("game", "measure", "expected", "tolerance"),
    [("navigation", "targets", 1.6, 0.1), ("unlock", "targets", 0.42, 0.05), ("shooting", "bullets", 7.4, 0.6)],
)
def test_the_random_policy_scores_as_measured_on_the_original(
    game: str, measure: str, expected: float, tolerance: float
) -> None:
    rows = 3000
    environment = Grid(rows, game=game)
    environment.reset(np.arange(rows, dtype=np.uint64))
    streams = action_streams(np.arange(10**6, 10**6 + rows, dtype=np.uint64))
    actions = np.zeros((rows, environment.team.n_agents), np.int64)
    while environment.running.any():
        random_available_actions(environment.available, streams, actions)
        environment.step(actions)
    found = environment.occupied.sum(1).mean() if measure == "targets" else environment.bullets.mean()
    assert found == pytest.approx(expected, abs=tolerance)
    assert environment.success.sum() <= 5


def test_an_unknown_game_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="allowed: navigation, unlock, shooting"):
        Grid(1, game="chess")  # type: ignore[arg-type]
