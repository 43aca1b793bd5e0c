"""RunSpec: the complete specification of one run, and its fingerprint.

    task, task_version, backend, package         what is simulated, with exact versions
    algorithm, algorithm_version, settings       what learns; `settings` holds only those that differ from the defaults
    regime                                       which rewards it learns from: team, individual or episodic
    seed, budget, parallel_episodes, time_limit, evaluation, protocol_version

The contract:
* A RunSpec holds everything that decides what a run computes, and nothing else: names of suite and variant, device, threads,
  paths and time are no part of it.
* `fingerprint` is the sha256 of its canonical JSON. Equal fingerprints mean equal runs; two suites that name the same run
  share its files. A change of any field, or of a version, is another run.
* `budget` counts environment steps, a step of the team counting once.
* `resolve` is the only way from names to a spec: it checks that task, algorithm, settings, regime and backend fit together.

Neither torch nor numba is imported, so that planning is fast.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from algorithms.plugins import UserError, unknown
from algorithms.registry import GROUP, AlgorithmEntry, algorithms
from algorithms.settings.base import Settings
from algorithms.team import REGIMES, Regime, TimeLimit
from benchmark.environments.input_files import problem_lines
from benchmark.environments.interface import Backend
from benchmark.environments.tasks.registry import Task, get_task, package_version
from benchmark.experiments.probe_names import PROBES
from benchmark.experiments.record_size import SPEC_BYTES, Evaluations, size_problem
from benchmark.experiments.validation import Strict

PROTOCOL_VERSION = 2
"""Newest version of trainer and evaluator together: raised when either changes what a run measures.

