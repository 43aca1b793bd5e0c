"""Finite worlds in which it is known who influences whom: star, relay, a switch and its door, and the task of rooms itself."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import torch

from benchmark.environments.native.diagnostics.rooms import COLUMNS, SwitchDoorRooms
from benchmark.papers.dependence_graphs.tabular_mdp import (
    FiniteWorld,
    Step,
    explored,
    influence_by_intervention,
    joint_actions,
    reachable,
)

RING = 5
LANDMARKS = (0, 1, 2)
HUB = 0
ON_THE_WAY = {"switch": (0,), "rooms": tuple(range(4 * (COLUMNS - 2)))}
"""Places of a walker from which no action of its own changes the door."""


def star(agents: int, *, known: bool = True, steps: int = 3) -> FiniteWorld:
    """Star-spread in small: agents on a ring of five cells stay or go on by one; landmarks stand on three cells in a row.

    A leaf is paid minus its distance to the nearest landmark, the hub (agent 0) minus the sum over landmarks of the nearest
    agent's distance; everybody starts on the same cell, two steps from the first landmark. `known`: every leaf influences the
    hub, always; else only where its action changes what the hub is paid.
    """

    def distance(first: int, second: int) -> int:
        return min((first - second) % RING, (second - first) % RING)

    def step(cells: tuple[int, ...], chosen: tuple[int, ...]) -> tuple[Hashable, list[float]]:
        after = tuple((cell + move) % RING for cell, move in zip(cells, chosen, strict=True))
        own = [-float(min(distance(cell, mark) for mark in LANDMARKS)) for cell in after]
        own[HUB] = -float(sum(min(distance(cell, mark) for cell in after) for mark in LANDMARKS))
        return after, own

    world = _finite(f"star-{agents}" + ("" if known else ", by intervention"), agents, steps, (3,) * agents, step, list, RING)
    if known:
        world.graph[:, :, :, HUB] = True
    return world


def relay(steps: int = 4) -> FiniteWorld:
    """Agent 0 hands its action to 1, who hands what it got and did to 2, who is paid for it: two steps later."""

    def step(state: tuple[int, ...], chosen: tuple[int, ...]) -> tuple[Hashable, list[float]]:
        after = (0, chosen[0], state[1] ^ chosen[1])
        return after, [0.1 * chosen[0], -0.4 * chosen[1] * state[1], 2.0 * state[2] - chosen[2] * (1.5 - 2 * state[2])]

    return _finite("relay", 3, steps, (0, 0, 0), step, list, 2)


def switch(closed: float, steps: int = 5) -> FiniteWorld:
    """Agent 1 walks to a switch two cells away and may walk on; the door is open for a step after it stood there.

    Agent 0 is paid 1 for pushing an open door and `closed` for pushing a closed one. Agent 1's walking influences agent 0
    only where it enters or leaves the switch.
    """

    def step(state: tuple[int, int], chosen: tuple[int, ...]) -> tuple[Hashable, list[float]]:
        door, cell = state
        cell = min(cell + chosen[1], 3)
        return (int(cell == 2), cell), [chosen[0] * (1.0 if door else closed), 0.0]

    return _finite(f"switch, closed door pays {closed:g}", 2, steps, (0, 0), step, list, 4)


def _finite(
    name: str,
    agents: int,
    steps: int,
    start: Hashable,
    step: Step,
    seen: Callable[[Any], list[int]],
    places: int,
) -> FiniteWorld:
    """A world of two actions by its rules; `seen`: every agent's place in a state."""
    states, following, reward = explored(start, agents, 2, step)
    place = torch.tensor([seen(state) for state in states])
    graph = influence_by_intervention(following, reward, place, 2)
    return FiniteWorld(name, 2, places, steps, following, reward, place, graph)


def rooms(agents: int, steps: int) -> FiniteWorld:
    """The task dg/rooms-{agents} cut at `steps`, its rules read off the simulator: every joint action in every state.

    A place is what an agent observes: its column, whether the door is open and whether the goal is reached.
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
    following = np.ravel_multi_index([each.astype(np.int64) for each in digits], (COLUMNS,) * agents + (2, 2))
    place = np.stack([4 * column + 2 * is_open + reached for column in columns], 1)
    states, table = reachable(torch.from_numpy(following).view(len(is_open), -1))
    seen = torch.from_numpy(place)[states]
    reward = torch.from_numpy(simulator.individual_reward.astype(np.float64)).view(-1, len(joint), agents)[states]
    graph = influence_by_intervention(table, reward, seen, 3)
    return FiniteWorld(f"rooms-{agents}", 3, 4 * COLUMNS, steps, table, reward, seen, graph)
