"""What all figures share: style, panels measured in inches, legends, and deterministic files.

A figure is an SVG for the page, a CSV of what it shows and, if asked for, a PDF twin for papers. Equal input gives equal
bytes: no date is written, ids come from a fixed salt, and the font is the one that matplotlib ships.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from benchmark.analysis.formulas import no_formula
from benchmark.analysis.schema import Estimate
from benchmark.report.palette import Style, shortened

WIDTH = 9.4
"""Inches of a figure that fills the column of a page."""

INK, MUTED, RULE, FAINT = "#1d2329", "#59636e", "#d3d9df", "#eef1f4"

RC_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 6,
    "axes.labelsize": 8.5,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": "#aab3bc",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.unicode_minus": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "xtick.color": "#aab3bc",
    "ytick.color": "#aab3bc",
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "text.color": INK,
    "text.parse_math": False,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "creditbench",
    "pdf.fonttype": 42,
    "pdf.compression": 6,
    "path.simplify": True,
}

Cell = str | int | float | None


@dataclass(frozen=True)
class Data:
    """The numbers of a figure or table, for its CSV."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def csv(self) -> str:
        """With `\\n` line ends; numbers to seven significant digits, nothing where there is none."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(map(no_formula, self.columns))
        writer.writerows([no_formula(_plain(cell)) for cell in row] for row in self.rows)
        return text.getvalue()


@dataclass(frozen=True)
class Plot:
    """A figure before it is saved. `alt` says in words and numbers what it shows; `caption` how it was made."""

    name: str
    title: str
    figure: Figure
    data: Data
    alt: str
    caption: str

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height on a page, in CSS pixels (96 an inch)."""
        width, height = self.figure.get_size_inches()
        return round(width * 96), round(height * 96)


