"""The list of tasks, and a page for each."""

from __future__ import annotations

from typing import Any

from benchmark.analysis.schema import SuiteReport, TaskReport
from benchmark.report.context import ReportContext
from benchmark.report.figures.learning_curves import stem
from benchmark.report.tables import lists, task_results
from benchmark.report.tables import runs as run_rows


def tasks(context: ReportContext) -> None:
    """The list of tasks and a page for each."""
    context.page("tasks.html", "tasks.html.j2", "Tasks", table=context.table(lists.task_list(context)))
    for name, sections in context.tasks.items():
        context.page(
            context.task_pages[name],
            "task.html.j2",
            name,
            task=sections[0][1],
            sections=[_section(context, suite, task) for suite, task in sections],
        )


def _section(context: ReportContext, suite: SuiteReport, task: TaskReport) -> dict[str, Any]:
    runs = context.runs(suite=suite.name, task=task.task)
    return {
        "suite": suite,
        "task": task,
        "curves": context.figure(suite, f"curves on {task.task}"),
        "finals": context.figure(suite, f"finals on {task.task}"),
        "seeds": context.figure(suite, f"seeds on {task.task}"),
        "table": context.table(task_results.results(context, suite, task)),
        "faulty": context.table(run_rows.faulty_runs(context, f"{stem(suite, task)}-absent", runs)),
    }
