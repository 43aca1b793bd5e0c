"""The on-policy learner: gradients against enumeration, losses against loops, masks, random state, learning."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from algorithms.advantages.gae import GAE, build
from algorithms.interface import Episodes, LearnerContext
from algorithms.policy_gradient.advantage_estimator import AdvantageEstimator
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.settings.policy_gradient import IPPOSettings, MAPPOSettings, PPOSettings
from tests.fixtures.toy_team import CueWorld, MatrixGame, collect, mean_return, random_episodes, toy_context, toy_team

TEAM = toy_team(n_agents=3, agent_types=(0, 1, 0))
KINDS = {"ippo": IPPOSettings, "mappo": MAPPOSettings}


def learner(kind: str = "ippo", context: LearnerContext | None = None, **settings: Any) -> PolicyGradient:
    return build(KINDS[kind](**({"hidden_size": 8} | settings)), context or toy_context(TEAM))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def updated(algorithm: PolicyGradient, *batches: Episodes) -> dict[str, Tensor]:
    """The policy and the critic after learning from the batches."""
    for batch in batches:
        assert all(math.isfinite(value) for value in algorithm.update(batch).values())
    critic = algorithm.estimator.state_dict()["critic"]
    return {**algorithm.policy_state(), **{f"critic.{name}": value.clone() for name, value in critic.items()}}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


class Truth(AdvantageEstimator):
    """Gives the advantages it is told."""

    def __init__(self, advantage: Tensor) -> None:
        self.advantage = advantage

    def estimate(self, episodes: Episodes, reward: Tensor, policy: Tensor | None) -> Tensor:
        return self.advantage

    def fit(self, episodes: Episodes, reward: Tensor, policy: Tensor | None) -> dict[str, Tensor | float]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


@pytest.mark.parametrize("sharing", ["all", "none"])
def test_the_first_gradient_is_the_exact_gradient_of_the_expected_payoff(sharing: str) -> None:
    """All nine joint actions, each weighted by its probability: the mean over samples is then the expectation."""
    game = MatrixGame([[11.0, -30.0, 0.0], [-30.0, 7.0, 6.0], [0.0, 0.0, 5.0]])
    settings = IPPOSettings(
        hidden_size=8,
        sharing=sharing,
        epochs=1,
        minibatches=1,
        entropy_coefficient=0,
        advantage_standardisation=False,
        gradient_norm=1e9,
    )
    estimator = Truth(torch.empty(0))
    algorithm = PolicyGradient(settings, toy_context(game.team), estimator)
    for network in algorithm.actor.networks:
        torch.nn.init.normal_(network.head.weight, generator=generator())
    episodes = collect(algorithm, game, 9, "sample", generator())
    joint = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    policy = algorithm.actor.step(episodes.observation[:, 0], None, None)[0].softmax(-1)
    chosen = policy.gather(-1, joint[..., None])[..., 0]
    payoff = game.payoff[joint[:, 0], joint[:, 1]]
    exact = torch.autograd.grad((chosen.prod(1) * payoff).sum(), list(algorithm.actor.parameters()))
    episodes = replace(episodes, action=joint[:, None], log_probability=chosen.detach().log()[:, None])
    samples = 18 if sharing == "all" else 9  # of one network: its loss is a mean over them
    estimator.advantage = (samples * chosen.detach().prod(1) * payoff)[:, None, None].expand(9, 1, 2)
    algorithm.update(episodes)
    for parameter, expected in zip(algorithm.actor.parameters(), exact, strict=True):
        assert torch.allclose(-parameter.grad, expected, atol=1e-5)
    assert any(gradient.abs().max() > 0.1 for gradient in exact)


@pytest.mark.parametrize("options", [{}, {"last_action": True}, {"recurrent": True}, {"recurrent": True, "last_action": True}])
def test_the_first_gradient_step_learns_from_the_policy_that_acted(options: dict[str, bool]) -> None:
    world = CueWorld(delay=3)
    algorithm = learner("ippo", toy_context(world.team), epochs=1, minibatches=1, **options)
    for network in algorithm.actor.networks:
        torch.nn.init.normal_(network.head.weight, generator=generator())
    monitors = algorithm.update(collect(algorithm, world, 32, "sample", generator(1)))
    assert monitors["approx_kl"] == pytest.approx(0, abs=1e-6)
    assert monitors["clip_fraction"] == 0


def test_the_monitors_of_the_first_step_are_those_of_the_advantages_as_given() -> None:
    game = MatrixGame([[1.0, 0.0], [0.0, 1.0]])
    advantage = torch.randn(16, 1, 2, generator=generator())
    settings = IPPOSettings(hidden_size=8, epochs=1, minibatches=1, advantage_standardisation=False)
    algorithm = PolicyGradient(settings, toy_context(game.team), Truth(advantage))
    monitors = algorithm.update(collect(algorithm, game, 16, "sample", generator(1)))
    assert monitors["advantage_mean"] == pytest.approx(float(advantage.mean()), rel=1e-5)
    assert monitors["advantage_std"] == pytest.approx(float(advantage.std(correction=0)), rel=1e-5)
    assert monitors["policy_loss"] == pytest.approx(-float(advantage.mean()), rel=1e-4)


def test_sampled_actions_follow_the_policy_and_greedy_ones_its_mode() -> None:
    algorithm = learner(sharing="by_type")
    for network in algorithm.actor.networks:
        torch.nn.init.normal_(network.head.weight, generator=generator())
    rows = 20_000
    observation = torch.randn(1, 3, 4, generator=generator(1)).expand(rows, -1, -1)
    available = torch.tensor([[True, True, True], [True, False, True], [False, False, True]]).expand(rows, -1, -1)
    alive = torch.ones(rows, 3, dtype=torch.bool)
    policy = algorithm.actor.step(observation[:1], None, None)[0][0].detach()
    policy = policy.masked_fill(~available[0], -math.inf).softmax(-1)
    step = algorithm.act(observation, available, alive, {}, "train", generator(2))
    frequency = torch.nn.functional.one_hot(step.action, 3).float().mean(0)
    assert (frequency - policy).abs().max() < 0.015
    assert not frequency[~available[0]].any()
    assert torch.allclose(step.log_probability, policy.log()[torch.arange(3), step.action], atol=1e-5)
    assert not step.log_probability[:, 2].any()
    again = algorithm.act(observation, available, alive, {}, "sample", generator(2))
    assert torch.equal(step.action, again.action)
    greedy = algorithm.act(observation, available, alive, {}, "greedy", generator(2))
    assert torch.equal(greedy.action, policy.argmax(-1).expand(rows, -1))


@pytest.mark.parametrize("kind", ["ippo", "mappo"])
@pytest.mark.parametrize("options", [{}, {"recurrent": True, "last_action": True}, {"sharing": "none", "minibatches": 2}])
def test_padding_changes_no_bit_of_an_update(kind: str, options: dict[str, Any]) -> None:
    episodes = random_episodes(TEAM, 8, seed=3)
    padding = ~episodes.running
    beyond = torch.cat([torch.zeros(8, 1, dtype=torch.bool), padding], 1)
    beyond[:, 1:] &= ~episodes.ended  # the final observation is no padding
    other = random_episodes(TEAM, 8, seed=4)

    def replaced(name: str, where: Tensor) -> Tensor:
        kept = getattr(episodes, name)
        return torch.where(where.view(*where.shape, *[1] * (kept.ndim - 2)), getattr(other, name), kept)

    changed = replace(
        episodes,
        **{name: replaced(name, beyond) for name in ("observation", "state", "available", "alive")},
        **{name: replaced(name, padding) for name in ("action", "log_probability")},
    )
    assert not torch.equal(changed.observation, episodes.observation)
    context = toy_context(TEAM, time_limit="bootstrap", regime="individual")
    assert same(
        updated(learner(kind, context, **options), episodes, episodes),
        updated(learner(kind, context, **options), changed, changed),
    )


@pytest.mark.parametrize("recurrent", [False, True])
def test_actions_and_observations_of_dead_agents_change_no_bit(recurrent: bool) -> None:
    episodes = random_episodes(TEAM, 8, seed=3)
    dead = episodes.running[:, :, None] & ~episodes.alive[:, :-1]
    assert dead.any()
    unseen = torch.cat([dead, torch.zeros(8, 1, 3, dtype=torch.bool)], 1)[..., None]
    changed = replace(
        episodes,
        action=torch.where(dead, 2, episodes.action),
        log_probability=torch.where(dead, -9.0, episodes.log_probability),
        available=episodes.available | unseen,
        observation=torch.where(unseen, 7.0, episodes.observation),
    )
    assert same(
        updated(learner("mappo", recurrent=recurrent), episodes, episodes),
        updated(learner("mappo", recurrent=recurrent), changed, changed),
    )


def test_advantages_where_no_agent_acted_change_no_bit() -> None:
    """Dead agents and padding have advantages too: neither the loss nor the standardisation may use them."""
    episodes = random_episodes(TEAM, 8, seed=3)
    advantage = torch.randn(episodes.action.shape, generator=generator())
    elsewhere = torch.where(episodes.acting, advantage, 1000.0)
    assert not torch.equal(elsewhere[episodes.running], advantage[episodes.running])
    assert not torch.equal(elsewhere[~episodes.running], advantage[~episodes.running])
    policies = []
    for each in (advantage, elsewhere):
        algorithm = PolicyGradient(IPPOSettings(hidden_size=8), toy_context(TEAM), Truth(each))
        algorithm.update(episodes)
        policies.append(algorithm.policy_state())
    assert same(*policies)


@pytest.mark.parametrize("recurrent", [False, True])
def test_acting_sees_the_last_action_that_learning_sees(recurrent: bool) -> None:
    world = CueWorld(delay=3)
    algorithm = learner("ippo", toy_context(world.team), recurrent=recurrent, last_action=True)
    for network in algorithm.actor.networks:
        torch.nn.init.normal_(network.head.weight, generator=generator())
    episodes = collect(algorithm, world, 32, "sample", generator(1))
    logits = algorithm.actor.sequence(episodes.observation[:, :-1], algorithm._last_actions(episodes))
    chosen = logits.log_softmax(-1).gather(-1, episodes.action[..., None])[..., 0]
    torch.testing.assert_close(episodes.log_probability, chosen.detach())
    stale = torch.full_like(episodes.action, -1)
    assert not torch.allclose(algorithm.actor.sequence(episodes.observation[:, :-1], stale), logits, atol=1e-3)


def advantages(algorithm: PolicyGradient, episodes: Episodes) -> Tensor:
    credit = algorithm.credit(episodes)
    assert credit is not None
    assert credit.kind == "advantage"
    return credit.values


def test_the_local_critic_sees_its_own_observation_alone_and_the_central_one_the_state() -> None:
    episodes = random_episodes(TEAM, 6, seed=5)
    other = random_episodes(TEAM, 6, seed=6)
    new_state = replace(episodes, state=other.state)
    neighbour = episodes.observation.clone()
    neighbour[:, :, 1] = other.observation[:, :, 1]
    new_neighbour = replace(episodes, observation=neighbour)
    local, central = learner("ippo"), learner("mappo")
    assert torch.equal(advantages(local, episodes), advantages(local, new_state))
    moved = advantages(local, episodes) != advantages(local, new_neighbour)
    assert moved[:, :, 1].any()
    assert not moved[:, :, [0, 2]].any()
    assert torch.equal(advantages(central, episodes), advantages(central, new_neighbour))
    assert not torch.equal(advantages(central, episodes), advantages(central, new_state))


@pytest.mark.parametrize("kind", ["ippo", "mappo"])
def test_the_value_at_the_time_limit_counts_only_when_it_is_bootstrapped(kind: str) -> None:
    episodes = random_episodes(TEAM, 12, seed=7)
    other = random_episodes(TEAM, 12, seed=8)
    cut, ended = episodes.truncated.any(1), episodes.terminated.any(1)
    rows, last = torch.arange(12), episodes.length
    observation, state = episodes.observation.clone(), episodes.state.clone()
    observation[rows, last], state[rows, last] = other.observation[rows, last], other.state[rows, last]
    changed = replace(episodes, observation=observation, state=state)
    for time_limit, matters in (("terminal", False), ("bootstrap", True)):
        algorithm = learner(kind, toy_context(TEAM, time_limit=time_limit))
        moved = (advantages(algorithm, episodes) != advantages(algorithm, changed)).flatten(1).any(1)
        assert not moved[ended].any()
        assert bool(moved[cut].any()) is matters


@pytest.mark.parametrize("kind", ["ippo", "mappo"])
@pytest.mark.parametrize("sees_time", [True, False])
def test_values_depend_on_the_time_if_and_only_if_the_critic_sees_it(kind: str, sees_time: bool) -> None:
    episodes = random_episodes(TEAM, 4, seed=5)
    still = replace(
        episodes,
        observation=episodes.observation[:, :1].expand_as(episodes.observation),
        state=episodes.state[:, :1].expand_as(episodes.state),
    )
    estimator = learner(kind, critic_sees_time=sees_time).estimator
    assert isinstance(estimator, GAE)
    values = estimator.values(still)[0, :-1]  # the longest episode
    assert torch.allclose(values, values[:1].expand_as(values), atol=1e-6) is not sees_time


def test_the_credit_of_an_untrained_critic_is_the_gae_of_its_values() -> None:
    episodes = random_episodes(TEAM, 6, seed=5)
    algorithm = learner("mappo", toy_context(TEAM, regime="individual"), gae_lambda=1.0, discount=1.0)
    assert isinstance(algorithm.estimator, GAE)
    values = algorithm.estimator.values(episodes)[:, :-1]
    ahead = episodes.individual_reward.flip(1).cumsum(1).flip(1)
    expected = (ahead - values).masked_fill(~episodes.acting, 0)
    assert torch.allclose(advantages(algorithm, episodes), expected, atol=1e-5)


def test_agents_of_different_types_do_not_affect_each_others_networks() -> None:
    episodes = random_episodes(TEAM, 8, seed=3)
    reward = episodes.individual_reward.clone()
    reward[:, :, 1] *= -1
    observation = episodes.observation.clone()
    observation[:, :, 1] += 1
    changed = replace(episodes, individual_reward=reward, observation=observation)
    options = {
        "sharing": "by_type",
        "advantage_standardisation": False,
        "value_normalisation": False,
        "gradient_norm": 0.01,
    }
    context = toy_context(TEAM, regime="individual")
    first = updated(learner("ippo", context, **options), episodes)
    second = updated(learner("ippo", context, **options), changed)
    moved = {name for name in first if not torch.equal(first[name], second[name])}
    assert moved
    assert all(".1." in name for name in moved)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("ippo", {"learning_rate_schedule": "linear", "minibatches": 3}),
        ("mappo", {"recurrent": True, "last_action": True, "minibatches": 2}),
        ("mappo", {"sharing": "none", "value_clip": 0.2, "huber_delta": 10.0}),
    ],
)
def test_a_resumed_learner_goes_on_bit_for_bit(kind: str, options: dict[str, Any]) -> None:
    batches = [random_episodes(TEAM, 6, seed) for seed in range(4)]
    first = learner(kind, **options)
    for batch in batches[:2]:
        first.update(batch)
    second = learner(kind, toy_context(TEAM, seed=99), **options)
    second.load_state_dict(torch.load(_saved(first), weights_only=True))
    torch.rand(3)
    for batch in batches[2:]:
        assert first.update(batch) == second.update(batch)
    assert same(first.policy_state(), second.policy_state())
    assert first.state_dict().keys() == second.state_dict().keys()


def test_learning_neither_uses_nor_disturbs_the_global_random_state() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = updated(learner(minibatches=2), random_episodes(TEAM, 6, 0))
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    assert same(first, updated(learner(minibatches=2), random_episodes(TEAM, 6, 0)))
    different = updated(learner("ippo", toy_context(TEAM, seed=1), minibatches=2), random_episodes(TEAM, 6, 0))
    assert not same(first, different)


def test_a_policy_state_can_be_loaded_and_a_mismatched_one_is_refused() -> None:
    first, second = learner(), learner("mappo", toy_context(TEAM, seed=5))
    second.load_policy_state(first.policy_state())
    assert same(first.policy_state(), second.policy_state())
    with pytest.raises(ValueError, match="does not fit"):
        second.load_policy_state(learner(hidden_size=16).policy_state())


@pytest.mark.parametrize("recurrent", [False, True])
def test_a_diverging_loss_shows_in_the_monitors(recurrent: bool) -> None:
    episodes = random_episodes(TEAM, 6, seed=5)
    episodes.team_reward[0, 0] = math.nan
    monitors = learner(recurrent=recurrent).update(episodes)
    assert math.isnan(monitors["policy_loss"])
    assert math.isnan(monitors["value_loss"])


def test_an_update_in_which_no_agent_could_act_leaves_the_actors_unchanged() -> None:
    episodes = random_episodes(TEAM, 4, seed=5)
    algorithm = learner()
    before = algorithm.policy_state()
    algorithm.update(replace(episodes, alive=torch.zeros_like(episodes.alive)))
    assert same(before, algorithm.policy_state())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("options", [{}, {"recurrent": True, "last_action": True, "sharing": "by_type"}])
def test_everything_works_on_a_gpu(options: dict[str, Any]) -> None:
    device = torch.device("cuda")
    algorithm = learner("mappo", toy_context(TEAM, device=device), minibatches=2, **options)
    episodes = random_episodes(TEAM, 6, seed=5)
    assert all(math.isfinite(value) for value in algorithm.update(episodes).values())
    memory = algorithm.begin(6, "train", generator())
    step = algorithm.act(
        episodes.observation[:, 0], episodes.available[:, 0], episodes.alive[:, 0], memory, "train", generator()
    )
    assert step.action.device.type == "cuda"
    on_cpu = learner("mappo", minibatches=2, **options)
    on_cpu.load_state_dict(torch.load(_saved(algorithm), weights_only=True, map_location="cpu"))
    actual, expected = on_cpu.update(episodes), algorithm.update(episodes)
    assert actual == pytest.approx(expected, rel=1e-2, abs=1e-3)


def _saved(algorithm: PolicyGradient) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(algorithm.state_dict(), file)
    file.seek(0)
    return file


def trained(kind: str, world: CueWorld | MatrixGame, updates: int, **settings: Any) -> PolicyGradient:
    algorithm = learner(
        kind, toy_context(world.team), **({"hidden_size": 32, "learning_rate": 3e-3, "episodes_per_update": 64} | settings)
    )
    source = generator(11)
    for _ in range(updates):
        algorithm.update(collect(algorithm, world, algorithm.next_collection().episodes, "train", source))
    return algorithm


@pytest.mark.parametrize("kind", ["ippo", "mappo"])
def test_a_team_learns_to_respond_to_its_cues(kind: str) -> None:
    world = CueWorld(delay=0)
    assert mean_return(trained(kind, world, 40), world) > 0.95


@pytest.mark.parametrize("sharing", ["all", "none"])
def test_a_team_coordinates_on_the_better_of_two_equilibria(sharing: str) -> None:
    game = MatrixGame([[1.0, -0.2, 0.0], [-0.2, 0.6, 0.0], [0.0, 0.0, 0.2]])
    assert mean_return(trained("mappo", game, 60, sharing=sharing), game) == pytest.approx(1.0)


def test_a_memory_task_needs_a_recurrent_core() -> None:
    world = CueWorld(delay=3)
    memory = trained("mappo", world, 60, recurrent=True)
    assert mean_return(memory, world) > 0.9
    assert mean_return(trained("mappo", world, 60), world, "sample") < 0.45


def test_defaults_of_both_are_valid_for_any_team() -> None:
    settings: PPOSettings
    for settings in (IPPOSettings(), MAPPOSettings()):
        monitors = build(settings, toy_context(TEAM)).update(random_episodes(TEAM, 4, 0))
        assert {"policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "explained_variance"} <= set(monitors)
        assert all(isinstance(value, float) and math.isfinite(value) for value in monitors.values())
