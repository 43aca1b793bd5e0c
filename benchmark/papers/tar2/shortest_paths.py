"""Optimal actions and returns of the game of individual goals, by shortest paths
(benchmark/environments/native/grids/individual_goals.py).

Each step after which an agent is not on its goal costs a constant, whatever the others do; agents do not block each other; the
prize is given when the last agent arrives, if no agent has left its goal before. So the return is maximal if and only if each
agent gets nearer to its goal with every step and then stays there. The actions of an agent that can no longer reach its goal do
not change the return. tests/papers/test_learned_policies_study.py confirms this by dynamic programming on a small grid.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.environments.native.grids.individual_goals import AWAY, MOVES, PRIZE


def offsets(observation: Tensor, side: int) -> Tensor:
    """Cells (x, y) [..., 2] from each agent to its goal, int64, from its observation [..., O]."""
    return (observation[..., 2:4] * (side - 1)).round().long()


def distances(observation: Tensor, side: int) -> Tensor:
    """Steps [...] from each agent to its goal."""
    return offsets(observation, side).abs().sum(-1)


def optimal_actions(observation: Tensor, side: int) -> Tensor:
    """[..., A] bool: the actions after which an agent is one step nearer to its goal, or that keep it there.

    They are the optimal actions of an agent that can still reach its goal; none of them leads off the grid.
    """
    left = offsets(observation, side)
    after = (left[..., None, :] - torch.from_numpy(MOVES)).abs().sum(-1)
    now = left.abs().sum(-1, keepdim=True)
    return after == (now - 1).clamp(min=0)


def best_returns(start: Tensor, horizon: int, positive: bool) -> Tensor:
    """The maximal return [B] of episodes that start `start` [B, N] steps from the goals, if all can be reached in time.

    `positive`: in the variant of the game whose returns are larger by a constant.
    """
    shift = -AWAY * start.shape[1] * horizon if positive else 0.0
    return PRIZE + AWAY * (start - 1).clamp(min=0).double().sum(1) + shift
