"""Figures that other installed packages add to the report. Free of matplotlib until one is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from algorithms.names import validate_name
from algorithms.plugins import BrokenPlugin, load, reason_of, registered
from benchmark.report.freshness import FIGURES

if TYPE_CHECKING:
    from benchmark.analysis.schema import Methods, SuiteReport
    from benchmark.report.figure_style import Plot
    from benchmark.report.palette import Style


@dataclass(frozen=True)
class SuiteFigure:
    """A figure of another package, shown in the leaderboard's section of every suite.

    `function` ("module:callable") is called with (suite: SuiteReport, style: Mapping[str, Style], methods: Methods) and
    returns a `Plot`, or None where the suite has nothing to show. Offered by the entry point group "creditbench.figures".
    """

    name: str
    function: str

    def __post_init__(self) -> None:
        validate_name("a figure", self.name)

    def draw(self, suite: SuiteReport, style: Mapping[str, Style], methods: Methods) -> Plot | None:
        """The figure of a suite. Raises BrokenPlugin where the function cannot be imported, or fails."""
        what = f"the figure '{self.name}' ({self.function})"
        function = load(self.function, what)
        try:
            plot: Plot | None = function(suite, style, methods)
            if plot is not None:
                validate_name("a figure", plot.name.removeprefix(f"{suite.name}-"))
        except Exception as error:
            raise BrokenPlugin(f"{what} cannot be drawn of the suite {suite.name}: {reason_of(error)}") from error
        return plot


@cache
def offered_figures() -> list[SuiteFigure]:
    """Those of other installed packages; those that cannot be used are left out, with a warning."""
    return list(registered(FIGURES, SuiteFigure).values())
