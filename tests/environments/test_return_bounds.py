"""The bounds of returns that a task declares, by which records are refused, hold for what its simulator gives."""

from __future__ import annotations

import math

import numpy as np
import pytest

from algorithms.seeds import episode_seeds
from benchmark.environments.native.random_actions import action_streams, random_available_actions
from benchmark.environments.tasks.registry import get_task, task_names

BOUNDED = [name for name in task_names() if get_task(name).return_bounds is not None]
PLAYED = [name for name in BOUNDED if not name.startswith("smaclite/")]  # compiled for long, and lost by chance
EPISODES = 200


def test_a_task_declares_finite_bounds_in_order_and_successes_within_them() -> None:
    assert {name.partition("/")[0] for name in BOUNDED} >= {"lbf", "grid", "alice_and_bob", "matrix", "synergy", "smaclite"}
    for name in BOUNDED:
        task = get_task(name)
        assert task.return_bounds is not None
        low, high = task.return_bounds
        won_low, won_high = task.success_bounds or task.return_bounds
        assert -math.inf < low <= won_low <= won_high <= high < math.inf, name


def test_the_scores_that_returns_are_normalised_by_lie_within_the_bounds() -> None:
    for name in BOUNDED:
        task = get_task(name)
        if task.reference_scores is not None and task.return_bounds is not None and task.score == "return":
            low, high = task.return_bounds
            assert low <= task.reference_scores.random < task.reference_scores.best <= high + 1e-9, name


@pytest.mark.parametrize("name", [*PLAYED, "lbf/5x5-3p-2f-pen", "lbf/6x6-2p-1f"])
def test_random_episodes_stay_within_the_bounds(name: str) -> None:
    task = get_task(name)
    environment = task.build(EPISODES, "native")
    environment.reset(episode_seeds(5, 0, EPISODES))
    streams, actions = action_streams(episode_seeds(6, 0, EPISODES)), np.zeros((EPISODES, task.n_agents), np.int64)
    returns = np.zeros(EPISODES)
    steps = 0
    while environment.running.any():
        random_available_actions(environment.available, streams, actions)
        actions[~environment.running] = 0
        environment.step(actions)
        returns += environment.team_reward
        steps += 1
    assert steps <= task.horizon
    assert task.return_bounds is not None
    low, high = task.return_bounds
    assert low - 1e-9 <= returns.min()
    assert returns.max() <= high + 1e-9
    if task.success_bounds is not None and environment.success.any():
        won = returns[environment.success]
        assert task.success_bounds[0] - 1e-9 <= won.min()
        assert won.max() <= task.success_bounds[1] + 1e-9
    environment.close()
