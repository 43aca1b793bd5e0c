"""Episodes of Alice & Bob by a guide who knows the way and is often ignored: random play, and successes to learn from.

The guide sees the whole map (benchmark/environments/native/alice_and_bob/maps.py, two rooms): agent 1 fetches key 0, which
frees agent 0, who fetches key 1, which frees agent 1; then both go to the treasure. Who has to wait moves at random.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from algorithms.interface import Episodes, Step
from algorithms.seeds import derive, episode_seeds
from benchmark.environments.native.alice_and_bob.environment import MOVES, AliceAndBob
from benchmark.environments.native.alice_and_bob.maps import KEY_CODES, TREASURE, WALL, LockedRooms
from benchmark.environments.tasks.registry import get_task
from benchmark.training.rollout import Choice, EpisodeRecorder

TASK = "alice_and_bob"
TURNS = (1, 0)
"""How many keys have to be taken before each agent can fetch its own."""


def steps_to(plan: LockedRooms, cell: NDArray[np.int64]) -> NDArray[np.int64]:
    """[rows, columns] moves from each cell to `cell` with all doors open; very many from where there is no way."""
    closed = plan.codes == WALL
    closed[tuple(plan.doors.T)] = False
    steps = np.full(closed.shape, 10**6, np.int64)
    steps[tuple(cell)] = 0
    waiting = deque([tuple(cell.tolist())])
    while waiting:
        here = waiting.popleft()
        for move in MOVES.tolist():
            there = here[0] + move[0], here[1] + move[1]
            if not closed[there] and steps[there] > steps[here] + 1:
                steps[there] = steps[here] + 1
                waiting.append(there)
    return steps


class Guide:
    """Shortest ways on a map with two rooms."""

    def __init__(self, plan: LockedRooms) -> None:
        self._ways = np.stack([steps_to(plan, cell) for cell in (*plan.keys, plan.treasure)])

    def actions(self, environment: AliceAndBob, otherwise: NDArray[np.int64]) -> NDArray[np.int64]:
        """[B, N]: the first move of a shortest way to what each agent has to reach next, `otherwise` for who has to wait."""
        actions = otherwise.copy()
        taken = environment.taken.sum(1)
        for agent, turn in enumerate(TURNS):
            going = (taken == turn) | (taken == len(TURNS))
            after = environment.positions[:, agent, None] + MOVES
            ways = self._ways[taken[:, None], after[..., 0], after[..., 1]]
            actions[going, agent] = ways.argmin(1)[going]
        return actions


def guided_episodes(count: int, ignored: float, seed: int, *purpose: str | int) -> Episodes:
    """`count` episodes in which each agent at each step moves at random with chance `ignored` (1: random play), else as told.

    A function of the arguments alone; an episode that has ended does not shift the draws of the others.
    """
    environment = get_task(TASK).build(count, "native")
    assert isinstance(environment, AliceAndBob)
    guide, team = Guide(environment.plan), environment.team
    recorder = EpisodeRecorder(count, team)
    starts = episode_seeds(derive(seed, *purpose, "environment"), 0, count)
    generator = np.random.default_rng(derive(seed, *purpose, "moves"))
    environment.reset(starts)
    recorder.begin(environment, count, {})
    time = 0
    while environment.running.any():
        random = generator.integers(0, len(MOVES), (count, team.n_agents))
        own_way = generator.random((count, team.n_agents)) < ignored
        actions = np.where(own_way, random, guide.actions(environment, random))
        actions[~environment.running] = 0
        step = Step(torch.from_numpy(actions), torch.zeros(actions.shape), {})
        recorder.before(time, environment, actions, Choice(np.arange(count), step))
        environment.step(actions)
        recorder.after(time, environment)
        time += 1
    return recorder.episodes(environment, time, starts)


def takings(episodes: Episodes) -> tuple[Tensor, Tensor]:
    """[B, T, N] bool: whether the agent takes a key with its move, and whether it steps on the treasure with success."""
    events = episodes.observation[:, 1:, :, -1]
    key = torch.isin(events, torch.from_numpy(KEY_CODES).to(events.dtype)) & episodes.acting
    return key, (events == TREASURE) & episodes.acting
