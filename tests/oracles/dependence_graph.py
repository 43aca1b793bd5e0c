"""Earliest arrival and the multi-agent advantage, written out as the definitions in
algorithms/advantages/dependence_graph/graph.py state them."""

from __future__ import annotations

import torch
from torch import Tensor


def arrival_by_walk(graph: Tensor, start: int, actor: int) -> list[int]:
    """E_start[actor, i] for all agents i: the step at which a walk along the edges [T, N, N] first reaches i, T if never."""
    steps, agents = graph.shape[:2]
    arrival = [steps] * agents
    reached = {actor}
    for step in range(start, steps):
        reached = {i for j in reached for i in range(agents) if graph[step, j, i]}
        for agent in reached:
            arrival[agent] = min(arrival[agent], step)
    return arrival


def advantage_by_double_sum(graph: Tensor, error: Tensor, length: int, decay: float, floor: float) -> Tensor:
    """The double sum of the paper for one episode: TD errors [T, N] weighted by reachability, from products of matrices."""
    steps, agents = error.shape
    advantage = torch.zeros(steps, agents, dtype=torch.float64)
    edges = graph.double()
    for start in range(length):
        paths = torch.eye(agents, dtype=torch.float64)
        for step in range(start, length):
            paths = ((paths @ edges[step]) > 0).double()
            weight = (1 - floor) * paths + floor
            advantage[start] += decay ** (step - start) * (weight @ error[step].double())
    return advantage
