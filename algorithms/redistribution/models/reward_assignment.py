"""From the shares of a return to the rewards of the learner, and monitors of the shares. Pure functions."""

from __future__ import annotations

import torch
from torch import Tensor

from algorithms.policy_gradient.redistributor import Redistribution
from algorithms.redistribution.models.trajectories import Trajectories
from algorithms.settings.redistribution import RedistributionSettings


def assign_rewards(shares: Tensor, trajectories: Trajectories, settings: RedistributionSettings) -> Redistribution:
    """Rewards from the shares [B, T, N] of the return, under `settings.payment`, with monitors.

    "agent": r_{t,i} = share_{t,i}. "team": r_{t,i} = sum_j share_{t,j}, for dead agents too. Only "team" with shares that sum
    to the return R keeps every policy's objective, and only for gamma = 1: the discounted sum of the rewards is not gamma^(L-1)
    R. (Rewards gamma^(L-1-t) r_t would have that sum; neither the paper nor its code weights them so.)
    """
    reward = shares
    if settings.payment == "team":
        reward = (shares.sum(-1, keepdim=True) * trajectories.running[:, :, None]).expand_as(shares)
    return Redistribution(shares, reward, monitors(shares, trajectories))


def monitors(shares: Tensor, trajectories: Trajectories) -> dict[str, Tensor | float]:
    """Errors of the sum of the shares, and entropies of their distribution over steps and agents.

    `sum_error_mean`, `sum_error_max`: |sum r - R| / max(1, |R|). `time_entropy`, `agent_entropy`: entropy of the fractions of
    sum |r| that the steps, or the agents, have, divided by the entropy of equal fractions (1: evenly distributed); means over
    the episodes for which they are defined.
    """
    error = (shares.sum((1, 2)) - trajectories.returns).abs() / trajectories.returns.abs().clamp(min=1)
    magnitudes = shares.abs()
    agents = (trajectories.acting.any(1)).sum(-1)
    return {
        "sum_error_mean": error.mean(),
        "sum_error_max": error.max(),
        "time_entropy": evenness(magnitudes.sum(2), trajectories.length),
        "agent_entropy": evenness(magnitudes.sum(1), agents),
    }


def evenness(parts: Tensor, count: Tensor) -> Tensor:
    """Normalised entropy of non-negative parts [B, K]: mean over the rows of entropy(parts / sum) / log(count), count [B].

    Rows that sum to 0 or have a count of 1 are left out; the result is 1 if no row remains.
    """
    total = parts.sum(1, keepdim=True)
    share = parts / total.clamp(min=torch.finfo(parts.dtype).tiny)
    entropy = -torch.xlogy(share, share).sum(1)
    defined = (total[:, 0] > 0) & (count > 1)
    if not bool(defined.any()):
        return torch.ones((), device=parts.device)
    return (entropy[defined] / count[defined].to(parts.dtype).log()).mean()
