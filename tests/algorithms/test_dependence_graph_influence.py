"""The influence graph of a method: it is the graph of the advantage, and computing it changes no state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from algorithms.advantages.dependence_graph.estimator import DependenceGraphAdvantage
from algorithms.advantages.dependence_graph.world_model import WorldModel
from algorithms.interface import Episodes, Influence
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.registry import BUILT_IN, AlgorithmEntry, algorithms
from tests.fixtures.toy_team import random_episodes, toy_context, toy_team
from tests.fixtures.train_toy import same

TEAM = toy_team(n_agents=3, horizon=5)
LOOPS = torch.eye(3, dtype=torch.bool)


def learner(**dependence: Any) -> PolicyGradient:
    """`ippo+dg` after an update, so that its models predict something."""
    entry = algorithms()["ippo+dg"]
    algorithm = entry.build(entry.settings(hidden_size=8, dependence=dependence), toy_context(TEAM, regime="individual"))
    assert isinstance(algorithm, PolicyGradient)
    algorithm.update(random_episodes(TEAM, 8, seed=0))
    return algorithm


def influence_of(algorithm: PolicyGradient, episodes: Episodes) -> Influence:
    influence = algorithm.influence(episodes)
    assert influence is not None
    return influence


@pytest.mark.parametrize("transposed", [False, True])
def test_the_score_of_a_learned_graph_is_minus_the_entropy_ratio(transposed: bool) -> None:
    algorithm, episodes = learner(transposed=transposed, threshold=1.0), random_episodes(TEAM, 6, seed=1)
    estimator = algorithm.estimator
    assert isinstance(estimator, DependenceGraphAdvantage)
    assert isinstance(estimator.source, WorldModel)
    influence = influence_of(algorithm, episodes)
    assert torch.equal(influence.graph, estimator.graph(episodes)[0])
    assert influence.graph.diagonal(dim1=-2, dim2=-1).all()
    assert (influence.graph & ~LOOPS).any()
    ratio, own = estimator.source.entropy_ratio(episodes)
    assert (own[episodes.running] > 0.05).all()
    score = influence.score
    assert score is not None
    graph = influence.graph
    if transposed:
        score, graph = score.transpose(-1, -2), graph.transpose(-1, -2)
    evaluated = ratio.isfinite()
    assert evaluated.any()
    assert not evaluated.all()
    assert torch.equal(score[evaluated], -ratio[evaluated])
    assert score[~evaluated].isnan().all()
    assert torch.equal(graph | LOOPS, (torch.where(evaluated, score, -torch.inf) > -1.0) | LOOPS)


@pytest.mark.parametrize(("source", "edges"), [("full", 1.0), ("self", 0.0), ("random", 0.7)])
def test_a_graph_that_is_not_learned_has_no_score(source: str, edges: float) -> None:
    episodes = random_episodes(TEAM, 64, seed=1)
    influence = influence_of(learner(source=source), episodes)
    assert influence.score is None
    assert influence.graph.diagonal(dim1=-2, dim2=-1).all()
    assert float(influence.graph[..., ~LOOPS].float().mean()) == pytest.approx(edges, abs=0.05)


@pytest.mark.parametrize("dependence", [{}, {"source": "random"}, {"batch_steps": 4, "gradient_steps": 2}])
def test_computing_the_influence_changes_no_bit_of_the_next_update(dependence: dict[str, Any]) -> None:
    queried, untouched = learner(**dependence), learner(**dependence)
    first, second = random_episodes(TEAM, 6, seed=1), random_episodes(TEAM, 6, seed=2)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    influence = influence_of(queried, first)
    assert torch.equal(torch.get_rng_state(), before)
    assert not influence.graph.requires_grad
    assert influence.score is None or not influence.score.requires_grad
    assert same(queried.state_dict(), untouched.state_dict())
    again = influence_of(queried, first)
    assert torch.equal(influence.graph, again.graph)
    assert influence.score is None or torch.equal(influence.score.nan_to_num(9.0), again.score.nan_to_num(9.0))
    assert queried.update(second) == untouched.update(second)
    assert same(queried.state_dict(), untouched.state_dict())


def with_every_probe(entry: AlgorithmEntry) -> Episodes:
    episodes = random_episodes(TEAM, 6, seed=1)
    graph = LOOPS.expand(6, 5, 3, 3)
    names = {"observation_graph", "state_graph", "reward_graph", *entry.requires}
    return replace(episodes, privileged=dict.fromkeys(names, graph))


@pytest.mark.parametrize("entry", BUILT_IN, ids=lambda entry: entry.name)
def test_a_method_returns_an_influence_graph_if_and_only_if_its_entry_claims_it(entry: AlgorithmEntry) -> None:
    algorithm = entry.build(entry.settings(), toy_context(TEAM, regime=entry.regimes[0]))
    actual = algorithm.influence(with_every_probe(entry))
    assert (actual is not None) == entry.claims_influence
    assert entry.claims_influence == (entry.family == "dependence graph")
