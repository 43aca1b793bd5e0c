"""The studies: what each expected and found."""

from __future__ import annotations

from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.tables import study_rows


def studies(context: ReportContext) -> None:
    """Each study with what it expected and found, its tables, and how to repeat it."""
    sections = [
        {
            "study": study,
            "anchor": study_rows.anchor(study),
            "counts": formatting.counts((prediction.verdict for prediction in study.predictions), formatting.VERDICTS),
            "predictions": context.table(study_rows.predictions(study)),
            "tables": [
                context.table(study_rows.numbers(study, place, found)) for place, found in enumerate(study.tables, start=1)
            ],
        }
        for study in context.aggregate.studies
    ]
    context.page("studies.html", "studies.html.j2", "Studies", sections=sections, refused=context.aggregate.studies_refused)
