"""`creditbench report`: from an aggregate to the pages of the site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.errors import BadInput
from benchmark.experiments.store import AGGREGATE, REPORTS, SUITES


def report(
    aggregate: Annotated[Path, typer.Option(help="Folder written by `creditbench aggregate`.")] = AGGREGATE,
    out: Annotated[Path, typer.Option(help="Folder for the pages.")] = REPORTS,
    pdf: Annotated[bool, typer.Option(help="Draw a PDF twin of each figure.")] = False,
) -> None:
    """Renders the pages; open index.html in a browser.

    \b
    Example:
      creditbench report
    """
    if not (aggregate / "aggregate.json").is_file():
        raise BadInput(f"there is no {aggregate / 'aggregate.json'}; `creditbench aggregate --suite NAME` makes it")
    from benchmark.report.site import render

    render(aggregate, out, cache=SUITES, pdf=pdf)
    print(out / "index.html")
