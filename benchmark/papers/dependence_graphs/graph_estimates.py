"""Exact judgements of gradient estimates by dependence graphs, in finite worlds.

An estimate weighs an agent's actions by multi-agent advantages of a graph and a critic. Its expectation is computed by
recursion over states and sets of agents reached (finite_worlds.py); its variance from all trajectories, where they can be
written down, else from sampled ones, by the code that training uses. Undiscounted, lambda 1.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from algorithms.advantages.dependence_graph.graph import multi_agent_advantage
from algorithms.returns import gae
from algorithms.seeds import derive
from benchmark.papers.dependence_graphs.tabular_mdp import Exact, FiniteWorld, all_trajectories, sampled_trajectories
from benchmark.papers.toolkit.estimators import cosine

FLOOR = 0.05
BATCH = 10
"""Episodes of a batch, as in the paper: what is called noise is of their mean gradient."""
CRITICS = ("none", "local", "local, timed", "central")
"""Exact values of an agent's own reward: of nothing (0), its own substate, this and the time, the state and the time."""
CREDITS = ("hard", "noisy", "transposed", "local", "global")
"""By the true graph, floor 0 or 0.05; by it the wrong way round; by self loops alone; by all edges."""
EXACTLY = 1e-9
"""What is smaller than this, relative to the exact gradient, is rounding."""
WALKER = 1
"""The agent whose walk to a switch opens the door, in `switch` and in rooms."""
WAY = f"agent {WALKER} on its way, for others"
"""The gradient of the others' return alone, in the places from which no step changes the door. (Of its own return every credit
gets it right.)"""
STEPS_AT_ONCE = 400_000


@dataclass(frozen=True)
class Case:
    """A world, the logits [N, L, A] of each policy, the walker's places on its way (none: nobody walks), and how many episodes
    are sampled (0: all trajectories are written down)."""

    world: FiniteWorld
    logits: tuple[Tensor, ...]
    way: tuple[int, ...] = ()
    episodes: int = 0


@dataclass(frozen=True)
class Judged:
    """An estimate of one agent's gradient, or of that in some places alone, against the exact one and relative to its size.

    `cosine` of the expected gradient with the exact one, None where the former is 0; `bias`: size of the difference; `part`: of
    the exact gradient that the expected one's projection on it is; `noise`: total variance of a batch's mean over the exact
    gradient's square, `noise_error` its standard error (0: not sampled).
    """

    cosine: float | None
    bias: float
    part: float
    noise: float
    noise_error: float


Key = tuple[str, str, str]
"""Critic, credit, whose gradient."""


def credits_of(graph: Tensor) -> dict[str, tuple[Tensor, float]]:
    """By name, what credit is shared by: a graph […, N, N] made of the true one, and a floor."""
    alone = torch.eye(graph.shape[-1], dtype=torch.bool).expand_as(graph)
    everybody = torch.ones_like(graph)
    return {
        "hard": (graph, 0.0),
        "noisy": (graph, FLOOR),
        "transposed": (graph.transpose(-1, -2), 0.0),
        "local": (alone, 0.0),
        "global": (everybody, 0.0),
    }


def judged(case: Case, logits: Tensor) -> dict[Key, Judged]:
    """Every estimate of every agent's gradient under one policy, of those whose exact gradient is not 0."""
    exact = Exact(case.world, logits)
    true = exact.gradient()
    timeless, timed = (exact.local_values(timed=timed) for timed in (False, True))
    values = dict(zip(CRITICS, (torch.zeros_like(timed), timeless, timed, exact.values), strict=True))
    credits = credits_of(case.world.graph)
    own = exact.credited_gradient(credits["local"][0], timed)
    whose = {f"agent {agent}": (agent, list(range(case.world.places))) for agent in range(case.world.agents)}
    whose = {name: place for name, place in whose.items() if true[place].norm() > EXACTLY * true.norm()}
    if case.way:
        whose[WAY] = (WALKER, list(case.way))
    squares = _squares(case, exact, values, whose)
    found = {}
    for critic, value in values.items():
        means = {credit: exact.credited_gradient(graph, value) for credit, (graph, floor) in credits.items() if not floor}
        means["noisy"] = (1 - FLOOR) * means["hard"] + FLOOR * means["global"]
        for credit, (name, place) in itertools.product(CREDITS, whose.items()):
            less = own[place] if name == WAY else torch.zeros_like(own[place])
            found[critic, credit, name] = _compared(means[credit][place], true[place], less, *squares[critic, credit, name])
    return found


def _compared(mean: Tensor, true: Tensor, less: Tensor, square: float, error: float) -> Judged:
    """The expected gradient and the exact one, both less what they are judged without, and the mean square of one trajectory's
    with its standard error."""
    variance = square - float(mean.square().sum())
    mean, true = mean - less, true - less
    size = float(true.square().sum())
    return Judged(
        cosine=cosine(mean.numpy(), true.numpy()) if float(mean.norm()) > EXACTLY * math.sqrt(size) else None,
        bias=float((mean - true).norm()) / math.sqrt(size),
        part=float((mean * true).sum()) / size,
        noise=variance / size / BATCH,
        noise_error=error / size / BATCH,
    )


def _squares(
    case: Case, exact: Exact, values: dict[str, Tensor], whose: dict[str, tuple[int, list[int]]]
) -> dict[Key, tuple[float, float]]:
    """The mean square of one trajectory's gradient, and its standard error, 0 where all trajectories are written down."""
    at_once = STEPS_AT_ONCE // case.world.steps
    parts = [min(at_once, case.episodes - start) for start in range(0, case.episodes, at_once)]
    draws = torch.Generator().manual_seed(derive(case.world.steps, "episodes"))
    sums: dict[Key, Tensor] = {}
    for part in parts or [0]:
        seen = sampled_trajectories(exact, part, draws) if part else all_trajectories(exact)
        weight = seen.weight * (part / case.episodes if part else 1)
        running = torch.ones(seen.joint.shape, dtype=torch.bool)
        never = torch.zeros_like(running)
        for critic, value in values.items():
            advantage = gae(seen.reward, seen.along(value), running, never, 1.0, 1.0)
            for credit, (graph, floor) in credits_of(seen.graph).items():
                squared = seen.gradients(multi_agent_advantage(graph, advantage, 1.0, floor)).square().sum(-1)
                for name, (agent, places) in whose.items():
                    of_one = squared[:, agent, places].sum(1)
                    both = torch.stack([weight @ of_one, weight @ of_one.square()])
                    sums[critic, credit, name] = sums.get((critic, credit, name), torch.zeros_like(both)) + both
    found = {}
    for key, total in sums.items():
        mean, fourth = total.tolist()
        found[key] = (mean, math.sqrt(max(fourth - mean * mean, 0.0) / case.episodes) if case.episodes else 0.0)
    return found
