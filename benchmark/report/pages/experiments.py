"""The pages of experiments that answer one question each: ablations of suites, and studies."""

from __future__ import annotations

from typing import Any

from benchmark.analysis.schema import AblationReport, SuiteReport
from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.figures import ablation_scores
from benchmark.report.tables import ablation_rows, study_rows


def ablations(context: ReportContext) -> None:
    """Each suite's ablations on each of their tasks."""
    sections = [
        {
            "suite": suite,
            "ablations": [_ablation(context, suite, ablation) for ablation in suite.ablations],
            "return_r2": context.figure(ablation_scores.return_r2(suite, context.style)),
        }
        for suite in context.aggregate.suites
        if suite.ablations
    ]
    context.page("ablations.html", "ablations.html.j2", "Ablations", sections=sections)


def _ablation(context: ReportContext, suite: SuiteReport, ablation: AblationReport) -> dict[str, Any]:
    return {
        "ablation": ablation,
        "anchor": context.ablation_anchors[suite.name, ablation.id],
        "figure": context.figure(ablation_scores.means(suite, ablation, context.style, context.aggregate.methods)),
        "tasks": [(task, context.table(ablation_rows.on_task(context, suite, ablation, task))) for task in ablation.tasks],
    }


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
