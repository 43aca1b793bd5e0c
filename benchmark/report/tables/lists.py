"""The lists of tasks and of methods."""

from __future__ import annotations

from markupsafe import Markup, escape

from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.table import (
    Cell,
    Table,
    amount,
    badge,
    count,
    html,
    plain_column,
    table,
    text,
)


def task_list(context: ReportContext) -> Table:
    """All tasks with what they are and how far their runs are."""
    rows = []
    for name, places in context.tasks.items():
        task = places[0][1]
        planned = sum(row.n_planned for _, place in places for row in place.table)
        found = sum(row.n_found for _, place in places for row in place.table)
        reference = task.reference
        digits = formatting.digits_for([reference.random, reference.best]) if reference else 2
        rows.append(
            (
                html(context.task_link(name), name, "nowrap"),
                text(", ".join(suite.title for suite, _ in places)),
                count(task.n_agents),
                count(task.horizon),
                html(escape(f"v{task.version}"), f"{task.version}"),
                text(", ".join(dict.fromkeys(place.backend for _, place in places))),
                html(escape(", ".join(dict.fromkeys(f"{p.budget:,}" for _, p in places))), places[0][1].budget, "num"),
                amount(reference.random if reference else None, digits),
                amount(reference.best if reference else None, digits),
                html(escape(f"{found}/{planned}"), found, "num"),
            )
        )
    columns = (
        plain_column("Task", "task"),
        plain_column("Suite", "suites"),
        plain_column("Agents", "agents", "num"),
        plain_column("Horizon", "horizon", "num", "steps an episode lasts at most"),
        plain_column("Version", "version"),
        plain_column("Backend", "backend", "", "our own simulator (native) or the real package (reference)"),
        plain_column("Budget", "budget", "num", "environment steps a run"),
        plain_column("Random", "random", "num", "score of the random policy"),
        plain_column("Best", "best", "num", "best known score"),
        plain_column("Runs", "runs", "num", "found of planned"),
    )
    return table("tasks", "Tasks", "Random and best are the fixed scores that normalise a task.", columns, rows)


def method_list(context: ReportContext) -> Table:
    """All variants with their status in each suite."""
    rows = []
    for name, places in context.variants.items():
        entry = places[0][1]
        states = Markup("<br>").join(
            badge("smoke" if suite.smoke else found.status) + Markup(' <span class="small muted">{}</span>').format(suite.title)
            for suite, found in places
        )
        plain = "; ".join(f"{suite.name}: {'smoke' if suite.smoke else found.status}" for suite, found in places)
        rows.append(
            (
                context.who_cell(name),
                text(f"{entry.algorithm_title} (v{entry.algorithm_version})"),
                text(", ".join(dict.fromkeys(found.regime for _, found in places))),
                count(len(entry.settings)),
                Cell(states, (plain,), "nowrap"),
                html(
                    escape(f"{sum(f.coverage.found for _, f in places)}/{sum(f.coverage.planned for _, f in places)}"),
                    sum(found.coverage.found for _, found in places),
                    "num",
                ),
            )
        )
    columns = (
        plain_column("Variant", "variant"),
        plain_column("Algorithm", "algorithm"),
        plain_column("Reward regime", "regime"),
        plain_column("Changed settings", "changed_settings", "num", "that differ from the defaults of the algorithm"),
        plain_column("Status", "status"),
        plain_column("Runs", "runs", "num", "found of planned"),
    )
    return table("methods", "Variants", "A variant is an algorithm with a reward regime and settings.", columns, rows)
