"""The pages about how it was done: claims, reproduction, speed and cost, statistics and provenance, records."""

from __future__ import annotations

from benchmark.report import formatting
from benchmark.report.context import ReportContext
from benchmark.report.figures import final_scores
from benchmark.report.tables import about, result_rows, study_rows


def claims(context: ReportContext) -> None:
    """Each suite's claims with their verdicts, and the studies beside them."""
    tables = [context.table(about.claims(context, suite)) for suite in context.aggregate.suites if suite.claims]
    verdicts = [claim.verdict for suite in context.aggregate.suites for claim in suite.claims]
    verdicts += [one.verdict for study in context.aggregate.studies for one in study.predictions if not study.quick]
    counts = formatting.counts(verdicts, formatting.VERDICTS)
    studies = context.table(study_rows.verdicts(context)) if context.aggregate.studies else None
    context.page("claims.html", "claims.html.j2", "Claims", tables=tables, studies=studies, counts=counts)


def reproduction(context: ReportContext) -> None:
    """Own runs beside the committed ones."""
    sections = [
        {
            "suite": suite,
            "figure": context.figure(final_scores.reproduction(suite, suite.reproduction, context.style)),
            "table": context.table(about.reproduction(context, suite)),
        }
        for suite in context.aggregate.suites
        if suite.reproduction
    ]
    verdicts = [entry.verdict for suite in context.aggregate.suites for entry in suite.reproduction]
    counts = formatting.counts(verdicts, ("identical", "agrees", "differs", "undecided"))
    context.page("reproduction.html", "reproduction.html.j2", "Reproduction", sections=sections, counts=counts)


def speed(context: ReportContext) -> None:
    """Steps per second, where the time goes, and what it all cost."""
    runs = context.aggregate.runs
    context.page(
        "speed.html",
        "speed.html.j2",
        "Speed and cost",
        table=context.table(about.cost(context)),
        speed=context.figure(final_scores.speed(runs, context.style)),
        phases=context.figure(final_scores.phases(runs)),
    )


def provenance(context: ReportContext) -> None:
    """Statistics, protocol, versions, and every run that is not whole."""
    context.page(
        "provenance.html",
        "provenance.html.j2",
        "Statistics and provenance",
        versions=context.table(about.versions(context)),
        faulty=context.table(result_rows.faulty_runs(context, "faulty-runs", context.aggregate.runs, "One by one")),
    )


def records(context: ReportContext) -> None:
    """Every record with its hashes."""
    context.page("records.html", "records.html.j2", "Records", table=context.table(about.records(context)))
