"""What runs cost, by task and algorithm."""

from __future__ import annotations

from markupsafe import Markup, escape

from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.table import (
    Cell,
    Column,
    Table,
    amount,
    html,
    plain_column,
    table,
    text,
)


def cost(context: ReportContext) -> Table:
    """Steps per second, time, memory and core-hours by task and algorithm."""
    rows = []
    for entry in context.aggregate.cost:
        gone = [f"{entry.failed} diverged"] * bool(entry.failed) + [f"{entry.untimed} crashed, not timed"] * bool(entry.untimed)
        name = context.task_link(entry.task) if entry.task in context.task_pages else escape(entry.task)
        rows.append(
            (
                html(name, entry.task, "nowrap"),
                text(f"{entry.algorithm} v{entry.algorithm_version}"),
                text(entry.backend),
                Cell(
                    Markup('{} <span class="ci">{}</span>').format(entry.runs, ", ".join(gone)),
                    (entry.runs, entry.failed, entry.untimed),
                    "num",
                ),
                amount(entry.steps_per_second, 0, formatting.whole(entry.steps_per_second)),
                html(escape(formatting.duration(entry.seconds)), entry.seconds, "num"),
                html(escape(formatting.percent(entry.reward_model_share)), entry.reward_model_share, "num"),
                html(escape(formatting.memory(entry.peak_memory_bytes)), entry.peak_memory_bytes, "num"),
                amount(entry.core_hours),
                text("; ".join(entry.processors), "small"),
            )
        )
    columns = (
        plain_column("Task", "task"),
        plain_column("Algorithm", "algorithm"),
        plain_column("Backend", "backend"),
        Column("Runs", ("runs", "failed", "untimed"), "num"),
        plain_column("Steps/s", "steps_per_second", "num", "median; environment steps, learning included"),
        plain_column("Time of a run", "seconds", "num", "median"),
        plain_column("of it in the reward model", "reward_model_share", "num", "share of the seconds of all its runs"),
        plain_column("Peak memory", "peak_memory_bytes", "num", "largest of the runs"),
        plain_column("Core-hours", "core_hours", "num", "all runs with a record, failed ones included"),
        plain_column("Processor", "processors"),
    )
    caption = "Over all runs with a record, failed ones included. Times were taken where each run was trained."
    return table("cost", "Cost by task and algorithm", caption, columns, rows)
