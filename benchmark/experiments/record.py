"""The result file of a run: its format, and reading and writing it.

`record.json` is written once, atomically, and holds no clock reading outside `execution`. `outcome_sha256`, over the
canonical form of `outcome`, is what every claim of equality is about. Records come from strangers too: they are
size-limited and checked against the schema before anything is believed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import stat
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from algorithms.plugins import UnknownName, UserError
from benchmark.environments.input_files import problem_lines
from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.atomic_write import write_atomically
from benchmark.experiments.credit_measurements import GraphMeasurement
from benchmark.experiments.run_spec import RunSpec, canonical_json
from benchmark.experiments.validation import Strict

SCHEMA_VERSION: Literal[1] = 1
MAXIMUM_BYTES = 150_000
BYTES_BESIDE_THE_OUTCOME = 10_000
"""What is kept free for the rest of a record: its specification and how it was carried out."""


class CorruptRecord(UserError):
    """A record that cannot be believed. The message says which file and what is wrong with it."""


Count = Annotated[int, Field(ge=0, le=2**53)]
"""A whole number that floating-point numbers hold exactly."""
Measure = Annotated[float, Field(ge=-1e100, le=1e100)]
"""A number whose square is a number too: what float32 rewards sum to lies far within."""


class EvaluationPoint(Strict):
    """One evaluation, per episode. `step`: when it was due; `steps_done`: when it was taken."""

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


class TrainingInterval(Strict):
    """Training episodes between two evaluation points: means over those that ended in it (None if there was none)."""

    step: Count
    episodes: Count
    mean_return: float | None
    success_rate: float | None
    mean_length: float | None


class Outcome(Strict):
    """What the run computed. Equal runs have equal outcomes, bit for bit, on one machine type.

    `reason`: why a failed run failed. `evaluations`: one per point of the schedule, as far as the run came. `absolute`: the
    best policy by evaluation mean (the earliest of equals), on fresh episodes; its steps are those of that evaluation;
    None if the run failed. `training`: one entry per interval between two evaluation points; `monitors`: the algorithm's,
    means over the updates of the same intervals (None where there was none). `credit`: how right the method was about who
    influences whom, at some of the evaluations; nothing for methods that do not say.
    """

    status: Literal["ok", "failed"]
    reason: str | None
    steps_done: Count
    evaluations: tuple[EvaluationPoint, ...]
    absolute: EvaluationPoint | None
    training: tuple[TrainingInterval, ...]
    monitors: dict[str, tuple[float | None, ...]]
    credit: Annotated[tuple[GraphMeasurement, ...], Field(max_length=41)] = ()

    @property
    def canonical(self) -> str:
        """The text that is hashed."""
        return canonical_json(self.model_dump(mode="json"))

    @property
    def sha256(self) -> str:
        """Over the canonical form."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    def fitting_a_record(self) -> Outcome:
        """The same, without the pictures in its measurements of credit where a record could not hold them."""
        if not self.credit or len(self.canonical) <= MAXIMUM_BYTES - BYTES_BESIDE_THE_OUTCOME:
            return self
        return self.model_copy(update={"credit": tuple(found.without_pictures() for found in self.credit)})


class Tuning(Strict):
    """What it cost to find the settings."""

    trials: Count
    steps: Count
    seeds: tuple[Count, ...] = Field(strict=False)


class SettingsOrigin(Strict):
    """Where the settings come from, and the tuning that went into them (None: not tuned by us)."""

    source: str
    tuning: Tuning | None = None

    @property
    def in_words(self) -> str:
        """The source, and what the tuning has cost."""
        if self.tuning is None:
            return self.source
        seeds = ", ".join(map(str, self.tuning.seeds))
        return f"{self.source}; found in {self.tuning.trials} trials of {self.tuning.steps:,} steps in all, on seeds {seeds}"


class Provenance(Strict):
    """With what it was computed; no host or user names."""

    commit: str | None
    dirty: bool | None
    lock_sha256: str
    python: str
    torch: str
    numpy: str
    processor: str
    threads: Count
    device: str


class Execution(Strict):
    """How the run was carried out. Nothing here takes part in `outcome_sha256`."""

    seconds: dict[str, Measure]
    steps_per_second: Measure
    peak_memory_bytes: Count
    resumes: Count
    provenance: Provenance


class Record(Strict):
    """A run's result."""

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
    """The record of a run, with its hashes."""
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
    """Writes atomically. Raises ValueError if it is larger than a record may be."""
    text = json.dumps(record.model_dump(mode="json"), sort_keys=True, indent=None, separators=(",", ":"), allow_nan=False)
    if len(text) > MAXIMUM_BYTES:
        raise ValueError(f"a record may have {MAXIMUM_BYTES} bytes, this one has {len(text)}")
    write_atomically(path, (text + "\n").encode())


def read_record(path: Path) -> Record:
    """A checked record. Raises CorruptRecord (too large, not of the schema, hashes or evaluations that do not fit)."""
    try:
        record = Record.model_validate_json(read_limited(path))
    except ValidationError as error:
        problems = printable("; ".join(problem_lines(error, root="record", limit=5)))
        raise CorruptRecord(f"{path}: {problems}") from error
    except RecursionError as error:
        raise CorruptRecord(f"{path}: nested too deeply") from error
    misfit = _misfit(record)
    if misfit is not None:
        raise CorruptRecord(f"{path}: {misfit}")
    return record


def read_limited(path: Path) -> bytes:
    """The content of a file that may be a record. Raises CorruptRecord: no regular file, too large, or not to be read."""
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
    """Words of strangers, for a line on a terminal or a page: without control characters, and not too many."""
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:most])
    return shown if len(text) <= most else f"{shown} …"


def _misfit(record: Record) -> str | None:
    """What no run of this specification can have given, if there is such a thing."""
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
    if outcome.status == "ok" and outcome.steps_done < record.spec.budget:
        return f"it is said to be finished after {outcome.steps_done} of {record.spec.budget} steps"
    return _misfit_of_credit(record)


def _misfit_of_credit(record: Record) -> str | None:
    """The same of its measurements of credit."""
    found, taken = record.outcome.credit, {(point.step, point.steps_done) for point in record.outcome.evaluations}
    if any(before.step >= after.step for before, after in itertools.pairwise(found)):
        return "its measurements of credit are out of order"
    if any((measurement.step, measurement.steps_done) not in taken for measurement in found):
        return "a measurement of credit was taken when there was no evaluation"
    shown = {measurement.agents_shown for measurement in found} - {None}
    agents = _team_size(record.spec) if shown else None
    if agents is not None and shown != {agents}:
        return f"a mean graph is not of the {agents} agents of {printable(record.spec.task)}"
    return None


def _team_size(spec: RunSpec) -> int | None:
    """The number of agents of the run's task; None where that is not known here, or of another version."""
    try:
        task = get_task(spec.task)
    except UnknownName:
        return None
    return task.n_agents if task.version == spec.task_version else None
