"""The ablations of each suite."""

from __future__ import annotations

from typing import Any

from benchmark.analysis.schema import AblationReport, SuiteReport
from benchmark.report.context import ReportContext
from benchmark.report.tables import ablation_rows


def ablations(context: ReportContext) -> None:
    """Each suite's ablations on each of their tasks."""
    sections = [
        {
            "suite": suite,
            "ablations": [_ablation(context, suite, ablation) for ablation in suite.ablations],
            "return_r2": context.figure(suite, "return r2"),
        }
        for suite in context.aggregate.suites
        if suite.ablations
    ]
    context.page("ablations.html", "ablations.html.j2", "Ablations", sections=sections)


def _ablation(context: ReportContext, suite: SuiteReport, ablation: AblationReport) -> dict[str, Any]:
    return {
        "ablation": ablation,
        "anchor": context.ablation_anchors[suite.name, ablation.id],
        "figure": context.figure(suite, f"ablation {ablation.id}"),
        "tasks": [(task, context.table(ablation_rows.on_task(context, suite, ablation, task))) for task in ablation.tasks],
    }
