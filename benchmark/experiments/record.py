"""The record of a run: the format of `record.json`, and reading and writing it.

    fingerprint      sha256 of the canonical JSON of `spec` (run_spec.py): which run it is
    spec, origin     what was run, and where its settings come from
    outcome          what the run computed: evaluations, training curves, monitors, measurements of credit
    outcome_sha256   sha256 of the canonical JSON of `outcome`: two runs are equal if their outcomes have equal hashes
    execution        how it was computed: seconds, memory, resumes, versions, processor; covered by no hash

The contract:
* A record is written once, atomically, when the run has ended. Nothing outside `execution` depends on wall-clock time.
* A diverged run has a record too, of status "failed", with the points that it reached.
* Steps are environment steps, a step of the team counting once; returns are undiscounted team returns per episode.
* A record may come from an untrusted source. `read_record` limits its size, checks it against the schema
  (schemas/record.schema.json), recomputes both hashes and checks that the run described by `spec` can have given `outcome`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from algorithms.plugins import UnknownName, UserError
from benchmark.environments.input_files import problem_lines
from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.atomic_write import write_atomically
from benchmark.experiments.credit_measurements import GraphMeasurement
from benchmark.experiments.run_spec import EvaluationSchedule, RunSpec, canonical_json
from benchmark.experiments.validation import Strict

SCHEMA_VERSION: Literal[1] = 1
MAXIMUM_BYTES = 150_000
BYTES_BESIDE_THE_OUTCOME = 10_000
"""Reserved for the rest of a record: specification, origin and execution."""


class CorruptRecord(UserError):
    """An invalid record or study result. The message names the file and the problem."""


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
    credit: Annotated[tuple[GraphMeasurement, ...], Field(max_length=41)] = ()

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


class Tuning(Strict):
    """The cost of tuning the settings."""

    trials: Count
    steps: Count
    seeds: tuple[Count, ...] = Field(strict=False)


class SettingsOrigin(Strict):
    """Where the settings come from, and the cost of tuning them (None: not tuned by us)."""

    source: str
    tuning: Tuning | None = None

    @property
    def in_words(self) -> str:
        """The source and the cost of tuning, as text."""
        if self.tuning is None:
            return self.source
        seeds = ", ".join(map(str, self.tuning.seeds))
        return f"{self.source}; found in {self.tuning.trials} trials of {self.tuning.steps:,} steps in all, on seeds {seeds}"


def _is_none(value: object) -> bool:
    return value is None


class Provenance(Strict):
    """Versions and hardware; no host or user names, no paths.

    `commit`: of the checkout; None where it is not known, `commit_unknown` says why. `dirty`: whether the code differs from it.
    `installed_sha256`: over the sorted lines name==version of all installed packages; None if they changed during the run.
    `packages`: these lines of what decides numbers beside torch and numpy: the compiler of the simulators, and packages that
    add tasks or algorithms (that of the reference backend is part of the specification). `lock_sha256`: in older records
    alone, over the versions that the checkout asked for. What a record lacks is not written back.
    """

    commit: str | None
    commit_unknown: str | None = Field(default=None, exclude_if=_is_none)
    dirty: bool | None
    installed_sha256: str | None = Field(default=None, exclude_if=_is_none)
    packages: tuple[str, ...] | None = Field(default=None, exclude_if=_is_none, strict=False)
    lock_sha256: str | None = Field(default=None, exclude_if=_is_none)
    python: str
    torch: str
    numpy: str
    processor: str
    threads: Count
    device: str


class Execution(Strict):
    """How the run was computed. No hash covers it."""

    seconds: dict[str, Measure]
    steps_per_second: Measure
    peak_memory_bytes: Count
    resumes: Count
    provenance: Provenance


class Record(Strict):
    """The record of a run."""

    schema_version: Literal[1]
    fingerprint: str = Field(pattern="^[0-9a-f]{64}$")
    outcome_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    spec: RunSpec
    origin: SettingsOrigin
    outcome: Outcome
    execution: Execution

    @model_validator(mode="after")
    def _hashes(self) -> Record:
        if self.spec.fingerprint != self.fingerprint:
            raise ValueError("fingerprint does not belong to the spec")
        if self.outcome.sha256 != self.outcome_sha256:
            raise ValueError("outcome_sha256 does not belong to the outcome")
        return self


def make_record(spec: RunSpec, origin: SettingsOrigin, outcome: Outcome, execution: Execution) -> Record:
    """Makes the record of a run, with its hashes."""
    return Record(
        schema_version=SCHEMA_VERSION,
        fingerprint=spec.fingerprint,
        outcome_sha256=outcome.sha256,
        spec=spec,
        origin=origin,
        outcome=outcome,
        execution=execution,
    )


def write_record(path: Path, record: Record) -> None:
    """Writes a record atomically. Raises ValueError if it is larger than MAXIMUM_BYTES."""
    text = json.dumps(record.model_dump(mode="json"), sort_keys=True, indent=None, separators=(",", ":"), allow_nan=False)
    if len(text) > MAXIMUM_BYTES:
        raise ValueError(f"a record may have {MAXIMUM_BYTES} bytes, this one has {len(text)}")
    write_atomically(path, (text + "\n").encode())


def read_record(path: Path) -> Record:
    """A checked record. Raises CorruptRecord: too large, not of the schema, wrong hashes, or impossible for its spec."""
    try:
        record = Record.model_validate_json(read_limited(path))
    except ValidationError as error:
        problems = printable("; ".join(problem_lines(error, root="record", limit=5)))
        raise CorruptRecord(f"{path}: {problems}") from error
    except RecursionError as error:
        raise CorruptRecord(f"{path}: nested too deeply") from error
    contradiction = _contradiction(record)
    if contradiction is not None:
        raise CorruptRecord(f"{path}: {contradiction}")
    return record


def read_limited(path: Path) -> bytes:
    """The content of a file of at most MAXIMUM_BYTES. Raises CorruptRecord: no regular file, too large, or unreadable."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CorruptRecord(f"{path}: not a file")
        with path.open("rb") as file:
            content = file.read(MAXIMUM_BYTES + 2)
    except OSError as error:
        raise CorruptRecord(f"{path}: {error.strerror}") from error
    if len(content) > MAXIMUM_BYTES + 1:
        raise CorruptRecord(f"{path}: larger than {MAXIMUM_BYTES} bytes")
    return content


