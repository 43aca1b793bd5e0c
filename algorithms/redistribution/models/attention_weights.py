"""Attention received by steps and agents, as credit to compare with learned scores. Pure functions.

Attention weights are averaged over heads and over the queries that act; an agent that does not act counts neither as a query
nor as a key.
"""

from __future__ import annotations

import torch
from torch import Tensor


def by_steps(weights: Tensor, acting: Tensor) -> Tensor:
    """Attention received by each step [B, T], of causal weights [B, N, H, T, T] (query, key), acting [B, T, N] bool.

    For each agent that acts at step k: the mean of the weights of key k over the queries k, k + 1, … at which the agent acts;
    then the mean over these agents. (A sum over queries would grow with the number of later steps.)
    """
    queries = acting.transpose(1, 2).to(weights.dtype)
    received = torch.einsum("bnqk,bnq->bnk", weights.mean(2), queries)
    n_queries = queries.flip(-1).cumsum(-1).flip(-1)
    total = (received / n_queries.clamp(min=1) * queries).sum(1)
    return total / queries.sum(1).clamp(min=1)


def by_agents(weights: Tensor, acting: Tensor) -> Tensor:
    """Attention received by each agent at each step [B, T, N], of weights [B, T, H, N, N] (query, key), acting [B, T, N] bool.

    The mean over the agents that act at the step, the agent itself included.
    """
    present = acting.to(weights.dtype)
    received = torch.einsum("btij,bti->btj", weights.mean(2), present)
    return received / present.sum(-1, keepdim=True).clamp(min=1) * present


def product_of_parts(steps: Tensor, agents: Tensor) -> Tensor:
    """Weights [B, T, N] that sum to 1: steps [B, T] normalised over t, times agents [B, T, N] normalised over i at each t."""
    of_steps = steps / steps.sum(1, keepdim=True).clamp(min=torch.finfo(steps.dtype).tiny)
    of_agents = agents / agents.sum(-1, keepdim=True).clamp(min=torch.finfo(agents.dtype).tiny)
    return of_steps[:, :, None] * of_agents
