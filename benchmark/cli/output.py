"""Output of the commands: tables and JSON lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from algorithms.plugins import BrokenEntry

if TYPE_CHECKING:
    from benchmark.analysis.schema import SuiteReport

PIPED_WIDTH = 200
"""Characters per line where the output is no terminal."""


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], broken: Iterable[BrokenEntry] = ()) -> None:
    """Prints a plain table: numbers right-aligned, everything else left-aligned.

    `broken`: a row each for what installed packages offer and cannot be used, its name first, the reason last.
    """
    rows = [[f"{cell:g}" if isinstance(cell, float) else cell for cell in row] for row in rows]
    grid = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(header):
        numbers = bool(rows) and all(isinstance(row[index], int) for row in rows)
        grid.add_column(name, justify="right" if numbers else "left", overflow="fold")
    rows += [[entry.name, *[""] * (len(header) - 2), f"broken: {entry}"] for entry in broken]
    for row in rows:
        grid.add_row(*(str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, markup=False, highlight=False).print(grid)


def json_line(value: Any) -> None:
    """Prints one JSON value on one line."""
    print(json.dumps(value, allow_nan=False), flush=True)


def coverage_lines(suite: SuiteReport) -> str:
    """How many runs of a suite are there; then a line for each group of runs that crashed or whose records are corrupt."""
    counts = suite.coverage
    line = f"{suite.name}: {counts.found} of {counts.planned} runs are there, {counts.failed} of them failed"
    line += f"; missing {counts.missing}, crashed {counts.crashed}, corrupt {counts.corrupt}"
    return "\n  ".join([line, *(note for note in suite.notes if " runs crashed" in note or " runs corrupt" in note)])
