"""The pages about how it was done: claims, reproduction, speed and cost, statistics and provenance, records."""

from __future__ import annotations

from benchmark.report import formatting
from benchmark.report.context import Workshop
from benchmark.report.figures import final_scores
from benchmark.report.tables import about, result_rows, study_rows


def claims(shop: Workshop) -> None:
    """Each suite's claims with their verdicts, and the studies beside them."""
    tables = [shop.table(about.claims(shop, suite)) for suite in shop.aggregate.suites if suite.claims]
    verdicts = [claim.verdict for suite in shop.aggregate.suites for claim in suite.claims]
    verdicts += [one.verdict for study in shop.aggregate.studies for one in study.predictions if not study.quick]
    counts = formatting.counts(verdicts, formatting.VERDICTS)
    studies = shop.table(study_rows.verdicts(shop)) if shop.aggregate.studies else None
    shop.page("claims.html", "claims.html.j2", "Claims", tables=tables, studies=studies, counts=counts)


def reproduction(shop: Workshop) -> None:
    """Own runs beside the committed ones."""
    sections = [
        {
            "suite": suite,
            "figure": shop.figure(final_scores.reproduction(suite, suite.reproduction, shop.style)),
            "table": shop.table(about.reproduction(shop, suite)),
        }
        for suite in shop.aggregate.suites
        if suite.reproduction
    ]
    verdicts = [entry.verdict for suite in shop.aggregate.suites for entry in suite.reproduction]
    counts = formatting.counts(verdicts, ("identical", "agrees", "differs", "undecided"))
    shop.page("reproduction.html", "reproduction.html.j2", "Reproduction", sections=sections, counts=counts)


def speed(shop: Workshop) -> None:
    """Steps per second, where the time goes, and what it all cost."""
    runs = shop.aggregate.runs
    shop.page(
        "speed.html",
        "speed.html.j2",
        "Speed and cost",
        table=shop.table(about.cost(shop)),
        speed=shop.figure(final_scores.speed(runs, shop.style)),
        phases=shop.figure(final_scores.phases(runs)),
    )


def provenance(shop: Workshop) -> None:
    """Statistics, protocol, versions, and every run that is not whole."""
    shop.page(
        "provenance.html",
        "provenance.html.j2",
        "Statistics and provenance",
        versions=shop.table(about.versions(shop)),
        faulty=shop.table(result_rows.faulty_runs(shop, "faulty-runs", shop.aggregate.runs, "One by one")),
    )


def records(shop: Workshop) -> None:
    """Every record with its hashes."""
    shop.page("records.html", "records.html.j2", "Records", table=shop.table(about.records(shop)))
