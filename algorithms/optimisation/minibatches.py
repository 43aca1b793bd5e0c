"""Which rows of a batch a gradient step learns from."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

Rows = Tensor | slice
"""Rows of a minibatch: an index on the CPU or the device, or all of them, which need not be copied."""


def minibatches(rows: int, count: int, generator: torch.Generator, device: torch.device) -> Iterator[Rows]:
    """One epoch: a random permutation of 0..rows-1 cut into `count` parts of (nearly) equal size, some of them empty if
    there are fewer rows than parts.

    `generator` lives on the CPU whatever the device of the data, so that a seed means the same everywhere.
    """
    if count == 1:
        yield slice(None)
    else:
        yield from torch.randperm(rows, generator=generator).to(device).tensor_split(count)


def take(values: Tensor, rows: Rows) -> Tensor:
    """The chosen rows of the first dimension. (`index_select` is several times faster than indexing on a CPU.)"""
    return values[rows] if isinstance(rows, slice) else values.index_select(0, rows)


def step_places(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Where mask [B, T, …] is set: flat places [M] in a tensor [B, T, …], and in one of the same kind [B, T+1, …]."""
    places = mask.reshape(-1).nonzero()[:, 0]
    per_step = mask[0, 0].numel()
    return places, places + places.div(mask.shape[1] * per_step, rounding_mode="floor") * per_step
