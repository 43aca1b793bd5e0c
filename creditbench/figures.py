"""What a figure of the report is drawn with (matplotlib): panels in the report's style, and what one suite found."""

from benchmark.analysis.schema import Methods, SuiteReport
from benchmark.report.figure_style import Data, Plot, subplots
from benchmark.report.palette import Style

__all__ = [
    "Data",
    "Methods",
    "Plot",
    "Style",
    "SuiteReport",
    "subplots",
]
