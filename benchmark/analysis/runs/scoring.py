"""What a run scored: its curve, its final and its absolute score, means over episodes.

A run that diverged is scored as the random policy from the point of failure on, and so are its final and absolute score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.environments.tasks.registry import Task
from benchmark.experiments.outcome import EvaluationPoint
from benchmark.experiments.record import Record

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RunScores:
    """`returns`, `successes` [P]: means over the episodes at each point of the schedule; the last is the final one.

    NaN where a diverged run has no value (see `random_value`). `failed_at`: environment steps, None for a sound run.
    `greedy_final`, `greedy_absolute`: the scores of greedy evaluations beside sampled ones, None where there are none.
    """

    task: Task
    returns: Array
    successes: Array
    absolute_return: float
    absolute_success: float
    failed_at: int | None
    greedy_final: float | None
    greedy_absolute: float | None

    @property
    def curve(self) -> Array:
        """[P] of the measure that the task is scored by."""
        return self.returns if self.task.score == "return" else self.successes

    @property
    def final(self) -> float:
        """By the measure that the task is scored by."""
        return float(self.curve[-1])

    @property
    def area(self) -> float:
        """Under the curve: its mean over the points of the schedule."""
        return float(self.curve.mean())

    @property
    def absolute(self) -> float:
        """By the measure that the task is scored by."""
        return self.absolute_return if self.task.score == "return" else self.absolute_success


def score(record: Record, task: Task) -> RunScores:
    """The scores of a record from `read_record`, which lacks points of its schedule only from a failure on."""
    outcome, taken = record.outcome, record.outcome.evaluations
    lacking = record.spec.evaluation.points - len(taken)
    random_return, random_success = random_value(task, "return"), random_value(task, "success")
    return RunScores(
        task=task,
        returns=np.array([point.mean_return for point in taken] + [random_return] * lacking),
        successes=np.array([point.success_rate for point in taken] + [random_success] * lacking),
        absolute_return=random_return if outcome.absolute is None else outcome.absolute.mean_return,
        absolute_success=random_success if outcome.absolute is None else outcome.absolute.success_rate,
        failed_at=outcome.steps_done if outcome.status == "failed" else None,
        greedy_final=None if lacking else _measured(outcome.greedy_evaluations[-1:], task),
        greedy_absolute=_measured(() if outcome.greedy_absolute is None else (outcome.greedy_absolute,), task),
    )


def _measured(points: Sequence[EvaluationPoint], task: Task) -> float | None:
    """The score of the only point, None without one."""
    return next((point.mean_return if task.score == "return" else point.success_rate for point in points), None)


def random_value(task: Task, measure: str) -> float:
    """What the random policy scores: the reference score, for the measure that the task is scored by.

    For the other one: no success, which is the least that a policy can have; an unknown return is NaN.
    """
    if task.score == measure and task.reference_scores is not None:
        return task.reference_scores.random
    return 0.0 if measure == "success" and task.score != "success" else float("nan")


def normalised(task: Task, values: Array) -> Array:
    """Scores on the task's fixed scale, `without_noise`. The task must have reference scores."""
    return without_noise(np.array([task.normalise(value) for value in values.ravel()], np.float64).reshape(values.shape))


def without_noise(values: Array) -> Array:
    """Rounded to millionths: float32 rewards that sum to 1 sum to 1.0000001 as well, and neither policy is the better."""
    return values.round(6)
