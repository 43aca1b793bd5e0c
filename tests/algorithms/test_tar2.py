"""Both versions of TAR2 as networks: shares, masks, causality, order of agents, inverse dynamics."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from algorithms.interface import TeamShape
from algorithms.redistribution.models.inverse_dynamics import action_loss, previous_step, team_state
from algorithms.redistribution.models.normaliser import normalised_rewards
from algorithms.redistribution.models.outcome import outcome, with_outcome
from algorithms.redistribution.models.reward_model import RewardModel
from algorithms.redistribution.models.trajectories import Trajectories
from algorithms.redistribution.tar2 import HEAD_SCALE, TAR2
from algorithms.redistribution.tar2_raw import TAR2Raw
from algorithms.settings.redistribution import TAR2RawSettings, TAR2Settings
from tests.fixtures.reward_models import (
    changed,
    generator,
    made_up,
    remove_agent_embeddings,
    reordered,
    scores_of,
    share_query_maps,
)
from tests.fixtures.toy_team import toy_team

TEAM = toy_team(n_agents=3, observation_size=4, action_size=3, horizon=6)
SMALL = {"width": 16, "heads": 2, "depth": 2}
VERSIONS = ["later", "first"]
SCALE = torch.tensor(2.5)


def tar2(team: TeamShape = TEAM, seed: int = 0, **settings: Any) -> TAR2:
    """With a head of full size: as published, scores start at some 1e-5, where no tolerance would mean anything."""
    reward_model = TAR2(TAR2Settings(**(SMALL | {"coalitions": 2} | settings)), team, generator(seed))
    with torch.no_grad():
        for layer in (0, 1, 2):
            for network in (reward_model.network, reward_model.untrained):
                if network is not None:
                    network.head.layers[layer].weight /= HEAD_SCALE
    return reward_model


def anonymous(**settings: Any) -> TAR2:
    """A network that draws nothing and treats all agents alike: full coalitions, shared queries, no agent embeddings."""
    of = tar2(shapley="all", **settings)
    share_query_maps(of)
    remove_agent_embeddings(of)
    return of


def raw(team: TeamShape = TEAM, seed: int = 0, **settings: Any) -> TAR2Raw:
    return TAR2Raw(TAR2RawSettings(**(SMALL | settings)), team, generator(seed))


def model(version: str, team: TeamShape = TEAM, **settings: Any) -> RewardModel:
    return tar2(team, **settings) if version == "later" else raw(team, **settings)


@torch.no_grad()
def shares_of(of: RewardModel, trajectories: Trajectories, draw: int = 7) -> Tensor:
    return of.shares(scores_of(of, trajectories, draw), trajectories, SCALE)


def early(of: RewardModel, trajectories: Trajectories, step: int) -> Tensor:
    return scores_of(of, trajectories)[:, :step]


def from_step(step: int) -> Tensor:
    """[B, T, N], True at this step and later."""
    return (torch.arange(TEAM.horizon) >= step)[None, :, None].expand(12, -1, TEAM.n_agents)


@pytest.mark.parametrize("settings", [{}, {"outcome": False}, {"shapley": "exact"}, {"shares": "time"}, {"scores": "inverted"}])
def test_the_shares_sum_to_the_return_whatever_the_network(settings: dict[str, Any]) -> None:
    trajectories = made_up(TEAM, 40)
    for seed in range(3):
        shares = shares_of(tar2(seed=seed, **settings), trajectories)
        assert torch.allclose(shares.sum((1, 2)), trajectories.returns, atol=1e-5)
        assert (shares * trajectories.returns[:, None, None] >= 0).all()
        assert not shares[~trajectories.acting].any()


def test_the_settings_choose_the_normaliser() -> None:
    trajectories = made_up(TEAM)
    for kind in ("fixed", "coded", "softmax"):
        for learned in ("both", "time", "agents", "neither"):
            of = tar2(normaliser=kind, shares=learned)
            expected = normalised_rewards(scores_of(of, trajectories), trajectories.acting, trajectories.returns, kind, learned)
            assert torch.equal(shares_of(of, trajectories), expected)
    of = tar2(normaliser="none")
    assert torch.equal(shares_of(of, trajectories), scores_of(of, trajectories) * SCALE)


def test_the_rewards_of_the_first_version_are_scores_with_the_sign_of_the_return() -> None:
    trajectories, of = made_up(TEAM, 40), raw()
    scores = scores_of(of, trajectories)
    assert torch.equal(shares_of(of, trajectories), scores * SCALE)
    assert (scores * trajectories.returns[:, None, None] >= 0).all()
    positive, negative = trajectories.returns > 0, trajectories.returns < 0
    assert scores[positive].sum() > 0 > scores[negative].sum()
    assert 0.1 < (scores[trajectories.acting] == 0).float().mean() < 0.9


@pytest.mark.parametrize("version", VERSIONS)
def test_agents_that_do_not_act_get_no_reward_and_do_not_affect_others(version: str) -> None:
    trajectories, of = made_up(TEAM), model(version)
    absent = ~trajectories.acting
    assert (absent & trajectories.running[:, :, None]).any()
    assert not scores_of(of, trajectories)[absent].any()
    assert torch.equal(shares_of(of, changed(trajectories, absent)), shares_of(of, trajectories))


@pytest.mark.parametrize("version", VERSIONS)
def test_without_the_outcome_a_score_depends_on_no_later_step(version: str) -> None:
    trajectories = made_up(TEAM)
    trajectories.returns.abs_()
    later = changed(trajectories, from_step(3))
    blind = model(version, outcome=False)
    assert torch.allclose(early(blind, later, 3), early(blind, trajectories, 3), atol=1e-6)
    assert (early(blind, later, 4) - early(blind, trajectories, 4)).abs().max() > 1e-3


@pytest.mark.parametrize("version", VERSIONS)
def test_with_the_outcome_every_score_depends_on_later_steps(version: str) -> None:
    trajectories, of = made_up(TEAM), model(version)
    later = changed(trajectories, from_step(3))
    assert (early(of, later, 3) - early(of, trajectories, 3)).abs().max() > 1e-6


def test_the_features_under_the_outcome_are_still_causal() -> None:
    of, trajectories = tar2(), made_up(TEAM)

    def features(of_these: Trajectories) -> Tensor:
        network = of.network
        return network.features(network.tokens(of_these), of_these.acting, generator(7), training=False)

    with torch.no_grad():
        assert torch.allclose(features(changed(trajectories, from_step(3)))[:, :3], features(trajectories)[:, :3], atol=1e-6)


ORDER = [2, 0, 1]


@pytest.mark.parametrize("settings", [{}, {"outcome": False}])
def test_with_shared_queries_and_no_embedding_scores_are_equivariant_to_the_order_of_agents(settings: dict[str, Any]) -> None:
    of, trajectories = anonymous(**settings), made_up(TEAM)
    scores = scores_of(of, reordered(trajectories, ORDER))
    assert torch.allclose(scores, scores_of(of, trajectories)[:, :, ORDER], atol=1e-5)


def test_embeddings_reordered_with_the_agents_give_reordered_scores() -> None:
    """Two agents change places: a rotation of the table would be averaged out at reward time."""
    of, trajectories, order = tar2(shapley="all"), made_up(TEAM), [1, 0, 2]
    share_query_maps(of)
    with torch.no_grad():
        for layer in of.network.agents:
            layer.agent.weight *= 100
    expected, unmoved = scores_of(of, trajectories)[:, :, order], scores_of(of, reordered(trajectories, order))
    assert (unmoved - expected).abs().max() > 1e-6
    with torch.no_grad():
        for layer in of.network.agents:
            layer.agent.weight.copy_(layer.agent.weight[order].clone())
    assert torch.allclose(scores_of(of, reordered(trajectories, order)), expected, atol=1e-5)


def test_separate_query_maps_distinguish_the_agents() -> None:
    of, trajectories = tar2(shapley="all"), made_up(TEAM)
    remove_agent_embeddings(of)
    scores, expected = scores_of(of, reordered(trajectories, ORDER)), scores_of(of, trajectories)[:, :, ORDER]
    assert not torch.allclose(scores, expected, atol=1e-5)


def test_equal_draws_give_equal_rewards_and_others_do_not() -> None:
    of, trajectories = tar2(), made_up(TEAM)
    assert torch.equal(shares_of(of, trajectories, draw=1), shares_of(of, trajectories, draw=1))
    assert not torch.equal(shares_of(of, trajectories, draw=1), shares_of(of, trajectories, draw=2))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("batch", "agents", "horizon"), [(1, 1, 1), (1, 1, 5), (1, 4, 1), (3, 2, 4)])
def test_one_episode_one_agent_and_one_step_are_no_special_cases(version: str, batch: int, agents: int, horizon: int) -> None:
    team = toy_team(agents, horizon=horizon)
    trajectories, of = made_up(team, batch), model(version, team)
    shares = shares_of(of, trajectories)
    assert shares.shape == trajectories.acting.shape
    assert shares.isfinite().all()
    loss, _ = of.loss(trajectories, trajectories.returns, generator())
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in of.parameters())


@pytest.mark.parametrize("version", VERSIONS)
def test_every_parameter_learns(version: str) -> None:
    of, trajectories = model(version), made_up(TEAM, 40)
    loss, monitors = of.loss(trajectories, trajectories.returns, generator())
    loss.backward()
    assert monitors.keys() == {"reward_model_loss", "inverse_dynamics_loss"}
    for name, parameter in of.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("version", VERSIONS)
def test_the_loss_is_the_regression_and_the_weighted_inverse_dynamics(version: str) -> None:
    of, trajectories = model(version, inverse_dynamics=0.3, loss="squared"), made_up(TEAM)
    loss, monitors = of.loss(trajectories, trajectories.returns, generator(7))
    errors = scores_of(of, trajectories, training=True).sum((1, 2)) - trajectories.returns
    assert float(monitors["reward_model_loss"]) == pytest.approx(float(errors.square().mean()), rel=1e-5)
    expected = monitors["reward_model_loss"] + 0.3 * monitors["inverse_dynamics_loss"]
    assert loss.item() == pytest.approx(float(expected), rel=1e-5)
    without = model(version, inverse_dynamics=0)
    assert without.loss(trajectories, trajectories.returns, generator(7))[1].keys() == {"reward_model_loss"}
    assert not [name for name, _ in without.named_parameters() if "inverse" in name]


@pytest.mark.parametrize("version", VERSIONS)
def test_inverse_dynamics_does_not_see_the_action_it_predicts(version: str) -> None:
    """Agents act at random, so that nothing but the action itself could tell what it was."""
    trajectories = made_up(TEAM, 200, seed=8)
    of = model(version, inverse_dynamics=1.0)
    optimiser = torch.optim.Adam(of.parameters(), 3e-3)
    for _ in range(40):
        loss, monitors = of.loss(trajectories, torch.zeros(200), generator())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    fresh = made_up(TEAM, 200, seed=9)
    with torch.no_grad():
        unseen = of.loss(fresh, torch.zeros(200), generator())[1]["inverse_dynamics_loss"]
    # Actions are uniform over those available, of which there are three at most: knowing no action costs about log 3.
    assert float(unseen) > 0.9 * math.log(3)
    assert float(monitors["inverse_dynamics_loss"]) > 0.7 * math.log(3)


@pytest.mark.parametrize("version", VERSIONS)
def test_inverse_dynamics_learns_actions_that_can_be_known(version: str) -> None:
    """Every agent does what the sign of its team's mean observation says."""
    trajectories = made_up(TEAM, 100, seed=8)
    trajectories.action.copy_(signs_of_the_team(trajectories))
    assert learned_action_loss(model(version, inverse_dynamics=1.0, depth=1), trajectories) < 0.3


