"""What is scored is what the team earns, also where its agents' own rewards do not sum to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from algorithms.seeds import derive, episode_seeds
from benchmark.environments.tasks.registry import Simulator, Task
from benchmark.experiments.outcome import EvaluationPoint
from benchmark.training.evaluation import Evaluator, ReturnRecorder
from benchmark.training.metrics import Update
from benchmark.training.rollout import Collector, play
from tests.fixtures.toys import SIGNS, SignGame
from tests.training.test_rollout import learner


class SharedSuccess(SignGame):
    """The team earns three times what its agents earn together."""

    individual_sums_to_team = False

    def _step_rows(self, actions: NDArray[np.int64]) -> None:
        super()._step_rows(actions)
        self.team_reward *= 3


SHARED = replace(SIGNS, id="toy/shared", native=Simulator("tests.training.test_evaluation:SharedSuccess"))


def evaluated(task: Task) -> EvaluationPoint:
    evaluator = Evaluator(task, "native", 40, torch.device("cpu"))
    try:
        return evaluator.evaluate(learner(), "sample", seed=7, step=0, steps_done=0)
    finally:
        evaluator.close()


def trained_on(task: Task) -> Update:
    collector = Collector(task, "native", 16)
    try:
        return Update.of(collector.collect(learner(), 40, 0, 11, torch.Generator().manual_seed(5)), 0, "", {})
    finally:
        collector.close()


def test_the_return_of_an_evaluation_is_the_sum_of_team_rewards() -> None:
    plain, shared = evaluated(SIGNS), evaluated(SHARED)
    assert shared.lengths == plain.lengths
    assert max(plain.returns) > 0
    assert shared.returns == pytest.approx([3 * value for value in plain.returns])


def test_the_return_of_training_is_the_sum_of_team_rewards() -> None:
    plain, shared = trained_on(SIGNS), trained_on(SHARED)
    assert shared.steps == plain.steps
    assert shared.return_sum == pytest.approx(3 * plain.return_sum) != 0


def test_sampled_evaluation_is_a_rollout_with_the_random_streams_of_its_seed() -> None:
    point, game, recorder = evaluated(SIGNS), SIGNS.build(40), ReturnRecorder()
    source = torch.Generator().manual_seed(derive(7, "acting"))
    play(game, learner(), episode_seeds(derive(7, "environment"), 0, 40), "sample", source, recorder)
    assert point.returns == tuple(recorder.returns.tolist())
    assert recorder.returns.dtype == np.float64
