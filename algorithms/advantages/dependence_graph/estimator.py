"""The advantage estimator of `ippo+dg` and `mappo+dg`: generalised advantage estimates, combined along a dependence graph.

Values and their targets do not depend on the graph: every agent's critic regresses to the agent's own return (gae.py). The
graph determines which agents' advantages an actor is credited with (graph.py).

`cross_critic`: with an exact value of the full state, TD errors after a step have mean zero given that step, so the terms that
the graph adds from later steps carry no signal; with a value of agent i's own observation, the effect of agent j appears in i's
TD errors when it reaches i. With "local", the terms of other agents use such values, and the agent's own term its own critic.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from algorithms.advantages.dependence_graph.graph import multi_agent_advantage, with_self_loops
from algorithms.advantages.dependence_graph.sources import (
    RANDOM_EDGE_PROBABILITY,
    ConstantGraph,
    CorruptedGraph,
    GraphSource,
    Inferred,
    PrivilegedGraph,
)
from algorithms.advantages.dependence_graph.world_model import WorldModel
from algorithms.advantages.gae import GAE, IdentityCritic, LocalCritic
from algorithms.interface import Episodes, Influence, LearnerContext
from algorithms.policy_gradient.advantage_estimator import AdvantageEstimator
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.settings.dependence_graph import (
    DependenceGraphSettings,
    GraphSettings,
    GuidedMAPPOSettings,
    GuidedPPOSettings,
    NearestGraphSettings,
    OracleGraphSettings,
)


def build(settings: GuidedPPOSettings, context: LearnerContext) -> PolicyGradient:
    """IPPO or MAPPO with a dependence graph. Raises ValueError unless the reward regime is "individual"."""
    return PolicyGradient(settings, context, DependenceGraphAdvantage(settings, context))


class DependenceGraphAdvantage(AdvantageEstimator):
    """The multi-agent advantage: every agent's own advantage, summed over the agents that an action can have reached."""

    def __init__(self, settings: GuidedPPOSettings, context: LearnerContext) -> None:
        if context.regime != "individual":
            raise ValueError(f"a dependence graph shares out individual rewards; the regime is '{context.regime}'")
        self._settings = settings
        own, self.cross = None, None
        if isinstance(settings, GuidedMAPPOSettings):
            if settings.central_critic == "identity":
                own = IdentityCritic
            if settings.cross_critic == "local":
                self.cross = GAE(settings, context, LocalCritic, "cross critic")
        self.own = GAE(settings, context, own)
        self.source = graph_source(settings.dependence, context)
        self._estimated: tuple[Episodes, dict[str, Tensor]] | None = None

    @torch.no_grad()
    def graph(self, episodes: Episodes) -> tuple[Tensor, dict[str, Tensor]]:
        """The graph [B, T, N, N] bool that the advantage uses, self loops included, and its monitors.

        `graph_density`: the fraction of pairs of different agents, the first of which acted, that have an edge.
        """
        inferred = self._inferred(episodes)
        graph = inferred.graph
        acting, agents = episodes.acting, graph.shape[-1]
        others = (graph.sum(-1) - 1)[acting].sum()
        pairs = (acting.sum() * (agents - 1)).clamp(min=1)
        return graph, {"graph_density": others / pairs, **inferred.monitors}

    def influence(self, episodes: Episodes) -> Influence:
        """The graph that the advantage uses and, for a learned graph, its score with the same orientation."""
        inferred = self._inferred(episodes)
        return Influence(inferred.graph, inferred.score)

    @torch.no_grad()
    def _inferred(self, episodes: Episodes) -> Inferred:
        """The source's graph and score, transposed if the setting says so; the graph with self loops."""
        inferred = self.source.infer(episodes)
        graph, score = inferred.graph, inferred.score
        if self._settings.dependence.transposed:
            graph, score = graph.transpose(-1, -2), None if score is None else score.transpose(-1, -2)
        return replace(inferred, graph=with_self_loops(graph), score=score)

    @torch.no_grad()
    def estimate(self, episodes: Episodes, reward: Tensor, policy: Tensor | None = None) -> Tensor:
        settings = self._settings
        graph, monitors = self.graph(episodes)
        own = self.own.estimate(episodes, reward)
        across = own if self.cross is None else self.cross.estimate(episodes, reward)
        decay = settings.discount * settings.gae_lambda
        credited = multi_agent_advantage(graph, across, decay, settings.dependence.floor)
        self._estimated = (episodes, monitors)
        # An agent reaches itself at once: its own advantage is in the sum exactly once, with weight 1.
        return credited if self.cross is None else credited + own - across

    def fit(self, episodes: Episodes, reward: Tensor, policy: Tensor | None = None) -> dict[str, Tensor | float]:
        """Fits the critics, then the graph's source; the monitors of the graph are those of the last estimate."""
        if self._estimated is None or self._estimated[0] is not episodes:
            self.estimate(episodes, reward)
        assert self._estimated is not None
        monitors: dict[str, Tensor | float] = {**self._estimated[1], **self.own.fit(episodes, reward)}
        self._estimated = None
        if self.cross is not None:
            monitors |= {f"cross_{name}": value for name, value in self.cross.fit(episodes, reward).items()}
        return monitors | self.source.fit(episodes)

    def state_dict(self) -> dict[str, Any]:
        state = {"own": self.own.state_dict(), "graph": self.source.state_dict()}
        return state if self.cross is None else state | {"cross": self.cross.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.own.load_state_dict(state["own"])
        self.source.load_state_dict(state["graph"])
        if self.cross is not None:
            self.cross.load_state_dict(state["cross"])
        self._estimated = None


WATCHED = {
    "state": ("state_graph",),
    "reward": ("reward_graph",),
    "state and reward": ("state_graph", "reward_graph"),
    "observation": ("observation_graph",),
}
"""The privileged data that each value of the setting `watched` reads."""


def graph_source(settings: GraphSettings, context: LearnerContext) -> GraphSource:
    """The graph source of the settings."""
    match settings:
        case OracleGraphSettings():
            oracle = PrivilegedGraph(*WATCHED[settings.watched])
            return CorruptedGraph(oracle, settings.dropped, settings.added, settings.fixed, context)
        case NearestGraphSettings():
            return PrivilegedGraph("distance_graph")
        case DependenceGraphSettings(source="learned"):
            return WorldModel(settings, context)
        case DependenceGraphSettings(source="random"):
            return CorruptedGraph(ConstantGraph(full=False), 0.0, RANDOM_EDGE_PROBABILITY, False, context)
        case DependenceGraphSettings():
            return ConstantGraph(full=settings.source == "full")
    raise TypeError(f"no graph for settings of type {type(settings).__name__}")
