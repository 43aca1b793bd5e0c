"""What the studies of reward models share: policies frozen on the way, their episodes, and models fitted to returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from algorithms.interface import Episodes, LearnerContext, TeamShape
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.policy_gradient.redistributor import Redistributor
from algorithms.redistribution.models.reward_model import LearnedRedistributor
from algorithms.redistribution.models.trajectories import Trajectories
from algorithms.seeds import derive
from algorithms.settings.redistribution import RedistributedPPOSettings, RewardModelSettings
from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.run_spec import get_algorithm, resolve, validated_settings
from benchmark.training.components import build_algorithm
from benchmark.training.policy_files import detached
from benchmark.training.rollout import Collector
from benchmark.training.run import Run

CPU = torch.device("cpu")
PARALLEL_EPISODES = 128
SMALL_MODEL: dict[str, Any] = {
    "width": 32,
    "depth": 1,
    "heads": 4,
    "batch_episodes": 64,
    "learning_rate": 2e-3,
    "weight_decay": 0.0,
    "gradient_norm": 10.0,
    "loss": "huber",
}
"""Settings of reward models that a study fits in seconds."""


def policies_on_the_way(task: str, steps: Sequence[int], seed: int) -> list[dict[str, Tensor]]:
    """The policies of one IPPO run paid the team's dense reward, at the first update at or after each of `steps` (rising)."""
    run = Run(resolve(task=task, algorithm="ippo", regime="team", seed=seed, budget=max(*steps, 1)), CPU)
    found = []
    try:
        for wanted in steps:
            while run.steps_done < wanted:
                run.advance()
                if run.failure is not None:
                    raise RuntimeError(f"IPPO on {task}: {run.failure}")
            found.append(detached(run.algorithm.policy_state()))
    finally:
        run.close()
    return found


class Stage:
    """Where frozen IPPO policies of a task play episodes. Use it in a `with` statement.

    `probes`: names of those that look at every step, for `Episodes.privileged`.
    """

    def __init__(self, task: str, seed: int, probes: Sequence[str] = ()) -> None:
        found = get_task(task)
        backend, _ = found.simulator()
        self._collector = Collector(found, backend, PARALLEL_EPISODES, probes)
        spec = resolve(task=task, algorithm="ippo", regime="team", seed=seed, budget=1)
        environment = found.build(1, backend)
        self.team = environment.team
        environment.close()
        actor = build_algorithm(spec, self.team, CPU)
        assert isinstance(actor, PolicyGradient)
        self.actor = actor
        self._seed = seed

    def play(self, policy: dict[str, Tensor], episodes: int, purpose: str) -> Episodes:
        """Episodes of the policy's own sampling, a function of the policy, the stage's seed and `purpose` alone."""
        self.actor.load_policy_state(policy)
        generator = torch.Generator().manual_seed(derive(self._seed, purpose, "acting"))
        return self._collector.collect(self.actor, episodes, 0, derive(self._seed, purpose, "environment"), generator)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._collector.close()


def redistributor(method: str, team: TeamShape, seed: int, settings: Mapping[str, Any] | None = None) -> Redistributor:
    """The redistributor of IPPO paid by `method` ("stas"), with these of its settings changed.

    Raises UnknownName for another method, ImpossibleRun for settings that it has not.
    """
    entry = get_algorithm(f"ippo+{method}")
    values = validated_settings(entry, {"redistribution": dict(settings or {})})
    algorithm = entry.build(values, LearnerContext(team=team, regime="episodic", budget=1, seed=seed))
    assert isinstance(algorithm, PolicyGradient)
    assert algorithm.redistributor is not None
    return algorithm.redistributor


def fitted(
    method: str, team: TeamShape, seed: int, episodes: Episodes, steps: int, settings: Mapping[str, Any] | None = None
) -> Redistributor:
    """The same, having seen the episodes and, if it learns, made `steps` gradient steps on them.

    Raises ImpossibleRun where there are fewer episodes than one gradient step takes.
    """
    schedule: dict[str, Any] = {}
    defaults = get_algorithm(f"ippo+{method}").settings()
    assert isinstance(defaults, RedistributedPPOSettings)
    if isinstance(defaults.redistribution, RewardModelSettings):
        count = len(episodes.length)
        # Half a step more than steps / count: what is owed is a sum in floating point, and only whole steps are made.
        schedule = {
            "buffer_episodes": count,
            "warm_up_episodes": 0,
            "fit_interval": 1,
            "gradient_steps_per_episode": (steps + 0.5) / count,
        }
    found = redistributor(method, team, seed, {**(settings or {}), **schedule})
    found.observe(episodes)
    found.fit()
    return found


@torch.no_grad()
def shares_of(found: Redistributor, episodes: Episodes) -> Tensor:
    """Shares [B, T, N], in parts, for attention over long episodes takes memory."""
    return torch.cat([found.redistribute(part).shares for part in _parts(episodes)])


@torch.no_grad()
def return_r2(found: Redistributor, episodes: Episodes) -> float:
    """How well a model's scores sum to the returns of episodes: 1 - mean squared error / variance."""
    return float(found.redistribute(episodes).monitors["return_r2"])


@torch.no_grad()
def scores_of(found: LearnedRedistributor, episodes: Episodes, draw: int) -> Tensor:
    """The model's scores [B, T, N] under the coalitions that the seed `draw` gives, in units of the scaled return."""
    return torch.cat(
        [
            found.model.scores(Trajectories.of(part), torch.Generator().manual_seed(draw), training=False)
            for part in _parts(episodes)
        ]
    )


def _parts(episodes: Episodes) -> list[Episodes]:
    return [episodes.rows(rows) for rows in torch.arange(len(episodes.length)).split(PARALLEL_EPISODES)]
