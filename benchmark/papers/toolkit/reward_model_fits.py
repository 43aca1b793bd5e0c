"""Frozen policies of a training run, episodes that they play, and reward models fitted to the returns of episodes."""

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
from benchmark.experiments.run_spec import EvaluationSchedule, get_algorithm, resolve, validated_settings
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
"""Settings of reward models that are fitted within seconds."""
NOT_EVALUATED = EvaluationSchedule(points=2)
"""Of runs of a study, which takes no evaluation point: any budget allows two."""


def policies_during_training(task: str, steps: Sequence[int], seed: int) -> list[dict[str, Tensor]]:
    """Policies of one IPPO run with dense team reward, each after the first update at or beyond one of `steps` (ascending).

    Raises RuntimeError if the run fails.
    """
    run = Run(
        resolve(task=task, algorithm="ippo", regime="team", seed=seed, budget=max(*steps, 1), evaluation=NOT_EVALUATED), CPU
    )
    policies = []
    try:
        for step in steps:
            while run.steps_done < step:
                run.advance()
                if run.failure is not None:
                    raise RuntimeError(f"IPPO on {task}: {run.failure}")
            policies.append(detached(run.algorithm.policy_state()))
    finally:
        run.close()
    return policies


class FrozenPolicyRollouts:
    """Collects episodes of frozen IPPO policies on a task. A context manager, which closes the environments.

    `probes`: names of the probes that are evaluated at every step; their results are in `Episodes.privileged`.
    """

    def __init__(self, task: str, seed: int, probes: Sequence[str] = ()) -> None:
        entry = get_task(task)
        backend, _ = entry.simulator()
        self._collector = Collector(entry, backend, PARALLEL_EPISODES, probes)
        spec = resolve(task=task, algorithm="ippo", regime="team", seed=seed, budget=1, evaluation=NOT_EVALUATED)
        environment = entry.build(1, backend)
        self.team = environment.team
        environment.close()
        actor = build_algorithm(spec, self.team, CPU)
        assert isinstance(actor, PolicyGradient)
        self.actor = actor
        self._seed = seed

    def collect(self, policy: dict[str, Tensor], episodes: int, purpose: str) -> Episodes:
        """Episodes with sampled actions. They depend only on the policy, the seed and `purpose`."""
        self.actor.load_policy_state(policy)
        generator = torch.Generator().manual_seed(derive(self._seed, purpose, "acting"))
        return self._collector.collect(self.actor, episodes, 0, derive(self._seed, purpose, "environment"), generator)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._collector.close()


def redistributor(method: str, team: TeamShape, seed: int, settings: Mapping[str, Any] | None = None) -> Redistributor:
    """The untrained redistributor of the algorithm ippo+`method`, with `settings` in place of its defaults.

    Raises UnknownName for an unknown method, ImpossibleRun for settings that the method does not have.
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
    """The redistributor of `method` after it has observed the episodes and, if it learns, made `steps` gradient steps on them.

    Raises ImpossibleRun if there are fewer episodes than one gradient step takes.
    """
    schedule: dict[str, Any] = {}
    defaults = get_algorithm(f"ippo+{method}").settings()
    assert isinstance(defaults, RedistributedPPOSettings)
    if isinstance(defaults.redistribution, RewardModelSettings):
        count = len(episodes.length)
        # Half a step more than steps / count: steps due are summed in floating point and rounded down.
        schedule = {
            "buffer_episodes": count,
            "warm_up_episodes": 0,
            "fit_interval": 1,
            "gradient_steps_per_episode": (steps + 0.5) / count,
        }
    model = redistributor(method, team, seed, {**(settings or {}), **schedule})
    model.observe(episodes)
    model.fit()
    return model


@torch.no_grad()
def shares_of(model: Redistributor, episodes: Episodes) -> Tensor:
    """Shares [B, T, N], computed in batches, since attention over long episodes takes memory."""
    return torch.cat([model.redistribute(batch).shares for batch in _batches(episodes)])


@torch.no_grad()
def return_r2(model: Redistributor, episodes: Episodes) -> float:
    """R2 of the sums of a model's scores as predictions of the returns: 1 - mean squared error / variance of the returns."""
    return float(model.redistribute(episodes).monitors["return_r2"])


@torch.no_grad()
def scores_of(model: LearnedRedistributor, episodes: Episodes, seed: int) -> Tensor:
    """The model's scores [B, T, N] in units of the scaled return; `seed`: of the coalitions that it draws."""
    return torch.cat(
        [
            model.model.scores(Trajectories.of(batch), torch.Generator().manual_seed(seed), training=False)
            for batch in _batches(episodes)
        ]
    )


def _batches(episodes: Episodes) -> list[Episodes]:
    return [episodes.rows(rows) for rows in torch.arange(len(episodes.length)).split(PARALLEL_EPISODES)]