@pytest.mark.parametrize(("version", "sees_it"), [("later", True), ("first", False)])
def test_only_the_later_version_sees_what_an_action_led_to(version: str, sees_it: bool) -> None:
    """Every agent does what the team's next mean observation says, and nothing else tells."""
    trajectories = made_up(TEAM, 100, seed=8)
    signs = signs_of_the_team(trajectories)
    trajectories.action[:, :-1] = signs[:, 1:]
    trajectories.action[:, -1] = 0
    loss = learned_action_loss(model(version, inverse_dynamics=1.0, depth=1), trajectories)
    assert loss < 0.2 if sees_it else loss > 0.3


@pytest.mark.parametrize(("version", "sees_it"), [("later", False), ("first", True)])
def test_only_the_first_version_sees_what_an_agent_saw_itself_at_the_first_step(version: str, sees_it: bool) -> None:
    team = toy_team(n_agents=3, horizon=1)
    trajectories = made_up(team, 200, seed=8)
    trajectories.action.copy_((trajectories.observation[:, :-1, :, 0] > 0).long())
    loss = learned_action_loss(model(version, team, inverse_dynamics=1.0, depth=1), trajectories)
    assert loss < 0.2 if sees_it else loss > 0.3


def signs_of_the_team(trajectories: Trajectories) -> Tensor:
    """[B, T, N] int64, for all agents alike: 1 where the mean of the first number that those that act observe is above 0."""
    present = trajectories.acting
    mean = (trajectories.observation[:, :-1, :, 0] * present).sum(-1) / present.sum(-1).clamp(min=1)
    return (mean > 0).long()[..., None].expand_as(present)


