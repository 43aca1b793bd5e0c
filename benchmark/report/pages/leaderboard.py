"""The leaderboard: the table and the aggregate figures of each suite."""

from __future__ import annotations

from benchmark.report.context import ReportContext
from benchmark.report.offered_figures import offered_figures
from benchmark.report.pages.finding import finding, without_aggregate
from benchmark.report.tables import leaderboard as leaderboard_rows

FIGURES = ("intervals", "ranks", "improvement", "profiles", "efficiency", "over tasks")
"""In this order; a smoke suite has the last alone."""


def leaderboard(context: ReportContext) -> None:
    """The table and the aggregate figures of each suite, smoke suites last."""
    sections = [
        {
            "suite": suite,
            "finding": finding(context, suite),
            "table": context.table(leaderboard_rows.leaderboard(context, suite)),
            "figures": context.figures(suite, [*FIGURES, *(f"offered {offered.name}" for offered in offered_figures())]),
            "why": without_aggregate(suite),
        }
        for suite in sorted(context.aggregate.suites, key=lambda suite: suite.smoke)
    ]
    context.page("leaderboard.html", "leaderboard.html.j2", "Leaderboard", sections=sections)
