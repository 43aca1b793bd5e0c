"""Attention over agents, averaged over coalitions, against loops in numpy (tests/oracles/attention.py)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from algorithms.networks.attention import CoalitionAttention, Coalitions, batched_coalition_attention
from algorithms.networks.coalition_kernel import compiled_coalition_attention
from algorithms.redistribution.models.shapley import draw_coalitions, exact_coalitions
from tests.fixtures.reward_models import share_query_maps
from tests.oracles.attention import coalition_attention_by_loop, numpy

NEAR = {"rtol": 1e-4, "atol": 1e-5}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=generator(seed))


def coalitions_of(name: str, agents: int, tokens: int) -> Coalitions:
    if name == "exact shapley":
        return exact_coalitions(agents, "shapley")
    if name == "weighted":
        drawn = draw_coalitions("owen", agents, 4, generator(3))
        return Coalitions(drawn.members, torch.rand(4, agents, generator=generator(4)).softmax(0))
    return draw_coalitions(name, agents, 3, generator(3), tokens=tokens if name == "permutation" else None)


@pytest.mark.parametrize("name", ["banzhaf_masks", "permutation", "all", "exact shapley", "weighted"])
@pytest.mark.parametrize("agents", [1, 2, 5])
def test_coalition_attention_equals_a_loop_over_coalitions(name: str, agents: int) -> None:
    module = CoalitionAttention(8, 2, agents, generator())
    z, coalitions = normal(6, agents, 8), coalitions_of(name, agents, 6)
    all_alive = torch.ones(6, agents, dtype=torch.bool)
    some = torch.rand(6, agents, generator=generator(2)) < 0.5
    for alive in (all_alive, some):
        expected = coalition_attention_by_loop(module, numpy(z), coalitions, alive.numpy())
        assert np.allclose(numpy(module(z, coalitions, alive)), expected, **NEAR)
    assert torch.equal(module(z, coalitions), module(z, coalitions, all_alive))


def core_inputs(name: str, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    """Queries, keys and values, members, weights, alive for 5 tokens, 4 agents, 2 heads of width 3."""
    coalitions = coalitions_of(name, 4, 5)
    queries, keys_values = normal(5, 4, 2, 3).to(dtype), normal(5, 4, 2, 2, 3, seed=2).to(dtype)
    alive = torch.rand(5, 4, generator=generator(5)) < 0.7
    return queries.requires_grad_(), keys_values.requires_grad_(), coalitions.members, coalitions.weights, alive


@pytest.mark.parametrize("name", ["banzhaf_masks", "permutation", "exact shapley"])
def test_the_compiled_core_agrees_with_the_batched_one_and_its_gradient_with_finite_differences(name: str) -> None:
    inputs = core_inputs(name)
    outputs = compiled_coalition_attention(*inputs), batched_coalition_attention(*inputs)
    assert torch.allclose(*outputs, rtol=0, atol=1e-7)  # the weights of coalitions are float32
    upstream = normal(*outputs[0].shape, seed=6).double()
    gradients = [torch.autograd.grad(output, inputs[:2], upstream) for output in outputs]
    for first, second in zip(*gradients, strict=True):
        assert torch.allclose(first, second, rtol=0, atol=1e-6)
    assert torch.autograd.gradcheck(lambda q, kv: compiled_coalition_attention(q, kv, *inputs[2:]), inputs[:2])


@pytest.mark.parametrize("core", [compiled_coalition_attention, batched_coalition_attention])
@pytest.mark.parametrize("size", [30.0, 1000.0])
def test_scores_of_any_size_give_finite_outputs_and_gradients(core, size: float) -> None:
    queries, keys_values, *rest = core_inputs("exact shapley", torch.float32)
    queries = (queries * size).detach().requires_grad_()
    output = core(queries, keys_values, *rest)
    expected = core(queries.double(), keys_values.double(), *rest)
    assert torch.allclose(output.double(), expected, rtol=1e-3, atol=1e-3)
    for gradient in torch.autograd.grad(output.sum(), (queries, keys_values)):
        assert gradient.isfinite().all()


@pytest.mark.parametrize("core", [compiled_coalition_attention, batched_coalition_attention])
def test_a_nan_score_gives_nan_outputs(core) -> None:
    queries, keys_values, members, weights, _ = core_inputs("all", torch.float32)
    with torch.no_grad():
        queries[0, 1, 0, 0] = math.nan
    output = core(queries, keys_values, members, weights, torch.ones(5, 4, dtype=torch.bool))
    assert output[0, 1, 0].isnan().all()
    assert output[1:].isfinite().all()


def test_agents_outside_a_coalition_have_no_effect() -> None:
    module, z = CoalitionAttention(8, 2, 4, generator()), normal(6, 4, 8)
    coalitions = draw_coalitions("banzhaf_masks", 4, 1, generator(3))
    before = module(z, coalitions)
    for other in range(4):
        changed = z.clone()
        changed[:, other] += 5
        deaf = ~coalitions.members[0, :, other]
        after = module(changed, coalitions)
        assert torch.equal(after[:, deaf], before[:, deaf])
        assert (after[:, ~deaf] != before[:, ~deaf]).any(-1).all()
    alone = Coalitions(torch.eye(4, dtype=torch.bool)[None], torch.ones(1, 4))
    values = module.keys_values(z)[..., 8:]
    assert torch.allclose(module(z, alone), module.output(values), **NEAR)


def test_dead_agents_have_no_effect_on_others() -> None:
    module, z = CoalitionAttention(8, 2, 4, generator()), normal(6, 4, 8)
    alive = torch.tensor([True, False, True, True]).expand(6, 4)
    changed = z.clone()
    changed[:, 1] += 5
    coalitions = draw_coalitions("all", 4, 1, generator())
    others = [0, 2, 3]
    assert torch.equal(module(changed, coalitions, alive)[:, others], module(z, coalitions, alive)[:, others])


@pytest.mark.parametrize(("law", "kind"), [("permutation", "shapley"), ("owen", "shapley"), ("banzhaf_masks", "banzhaf")])
def test_the_error_of_sampled_attention_falls_with_the_root_of_the_draws(law: str, kind: str) -> None:
    module, z, repeats = CoalitionAttention(8, 2, 4, generator()), 3 * normal(1, 4, 8), 3000
    draws = (1, 4, 16, 64)
    with torch.no_grad():
        exact = module(z, exact_coalitions(4, kind))
        errors = [
            (module(z.expand(repeats, -1, -1), draw_coalitions(law, 4, k, generator(k), tokens=repeats)) - exact)
            .square()
            .mean()
            .sqrt()
            for k in draws
        ]
    x, y = torch.tensor(draws).double().log(), torch.stack(errors).double().log()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    assert slope.item() == pytest.approx(-0.5, abs=0.05)
    assert errors[-1] < 0.2 * errors[0]


@pytest.mark.parametrize("name", ["banzhaf_masks", "permutation", "exact shapley"])
def test_coalition_weights_are_those_of_the_forward_pass(name: str) -> None:
    module, z, coalitions = CoalitionAttention(8, 2, 4, generator()), normal(6, 4, 8), coalitions_of(name, 4, 6)
    alive = torch.rand(6, 4, generator=generator(2)) < 0.7
    weights = module.weights(z, coalitions, alive)
    assert torch.allclose(weights.sum(-1), torch.ones(6, 2, 4), **NEAR)
    values = module.keys_values(z)[..., 8:].view(6, 4, 2, 4)
    heads = torch.einsum("mhij,mjhd->mihd", weights, values).flatten(2)
    assert torch.allclose(module.output(heads), module(z, coalitions, alive), **NEAR)


def test_permuting_agents_permutes_outputs_with_shared_queries_only() -> None:
    z, order = normal(6, 4, 8), [2, 0, 3, 1]
    coalitions = exact_coalitions(4, "shapley")
    shared, per_agent = CoalitionAttention(8, 2, 4, generator()), CoalitionAttention(8, 2, 4, generator())
    share_query_maps(shared)
    assert torch.allclose(shared(z[:, order], coalitions), shared(z, coalitions)[:, order], **NEAR)
    assert not torch.allclose(per_agent(z[:, order], coalitions), per_agent(z, coalitions)[:, order], rtol=0, atol=1e-2)


def test_coalition_attention_has_as_many_parameters_as_the_release() -> None:
    for agents in (2, 3, 15):  # with the release's table of agents, 128 each: 82,816, 99,456 and 299,136
        module = CoalitionAttention(128, 4, agents, generator())
        expected = {2: 82_816, 3: 99_456, 15: 299_136}[agents] - agents * 128
        assert sum(parameter.numel() for parameter in module.parameters()) == expected


def test_mismatched_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="3 heads cannot share a width of 8"):
        CoalitionAttention(8, 3, 2, generator())
    with pytest.raises(ValueError, match="of 2 agents got 3"):
        CoalitionAttention(8, 2, 2, generator())(normal(1, 3, 8), exact_coalitions(3, "shapley"))
    module = CoalitionAttention(8, 2, 2, generator())
    with pytest.raises(ValueError, match="for 4 tokens, not 5"):
        module(normal(5, 2, 8), draw_coalitions("owen", 2, 1, generator(), tokens=4))
    with pytest.raises(ValueError, match="alive must be bool"):
        module(normal(5, 2, 8), exact_coalitions(2, "shapley"), torch.ones(4, 2, dtype=torch.bool))
    members = torch.ones(2, 3, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match="members must be bool"):
        Coalitions(members.float(), torch.ones(2, 3) / 2)
    with pytest.raises(ValueError, match=r"weights must be \[K, N\] = \[2, 3\]"):
        Coalitions(members, torch.ones(3) / 2)
    members[1, 2, 2] = False
    with pytest.raises(ValueError, match="diagonal of members must be True"):
        Coalitions(members, torch.ones(2, 3) / 2)
