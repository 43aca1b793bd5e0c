"""Episodes of Alice & Bob by a scripted policy mixed with random actions.

The script knows the whole map (benchmark/environments/native/alice_and_bob/maps.py, two rooms): agent 1 fetches key 0, which
opens the door of agent 0; agent 0 fetches key 1, which opens the door of agent 1; then both go to the treasure. An agent that
has to wait moves at random.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from algorithms.interface import Episodes, Step
from algorithms.seeds import derive, episode_seeds
from benchmark.environments.native.alice_and_bob.environment import MOVES, AliceAndBob
from benchmark.environments.native.alice_and_bob.maps import KEY_CODES, TREASURE, WALL, LockedRooms
from benchmark.environments.tasks.registry import get_task
from benchmark.training.rollout import Choice, EpisodeRecorder

TASK = "alice_and_bob"
TURNS = (1, 0)
"""How many keys must have been taken before each agent can fetch its own."""
UNREACHABLE = 10**6


def steps_to(plan: LockedRooms, cell: NDArray[np.int64]) -> NDArray[np.int64]:
    """[rows, columns] the number of moves from each cell to `cell` with all doors open, UNREACHABLE if there is no path."""
    is_open = plan.codes != WALL
    is_open[tuple(plan.doors.T)] = True
    cells = np.argwhere(is_open)
    node = np.full(is_open.shape, -1)
    node[is_open] = np.arange(len(cells))
    neighbours = node[tuple(np.moveaxis(cells[:, None] + MOVES, 2, 0))]  # [cells, moves], -1 for a wall
    source, move = np.nonzero(neighbours >= 0)
    graph = csr_array((np.ones(len(source)), (source, neighbours[source, move])), shape=(len(cells), len(cells)))
    moves = dijkstra(graph, indices=node[tuple(cell)], unweighted=True)
    steps = np.full(is_open.shape, UNREACHABLE, np.int64)
    steps[is_open] = np.where(np.isfinite(moves), moves, UNREACHABLE)
    return steps


class ScriptedPolicy:
    """Moves along shortest paths on a map with two rooms."""

    def __init__(self, plan: LockedRooms) -> None:
        self._steps = np.stack([steps_to(plan, cell) for cell in (*plan.keys, plan.treasure)])

    def actions(self, environment: AliceAndBob, otherwise: NDArray[np.int64]) -> NDArray[np.int64]:
        """[B, N] the first move of a shortest path to the next target of each agent; `otherwise` [B, N] for agents that
        wait."""
        actions = otherwise.copy()
        taken = environment.taken.sum(1)
        for agent, turn in enumerate(TURNS):
            going = (taken == turn) | (taken == len(TURNS))
            after = environment.positions[:, agent, None] + MOVES
            steps = self._steps[taken[:, None], after[..., 0], after[..., 1]]
            actions[going, agent] = steps.argmin(1)[going]
        return actions


def scripted_episodes(count: int, random_share: float, seed: int, *purpose: str | int) -> Episodes:
    """`count` episodes in which each agent at each step acts at random with probability `random_share`, else by the script.

    They depend only on the arguments; an episode that has ended does not shift the random draws of the others.
    """
    environment = get_task(TASK).build(count, "native")
    assert isinstance(environment, AliceAndBob)
    script, team = ScriptedPolicy(environment.plan), environment.team
    recorder = EpisodeRecorder(count, team)
    starts = episode_seeds(derive(seed, *purpose, "environment"), 0, count)
    generator = np.random.default_rng(derive(seed, *purpose, "moves"))
    environment.reset(starts)
    recorder.begin(environment, count, {})
    time = 0
    while environment.running.any():
        random = generator.integers(0, len(MOVES), (count, team.n_agents))
        is_random = generator.random((count, team.n_agents)) < random_share
        actions = np.where(is_random, random, script.actions(environment, random))
        actions[~environment.running] = 0
        step = Step(torch.from_numpy(actions), torch.zeros(actions.shape), {})
        recorder.before(time, environment, actions, Choice(np.arange(count), step))
        environment.step(actions)
        recorder.after(time, environment)
        time += 1
    return recorder.episodes(environment, time, starts)


def pickups(episodes: Episodes) -> tuple[Tensor, Tensor]:
    """[B, T, N] bool each: whether the agent's move takes a key, and whether it reaches the treasure with success."""
    events = episodes.observation[:, 1:, :, -1]
    key = torch.isin(events, torch.from_numpy(KEY_CODES).to(events.dtype)) & episodes.acting
    return key, (events == TREASURE) & episodes.acting
