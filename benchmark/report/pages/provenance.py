"""Statistics, protocol, versions, and every run that is not whole."""

from __future__ import annotations

from benchmark.report.context import ReportContext
from benchmark.report.tables import about, result_rows


def provenance(context: ReportContext) -> None:
    """Statistics, protocol, versions, and every run that is not whole."""
    context.page(
        "provenance.html",
        "provenance.html.j2",
        "Statistics and provenance",
        versions=context.table(about.versions(context)),
        faulty=context.table(result_rows.faulty_runs(context, "faulty-runs", context.aggregate.runs, "One by one")),
    )
