"""What both versions of TAR2 build beside attention: small networks, the outcome, and the pieces of inverse dynamics.

Inverse dynamics is an auxiliary task: predict what an agent did from what the team saw and the agent's features of the step
before. It keeps in the tokens what matters for actions, where the regression alone would see only what matters for the return.
F: width of a feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from algorithms.networks.attention import uniform_linear
from algorithms.networks.fast_linear import fast_linear
from algorithms.redistribution.models.trajectories import Trajectories


class GELUNetwork(nn.Module):
    """Linear layers of these `sizes` with GELUs between them."""

    def __init__(self, sizes: Sequence[int], generator: torch.Generator) -> None:
        super().__init__()
        self.layers = nn.ModuleList(uniform_linear(inputs, outputs, generator) for inputs, outputs in pairwise(sizes))

    def forward(self, x: Tensor) -> Tensor:
        """[…, first size] -> […, last size]."""
        *hidden, last = self.layers
        for layer in hidden:
            x = F.gelu(fast_linear(layer, x))
        return fast_linear(last, x)


def outcome(features: Tensor, acting: Tensor) -> Tensor:
    """How an episode ended [B, F]: the mean of the agents' features [B, T, N, F] at the last step at which each acted.

    Agents that never acted are left out.
    """
    steps = torch.arange(acting.shape[1], device=acting.device)
    last = torch.where(acting, steps[:, None], 0).amax(1)
    ends = features.gather(1, last[:, None, :, None].expand(-1, -1, -1, features.shape[-1]))[:, 0]
    took_part = acting.any(1)
    return (ends * took_part[..., None]).sum(1) / took_part.sum(1, keepdim=True).clamp(min=1)


def with_outcome(features: Tensor, end: Tensor) -> Tensor:
    """[B, T, N, 2F]: features [B, T, N, F], each beside its episode's outcome [B, F]."""
    return torch.cat([features, end[:, None, None].expand_as(features)], -1)


def team_state(states: Tensor, acting: Tensor) -> Tensor:
    """[B, T, 1, F]: the mean of states [B, T, N, F] over the agents that act, 0 where none does."""
    present = acting[..., None]
    return (states * present).sum(2, keepdim=True) / present.sum(2, keepdim=True).clamp(min=1)


def step_before(features: Tensor) -> Tensor:
    """The features [B, T, …] of the step before, 0 at the first step."""
    return torch.cat([torch.zeros_like(features[:, :1]), features[:, :-1]], 1)


def step_after(features: Tensor) -> Tensor:
    """The features [B, T, …] of the step after, 0 at the last step."""
    return torch.cat([features[:, 1:], torch.zeros_like(features[:, :1])], 1)


def action_loss(logits: Tensor, trajectories: Trajectories) -> Tensor:
    """The mean cross-entropy of the actions taken, of logits [B, T, N, A]."""
    each = F.cross_entropy(logits.flatten(0, 2), trajectories.action.flatten(), reduction="none")
    acting = trajectories.acting.flatten()
    return (each * acting).sum() / acting.sum().clamp(min=1)
