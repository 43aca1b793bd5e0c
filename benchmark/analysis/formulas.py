"""Text in CSV files that a spreadsheet would compute as a formula."""

from __future__ import annotations

import re
from typing import TypeVar

Value = TypeVar("Value")

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def no_formula(cell: Value) -> Value | str:
    """The cell with an apostrophe before text that spreadsheets take for a formula; numbers as they are, also as text.

    Names, notes and studies of other people come into the tables: `=HYPERLINK(...)` must stay what it reads.
    """
    if not isinstance(cell, str) or not cell.startswith(_STARTS) or _NUMBER.fullmatch(cell):
        return cell
    return f"'{cell}"