def printable(text: str, most: int = 500) -> str:
    """Untrusted text, made safe for one line of a terminal or a page: no control characters, at most `most` characters."""
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:most])
    return shown if len(text) <= most else f"{shown} …"


def _contradiction(record: Record) -> str | None:
    """What of the outcome no run of the spec can have given; None if there is nothing."""
    outcome, schedule = record.outcome, record.spec.evaluation
    points = outcome.evaluations
    if any(before.step >= after.step or before.steps_done > after.steps_done for before, after in itertools.pairwise(points)):
        return "its evaluations are out of order"
    if any(point.steps_done > outcome.steps_done for point in points):
        return f"an evaluation was taken after the last of its {outcome.steps_done} steps"
    if any(len(point.returns) != schedule.episodes for point in points):
        return f"an evaluation has not the {schedule.episodes} episodes of the schedule"
    if outcome.absolute is not None and len(outcome.absolute.returns) != schedule.absolute_episodes:
        return f"the absolute evaluation has not the {schedule.absolute_episodes} episodes of the schedule"
    if schedule.policy != "both" and (outcome.greedy_evaluations or outcome.greedy_absolute is not None):
        return f"it has greedy evaluations beside those of its policy, '{schedule.policy}'"
    if outcome.status == "ok" and outcome.steps_done < record.spec.budget:
        return f"it is said to be finished after {outcome.steps_done} of {record.spec.budget} steps"
    return _credit_contradiction(record)


def _credit_contradiction(record: Record) -> str | None:
    """The same for its measurements of credit."""
    measurements = record.outcome.credit
    taken = {(point.step, point.steps_done) for point in record.outcome.evaluations}
    if any(before.step >= after.step for before, after in itertools.pairwise(measurements)):
        return "its measurements of credit are out of order"
    if any((measurement.step, measurement.steps_done) not in taken for measurement in measurements):
        return "a measurement of credit was taken when there was no evaluation"
    shown = {measurement.agents_shown for measurement in measurements} - {None}
    agents = _team_size(record.spec) if shown else None
    if agents is not None and shown != {agents}:
        return f"a mean graph is not of the {agents} agents of {printable(record.spec.task)}"
    return None


def _team_size(spec: RunSpec) -> int | None:
    """The number of agents of the run's task; None if the task is unknown here or has another version."""
    try:
        task = get_task(spec.task)
    except UnknownName:
        return None
    return task.n_agents if task.version == spec.task_version else None
