"""The table of who influences whom: how right a variant's graphs are at the end, beside each oracle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup, escape

from benchmark.analysis.schema import GraphReport, Spread, SuiteReport
from benchmark.experiments.credit_measurements import (
    CHIEF_ORACLE,
    MAXIMUM_AGENTS_SHOWN,
    MAXIMUM_EDGES_DRAWN,
    MAXIMUM_STEPS_DRAWN,
    OracleName,
)
from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.table import Cell, Column, Table, html, table
from benchmark.report.table import plain_column as plain

ORACLES: dict[OracleName, str] = {
    "observation": "anything that agent i observes next",
    "state": "what agent i observes next, other agents left out (itself, food, doors, enemies, landmarks), or whether it lives",
    "reward": "agent i's own reward of that step",
    "state and reward": "either of the last two; where no other is named, this one is meant",
}
"""In plain words, what an edge j -> i of each makes different."""
NUMBERS = (
    ("precision", "Precision", "of the claimed edges, the share that is true", ("nothing claimed",)),
    ("recall", "Recall", "of the true edges, the share that is claimed", ("nothing true",)),
    ("f1", "F1", "harmonic mean of precision and recall", ("nothing claimed,", "nothing true")),
    (
        "auroc",
        "AUROC",
        "how well the score tells true edges from others, over the pairs that have one: 0.5 is chance, 1 perfect",
        ("no score, or", "all pairs alike"),
    ),
)
"""Field, title, what it is, and why there may be none, in short lines."""


def agreement(context: ReportContext, suite: SuiteReport, variant: str) -> Table | None:
    """A row for each task and oracle. None where the variant has no graph."""
    reports = [report for report in suite.graphs if report.variant == variant]
    if not reports:
        return None
    return table(
        f"{formatting.slug(suite.name)}-{formatting.slug(variant)}-graph-agreement",
        "Claimed beside true edges",
        "The last measurement of each run: means over the runs that have a value, from the lowest to the highest in brackets; "
        "how many have one is said where not all do.",
        _columns(),
        [row for report in reports for row in _rows(context, report)],
    )


def notes(reports: Sequence[GraphReport]) -> Iterator[str]:
    """What must be said of the measurements of a variant."""
    for report in reports:
        if report.n_measured < report.n_found:
            yield f"{report.task}: {report.n_measured} of {formatting.plural(report.n_found, 'run')} have measurements."
        if report.n_failed:
            yield f"{report.task}: {formatting.plural(report.n_failed, 'run')} diverged, measured last before that."
        if report.mean is None:
            yield (
                f"{report.task}: no mean graphs and no episode; runs keep them from their end, of teams of at most "
                f"{MAXIMUM_AGENTS_SHOWN}, where their record has room."
            )
        elif report.drawn is None:
            yield (
                f"{report.task}: no episode is drawn; runs keep one of at most {MAXIMUM_STEPS_DRAWN} steps with at most "
                f"{MAXIMUM_EDGES_DRAWN:,} edges."
            )
        elif not any(report.drawn.claimed + report.drawn.true):
            yield f"{report.task}: no episode is drawn; in the one that was kept nothing is claimed and nothing true."


def _columns() -> list[Column]:
    columns = [
        plain("Task", "task"),
        plain("Oracle", "oracle"),
        _column("Density, claimed", "density", "share of pairs of different agents, the first of which acts, with an edge"),
        _column("Density, true", "true_density", "the same of the oracle's graph"),
    ]
    return columns + [_column(title, name, hint) for name, title, hint, _ in NUMBERS]


def _column(title: str, name: str, hint: str) -> Column:
    return Column(title, (name, f"{name}_lowest", f"{name}_highest", f"{name}_runs"), "num", hint)


def _rows(context: ReportContext, report: GraphReport) -> Iterator[list[Cell]]:
    for oracle in report.oracles:
        measured = oracle.density.n
        chief = Markup("<strong>{}</strong>") if oracle.oracle == CHIEF_ORACLE else Markup("{}")
        row = [
            html(context.task_link(report.task), report.task, "nowrap"),
            html(chief.format(oracle.oracle), oracle.oracle, "nowrap"),
            _spread(report.density, report.n_measured, digits=3),
            _spread(oracle.density, report.n_measured, digits=3),
        ]
        row += [_spread(getattr(oracle, name), measured, reasons) for name, _, _, reasons in NUMBERS]
        yield row


def _spread(value: Spread, runs: int, reasons: Sequence[str] = (), digits: int = 2) -> Cell:
    """The mean over its extremes; of fewer than `runs` runs it says so, of none it gives the reason."""
    below: list[str] = []
    if value.n == 0:
        below.extend(reasons)
    elif value.n > 1:
        below.append(f"[{formatting.number(value.lowest, digits)}, {formatting.number(value.highest, digits)}]")
    if 0 < value.n < runs:
        below.append(f"{value.n} of {formatting.plural(runs, 'run')}")
    shown = escape(formatting.number(value.mean, digits)) + Markup("").join(
        Markup(' <span class="ci">{}</span>').format(one) for one in below
    )
    return Cell(shown, (value.mean, value.lowest, value.highest, value.n), "num")