1: evaluated in one mode, greedy or sampled. The best policy is that of the highest mean return, the earliest of equals.
2: evaluated in both modes. The best policy is that of the highest sampled score (the task's measure), the latest of equals:
   the first of many perfect evaluations is the luckiest policy, the last the one that was trained for longest."""

MAXIMUM_PARALLEL_EPISODES = 128

MAXIMUM_BUDGET = 2**53
"""Beyond it, floating-point numbers do not count steps exactly."""


class ImpossibleRun(UserError):
    """A combination that cannot be run. The message says why and what is allowed."""


class EvaluationSchedule(Strict):
    """When and how the policy is evaluated (Gorsane et al. 2022 by default).

    Point k = 0 … points-1 is taken at the first update boundary at or after k * budget / (points - 1).
    `policy`: how actions are chosen. "both" plays every evaluation twice from the same starts; the sampled one is the score,
    the greedy one is recorded beside it.
    """

    points: int = Field(default=41, ge=2)
    episodes: int = Field(default=32, ge=1)
    absolute_episodes: int = Field(default=320, ge=1)
    policy: Literal["greedy", "sample", "both"] = "both"

    @model_validator(mode="after")
    def _fits_a_record(self) -> EvaluationSchedule:
        problem = size_problem(self.size)
        if problem is not None:
            raise ValueError(problem)
        return self

    @property
    def size(self) -> Evaluations:
        """What decides the size of a record."""
        return Evaluations(self.points, self.episodes, self.absolute_episodes, 2 if self.policy == "both" else 1)

    @property
    def scored(self) -> Literal["greedy", "sample"]:
        """The mode whose evaluations are the score of a run."""
        return "sample" if self.policy == "both" else self.policy

    @property
    def protocol_version(self) -> int:
        """The version of the protocol that has these evaluations."""
        return 2 if self.policy == "both" else 1

    def due(self, point: int, budget: int) -> int:
        """The step at which evaluation `point` is due."""
        return -(-point * budget // (self.points - 1))


class Package(Strict):
    """The package that simulates a run on the reference backend, and its exact version."""

    name: str
    version: str


class RunSpec(Strict):
    """Everything that decides what a run computes. `settings`: only those that differ from the algorithm's defaults."""

    task: str
    task_version: int
    backend: Backend
    package: Package | None
    algorithm: str
    algorithm_version: int
    settings: dict[str, Any]
    regime: Regime
    seed: int = Field(ge=0, lt=2**31)
    budget: int = Field(ge=1, le=MAXIMUM_BUDGET)
    parallel_episodes: int = Field(ge=1, le=4096)
    time_limit: TimeLimit
    evaluation: EvaluationSchedule
    protocol_version: int

    @model_validator(mode="after")
    def _points_are_apart(self) -> RunSpec:
        """Points that are due at one step would be the same policy again."""
        smallest = self.evaluation.points - 1
        if self.budget < smallest:
            raise ValueError(
                f"{self.budget} steps are too few for {self.evaluation.points} evaluation points at different steps; "
                f"the smallest budget is {smallest}"
            )
        return self

    @property
    def fingerprint(self) -> str:
        """sha256 of the canonical JSON: the identity of the run."""
        return hashlib.sha256(canonical_json(self.model_dump(mode="json")).encode()).hexdigest()

    @property
    def path(self) -> Path:
        """Where its files lie below results/runs, results/reference or checkpoints."""
        return Path(self.task) / f"{self.algorithm}-{self.fingerprint[:12]}"

    def entry(self) -> AlgorithmEntry:
        """The algorithm's registry entry. Raises UnknownName."""
        return get_algorithm(self.algorithm)

    def resolved_settings(self) -> Settings:
        """The full, validated settings of the run."""
        return validated_settings(self.entry(), self.settings)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces and no NaN: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def get_algorithm(name: str) -> AlgorithmEntry:
    """The registry entry of that name. Raises UnknownName with the nearest names."""
    entry = algorithms().get(name)
    if entry is None:
        raise unknown("algorithm", name, algorithms(), GROUP)
    return entry


def validated_settings(entry: AlgorithmEntry, values: dict[str, Any]) -> Settings:
    """Settings of an algorithm from a plain dictionary. Raises ImpossibleRun naming each wrong field."""
    try:
        settings = entry.settings(**values)
    except ValidationError as error:
        known = ", ".join(_names(entry.settings))
        problems = "; ".join(problem_lines(error, root="settings"))
        raise ImpossibleRun(f"settings of {entry.name}: {problems}. Known settings: {known}.") from error
    if not _in_range(settings.model_dump()):
        # JSON has no infinity, and beyond this range not every whole number: the record would not say what was run.
        raise ImpossibleRun(f"settings of {entry.name}: every number must be finite, and a whole one at most 2**53")
    return settings


def _in_range(value: Any) -> bool:
    if isinstance(value, dict | list | tuple):
        return all(map(_in_range, value.values() if isinstance(value, dict) else value))
    if isinstance(value, int):
        return abs(value) <= 2**53
    return not isinstance(value, float) or math.isfinite(value)


def _names(settings: type[Settings]) -> Iterator[str]:
    """The names of all fields; those of nested settings as `outer.inner`."""
    for name, field in settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            yield from (f"{name}.{inner}" for inner in _names(field.annotation))
        else:
            yield name


def resolve(
    *,
    task: str,
    algorithm: str,
    regime: Regime,
    seed: int,
    budget: int,
    settings: dict[str, Any] | None = None,
    backend: Backend | None = None,
    parallel_episodes: int = MAXIMUM_PARALLEL_EPISODES,
    time_limit: TimeLimit = "terminal",
    evaluation: EvaluationSchedule | None = None,
) -> RunSpec:
    """The spec of a run, checked: task and algorithm exist, settings are valid, the two can be combined.

    Raises UnknownName, ImpossibleRun or NoSimulator (no such backend, package missing).
    """
    resolved_task = get_task(task)
    entry = get_algorithm(algorithm)
    resolved_settings = validated_settings(entry, settings or {})
    resolved_backend, simulator = resolved_task.simulator(backend)
    validate_combination(resolved_task, entry, resolved_settings, regime, resolved_backend, time_limit)
    package = None
    if simulator.package is not None:
        package = Package(name=simulator.package, version=package_version(simulator.package))
    schedule = evaluation or EvaluationSchedule()
    _validate_evaluation(resolved_task, schedule)
    try:
        spec = RunSpec(
            task=resolved_task.id,
            task_version=resolved_task.version,
            backend=resolved_backend,
            package=package,
            algorithm=entry.name,
            algorithm_version=entry.version,
            settings=resolved_settings.changed(),
            regime=regime,
            seed=seed,
            budget=budget,
            parallel_episodes=parallel_episodes,
            time_limit=time_limit,
            evaluation=schedule,
            protocol_version=schedule.protocol_version,
        )
    except ValidationError as error:
        raise ImpossibleRun("; ".join(problem_lines(error, root="run"))) from error
    size = len(canonical_json(spec.model_dump(mode="json")))
    if size > SPEC_BYTES:
        raise ImpossibleRun(f"the specification of the run takes {size} bytes of its record; allowed are {SPEC_BYTES}")
    return spec


def _validate_evaluation(task: Task, schedule: EvaluationSchedule) -> None:
    problem = size_problem(schedule.size, task.horizon)
    if problem is not None:
        raise ImpossibleRun(f"evaluation: {problem}")
    if schedule.policy == "greedy" and not (task.random_starts or task.random_dynamics):
        raise ImpossibleRun(
            f"evaluation.policy: greedy would repeat one episode, since neither starts nor dynamics of {task.id} are random: "
            "every success rate would be 0 or 1; allowed: sample, both."
        )


def validate_combination(
    task: Task, entry: AlgorithmEntry, settings: Settings, regime: Regime, backend: Backend, time_limit: TimeLimit = "terminal"
) -> None:
    """Raises ImpossibleRun for a pair that cannot run: a regime, several agent types or sharing that is not supported,
    privileged data that no probe provides of this task and backend, or settings that refuse the team or the time limit."""
    if regime not in REGIMES:
        raise ImpossibleRun(f"There is no reward regime '{regime}'; allowed: {', '.join(REGIMES)}.")
    if regime not in entry.regimes:
        raise ImpossibleRun(
            f"{entry.name} cannot learn under the {regime} reward regime; it supports: {', '.join(entry.regimes)}."
        )
    if task.n_agent_types > 1 and not entry.several_agent_types:
        raise ImpossibleRun(f"{entry.name} supports one agent type; {task.id} has {task.n_agent_types}.")
    _validate_probes(task, entry, backend)
    sharing = getattr(settings, "sharing", None)
    if sharing is not None and sharing not in entry.sharing:
        raise ImpossibleRun(f"{entry.name} cannot share parameters '{sharing}'; it supports: {', '.join(entry.sharing)}.")
    refusal = settings.refusal(task.n_agents, time_limit)
    if refusal is not None:
        raise ImpossibleRun(f"{entry.name} cannot be trained on {task.id}: {refusal}.")


def _validate_probes(task: Task, entry: AlgorithmEntry, backend: Backend) -> None:
    for name in entry.requires:
        if name not in PROBES:
            raise ImpossibleRun(f"{entry.name} requires {name}, which no probe provides; there are: {', '.join(PROBES)}.")
        if backend != "native":
            raise ImpossibleRun(
                f"{entry.name} requires {name}, which needs copies of the simulator's state: only the native backend has them, "
                f"and {task.id} would be simulated by its {backend} backend."
            )
        if PROBES[name].needs_positions and not task.has_positions:
            raise ImpossibleRun(f"{entry.name} requires {name}, but the agents of {task.id} have no positions.")
