"""The pages of experiments that answer one question each: ablations of suites, and studies."""

from __future__ import annotations

from typing import Any

from benchmark.analysis.schema import AblationReport, SuiteReport
from benchmark.report import formatting
from benchmark.report.context import Workshop
from benchmark.report.figures import ablation_scores
from benchmark.report.tables import ablation_rows, study_rows


def ablations(shop: Workshop) -> None:
    """Each suite's ablations on each of their tasks."""
    sections = [
        {
            "suite": suite,
            "ablations": [_ablation(shop, suite, ablation) for ablation in suite.ablations],
            "return_r2": shop.figure(ablation_scores.return_r2(suite, shop.style)),
        }
        for suite in shop.aggregate.suites
        if suite.ablations
    ]
    shop.page("ablations.html", "ablations.html.j2", "Ablations", sections=sections)


def _ablation(shop: Workshop, suite: SuiteReport, ablation: AblationReport) -> dict[str, Any]:
    return {
        "ablation": ablation,
        "anchor": shop.ablation_anchors[suite.name, ablation.id],
        "figure": shop.figure(ablation_scores.means(suite, ablation, shop.style, shop.aggregate.methods)),
        "tasks": [(task, shop.table(ablation_rows.on_task(shop, suite, ablation, task))) for task in ablation.tasks],
    }


def studies(shop: Workshop) -> None:
    """Each study with what it expected and found, its tables, and how to repeat it."""
    sections = [
        {
            "study": study,
            "anchor": study_rows.anchor(study),
            "counts": formatting.counts((prediction.verdict for prediction in study.predictions), formatting.VERDICTS),
            "predictions": shop.table(study_rows.predictions(study)),
            "tables": [
                shop.table(study_rows.numbers(study, place, found)) for place, found in enumerate(study.tables, start=1)
            ],
        }
        for study in shop.aggregate.studies
    ]
    shop.page("studies.html", "studies.html.j2", "Studies", sections=sections, refused=shop.aggregate.studies_refused)
