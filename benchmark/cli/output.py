"""How commands print."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

PIPED_WIDTH = 200
"""Columns where the output is no terminal."""


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A plain table: numbers to the right, everything else to the left."""
    rows = [[f"{cell:g}" if isinstance(cell, float) else cell for cell in row] for row in rows]
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(header):
        numbers = bool(rows) and all(isinstance(row[index], int) for row in rows)
        shown.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, markup=False, highlight=False).print(shown)


def json_line(value: Any) -> None:
    """One JSON value on a line of its own."""
    print(json.dumps(value, allow_nan=False), flush=True)
