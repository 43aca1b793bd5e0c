"""The pages of results: overview, leaderboard, tasks, variants. Each function writes its pages."""

from __future__ import annotations

from collections import Counter
from typing import Any

from markupsafe import Markup

from algorithms.registry import algorithms
from benchmark.analysis.schema import SuiteReport, TaskReport, VariantSummary
from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.figures import aggregate_scores, comparison, episode_graph, final_scores, graph_quality, learning_curves
from benchmark.report.tables import about, graph_rows, result_rows


def overview(context: ReportContext) -> None:
    """What this is, how far it is, and the headline of each suite."""
    aggregate = context.aggregate
    suites = [
        {
            "suite": suite,
            "headline": None
            if suite.smoke
            else context.figure(aggregate_scores.headline(suite, context.style, aggregate.methods)),
            "finding": finding(context, suite),
            "percent": round(100 * suite.coverage.found / max(1, suite.coverage.planned)),
            "statuses": Counter(entry.status for entry in suite.variants),
            "cost": _cost(suite),
        }
        for suite in sorted(aggregate.suites, key=lambda suite: suite.smoke)
    ]
    context.page(
        "index.html",
        "index.html.j2",
        "Overview",
        suites=suites,
        meanings=formatting.MEANINGS,
        states=_states(context),
        faulty=any(run.status != "ok" for run in aggregate.runs),
        further_notes=_further_notes(context),
    )


def leaderboard(context: ReportContext) -> None:
    """The table and the aggregate figures of each suite, smoke suites last."""
    methods, style = context.aggregate.methods, context.style
    sections = []
    for suite in sorted(context.aggregate.suites, key=lambda suite: suite.smoke):
        plates = []
        if not suite.smoke:
            plates = context.figures(
                (
                    aggregate_scores.intervals(suite, style, methods),
                    comparison.ranks(suite, methods),
                    comparison.improvement(suite, style, methods),
                    aggregate_scores.profiles(suite, style, methods),
                    aggregate_scores.efficiency(suite, style, methods),
                )
            )
        plates += context.figures([learning_curves.over_tasks(suite, style, methods)])
        sections.append(
            {
                "suite": suite,
                "finding": finding(context, suite),
                "table": context.table(result_rows.leaderboard(context, suite)),
                "plates": plates,
                "why": _without_aggregate(suite),
            }
        )
    context.page("leaderboard.html", "leaderboard.html.j2", "Leaderboard", sections=sections)


def tasks(context: ReportContext) -> None:
    """The list of tasks and a page for each."""
    context.page("tasks.html", "tasks.html.j2", "Tasks", table=context.table(result_rows.task_list(context)))
    for name, places in context.tasks.items():
        context.page(
            context.task_pages[name],
            "task.html.j2",
            name,
            task=places[0][1],
            places=[_task_section(context, suite, task) for suite, task in places],
        )


def methods(context: ReportContext) -> None:
    """The list of variants and a page for each."""
    context.page("methods.html", "methods.html.j2", "Methods", table=context.table(result_rows.method_list(context)))
    for name, places in context.variants.items():
        entry = algorithms().get(places[0][1].algorithm)
        context.page(
            context.method_pages[name],
            "method.html.j2",
            name,
            variant=places[0][1],
            entry=entry,
            places=[_method_section(context, suite, summary) for suite, summary in places],
        )


def finding(context: ReportContext, suite: SuiteReport) -> Markup:
    """One or two sentences: who leads, how surely, and from whom the data do not tell it apart."""
    if suite.smoke:
        return Markup("A smoke suite: it shows that everything works and is evidence of nothing.")
    leader = aggregate_scores.leading(suite)
    if leader is None:
        return Markup("No variant can be placed yet: {}").format(_without_aggregate(suite) or "runs are missing.")
    rank = next(entry for entry in suite.overall.ranks if entry.variant == leader)
    estimate = next(entry.iqm for entry in suite.overall.final if entry.variant == leader)
    some = "" if len(suite.overall.ranks) == len(suite.variants) else "Of the variants that can be placed, "
    text = Markup("{}{} has the highest interquartile mean, {}").format(
        some, context.who(leader), formatting.estimated(estimate)
    )
    if len(suite.overall.ranks) > 1:
        places = f"place {rank.low}" if rank.low == rank.high else f"places {rank.low} to {rank.high}"
        text += f"; its interval covers {places} of {len(suite.overall.ranks)}."
        if rank.tied_with:
            names = Markup(", ").join(context.who(name) for name in rank.tied_with[:4])
            more = f" and {len(rank.tied_with) - 4} more" if len(rank.tied_with) > 4 else ""
            text += Markup(" The data do not tell it apart from {}{}.").format(names, more)
    else:
        text += "; no other variant can be placed."
    if rank.status == "preliminary":
        text += " All this is preliminary: there are too few seeds."
    return text


