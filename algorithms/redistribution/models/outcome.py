"""How an episode ended, as TAR2's scores see it. F: width of a feature."""

from __future__ import annotations

import torch
from torch import Tensor


def outcome(features: Tensor, acting: Tensor) -> Tensor:
    """The outcome [B, F]: the mean over agents of the features [B, T, N, F] at the last step at which each agent acted.

    acting [B, T, N] bool. Agents that never acted are left out.
    """
    steps = torch.arange(acting.shape[1], device=acting.device)
    last = torch.where(acting, steps[:, None], 0).amax(1)
    final = features.gather(1, last[:, None, :, None].expand(-1, -1, -1, features.shape[-1]))[:, 0]
    took_part = acting.any(1)
    return (final * took_part[..., None]).sum(1) / took_part.sum(1, keepdim=True).clamp(min=1)


def with_outcome(features: Tensor, outcomes: Tensor) -> Tensor:
    """[B, T, N, 2F]: features [B, T, N, F] concatenated with the outcome [B, F] of their episode."""
    return torch.cat([features, outcomes[:, None, None].expand_as(features)], -1)
