"""Speed and cost of all runs."""

from __future__ import annotations

from benchmark.report.context import ReportContext
from benchmark.report.figures import final_scores
from benchmark.report.tables import cost


def speed(context: ReportContext) -> None:
    """Steps per second, where the time goes, and what it all cost."""
    runs = context.aggregate.runs
    context.page(
        "speed.html",
        "speed.html.j2",
        "Speed and cost",
        table=context.table(cost.cost(context)),
        speed=context.plot(final_scores.speed(runs, context.style)),
        phases=context.plot(final_scores.phases(runs)),
    )
