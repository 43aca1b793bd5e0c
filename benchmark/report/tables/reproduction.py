"""Own runs beside the committed ones."""

from __future__ import annotations

from markupsafe import escape

from benchmark.analysis.schema import SuiteReport
from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.table import (
    Cell,
    Column,
    Table,
    amount,
    badged,
    count,
    html,
    plain_column,
    table,
)


def reproduction(context: ReportContext, suite: SuiteReport) -> Table:
    """Own runs beside the committed ones."""
    digits = formatting.digits_for(entry.committed_mean for entry in suite.reproduction)
    rows = []
    for entry in suite.reproduction:
        ends = entry.prediction
        expected = f"[{formatting.number(ends.low, digits)}, {formatting.number(ends.high, digits)}]" if ends else "–"
        rows.append(
            (
                html(context.task_link(entry.task), entry.task, "nowrap"),
                context.who_cell(entry.variant),
                count(entry.n_committed),
                count(entry.n_own),
                html(escape(f"{entry.identical}/{entry.n_compared}"), entry.identical, "num"),
                amount(entry.committed_mean, digits),
                amount(entry.own_mean, digits),
                amount(entry.difference, digits),
                Cell(escape(expected), (ends.low if ends else None, ends.high if ends else None), "num"),
                badged(entry.verdict, entry.reason),
            )
        )
    columns = (
        plain_column("Task", "task"),
        plain_column("Variant", "variant"),
        plain_column("Committed", "n_committed", "num", "runs"),
        plain_column("Own", "n_own", "num", "runs"),
        plain_column("Identical", "identical", "num", "bit for bit, of those compared"),
        plain_column("Committed mean", "committed_mean", "num"),
        plain_column("Own mean", "own_mean", "num"),
        plain_column("Difference", "difference", "num"),
        Column("Expected within", ("expected_low", "expected_high"), "num", "95 % prediction interval of the own mean"),
        plain_column("Verdict", "verdict"),
    )
    needed = context.aggregate.methods.smallest_sample
    caption = (
        f"Final scores in the task's own units. A prediction needs {needed} committed runs; it is no narrower than what the "
        "evaluation episodes of both sides can resolve."
    )
    return table(f"{formatting.slug(suite.name)}-own-runs", f"{suite.title}: own runs", caption, columns, rows)
