"""A multilayer perceptron with GELUs, as the heads of TAR2 use it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from algorithms.networks.attention import uniform_linear
from algorithms.networks.fast_linear import fast_linear


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
