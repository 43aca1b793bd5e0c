"""Tabular MDPs with known influence: star, relay, a switch that opens a door, and the task of rooms."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import torch

from benchmark.environments.native.diagnostics.rooms import COLUMNS, SwitchDoorRooms
from benchmark.papers.dependence_graphs.tabular_mdp import (
    Step,
    TabularMDP,
    enumerate_states,
    influence_by_intervention,
    joint_actions,
    reachable,
)

RING = 5
LANDMARKS = (0, 1, 2)
HUB = 0
ON_THE_WAY = {"switch": (0,), "rooms": tuple(range(4 * (COLUMNS - 2)))}
"""Substates of a walking agent from which none of its actions changes the door."""


def star(agents: int, *, known: bool = True, steps: int = 3) -> TabularMDP:
    """A small star-spread: agents on a ring of five cells stay or move on by one; landmarks stand on three adjacent cells.

    The reward of a leaf is minus its distance to the nearest landmark, that of the hub (agent 0) minus the sum over landmarks
    of the nearest agent's distance; all agents start on one cell, two steps from the first landmark. The graph, if `known`:
    each leaf always influences the hub; else: by intervention, only where its action changes the hub's reward.
    """

    def distance(first: int, second: int) -> int:
        return min((first - second) % RING, (second - first) % RING)

    def step(cells: tuple[int, ...], actions: tuple[int, ...]) -> tuple[Hashable, list[float]]:
        after = tuple((cell + move) % RING for cell, move in zip(cells, actions, strict=True))
        own = [-float(min(distance(cell, mark) for mark in LANDMARKS)) for cell in after]
        own[HUB] = -float(sum(min(distance(cell, mark) for cell in after) for mark in LANDMARKS))
        return after, own

    world = _finite(f"star-{agents}" + ("" if known else ", by intervention"), agents, steps, (3,) * agents, step, list, RING)
    if known:
        world.graph[:, :, :, HUB] = True
    return world


def relay(steps: int = 4) -> TabularMDP:
    """Agent 0's action reaches agent 1, whose action passes it on to agent 2, whose reward depends on it two steps later."""

    def step(state: tuple[int, ...], actions: tuple[int, ...]) -> tuple[Hashable, list[float]]:
        after = (0, actions[0], state[1] ^ actions[1])
        return after, [0.1 * actions[0], -0.4 * actions[1] * state[1], 2.0 * state[2] - actions[2] * (1.5 - 2 * state[2])]

    return _finite("relay", 3, steps, (0, 0, 0), step, list, 2)


def switch(closed: float, steps: int = 5) -> TabularMDP:
    """Agent 1 walks to a switch two cells away and may walk on; the door is open for one step after it stood there.

    Agent 0's reward is 1 for pushing an open door and `closed` for pushing a closed one. Agent 1 influences agent 0 only where
    it enters or leaves the switch.
    """

    def step(state: tuple[int, int], actions: tuple[int, ...]) -> tuple[Hashable, list[float]]:
        door, cell = state
        cell = min(cell + actions[1], 3)
        return (int(cell == 2), cell), [actions[0] * (1.0 if door else closed), 0.0]

    return _finite(f"switch, closed door pays {closed:g}", 2, steps, (0, 0), step, list, 4)


def _finite(
    name: str,
    agents: int,
    steps: int,
    start: Hashable,
    step: Step,
    seen: Callable[[Any], list[int]],
    substates: int,
) -> TabularMDP:
    """The MDP of a transition function with two actions; `seen`: the substate of each agent in a state."""
    states, next_state, reward = enumerate_states(start, agents, 2, step)
    substate = torch.tensor([seen(state) for state in states])
    graph = influence_by_intervention(next_state, reward, substate, 2)
    return TabularMDP(name, 2, substates, steps, next_state, reward, substate, graph)


def rooms(agents: int, steps: int) -> TabularMDP:
    """The task dg/rooms-{agents} with horizon `steps`; transitions are taken from the simulator, for each state and joint
    action.

    An agent's substate is what it observes: its column, whether the door is open and whether the goal is reached.
    """
    joint = joint_actions(agents, 3)
    *columns, is_open, reached = (
        grid.flatten() for grid in np.meshgrid(*[np.arange(COLUMNS)] * agents, [0, 1], [0, 1], indexing="ij")
    )
    count = len(is_open) * len(joint)
    simulator = SwitchDoorRooms(count, agents)
    simulator.reset(np.arange(count, dtype=np.uint64))
    simulator.columns[:] = np.stack(columns, 1).repeat(len(joint), 0)
    simulator.open[:], simulator.reached[:] = is_open.repeat(len(joint)), reached.repeat(len(joint))
    simulator.step(np.tile(joint.numpy(), (len(is_open), 1)))
    digits = [*simulator.columns.T, simulator.open, simulator.reached]
    next_state = np.ravel_multi_index([each.astype(np.int64) for each in digits], (COLUMNS,) * agents + (2, 2))
    substate = np.stack([4 * column + 2 * is_open + reached for column in columns], 1)
    states, table = reachable(torch.from_numpy(next_state).view(len(is_open), -1))
    seen = torch.from_numpy(substate)[states]
    reward = torch.from_numpy(simulator.individual_reward.astype(np.float64)).view(-1, len(joint), agents)[states]
    graph = influence_by_intervention(table, reward, seen, 3)
    return TabularMDP(f"rooms-{agents}", 3, 4 * COLUMNS, steps, table, reward, seen, graph)
