"""The overview: what this is, how far it is, and the headline of each suite."""

from __future__ import annotations

from collections import Counter

from benchmark.analysis.schema import SuiteReport
from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.pages.finding import finding


def overview(context: ReportContext) -> None:
    """What this is, how far it is, and the headline of each suite."""
    aggregate = context.aggregate
    suites = [
        {
            "suite": suite,
            "headline": context.figure(suite, "headline"),
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
