"""World models trained in worlds with a known dependence graph, and the agreement of their graphs with it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from algorithms.advantages.dependence_graph.estimator import DependenceGraphAdvantage
from algorithms.advantages.dependence_graph.world_model import WorldModel
from algorithms.interface import Episodes
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.seeds import derive
from algorithms.settings.dependence_graph import PAPER
from benchmark.credit.graphs import oracle_graphs
from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.credit_measurements import GraphAgreement
from benchmark.experiments.run_spec import EvaluationSchedule, resolve
from benchmark.experiments.study_result import Progress
from benchmark.papers.dependence_graphs.world_model_fits import (
    Bools,
    FrozenPolicy,
    Pairs,
    TrainingSchedule,
    pairs_of,
    train_models,
    world_model,
)
from benchmark.papers.toolkit.reward_model_fits import CPU
from benchmark.papers.toolkit.synthetic_episodes import synthetic_episodes, synthetic_team
from benchmark.training.credit_monitor import ORACLE, observed_episodes
from benchmark.training.run import Run

MODELS: dict[str, Mapping[str, Any]] = {
    "ids": {"encoder": False},
    "ids + encoder": {},
    "published": {"encoder": False, "identity": "published"},
    "published + heads": {"encoder": False, "identity": "published", "multi_head": True},
    "published + heads + encoder": {"identity": "published", "multi_head": True},
}
"""ids: the models see the identities of actor and receiver, and no agent is paired with itself. published: neither. heads: one
for each actor. encoder: latents of inverse dynamics instead of observations."""

SMALLER: Mapping[str, Any] = {"hidden_size": 64, "learning_rate": 1e-3}
"""Half the published width and twice the learning rate, so that training takes minutes."""

TOY = "a toy of three agents"
CHANGES = "the door moves"
SOME_EDGE = "some edge"
NO_EDGE = "no edge"
ALL = "all"
STRANGERS = "all but 0 -> 1"
"""Kinds of steps and of pairs by which agreement is reported."""

CO_TRAINED = "ids, beside a policy"

DOOR = 2
"""Index in an observation of rooms: whether the door is open."""


@dataclass(frozen=True)
class Setting:
    """A world, the models trained in it, their training schedule, and the number of other episodes for evaluation."""

    world: str
    models: tuple[str, ...]
    schedule: TrainingSchedule
    evaluation_episodes: int = 16


@dataclass(frozen=True)
class Size:
    """The size of the study. `curve`: evaluations during training; `co_trained`: models that are trained with a policy."""

    seeds: int
    settings: tuple[Setting, ...]
    co_trained: tuple[Setting, ...]
    curve: int = 5


@dataclass(frozen=True)
class ClaimQuality:
    """A model's claims about some pairs: the agreement with each oracle, and the share of pairs with a claimed edge
    (`density`). `others`: N - 1."""

    agreement: Mapping[str, GraphAgreement]
    density: float
    others: int

    @property
    def out_degree(self) -> float:
        """Claimed edges to other agents per acting agent."""
        return self.others * self.density

    @property
    def true_out_degree(self) -> float:
        """Edges of the observation oracle to other agents per acting agent."""
        return self.others * self.agreement["observation"].density

    @staticmethod
    def of(pairs: Pairs) -> ClaimQuality:
        return ClaimQuality({oracle: pairs.agreement(oracle) for oracle in pairs.true}, pairs.density(), pairs.others)


@dataclass(frozen=True)
class Fit:
    """One model of one world. `claims`: by kind of steps; `curve`: (gradient steps, claims about all pairs) during training;
    `mean_return`: of the policy whose episodes are evaluated."""

    world: str
    model: str
    seed: int
    claims: Mapping[str, ClaimQuality]
    mean_return: float
    curve: tuple[tuple[int, ClaimQuality], ...] = ()


class Toy:
    """Three agents that act at random and observe their own last action; agent 1 also observes agent 0's, the only edge.

    Observation [6]: the own last action, one-hot, then for agent 1 that of agent 0; zeros at the first step.
    """

    ACTIONS = 3
    STEPS = 20

    def __init__(self, seed: int) -> None:
        self.team = synthetic_team(3, 2 * self.ACTIONS, self.ACTIONS, self.STEPS)
        self._seed = seed

    def episodes(self, count: int, purpose: str) -> Episodes:
        """Episodes that depend only on the seed and `purpose`, with their graph in `privileged`."""
        random = np.random.default_rng(derive(self._seed, purpose))
        action = random.integers(0, self.ACTIONS, (count, self.STEPS, 3))
        observation = np.zeros((count, self.STEPS + 1, 3, 2 * self.ACTIONS), np.float32)
        done = np.eye(self.ACTIONS, dtype=np.float32)[action]
        observation[:, 1:, :, : self.ACTIONS] = done
        observation[:, 1:, 1, self.ACTIONS :] = done[:, :, 0]
        episodes = synthetic_episodes(observation, action, np.zeros((count, self.STEPS)))
        graph = torch.eye(3, dtype=torch.bool).expand(count, self.STEPS, -1, -1).clone()
        nothing = graph.clone()
        graph[:, :, 0, 1] = True
        episodes.privileged = {"observation_graph": graph, "state_graph": nothing, "reward_graph": nothing}
        return episodes

    episodes_with_oracles = episodes


def measure(size: Size, progress: Progress) -> list[Fit]:
    """Trains and evaluates all models; `progress` counts worlds and seeds."""
    work = [(setting, seed) for setting in size.settings for seed in range(size.seeds)]
    co_training = [(setting, seed) for setting in size.co_trained for seed in range(size.seeds)]
    total = len(work) + len(co_training)
    fits: list[Fit] = []
    for number, (setting, seed) in enumerate(work):
        progress(number, total, f"{setting.world}, seed {seed}")
        fits += train_on_uniform_policy(setting, seed, size.curve)
    for number, (setting, seed) in enumerate(co_training, len(work)):
        progress(number, total, f"{setting.world}, seed {seed}: co-trained")
        fits.append(co_trained(setting, seed))
    progress(total, total, "done")
    return fits


def train_on_uniform_policy(setting: Setting, seed: int, curve: int) -> list[Fit]:
    """All models of a world, trained on the same episodes of a policy that is uniform over available actions."""
    schedule = setting.schedule
    with _opened(setting.world, seed) as world:
        models = {name: world_model(world.team, seed, schedule, {**SMALLER, **MODELS[name]}) for name in setting.models}
        fresh = world.episodes_with_oracles(setting.evaluation_episodes, "to judge")
        ends = [round(part * schedule.collections / curve) for part in range(curve + 1)]
        curves: dict[str, list[tuple[int, ClaimQuality]]] = {name: [] for name in models}
        for start, end in itertools.pairwise(ends):
            train_models(models.values(), world, schedule, range(start, end))
            for name, model in models.items():
                claims = ClaimQuality.of(pairs_of(model.entropy_ratio(fresh), fresh))
                curves[name].append((end * schedule.steps_per_collection, claims))
        return [
            Fit(setting.world, name, seed, claims_of(model, setting.world, fresh), mean_return(fresh), tuple(curves[name]))
            for name, model in models.items()
        ]


def co_trained(setting: Setting, seed: int) -> Fit:
    """A model that is trained with the policy that it guides (the paper's schedule, more gradient steps)."""
    schedule = setting.schedule
    (name,) = setting.models
    settings = {
        **PAPER,
        "episodes_per_update": schedule.episodes,
        "dependence": {**schedule.settings, **SMALLER, **MODELS[name]},
    }
    spec = resolve(
        task=setting.world,
        algorithm="ippo+dg",
        regime="individual",
        seed=seed,
        budget=1,
        settings=settings,
        evaluation=EvaluationSchedule(points=2),
    )
    run = Run(spec, CPU)
    try:
        for _ in range(schedule.collections):
            run.advance()
            if run.failure is not None:
                raise RuntimeError(f"ippo+dg on {setting.world}: {run.failure}")
    finally:
        run.close()
    fresh = observed_episodes(get_task(setting.world), run.algorithm, "train", (ORACLE,), derive(seed, "to judge"), CPU)
    assert isinstance(run.algorithm, PolicyGradient)
    assert isinstance(run.algorithm.estimator, DependenceGraphAdvantage)
    assert isinstance(run.algorithm.estimator.source, WorldModel)
    claims = claims_of(run.algorithm.estimator.source, setting.world, fresh)
    return Fit(setting.world, CO_TRAINED, seed, claims, mean_return(fresh))


def claims_of(model: WorldModel, world: str, episodes: Episodes) -> dict[str, ClaimQuality]:
    """A model's claims about the episodes, by kind of steps; kinds that do not occur are left out."""
    output = model.entropy_ratio(episodes)
    return {
        kind: ClaimQuality.of(pairs_of(output, episodes, where=where))
        for kind, where in kinds(world, episodes).items()
        if where.any()
    }


def kinds(world: str, episodes: Episodes) -> dict[str, Bools]:
    """The kinds of steps [B, T], or of pairs [B, T, N, N], that are distinguished in a world."""
    by_kind = {ALL: episodes.running.numpy()}
    if world == TOY:
        pairs = np.broadcast_to(~np.eye(3, dtype=np.bool_), episodes.privileged["observation_graph"].shape).copy()
        pairs[..., 0, 1] = False
        by_kind[STRANGERS] = pairs
    if world.startswith("dg/rooms"):
        door = episodes.observation[:, :, 0, DOOR].numpy()
        others = oracle_graphs(episodes)["observation"] & ~np.eye(episodes.action.shape[-1], dtype=np.bool_)
        edge = others.any((2, 3))
        running = by_kind[ALL]
        by_kind |= {
            CHANGES: running & (door[:, 1:] != door[:, :-1]),
            SOME_EDGE: running & edge,
            NO_EDGE: running & ~edge,
        }
    return by_kind


def mean_return(episodes: Episodes) -> float:
    """The mean undiscounted team return."""
    return float(episodes.team_reward.sum(1).mean())


@contextmanager
def _opened(world: str, seed: int) -> Iterator[FrozenPolicy | Toy]:
    if world == TOY:
        yield Toy(seed)
    else:
        with FrozenPolicy(world, seed) as policy:
            yield policy
