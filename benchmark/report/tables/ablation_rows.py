"""The tables of ablations: a row for each variant, the base first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from benchmark.analysis.schema import AblationReport, AblationRow, AblationTask, SuiteReport
from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.table import (
    Cell,
    Column,
    Table,
    badge,
    badged,
    estimate,
    estimate_column,
    html,
    plain_column,
    significant,
    table,
    text,
)


@dataclass(frozen=True)
class Monitor:
    """How a monitor of the records is called on the page, and what it says."""

    name: str
    title: str
    hint: str


MONITORS = (
    Monitor("return_r2", "R² of returns", "of episodes the reward model has not seen: 1 is perfect, 0 no better than the mean"),
    Monitor("sum_error_mean", "Error of the sum", "how far the shares are from summing to the return, relative to it"),
    Monitor("time_entropy", "Spread over time", "entropy of the shares over the steps: 1 is spread evenly"),
    Monitor("agent_entropy", "Spread over agents", "entropy of the shares over the agents: 1 is spread evenly"),
)


def on_task(context: ReportContext, suite: SuiteReport, ablation: AblationReport, task: AblationTask) -> Table:
    """What each variant changes and what that did."""
    digits = formatting.digits_for(row.final.mean.value for row in task.rows if row.final.mean)
    watched = [monitor for monitor in MONITORS if any(monitor.name in row.monitors for row in task.rows)]
    costly = any(row.reward_model_share is not None for row in task.rows)
    noted = any(row.notes for row in task.rows)
    standing = {entry.variant: entry.status for entry in suite.variants}
    rows = []
    for row in task.rows:
        status = standing[row.variant]
        preliminary = Markup(" ") + badge(status) if status == "preliminary" and not suite.smoke else ""
        cells = [
            context.who_cell(row.variant, preliminary),
            _differs(row.differs),
            _comparison(row),
            _runs(row),
            estimate(row.final.mean, digits),
            estimate(row.final.iqm, digits),
            estimate(row.difference, digits),
            estimate(row.improvement),
            estimate(row.area.mean, digits),
        ]
        cells += [significant(row.monitors.get(monitor.name)) for monitor in watched]
        if costly:
            cells.append(html(escape(formatting.percent(row.reward_model_share)), row.reward_model_share, "num"))
        if noted:
            cells.append(text("; ".join(row.notes), "text small"))
        rows.append(cells)
    return table(
        f"{formatting.slug(suite.name)}-{formatting.slug(ablation.id)}-{formatting.slug(task.task)}",
        f"{ablation.title}: {task.task}",
        _caption(context, suite, ablation, task),
        _columns(watched, costly=costly, noted=noted),
        rows,
    )


def _columns(watched: Sequence[Monitor], *, costly: bool, noted: bool) -> list[Column]:
    columns = [
        plain_column("Variant", "variant"),
        plain_column("Differs in", "differs", "", "from the base"),
        plain_column("Against the base", "comparison", "", "by the interval of the probability of improvement"),
        plain_column("Runs", "runs", "num", "found of planned"),
        estimate_column("Final mean", "final"),
        estimate_column("Final IQM", "final_iqm"),
        estimate_column("Difference", "difference", "of the mean to that of the base"),
        estimate_column("P(better)", "p_better", "that a run scores higher than one of the base; ties count half"),
        estimate_column("Area", "area", "under the learning curve: mean score over the evaluation points of a run"),
    ]
    columns += [estimate_column(monitor.title, monitor.name, monitor.hint) for monitor in watched]
    if costly:
        columns.append(
            plain_column("Model time", "reward_model_share", "num", "share of the runs' seconds in the reward model")
        )
    if noted:
        columns.append(plain_column("Notes", "notes"))
    return columns


def _caption(context: ReportContext, suite: SuiteReport, ablation: AblationReport, task: AblationTask) -> str:
    methods = context.aggregate.methods
    score = next(entry.score for entry in suite.tasks if entry.task == task.task)
    return (
        f"Scores are {'success rates' if score == 'success' else 'mean returns per episode'}. Brackets: "
        f"{formatting.sure(methods)} "
        "intervals over seeds (Student t for means, stretched bootstrap for IQM, Welch t for differences, score intervals for "
        f"probabilities); of fewer than {methods.smallest_sample} seeds the single runs. Verdicts after Holm's correction for "
        "the number of variants beside the base. "
        f"Compared by {'final scores' if ablation.measure == 'final' else 'areas under the learning curve'}."
    )


def _differs(differs: Sequence[str]) -> Cell:
    if not differs:
        return Cell(Markup('<span class="nothing">–</span>'), ("",), "text")
    shown = Markup("<br>").join(Markup("<code>{}</code>").format(one) for one in differs)
    return Cell(shown, ("; ".join(differs),), "text")


def _comparison(row: AblationRow) -> Cell:
    return badged(row.comparison, row.reason if row.comparison == "undecided" else "")


def _runs(row: AblationRow) -> Cell:
    lost = row.n_planned - row.n_found
    marks = [badge("diverged", row.n_failed)] * bool(row.n_failed) + [badge("absent", lost)] * bool(lost)
    shown = Markup("{}/{}").format(row.n_found, row.n_planned) + Markup("").join(Markup("<br>") + one for one in marks)
    return html(shown, f"{row.n_found}/{row.n_planned}, {row.n_failed} diverged", "num")
