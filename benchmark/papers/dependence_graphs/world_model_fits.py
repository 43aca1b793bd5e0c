"""What the studies of learned dependence graphs share: frozen policies that play, models that are taught by what they play, and
the pairs of agents that the models are then asked about, with what interventions in the simulator show of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor

from algorithms.advantages.dependence_graph.world_model import WorldModel
from algorithms.interface import Episodes, LearnerContext
from algorithms.seeds import derive
from algorithms.settings.dependence_graph import DependenceGraphSettings
from algorithms.team import TeamShape
from benchmark.credit.graphs import agreement_of, area_under_curve, oracle_graphs
from benchmark.experiments.credit_measurements import GraphAgreement
from benchmark.experiments.study_result import Cell
from benchmark.papers.toolkit.estimators import Interval, mean_interval
from benchmark.papers.toolkit.reward_model_fits import Stage

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

THRESHOLD = 0.9
MINIMUM_ENTROPY = DependenceGraphSettings().minimum_entropy


@dataclass(frozen=True)
class Lessons:
    """How models are taught: `steps` gradient steps, `at_once` of them on every `episodes` fresh ones, each on `batch_steps`
    environment steps drawn from these."""

    steps: int
    batch_steps: int = 128
    at_once: int = 10
    episodes: int = 10

    @property
    def collections(self) -> int:
        """How often fresh episodes are collected."""
        return self.steps // self.at_once

    @property
    def settings(self) -> dict[str, Any]:
        """What of it a model's settings have to know."""
        return {"gradient_steps": self.at_once, "batch_steps": self.batch_steps}

    @property
    def text(self) -> str:
        """In words."""
        return (
            f"{self.steps:,} gradient steps of {self.batch_steps} environment steps each, {self.at_once} on every "
            f"{self.episodes} fresh episodes"
        )


class Model(Protocol):
    """What can be taught."""

    def fit(self, episodes: Episodes) -> Any:
        """Takes its gradient steps on fresh episodes."""


class World:
    """A frozen policy of a task, by default the one that is uniform over available actions. Use it in a `with` statement."""

    def __init__(self, task: str, seed: int, policy: dict[str, Tensor] | None = None) -> None:
        self._plain, self._probing = Stage(task, seed), Stage(task, seed, ("oracle_graph",))
        # All weights 0: all logits are equal, and the policy is uniform over what is available.
        zeros = {name: torch.zeros_like(values) for name, values in self._plain.actor.policy_state().items()}
        self._policy = zeros if policy is None else policy

    @property
    def team(self) -> TeamShape:
        return self._plain.team

    def episodes(self, count: int, purpose: str) -> Episodes:
        """Episodes that are a function of the policy, the seed and `purpose` alone."""
        return self._plain.play(self._policy, count, purpose)

    def watched(self, count: int, purpose: str) -> Episodes:
        """The same, with the graphs that interventions show in their `privileged`."""
        return self._probing.play(self._policy, count, purpose)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stage in (self._plain, self._probing):
            stage.__exit__()


class Played(Protocol):
    """Where episodes come from to be learned from."""

    def episodes(self, count: int, purpose: str) -> Episodes:
        """So many, for that purpose."""


def world_model(team: TeamShape, seed: int, lessons: Lessons, settings: Mapping[str, Any]) -> WorldModel:
    """An untaught world model with these of its settings changed, that takes the gradient steps of the lessons."""
    values = DependenceGraphSettings(**{**lessons.settings, **settings})
    return WorldModel(values, LearnerContext(team=team, regime="individual", budget=1, seed=derive(seed, "world model")))


def teach(models: Iterable[Model], world: Played, lessons: Lessons, collections: Iterable[int]) -> None:
    """Teaches all models by the same fresh episodes, those of the collections of these numbers."""
    taught = list(models)
    for number in collections:
        fresh = world.episodes(lessons.episodes, f"to fit, {number}")
        for model in taught:
            model.fit(fresh)


@dataclass(frozen=True)
class Pairs:
    """P pairs of different agents, each at some step, that a model was asked about.

    ratio [P]: of the entropies. known [P]: the entropy without looking at the other agent, in nats; below `MINIMUM_ENTROPY`
    nothing is claimed. true: [P] what holds of each, by the name of an oracle. others: the number of an agent's partners.
    """

    ratio: Array
    known: Array
    true: Mapping[str, Bools]
    others: int

    def claimed(self, threshold: float = THRESHOLD) -> Bools:
        """[P] whether there is an edge by the rule `ratio < threshold`."""
        found: Bools = (self.ratio < threshold) & (self.known > MINIMUM_ENTROPY)
        return found

    def density(self, threshold: float = THRESHOLD) -> float:
        """The share of pairs with a claimed edge."""
        return float(self.claimed(threshold).mean())

    def agreement(self, oracle: str, threshold: float = THRESHOLD) -> GraphAgreement:
        """Beside one oracle; the score is minus the ratio. (The name in the agreement means nothing here.)"""
        true = self.true[oracle]
        area = area_under_curve(rankdata(-self.ratio), true)
        return agreement_of("observation", self.claimed(threshold), true, area)


def pairs_of(
    asked: tuple[Tensor, Tensor], episodes: Episodes, true: Mapping[Any, Bools] | None = None, where: Bools | None = None
) -> Pairs:
    """The pairs that were asked about.

    asked: ratio [B, T, N, N] (infinite where nothing was asked) and entropies [B, T, N] of the actor or [B, T, N, N], as
    `WorldModel.entropy_ratio` gives them. true: [B, T, N, N] by name; none: the oracles of the episodes. where [B, T] or
    [B, T, N, N]: only these. Raises ValueError if no pair is left.
    """
    ratio, known = (values.double().numpy() for values in asked)
    known = known if known.ndim == ratio.ndim else np.broadcast_to(known[..., None], ratio.shape)
    chosen = np.isfinite(ratio)
    if where is not None:
        chosen &= where.reshape(where.shape + (1,) * (chosen.ndim - where.ndim))
    if not chosen.any():
        raise ValueError("there is no pair of agents to be asked about")
    truths = oracle_graphs(episodes) if true is None else true
    return Pairs(ratio[chosen], known[chosen], {name: graph[chosen] for name, graph in truths.items()}, ratio.shape[-1] - 1)


def mean_of(values: Iterable[float | None]) -> Cell:
    """The mean of those that are defined, None if none is."""
    found = [value for value in values if value is not None]
    return float(np.mean(found)) if found else None


def interval_of(values: Iterable[float | None]) -> Interval:
    """The mean over seeds with its interval; what is not defined counts as 0: an F1 where nothing is claimed or true."""
    return mean_interval([0.0 if value is None else value for value in values])
