"""The state of a run between two updates: its parts, `advance` and `evaluate`, and what a checkpoint must hold."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from algorithms.interface import RunProgress
from algorithms.seeds import derive
from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.credit_measurements import GraphMeasurement, measuring_points
from benchmark.experiments.outcome import EvaluationPoint, Outcome, best_evaluation
from benchmark.experiments.record import Execution, Provenance, Record
from benchmark.experiments.run_spec import RunSpec
from benchmark.training.components import build_algorithm, validate_versions
from benchmark.training.credit_monitor import measure_influence
from benchmark.training.evaluation import Evaluator
from benchmark.training.metrics import IntervalMeans, Update
from benchmark.training.policy_files import all_finite, detached
from benchmark.training.rollout import Collector


class Run:
    """A run between two updates. `advance` collects and updates; `evaluate` takes the evaluation point that is due.

    `state_dict` holds everything that the rest of the run depends on: with it, a resumed run equals an uninterrupted one.
    """

    def __init__(self, spec: RunSpec, device: torch.device) -> None:
        validate_versions(spec)
        task = get_task(spec.task)
        self._measure = task.score
        self.spec = spec
        self.device = device
        self._collector = Collector(task, spec.backend, spec.parallel_episodes, spec.entry().requires)
        self._evaluator = Evaluator(task, spec.backend, spec.evaluation.episodes, device)
        self.deterministic = self._evaluator.repeats_itself()
        self._progress = RunProgress()
        self.algorithm = build_algorithm(spec, self._evaluator.team, device, self._progress)
        self._exploration = torch.Generator(device).manual_seed(derive(spec.seed, "exploration"))
        self._environment_seed = derive(spec.seed, "environment")
        self.episodes_done = 0
        self.evaluations: list[EvaluationPoint] = []
        self.greedy_evaluations: list[EvaluationPoint] = []
        self.absolute: EvaluationPoint | None = None
        self.greedy_absolute: EvaluationPoint | None = None
        self.credit: list[GraphMeasurement] = []
        self._measured_at = measuring_points(spec)
        self.failure: str | None = None
        self._means = IntervalMeans()
        self._best: dict[str, Tensor] = {}
        phases = ("collect", "update", "evaluate", *(("credit",) if self._measured_at else ()), "checkpoint", "total")
        self._seconds = dict.fromkeys(phases, 0.0)
        self._started = time.perf_counter()
        self._resumes = 0
        self._peak_memory = 0

    @contextlib.contextmanager
    def clock(self, phase: str) -> Iterator[None]:
        """Adds the time spent in the block to a phase."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[phase] += time.perf_counter() - start

    @property
    def steps_done(self) -> int:
        """Environment steps of all collections so far; schedules see the same number."""
        return self._progress.steps_done

    @property
    def steps_per_second(self) -> float:
        """Environment steps per second of collecting and updating."""
        return self.steps_done / max(self._seconds["collect"] + self._seconds["update"], 1e-9)

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by phase, and by part of the updates that the algorithm names. Work lost by a kill is not counted."""
        return {**self._seconds, "total": self._seconds["total"] + time.perf_counter() - self._started}

    def advance(self) -> Update:
        """Collects the episodes that the algorithm requests and updates it. Sets `failure` after a NaN or an infinity."""
        collection = self.algorithm.next_collection()
        if collection.episodes < 1:
            raise ValueError(f"{self.spec.algorithm} requested {collection.episodes} episodes; at least 1 is needed")
        with self.clock("collect"):
            episodes = self._collector.collect(
                self.algorithm, collection.episodes, self.episodes_done, self._environment_seed, self._exploration
            )
        before = self.algorithm.seconds()
        with self.clock("update"):
            monitors = self.algorithm.update(episodes)
        for part, seconds in self.algorithm.seconds().items():
            self._seconds[part] = self._seconds.get(part, 0.0) + seconds - before.get(part, 0.0)
        self._progress.steps_done += episodes.steps
        self.episodes_done += collection.episodes
        update = Update.of(episodes, self.steps_done, self.algorithm.phase(), monitors)
        if update.diverged is not None:
            self.failure = f"diverged: {update.diverged} at step {self.steps_done}"
        elif not all_finite(self.algorithm.policy_state()):
            self.failure = f"diverged: policy parameters at step {self.steps_done}"
        else:
            self._means.add(update)
        return update

    def evaluation_due(self) -> bool:
        """Whether the next evaluation point is due at this boundary."""
        schedule, number = self.spec.evaluation, len(self.evaluations)
        return number < schedule.points and schedule.due(number, self.spec.budget) <= self.steps_done

    def evaluate(self) -> EvaluationPoint:
        """Takes the next evaluation point, and keeps the policy if it is the best so far (`best_evaluation`).

        At some points (`measuring_points`) also compares the method's influence graph with the simulator's.
        """
        schedule, number = self.spec.evaluation, len(self.evaluations)
        due = schedule.due(number, self.spec.budget)
        with self.clock("evaluate"):
            seed = derive(self.spec.seed, "evaluation", number)
            point = self._evaluator.evaluate(self.algorithm, schedule.scored, seed, due, self.steps_done)
            if schedule.policy == "both":
                greedy = self._evaluator.evaluate(self.algorithm, "greedy", seed, due, self.steps_done)
                self.greedy_evaluations.append(greedy)
        self.evaluations.append(point)
        if self._best_number() == number:
            self._best = detached(self.algorithm.policy_state())
        if number > 0:
            self._means.close(due)
        if number in self._measured_at:
            with self.clock("credit"):
                measurement = measure_influence(self.spec, self.algorithm, number, self.steps_done, self.device)
            if measurement is not None:
                self.credit.append(measurement)
        return point

    def evaluate_best(self) -> None:
        """The absolute evaluation: the best policy on fresh episodes. The algorithm's final policy is restored afterwards."""
        best = self.evaluations[self._best_number()]
        schedule = self.spec.evaluation
        seed = derive(self.spec.seed, "absolute")
        evaluator = Evaluator(get_task(self.spec.task), self.spec.backend, schedule.absolute_episodes, self.device)
        final = detached(self.algorithm.policy_state())
        with self.clock("evaluate"):
            try:
                self.algorithm.load_policy_state(self._best)
                self.absolute = evaluator.evaluate(self.algorithm, schedule.scored, seed, best.step, best.steps_done)
                if schedule.policy == "both":
                    self.greedy_absolute = evaluator.evaluate(self.algorithm, "greedy", seed, best.step, best.steps_done)
            finally:
                self.algorithm.load_policy_state(final)
                evaluator.close()

    def _best_number(self) -> int:
        return best_evaluation(self.evaluations, self.spec.evaluation, self._measure)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on, and its measurements so far."""
        return {
            "algorithm": self.algorithm.state_dict(),
            "exploration": self._exploration.get_state(),
            "steps_done": self.steps_done,
            "episodes_done": self.episodes_done,
            "evaluations": [point.model_dump() for point in self.evaluations],
            "greedy_evaluations": [point.model_dump() for point in self.greedy_evaluations],
            "credit": [measurement.model_dump() for measurement in self.credit],
            "curves": self._means.state_dict(),
            "best": self._best,
            "seconds": self.seconds,
            "resumes": self._resumes,
            "peak_memory": self._peak(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where `state_dict` was taken; the rest of the run is the same, bit for bit."""
        self.algorithm.load_state_dict(state["algorithm"])
        self._exploration.set_state(state["exploration"])
        self._progress.steps_done = state["steps_done"]
        self.episodes_done = state["episodes_done"]
        self.evaluations = [EvaluationPoint(**point) for point in state["evaluations"]]
        self.greedy_evaluations = [EvaluationPoint(**point) for point in state["greedy_evaluations"]]
        self.credit = [GraphMeasurement(**measurement) for measurement in state["credit"]]
        self._means.load_state_dict(state["curves"])
        self._best = state["best"]
        self._seconds = state["seconds"]
        self._resumes = state["resumes"] + 1
        self._peak_memory = state["peak_memory"]

    def finished_state(self, record: Record) -> dict[str, Any]:
        """The checkpoint of a finished run: enough to write its files again."""
        return {
            "record": record.model_dump_json(),
            "best": self._best,
            "final": detached(self.algorithm.policy_state()),
        }

    def outcome(self) -> Outcome:
        """What the run has computed: the hashed part of its record."""
        return Outcome(
            status="ok" if self.failure is None else "failed",
            reason=self.failure,
            steps_done=self.steps_done,
            evaluations=tuple(self.evaluations),
            absolute=self.absolute,
            greedy_evaluations=tuple(self.greedy_evaluations),
            greedy_absolute=self.greedy_absolute,
            training=tuple(self._means.training),
            monitors={name: tuple(values) for name, values in self._means.monitors.items()},
            credit=tuple(self.credit),
        ).fitting_a_record()

    def execution(self, made_with: Provenance) -> Execution:
        """Time, memory, resumes and versions: the part of the record that no hash covers."""
        return Execution(
            seconds={phase: round(seconds, 3) for phase, seconds in self.seconds.items()},
            steps_per_second=round(self.steps_per_second, 1),
            peak_memory_bytes=self._peak(),
            resumes=self._resumes,
            deterministic=self.deterministic,
            provenance=made_with,
        )

    def _peak(self) -> int:
        unit = 1 if sys.platform == "darwin" else 1024
        return max(self._peak_memory, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)

    def close(self) -> None:
        """Ends the environments."""
        self._collector.close()
        self._evaluator.close()
