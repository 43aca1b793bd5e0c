"""What the scores of TAR2 learn, and their replacements: attention received, noise, an untrained network, inverted scores."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from algorithms.networks.attention import CoalitionAttention, EncoderLayer, EncoderShape, causal_mask
from algorithms.redistribution.models.attention_weights import by_agents, by_steps, product_of_parts
from algorithms.redistribution.models.shapley import draw_coalitions
from algorithms.redistribution.tar2 import TAR2
from algorithms.redistribution.tar2_raw import TAR2Raw
from algorithms.settings.redistribution import TAR2RawSettings, TAR2Settings
from tests.fixtures.reward_models import KnownCredit, changed, fitted, generator, made_up, scores_of
from tests.fixtures.toy_team import toy_team

TEAM = toy_team(n_agents=3, observation_size=4, action_size=3, horizon=6)
SMALL = {"width": 16, "heads": 2, "depth": 2, "coalitions": 2}
REPLACEMENTS = ["attention", "random", "stale", "inverted"]


def tar2(seed: int = 0, **settings: Any) -> TAR2:
    return TAR2(TAR2Settings(**(SMALL | settings)), TEAM, generator(seed))


def trained(of: TAR2, steps: int = 20) -> TAR2:
    trajectories = made_up(TEAM, 32)
    optimiser = torch.optim.Adam(of.parameters(), 3e-3)
    for _ in range(steps):
        loss, _ = of.loss(trajectories, trajectories.returns, generator())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return of


@torch.no_grad()
def shares_of(of: TAR2, draw: int = 7) -> Tensor:
    trajectories = made_up(TEAM)
    return of.shares(scores_of(of, trajectories, draw), trajectories, torch.tensor(2.0))


def test_every_replacement_is_tried_here() -> None:
    assert {"learned", *REPLACEMENTS} == set(get_args(TAR2Settings.model_fields["scores"].annotation))


@pytest.mark.parametrize("kind", ["learned", *REPLACEMENTS])
def test_the_shares_sum_to_the_return_whatever_is_put_in_place_of_the_scores(kind: str) -> None:
    trajectories, of = made_up(TEAM), trained(tar2(scores=kind))
    shares = shares_of(of)
    assert torch.allclose(shares.sum((1, 2)), trajectories.returns, atol=1e-5)
    assert not shares[~trajectories.acting].any()
    assert torch.equal(shares, shares_of(of))
    assert all(parameter.grad is not None for parameter in of.network.parameters())  # it is trained as ever


def test_random_scores_do_not_depend_on_the_episodes() -> None:
    of, trajectories = tar2(scores="random"), made_up(TEAM)
    actual = scores_of(of, trajectories)
    assert torch.equal(scores_of(of, changed(trajectories, trajectories.acting)), actual)
    assert torch.equal(scores_of(trained(tar2(seed=5, scores="random")), trajectories), actual)
    assert not torch.equal(scores_of(of, trajectories, draw=8), actual)
    assert actual[trajectories.acting].std() == pytest.approx(1.0, abs=0.2)


def test_the_untrained_network_stays_untrained() -> None:
    trajectories, of = made_up(TEAM), tar2(scores="stale")
    expected = scores_of(of, trajectories)
    # Not bit for bit: PyTorch chooses another product where weights need no gradient.
    assert torch.allclose(scores_of(tar2(), trajectories), expected, rtol=1e-4, atol=1e-8)
    trained(of)
    assert torch.equal(scores_of(of, trajectories), expected)
    assert not torch.allclose(scores_of(trained(tar2()), trajectories), expected, rtol=1e-2, atol=1e-8)
    resumed = tar2(seed=9, scores="stale")
    resumed.load_state_dict(of.state_dict())
    assert torch.equal(scores_of(resumed, trajectories), expected)


def test_inverted_scores_are_minus_the_scores() -> None:
    assert torch.equal(scores_of(tar2(scores="inverted"), made_up(TEAM)), -scores_of(tar2(), made_up(TEAM)))


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="shares must be 'both', not 'time'"):
        tar2(normaliser="none", shares="time")
    for settings in ({"normaliser": "softmax"}, {"shares": "agents"}):
        with pytest.raises(ValueError, match="leave normaliser 'fixed' and shares 'both'"):
            tar2(scores="attention", **settings)


@pytest.mark.parametrize("wide", [False, True])
def test_the_weights_of_attention_over_time_are_those_it_uses(wide: bool) -> None:
    layer = EncoderLayer(EncoderShape(8, 2, 8, wide_heads=wide), generator())
    x, mask = torch.randn(3, 5, 2, 8, generator=generator(1)), causal_mask(torch.ones(1, 5, dtype=torch.bool))
    with torch.no_grad():
        weights = layer.weights(x, mask)
        values = layer.queries_keys_values(x).view(3, 5, 2, 3, 2, -1)[:, :, :, 2]
        attended = layer.attention_output(torch.einsum("rghqk,rkghd->rqghd", weights, values).flatten(3))
        hidden = layer.attention_norm(x + attended)
        expected = layer.output_norm(hidden + layer.outer(torch.nn.functional.gelu(layer.inner(hidden))))
        assert torch.allclose(layer(x, mask), expected, atol=1e-5)
    assert torch.allclose(weights.sum(-1), torch.ones(3, 2, 2, 5))
    assert not weights[..., ~mask[0, 0]].any()


def test_the_weights_of_attention_over_agents_are_those_it_uses() -> None:
    layer = CoalitionAttention(8, 2, 3, generator())
    source = generator(1)
    z, alive = torch.randn(20, 3, 8, generator=source), torch.rand(20, 3, generator=source) < 0.7
    coalitions = draw_coalitions("banzhaf_masks", 3, 4, source)
    with torch.no_grad():
        weights = layer.weights(z, coalitions, alive)
        values = layer.keys_values(z).view(20, 3, 2, 2, 4)[:, :, 1]
        expected = layer.output(torch.einsum("mhij,mjhd->mihd", weights, values).flatten(2))
        assert torch.allclose(layer(z, coalitions, alive), expected, atol=1e-5)
    dead_others = ~alive[:, None, None, :] & ~torch.eye(3, dtype=torch.bool)
    assert not weights[dead_others.expand_as(weights)].any()


def test_attention_received_is_that_of_a_plain_loop() -> None:
    acting = made_up(TEAM).acting
    source = generator(2)
    over_time = torch.rand(12, 3, 2, 6, 6, generator=source).tril()
    over_agents = torch.rand(12, 6, 2, 3, 3, generator=source)
    steps, agents = by_steps(over_time, acting), by_agents(over_agents, acting)
    for row in range(12):
        for t in range(6):
            present = [i for i in range(3) if acting[row, t, i]]
            each = []
            for i in present:
                later = [q for q in range(t, 6) if acting[row, q, i]]
                each.append(sum(float(over_time[row, i, :, q, t].mean()) for q in later) / len(later))
                received = sum(float(over_agents[row, t, :, j, i].mean()) for j in present) / len(present)
                assert float(agents[row, t, i]) == pytest.approx(received, rel=1e-5)
            assert float(steps[row, t]) == pytest.approx(sum(each) / max(len(each), 1), rel=1e-5)
    assert not agents[~acting].any()
    weights = product_of_parts(steps, agents)
    assert torch.allclose(weights.sum((1, 2)), torch.ones(12), atol=1e-5)
    assert torch.allclose(weights.sum(-1), steps / steps.sum(1, keepdim=True), atol=1e-6)


def test_attention_received_uses_the_coalitions_of_the_scores() -> None:
    of, trajectories = tar2(), made_up(TEAM)
    first, second = generator(3), generator(3)
    with torch.no_grad():
        of.network.attention_weights(trajectories, first)
        of.network(trajectories, second, training=False)
    assert torch.equal(first.get_state(), second.get_state())


def test_attention_that_makes_no_difference_gives_the_agents_equal_parts() -> None:
    of = tar2(scores="attention", shapley="all")
    with torch.no_grad():
        for layer in of.network.temporal:
            layer.queries_keys_values.weight.zero_()
        for layer in of.network.agents:
            layer.attention.keys_values.weight.zero_()
    trajectories = made_up(TEAM)
    actual, acting = scores_of(of, trajectories), trajectories.acting
    parts = actual.sum(-1, keepdim=True) / acting.sum(-1, keepdim=True).clamp(min=1)
    assert torch.allclose(actual, parts * acting, atol=1e-6)
    whole = [row for row in range(12) if acting[row].all()]
    assert whole
    # A step q looks at q + 1 steps alike; step t is looked at by the steps from t on.
    received = torch.tensor([sum(1 / (q + 1) for q in range(t, 6)) / (6 - t) for t in range(6)])
    assert torch.allclose(actual[whole].sum(-1), (received / received.sum()).expand(len(whole), -1), atol=1e-6)


@pytest.mark.parametrize("outcome", [True, False])
def test_it_learns_returns_and_the_underlying_credit(outcome: bool) -> None:
    settings = TAR2Settings(width=16, heads=2, depth=1, outcome=outcome)
    model = TAR2(settings, KnownCredit.team, generator())
    fit = fitted(model, 600, 3e-3)
    assert fit.return_r2 >= 0.95
    assert fit.credit_correlation >= 0.8
    trajectories = KnownCredit(12, seed=2).trajectories
    later = changed(trajectories, (torch.arange(6) >= 3)[None, :, None].expand(12, -1, 2))
    shift = (scores_of(model, later) - scores_of(model, trajectories))[:, :3].abs().max()
    assert shift > 1e-3 if outcome else shift < 1e-5


def test_the_first_version_learns_returns_but_no_credit_against_their_sign() -> None:
    settings = TAR2RawSettings(width=16, heads=2, depth=1)
    fit = fitted(TAR2Raw(settings, KnownCredit.team, generator()), 300, 5e-3)
    assert fit.return_r2 > 0.75
    assert 0.2 < fit.credit_correlation < 0.8
