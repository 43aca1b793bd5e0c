"""Every record that the report was made of."""

from __future__ import annotations

from benchmark.report.context import ReportContext
from benchmark.report.tables import provenance


def records(context: ReportContext) -> None:
    """Every record with its hashes."""
    context.page("records.html", "records.html.j2", "Records", table=context.table(provenance.records(context)))
