"""Own runs beside the committed ones."""

from __future__ import annotations

from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.tables import reproduction as reproduction_rows


def reproduction(context: ReportContext) -> None:
    """Own runs beside the committed ones."""
    sections = [
        {
            "suite": suite,
            "figure": context.figure(suite, "reproduction"),
            "table": context.table(reproduction_rows.reproduction(context, suite)),
        }
        for suite in context.aggregate.suites
        if suite.reproduction
    ]
    verdicts = [entry.verdict for suite in context.aggregate.suites for entry in suite.reproduction]
    counts = formatting.counts(verdicts, ("identical", "agrees", "differs", "undecided"))
    context.page("reproduction.html", "reproduction.html.j2", "Reproduction", sections=sections, counts=counts)
