"""Statistics, protocol, versions, and every run that is not whole."""

from __future__ import annotations

from benchmark.report.context import ReportContext
from benchmark.report.tables import provenance as provenance_rows
from benchmark.report.tables import runs as run_rows


def provenance(context: ReportContext) -> None:
    """Statistics, protocol, versions, and every run that is not whole."""
    context.page(
        "provenance.html",
        "provenance.html.j2",
        "Statistics and provenance",
        versions=context.table(provenance_rows.versions(context)),
        faulty=context.table(run_rows.faulty_runs(context, "faulty-runs", context.aggregate.runs, "One by one")),
    )
