"""Inverse dynamics, the auxiliary task of TAR2: predict each action from the team's states and the agent's previous features.

The regression on returns trains the tokens only for what predicts the return; this loss also keeps in them what predicts the
actions. Each version of TAR2 combines these parts in its own way. F: width of a feature.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from algorithms.redistribution.models.trajectories import Trajectories


def team_state(states: Tensor, acting: Tensor) -> Tensor:
    """[B, T, 1, F]: the mean of states [B, T, N, F] over the agents that act, 0 where none does."""
    present = acting[..., None]
    return (states * present).sum(2, keepdim=True) / present.sum(2, keepdim=True).clamp(min=1)


def previous_step(features: Tensor) -> Tensor:
    """The features [B, T, …] of step t - 1, 0 at the first step."""
    return torch.cat([torch.zeros_like(features[:, :1]), features[:, :-1]], 1)


def next_step(features: Tensor) -> Tensor:
    """The features [B, T, …] of step t + 1, 0 at the last step."""
    return torch.cat([features[:, 1:], torch.zeros_like(features[:, :1])], 1)


def action_loss(logits: Tensor, trajectories: Trajectories) -> Tensor:
    """The mean cross-entropy of the actions taken, of logits [B, T, N, A]; 0 if no agent ever acts."""
    losses = F.cross_entropy(logits.flatten(0, 2), trajectories.action.flatten(), reduction="none")
    acting = trajectories.acting.flatten()
    return (losses * acting).sum() / acting.sum().clamp(min=1)
