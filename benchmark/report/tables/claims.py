"""The claims of a suite with their verdicts."""

from __future__ import annotations

from markupsafe import Markup

from benchmark.analysis.schema import SuiteReport
from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.table import (
    Cell,
    Table,
    badged,
    html,
    plain_column,
    table,
    text,
)


def claims(context: ReportContext, suite: SuiteReport) -> Table:
    """What was published beside what was found."""
    rows = []
    for claim in suite.claims:
        subject = context.who(claim.variant)
        if claim.than:
            subject += Markup('<br><span class="small muted">against</span> ') + context.who(claim.than)
        where = context.task_link(claim.task) if claim.task else Markup("all tasks")
        rows.append(
            (
                text(claim.statement, "text"),
                text(claim.source, "small"),
                Cell(subject, (claim.variant + (f" against {claim.than}" if claim.than else ""),), "nowrap"),
                html(where, claim.task or "all tasks", "nowrap"),
                text(claim.expected),
                text(claim.found),
                badged(claim.verdict, claim.reason),
                text(claim.estimator, "small"),
            )
        )
    columns = (
        plain_column("Statement", "statement"),
        plain_column("Source", "source"),
        plain_column("Variant", "variant"),
        plain_column("Task", "task"),
        plain_column("Expected", "expected"),
        plain_column("Found", "found"),
        plain_column("Verdict", "verdict"),
        plain_column("By", "estimator"),
    )
    needed = context.aggregate.methods.smallest_sample
    caption = (
        f"A verdict needs {needed} seeds a side and the whole interval on one side; 'undecided' says that the runs do not "
        "settle it. Each claim is one comparison."
    )
    return table(f"{formatting.slug(suite.name)}-claims", f"{suite.title}: claims", caption, columns, rows)
