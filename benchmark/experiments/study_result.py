"""The result file of a study: its format, and reading and writing it.

A study answers one question by measurement without training the runs of a suite. Its result says what was expected before
it was looked at, what was found (computed from the numbers) and whether the one supports the other. Committed results lie
in results/reference/studies. They come from strangers too: size-limited, and checked before anything is believed.
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
from benchmark.experiments.record import MAXIMUM_BYTES, CorruptRecord, Measure, Provenance, printable, read_limited
from benchmark.experiments.run_spec import canonical_json
from benchmark.experiments.validation import Strict

SCHEMA_VERSION: Literal[2] = 2

Verdict = Literal["supported", "not supported", "undecided"]

Progress = Callable[[int, int, str], None]
"""Told by a study how many of how many parts are done, and what comes next."""


def _no_control_characters(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters are not allowed")
    return text


Text = Annotated[str, StringConstraints(min_length=1, max_length=4000), AfterValidator(_no_control_characters)]
Word = Annotated[StrictStr, StringConstraints(max_length=500), AfterValidator(_no_control_characters)]
Cell = Annotated[StrictInt, Field(ge=-(2**53), le=2**53)] | Annotated[StrictFloat, Field(ge=-1e100, le=1e100)] | Word | None
"""What stands in a place of a table: a number, words, or None where there is nothing."""


class Table(Strict):
    """Numbers with the names of their columns; every row has one cell a column."""

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
        """A table with its numbers rounded: beyond `DIGITS` significant digits processors differ."""
        return Table(caption=caption, columns=tuple(columns), rows=tuple(tuple(_rounded(cell) for cell in row) for row in rows))


DIGITS = 6


def _rounded(cell: Cell) -> Cell:
    return float(f"{cell:.{DIGITS}g}") if isinstance(cell, float) else cell


class Prediction(Strict):
    """One thing that was expected, what was found, and whether that supports it."""

    expected: Text
    found: Text
    verdict: Verdict


class StudyResult(Strict):
    """What a study found.

    `id`: its name, and that of its file. `design`: what was measured on what, with the sizes. `verdict`: of all `predictions`
    together. `quick`: whether it was made small for a try, so that its
    numbers mean little. `seconds`: of the whole study. All but `seconds` and `provenance` are the same on one machine, bit
    for bit, unless the study is about time (its registry entry says so).
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

    @property
    def sha256(self) -> str:
        """Over the canonical form of all that a clock and a machine's name have no part in."""
        content = self.model_dump(mode="json", exclude={"seconds", "provenance"})
        return hashlib.sha256(canonical_json(content).encode()).hexdigest()


@dataclass(frozen=True)
class Findings:
    """What a study's function gives: how it was done, with the sizes, and what came of it."""

    design: str
    predictions: tuple[Prediction, ...]
    tables: tuple[Table, ...]


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """Supported if all are; not supported if any is not; else undecided."""
    found = set(verdicts)
    if "not supported" in found:
        return "not supported"
    return "undecided" if "undecided" in found else "supported"


def overall(predictions: Iterable[Prediction]) -> Verdict:
    """The verdict of all predictions together."""
    return together(prediction.verdict for prediction in predictions)


def write_study(path: Path, result: StudyResult) -> None:
    """Writes atomically. Raises ValueError if it is larger than a record may be."""
    text = json.dumps(result.model_dump(mode="json"), indent=1, sort_keys=True, allow_nan=False) + "\n"
    content = text.encode()
    if len(content) > MAXIMUM_BYTES:
        raise ValueError(f"the result of a study may have {MAXIMUM_BYTES} bytes, this one has {len(content)}")
    write_atomically(path, content)


def read_study(path: Path) -> StudyResult:
    """A checked result. Raises CorruptRecord: no file, too large, not of the schema, or not named by its study."""
    try:
        result = StudyResult.model_validate_json(read_limited(path))
    except ValidationError as error:
        problems = printable("; ".join(problem_lines(error, root="study", limit=5)))
        raise CorruptRecord(f"{path}: {problems}") from error
    except RecursionError as error:
        raise CorruptRecord(f"{path}: nested too deeply") from error
    if path.stem != result.id:
        raise CorruptRecord(f"{path}: it is the result of the study '{result.id}'")
    return result
