"""`creditbench list`: tasks, algorithms and suites."""

from __future__ import annotations

import typer

from algorithms.plugins import broken_entries
from algorithms.registry import GROUP as ALGORITHMS
from algorithms.registry import algorithms
from benchmark.cli.output import table
from benchmark.environments.tasks.registry import GROUP as TASKS
from benchmark.environments.tasks.registry import get_task, task_names
from benchmark.experiments.suite import load_suite, suite_names

app = typer.Typer(help="Lists tasks, algorithms or suites.", no_args_is_help=True)


@app.command("tasks")
def list_tasks() -> None:
    """All listed tasks. A family may know more: any registered LBF id works, say.

    What an installed package offers and cannot be used is shown as broken, with the reason.

    Example:  creditbench list tasks
    """
    rows = []
    for name in task_names():
        task = get_task(name)
        backends = [kind for kind in ("native", "reference") if getattr(task, kind) is not None]
        rows.append((task.id, task.version, task.n_agents, task.horizon, " ".join(backends), task.description))
    table(("task", "version", "agents", "horizon", "backends", "description"), rows, broken_entries(TASKS))


@app.command("algorithms")
def list_algorithms() -> None:
    """All algorithms, those of installed packages included; what cannot be used of them is shown as broken, with the reason.

    Example:  creditbench list algorithms
    """
    rows = [(a.name, a.version, a.title, " ".join(a.regimes), a.source) for a in algorithms().values()]
    table(("algorithm", "version", "title", "regimes", "source"), rows, broken_entries(ALGORITHMS))


@app.command("suites")
def list_suites() -> None:
    """All suites. A suite of your own is used by the path of its file.

    Example:  creditbench list suites
    """
    rows = []
    for name in suite_names():
        suite = load_suite(name)
        runs = len(suite.tasks) * len(suite.variants) * len(suite.seeds)
        declared = "" if suite.core_hours is None else f"{suite.core_hours:g}"
        rows.append((suite.name, len(suite.tasks), len(suite.variants), len(suite.seeds), runs, declared, suite.title))
    table(("suite", "tasks", "variants", "seeds", "runs", "core-hours", "title"), rows)
