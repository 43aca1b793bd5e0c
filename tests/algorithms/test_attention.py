"""Attention over steps and agents, against loops in numpy (tests/oracles/attention.py)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from algorithms.networks.attention import (
    CoalitionAttention,
    Coalitions,
    EncoderLayer,
    EncoderShape,
    causal_mask,
    drop,
    normal_embedding,
    uniform_linear,
)
from algorithms.redistribution.models.shapley import draw_coalitions
from tests.oracles.attention import encoder_by_loop, numpy

NEAR = {"rtol": 1e-4, "atol": 1e-5}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=generator(seed))


# The encoder layer

SHAPES = [
    EncoderShape(8, 2, 8),
    EncoderShape(8, 4, 12, "relu"),
    EncoderShape(6, 3, 24, "relu", wide_heads=True),
    EncoderShape(8, 2, 8, doubled_residual=True),
    EncoderShape(5, 2, 7, wide_heads=True, doubled_residual=True),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("masking", ["none", "causal", "one for all", "random with blind rows"])
def test_an_encoder_layer_equals_a_plain_loop(shape: EncoderShape, masking: str) -> None:
    layer = EncoderLayer(shape, generator())
    x = normal(3, 6, shape.width)
    running = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0]], dtype=torch.bool)
    mask = {
        "none": None,
        "causal": causal_mask(running),
        "one for all": causal_mask(torch.ones(1, 6, dtype=torch.bool)),
        "random with blind rows": torch.rand(3, 1, 6, 6, generator=generator(2)) < 0.3,
    }[masking]
    full = torch.ones(3, 6, 6, dtype=torch.bool) if mask is None else mask.expand(3, 1, 6, 6)[:, 0]
    output = layer(x, mask)
    for row in range(3):
        assert np.allclose(numpy(output[row]), encoder_by_loop(layer, numpy(x[row]), full[row].numpy()), **NEAR)


def test_a_mask_of_keys_alone_holds_for_all_queries() -> None:
    layer, x = EncoderLayer(SHAPES[0], generator()), normal(3, 6, 8)
    keys = torch.rand(3, 1, 1, 6, generator=generator(2)) < 0.6
    assert torch.equal(layer(x, keys), layer(x, keys.expand(3, 1, 6, 6)))
    assert torch.equal(layer(x, keys[0, 0]), layer(x, keys[:1].expand(3, 1, 6, 6)))


@pytest.mark.parametrize("shape", SHAPES[:3])
def test_parallel_sequences_are_encoded_independently(shape: EncoderShape) -> None:
    layer, x = EncoderLayer(shape, generator()), normal(3, 6, 4, shape.width)
    mask = causal_mask(torch.arange(6) < torch.tensor([[6], [2], [4]]))
    output = layer(x, mask)
    for sequence in range(4):
        assert torch.allclose(output[:, :, sequence], layer(x[:, :, sequence], mask), **NEAR)


def test_fully_masked_queries_have_finite_outputs_and_gradients() -> None:
    layer = EncoderLayer(SHAPES[0], generator())
    x = normal(2, 5, 8).requires_grad_()
    output = layer(x, torch.zeros(2, 1, 5, 5, dtype=torch.bool))
    output.square().sum().backward()
    assert output.isfinite().all()
    assert x.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())
    alone = layer(x.detach()[:, :1], torch.zeros(1, 1, dtype=torch.bool))
    assert torch.allclose(output[:, :1], alone, **NEAR)  # no key is visible, its own included


def test_the_fused_kernel_for_long_sequences_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = EncoderLayer(SHAPES[0], generator()), normal(3, 6, 2, 8)
    running = torch.arange(6) < torch.tensor([[6], [2], [0]])
    for mask in (None, causal_mask(running), causal_mask(running[:1])):
        spelled_out = layer(x, mask)
        with monkeypatch.context() as context:
            context.setattr("algorithms.networks.attention._LONGEST_UNFUSED", 5)
            assert torch.allclose(layer(x, mask), spelled_out, **NEAR)


@pytest.mark.parametrize("shape", SHAPES[:3])
def test_encoder_attention_weights_are_those_of_the_forward_pass(shape: EncoderShape) -> None:
    layer, x = EncoderLayer(shape, generator()), normal(3, 6, 2, shape.width)
    inner = shape.heads * layer._head_width
    values = layer.queries_keys_values(x)[..., 2 * inner :].view(3, 6, 2, shape.heads, -1)
    for mask in (None, torch.rand(3, 1, 6, 6, generator=generator(2)) < 0.4, torch.ones(6, 6, dtype=torch.bool).tril()):
        weights = layer.weights(x, mask)
        heads = torch.einsum("rghqk,rkghd->rqghd", weights, values).flatten(3)
        attended = layer.attention_output(heads)
        hidden = layer.attention_norm(x + attended)
        inner_values = layer.inner(hidden)
        activated = torch.relu(inner_values) if shape.activation == "relu" else torch.nn.functional.gelu(inner_values)
        assert torch.allclose(layer.output_norm(layer.outer(activated) + hidden), layer(x, mask), **NEAR)
        if mask is not None:
            assert (weights.masked_select(~mask.expand(3, 1, 6, 6).unsqueeze(1).expand(weights.shape)) == 0).all()


def test_the_encoder_has_the_parameter_count_of_the_original_layers() -> None:
    linear, norm = 128 * 128 + 128, 2 * 128
    narrow = EncoderLayer(EncoderShape(128, 4, 128), generator())
    wide = EncoderLayer(EncoderShape(128, 4, 128, wide_heads=True), generator())
    count = [sum(parameter.numel() for parameter in layer.parameters()) for layer in (narrow, wide)]
    assert count == [6 * linear + 2 * norm, 3 * 128 * 512 + 512 * 128 + 128 + 2 * linear + 2 * norm]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"heads": 3}, "3 heads cannot share a width of 8"),
        ({"feed_forward": 0}, "at least 1"),
        ({"activation": "tanh"}, "gelu or relu, not 'tanh'"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\)"),
    ],
)
def test_an_encoder_that_cannot_be_built_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        EncoderShape(**{"width": 8, "heads": 2, "feed_forward": 8, **changes})


# Causality


def test_a_causal_mask_allows_earlier_steps_while_both_are_running() -> None:
    actual = causal_mask(torch.tensor([[True, True, True], [True, True, False]]))
    assert actual.int().tolist() == [[[[1, 0, 0], [1, 1, 0], [1, 1, 1]]], [[[1, 0, 0], [1, 1, 0], [0, 0, 0]]]]


def stack(x: Tensor, mask: Tensor, layers: list[tuple[EncoderLayer, CoalitionAttention]], coalitions: Coalitions) -> Tensor:
    """x [B, T, N, E] through temporal and agent attention by turns."""
    for encoder, agents in layers:
        x = encoder(x, mask)
        x = agents(x.flatten(0, 1), coalitions).view(x.shape)
    return x


@pytest.mark.parametrize("padding_is_masked", [True, False])
def test_a_change_does_not_affect_earlier_steps_in_a_batch_of_mixed_lengths(padding_is_masked: bool) -> None:
    random = generator()
    layers = [(EncoderLayer(EncoderShape(8, 2, 8), random), CoalitionAttention(8, 2, 3, random)) for _ in range(2)]
    coalitions = draw_coalitions("banzhaf_masks", 3, 3, random)
    lengths = torch.tensor([3, 5, 1, 6])
    running = torch.arange(6) < lengths[:, None]
    mask = causal_mask(running if padding_is_masked else torch.ones_like(running[:1]))
    x = normal(4, 6, 3, 8)
    before = stack(x, mask, layers, coalitions)
    for t in range(6):
        changed = x.clone()
        changed[:, t] += 10
        after = stack(changed, mask, layers, coalitions)
        assert torch.equal(after[:, :t][running[:, :t]], before[:, :t][running[:, :t]])
        present = running[:, t]
        assert (after[present, t] != before[present, t]).any()
    padded = torch.where(running[..., None, None], x, torch.full_like(x, 7.0))
    assert torch.equal(stack(padded, mask, layers, coalitions)[running], before[running])


# Dropout


def test_dropout_comes_from_its_generator_alone() -> None:
    layer = EncoderLayer(EncoderShape(8, 2, 8, dropout=0.5), generator())
    x, mask = normal(3, 6, 8), causal_mask(torch.ones(1, 6, dtype=torch.bool))
    state = torch.get_rng_state()
    first, same, other = (layer(x, mask, generator(seed)) for seed in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    without = EncoderLayer(EncoderShape(8, 2, 8), generator())
    assert torch.equal(layer(x, mask), without(x, mask))


def test_dropout_zeroes_its_fraction_and_keeps_the_mean() -> None:
    kept = drop(torch.ones(100_000), 0.3, generator())
    assert kept.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert (kept == 0).double().mean().item() == pytest.approx(0.3, abs=5 * math.sqrt(0.21 / 100_000))
    assert kept.mean().item() == pytest.approx(1, abs=0.01)


def test_dropout_applies_to_attention_weights_and_to_both_outputs() -> None:
    """The generator is used three times, and each mask in turn drops everything: weights, attention, feed-forward."""
    layer = EncoderLayer(EncoderShape(8, 2, 8, dropout=0.5), generator())
    x, mask, random = normal(3, 6, 8), causal_mask(torch.ones(1, 6, dtype=torch.bool)), generator(9)
    layer(x, mask, random)
    expected = generator(9)
    for size in (3 * 2 * 6 * 6, 3 * 6 * 8, 3 * 6 * 8):
        torch.empty(size).bernoulli_(0.5, generator=expected)
    assert torch.equal(random.get_state(), expected.get_state())


# Layers


def test_initial_weights_have_their_distribution_and_depend_on_the_generator_alone() -> None:
    state = torch.get_rng_state()
    layer, same = uniform_linear(100, 400, generator()), uniform_linear(100, 400, generator())
    table = normal_embedding(50, 400, 0.01, generator())
    EncoderLayer(SHAPES[0], generator())
    CoalitionAttention(8, 2, 3, generator())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(layer.weight, same.weight)
    assert layer.weight.abs().max() <= 0.1
    assert layer.weight.std().item() == pytest.approx(0.1 / math.sqrt(3), rel=0.02)
    assert layer.bias.abs().max() <= 0.1
    assert table.weight.std().item() == pytest.approx(0.01, rel=0.02)


def trained(device: str = "cpu") -> Tensor:
    """Outputs after three steps of gradient descent on 64 episodes of 40 steps and 2 agents."""
    random = generator()
    encoder = EncoderLayer(EncoderShape(64, 4, 64), random)
    agents = CoalitionAttention(64, 4, 2, random)
    network = torch.nn.ModuleList([encoder, agents]).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    x = normal(64, 40, 2, 64).to(device)
    mask = causal_mask(torch.ones(1, 40, dtype=torch.bool, device=device))
    for _ in range(3):
        output = stack(x, mask, [(encoder, agents)], draw_coalitions("banzhaf_masks", 2, 3, random).to(torch.device(device)))
        optimiser.zero_grad()
        output.square().mean().backward()
        optimiser.step()
    return output.detach().cpu()


def test_training_twice_gives_the_same_bits() -> None:
    assert torch.equal(trained(), trained())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_agrees_with_the_cpu() -> None:
    assert torch.allclose(trained("cuda"), trained(), rtol=1e-2, atol=1e-3)
    layer, x = EncoderLayer(SHAPES[0], generator()), normal(2, 5, 8)
    mask = causal_mask(torch.tensor([[True] * 5, [True] * 2 + [False] * 3]))
    expected = layer(x, mask)
    assert torch.allclose(layer.to("cuda")(x.cuda(), mask.cuda()).cpu(), expected, rtol=1e-3, atol=1e-4)
