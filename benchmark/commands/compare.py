"""`creditbench aggregate` and `creditbench report`: from records to the pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.commands.errors import BadInput
from benchmark.store import Store
from benchmark.suites import load_suites

AGGREGATE = Path("results/aggregate")
REPORTS = Path("reports")


def aggregate(
    suite: Annotated[list[str], typer.Option(help="A suite, or the path of a suite file; may be given again.")],
    retrain: Annotated[bool, typer.Option(help="Compare own records with the committed ones of the same runs.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for aggregate.json, manifest.json and the tables.")] = AGGREGATE,
) -> None:
    """Computes everything that the report shows from the records that are there; says what is missing.

    \b
    Example:
      creditbench aggregate --suite quick --suite lbf-baselines
    """
    suites = list(load_suites(suite).values())
    from benchmark.aggregate import aggregate as compute

    result = compute(suites, Store(), out, retrain=retrain)
    for found in result.suites:
        counts = found.coverage
        print(f"{found.name}: {counts.found} of {counts.planned} runs are there, {counts.failed} of them failed;", end=" ")
        print(f"missing {counts.missing}, crashed {counts.crashed}, corrupt {counts.corrupt}")


def report(
    aggregate: Annotated[Path, typer.Option(help="What `creditbench aggregate` wrote.")] = AGGREGATE,
    out: Annotated[Path, typer.Option(help="Folder for the pages.")] = REPORTS,
) -> None:
    """Renders the pages; open index.html in a browser.

    \b
    Example:
      creditbench report
    """
    if not (aggregate / "aggregate.json").is_file():
        raise BadInput(f"there is no {aggregate / 'aggregate.json'}; `creditbench aggregate --suite NAME` makes it")
    from benchmark.report import ReportError, render

    try:
        render(aggregate, out)
    except ReportError as error:
        raise BadInput(str(error)) from error
    print(out / "index.html")
