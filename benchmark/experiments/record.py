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

import json
import stat
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from algorithms.plugins import UserError
from benchmark.environments.input_files import problem_lines
from benchmark.experiments.atomic_write import write_atomically
from benchmark.experiments.outcome import Count, Measure, Outcome
from benchmark.experiments.outcome_checks import contradiction
from benchmark.experiments.record_size import MAXIMUM_BYTES, SOURCE_BYTES
from benchmark.experiments.run_spec import RunSpec
from benchmark.experiments.validation import Strict

SCHEMA_VERSION: Literal[1] = 1


class CorruptRecord(UserError):
    """An invalid record or study result. The message names the file and the problem."""


class Tuning(Strict):
    """The cost of tuning the settings."""

    trials: Count
    steps: Count
    seeds: tuple[Count, ...] = Field(strict=False, max_length=50)


def _short(text: str) -> str:
    size = len(json.dumps(text))
    if size > SOURCE_BYTES:
        raise ValueError(f"the text takes {size} bytes of every record; allowed are {SOURCE_BYTES}")
    return text


SettingsSource = Annotated[str, AfterValidator(_short)]


class SettingsOrigin(Strict):
    """Where the settings come from, and the cost of tuning them (None: not tuned by us)."""

    source: SettingsSource
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
    """How the run was computed. No hash covers it.

    `deterministic`: False where the game declares that it does not repeat itself, or where episodes of one seed differed when
    the run was started: another run of this spec has another outcome. None in older records.
    """

    seconds: dict[str, Measure]
    steps_per_second: Measure
    peak_memory_bytes: Count
    resumes: Count
    deterministic: bool | None = Field(default=None, exclude_if=_is_none)
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
    content = read_limited(path)
    try:
        record = Record.model_validate_json(content)
    except ValidationError as error:
        problems = printable("; ".join(problem_lines(error, root="record", limit=5)))
        raise CorruptRecord(f"{path}: {newer_format(content, SCHEMA_VERSION) or problems}") from error
    except RecursionError as error:
        raise CorruptRecord(f"{path}: nested too deeply") from error
    problem = contradiction(record.spec, record.outcome)
    if problem is not None:
        raise CorruptRecord(f"{path}: {printable(problem)}")
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


def newer_format(content: bytes, reads: int) -> str | None:
    """That a file which is not of the schema says itself to be of a later one than `reads`; None if it does not."""
    try:
        version = json.loads(content)["schema_version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if type(version) is not int or not reads < version < 1000:
        return None
    return f"written by a newer version (format {version}; this one reads {reads})"


def printable(text: str, most: int = 500) -> str:
    """Untrusted text, made safe for one line of a terminal or a page: no control characters, at most `most` characters."""
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:most])
    return shown if len(text) <= most else f"{shown} …"
