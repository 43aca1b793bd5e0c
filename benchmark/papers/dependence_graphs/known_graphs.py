"""World models taught in worlds whose dependence graph is known, and how near their graphs come to it."""

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
from benchmark.experiments.run_spec import resolve
from benchmark.experiments.study_result import Progress
from benchmark.papers.dependence_graphs.world_model_fits import (
    Bools,
    Lessons,
    Pairs,
    World,
    pairs_of,
    teach,
    world_model,
)
from benchmark.papers.toolkit.reward_model_fits import CPU
from benchmark.papers.toolkit.synthetic_episodes import made_episodes, made_team
from benchmark.training.credit_monitor import ORACLE, observed_episodes
from benchmark.training.run import Run

MODELS: dict[str, Mapping[str, Any]] = {
    "ids": {"encoder": False},
    "ids + encoder": {},
    "published": {"encoder": False, "identity": "published"},
    "published + heads": {"encoder": False, "identity": "published", "multi_head": True},
    "published + heads + encoder": {"identity": "published", "multi_head": True},
}
"""ids: the models see who acts and who receives, and no agent is paired with itself. published: neither. heads: one for each
actor. encoder: latents of inverse dynamics instead of observations."""

SMALLER: Mapping[str, Any] = {"hidden_size": 64, "learning_rate": 1e-3}
"""Half as wide as published and twice as fast to learn: so minutes are enough."""

TOY = "a toy of three agents"
CHANGES = "the door moves"
SOME_EDGE = "some edge"
NO_EDGE = "no edge"
ALL = "all"
STRANGERS = "all but 0 -> 1"
"""Kinds of steps, and of pairs."""

CO_TRAINED = "ids, beside a policy"

DOOR = 2
"""Of an observation in rooms: whether the door is open."""


@dataclass(frozen=True)
class Setting:
    """A world, the models that are taught in it, how, and on how many other episodes they are asked."""

    world: str
    models: tuple[str, ...]
    lessons: Lessons
    judged_on: int = 16


@dataclass(frozen=True)
class Size:
    """How large the study is. `curve`: in how many parts the lessons are watched; `co_trained`: lessons beside a policy."""

    seeds: int
    settings: tuple[Setting, ...]
    co_trained: tuple[Setting, ...]
    curve: int = 5


@dataclass(frozen=True)
class Seen:
    """What a model says of some pairs: how it agrees with each oracle, and the share of pairs with a claimed edge.
    `others`: the number of an agent's partners."""

    agreement: Mapping[str, GraphAgreement]
    density: float
    others: int

    @property
    def out_degree(self) -> float:
        """Claimed edges to others per acting agent."""
        return self.others * self.density

    @property
    def true_out_degree(self) -> float:
        """Those of the observation oracle."""
        return self.others * self.agreement["observation"].density

    @staticmethod
    def of(pairs: Pairs) -> Seen:
        return Seen({oracle: pairs.agreement(oracle) for oracle in pairs.true}, pairs.density(), pairs.others)


@dataclass(frozen=True)
class Fit:
    """One model of one world: what it says, by kind of steps, and on the way after so many gradient steps.

    `mean_return`: of the policy whose episodes it was asked about.
    """

    world: str
    model: str
    seed: int
    seen: Mapping[str, Seen]
    mean_return: float
    curve: tuple[tuple[int, Seen], ...] = ()


class Toy:
    """Three agents that act at random and see what they did; agent 1 sees also what agent 0 did, the one edge.

    Observation [6]: the own action before, one-hot, and that of agent 0 for agent 1; nothing at the first step.
    """

    ACTIONS = 3
    STEPS = 20

    def __init__(self, seed: int) -> None:
        self.team = made_team(3, 2 * self.ACTIONS, self.ACTIONS, self.STEPS)
        self._seed = seed

    def episodes(self, count: int, purpose: str) -> Episodes:
        """Episodes that are a function of the seed and `purpose` alone, with their graph in `privileged`."""
        random = np.random.default_rng(derive(self._seed, purpose))
        action = random.integers(0, self.ACTIONS, (count, self.STEPS, 3))
        observation = np.zeros((count, self.STEPS + 1, 3, 2 * self.ACTIONS), np.float32)
        done = np.eye(self.ACTIONS, dtype=np.float32)[action]
        observation[:, 1:, :, : self.ACTIONS] = done
        observation[:, 1:, 1, self.ACTIONS :] = done[:, :, 0]
        made = made_episodes(observation, action, np.zeros((count, self.STEPS)))
        graph = torch.eye(3, dtype=torch.bool).expand(count, self.STEPS, -1, -1).clone()
        nothing = graph.clone()
        graph[:, :, 0, 1] = True
        made.privileged = {"observation_graph": graph, "state_graph": nothing, "reward_graph": nothing}
        return made

    watched = episodes


