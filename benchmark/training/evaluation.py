"""One evaluator for all algorithms, with its own environment, random generator and seeds.

Training depends on none of them: a training curve is the same with evaluation on or off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from algorithms.interface import Algorithm, Memory
from algorithms.seeds import derive, episode_seeds
from benchmark.environments.checks import validate_returns
from benchmark.environments.interface import Backend, BatchedEnvironment
from benchmark.environments.repetition import repeats_itself
from benchmark.environments.tasks.registry import Task
from benchmark.experiments.outcome import EvaluationPoint
from benchmark.training.rollout import Choice, play
from benchmark.training.trained_policy import PolicyFile, TrainedRun

MAXIMUM_ROWS = 128


class ReturnRecorder:
    """Keeps the undiscounted team return of every episode, its length and its success."""

    def begin(self, environment: BatchedEnvironment, count: int, memory: Memory) -> None:
        self.returns = np.zeros(environment.batch_size, np.float64)
        self.lengths = np.zeros(environment.batch_size, np.int64)

    def before(self, time: int, environment: BatchedEnvironment, actions: NDArray[np.int64], choice: Choice) -> None:
        self.lengths += environment.running

    def after(self, time: int, environment: BatchedEnvironment) -> None:
        self.returns += environment.team_reward


class Evaluator:
    """Plays evaluation episodes in batches of at most `MAXIMUM_ROWS`."""

    def __init__(self, task: Task, backend: Backend, episodes: int, device: torch.device) -> None:
        self._episodes = episodes
        self._environment = task.build(min(episodes, MAXIMUM_ROWS), backend)
        self._generator = torch.Generator(device)
        self.team = self._environment.team

    def repeats_itself(self) -> bool:
        """Whether episodes of one seed are equal in this evaluator's environment. Raises BrokenGame."""
        return repeats_itself(self._environment)

    def evaluate(
        self,
        algorithm: Algorithm,
        mode: Literal["greedy", "sample"],
        seed: int,
        step: int,
        steps_done: int,
        played: Callable[[int], None] = lambda episodes: None,
    ) -> EvaluationPoint:
        """Fresh episodes, which depend on the policy and on `seed` alone. `step`, `steps_done`: see EvaluationPoint.

        `played` is called with the number of episodes so far, after each batch.
        """
        self._generator.manual_seed(derive(seed, "acting"))
        seeds = episode_seeds(derive(seed, "environment"), 0, self._episodes)
        recorder = ReturnRecorder()
        returns: list[float] = []
        successes: list[bool] = []
        lengths: list[int] = []
        for start in range(0, self._episodes, self._environment.batch_size):
            batch = seeds[start : start + self._environment.batch_size]
            play(self._environment, algorithm, batch, mode, self._generator, recorder)
            validate_returns(self._environment, recorder.returns[: len(batch)])
            returns += recorder.returns[: len(batch)].tolist()
            lengths += recorder.lengths[: len(batch)].tolist()
            successes += self._environment.success[: len(batch)].tolist()
            played(len(returns))
        return EvaluationPoint(
            step=step, steps_done=steps_done, returns=tuple(returns), successes=tuple(successes), lengths=tuple(lengths)
        )

    def close(self) -> None:
        """Ends the environment."""
        self._environment.close()


def evaluate_run(
    trained: TrainedRun,
    episodes: int,
    seed: int,
    mode: Literal["greedy", "sample"],
    policy_file: PolicyFile = "best",
    device: str = "cpu",
    played: Callable[[int], None] = lambda episodes: None,
) -> EvaluationPoint:
    """Plays `episodes` fresh episodes with the best or the final policy of a finished run.

    `mode`: how actions are chosen. `played`: see `Evaluator.evaluate`. Raises CorruptPolicy.
    """
    evaluator = Evaluator(trained.task, trained.spec.backend, episodes, torch.device(device))
    try:
        algorithm = trained.algorithm(evaluator.team, torch.device(device), policy_file)
        steps = trained.record.outcome.steps_done
        return evaluator.evaluate(algorithm, mode, derive(seed, "evaluate"), steps, steps, played)
    finally:
        evaluator.close()
