"""The outcome of a run: what it computed, the hashed part of its record.

Steps are environment steps, a step of the team counting once; returns are undiscounted team returns per episode.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from benchmark.experiments.credit_measurements import GraphMeasurement
from benchmark.experiments.record_size import BYTES_BESIDE_THE_OUTCOME, MAXIMUM_BYTES, MAXIMUM_MEASUREMENTS
from benchmark.experiments.run_spec import EvaluationSchedule, canonical_json
from benchmark.experiments.validation import Strict

Count = Annotated[int, Field(ge=0, le=2**53)]
"""A whole number that floating-point numbers hold exactly."""
Measure = Annotated[float, Field(ge=-1e100, le=1e100)]
"""A number whose square does not overflow; sums of float32 rewards are far smaller."""
Measured = Literal["return", "success"]
"""What a task is scored by (Task.score)."""


class EvaluationPoint(Strict):
    """One evaluation, with one entry per episode. `step`: when it was due; `steps_done`: when it was taken."""

    step: Count
    steps_done: Count
    returns: tuple[Measure, ...]
    successes: tuple[bool, ...]
    lengths: tuple[Count, ...]

    @model_validator(mode="after")
    def _equal_lengths(self) -> EvaluationPoint:
        if not len(self.returns) == len(self.successes) == len(self.lengths) > 0:
            raise ValueError("returns, successes and lengths need one entry per episode each")
        return self

    @property
    def mean_return(self) -> float:
        return sum(self.returns) / len(self.returns)

    @property
    def success_rate(self) -> float:
        return sum(self.successes) / len(self.successes)


def best_evaluation(points: Sequence[EvaluationPoint], schedule: EvaluationSchedule, measure: Measured) -> int:
    """The number of the evaluation whose policy is the best, by the rule of the protocol (run_spec.PROTOCOL_VERSION).

    `points`: at least one, in the mode that is scored. `measure`: the one that the task is scored by.
    """
    if schedule.protocol_version == 1:
        return max(range(len(points)), key=lambda number: (points[number].mean_return, -number))
    scores = [point.mean_return if measure == "return" else point.success_rate for point in points]
    return max(range(len(points)), key=lambda number: (scores[number], number))


class TrainingInterval(Strict):
    """Training between two evaluation points, up to the one due at `step`: means over its episodes, None without any."""

    step: Count
    episodes: Count
    mean_return: float | None
    success_rate: float | None
    mean_length: float | None


class Outcome(Strict):
    """What the run computed. Equal runs have equal outcomes, bit for bit, on one machine type.

    `reason`: why a failed run failed. `evaluations`: one per point of the schedule, as far as the run came. `absolute`: the
    best policy (`best_evaluation`) on fresh episodes; its steps are those of its evaluation; None if the run failed.
    `greedy_evaluations`, `greedy_absolute`: the same with greedy actions, of a run that is evaluated in both modes; else
    empty and None, and no part of the JSON. `training`: one entry per interval between two evaluation points; `monitors`: the
    algorithm's, means over the updates of the same intervals (None where there was none). `credit`: agreement of the method's
    influence graph with interventions in the simulator, at some of the evaluations; empty for methods without such a graph.
    """

    status: Literal["ok", "failed"]
    reason: str | None
    steps_done: Count
    evaluations: tuple[EvaluationPoint, ...]
    absolute: EvaluationPoint | None
    greedy_evaluations: tuple[EvaluationPoint, ...] = Field(default=(), exclude_if=lambda points: not points)
    greedy_absolute: EvaluationPoint | None = Field(default=None, exclude_if=lambda point: point is None)
    training: tuple[TrainingInterval, ...]
    monitors: dict[str, tuple[float | None, ...]]
    credit: Annotated[tuple[GraphMeasurement, ...], Field(max_length=MAXIMUM_MEASUREMENTS)] = ()

    @property
    def canonical(self) -> str:
        """The canonical JSON, which is hashed."""
        return canonical_json(self.model_dump(mode="json"))

    @property
    def sha256(self) -> str:
        """The hash of the canonical JSON, in hexadecimal."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    def fitting_a_record(self) -> Outcome:
        """The same outcome; without the pictures in its measurements of credit if it is too large for a record with them."""
        if not self.credit or len(self.canonical) <= MAXIMUM_BYTES - BYTES_BESIDE_THE_OUTCOME:
            return self
        return self.model_copy(update={"credit": tuple(measurement.without_pictures() for measurement in self.credit)})
