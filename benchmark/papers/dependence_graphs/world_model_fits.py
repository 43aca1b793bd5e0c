"""FrozenPolicy models trained on episodes of frozen policies, and their claims about pairs of agents beside the oracles."""

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
from benchmark.papers.toolkit.reward_model_fits import FrozenPolicyRollouts

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

THRESHOLD = 0.9
MINIMUM_ENTROPY = DependenceGraphSettings().minimum_entropy


@dataclass(frozen=True)
class TrainingSchedule:
    """A training schedule: `steps` gradient steps, `steps_per_collection` of them on each collection of `episodes` fresh
    episodes, each on `batch_steps` environment steps drawn from the collection."""

    steps: int
    batch_steps: int = 128
    steps_per_collection: int = 10
    episodes: int = 10

    @property
    def collections(self) -> int:
        """The number of collections of fresh episodes."""
        return self.steps // self.steps_per_collection

    @property
    def settings(self) -> dict[str, Any]:
        """The model's settings that follow from the schedule."""
        return {"gradient_steps": self.steps_per_collection, "batch_steps": self.batch_steps}

    @property
    def text(self) -> str:
        """The schedule as text."""
        return (
            f"{self.steps:,} gradient steps of {self.batch_steps} environment steps each, {self.steps_per_collection} on every "
            f"{self.episodes} fresh episodes"
        )


class Model(Protocol):
    """A model that can be trained."""

    def fit(self, episodes: Episodes) -> Any:
        """Makes its gradient steps on fresh episodes."""


class FrozenPolicy:
    """Episodes of one frozen policy of a task, by default uniform over available actions. A context manager."""

    def __init__(self, task: str, seed: int, policy: dict[str, Tensor] | None = None) -> None:
        self._plain, self._probing = FrozenPolicyRollouts(task, seed), FrozenPolicyRollouts(task, seed, ("oracle_graph",))
        # With all weights 0 the logits are equal, and the policy is uniform over the available actions.
        zeros = {name: torch.zeros_like(values) for name, values in self._plain.actor.policy_state().items()}
        self._policy = zeros if policy is None else policy

    @property
    def team(self) -> TeamShape:
        return self._plain.team

    def episodes(self, count: int, purpose: str) -> Episodes:
        """Episodes that depend only on the policy, the seed and `purpose`."""
        return self._plain.collect(self._policy, count, purpose)

    def episodes_with_oracles(self, count: int, purpose: str) -> Episodes:
        """The same episodes, with the graphs by intervention in their `privileged`."""
        return self._probing.collect(self._policy, count, purpose)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for rollouts in (self._plain, self._probing):
            rollouts.__exit__()


class EpisodeSource(Protocol):
    """A source of training episodes."""

    def episodes(self, count: int, purpose: str) -> Episodes:
        """`count` episodes that depend on `purpose`."""


def world_model(team: TeamShape, seed: int, schedule: TrainingSchedule, settings: Mapping[str, Any]) -> WorldModel:
    """An untrained world model with `settings` in place of its defaults, and the gradient steps of the schedule."""
    values = DependenceGraphSettings(**{**schedule.settings, **settings})
    return WorldModel(values, LearnerContext(team=team, regime="individual", budget=1, seed=derive(seed, "world model")))


def train_models(
    models: Iterable[Model], source: EpisodeSource, schedule: TrainingSchedule, collections: Iterable[int]
) -> None:
    """Trains all models on the same fresh episodes, those of the collections with these numbers."""
    trained = list(models)
    for number in collections:
        fresh = source.episodes(schedule.episodes, f"to fit, {number}")
        for model in trained:
            model.fit(fresh)


@dataclass(frozen=True)
class Pairs:
    """The output of a model for P pairs of different agents, each at one step.

    ratio [P]: of the entropies. known [P]: the entropy in nats without the receiver's information; below `MINIMUM_ENTROPY`
    there is no edge. true: [P] whether there is an edge, by the name of an oracle. others: N - 1.
    """

    ratio: Array
    known: Array
    true: Mapping[str, Bools]
    others: int

    def claimed(self, threshold: float = THRESHOLD) -> Bools:
        """[P] whether the model claims an edge: `ratio < threshold`."""
        edges: Bools = (self.ratio < threshold) & (self.known > MINIMUM_ENTROPY)
        return edges

    def density(self, threshold: float = THRESHOLD) -> float:
        """The share of pairs with a claimed edge."""
        return float(self.claimed(threshold).mean())

    def agreement(self, oracle: str, threshold: float = THRESHOLD) -> GraphAgreement:
        """The agreement with one oracle, with minus the ratio as score. Its field `oracle` has no meaning here."""
        true = self.true[oracle]
        area = area_under_curve(rankdata(-self.ratio), true)
        return agreement_of("observation", self.claimed(threshold), true, area)


def pairs_of(
    output: tuple[Tensor, Tensor], episodes: Episodes, true: Mapping[Any, Bools] | None = None, where: Bools | None = None
) -> Pairs:
    """The pairs for which a model has an output.

    output: ratio [B, T, N, N] (infinite for no pair) and entropies [B, T, N] of the actor or [B, T, N, N], as
    `WorldModel.entropy_ratio` returns them. true: [B, T, N, N] by name; None: the oracles of the episodes. where [B, T] or
    [B, T, N, N]: a restriction to these steps or pairs. Raises ValueError if no pair is left.
    """
    ratio, known = (values.double().numpy() for values in output)
    known = known if known.ndim == ratio.ndim else np.broadcast_to(known[..., None], ratio.shape)
    chosen = np.isfinite(ratio)
    if where is not None:
        chosen &= where.reshape(where.shape + (1,) * (chosen.ndim - where.ndim))
    if not chosen.any():
        raise ValueError("these episodes and this restriction leave no pair of agents")
    truths = oracle_graphs(episodes) if true is None else true
    return Pairs(ratio[chosen], known[chosen], {name: graph[chosen] for name, graph in truths.items()}, ratio.shape[-1] - 1)


def mean_of(values: Iterable[float | None]) -> Cell:
    """The mean of the defined values, None if there is none."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def interval_of(values: Iterable[float | None]) -> Interval:
    """The mean over seeds with its interval. Undefined values count as 0, as the F1 of an empty claim does."""
    return mean_interval([0.0 if value is None else value for value in values])
