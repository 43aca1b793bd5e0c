"""The estimator of ippo+dg and mappo+dg: where the graph comes from, what the critics do, resuming, learning."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor

from algorithms.advantages.dependence_graph.estimator import DependenceGraphAdvantage, build
from algorithms.advantages.dependence_graph.graph import multi_agent_advantage
from algorithms.advantages.gae import GAE, IdentityCritic
from algorithms.advantages.gae import build as build_plain
from algorithms.interface import Episodes, LearnerContext
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.settings.dependence_graph import (
    PAPER,
    RELEASED,
    DependenceGraphSettings,
    GraphSettings,
    GuidedIPPOSettings,
    GuidedMAPPOSettings,
    NearestGraphSettings,
    OracleGraphSettings,
    guided_by,
)
from algorithms.settings.policy_gradient import IPPOSettings, MAPPOSettings
from tests.fixtures.toy_team import collect, random_episodes, toy_context, toy_team

TEAM = toy_team(n_agents=3, agent_types=(0, 1, 0))
BASES = {"ippo": GuidedIPPOSettings, "mappo": GuidedMAPPOSettings}
PLAIN = {"ippo": IPPOSettings, "mappo": MAPPOSettings}
SMALL = {"hidden_size": 8, "encoder_hidden_size": 8, "latent_size": 4}


def individual_context(**changes: Any) -> LearnerContext:
    return toy_context(TEAM, **({"regime": "individual"} | changes))


def learner(
    kind: str = "ippo",
    graph: type[GraphSettings] = DependenceGraphSettings,
    context: LearnerContext | None = None,
    dependence: dict[str, Any] | None = None,
    **settings: Any,
) -> PolicyGradient:
    small = SMALL if graph is DependenceGraphSettings else {}
    values = guided_by(BASES[kind], graph)(**({"hidden_size": 8, "dependence": small | (dependence or {})} | settings))
    return build(values, context or individual_context())


def estimator(algorithm: PolicyGradient) -> DependenceGraphAdvantage:
    assert isinstance(algorithm.estimator, DependenceGraphAdvantage)
    return algorithm.estimator


def advantages(algorithm: PolicyGradient, episodes: Episodes) -> Tensor:
    credit = algorithm.credit(episodes)
    assert credit is not None
    assert credit.kind == "advantage"
    return credit.values


def random_graph(episodes: Episodes, density: float = 0.3) -> Tensor:
    batch, steps, agents = episodes.action.shape
    return torch.rand(batch, steps, agents, agents, generator=torch.Generator().manual_seed(3)) < density


def with_graph(episodes: Episodes, *names: str) -> Episodes:
    """The episodes with one random graph under all names, by default those that the oracle graph reads."""
    return replace(episodes, privileged=dict.fromkeys(names or ("state_graph", "reward_graph"), random_graph(episodes)))


def own_advantages(kind: str, episodes: Episodes) -> Tensor:
    """The GAE [B, T, N] of an estimator without a graph and with the same initial critic, for dead agents too."""
    plain = build_plain(PLAIN[kind](hidden_size=8), individual_context())
    return plain.estimator.estimate(episodes, episodes.individual_reward, None)


@pytest.mark.parametrize("kind", ["ippo", "mappo"])
def test_without_edges_and_floor_the_advantage_is_that_of_plain_ppo(kind: str) -> None:
    episodes = random_episodes(TEAM, 6, seed=5)
    guided = advantages(learner(kind, dependence={"source": "self", "floor": 0.0}), episodes)
    assert torch.equal(guided, own_advantages(kind, episodes) * episodes.acting)


@pytest.mark.parametrize("kind", ["ippo", "mappo"])
def test_with_all_edges_every_agent_is_credited_with_the_sum(kind: str) -> None:
    episodes = random_episodes(TEAM, 6, seed=5)
    expected = own_advantages(kind, episodes).sum(-1, keepdim=True) * episodes.acting
    assert torch.allclose(advantages(learner(kind, dependence={"source": "full"}), episodes), expected, atol=1e-5)


def test_by_default_advantages_outside_the_graph_have_weight_one_twentieth() -> None:
    episodes = random_episodes(TEAM, 6, seed=5)
    own = own_advantages("ippo", episodes)
    expected = (0.05 * own.sum(-1, keepdim=True) + 0.95 * own) * episodes.acting
    assert torch.allclose(advantages(learner(dependence={"source": "self"}), episodes), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["ippo", "mappo"])
def test_values_are_learned_as_if_there_were_no_graph(kind: str) -> None:
    episodes = random_episodes(TEAM, 6, seed=5)
    plain, guided = build_plain(PLAIN[kind](hidden_size=8), individual_context()), learner(kind, dependence={"source": "full"})
    for _ in range(2):
        plain.update(episodes)
        guided.update(episodes)
    expected, actual = plain.estimator.state_dict()["critic"], guided.estimator.state_dict()["own"]["critic"]
    assert all(torch.equal(value, actual[name]) for name, value in expected.items())


@pytest.mark.parametrize(
    ("graph", "names"),
    [(OracleGraphSettings, ("state_graph", "reward_graph")), (NearestGraphSettings, ("distance_graph",))],
    ids=["oracle", "knn"],
)
def test_a_graph_from_the_simulator_is_used_as_it_is(graph: type[GraphSettings], names: tuple[str, ...]) -> None:
    episodes = with_graph(random_episodes(TEAM, 6, seed=5), *names)
    actual, _ = estimator(learner(graph=graph)).graph(episodes)
    assert torch.equal(actual, random_graph(episodes) | torch.eye(3, dtype=torch.bool))
    expected = multi_agent_advantage(actual, own_advantages("ippo", episodes), 0.99 * 0.95, 0.05) * episodes.acting
    assert torch.equal(advantages(learner(graph=graph), episodes), expected)


@pytest.mark.parametrize(
    ("watched", "names"),
    [
        ("state", ["state_graph"]),
        ("reward", ["reward_graph"]),
        ("state and reward", ["state_graph", "reward_graph"]),
        ("observation", ["observation_graph"]),
    ],
)
def test_an_oracle_sees_influence_on_what_it_watches(watched: str, names: list[str]) -> None:
    episodes = random_episodes(TEAM, 6, seed=5)
    every = torch.eye(3, dtype=torch.bool).expand(*episodes.action.shape, 3).clone()
    edges = {"observation_graph": (0, 1), "state_graph": (1, 2), "reward_graph": (2, 0)}
    for name, (actor, influenced) in edges.items():
        graph = torch.zeros_like(every)
        graph[..., actor, influenced] = True
        episodes.privileged[name] = graph
        if name in names:
            every |= graph
    actual, _ = estimator(learner(graph=OracleGraphSettings, dependence={"watched": watched})).graph(episodes)
    assert torch.equal(actual, every)


def test_the_error_names_the_graph_that_the_simulator_did_not_provide() -> None:
    episodes = random_episodes(TEAM, 4, seed=5)
    with pytest.raises(ValueError, match=r"no privileged data 'state_graph' \(they hold: nothing\)"):
        learner(graph=OracleGraphSettings).update(episodes)
    with pytest.raises(ValueError, match=r"'reward_graph' \(they hold: state_graph\)"):
        learner(graph=OracleGraphSettings).update(with_graph(episodes, "state_graph"))
    with pytest.raises(ValueError, match=r"'distance_graph' \(they hold: reward_graph, state_graph\)"):
        learner(graph=NearestGraphSettings).update(with_graph(episodes))


@pytest.mark.parametrize("spoil", [lambda graph: graph.float(), lambda graph: graph[:, :, :2]], ids=["type", "shape"])
def test_a_graph_of_the_wrong_kind_is_refused(spoil: Any) -> None:
    episodes = random_episodes(TEAM, 4, seed=5)
    episodes = with_graph(episodes)
    episodes.privileged["reward_graph"] = spoil(random_graph(episodes))
    with pytest.raises(ValueError, match="must be bool"):
        learner(graph=OracleGraphSettings).update(episodes)


def test_a_transposed_graph_is_read_against_its_edges() -> None:
    episodes = with_graph(random_episodes(TEAM, 6, seed=5))
    forwards, _ = estimator(learner(graph=OracleGraphSettings)).graph(episodes)
    backwards, _ = estimator(learner(graph=OracleGraphSettings, dependence={"transposed": True})).graph(episodes)
    assert torch.equal(backwards, forwards.transpose(-1, -2))
    assert not torch.equal(backwards, forwards)


def test_a_random_graph_has_its_density_and_is_drawn_anew_for_every_step_and_update() -> None:
    episodes = random_episodes(TEAM, 200, seed=5)
    advantage_estimator = estimator(learner(dependence={"source": "random"}))
    graph, monitors = advantage_estimator.graph(episodes)
    others = ~torch.eye(3, dtype=torch.bool)
    assert graph[:, :, others].float().mean().item() == pytest.approx(0.7, abs=0.02)
    assert monitors["graph_density"].item() == pytest.approx(0.7, abs=0.03)
    assert (graph[:, 0] != graph[:, 1]).any()
    assert torch.equal(graph, advantage_estimator.graph(episodes)[0]), "looking draws nothing"
    advantage_estimator.fit(episodes, episodes.individual_reward, None)
    assert not torch.equal(graph, advantage_estimator.graph(episodes)[0])


@pytest.mark.parametrize(
    ("dropped", "added", "expected"),
    [(1.0, 0.0, lambda graph: torch.zeros_like(graph)), (0.0, 1.0, lambda graph: torch.ones_like(graph))],
    ids=["all dropped", "all added"],
)
def test_error_probabilities_of_one_make_any_graph_empty_or_full(dropped: float, added: float, expected: Any) -> None:
    episodes = with_graph(random_episodes(TEAM, 6, seed=5))
    graph, _ = estimator(learner(graph=OracleGraphSettings, dependence={"dropped": dropped, "added": added})).graph(episodes)
    assert torch.equal(graph, expected(graph) | torch.eye(3, dtype=torch.bool))


def test_dropping_adds_nothing_and_adding_drops_nothing() -> None:
    episodes = with_graph(random_episodes(TEAM, 100, seed=5))
    true = random_graph(episodes) | torch.eye(3, dtype=torch.bool)
    others = ~torch.eye(3, dtype=torch.bool)
    fewer, _ = estimator(learner(graph=OracleGraphSettings, dependence={"dropped": 0.5})).graph(episodes)
    more, _ = estimator(learner(graph=OracleGraphSettings, dependence={"added": 0.5})).graph(episodes)
    assert not (fewer & ~true).any()
    assert not (true & ~more).any()
    assert fewer[true & others].float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert more[~true].float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_fixed_errors_are_the_same_at_every_step_of_the_run() -> None:
    episodes = with_graph(random_episodes(TEAM, 6, seed=5))
    always = replace(episodes, privileged={name: torch.ones_like(graph) for name, graph in episodes.privileged.items()})
    advantage_estimator = estimator(learner(graph=OracleGraphSettings, dependence={"dropped": 0.5, "fixed": True}))
    graph, _ = advantage_estimator.graph(always)
    assert (graph == graph[:1, :1]).all()
    assert 3 < graph[0, 0].sum() < 9
    advantage_estimator.fit(always, always.individual_reward, None)
    assert torch.equal(graph, advantage_estimator.graph(always)[0])


def test_terms_of_other_agents_can_use_local_values() -> None:
    episodes = with_graph(random_episodes(TEAM, 6, seed=5))
    dependence = estimator(learner("mappo", OracleGraphSettings, cross_critic="local"))
    total = dependence.estimate(episodes, episodes.individual_reward)
    other = replace(episodes, state=random_episodes(TEAM, 6, seed=6).state)
    own, local = (gae.estimate(episodes, episodes.individual_reward) for gae in (dependence.own, dependence.cross))
    others = multi_agent_advantage(dependence.graph(episodes)[0], local, 0.99 * 0.95, 0.05) - local
    assert torch.allclose(total, own + others, atol=1e-5)
    moved = dependence.estimate(other, other.individual_reward) - dependence.own.estimate(other, other.individual_reward)
    assert torch.allclose(moved, others, atol=1e-5), "local values do not depend on the state"
    monitors = dependence.fit(episodes, episodes.individual_reward)
    assert monitors["cross_value_loss"] != monitors["value_loss"]


def test_the_identity_critic_sees_the_state_and_the_index_of_the_agent() -> None:
    episodes = random_episodes(TEAM, 4, seed=5)
    algorithm = learner("mappo", dependence={"source": "self", "floor": 0.0}, central_critic="identity")
    critic = estimator(algorithm).own
    assert isinstance(critic, GAE)
    assert isinstance(critic.critic, IdentityCritic)
    values = critic.values(episodes)
    for agent in range(3):
        seen = torch.cat([episodes.state[0, 2], torch.tensor([2 / TEAM.horizon]), torch.eye(3)[agent]])
        assert values[0, 2, agent].item() == pytest.approx(critic.critic.network(seen).item(), abs=1e-5)
    assert math.isfinite(algorithm.update(episodes)["value_loss"])


@pytest.mark.parametrize("regime", ["team", "episodic"])
def test_a_shared_reward_is_refused(regime: str) -> None:
    with pytest.raises(ValueError, match="individual rewards"):
        learner(context=individual_context(regime=regime))


def test_settings_of_another_graph_are_refused() -> None:
    with pytest.raises(ValidationError, match="threshold"):
        guided_by(GuidedIPPOSettings, OracleGraphSettings)(dependence={"threshold": 0.5})
    with pytest.raises(ValidationError, match="cross_critic"):
        guided_by(GuidedIPPOSettings, DependenceGraphSettings)(cross_critic="local")


@pytest.mark.parametrize("preset", [{}, PAPER, RELEASED], ids=["defaults", "paper", "released"])
@pytest.mark.parametrize("kind", ["ippo", "mappo"])
def test_defaults_and_presets_learn_with_deaths_and_short_episodes(kind: str, preset: dict[str, Any]) -> None:
    settings = guided_by(BASES[kind], DependenceGraphSettings)(**preset)
    algorithm = build(settings, individual_context(time_limit="bootstrap"))
    short = random_episodes(toy_team(n_agents=3, horizon=1), 5, seed=1)
    short = replace(short, alive=torch.ones_like(short.alive))
    all_dead = replace(short, alive=torch.zeros_like(short.alive))
    for episodes in (random_episodes(TEAM, 6, seed=5), short, all_dead):
        monitors = algorithm.update(episodes)
        assert {"graph_density", "graph_entropy_ratio", "value_loss"} <= set(monitors)
        assert all(math.isfinite(value) for value in monitors.values())
    assert algorithm.update(short)["encoder_loss"] > 0


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("ippo", {"dependence": {**SMALL, "multi_head": True, "gradient_steps": 2}}),
        ("mappo", {"cross_critic": "local", "central_critic": "identity", "dependence": {**SMALL, "encoder": False}}),
        ("ippo", {"dependence": {"source": "random"}, "recurrent": True}),
    ],
)
def test_a_resumed_learner_goes_on_bit_for_bit(kind: str, options: dict[str, Any]) -> None:
    batches = [random_episodes(TEAM, 6, seed) for seed in range(4)]
    first = learner(kind, **options)
    for batch in batches[:2]:
        first.update(batch)
    context = individual_context(seed=0 if "source" in options["dependence"] else 99)
    second = learner(kind, context=context, **options)
    second.load_state_dict(torch.load(_saved(first), weights_only=True))
    for batch in batches[2:]:
        first.credit(batch)
        assert first.update(batch) == second.update(batch)
    assert torch.equal(advantages(first, batches[0]), advantages(second, batches[0]))


def test_learning_neither_uses_nor_disturbs_the_global_random_state() -> None:
    batch = random_episodes(TEAM, 6, 0)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = learner().update(batch)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    assert learner().update(batch) == first


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dependence", [{}, {"multi_head": True}, {"source": "random"}])
def test_everything_works_on_a_gpu(dependence: dict[str, Any]) -> None:
    episodes = random_episodes(TEAM, 6, seed=5)
    options = {"cross_critic": "local", "central_critic": "identity"}
    on_gpu = learner("mappo", context=individual_context(device=torch.device("cuda")), dependence=dependence, **options)
    on_gpu.update(episodes)
    on_cpu = learner("mappo", dependence=dependence, **options)
    on_cpu.load_state_dict(torch.load(_saved(on_gpu), weights_only=True, map_location="cpu"))
    assert on_cpu.update(episodes) == pytest.approx(on_gpu.update(episodes), rel=1e-2, abs=1e-3)


class Help:
    """Agent 1 may help (action 1) at a cost of 0.1; a step later agent 0 sees whether it did and earns 1 for taking part
    in what it was helped with. Returns: 0 without help, 0.9 a step with it."""

    def __init__(self) -> None:
        self.team = toy_team(n_agents=2, observation_size=2, action_size=2, state_size=4, horizon=6)

    def begin(self, rows: int, generator: torch.Generator) -> None:
        self._helped = torch.zeros(rows, dtype=torch.bool)

    def observation(self, time: int) -> Tensor:
        return torch.stack([F.one_hot(self._helped.long(), 2), torch.zeros(len(self._helped), 2)], 1).float()

    def reward(self, time: int, action: Tensor) -> Tensor:
        before, self._helped = self._helped, action[:, 1] == 1
        return individual_rewards(action, before).sum(-1)


def individual_rewards(action: Tensor, helped: Tensor) -> Tensor:
    """[…, 2] what each earns by action […, 2] after agent 1 helped or not […] in the step before."""
    return torch.stack([torch.where(helped, 1.0, -1.0) * action[..., 0], -0.1 * action[..., 1]], -1)


def trained(algorithm: PolicyGradient, updates: int) -> float:
    """Plays and learns; the mean return of the team at the end."""
    world, source = Help(), torch.Generator().manual_seed(11)
    for _ in range(updates):
        algorithm.update(_with_individual_rewards(collect(algorithm, world, 32, "train", source)))
    played = _with_individual_rewards(collect(algorithm, world, 256, "sample", torch.Generator().manual_seed(1)))
    return float(played.individual_reward.sum((1, 2)).mean())


def _with_individual_rewards(episodes: Episodes) -> Episodes:
    helped = F.pad(episodes.action[:, :-1, 1] == 1, (1, 0))
    return replace(episodes, individual_reward=individual_rewards(episodes.action, helped))


def test_an_agent_learns_to_help_with_a_learned_graph_but_not_from_its_own_reward() -> None:
    """With one gradient step an update the agent often forgets how to help before the graph shows that it did."""
    context = toy_context(Help().team, regime="individual")
    common = {
        "hidden_size": 16,
        "learning_rate": 3e-3,
        "critic_learning_rate": 3e-3,
        "entropy_coefficient": 0.05,
        "minibatches": 1,
    }
    graph = {"hidden_size": 16, "encoder_hidden_size": 16, "latent_size": 16, "learning_rate": 3e-3, "gradient_steps": 4}
    guided = guided_by(GuidedIPPOSettings, DependenceGraphSettings)(**common, dependence=graph | {"floor": 0.0})
    assert trained(build(guided, context), 100) > 3.0
    assert trained(build_plain(IPPOSettings(**common), context), 100) < 1.0


def _saved(algorithm: PolicyGradient) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(algorithm.state_dict(), file)
    file.seek(0)
    return file
