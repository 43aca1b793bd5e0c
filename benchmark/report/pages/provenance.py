"""Statistics, protocol, versions, and every run that is not whole."""

from __future__ import annotations

from benchmark.report.context import ReportContext
from benchmark.report.tables import provenance as provenance_rows
from benchmark.report.tables import runs as run_rows
from benchmark.report.tables import study_rows

COVERAGE = "interval-coverage"
"""The study that measures what the intervals and tests of this report do."""


def provenance(context: ReportContext) -> None:
    """Statistics, protocol, versions, and every run that is not whole."""
    context.page(
        "provenance.html",
        "provenance.html.j2",
        "Statistics and provenance",
        versions=context.table(provenance_rows.versions(context)),
        coverage=[
            (study, context.table(study_rows.numbers(study, place, found)))
            for study in context.aggregate.studies
            if study.id == COVERAGE
            for place, found in enumerate(study.tables, start=1)
        ],
        faulty=context.table(run_rows.faulty_runs(context, "faulty-runs", context.aggregate.runs, "One by one")),
    )
