"""What is optimal in the game of individual goals, known exactly by shortest paths
(benchmark/environments/native/grids/individual_goals.py).

An agent pays for every step after which it is not on its goal, whatever the others do; agents do not block each other; and the
prize comes when the last one arrives, if nobody leaves its goal before. So the return is largest if and only if each agent goes
nearer to its own goal with every step and then stays there. An agent that cannot reach its goal in the steps that are left
gains nothing by anything it does. (tests/papers/test_learned_policies_study.py shows it by dynamic
programming on a small grid.)
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.environments.native.grids.individual_goals import AWAY, MOVES, PRIZE


def offsets(observation: Tensor, side: int) -> Tensor:
    """Cells (x, y) [..., 2] from each agent to its goal, int64, from its observation [..., O]: its own place comes first."""
    return (observation[..., 2:4] * (side - 1)).round().long()


def distances(observation: Tensor, side: int) -> Tensor:
    """Steps [...] that each agent needs to its goal."""
    return offsets(observation, side).abs().sum(-1)


def optimal_actions(observation: Tensor, side: int) -> Tensor:
    """[..., A] bool: the actions after which an agent is one step nearer to its goal, or that keep it there.

    They are the optimal ones for an agent that can still reach its goal; no move of theirs leads over the border.
    """
    left = offsets(observation, side)
    after = (left[..., None, :] - torch.from_numpy(MOVES)).abs().sum(-1)
    now = left.abs().sum(-1, keepdim=True)
    return after == (now - 1).clamp(min=0)


def best_returns(start: Tensor, horizon: int, positive: bool) -> Tensor:
    """The largest return [B] of episodes that start `start` [B, N] steps from the goals, if all can be reached in time.

    `positive`: of the game whose returns are larger by a constant.
    """
    shift = -AWAY * start.shape[1] * horizon if positive else 0.0
    return PRIZE + AWAY * (start - 1).clamp(min=0).double().sum(1) + shift
