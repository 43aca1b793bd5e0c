"""Sources of dependence graphs: the interface, and the graphs that are not learned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from algorithms.interface import Episodes, LearnerContext
from algorithms.seeds import learner_seed

RANDOM_EDGE_PROBABILITY = 0.7
"""Probability of each edge of the graph source "random" (Le and Ta 2026)."""


@dataclass(frozen=True)
class Inferred:
    """A graph [B, T, N, N] bool, row = influencing agent (self loops may be missing), with the score of a learned graph.

    score [B, T, N, N] float: higher = more certain of an edge, NaN where it was not evaluated. monitors: tensors of one number.
    """

    graph: Tensor
    score: Tensor | None = None
    monitors: dict[str, Tensor] = field(default_factory=dict)


class GraphSource(ABC):
    """Gives the dependence graph of episodes. Owns its models, optimisers and random state."""

    @abstractmethod
    def infer(self, episodes: Episodes) -> Inferred:
        """The graph of the episodes. Called without gradients; changes no state."""

    def fit(self, episodes: Episodes) -> dict[str, Tensor | float]:
        """Learns from the episodes; returns losses."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Everything the next `infer` and `fit` depend on."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the result of `state_dict`."""
        return None


class ConstantGraph(GraphSource):
    """The full graph, or the graph without edges between different agents."""

    def __init__(self, full: bool) -> None:
        self._full = full

    def infer(self, episodes: Episodes) -> Inferred:
        batch, steps, agents = episodes.action.shape
        graph = torch.full((batch, steps, agents, agents), self._full, dtype=torch.bool, device=episodes.action.device)
        return Inferred(graph)


class PrivilegedGraph(GraphSource):
    """The union of the graphs that a probe of the simulator stored in `Episodes.privileged` under these names."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def infer(self, episodes: Episodes) -> Inferred:
        return Inferred(torch.stack([self._graph(episodes, name) for name in self._names]).any(0))

    def _graph(self, episodes: Episodes, name: str) -> Tensor:
        graph = episodes.privileged.get(name)
        batch, steps, agents = episodes.action.shape
        shape = (batch, steps, agents, agents)
        if graph is None:
            present = ", ".join(sorted(episodes.privileged)) or "nothing"
            raise ValueError(
                f"these episodes hold no privileged data '{name}' (they hold: {present}): "
                f"this graph needs a simulator with a probe that provides it"
            )
        if graph.dtype != torch.bool or graph.shape != shape:
            raise ValueError(f"privileged data '{name}' must be bool {shape}, not {graph.dtype} {tuple(graph.shape)}")
        return graph


class CorruptedGraph(GraphSource):
    """Another graph with random errors: each edge is dropped, and each missing edge added, with given probabilities.

    The errors are independent over episodes, steps and pairs, or, if `fixed`, those of one matrix [N, N] for the whole run.
    They are a function of the run's seed and the number of updates so far, so that `infer` changes no random state.
    """

    def __init__(self, source: GraphSource, dropped: float, added: float, fixed: bool, context: LearnerContext) -> None:
        self._source = source
        self._dropped = dropped
        self._added = added
        self._fixed = fixed
        self._seed = context.seed
        self._updates = 0

    def infer(self, episodes: Episodes) -> Inferred:
        graph = self._source.infer(episodes).graph
        name = "graph mistakes" if self._fixed else f"graph mistakes of update {self._updates}"
        draws = torch.Generator().manual_seed(learner_seed(self._seed, name))
        numbers = torch.rand(graph.shape[-2:] if self._fixed else graph.shape, generator=draws).to(graph.device)
        return Inferred(torch.where(graph, numbers >= self._dropped, numbers < self._added))

    def fit(self, episodes: Episodes) -> dict[str, Tensor | float]:
        self._updates += 1
        return self._source.fit(episodes)

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self._updates, "source": self._source.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._updates = state["updates"]
        self._source.load_state_dict(state["source"])