def learned_action_loss(of: RewardModel, trajectories: Trajectories) -> float:
    """Of inverse dynamics after sixty gradient steps on these episodes."""
    optimiser = torch.optim.Adam(of.parameters(), 1e-2)
    for _ in range(60):
        loss, monitors = of.loss(trajectories, torch.zeros(len(trajectories)), generator())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return float(monitors["inverse_dynamics_loss"])


def test_the_pieces_of_inverse_dynamics_by_hand() -> None:
    trajectories = made_up(TEAM, 5)
    acting = trajectories.acting
    source = generator(2)
    states, logits = torch.randn(5, 6, 3, 4, generator=source), torch.randn(5, 6, 3, 3, generator=source)
    means, ends, before = team_state(states, acting), outcome(states, acting), previous_step(states)
    losses = []
    for row in range(5):
        last = []
        for agent in range(3):
            steps = [t for t in range(6) if acting[row, t, agent]]
            if steps:
                last.append(states[row, steps[-1], agent])
            losses += [-logits[row, t, agent].log_softmax(-1)[trajectories.action[row, t, agent]] for t in steps]
            for t in range(6):
                assert torch.equal(before[row, t, agent], states[row, t - 1, agent] if t else torch.zeros(4))
        assert torch.allclose(ends[row], torch.stack(last).mean(0), atol=1e-6)
        for t in range(6):
            present = [states[row, t, agent] for agent in range(3) if acting[row, t, agent]]
            assert torch.allclose(means[row, t, 0], torch.stack(present).mean(0) if present else torch.zeros(4), atol=1e-6)
    assert float(action_loss(logits, trajectories)) == pytest.approx(float(torch.stack(losses).mean()), rel=1e-5)
    both = with_outcome(states, ends)
    assert torch.equal(both[..., :4], states)
    assert torch.equal(both[3, 5, 1, 4:], ends[3])


