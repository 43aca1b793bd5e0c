"""`creditbench aggregate`: from records to the data of the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.output import coverage_lines
from benchmark.experiments.store import AGGREGATE, SUITES, Store
from benchmark.experiments.suite import load_suites


def aggregate(
    suite: Annotated[list[str], typer.Option(help="A suite, or the path of a suite file; may be given again.")],
    retrain: Annotated[bool, typer.Option(help="Compare own records with the committed ones of the same runs.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for aggregate.json, manifest.json and the tables.")] = AGGREGATE,
) -> None:
    """Computes the report's data from the records that exist, and prints how many are missing.

    \b
    Example:
      creditbench aggregate --suite quick --suite lbf-baselines
    """
    suites = list(load_suites(suite).values())
    from benchmark.analysis.aggregate import aggregate as compute

    result = compute(suites, Store(), out, retrain=retrain, cache=SUITES)
    for report in result.suites:
        print(coverage_lines(report))
