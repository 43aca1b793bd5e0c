"""Bias and variance of policy gradient estimates along dependence graphs, in tabular MDPs.

An estimate weights an agent's actions by the multi-agent advantages of a graph and a critic. Its expectation is exact, by
recursion over states and sets of reached agents (tabular_mdp.py); its variance is computed from all trajectories if they can be
enumerated, else from sampled ones, by the code that training uses. Undiscounted, lambda 1.
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
from benchmark.papers.dependence_graphs.tabular_mdp import Exact, TabularMDP, all_trajectories, sampled_trajectories
from benchmark.papers.toolkit.estimators import cosine

FLOOR = 0.05
BATCH = 10
"""Episodes in a batch, as in the paper. Noise is the variance of their mean gradient."""
CRITICS = ("none", "local", "local, timed", "central")
"""Exact values of an agent's individual reward given nothing (0), its substate, substate and time, state and time."""
CREDITS = ("hard", "noisy", "transposed", "local", "global")
"""Credit along the true graph with floor 0 or 0.05, its transpose, self loops only, all edges."""
EXACTLY = 1e-9
"""Smaller differences, relative to the exact gradient, are rounding errors."""
WALKER = 1
"""The agent whose walk to a switch opens the door, in `switch` and in rooms."""
WAY = f"agent {WALKER} on its way, for others"
"""The gradient of the other agents' return only, in the substates from which no action changes the door. (That of its own
return is exact under all kinds of credit.)"""
STEPS_AT_ONCE = 400_000


@dataclass(frozen=True)
class Case:
    """An MDP, the logits [N, L, A] of each policy, the walker's substates before the switch (empty if no agent walks), and the
    number of sampled episodes (0: all trajectories are enumerated)."""

    world: TabularMDP
    logits: tuple[Tensor, ...]
    way: tuple[int, ...] = ()
    episodes: int = 0


@dataclass(frozen=True)
class EstimateQuality:
    """An estimate of one agent's gradient, or of a part of its substates, relative to the exact gradient.

    `cosine`: of the expected and the exact gradient, None if the former is 0; `bias`: norm of the difference; `part`: the
    projection of the expected on the exact gradient; `noise`: total variance of a batch's mean / squared norm of the exact
    gradient, `noise_error`: its standard error (0 if trajectories are enumerated).
    """

    cosine: float | None
    bias: float
    part: float
    noise: float
    noise_error: float


Key = tuple[str, str, str]
"""Critic, credit, agent."""


def credits_of(graph: Tensor) -> dict[str, tuple[Tensor, float]]:
    """By name of the credit: a graph […, N, N], derived from the true one, and a floor."""
    alone = torch.eye(graph.shape[-1], dtype=torch.bool).expand_as(graph)
    everybody = torch.ones_like(graph)
    return {
        "hard": (graph, 0.0),
        "noisy": (graph, FLOOR),
        "transposed": (graph.transpose(-1, -2), 0.0),
        "local": (alone, 0.0),
        "global": (everybody, 0.0),
    }


def evaluate(case: Case, logits: Tensor) -> dict[Key, EstimateQuality]:
    """All estimates of the gradients of all agents under one policy, except of agents whose exact gradient is 0."""
    exact = Exact(case.world, logits)
    true = exact.gradient()
    timeless, timed = (exact.local_values(timed=timed) for timed in (False, True))
    values = dict(zip(CRITICS, (torch.zeros_like(timed), timeless, timed, exact.values), strict=True))
    credits = credits_of(case.world.graph)
    own = exact.credited_gradient(credits["local"][0], timed)
    parts = {f"agent {agent}": (agent, list(range(case.world.substates))) for agent in range(case.world.agents)}
    parts = {name: part for name, part in parts.items() if true[part].norm() > EXACTLY * true.norm()}
    if case.way:
        parts[WAY] = (WALKER, list(case.way))
    squares = _squares(case, exact, values, parts)
    qualities = {}
    for critic, value in values.items():
        means = {credit: exact.credited_gradient(graph, value) for credit, (graph, floor) in credits.items() if not floor}
        means["noisy"] = (1 - FLOOR) * means["hard"] + FLOOR * means["global"]
        for credit, (name, part) in itertools.product(CREDITS, parts.items()):
            without = own[part] if name == WAY else torch.zeros_like(own[part])
            qualities[critic, credit, name] = _compare(means[credit][part], true[part], without, *squares[critic, credit, name])
    return qualities


def _compare(mean: Tensor, true: Tensor, without: Tensor, square: float, error: float) -> EstimateQuality:
    """The quality of an estimate with expectation `mean`, after `without` is subtracted from it and from the exact gradient;
    `square`, `error`: the mean squared norm of one trajectory's estimate, and its standard error."""
    variance = square - float(mean.square().sum())
    mean, true = mean - without, true - without
    size = float(true.square().sum())
    return EstimateQuality(
        cosine=cosine(mean.numpy(), true.numpy()) if float(mean.norm()) > EXACTLY * math.sqrt(size) else None,
        bias=float((mean - true).norm()) / math.sqrt(size),
        part=float((mean * true).sum()) / size,
        noise=variance / size / BATCH,
        noise_error=error / size / BATCH,
    )


def _squares(
    case: Case, exact: Exact, values: dict[str, Tensor], parts: dict[str, tuple[int, list[int]]]
) -> dict[Key, tuple[float, float]]:
    """The mean squared norm of one trajectory's gradient, and its standard error (0 if all trajectories are enumerated)."""
    at_once = STEPS_AT_ONCE // case.world.steps
    batches = [min(at_once, case.episodes - start) for start in range(0, case.episodes, at_once)]
    draws = torch.Generator().manual_seed(derive(case.world.steps, "episodes"))
    sums: dict[Key, Tensor] = {}
    for batch in batches or [0]:
        trajectories = sampled_trajectories(exact, batch, draws) if batch else all_trajectories(exact)
        weight = trajectories.weight * (batch / case.episodes if batch else 1)
        running = torch.ones(trajectories.joint.shape, dtype=torch.bool)
        never = torch.zeros_like(running)
        for critic, value in values.items():
            advantage = gae(trajectories.reward, trajectories.along(value), running, never, 1.0, 1.0)
            for credit, (graph, floor) in credits_of(trajectories.graph).items():
                estimates = trajectories.gradients(multi_agent_advantage(graph, advantage, 1.0, floor))
                squared = estimates.square().sum(-1)
                for name, (agent, substates) in parts.items():
                    norms = squared[:, agent, substates].sum(1)
                    both = torch.stack([weight @ norms, weight @ norms.square()])
                    sums[critic, credit, name] = sums.get((critic, credit, name), torch.zeros_like(both)) + both
    squares = {}
    for key, total in sums.items():
        mean, fourth = total.tolist()
        squares[key] = (mean, math.sqrt(max(fourth - mean * mean, 0.0) / case.episodes) if case.episodes else 0.0)
    return squares
