"""The tables of studies: what each expected and found, and its own numbers."""

from __future__ import annotations

from markupsafe import Markup, escape

from benchmark.experiments.study_result import StudyResult
from benchmark.experiments.study_result import Table as Numbers
from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.figure_style import Cell as Plain
from benchmark.report.table import Cell, Column, Table, badged, html, plain_column, table, text


def verdicts(context: ReportContext) -> Table:
    """All predictions of all studies, with the study's page."""
    rows = []
    for study in context.aggregate.studies:
        link = Markup('<a href="studies.html#{}">{}</a>').format(anchor(study), study.title)
        for prediction in study.predictions:
            rows.append(
                (
                    html(link, study.title, "text"),
                    text(prediction.expected, "text"),
                    text(prediction.found, "text"),
                    badged(prediction.verdict, "a quick try" if study.quick else ""),
                )
            )
    columns = (
        plain_column("Study", "study"),
        plain_column("Expected", "expected"),
        plain_column("Found", "found"),
        plain_column("Verdict", "verdict"),
    )
    caption = "Measured experiments that are not training runs of a suite: what was expected, and what the numbers say."
    return table("studies", "Studies", caption, columns, rows)


def predictions(study: StudyResult) -> Table:
    """What one study expected and found."""
    rows = [
        (text(prediction.expected, "text"), text(prediction.found, "text"), badged(prediction.verdict))
        for prediction in study.predictions
    ]
    columns = (plain_column("Expected", "expected"), plain_column("Found", "found"), plain_column("Verdict", "verdict"))
    caption = "The verdict of the study is that of all of them together."
    return table(f"study-{study.id}-predictions", "Expected and found", caption, columns, rows)


def numbers(study: StudyResult, place: int, found: Numbers) -> Table:
    """One of a study's own tables, the `place`-th."""
    kinds = ["" if any(isinstance(row[k], str) for row in found.rows) else "num" for k in range(len(found.columns))]
    columns = tuple(Column(name, (name,), kind) for name, kind in zip(found.columns, kinds, strict=True))
    rows = [tuple(_cell(value, kind) for value, kind in zip(row, kinds, strict=True)) for row in found.rows]
    return table(f"study-{study.id}-{place}", f"Table {place}", found.caption, columns, rows)


def anchor(study: StudyResult) -> str:
    """Of the study's section on the page of studies."""
    return f"study-{study.id}"


def _cell(value: Plain, kind: str) -> Cell:
    if value is None:
        return Cell(Markup('<span class="nothing">–</span>'), (None,), kind)
    if isinstance(value, str):
        return text(value)
    return Cell(escape(formatting.significant(value)), (value,), "num")
