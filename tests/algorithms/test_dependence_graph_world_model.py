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


def stirred(found: WorldModel) -> WorldModel:
    """With heads that predict something."""
    source = torch.Generator().manual_seed(5)
    for network in (found.own_action, found.others_action):
        torch.nn.init.normal_(network.head.weight, generator=source)
        torch.nn.init.normal_(network.head.bias, generator=source)
    return found


def tensors(found: WorldModel) -> dict[str, Tensor]:
    networks = found.state_dict()["networks"]
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


def taught(observe: Callable[[Tensor], Tensor], policy: Tensor, updates: int, **settings: Any) -> tuple[WorldModel, Episodes]:
    """A model after so many updates, each on fresh episodes, and episodes that it has not seen."""
    fresh = played(observe, policy, 8, seed=10_000)
    agents, actions = policy.shape
    team = toy_team(agents, fresh.observation.shape[-1], actions)
    values = DependenceGraphSettings(**({"hidden_size": 32, "learning_rate": 3e-3} | settings))
    found = WorldModel(values, toy_context(team, regime="individual"))
    for update in range(updates):
        found.fit(played(observe, policy, 8, seed=update))
    return found, fresh


def own_action_and_one_influence(action: Tensor) -> Tensor:
    """Everyone sees what it did, agent 1 also what agent 0 did."""
    own = F.one_hot(action, 3).float()
    of_others = torch.zeros_like(own)
    of_others[:, :, 1] = own[:, :, 0]
    return torch.cat([own, of_others], -1)


def f1(graph: Tensor, wanted: Tensor) -> float:
    """Of the edges between different agents, over all steps."""
    others = ~torch.eye(graph.shape[-1], dtype=torch.bool)
    wanted = wanted.expand_as(graph)
    hits = (graph & wanted & others).sum()
    return float(2 * hits / ((graph & others).sum() + (wanted & others).sum()))


@pytest.mark.parametrize("multi_head", [False, True])
@pytest.mark.parametrize("identity", ["ids", "published"])
@pytest.mark.parametrize("encoder", [False, True])
def test_the_ratio_equals_a_loop_over_pairs(multi_head: bool, identity: str, encoder: bool) -> None:
    found = stirred(model(multi_head=multi_head, identity=identity, encoder=encoder))
    episodes = random_episodes(TEAM, 5, seed=1)
    ratio, own = found.entropy_ratio(episodes)
    latent = episodes.observation if found.encoder is None else found.encoder(episodes.observation).detach()
    names = torch.eye(3) if identity == "ids" else torch.zeros(3, 0)
    asked = 0
    for b, t, j, i in torch.cartesian_prod(*(torch.arange(size) for size in ratio.shape)).tolist():
        alive = episodes.alive[b, t : t + 2].tolist()
        if not (episodes.running[b, t] and i != j and alive[0][j] and alive[0][i] and alive[1][i]):
            assert math.isinf(ratio[b, t, j, i])
            continue
        asked += 1
        alone = found.own_action(torch.cat([latent[b, t, j], names[j]]))
        inputs = torch.cat([latent[b, t, i], latent[b, t + 1, i], names[i], latent[b, t, j], names[j]])
        logits = found.others_action(inputs)
        if multi_head:
            logits = logits.view(3, -1)[j]
        assert own[b, t, j].item() == pytest.approx(entropy(alone).item(), rel=1e-4)
        assert ratio[b, t, j, i].item() == pytest.approx((entropy(logits) / (entropy(alone) + 1e-8)).item(), rel=1e-3)
    assert asked > 20


def test_entropies_are_in_nats() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0], [math.log(3), 0.0, -1e10, -1e10]])
    wanted = [math.log(4), -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))]
    assert entropy(logits).tolist() == pytest.approx(wanted)


