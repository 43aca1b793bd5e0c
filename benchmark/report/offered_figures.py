"""Figures that other installed packages add to the report. Free of matplotlib until one is drawn."""

from __future__ import annotations

from dataclasses import dataclass

from algorithms.plugins import entries
from benchmark.report.freshness import FIGURES


@dataclass(frozen=True)
class SuiteFigure:
    """A figure of another package, shown in the leaderboard's section of every suite.

    `function` ("module:callable") is called with (suite: SuiteReport, style: Mapping[str, Style], methods: Methods) and
    returns a `Plot`, or None where the suite has nothing to show. Offered by the entry point group "creditbench.figures".
    """

    name: str
    function: str


def offered_figures() -> list[SuiteFigure]:
    """Those of other installed packages. Raises BrokenPlugin."""
    return entries(FIGURES, SuiteFigure)
