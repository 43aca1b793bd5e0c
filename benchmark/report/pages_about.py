"""The pages about how it was done: claims, reproduction, speed and cost, statistics and provenance, records."""

from __future__ import annotations

from benchmark.report import figures_finals, tables_about, tables_results, tables_studies, words
from benchmark.report.workshop import Workshop


def claims(shop: Workshop) -> None:
    """Each suite's claims with their verdicts, and the studies beside them."""
    tables = [shop.table(tables_about.claims(shop, suite)) for suite in shop.aggregate.suites if suite.claims]
    verdicts = [claim.verdict for suite in shop.aggregate.suites for claim in suite.claims]
    verdicts += [one.verdict for study in shop.aggregate.studies for one in study.predictions if not study.quick]
    counts = words.counts(verdicts, words.VERDICTS)
    studies = shop.table(tables_studies.verdicts(shop)) if shop.aggregate.studies else None
    shop.page("claims.html", "claims.html.j2", "Claims", tables=tables, studies=studies, counts=counts)


def reproduction(shop: Workshop) -> None:
    """Own runs beside the committed ones."""
    sections = [
        {
            "suite": suite,
            "figure": shop.figure(figures_finals.reproduction(suite, suite.reproduction, shop.style)),
            "table": shop.table(tables_about.reproduction(shop, suite)),
        }
        for suite in shop.aggregate.suites
        if suite.reproduction
    ]
    verdicts = [entry.verdict for suite in shop.aggregate.suites for entry in suite.reproduction]
    counts = words.counts(verdicts, ("identical", "agrees", "differs", "undecided"))
    shop.page("reproduction.html", "reproduction.html.j2", "Reproduction", sections=sections, counts=counts)


def speed(shop: Workshop) -> None:
    """Steps per second, where the time goes, and what it all cost."""
    runs = shop.aggregate.runs
    shop.page(
        "speed.html",
        "speed.html.j2",
        "Speed and cost",
        table=shop.table(tables_about.cost(shop)),
        speed=shop.figure(figures_finals.speed(runs, shop.style)),
        phases=shop.figure(figures_finals.phases(runs)),
    )


def provenance(shop: Workshop) -> None:
    """Statistics, protocol, versions, and every run that is not whole."""
    shop.page(
        "provenance.html",
        "provenance.html.j2",
        "Statistics and provenance",
        versions=shop.table(tables_about.versions(shop)),
        faulty=shop.table(tables_results.faulty_runs(shop, "faulty-runs", shop.aggregate.runs, "One by one")),
    )


def records(shop: Workshop) -> None:
    """Every record with its hashes."""
    shop.page("records.html", "records.html.j2", "Records", table=shop.table(tables_about.records(shop)))