@pytest.mark.parametrize("multi_head", [False, True])
def test_chunks_of_pairs_change_nothing(multi_head: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    episodes = random_episodes(TEAM, 6, seed=1)

    def learned(pairs_at_once: int) -> tuple[Tensor, dict[str, Tensor]]:
        monkeypatch.setattr(world_model, "PAIRS_AT_ONCE", pairs_at_once)
        found = stirred(model(multi_head=multi_head))
        found.fit(episodes)
        return found.entropy_ratio(episodes)[0], tensors(found)

    (ratio, first), (ratio_in_chunks, second) = learned(8192), learned(20)
    assert torch.allclose(ratio, ratio_in_chunks, rtol=1e-3)
    assert all(torch.allclose(first[name], second[name], atol=1e-4) for name in first)


def test_the_losses_equal_a_loop() -> None:
    found, episodes = stirred(model(encoder=False)), random_episodes(TEAM, 5, seed=2)
    own, others, names = [], [], torch.eye(3)
    for b in range(5):
        for t in range(int(episodes.length[b])):
            before, after, action = episodes.observation[b, t], episodes.observation[b, t + 1], episodes.action[b, t]
            now, then = episodes.alive[b, t], episodes.alive[b, t + 1]
            for j in range(3):
                if not now[j]:
                    continue
                own.append(F.cross_entropy(found.own_action(torch.cat([before[j], names[j]])), action[j]).item())
                for i in range(3):
                    if i != j and now[i] and then[i]:
                        inputs = torch.cat([before[i], after[i], names[i], before[j], names[j]])
                        others.append(F.cross_entropy(found.others_action(inputs), action[j]).item())
    losses = found.fit(episodes)
    assert float(losses["own_action_loss"]) == pytest.approx(sum(own) / len(own), rel=1e-4)
    assert float(losses["others_action_loss"]) == pytest.approx(sum(others) / len(others), rel=1e-4)


def test_the_encoder_feels_nothing_but_its_own_loss() -> None:
    found, episodes = stirred(model()), random_episodes(TEAM, 5, seed=2)
    assert found.encoder is not None
    assert found.inverse is not None
    now, then = episodes.alive[:, :-1], episodes.alive[:, 1:]
    chosen = episodes.running[..., None] & now & then
    latent = found.encoder(episodes.observation)
    predicted = found.inverse(torch.cat([latent[:, :-1][chosen], latent[:, 1:][chosen]], -1))
    loss = F.cross_entropy(predicted, episodes.action[chosen])
    wanted = torch.autograd.grad(loss, list(found.encoder.parameters()))
    losses = found.fit(episodes)
    assert float(losses["encoder_loss"]) == pytest.approx(loss.item(), rel=1e-4)
    for parameter, gradient in zip(found.encoder.parameters(), wanted, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, gradient, atol=1e-6)


@pytest.mark.parametrize("settings", [{}, {"identity": "published", "multi_head": True}])
def test_the_dead_and_what_comes_after_the_end_are_not_looked_at(settings: dict[str, Any]) -> None:
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
    first, second = stirred(model(**settings)), stirred(model(**settings))
    assert first.fit(episodes) == second.fit(changed)
    assert all(torch.equal(value, tensors(second)[name]) for name, value in tensors(first).items())
    assert torch.equal(first.entropy_ratio(episodes)[0], second.entropy_ratio(changed)[0])


def test_before_it_has_learned_anything_it_sees_no_edge() -> None:
    found = model().infer(random_episodes(TEAM, 8, seed=3))
    assert not found.graph.any()
    assert found.monitors["graph_entropy_ratio"].item() == pytest.approx(1, abs=1e-3)


def test_a_higher_threshold_gives_a_denser_graph() -> None:
    episodes = random_episodes(TEAM, 8, seed=3)
    density = [stirred(model(threshold=c)).infer(episodes).graph.float().mean().item() for c in (0.0, 0.5, 0.9, 1.2, 99.0)]
    assert density == sorted(density)
    assert density[0] == 0
    assert len(set(density)) == 5


def test_an_actor_whose_action_is_nearly_certain_influences_nobody() -> None:
    episodes = random_episodes(TEAM, 8, seed=3)

    def certain(minimum_entropy: float) -> Inferred:
        found = stirred(model(threshold=99.0, minimum_entropy=minimum_entropy))
        torch.nn.init.zeros_(found.own_action.head.weight)
        found.own_action.head.bias.data = torch.tensor([8.0, 0.0, 0.0])
        torch.nn.init.zeros_(found.others_action.head.weight)
        found.others_action.head.bias.data = torch.tensor([9.0, 0.0, 0.0])
        return found.infer(episodes)

    assert not certain(0.05).graph.any()
    assert certain(0.05).score.isnan().all()
    assert certain(0.0).graph.any()
    assert certain(0.0).score.isfinite().any()


UNIFORM = torch.full((3, 3), 1 / 3)


@pytest.mark.parametrize("settings", [{}, {"multi_head": True}, {"encoder": True}])
def test_the_one_influence_among_three_is_found(settings: dict[str, Any]) -> None:
    found, fresh = taught(own_action_and_one_influence, UNIFORM, 300, **({"encoder": False} | settings))
    wanted = torch.zeros(3, 3, dtype=torch.bool)
    wanted[0, 1] = True
    score = f1(found.infer(fresh).graph[:, 1:], wanted)
    assert score > 0.99 if settings.get("encoder") else score == 1.0


def test_the_published_models_link_agents_that_never_meet() -> None:
    found, fresh = taught(own_action_and_one_influence, UNIFORM, 200, encoder=False, identity="published")
    graph, ratio = found.infer(fresh).graph[:, 1:], found.entropy_ratio(fresh)[0][:, 1:].mean((0, 1))
    wanted = torch.zeros(3, 3, dtype=torch.bool)
    wanted[0, 1] = True
    assert graph[..., 0, 1].all()
    assert f1(graph, wanted) < 0.8
    assert graph[..., 0, 2].float().mean() > 0.1
    assert graph[..., 2, 0].float().mean() > 0.1
    assert max(ratio[0, 2].item(), ratio[2, 0].item()) < 0.95


def test_a_habit_of_one_agent_is_no_influence_on_another() -> None:
    """Each has a favourite action, all look alike: who sees the identities only on one side of the ratio is misled."""
    habits = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    found, fresh = taught(lambda action: torch.ones(*action.shape, 1), habits, 150, encoder=False)
    assert not found.infer(fresh).graph.any()
    own = found.entropy_ratio(fresh)[1].mean()
    assert own.item() == pytest.approx(-(0.8 * math.log(0.8) + 0.2 * math.log(0.1)), abs=0.05)


def test_a_gradient_step_of_some_steps_is_one_of_those_steps_alone() -> None:
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


def test_more_steps_than_there_are_means_all_of_them() -> None:
    episodes = random_episodes(TEAM, 6, seed=3)
    some, everything = model(batch_steps=10_000), model()
    assert some.fit(episodes) == everything.fit(episodes)


def test_the_steps_that_are_drawn_differ_and_go_on_after_a_restart() -> None:
    episodes = random_episodes(TEAM, 6, seed=3)
    found = model(batch_steps=5, gradient_steps=2)
    first = found.fit(episodes)
    resumed = model(batch_steps=5, gradient_steps=2)
    resumed.load_state_dict(copy.deepcopy(found.state_dict()))
    second = found.fit(episodes)
    assert first != second
    assert resumed.fit(episodes) == second


def rewarded(episodes: Episodes) -> Episodes:
    """Nobody sees anything of the others; agent 1 is paid 1 where agent 0 has just chosen action 0."""
    reward = torch.zeros(*episodes.action.shape)
    reward[:, :, 1] = (episodes.action[:, :, 0] == 0).float()
    return replace(episodes, individual_reward=reward)


def blind(action: Tensor) -> Tensor:
    return F.one_hot(action, 3).float()


@pytest.mark.parametrize("sees_reward", [False, True])
def test_an_influence_on_a_reward_alone_is_seen_by_models_that_see_rewards(sees_reward: bool) -> None:
    team = toy_team(3, 3, 3)
    values = DependenceGraphSettings(
        hidden_size=32, learning_rate=3e-3, encoder=False, sees_reward=sees_reward, threshold=0.9, gradient_steps=1
    )
    found = WorldModel(values, toy_context(team, regime="individual"))
    for update in range(150):
        found.fit(rewarded(played(blind, UNIFORM, 8, seed=update)))
    graph = found.infer(rewarded(played(blind, UNIFORM, 8, seed=10_000))).graph
    wanted = torch.zeros(3, 3, dtype=torch.bool)
    wanted[0, 1] = True
    # What action 0 was told by the reward is certain; the other two stay equally likely: both ratios are far below 0.9.
    assert f1(graph, wanted) == 1.0 if sees_reward else not graph.any()
