"""Every listed task says whether its starts and its dynamics are random; here it is played to see."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.environments.interface import BatchedEnvironment
from benchmark.environments.native.random_actions import action_streams, random_available_actions
from benchmark.environments.tasks.registry import Task, get_task, task_names
from tests.fixtures.environment_cases import seeds
from tests.fixtures.toys import SIGNS

ROWS = 8
EPISODES = 24
"""Played until two futures differ: on some maps of SMAClite one episode in ten shows that the order of acting is random."""
UNLISTED = (
    *("smaclite/corridor-released", "smaclite/2s_vs_1sc-released", "smaclite/bane_vs_bane-released-scattered"),
    *("lbf/8x8-3p-2f-coop-pen", "alice_and_bob/h20", "synergy/2-and", "dg/line-4", "dg/rooms-4", "dg/beacon-0.25"),
)
TASKS = [*map(get_task, (*task_names(), *UNLISTED)), SIGNS]
each_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)


def differ(environment: BatchedEnvironment) -> bool:
    """Whether anything that is public differs between the rows."""
    arrays = (getattr(environment, name) for name in environment.PUBLIC)
    return any((array != array[:1]).any() for array in arrays)


def futures_differ(task: Task, episode: int) -> bool:
    """Whether rows that start alike, each with its own stream, come apart under equal actions."""
    origin = task.build(1, "native")
    origin.reset(seeds(1, episode))
    environment = origin.fork(np.zeros(ROWS, np.int64))
    environment.rekey(seeds(ROWS, 1000 + ROWS * episode))
    streams = action_streams(seeds(1, episode))
    actions: NDArray[np.int64] = np.zeros((1, environment.team.n_agents), np.int64)
    while environment.running.any():
        if episode % 2:
            random_available_actions(environment.available[:1], streams, actions)
        else:  # the last available action: in SMAClite an attack, where a target is in range
            actions[0] = environment.available.shape[2] - 1 - environment.available[0, :, ::-1].argmax(1)
        environment.step(np.repeat(actions, ROWS, axis=0))
        if differ(environment):
            return True
    return False


@each_task
def test_two_seeds_start_differently_exactly_where_starts_are_random(task: Task) -> None:
    environment = task.build(ROWS, "native")
    environment.reset(seeds(ROWS))
    assert differ(environment) == task.random_starts


@each_task
def test_futures_of_one_start_differ_exactly_where_dynamics_are_random(task: Task) -> None:
    assert any(futures_differ(task, episode) for episode in range(EPISODES)) == task.random_dynamics
