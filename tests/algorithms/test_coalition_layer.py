"""One attention over the agents: coalitions, the agents' embedding and its rotations."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from algorithms.redistribution.models.coalition_layer import CoalitionLayer
from algorithms.redistribution.models.shapley import draw_coalitions
from algorithms.settings.redistribution import STASSettings
from tests.fixtures.reward_models import generator, remove_agent_embeddings


def layer_of(agents: int, **settings: Any) -> CoalitionLayer:
    return CoalitionLayer(STASSettings(width=16, heads=2, **settings), agents, generator())


@torch.no_grad()
def with_equal_embeddings(layer: CoalitionLayer) -> CoalitionLayer:
    """The layer with one embedding for all agents, so that all rotations of the table give the same tokens."""
    layer.agent.weight.copy_(layer.agent.weight[:1].expand_as(layer.agent.weight).clone())
    return layer


def test_an_agents_output_depends_on_members_of_its_coalitions_only() -> None:
    layer = layer_of(5, coalitions=1)
    remove_agent_embeddings(layer)
    x, acting = torch.randn(4, 6, 5, 16, generator=generator(1)), torch.ones(4, 6, 5, dtype=torch.bool)
    with torch.no_grad():
        before = layer(x, acting, generator(7), False)
        members = layer.coalitions(generator(7)).members[0]
        assert 5 < members.sum() < 25
        for other in range(5):
            moved = x.clone()
            moved[:, :, other] += 1.0
            felt = (layer(moved, acting, generator(7), False) != before).any(-1)  # [B, T, N]
            assert torch.equal(felt.flatten(0, 1).any(0), members[:, other])
            assert torch.equal(felt.flatten(0, 1).all(0), members[:, other])


def test_two_agents_are_averaged_over_the_coalitions_alone_and_together() -> None:
    layer = with_equal_embeddings(layer_of(2, shapley="exact"))
    x, both = torch.randn(3, 4, 2, 16, generator=generator(1)), torch.ones(3, 4, 2, dtype=torch.bool)
    z = x + layer.agent.weight
    keys, values = layer.attention.keys_values(z).chunk(2, -1)
    with torch.no_grad():
        actual = layer(x, both, generator(), False)
        for agent in range(2):
            heads = []
            for part in range(2):
                head = slice(8 * part, 8 * part + 8)
                query = layer.attention.queries[agent](z[:, :, agent])[..., head]
                weights = ((query[:, :, None] * keys[..., head]).sum(-1) / math.sqrt(8)).softmax(-1)
                together = (weights[..., None] * values[..., head]).sum(2)
                heads.append((together + values[:, :, agent, head]) / 2)
            torch.testing.assert_close(actual[:, :, agent], layer.attention.output(torch.cat(heads, -1)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("agents", "rotations"), [(1, [0]), (2, [0, 1]), (4, [0, 1, 2, 3]), (5, [0, 1, 2, 3]), (10, [0, 2, 5, 7])]
)
def test_rotations_are_all_of_a_small_team_and_spread_evenly_over_a_large_one(agents: int, rotations: list[int]) -> None:
    layer = layer_of(agents, shapley="all")
    seen = []
    layer.attention.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][0]))
    layer(torch.zeros(1, 1, agents, 16), torch.ones(1, 1, agents, dtype=torch.bool), generator(), False)
    assert len(seen) == len(rotations)
    for tokens, rotation in zip(seen, rotations, strict=True):
        assert torch.equal(tokens, layer.agent.weight[[(agent + rotation) % agents for agent in range(agents)]])


def test_all_coalitions_of_the_exact_law_have_their_shapley_weights() -> None:
    actual = layer_of(4, shapley="exact").coalitions(generator())
    assert actual.members.shape == (8, 4, 4)
    others = actual.members.sum(-1) - 1
    for size, weight in enumerate([1 / 4, 1 / 12, 1 / 12, 1 / 4]):
        torch.testing.assert_close(actual.weights[others == size], torch.full(((others == size).sum(),), weight))


@pytest.mark.parametrize("law", ["banzhaf_masks", "permutation", "owen", "all"])
def test_other_laws_draw_the_given_number_of_coalitions(law: str) -> None:
    actual = layer_of(4, shapley=law, coalitions=6).coalitions(generator(3))
    expected = draw_coalitions(law, 4, 6, generator(3))
    assert torch.equal(actual.members, expected.members)
    assert torch.equal(actual.weights, expected.weights)


def test_coalition_layer_weights_are_those_of_the_forward_pass() -> None:
    layer = with_equal_embeddings(layer_of(3, coalitions=2))
    x, acting = torch.randn(2, 4, 3, 16, generator=generator(1)), torch.rand(2, 4, 3, generator=generator(2)) < 0.7
    with torch.no_grad():
        weights = layer.weights(x, acting, generator(7))
        assert weights.shape == (2, 4, 2, 3, 3)
        values = layer.attention.keys_values(x + layer.agent.weight)[..., 16:].unflatten(-1, (2, 8))
        heads = torch.einsum("bthij,btjhd->btihd", weights, values).flatten(-2)
        torch.testing.assert_close(layer.attention.output(heads), layer(x, acting, generator(7), False), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 2, 3))
    seen_by_others = weights.masked_fill(torch.eye(3, dtype=torch.bool), 0).sum((2, 3))
    assert (seen_by_others[~acting] == 0).all()
