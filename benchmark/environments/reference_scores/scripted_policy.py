"""Scores of scripted policies with full observation on spread and tag: upper anchors where none is published.

    python -m benchmark.environments.reference_scores.scripted_policy --task mpe/stas-spread-3 --episodes 2000 --seed 0

Each agent plans alone: it simulates all sequences of three moves, followed by rest, with its own exact physics, and takes the
first move of the best. In spread, landmarks are assigned at the start with the least sum of distances, and touching another
agent costs as much as a distance of 1. In tag, every predator approaches the nearest prey, assumed to keep its velocity.
Collisions are not simulated. A strong reference, not an optimum: a learned policy may score higher.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from algorithms.seeds import derive, episode_seeds
from benchmark.environments.native.mpe.environment import ParticleEnvironment, SimpleSpread, SimpleTag
from benchmark.environments.native.mpe.kernels import DAMPING, TIME_STEP
from benchmark.environments.tasks.registry import Task, get_task

MOVES = np.array([(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)], np.float64)
DEPTH = 3
LOOK_AHEAD = 6
TOUCH_COST = 1.0
ROWS = 250

PLANS = np.array(list(itertools.product(range(len(MOVES)), repeat=DEPTH)))
"""[M, DEPTH] all sequences of moves."""


def assign_landmarks(environment: SimpleSpread) -> NDArray[np.int64]:
    """[B, N]: the landmark of every agent, so that the distances sum to the least."""
    gaps = np.linalg.norm(environment.positions[:, :, None] - environment.landmarks[:, None], axis=-1)
    return np.stack([linear_sum_assignment(row)[1] for row in gaps])


def _plan_paths(environment: ParticleEnvironment, agent: int) -> NDArray[np.float64]:
    """[LOOK_AHEAD, B, M, 2]: where one agent would be after each step of each plan, if it touched nothing."""
    bodies = environment.bodies
    position = environment.positions[:, agent, None]
    velocity = np.repeat(environment.velocities[:, agent, None], len(PLANS), axis=1)
    path = []
    for step in range(LOOK_AHEAD):
        position = position + velocity * TIME_STEP
        path.append(position)
        velocity = velocity * (1 - DAMPING)
        if step < DEPTH:
            velocity = velocity + bodies.gain[agent] * MOVES[PLANS[:, step]] * TIME_STEP
        speed = np.linalg.norm(velocity, axis=-1, keepdims=True)
        velocity = velocity * np.minimum(1.0, bodies.top_speed[agent] / np.maximum(speed, 1e-12))
    return np.stack(path)


def _coast(environment: ParticleEnvironment, agent: int, damping: float) -> NDArray[np.float64]:
    """[LOOK_AHEAD, B, 1, 2]: where one agent comes if nothing pushes it."""
    position, velocity = environment.positions[:, agent], environment.velocities[:, agent]
    path = []
    for _ in range(LOOK_AHEAD):
        position = position + velocity * TIME_STEP
        velocity = velocity * (1 - damping)
        path.append(position)
    return np.stack(path)[:, :, None]


def spread_actions(environment: SimpleSpread, landmark_of: NDArray[np.int64]) -> NDArray[np.int64]:
    """[B, N] moves towards each agent's landmark, past the others."""
    n = environment.team.n_agents
    rows = np.arange(environment.batch_size)
    coasting = [_coast(environment, other, DAMPING) for other in range(n)]
    actions = np.zeros((environment.batch_size, n), np.int64)
    for agent in range(n):
        path = _plan_paths(environment, agent)
        target = environment.landmarks[rows, landmark_of[:, agent]][None, :, None]
        cost = np.linalg.norm(path - target, axis=-1)
        for other in range(n):
            if other != agent:
                reach = environment.bodies.size[agent] + environment.bodies.size[other]
                cost += TOUCH_COST * (np.linalg.norm(path - coasting[other], axis=-1) < reach)
        actions[:, agent] = PLANS[cost.sum(axis=0).argmin(axis=1), 0]
    return actions


def tag_actions(environment: SimpleTag) -> NDArray[np.int64]:
    """[B, N] moves of every predator towards the nearest prey."""
    predators = environment.team.n_agents
    fleeing = [_coast(environment, prey, 0.0) for prey in range(predators, environment.positions.shape[1])]
    actions = np.zeros((environment.batch_size, predators), np.int64)
    for agent in range(predators):
        path = _plan_paths(environment, agent)
        gaps = np.stack([np.linalg.norm(path - prey, axis=-1).sum(axis=0) for prey in fleeing])
        actions[:, agent] = PLANS[gaps.min(axis=0).argmin(axis=1), 0]
    return actions


def scripted_returns(task: Task, episodes: int, seed: int) -> dict[str, float]:
    """Mean team return, its standard error and the success rate of the scripted policy over `episodes` episodes.

    Raises ValueError for a task that is neither spread nor tag.
    """
    environment = task.build(min(episodes, ROWS), "native")
    if not isinstance(environment, SimpleSpread | SimpleTag):
        raise ValueError(f"there is no script for {task.id}; only for spread and tag")
    returns, successes = np.zeros(episodes), np.zeros(episodes)
    for first in range(0, episodes, environment.batch_size):
        count = min(environment.batch_size, episodes - first)
        environment.reset(episode_seeds(derive(seed, "scripted policy", "environment"), first, count))
        landmark_of = assign_landmarks(environment) if isinstance(environment, SimpleSpread) else None
        while environment.running.any():
            if isinstance(environment, SimpleSpread) and landmark_of is not None:
                actions = spread_actions(environment, landmark_of)
            elif isinstance(environment, SimpleTag):
                actions = tag_actions(environment)
            environment.step(actions * environment.running[:, None])
            returns[first : first + count] += environment.team_reward[:count]
        successes[first : first + count] = environment.success[:count]
    return {
        "mean_return": float(returns.mean()),
        "standard_error": float(returns.std(ddof=1) / math.sqrt(episodes)),
        "success_rate": float(successes.mean()),
    }


def main() -> None:
    """Prints one JSON object, as `creditbench random` does."""
    parser = argparse.ArgumentParser(description="What the scripted policy scores on a task of spread or tag.")
    parser.add_argument("--task", required=True)
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    task = get_task(given.task)
    print(json.dumps(vars(given) | scripted_returns(task, given.episodes, given.seed)))


if __name__ == "__main__":
    main()
