"""Tables: cells with what is shown, what is sorted by and what goes into the CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from benchmark.analysis.schema import Estimate
from benchmark.report import formatting
from benchmark.report.figure_style import Cell as Plain
from benchmark.report.figure_style import Data


@dataclass(frozen=True)
class Cell:
    """`html`: what is shown; `raw`: what goes into the CSV and, for numbers, what is sorted by."""

    html: Markup
    raw: tuple[Plain, ...]
    kind: str = ""

    @property
    def sort(self) -> str:
        """Empty for a number that is not there: those rows go to the end."""
        first = self.raw[0] if self.raw else None
        if first is None or first == "":
            return ""
        return f"{first:.9g}" if isinstance(first, float) else str(first)


@dataclass(frozen=True)
class Column:
    """`csv`: the names of its columns in the CSV, one for each entry of its cells' `raw`. `hint`: shown on hover."""

    title: str
    csv: tuple[str, ...]
    kind: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Group:
    """Rows that are sorted among themselves, under a heading of their own."""

    heading: str
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Table:
    """`name`: of its CSV. The first cell of each row is its header.

    Raises ValueError if a cell has more or fewer values than its column has names in the CSV.
    """

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]

    def __post_init__(self) -> None:
        for group in self.groups:
            for row in group.rows:
                for column, cell in zip(self.columns, row, strict=True):
                    if len(cell.raw) != len(column.csv):
                        raise ValueError(
                            f"table {self.name}, column {column.title}: {cell.raw} cannot stand under {column.csv}"
                        )

    @property
    def data(self) -> Data:
        several = len(self.groups) > 1
        header = tuple(name for column in self.columns for name in column.csv) + (("group",) if several else ())
        rows = tuple(
            tuple(value for cell in row for value in cell.raw) + ((group.heading,) if several else ())
            for group in self.groups
            for row in group.rows
        )
        return Data(header, rows)

    @property
    def length(self) -> int:
        return sum(len(group.rows) for group in self.groups)


def table(name: str, title: str, caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Table:
    """A table of one group."""
    return Table(name, title, caption, tuple(columns), (Group("", tuple(tuple(row) for row in rows)),))


def text(value: object, kind: str = "") -> Cell:
    """Plain text, escaped."""
    shown = "" if value is None else str(value)
    return Cell(escape(shown), (shown,), kind)


def html(content: Markup, raw: Plain, kind: str = "") -> Cell:
    """Markup of ours, and what it says."""
    return Cell(content, (raw,), kind)


def amount(value: float | None, digits: int = 2, shown: str | None = None) -> Cell:
    """A number, aligned to the right."""
    return Cell(escape(formatting.number(value, digits) if shown is None else shown), (value,), "num")


def count(value: int | None) -> Cell:
    """A whole number with separators."""
    return Cell(escape("–" if value is None else f"{value:,}"), (value,), "num")


def estimate(value: Estimate | None, digits: int = 2) -> Cell:
    """A value over its interval; sorted by the value."""
    if value is None:
        return Cell(Markup('<span class="nothing">–</span>'), (None, None, None), "num")
    ends = value.interval
    shown = Markup('{} <span class="ci">{}</span>').format(
        formatting.number(value.value, digits), formatting.interval(value, digits)
    )
    return Cell(shown, (value.value, ends.low if ends else None, ends.high if ends else None), "num")


def significant(value: Estimate | None) -> Cell:
    """A value over its interval, of any size: both to four digits."""
    if value is None:
        return estimate(None)
    ends = value.interval
    interval = f"[{formatting.significant(ends.low)}, {formatting.significant(ends.high)}]" if ends else "no interval"
    shown = Markup('{} <span class="ci">{}</span>').format(formatting.significant(value.value), interval)
    return Cell(shown, (value.value, ends.low if ends else None, ends.high if ends else None), "num")


def badge(word: str, number: int | None = None) -> Markup:
    """A word on the colour of its state; `number`: of how many."""
    shown = word if number is None else f"{number} {word}"
    return Markup('<span class="badge {}">{}</span>').format(formatting.BADGES.get(word, "none"), shown)


def badged(word: str, more: str = "") -> Cell:
    """A badge and, after it, the reason in words."""
    shown = badge(word) + (Markup(' <span class="small muted">{}</span>').format(more) if more else Markup())
    return Cell(shown, (f"{word}: {more}" if more else word,), "text" if more else "nowrap")


def estimate_column(title: str, name: str, hint: str = "") -> Column:
    """The column of cells made by `estimate`."""
    return Column(title, (name, f"{name}_low", f"{name}_high"), "num", hint)


def plain_column(title: str, name: str, kind: str = "", hint: str = "") -> Column:
    """A column of one value each."""
    return Column(title, (name,), kind, hint)
