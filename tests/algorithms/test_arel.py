"""AREL: readouts, variance, masks, the order of agents, and the credit it learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from algorithms.interface import TeamShape
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.redistribution.arel import AREL, variance_over_time
from algorithms.registry import algorithms
from algorithms.settings.redistribution import ARELSettings
from tests.fixtures.reward_models import changed, fitted, generator, made_up, reordered, scores_of
from tests.fixtures.toy_team import random_episodes, toy_context, toy_team

TEAM = toy_team(n_agents=3, observation_size=4, action_size=3, horizon=6)
SMALL = {"width": 16, "heads": 2, "depth": 2}
READOUTS = ["team", "agent"]
ORDER = [2, 0, 1]


def arel(team: TeamShape = TEAM, seed: int = 0, **settings: Any) -> AREL:
    return AREL(ARELSettings(**(SMALL | settings)), team, generator(seed))


def from_step(step: int) -> Tensor:
    """[B, T, N], True at this step and later."""
    return (torch.arange(TEAM.horizon) >= step)[None, :, None].expand(12, -1, TEAM.n_agents)


def test_the_team_readout_is_the_sum_of_the_agent_readouts_in_equal_shares() -> None:
    trajectories = made_up(TEAM)
    team, agent = (scores_of(arel(readout=readout), trajectories) for readout in READOUTS)
    assert torch.allclose(team.sum(-1), agent.sum(-1), atol=1e-5)
    present = trajectories.acting.sum(-1, keepdim=True)
    evenly = torch.where(trajectories.acting, agent.sum(-1, keepdim=True) / present, 0.0)
    assert torch.allclose(team, evenly, atol=1e-6)
    assert not torch.allclose(team, agent, atol=1e-3)


def test_with_team_payment_every_agent_gets_the_reward_of_the_step() -> None:
    settings = {**SMALL, "readout": "team", "payment": "team", "warm_up_episodes": 0, "batch_episodes": 8, "fit_interval": 8}
    entry = algorithms()["ippo+arel"]
    algorithm = entry.build(entry.settings(redistribution=settings), toy_context(TEAM, regime="episodic"))
    assert isinstance(algorithm, PolicyGradient)
    assert algorithm.redistributor is not None
    played = random_episodes(TEAM, 8, 0)
    algorithm.update(played)
    with torch.no_grad():
        actual = algorithm.redistributor.redistribute(played)
    rewards = actual.shares.sum(-1) * played.running
    assert torch.equal(actual.reward, rewards[:, :, None].expand(-1, -1, 3))
    assert not actual.reward[~played.running].any()
    assert actual.reward[played.running].abs().min() > 0


def test_the_reward_of_a_step_does_not_depend_on_the_order_of_the_agents() -> None:
    of, trajectories = arel(), made_up(TEAM)
    actual, expected = (scores_of(of, these).sum(-1) for these in (reordered(trajectories, ORDER), trajectories))
    assert torch.allclose(actual, expected, atol=1e-5)
    each = arel(readout="agent")
    permuted = scores_of(each, reordered(trajectories, ORDER))
    assert torch.allclose(permuted, scores_of(each, trajectories)[:, :, ORDER], atol=1e-5)
    assert (permuted - scores_of(each, trajectories)).abs().max() > 1e-2


@pytest.mark.parametrize("readout", READOUTS)
def test_agents_that_do_not_act_get_no_reward_and_do_not_affect_others(readout: str) -> None:
    of, trajectories = arel(readout=readout), made_up(TEAM)
    absent = ~trajectories.acting
    scores = scores_of(of, trajectories)
    assert not scores[absent].any()
    assert (scores[trajectories.acting] != 0).all()
    assert torch.allclose(scores_of(of, changed(trajectories, absent)), scores, atol=1e-6)


def test_a_score_depends_on_no_later_step() -> None:
    of, trajectories = arel(readout="agent"), made_up(TEAM)
    scores, expected = scores_of(of, changed(trajectories, from_step(3))), scores_of(of, trajectories)
    assert torch.allclose(scores[:, :3], expected[:, :3], atol=1e-6)
    assert (scores[:, 3] - expected[:, 3]).abs().max() > 1e-2


def test_the_variance_equals_a_loop() -> None:
    source = generator()
    rewards, live = torch.randn(4, 6, 3, generator=source), torch.rand(4, 6, 3, generator=source) < 0.6
    actual = variance_over_time(rewards, live)
    for row in range(4):
        for agent in range(3):
            values = [float(rewards[row, t, agent]) for t in range(6) if live[row, t, agent]]
            mean = sum(values) / max(len(values), 1)
            expected = sum((value - mean) ** 2 for value in values) / max(len(values), 1)
            assert float(actual[row, agent]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("readout", READOUTS)
def test_the_loss_is_the_regression_and_the_weighted_variance(readout: str) -> None:
    of, trajectories = arel(readout=readout, variance_weight=3.0), made_up(TEAM)
    loss, monitors = of.loss(trajectories, trajectories.returns, generator())
    scores, acting = scores_of(of, trajectories), trajectories.acting
    regression = (scores.sum((1, 2)) - trajectories.returns).square().mean()
    if readout == "team":
        variance = torch.stack([s[a.any(-1)].sum(-1).var(correction=0) for s, a in zip(scores, acting, strict=True)]).mean()
    else:
        columns = [(s[:, i], a[:, i]) for s, a in zip(scores, acting, strict=True) for i in range(3)]
        variance = torch.stack([s[a].var(correction=0) for s, a in columns if a.any()]).mean()
    assert float(monitors["reward_model_loss"]) == pytest.approx(float(regression), rel=1e-5)
    assert float(monitors["reward_variance"]) == pytest.approx(float(variance), rel=1e-4)
    assert loss.item() == pytest.approx(float(regression + 3 * variance), rel=1e-5)


@pytest.mark.parametrize("readout", READOUTS)
def test_every_parameter_learns(readout: str) -> None:
    of, trajectories = arel(readout=readout), made_up(TEAM)
    of.loss(trajectories, trajectories.returns, generator())[0].backward()
    for name, parameter in of.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(("batch", "agents", "horizon"), [(1, 1, 1), (1, 1, 5), (1, 4, 1), (3, 2, 4)])
def test_one_episode_one_agent_and_one_step_are_no_special_cases(batch: int, agents: int, horizon: int) -> None:
    team = toy_team(agents, horizon=horizon)
    trajectories = made_up(team, batch)
    for readout in READOUTS:
        of = arel(team, readout=readout)
        assert scores_of(of, trajectories).shape == trajectories.acting.shape
        loss, _ = of.loss(trajectories, trajectories.returns, generator())
        assert loss.isfinite()


def test_the_variance_pulls_rewards_towards_equal_ones() -> None:
    """At the published weight of 20 hardly anything is left to differ."""
    free, pulled = (fitted_variance(weight) for weight in (0.0, 20.0))
    assert pulled < 0.1 * free


def fitted_variance(variance_weight: float) -> float:
    """Over time, of the rewards of a model that has learned a little."""
    of, trajectories = arel(variance_weight=variance_weight), made_up(TEAM, 64)
    optimiser = torch.optim.Adam(of.parameters(), 3e-3)
    for _ in range(60):
        loss, monitors = of.loss(trajectories, trajectories.returns, generator())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return float(monitors["reward_variance"])


def test_it_learns_returns_and_the_underlying_credit() -> None:
    known = toy_team(n_agents=2, horizon=6)
    fit = fitted(arel(known, readout="agent", variance_weight=0.0, width=32, heads=1, depth=1), 400, 5e-3)
    assert fit.return_r2 >= 0.95
    assert fit.credit_correlation >= 0.8
