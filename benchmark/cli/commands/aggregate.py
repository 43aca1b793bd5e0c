"""`creditbench aggregate`: from records to the data of the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.arguments import results_of, validate_output_folder
from benchmark.cli.output import coverage_lines, left_out_lines
from benchmark.experiments.store import AGGREGATE, SUITES
from benchmark.experiments.suite import load_suites


def aggregate(
    suite: Annotated[list[str], typer.Option(help="A suite, or the path of a suite file; may be given again.")],
    retrain: Annotated[bool, typer.Option(help="Compare own records with the committed ones of the same runs.")] = False,
    out: Annotated[Path | None, typer.Option(help=f"Folder for its files.  [default: {AGGREGATE} of the checkout]")] = None,
) -> None:
    """Computes the report's data from the records that exist, and prints how many are missing and what it leaves out.

    \b
    Example:
      creditbench aggregate --suite quick --suite lbf-baselines
    """
    suites = list(load_suites(suite).values())
    store = results_of(suites)
    folder = out or store.root / AGGREGATE
    validate_output_folder("--out", folder)
    from benchmark.analysis.aggregate import aggregate as compute

    result = compute(suites, store, folder, retrain=retrain, cache=store.root / SUITES)
    for report in result.suites:
        print(coverage_lines(report))
    for line in left_out_lines(result):
        print(line)
