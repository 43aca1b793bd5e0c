"""Linear layers over many rows, against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from algorithms.networks.fast_linear import fast_linear


def test_without_onednn_fast_linear_is_the_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(64, 96), torch.randn(2000, 64)
    monkeypatch.setattr("algorithms.networks.fast_linear._ONEDNN", None)
    assert torch.equal(fast_linear(layer, x), layer(x))


@pytest.mark.parametrize("bias", [True, False])
def test_products_of_many_rows_equal_those_of_few(bias: bool) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(64, 96, bias=bias)
    x = torch.randn(50, 40, 2, 64)[:, :, 1].requires_grad_()  # strided, 2000 rows: by oneDNN
    many, few = fast_linear(layer, x), layer(x)
    assert many.shape == few.shape
    assert torch.allclose(many, few, rtol=1e-4, atol=1e-5)
    gradients = [torch.autograd.grad(y.square().sum(), [x, *layer.parameters()]) for y in (many, few)]
    for first, second in zip(*gradients, strict=True):
        assert torch.allclose(first, second, rtol=1e-4, atol=1e-2)
