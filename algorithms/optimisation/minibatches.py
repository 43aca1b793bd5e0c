"""Minibatches: the rows of a batch that a gradient step uses."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

Rows = Tensor | slice
"""Rows of a minibatch: an index tensor, or a slice of all rows, which needs no copy."""


def minibatches(rows: int, count: int, generator: torch.Generator, device: torch.device) -> Iterator[Rows]:
    """One epoch: a random permutation of 0..rows-1 in `count` minibatches whose sizes differ by at most 1 (some are empty if
    there are fewer rows than minibatches).

    `generator` is on the CPU for data on any device, so that a seed gives the same permutation everywhere.
    """
    if count == 1:
        yield slice(None)
    else:
        yield from torch.randperm(rows, generator=generator).to(device).tensor_split(count)


def take(values: Tensor, rows: Rows) -> Tensor:
    """The given rows of the first dimension. (`index_select` is several times faster than indexing on a CPU.)"""
    return values[rows] if isinstance(rows, slice) else values.index_select(0, rows)


def flat_step_indices(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Flat indices [M] of the entries where mask [B, T, …] is True: into a tensor [B, T, …], and into one [B, T+1, …]."""
    indices = mask.reshape(-1).nonzero()[:, 0]
    per_step = mask[0, 0].numel()
    return indices, indices + indices.div(mask.shape[1] * per_step, rounding_mode="floor") * per_step
