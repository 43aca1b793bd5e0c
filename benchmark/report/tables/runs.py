"""Runs one by one: those of a variant, and those that failed or are absent."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from benchmark.analysis.schema import RunRow
from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.table import (
    Cell,
    Table,
    amount,
    badge,
    badged,
    count,
    html,
    plain_column,
    table,
    text,
)


def faulty_runs(
    context: ReportContext, name: str, found: Sequence[RunRow], title: str = "Failed and absent runs"
) -> Table | None:
    """Runs that failed or are not there, with the reason and what was done. None if all is well."""
    faulty = sorted((run for run in found if run.status != "ok"), key=lambda run: (run.task, run.seed, run.fingerprint))
    rows = []
    for run in faulty:
        names = sorted({planned.variant for planned in run.planned})
        rows.append(
            (
                html(context.task_link(run.task), run.task, "nowrap"),
                html(Markup("<br>").join(context.who(entry) for entry in names), ", ".join(names), "nowrap"),
                count(run.seed),
                Cell(badge(formatting.state(run)), (formatting.state(run),), "nowrap"),
                text(_run_reason(run), "text small"),
                count(run.steps_done),
                html(context.record_link(run), run.fingerprint, "nowrap"),
            )
        )
    columns = (
        plain_column("Task", "task"),
        plain_column("Variant", "variant"),
        plain_column("Seed", "seed", "num"),
        plain_column("State", "state"),
        plain_column("Reason", "reason"),
        plain_column("Steps done", "steps_done", "num"),
        plain_column("Record", "fingerprint", "", "first digits of the run's fingerprint"),
    )
    caption = f"{formatting.plural(len(rows), 'run')}. Diverged runs count in every number; the others have no number."
    return table(name, title, caption, columns, rows) if rows else None


def runs(context: ReportContext, name: str, title: str, found: Sequence[RunRow]) -> Table:
    """Runs with their state and numbers."""
    digits = formatting.digits_for(run.final_return for run in found)
    rows = []
    for run in sorted(found, key=lambda run: (run.task, run.seed, run.fingerprint)):
        cells = [html(context.task_link(run.task), run.task, "nowrap"), count(run.seed)]
        cells += [
            badged(formatting.state(run), _run_reason(run)),
            amount(run.final_return, digits),
            amount(run.final_success),
            amount(run.absolute_return, digits),
            html(escape("–" if run.steps_done is None else f"{run.steps_done:,}"), run.steps_done, "num"),
            amount(run.steps_per_second, 0, formatting.whole(run.steps_per_second)),
            html(escape(formatting.duration(run.total_seconds)), run.total_seconds, "num"),
            html(context.record_link(run), run.fingerprint, "nowrap"),
        ]
        rows.append(cells)
    columns = [plain_column("Task", "task"), plain_column("Seed", "seed", "num")]
    columns += [
        plain_column("State", "state"),
        plain_column("Final return", "final_return", "num"),
        plain_column("Final success", "final_success", "num"),
        plain_column("Absolute return", "absolute_return", "num"),
        plain_column("Steps done", "steps_done", "num"),
        plain_column("Steps/s", "steps_per_second", "num"),
        plain_column("Time", "seconds", "num", "wall clock, from start to end"),
        plain_column("Record", "fingerprint", "", "first digits of the run's fingerprint"),
    ]
    return table(name, title, f"{formatting.plural(len(found), 'run')}; each fingerprint leads to its record.", columns, rows)


def _run_reason(run: RunRow) -> str:
    reason = run.reason or ""
    for known in ("diverged:", "diverged"):
        reason = reason.removeprefix(known).strip()
    return f"{reason}; scored as the random policy".lstrip("; ") if run.scored_as_random else reason
