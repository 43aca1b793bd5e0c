"""The score of the uniformly random policy over available actions: the lower anchor of a task's reference scores."""

from __future__ import annotations

import math

import numpy as np

from algorithms.seeds import derive, episode_seeds
from benchmark.environments.checks import GameChecks
from benchmark.environments.interface import Backend
from benchmark.environments.native.random_actions import action_streams, random_available_actions
from benchmark.environments.tasks.registry import Task

ROWS: dict[Backend, int] = {"native": 1024, "reference": 16}


def random_policy_returns(task: Task, episodes: int, seed: int, backend: Backend | None = None) -> dict[str, float]:
    """Plays `episodes` whole episodes; `backend`: None for the task's default.

    Returns `mean_return` (of the team reward, undiscounted), its `standard_error`, `success_rate` and `mean_length` (steps).
    Each episode is a function of `seed` and its number. Raises ValueError for fewer than two episodes, BrokenGame for
    what the game cannot mean.
    """
    if episodes < 2:
        raise ValueError(f"a standard error needs at least 2 episodes, got {episodes}")
    chosen, _ = task.simulator(backend)
    rows = min(episodes, ROWS[chosen])
    environment = task.build(rows, chosen)
    returns, successes, lengths = np.zeros(episodes), np.zeros(episodes), np.zeros(episodes)
    actions = np.zeros((rows, environment.team.n_agents), np.int64)
    try:
        for first in range(0, episodes, rows):
            count = min(rows, episodes - first)
            part = slice(first, first + count)
            checks = GameChecks(environment, count)
            environment.reset(episode_seeds(derive(seed, "random policy", "environment"), first, count))
            checks.reset()
            streams = action_streams(episode_seeds(derive(seed, "random policy", "actions"), first, rows))
            while environment.running.any():
                lengths[part] += environment.running[:count]
                random_available_actions(environment.available, streams, actions)
                environment.step(actions)
                checks.step()
                returns[part] += environment.team_reward[:count]
            checks.end(int(lengths[part].max()))
            successes[part] = environment.success[:count]
    finally:
        environment.close()
    return {
        "mean_return": float(returns.mean()),
        "standard_error": float(returns.std(ddof=1) / math.sqrt(episodes)),
        "success_rate": float(successes.mean()),
        "mean_length": float(lengths.mean()),
    }
