"""TAR2's normaliser: from scores to shares of the return by fixed rules. Pure functions without parameters.

A share is the weight of its step, times the weight of its agent at that step, times the return (Kapoor et al. 2025, arXiv
2502.04864):
    r_{t,i} = w_t w_{t,i} R,   C_t = sum of the acting agents' scores c_{t,i}.
Where an agent does not act its weight is 0, and so is that of a step at which none does. Kinds:

* "fixed", ours: w_t = (C_t - min C) / sum_t (C_t - min C), and w_{t,i} likewise among the agents that act at t; equal parts
  where the scores do not differ. The weights of the steps sum to 1, and so do those of the agents at every step at which one
  acts: the shares sum to R whatever the scores.
* "coded", as the authors released it: the same with 1e-5 added to the denominators, and no equal parts. A step with a single
  acting agent, or with equal scores, then loses its part of the return: half of the return if of 5 agents over 50 steps only
  one is alive in the last 25. Implemented to measure the effect.
* "softmax": of C over the steps and of c over the agents. Present but disabled in the authors' code.
* "signed", ours: "fixed" where the return is positive; of a negative return the largest part goes to the lowest score,
  w_t = (max C - C_t) / sum_t (max C - C_t). The other kinds give the *best* step the largest part of a negative return,
  which inverts the credit. The suite redistribution-signs measures the effect on learning.
* "none": the scores are the shares.

Under "fixed" and "coded" the share of the step with the lowest score is exactly 0, and so is that of the lowest agent of each
step.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Kind = Literal["fixed", "signed", "coded", "softmax", "none"]
Learned = Literal["both", "time", "agents", "neither"]
"""Which weights are computed from the scores; the others are uniform."""

EQUAL = 1e-8
"""Scores are treated as equal if their distances from the lowest sum to less than this, relative to their magnitude."""
CODED_EPSILON = 1e-5


def normalised_rewards(scores: Tensor, acting: Tensor, returns: Tensor, kind: Kind, learned: Learned = "both") -> Tensor:
    """Shares [B, T, N] of returns [B] by scores [B, T, N], 0 where acting [B, T, N] is False.

    They sum to the return under "fixed", "signed" and "softmax" if any agent ever acts. Raises ValueError for an unknown kind,
    and for "none" unless `learned` is "both", because "none" has no weights.
    """
    if kind == "none":
        if learned != "both":
            raise ValueError(f"without a normaliser there are no weights: shares must be 'both', not '{learned}'")
        return scores.masked_fill(~acting, 0.0)
    # In float64: a weight is a difference of sums, which in float32 would depend on the order of summation.
    exact = scores.double()
    if kind == "signed":
        exact, kind = torch.where(returns[:, None, None] < 0, -exact, exact), "fixed"
    over_time = time_weights(exact, acting, kind) if learned in ("both", "time") else equal_parts(acting.any(-1))
    over_agents = agent_weights(exact, acting, kind) if learned in ("both", "agents") else equal_parts(acting)
    return (over_time[:, :, None] * over_agents * returns.double()[:, None, None]).to(scores.dtype)


def time_weights(scores: Tensor, acting: Tensor, kind: Kind) -> Tensor:
    """The steps' weights w_t [B, T] of scores [B, T, N]."""
    return weights(scores.masked_fill(~acting, 0.0).sum(-1), acting.any(-1), kind)


def agent_weights(scores: Tensor, acting: Tensor, kind: Kind) -> Tensor:
    """The agents' weights within each step w_{t,i} [B, T, N] of scores [B, T, N]."""
    return weights(scores, acting, kind)


def weights(scores: Tensor, live: Tensor, kind: Kind) -> Tensor:
    """Non-negative weights […, K] of scores […, K] among the live entries of each row, 0 elsewhere."""
    if kind == "softmax":
        # With the lowest number instead of -inf, a row without live entries gives zeros, not NaN.
        return scores.masked_fill(~live, torch.finfo(scores.dtype).min).softmax(-1) * live
    if kind not in ("fixed", "coded"):
        raise ValueError(f"no weights of kind '{kind}': choose fixed, coded or softmax")
    lowest = scores.masked_fill(~live, torch.inf).amin(-1, keepdim=True)
    above = torch.where(live, scores - lowest, 0.0)
    total = above.sum(-1, keepdim=True)
    if kind == "coded":
        return above / (total + CODED_EPSILON)
    magnitude = torch.where(live, scores.abs(), 0.0).amax(-1, keepdim=True)
    # False for NaN, so that the scores of a diverged model give NaN.
    equal = total <= EQUAL * (1 + magnitude)
    return torch.where(equal, equal_parts(live), above / torch.where(equal, 1.0, total))


def equal_parts(live: Tensor) -> Tensor:
    """1 / (number of live entries of the row) at each of them, 0 elsewhere: float64 […, K] for live […, K] bool."""
    return live.double() / live.sum(-1, keepdim=True).clamp(min=1)
