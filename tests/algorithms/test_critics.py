"""The critics and what is fitted of them: their networks, where values are computed, and what an update regresses to."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor

from algorithms.advantages.gae import GAE, CentralCritic, IdentityCritic, LocalCritic
from algorithms.interface import Episodes
from algorithms.settings.policy_gradient import IPPOSettings
from tests.fixtures.toy_team import random_episodes, toy_context, toy_team

TEAM = toy_team(agent_types=(0, 1, 0))
CRITICS = [LocalCritic, CentralCritic, IdentityCritic]
ALL_STEPS = torch.arange(4 * (TEAM.horizon + 1))


def settings(**changes: Any) -> IPPOSettings:
    return IPPOSettings(**({"hidden_size": 8} | changes))


def critic(kind: type, **changes: Any) -> Any:
    return kind(toy_context(TEAM), settings(**changes), torch.Generator().manual_seed(0))


def estimator(name: str = "critic", time_limit: Any = "terminal", seed: int = 0, **changes: Any) -> GAE:
    return GAE(settings(**changes), toy_context(TEAM, time_limit=time_limit, seed=seed), name=name)


def values_of(critic: Any, episodes: Episodes) -> Tensor:
    """At all steps [B * (T+1), N]."""
    values: Tensor = critic(*critic.inputs(episodes, ALL_STEPS))
    return values.detach()


@pytest.mark.parametrize("kind", CRITICS)
def test_the_head_of_a_critic_starts_orthonormal_with_an_output_for_each_value(kind: type) -> None:
    for network in critic(kind).separate_networks():
        weight = network.head.weight
        assert len(weight) == (TEAM.n_agents if kind is CentralCritic else 1)
        torch.testing.assert_close(weight @ weight.T, torch.eye(len(weight)))


@pytest.mark.parametrize(("sharing", "count"), [("all", 1), ("by_type", 2), ("none", 3)])
def test_local_critics_are_shared_as_the_actors_are(sharing: str, count: int) -> None:
    assert len(critic(LocalCritic, sharing=sharing).separate_networks()) == count


@pytest.mark.parametrize("agent_id", [True, False])
def test_a_shared_local_critic_tells_agents_apart_by_their_index_alone(agent_id: bool) -> None:
    episodes = random_episodes(TEAM, 4, seed=0)
    episodes.observation[:] = episodes.observation[:, :, :1]
    values = values_of(critic(LocalCritic, agent_id=agent_id), episodes)
    assert torch.allclose(values, values[:, :1].expand(-1, 3)) is not agent_id


@pytest.mark.parametrize("sees_time", [True, False])
def test_the_identity_critic_evaluates_the_state_the_time_and_each_agents_index(sees_time: bool) -> None:
    episodes = random_episodes(TEAM, 4, seed=0)
    identity = critic(IdentityCritic, critic_sees_time=sees_time)
    values = values_of(identity, episodes).view(4, TEAM.horizon + 1, 3)
    for time in range(TEAM.horizon + 1):
        elapsed = [time / TEAM.horizon] if sees_time else []
        for agent in range(3):
            index = [float(other == agent) for other in range(3)]
            query = torch.cat([episodes.state[:, time], torch.tensor(elapsed + index).expand(4, -1)], -1)
            torch.testing.assert_close(values[:, time, agent], identity.network(query)[:, 0].detach())


@pytest.mark.parametrize("kind", CRITICS)
def test_the_activation_of_a_critic_is_that_of_the_settings(kind: type) -> None:
    episodes = random_episodes(TEAM, 4, seed=0)
    relu, tanh = (values_of(critic(kind, activation=name), episodes) for name in ("relu", "tanh"))
    assert not torch.allclose(relu, tanh)


@pytest.mark.parametrize("time_limit", ["terminal", "bootstrap"])
@pytest.mark.parametrize("normalised", [True, False])
def test_values_are_restored_outputs_at_the_steps_that_happened_and_at_bootstrapped_ends(
    time_limit: str, normalised: bool
) -> None:
    episodes = random_episodes(TEAM, 4, seed=0)
    gae = estimator(time_limit=time_limit, value_normalisation=normalised, critic_sees_time=False)
    gae._normaliser.load_state_dict({"sums": torch.tensor([1.0, 3.0, 13.0])})  # mean 3, deviation 2
    outputs = values_of(gae.critic, episodes).view(4, TEAM.horizon + 1, 3)
    happened = torch.zeros(4, TEAM.horizon + 1, dtype=torch.bool)
    for row, length in enumerate(episodes.length.tolist()):
        bootstrapped = time_limit == "bootstrap" and bool(episodes.truncated[row].any())
        happened[row, : length + bootstrapped] = True
    assert happened.sum() > episodes.running.sum() or time_limit == "terminal"
    expected = (2 * outputs + 3 if normalised else outputs) * happened[..., None]
    torch.testing.assert_close(gae.values(episodes).detach(), expected)


def test_an_estimate_of_other_episodes_and_a_restored_state_do_not_enter_a_fit() -> None:
    episodes, other = random_episodes(TEAM, 4, seed=0), random_episodes(TEAM, 4, seed=1)
    plain, misled = estimator(), estimator()
    misled.estimate(other, other.individual_reward)
    for _ in range(2):
        assert plain.fit(episodes, episodes.individual_reward) == misled.fit(episodes, episodes.individual_reward)
    misled.estimate(other, other.individual_reward)
    misled.load_state_dict(deepcopy(plain.state_dict()))
    assert plain.fit(episodes, episodes.individual_reward) == misled.fit(episodes, episodes.individual_reward)


@pytest.mark.parametrize(("other", "same"), [(("a", 0), True), (("b", 0), False), (("a", 1), False)])
def test_names_and_seeds_decide_the_first_networks_and_the_minibatches(other: tuple[str, int], same: bool) -> None:
    first, second = estimator("a", seed=0), estimator(other[0], seed=other[1])
    weights, others = (torch.cat([each.flatten() for each in gae.critic.parameters()]) for gae in (first, second))
    assert torch.equal(weights, others) is same
    assert torch.equal(first.state_dict()["generator"], second.state_dict()["generator"]) is same


@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_the_learning_rate_of_the_critic_follows_the_schedule_of_the_settings(schedule: str) -> None:
    gae = estimator(learning_rate_schedule=schedule, critic_learning_rate=0.5)
    gae._optimiser._context.progress.steps_done = 7500  # of 10,000
    assert gae._optimiser.learning_rate == (0.125 if schedule == "linear" else 0.5)


def test_the_returns_are_monitored_and_the_loss_is_the_one_of_the_settings() -> None:
    episodes = random_episodes(TEAM, 16, seed=1)
    gae = estimator(
        huber_delta=0.5, epochs=1, minibatches=1, value_normalisation=False, discount=1.0, gae_lambda=1.0, sharing="none"
    )
    ahead = episodes.individual_reward.flip(1).cumsum(1).flip(1)[episodes.running]
    before = gae.values(episodes)[:, :-1][episodes.running].detach()
    monitors = gae.fit(episodes, episodes.individual_reward)
    distance = (before - ahead).abs()
    expected = torch.where(distance <= 0.5, 0.5 * distance.square(), 0.5 * (distance - 0.25)).mean()
    assert float(monitors["value_loss"]) == pytest.approx(float(expected), rel=1e-5)
    assert float(monitors["return_mean"]) == pytest.approx(float(ahead.mean()), rel=1e-5)
    assert float(monitors["explained_variance"]) == pytest.approx(1 - float((ahead - before).var() / ahead.var()), rel=1e-4)