@contextmanager
def rc_style() -> Iterator[None]:
    """The look of all figures, for both drawing and saving. Settings of the caller and of the machine do not reach in."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(RC_STYLE)  # type: ignore[arg-type]
        yield


def save(plot: Plot, folder: Path, name: str, *, pdf: bool) -> None:
    """Writes figures/NAME.svg and data/NAME.csv below `folder`, and figures/NAME.pdf if asked to."""
    figures, data = folder / "figures", folder / "data"
    figures.mkdir(parents=True, exist_ok=True)
    data.mkdir(parents=True, exist_ok=True)
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    drawing = io.StringIO()
    plot.figure.savefig(drawing, format="svg", metadata=nothing)
    (figures / f"{name}.svg").write_text(_shorter(drawing.getvalue()), encoding="utf-8")
    if pdf:
        plot.figure.savefig(figures / f"{name}.pdf", metadata={"CreationDate": None})
    (data / f"{name}.csv").write_text(plot.data.csv(), encoding="utf-8")


def subplots(
    rows: int,
    columns: int,
    *,
    width: float = WIDTH,
    height: float,
    left: float = 0.55,
    right: float = 0.15,
    top: float = 0.3,
    bottom: float = 0.5,
    across: float = 0.35,
    down: float = 0.55,
    share_x: bool = False,
    share_y: bool = False,
) -> tuple[Figure, list[Axes]]:
    """A figure of `rows` x `columns` panels, each `height` inches high; margins and gaps in inches too.

    Measured, not fitted to the text: the same look on every machine, and much faster than a layout engine.
    """
    panel = (width - left - right - across * (columns - 1)) / columns
    total = top + bottom + height * rows + down * (rows - 1)
    figure = Figure(figsize=(width, total))
    axes: list[Axes] = []
    for index in range(rows * columns):
        row, column = divmod(index, columns)
        x = left + column * (panel + across)
        y = total - top - (row + 1) * height - row * down
        axes.append(
            figure.add_axes(
                (x / width, y / total, panel / width, height / total),
                sharex=axes[0] if share_x and axes else None,
                sharey=axes[0] if share_y and axes else None,
            )
        )
    return figure, axes


def legend_rows(names: Sequence[str], width: float = WIDTH) -> tuple[int, int]:
    """(columns, rows) of a legend with these names that fits into `width` inches."""
    widest = max((len(shortened(name)) for name in names), default=1)
    columns = max(1, min(len(names), int((width - 0.4) / (0.62 + 0.078 * widest))))
    return columns, -(-len(names) // columns)


def legend_height(names: Sequence[str], width: float = WIDTH) -> float:
    """Inches that the legend of these names needs above the panels."""
    return 0.165 * legend_rows(names, width)[1] + 0.12


def legend(figure: Figure, names: Sequence[str], style: Mapping[str, Style], left: float = 0.5) -> None:
    """The variants, in reading order from the top left corner of the figure."""
    width, height = figure.get_size_inches()
    columns, rows = legend_rows(names, width)
    order = [row * columns + column for column in range(columns) for row in range(rows)]
    order = [place for place in order if place < len(names)]
    figure.legend(
        handles=[_handle(style[names[place]]) for place in order],
        labels=[shortened(names[place]) for place in order],
        loc="upper left",
        bbox_to_anchor=(left / width, 1 - 0.02 / height),
        ncols=columns,
        borderaxespad=0,
        borderpad=0,
        handlelength=2.4,
        columnspacing=1.6,
        labelspacing=0.45,
    )


def curve(axes: Axes, x: np.ndarray, y: np.ndarray, style: Style, place: int = 0, **more: object) -> None:
    """A line in the style of its variant, with few marks; those of different `place` do not cover each other."""
    every = max(1, len(x) // 6)
    options: dict[str, object] = {
        "color": style.colour,
        "linestyle": style.line,
        "marker": style.mark,
        "markersize": 4.6,
        "markeredgecolor": "white",
        "markeredgewidth": 0.5,
        "markevery": (place * 2 % every, every),
    }
    axes.plot(x, y, **{**options, **more})  # type: ignore[arg-type]


def band(axes: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, style: Style) -> None:
    """An interval about a curve."""
    axes.fill_between(x, low, high, color=style.colour, alpha=0.16, linewidth=0)


def mark(axes: Axes, row: int, estimate: Estimate, style: Style) -> None:
    """A bar for the interval and a mark at the value; a hollow mark says that there is no interval, dots are single runs."""
    ends = estimate.interval
    dots(axes, estimate.runs, row, style)
    if ends is not None:
        axes.plot([ends.low, ends.high], [row, row], color=style.colour, linewidth=6.5, alpha=0.35, solid_capstyle="butt")
    axes.plot(
        [estimate.value],
        [row],
        linestyle="none",
        marker=style.mark,
        markersize=6,
        color=style.colour if ends is not None else "white",
        markeredgecolor="white" if ends is not None else style.colour,
        markeredgewidth=0.6 if ends is not None else 1.4,
    )


def dots(axes: Axes, values: Sequence[float], row: int, style: Style) -> None:
    """Single runs in a row, each beside the others."""
    offsets = np.linspace(-0.2, 0.2, len(values)) if len(values) > 1 else np.zeros(len(values))
    axes.plot(values, row + offsets, "o", color=style.colour, markersize=3.2, alpha=0.6, markeredgewidth=0)


def row_names(axes: Axes, names: Sequence[str], most: int = 24) -> None:
    """One row for each name, from the top; in at most `most` characters each."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [shortened(name, most) for name in names])
    for label in axes.get_yticklabels():
        label.set_color(INK)
    axes.grid(False, axis="y")
    axes.spines["left"].set_visible(False)


def step_axis(axes: Axes, label: bool = True) -> None:
    """Environment steps, with k and M."""
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: counted(value)))
    if label:
        axes.set_xlabel("environment steps")


def counted(value: float) -> str:
    """A large number in few characters: 250k, 1.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def name_margin(names: Sequence[str], most: int = 24) -> float:
    """Inches that the row labels `names`, each in at most `most` characters, need on the left of a panel."""
    return 0.3 + 0.07 * max((len(shortened(name, most)) for name in names), default=0)


def _shorter(svg: str) -> str:
    """The same drawing without comments and indentation, its paths to a hundredth of a point: less to load."""
    svg = re.sub(r"<!--.*?-->\n?", "", svg)
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    return re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg)


def _handle(style: Style) -> Line2D:
    return Line2D(
        [],
        [],
        color=style.colour,
        linestyle=style.line,
        marker=style.mark,
        markersize=5.5,
        markeredgecolor="white",
        markeredgewidth=0.5,
    )


def _plain(cell: Cell) -> str:
    if cell is None:
        return ""
    return f"{cell:.7g}" if isinstance(cell, float) else str(cell)