def test_no_gradient_flows_through_the_outcome_of_the_later_version() -> None:
    """The first step's scores of an agent then hear nothing of the tokens of the last."""
    of, trajectories = anonymous(), made_up(TEAM)
    network = of.network
    tokens = network.tokens(trajectories).detach().requires_grad_()
    features = network.features(tokens, trajectories.acting, generator(), training=True)
    network.read(features, trajectories.acting)[:, :2].sum().backward()
    assert tokens.grad is not None
    assert tokens.grad[:, :2].abs().max() > 0
    assert not tokens.grad[:, 2:].any()


def test_scores_start_small_and_weights_as_published() -> None:
    of = TAR2(TAR2Settings(), TEAM, generator())
    network = of.network
    deviations = {
        "tokens": (network.tokens.action.weight, 0.01),
        "observation": (network.tokens.observation.weight, math.sqrt(2 / 4) * math.sqrt(2 / 3)),
        "feed-forward": (network.temporal[1].inner.weight, math.sqrt(2 / 64) * math.sqrt(2 / 3)),
        "over time": (network.temporal[2].queries_keys_values.weight, math.sqrt(2 / 64) * 0.5 * math.sqrt(2 / 3)),
        "over agents": (network.agents[0].attention.keys_values.weight, math.sqrt(2 / 64) * 0.5 * math.sqrt(2 / 3)),
        "head": (network.head.layers[0].weight, math.sqrt(2 / 384) * math.sqrt(2 / 3) * 0.05),
        "inverse dynamics": (of.inverse_dynamics.layers[0].weight, math.sqrt(2 / 320) * math.sqrt(2 / 3)),
    }
    for name, (weight, expected) in deviations.items():
        assert weight.std().item() == pytest.approx(expected, rel=0.15), name
    assert not [name for name, layer in of.named_modules() if isinstance(layer, nn.Linear) and layer.bias.any()]
    assert scores_of(of, made_up(TEAM)).abs().max() < 0.01


def test_equal_seeds_make_equal_networks() -> None:
    for version in (tar2, raw):
        one, same, other = version(seed=1), version(seed=1), version(seed=2)
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
        assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