def _task_section(context: ReportContext, suite: SuiteReport, task: TaskReport) -> dict[str, Any]:
    methods, style = context.aggregate.methods, context.style
    runs = context.runs(suite=suite.name, task=task.task)
    name = f"{learning_curves.stem(suite, task)}-absent"
    return {
        "suite": suite,
        "task": task,
        "curves": context.figure(learning_curves.on_task(suite, task, style, methods)),
        "finals": context.figure(final_scores.finals(suite, task, runs, style, methods)),
        "seeds": context.figure(learning_curves.every_seed(suite, task, style)),
        "table": context.table(result_rows.results(context, suite, task)),
        "faulty": context.table(result_rows.faulty_runs(context, name, runs)),
    }


def _method_section(context: ReportContext, suite: SuiteReport, summary: VariantSummary) -> dict[str, Any]:
    name = f"{formatting.slug(suite.name)}-{formatting.slug(summary.variant)}-runs"
    runs = context.runs(suite=suite.name, variant=summary.variant)
    return {
        "suite": suite,
        "summary": summary,
        "ablations": context.ablations_with(suite, summary.variant),
        "curves": context.figure(learning_curves.of_variant(suite, summary.variant, context.style, context.aggregate.methods)),
        "graphs": _graph_section(context, suite, summary.variant),
        "settings": context.table(about.settings(suite, summary)),
        "runs": context.table(result_rows.runs(context, name, f"{summary.variant}: runs in {suite.title}", runs)),
    }


def _graph_section(context: ReportContext, suite: SuiteReport, variant: str) -> dict[str, Any] | None:
    """Who influences whom, where runs of the variant have measurements of it."""
    found = graph_quality.of_variant(suite, variant)
    if not found:
        return None
    reports = [report for _, report in found]
    asked = {oracle.oracle for report in reports for oracle in report.oracles}
    return {
        "oracles": [(name, sense) for name, sense in graph_rows.ORACLES.items() if name in asked],
        "notes": list(graph_rows.notes(reports)),
        "over_training": context.figure(graph_quality.over_training(suite, variant, context.style)),
        "table": context.table(graph_rows.agreement(context, suite, variant)),
        "mean": context.figure(graph_quality.mean_graphs(suite, variant)),
        "episodes": context.figures(episode_graph.drawn_graph(suite, task, report) for task, report in found),
    }


def _without_aggregate(suite: SuiteReport) -> str:
    """Why there is no normalised aggregate at all, or what one task means."""
    tasks = suite.overall.tasks
    if not tasks:
        return "no task of this suite has reference scores, so nothing is normalised; its task pages have the numbers."
    return ""


def _states(context: ReportContext) -> dict[str, int]:
    found: dict[str, int] = {}
    for run in context.aggregate.runs:
        word = formatting.state(run)
        found[word] = found.get(word, 0) + 1
    order = ("committed", "own run", "diverged", "failed", "missing", "crashed", "corrupt")
    return {word: found[word] for word in order if word in found}


def _cost(suite: SuiteReport) -> str:
    """What the suite says that it costs, and what its runs took."""
    spent = f"the runs that are here took {formatting.core_hours(suite.core_hours)}"
    declared = suite.declared_core_hours
    return spent if declared is None else f"{spent}; declared for all: {formatting.core_hours(declared)}"


def _further_notes(context: ReportContext) -> list[str]:
    """Notes on the whole that no suite has: the aggregate repeats those of its suites behind their titles."""
    repeated = {f"{suite.title}: {note}" for suite in context.aggregate.suites for note in suite.notes}
    refused = [f"Study not used: {reason}" for reason in context.aggregate.studies_refused]
    return [note for note in context.aggregate.notes if note not in repeated] + refused
