"""Shapley and Banzhaf values by their definitions."""

from __future__ import annotations

import math
from itertools import permutations

import torch
from torch import Tensor


def shapley_by_permutations(v: Tensor) -> Tensor:
    """The mean marginal contribution over all n! orders of the players: float64 [n] of a game v [2^n]."""
    n = len(v).bit_length() - 1
    total = [0.0] * n
    for order in permutations(range(n)):
        present = 0
        for player in order:
            total[player] += float(v[present | 1 << player] - v[present])
            present |= 1 << player
    return torch.tensor(total, dtype=torch.float64) / math.factorial(n)


def banzhaf_by_loop(v: Tensor) -> Tensor:
    """The mean marginal contribution over all coalitions without the player: float64 [n] of a game v [2^n]."""
    n = len(v).bit_length() - 1
    return torch.stack(
        [torch.stack([v[c | 1 << i] - v[c] for c in range(1 << n) if not c >> i & 1]).mean() for i in range(n)],
    )
