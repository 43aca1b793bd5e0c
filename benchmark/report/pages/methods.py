"""The list of variants, and a page for each."""

from __future__ import annotations

from typing import Any

from algorithms.registry import algorithms
from benchmark.analysis.schema import SuiteReport, VariantSummary
from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.figures import graph_quality
from benchmark.report.tables import graph_rows, lists
from benchmark.report.tables import runs as run_rows
from benchmark.report.tables import settings as setting_rows


def methods(context: ReportContext) -> None:
    """The list of variants and a page for each."""
    context.page("methods.html", "methods.html.j2", "Methods", table=context.table(lists.method_list(context)))
    for name, sections in context.variants.items():
        entry = algorithms().get(sections[0][1].algorithm)
        context.page(
            context.method_pages[name],
            "method.html.j2",
            name,
            variant=sections[0][1],
            entry=entry,
            sections=[_section(context, suite, summary) for suite, summary in sections],
        )


def _section(context: ReportContext, suite: SuiteReport, summary: VariantSummary) -> dict[str, Any]:
    name = f"{formatting.slug(suite.name)}-{formatting.slug(summary.variant)}-runs"
    runs = context.runs(suite=suite.name, variant=summary.variant)
    return {
        "suite": suite,
        "summary": summary,
        "ablations": context.ablations_with(suite, summary.variant),
        "curves": context.figure(suite, f"curves of {summary.variant}"),
        "graphs": _graphs(context, suite, summary.variant),
        "settings": context.table(setting_rows.settings(suite, summary)),
        "runs": context.table(run_rows.runs(context, name, f"{summary.variant}: runs in {suite.title}", runs)),
    }


def _graphs(context: ReportContext, suite: SuiteReport, variant: str) -> dict[str, Any] | None:
    """Who influences whom, where runs of the variant have measurements of it."""
    measured = graph_quality.of_variant(suite, variant)
    if not measured:
        return None
    reports = [report for _, report in measured]
    oracles = {oracle.oracle for report in reports for oracle in report.oracles}
    return {
        "oracles": [(name, sense) for name, sense in graph_rows.ORACLES.items() if name in oracles],
        "notes": list(graph_rows.notes(reports)),
        "over_training": context.figure(suite, f"graphs of {variant}"),
        "table": context.table(graph_rows.agreement(context, suite, variant)),
        "mean": context.figure(suite, f"mean graphs of {variant}"),
        "episodes": context.figures(suite, [f"episode of {variant} on {task.task}" for task, _ in measured]),
    }
