"""The learned graph: reverse world models against loops, masks, and worlds whose graph is known."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from algorithms.advantages.dependence_graph import world_model
from algorithms.advantages.dependence_graph.sources import Inferred
from algorithms.advantages.dependence_graph.world_model import WorldModel, entropy
from algorithms.interface import Episodes
from algorithms.settings.dependence_graph import DependenceGraphSettings
from tests.fixtures.toy_team import random_episodes, toy_context, toy_team

TEAM = toy_team(n_agents=3)
SMALL = {"hidden_size": 16, "encoder_hidden_size": 16, "latent_size": 8}


def model(**settings: Any) -> WorldModel:
    return WorldModel(DependenceGraphSettings(**(SMALL | settings)), toy_context(TEAM, regime="individual"))


def perturbed(reverse_models: WorldModel) -> WorldModel:
    """With heads that predict something."""
    source = torch.Generator().manual_seed(5)
    for network in (reverse_models.own_action, reverse_models.others_action):
        torch.nn.init.normal_(network.head.weight, generator=source)
        torch.nn.init.normal_(network.head.bias, generator=source)
    return reverse_models


def tensors(reverse_models: WorldModel) -> dict[str, Tensor]:
    networks = reverse_models.state_dict()["networks"]
    return {f"{name}.{key}": value.clone() for name, network in networks.items() for key, value in network.items()}


def played(observe: Callable[[Tensor], Tensor], policy: Tensor, batch: int, seed: int, steps: int = 20) -> Episodes:
    """Episodes of agents that act by policy [N, A] whatever they see, which `observe`s the actions before [B, T, N] ->
    [B, T, N, O] and nothing at the first step."""
    agents, actions = policy.shape
    draws = torch.Generator().manual_seed(seed)
    action = torch.multinomial(policy, batch * steps, replacement=True, generator=draws)
    action = action.T.reshape(batch, steps, agents)
    seen = observe(action)
    team = toy_team(agents, seen.shape[-1], actions, horizon=steps)
    running = torch.ones(batch, steps, dtype=torch.bool)
    return replace(
        random_episodes(team, batch, 0),
        observation=F.pad(seen, (0, 0, 0, 0, 1, 0)),
        action=action,
        running=running,
        alive=torch.ones(batch, steps + 1, agents, dtype=torch.bool),
        length=torch.full((batch,), steps),
    )


def trained(observe: Callable[[Tensor], Tensor], policy: Tensor, updates: int, **settings: Any) -> tuple[WorldModel, Episodes]:
    """A model after so many updates, each on fresh episodes, and episodes that it has not seen."""
    fresh = played(observe, policy, 8, seed=10_000)
    agents, actions = policy.shape
    team = toy_team(agents, fresh.observation.shape[-1], actions)
    values = DependenceGraphSettings(**({"hidden_size": 32, "learning_rate": 3e-3} | settings))
    reverse_models = WorldModel(values, toy_context(team, regime="individual"))
    for update in range(updates):
        reverse_models.fit(played(observe, policy, 8, seed=update))
    return reverse_models, fresh


def own_action_and_one_influence(action: Tensor) -> Tensor:
    """Everyone sees what it did, agent 1 also what agent 0 did."""
    own = F.one_hot(action, 3).float()
    of_others = torch.zeros_like(own)
    of_others[:, :, 1] = own[:, :, 0]
    return torch.cat([own, of_others], -1)


def f1(graph: Tensor, expected: Tensor) -> float:
    """Of the edges between different agents, over all steps."""
    others = ~torch.eye(graph.shape[-1], dtype=torch.bool)
    expected = expected.expand_as(graph)
    hits = (graph & expected & others).sum()
    return float(2 * hits / ((graph & others).sum() + (expected & others).sum()))


@pytest.mark.parametrize("multi_head", [False, True])
@pytest.mark.parametrize("identity", ["ids", "published"])
@pytest.mark.parametrize("encoder", [False, True])
def test_the_ratio_equals_a_loop_over_pairs(multi_head: bool, identity: str, encoder: bool) -> None:
    reverse_models = perturbed(model(multi_head=multi_head, identity=identity, encoder=encoder))
    episodes = random_episodes(TEAM, 5, seed=1)
    ratio, own = reverse_models.entropy_ratio(episodes)
    latent = episodes.observation if reverse_models.encoder is None else reverse_models.encoder(episodes.observation).detach()
    names = torch.eye(3) if identity == "ids" else torch.zeros(3, 0)
    evaluated = 0
    for b, t, j, i in torch.cartesian_prod(*(torch.arange(size) for size in ratio.shape)).tolist():
        alive = episodes.alive[b, t : t + 2].tolist()
        if not (episodes.running[b, t] and i != j and alive[0][j] and alive[0][i] and alive[1][i]):
            assert math.isinf(ratio[b, t, j, i])
            continue
        evaluated += 1
        alone = reverse_models.own_action(torch.cat([latent[b, t, j], names[j]]))
        inputs = torch.cat([latent[b, t, i], latent[b, t + 1, i], names[i], latent[b, t, j], names[j]])
        logits = reverse_models.others_action(inputs)
        if multi_head:
            logits = logits.view(3, -1)[j]
        assert own[b, t, j].item() == pytest.approx(entropy(alone).item(), rel=1e-4)
        assert ratio[b, t, j, i].item() == pytest.approx((entropy(logits) / (entropy(alone) + 1e-8)).item(), rel=1e-3)
    assert evaluated > 20


def test_entropies_are_in_nats() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0], [math.log(3), 0.0, -1e10, -1e10]])
    expected = [math.log(4), -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))]
    assert entropy(logits).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("multi_head", [False, True])
def test_chunks_of_pairs_change_nothing(multi_head: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    episodes = random_episodes(TEAM, 6, seed=1)

    def learned(pairs_at_once: int) -> tuple[Tensor, dict[str, Tensor]]:
        monkeypatch.setattr(world_model, "PAIRS_AT_ONCE", pairs_at_once)
        reverse_models = perturbed(model(multi_head=multi_head))
        reverse_models.fit(episodes)
        return reverse_models.entropy_ratio(episodes)[0], tensors(reverse_models)

    (ratio, first), (ratio_in_chunks, second) = learned(8192), learned(20)
    assert torch.allclose(ratio, ratio_in_chunks, rtol=1e-3)
    assert all(torch.allclose(first[name], second[name], atol=1e-4) for name in first)


def test_the_losses_equal_a_loop() -> None:
    reverse_models, episodes = perturbed(model(encoder=False)), random_episodes(TEAM, 5, seed=2)
    own, others, names = [], [], torch.eye(3)
    for b in range(5):
        for t in range(int(episodes.length[b])):
            before, after, action = episodes.observation[b, t], episodes.observation[b, t + 1], episodes.action[b, t]
            now, then = episodes.alive[b, t], episodes.alive[b, t + 1]
            for j in range(3):
                if not now[j]:
                    continue
                own.append(F.cross_entropy(reverse_models.own_action(torch.cat([before[j], names[j]])), action[j]).item())
                for i in range(3):
                    if i != j and now[i] and then[i]:
                        inputs = torch.cat([before[i], after[i], names[i], before[j], names[j]])
                        others.append(F.cross_entropy(reverse_models.others_action(inputs), action[j]).item())
    losses = reverse_models.fit(episodes)
    assert float(losses["own_action_loss"]) == pytest.approx(sum(own) / len(own), rel=1e-4)
    assert float(losses["others_action_loss"]) == pytest.approx(sum(others) / len(others), rel=1e-4)


def test_the_encoder_gets_gradients_only_from_its_own_loss() -> None:
    reverse_models, episodes = perturbed(model()), random_episodes(TEAM, 5, seed=2)
    assert reverse_models.encoder is not None
    assert reverse_models.inverse is not None
    now, then = episodes.alive[:, :-1], episodes.alive[:, 1:]
    chosen = episodes.running[..., None] & now & then
    latent = reverse_models.encoder(episodes.observation)
    predicted = reverse_models.inverse(torch.cat([latent[:, :-1][chosen], latent[:, 1:][chosen]], -1))
    loss = F.cross_entropy(predicted, episodes.action[chosen])
    expected = torch.autograd.grad(loss, list(reverse_models.encoder.parameters()))
    losses = reverse_models.fit(episodes)
    assert float(losses["encoder_loss"]) == pytest.approx(loss.item(), rel=1e-4)
    for parameter, gradient in zip(reverse_models.encoder.parameters(), expected, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, gradient, atol=1e-6)


@pytest.mark.parametrize("settings", [{}, {"identity": "published", "multi_head": True}])
def test_dead_agents_and_steps_after_the_end_are_not_used(settings: dict[str, Any]) -> None:
    episodes = random_episodes(TEAM, 8, seed=3)
    beyond = F.pad(~episodes.running, (1, 0))  # one later: the final observation counts
    unseen = (beyond[:, :, None] | ~episodes.alive)[..., None]
    idle = ~episodes.acting
    changed = replace(
        episodes,
        observation=torch.where(unseen, 7.0, episodes.observation),
        action=torch.where(idle, 2, episodes.action),
    )
    assert not torch.equal(changed.observation, episodes.observation)
    assert not torch.equal(changed.action, episodes.action)
    first, second = perturbed(model(**settings)), perturbed(model(**settings))
    assert first.fit(episodes) == second.fit(changed)
    assert all(torch.equal(value, tensors(second)[name]) for name, value in tensors(first).items())
    assert torch.equal(first.entropy_ratio(episodes)[0], second.entropy_ratio(changed)[0])


def test_an_untrained_model_gives_no_edges() -> None:
    inferred = model().infer(random_episodes(TEAM, 8, seed=3))
    assert not inferred.graph.any()
    assert inferred.monitors["graph_entropy_ratio"].item() == pytest.approx(1, abs=1e-3)


def test_a_higher_threshold_gives_a_denser_graph() -> None:
    episodes = random_episodes(TEAM, 8, seed=3)
    density = [perturbed(model(threshold=c)).infer(episodes).graph.float().mean().item() for c in (0.0, 0.5, 0.9, 1.2, 99.0)]
    assert density == sorted(density)
    assert density[0] == 0
    assert len(set(density)) == 5


def test_an_actor_whose_action_is_nearly_certain_has_no_edges() -> None:
    episodes = random_episodes(TEAM, 8, seed=3)

    def certain(minimum_entropy: float) -> Inferred:
        reverse_models = perturbed(model(threshold=99.0, minimum_entropy=minimum_entropy))
        torch.nn.init.zeros_(reverse_models.own_action.head.weight)
        reverse_models.own_action.head.bias.data = torch.tensor([8.0, 0.0, 0.0])
        torch.nn.init.zeros_(reverse_models.others_action.head.weight)
        reverse_models.others_action.head.bias.data = torch.tensor([9.0, 0.0, 0.0])
        return reverse_models.infer(episodes)

    assert not certain(0.05).graph.any()
    assert certain(0.05).score.isnan().all()
    assert certain(0.0).graph.any()
    assert certain(0.0).score.isfinite().any()


UNIFORM = torch.full((3, 3), 1 / 3)


@pytest.mark.parametrize("settings", [{}, {"multi_head": True}, {"encoder": True}])
def test_the_only_influence_among_three_agents_is_detected(settings: dict[str, Any]) -> None:
    reverse_models, fresh = trained(own_action_and_one_influence, UNIFORM, 300, **({"encoder": False} | settings))
    expected = torch.zeros(3, 3, dtype=torch.bool)
    expected[0, 1] = True
    score = f1(reverse_models.infer(fresh).graph[:, 1:], expected)
    assert score > 0.99 if settings.get("encoder") else score == 1.0


def test_the_published_models_link_agents_that_never_meet() -> None:
    reverse_models, fresh = trained(own_action_and_one_influence, UNIFORM, 200, encoder=False, identity="published")
    graph, ratio = reverse_models.infer(fresh).graph[:, 1:], reverse_models.entropy_ratio(fresh)[0][:, 1:].mean((0, 1))
    expected = torch.zeros(3, 3, dtype=torch.bool)
    expected[0, 1] = True
    assert graph[..., 0, 1].all()
    assert f1(graph, expected) < 0.8
    assert graph[..., 0, 2].float().mean() > 0.1
    assert graph[..., 2, 0].float().mean() > 0.1
    assert max(ratio[0, 2].item(), ratio[2, 0].item()) < 0.95


def test_a_skewed_policy_of_one_agent_is_no_influence_on_another() -> None:
    """Every agent has a favourite action and the same observation: indices on one side of the ratio only would give edges."""
    habits = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    reverse_models, fresh = trained(lambda action: torch.ones(*action.shape, 1), habits, 150, encoder=False)
    assert not reverse_models.infer(fresh).graph.any()
    own = reverse_models.entropy_ratio(fresh)[1].mean()
    assert own.item() == pytest.approx(-(0.8 * math.log(0.8) + 0.2 * math.log(0.1)), abs=0.05)


def test_a_gradient_step_on_sampled_steps_uses_those_steps_alone() -> None:
    episodes = random_episodes(TEAM, 6, seed=3)
    some, alone = model(batch_steps=7), model()
    transitions = some._transitions(episodes)
    assert len(transitions.action) > 7
    chosen = torch.randperm(len(transitions.action), generator=torch.Generator().manual_seed(0))[:7]
    some._generator.manual_seed(0)
    some.fit(episodes)
    alone._fit_encoder(transitions.rows(chosen))
    alone._fit_actions(transitions.rows(chosen))
    assert all(torch.equal(value, tensors(alone)[name]) for name, value in tensors(some).items())


def test_a_batch_larger_than_the_data_uses_all_steps() -> None:
    episodes = random_episodes(TEAM, 6, seed=3)
    some, everything = model(batch_steps=10_000), model()
    assert some.fit(episodes) == everything.fit(episodes)


def test_sampled_steps_differ_between_updates_and_continue_after_resuming() -> None:
    episodes = random_episodes(TEAM, 6, seed=3)
    reverse_models = model(batch_steps=5, gradient_steps=2)
    first = reverse_models.fit(episodes)
    resumed = model(batch_steps=5, gradient_steps=2)
    resumed.load_state_dict(copy.deepcopy(reverse_models.state_dict()))
    second = reverse_models.fit(episodes)
    assert first != second
    assert resumed.fit(episodes) == second


def rewarded(episodes: Episodes) -> Episodes:
    """No agent observes the others; the reward of agent 1 is 1 where agent 0 has just chosen action 0."""
    reward = torch.zeros(*episodes.action.shape)
    reward[:, :, 1] = (episodes.action[:, :, 0] == 0).float()
    return replace(episodes, individual_reward=reward)


def blind(action: Tensor) -> Tensor:
    return F.one_hot(action, 3).float()


@pytest.mark.parametrize("sees_reward", [False, True])
def test_an_influence_on_a_reward_alone_is_detected_by_models_that_see_rewards(sees_reward: bool) -> None:
    team = toy_team(3, 3, 3)
    values = DependenceGraphSettings(
        hidden_size=32, learning_rate=3e-3, encoder=False, sees_reward=sees_reward, threshold=0.9, gradient_steps=1
    )
    reverse_models = WorldModel(values, toy_context(team, regime="individual"))
    for update in range(150):
        reverse_models.fit(rewarded(played(blind, UNIFORM, 8, seed=update)))
    graph = reverse_models.infer(rewarded(played(blind, UNIFORM, 8, seed=10_000))).graph
    expected = torch.zeros(3, 3, dtype=torch.bool)
    expected[0, 1] = True
    # What action 0 was told by the reward is certain; the other two stay equally likely: both ratios are far below 0.9.
    assert f1(graph, expected) == 1.0 if sees_reward else not graph.any()