def measure(size: Size, progress: Progress) -> list[Fit]:
    """All fits; `progress` counts worlds and seeds."""
    work = [(setting, seed) for setting in size.settings for seed in range(size.seeds)]
    beside = [(setting, seed) for setting in size.co_trained for seed in range(size.seeds)]
    total = len(work) + len(beside)
    fits: list[Fit] = []
    for number, (setting, seed) in enumerate(work):
        progress(number, total, f"{setting.world}, seed {seed}")
        fits += taught(setting, seed, size.curve)
    for number, (setting, seed) in enumerate(beside, len(work)):
        progress(number, total, f"{setting.world}, seed {seed}: beside a policy")
        fits.append(co_trained(setting, seed))
    progress(total, total, "done")
    return fits


def taught(setting: Setting, seed: int, curve: int) -> list[Fit]:
    """All models of a world, taught by the same episodes of a policy that is uniform over available actions."""
    lessons = setting.lessons
    with _opened(setting.world, seed) as world:
        models = {name: world_model(world.team, seed, lessons, {**SMALLER, **MODELS[name]}) for name in setting.models}
        fresh = world.watched(setting.judged_on, "to judge")
        ends = [round(part * lessons.collections / curve) for part in range(curve + 1)]
        curves: dict[str, list[tuple[int, Seen]]] = {name: [] for name in models}
        for start, end in itertools.pairwise(ends):
            teach(models.values(), world, lessons, range(start, end))
            for name, model in models.items():
                seen = Seen.of(pairs_of(model.entropy_ratio(fresh), fresh))
                curves[name].append((end * lessons.at_once, seen))
        return [
            Fit(setting.world, name, seed, seen_by(model, setting.world, fresh), mean_return(fresh), tuple(curves[name]))
            for name, model in models.items()
        ]


def co_trained(setting: Setting, seed: int) -> Fit:
    """A model that learns beside the policy whose actions are credited by it (the paper's schedule, more gradient steps)."""
    lessons = setting.lessons
    (name,) = setting.models
    settings = {
        **PAPER,
        "episodes_per_update": lessons.episodes,
        "dependence": {**lessons.settings, **SMALLER, **MODELS[name]},
    }
    spec = resolve(task=setting.world, algorithm="ippo+dg", regime="individual", seed=seed, budget=1, settings=settings)
    run = Run(spec, CPU)
    try:
        for _ in range(lessons.collections):
            run.advance()
            if run.failure is not None:
                raise RuntimeError(f"ippo+dg on {setting.world}: {run.failure}")
    finally:
        run.close()
    fresh = observed_episodes(get_task(setting.world), run.algorithm, "train", (ORACLE,), derive(seed, "to judge"), CPU)
    assert isinstance(run.algorithm, PolicyGradient)
    assert isinstance(run.algorithm.estimator, DependenceGraphAdvantage)
    assert isinstance(run.algorithm.estimator.source, WorldModel)
    seen = seen_by(run.algorithm.estimator.source, setting.world, fresh)
    return Fit(setting.world, CO_TRAINED, seed, seen, mean_return(fresh))


def seen_by(model: WorldModel, world: str, episodes: Episodes) -> dict[str, Seen]:
    """What a model says of the episodes, by kind; kinds that do not occur are left out."""
    asked = model.entropy_ratio(episodes)
    return {
        kind: Seen.of(pairs_of(asked, episodes, where=where)) for kind, where in kinds(world, episodes).items() if where.any()
    }


def kinds(world: str, episodes: Episodes) -> dict[str, Bools]:
    """The kinds of steps [B, T], or of pairs [B, T, N, N], that are told apart in a world."""
    found = {ALL: episodes.running.numpy()}
    if world == TOY:
        pairs = np.broadcast_to(~np.eye(3, dtype=np.bool_), episodes.privileged["observation_graph"].shape).copy()
        pairs[..., 0, 1] = False
        found[STRANGERS] = pairs
    if world.startswith("dg/rooms"):
        door = episodes.observation[:, :, 0, DOOR].numpy()
        others = oracle_graphs(episodes)["observation"] & ~np.eye(episodes.action.shape[-1], dtype=np.bool_)
        edge = others.any((2, 3))
        running = found[ALL]
        found |= {
            CHANGES: running & (door[:, 1:] != door[:, :-1]),
            SOME_EDGE: running & edge,
            NO_EDGE: running & ~edge,
        }
    return found


def mean_return(episodes: Episodes) -> float:
    """Of the team, undiscounted."""
    return float(episodes.team_reward.sum(1).mean())


@contextmanager
def _opened(world: str, seed: int) -> Iterator[World | Toy]:
    if world == TOY:
        yield Toy(seed)
    else:
        with World(world, seed) as found:
            yield found
