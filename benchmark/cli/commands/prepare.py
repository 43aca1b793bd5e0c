"""The hidden `creditbench prepare`: what the report shows of suites, computed and drawn ahead of the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.arguments import results_of, validate_output_folder
from benchmark.cli.output import coverage_lines
from benchmark.experiments.store import SUITES
from benchmark.experiments.suite import load_suites


def prepare(
    suite: Annotated[list[str], typer.Argument(help="Suites, or paths of suite files.")],
    report: Annotated[list[str], typer.Option("--report", help="A suite of the report; given for each of them.")],
    retrain: Annotated[bool, typer.Option(help="Compare own records with the committed ones of the same runs.")] = False,
    pdf: Annotated[bool, typer.Option(help="Draw a PDF twin of each figure.")] = False,
    processes: Annotated[int, typer.Option(min=1, max=1024, help="That work in parallel.")] = 1,
    cache: Annotated[Path | None, typer.Option(help=f"Folder for it.  [default: {SUITES} of the checkout]")] = None,
) -> None:
    """Aggregates suites and draws their figures, in the colours that their variants have in the whole report."""
    suites = list(load_suites(suite).values())
    store = results_of(suites)
    variants = {variant for other in load_suites(report).values() for variant in other.variants}
    folder = cache or store.root / SUITES
    validate_output_folder("--cache", folder)
    from benchmark.report.preparation import prepare as run

    options = {"retrain": retrain, "pdf": pdf, "processes": processes}
    for done in run(suites, store, folder, variants, **options):  # type: ignore[arg-type]
        print(coverage_lines(done), flush=True)
