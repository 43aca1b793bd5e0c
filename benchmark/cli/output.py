"""Output of the commands: tables and JSON lines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from algorithms.plugins import BrokenEntry

if TYPE_CHECKING:
    from benchmark.analysis.schema import Aggregate, SuiteReport

PIPED_WIDTH = 200
"""Characters per line where the output is no terminal."""
SECONDS_BETWEEN_LINES = 10.0


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


@contextmanager
def counted(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """How much is done of something that takes long, on stderr: a bar on a terminal, elsewhere a line from time to time."""
    if sys.stderr.isatty():
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.update(task, completed=done)
        return
    last = time.monotonic()

    def say(done: int) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"{what}: {done:,} of {total:,}", file=sys.stderr, flush=True)

    yield say


def left_out_lines(aggregate: Aggregate, limit: int = 20) -> list[str]:
    """A line for each file that is there and was not used, with the reason; the number of those beyond `limit`."""
    corrupt = [run.reason or "" for run in aggregate.runs if run.presence == "corrupt"]
    files = [f"left out: {reason}" for reason in dict.fromkeys([*corrupt, *aggregate.studies_refused])]
    return files if len(files) <= limit else [*files[:limit], f"left out: {len(files) - limit} more"]


def coverage_lines(suite: SuiteReport) -> str:
    """How many runs of a suite are there; then a line for each group of runs that crashed."""
    counts = suite.coverage
    line = f"{suite.name}: {counts.found} of {counts.planned} runs are there, {counts.failed} of them failed"
    line += f"; missing {counts.missing}, crashed {counts.crashed}, corrupt {counts.corrupt}"
    return "\n  ".join([line, *(note for note in suite.notes if " runs crashed" in note)])
