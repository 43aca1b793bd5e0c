"""How much attention steps and agents receive: the credit that attention itself would give, to be compared with learned scores.

Pure functions. Attention is averaged over heads and over those that may look and act; who does not act counts neither as one
that looks nor as one that is looked at.
"""

from __future__ import annotations

import torch
from torch import Tensor


def by_steps(weights: Tensor, acting: Tensor) -> Tensor:
    """What each step receives [B, T] of causal attention weights [B, N, H, T, T] (query, key), acting [B, T, N] bool.

    The mean over the agents that act at the step of what their own steps, this one and later ones, give it on average. (The sum
    would grow with the number of later steps that can look.)
    """
    looking = acting.transpose(1, 2).to(weights.dtype)
    given = torch.einsum("bnqk,bnq->bnk", weights.mean(2), looking)
    onlookers = looking.flip(-1).cumsum(-1).flip(-1)
    each = (given / onlookers.clamp(min=1) * looking).sum(1)
    return each / looking.sum(1).clamp(min=1)


def by_agents(weights: Tensor, acting: Tensor) -> Tensor:
    """What each agent receives at each step [B, T, N] of attention weights among agents [B, T, H, N, N], acting [B, T, N] bool.

    The mean over the agents that act at the step, itself included.
    """
    present = acting.to(weights.dtype)
    given = torch.einsum("btij,bti->btj", weights.mean(2), present)
    return given / present.sum(-1, keepdim=True).clamp(min=1) * present


def product_of_parts(steps: Tensor, agents: Tensor) -> Tensor:
    """Weights [B, T, N] that sum to 1: a step's part of what steps receive [B, T], times an agent's part of what the agents of
    its step receive [B, T, N]."""
    of_steps = steps / steps.sum(1, keepdim=True).clamp(min=torch.finfo(steps.dtype).tiny)
    of_agents = agents / agents.sum(-1, keepdim=True).clamp(min=torch.finfo(agents.dtype).tiny)
    return of_steps[:, :, None] * of_agents
