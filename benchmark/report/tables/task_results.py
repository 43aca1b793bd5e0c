"""The results of all variants on one task."""

from __future__ import annotations

from markupsafe import Markup

from benchmark.analysis.schema import Estimate, SuiteReport, Summary, TaskReport
from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.table import (
    Cell,
    Column,
    Table,
    amount,
    badge,
    estimate,
    estimate_column,
    html,
    plain_column,
    table,
    text,
)


def results(context: ReportContext, suite: SuiteReport, task: TaskReport) -> Table:
    """Final and absolute numbers of all variants on a task, the published values beside them."""
    by_success = task.score == "success"
    known = sorted(task.table, key=lambda row: (-_mean(row.final_success if by_success else row.final_return), row.variant))
    digits = formatting.digits_for([_value(row.final_return.mean) for row in known] + [row.published for row in known])
    published = any(row.published is not None for row in known)
    normalised = any(row.normalised_final is not None for row in known)
    noted = any(row.notes for row in known)
    rows = []
    for row in known:
        lost = row.n_planned - row.n_found
        marks = [badge("diverged", row.n_failed)] * bool(row.n_failed) + [badge("absent", lost)] * bool(lost)
        runs = Markup("{}/{}").format(row.n_found, row.n_planned) + Markup("").join(Markup("<br>") + mark for mark in marks)
        cells = [
            context.who_cell(row.variant),
            html(runs, f"{row.n_found}/{row.n_planned}, {row.n_failed} diverged", "num"),
            estimate(row.final_return.mean, digits),
            _spread(row.final_return, digits),
            estimate(row.final_return.iqm, digits),
        ]
        if published:
            cells.append(amount(row.published, digits))
        cells += [
            estimate(row.final_success.mean),
            estimate(row.absolute_return.mean, digits),
            estimate(row.absolute_success.mean),
        ]
        if normalised:
            cells.append(estimate(row.normalised_final.mean if row.normalised_final else None))
        if noted:
            cells.append(text("; ".join(row.notes), "text small"))
        rows.append(cells)
    columns = [
        plain_column("Variant", "variant"),
        plain_column("Runs", "runs", "num", "found of planned"),
        estimate_column("Final return, mean", "final_return"),
        Column("sd; range", ("sd", "minimum", "maximum"), "num", "over seeds"),
        estimate_column("Final return, IQM", "final_return_iqm"),
    ]
    if published:
        columns.append(plain_column("Published", "published", "num"))
    columns += [
        estimate_column("Final success rate", "final_success"),
        estimate_column("Absolute return", "absolute_return", "best policy of each run on fresh episodes"),
        estimate_column("Absolute success rate", "absolute_success"),
    ]
    if normalised:
        columns.append(estimate_column("Normalised final", "normalised_final", "0 random policy, 1 best known"))
    if noted:
        columns.append(plain_column("Notes", "notes"))
    sources = sorted({row.published_source for row in known if row.published is not None})
    evaluation = suite.evaluation
    methods = context.aggregate.methods
    return table(
        f"{formatting.slug(suite.name)}-{formatting.slug(task.task)}-results",
        f"{task.task}: results",
        f"Final: last evaluation, {evaluation.episodes} episodes a run. Absolute: best policy of each run on "
        f"{evaluation.absolute_episodes} fresh episodes. Brackets: {formatting.sure(methods)} intervals over seeds "
        f"(Student t for means, stretched bootstrap for IQM); of fewer than {methods.smallest_sample} the single runs."
        + (f" Published: {'; '.join(sources)}." if sources else ""),
        columns,
        rows,
    )


def _spread(summary: Summary, digits: int) -> Cell:
    if summary.minimum is None:
        return Cell(Markup('<span class="nothing">–</span>'), (None, None, None), "num")
    ends = f"{formatting.number(summary.minimum, digits)} to {formatting.number(summary.maximum, digits)}"
    shown = Markup('{} <span class="ci">{}</span>').format(formatting.number(summary.sd, digits), ends)
    return Cell(shown, (summary.sd, summary.minimum, summary.maximum), "num")


def _value(value: Estimate | None) -> float | None:
    return value.value if value else None


def _mean(summary: Summary) -> float:
    return summary.mean.value if summary.mean else float("-inf")
