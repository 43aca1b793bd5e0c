"""The result file of a study: its format, and reading and writing it.

A study answers one question by measurements other than the runs of a suite. Its result holds predictions, each written
before the measurement, with a finding computed from the numbers and a verdict. Committed results lie in
results/reference/studies. A result may come from an untrusted source: its size is limited, and it is checked on reading.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
    ValidationError,
    model_validator,
)

from benchmark.environments.input_files import problem_lines
from benchmark.experiments.atomic_write import write_atomically
from benchmark.experiments.outcome import Measure
from benchmark.experiments.record import CorruptRecord, Provenance, newer_format, printable, read_limited
from benchmark.experiments.record_size import MAXIMUM_BYTES
from benchmark.experiments.run_spec import canonical_json
from benchmark.experiments.validation import Strict

SCHEMA_VERSION: Literal[2] = 2

Verdict = Literal["supported", "not supported", "undecided"]

Progress = Callable[[int, int, str], None]
"""Called by a study with the parts done, the number of parts, and the name of the next part."""


def _no_control_characters(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters are not allowed")
    return text


Text = Annotated[str, StringConstraints(min_length=1, max_length=4000), AfterValidator(_no_control_characters)]
Word = Annotated[StrictStr, StringConstraints(max_length=500), AfterValidator(_no_control_characters)]
Cell = Annotated[StrictInt, Field(ge=-(2**53), le=2**53)] | Annotated[StrictFloat, Field(ge=-1e100, le=1e100)] | Word | None
"""A cell of a table: a number, text, or None for an empty cell."""


class Table(Strict):
    """A table of a study; every row has one cell per column."""

    caption: Text
    columns: Annotated[tuple[Word, ...], Field(min_length=1, max_length=30)]
    rows: Annotated[tuple[tuple[Cell, ...], ...], Field(max_length=1000)]

    @model_validator(mode="after")
    def _rectangular(self) -> Table:
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("two columns have the same name")
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"every row needs {len(self.columns)} cells, one a column")
        return self

    @staticmethod
    def of(caption: str, columns: Iterable[str], rows: Iterable[Iterable[Cell]]) -> Table:
        """A table with its numbers rounded to `DIGITS` significant digits, beyond which processors differ."""
        return Table(caption=caption, columns=tuple(columns), rows=tuple(tuple(_rounded(cell) for cell in row) for row in rows))


DIGITS = 6


def _rounded(cell: Cell) -> Cell:
    return float(f"{cell:.{DIGITS}g}") if isinstance(cell, float) else cell


class Prediction(Strict):
    """One prediction: what was expected, what was found, and whether the finding supports it."""

    expected: Text
    found: Text
    verdict: Verdict


class StudyResult(Strict):
    """The result of a study.

    `id`: the study's name and that of the file. `design`: what was measured, with the sizes. `verdict`: of all `predictions`
    together. `quick`: a small trial, whose numbers mean little. `seconds`: of the whole study. All fields but `seconds` and
    `provenance` are equal in every repetition on one machine, bit for bit, unless the study measures time (see its registry
    entry).
    """

    schema_version: Literal[2]
    id: Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9-]{0,60}$")]
    title: Text
    question: Text
    design: Text
    source: Text
    verdict: Verdict
    predictions: Annotated[tuple[Prediction, ...], Field(min_length=1, max_length=50)]
    tables: Annotated[tuple[Table, ...], Field(max_length=50)]
    command: Text
    quick: bool
    seconds: Annotated[Measure, Field(ge=0)]
    provenance: Provenance

    @model_validator(mode="after")
    def _verdict_follows(self) -> StudyResult:
        if self.verdict != overall(self.predictions):
            raise ValueError(f"the verdict of these predictions together is '{overall(self.predictions)}'")
        return self

    @model_validator(mode="after")
    def _command_repeats_it(self) -> StudyResult:
        if self.command != command_of(self.id, quick=self.quick):
            raise ValueError(f"the command of this study is '{command_of(self.id, quick=self.quick)}'")
        return self

    @property
    def sha256(self) -> str:
        """The hash of the canonical JSON without `seconds` and `provenance`."""
        content = self.model_dump(mode="json", exclude={"seconds", "provenance"})
        return hashlib.sha256(canonical_json(content).encode()).hexdigest()


@dataclass(frozen=True)
class Findings:
    """What a study's function returns: its design, with the sizes, its predictions and its tables."""

    design: str
    predictions: tuple[Prediction, ...]
    tables: tuple[Table, ...]


def command_of(study: str, *, quick: bool) -> str:
    """The command that repeats a study."""
    return f"creditbench study {study}" + (" --quick" if quick else "")


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """Not supported if any is not; else undecided if any is; else supported."""
    distinct = set(verdicts)
    if "not supported" in distinct:
        return "not supported"
    return "undecided" if "undecided" in distinct else "supported"


def overall(predictions: Iterable[Prediction]) -> Verdict:
    """The verdict of all predictions together."""
    return together(prediction.verdict for prediction in predictions)


def write_study(path: Path, result: StudyResult) -> None:
    """Writes a result atomically. Raises ValueError if it is larger than MAXIMUM_BYTES."""
    text = json.dumps(result.model_dump(mode="json"), indent=1, sort_keys=True, allow_nan=False) + "\n"
    content = text.encode()
    if len(content) > MAXIMUM_BYTES:
        raise ValueError(f"the result of a study may have {MAXIMUM_BYTES} bytes, this one has {len(content)}")
    write_atomically(path, content)


def read_study(path: Path) -> StudyResult:
    """A checked result. Raises CorruptRecord: no file, too large, not of the schema, or not named after its study."""
    content = read_limited(path)
    try:
        result = StudyResult.model_validate_json(content)
    except ValidationError as error:
        problems = printable("; ".join(problem_lines(error, root="study", limit=5)))
        raise CorruptRecord(f"{path}: {newer_format(content, SCHEMA_VERSION) or problems}") from error
    except RecursionError as error:
        raise CorruptRecord(f"{path}: nested too deeply") from error
    if path.stem != result.id:
        raise CorruptRecord(f"{path}: it is the result of the study '{result.id}'")
    return result
