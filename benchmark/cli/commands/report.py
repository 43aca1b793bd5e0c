"""`creditbench report`: from an aggregate to the pages of the site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.arguments import validate_output_folder
from benchmark.cli.errors import BadInput
from benchmark.experiments.store import AGGREGATE, REPORTS, SUITES, Store


def report(
    aggregate: Annotated[
        Path | None, typer.Option(help=f"Folder written by `creditbench aggregate`.  [default: {AGGREGATE} of the checkout]")
    ] = None,
    out: Annotated[Path | None, typer.Option(help=f"Folder for the pages.  [default: {REPORTS} of the checkout]")] = None,
    pdf: Annotated[bool, typer.Option(help="Draw a PDF twin of each figure.")] = False,
) -> None:
    """Renders the pages; open index.html in a browser.

    \b
    Example:
      creditbench report
    """
    root = Store().root
    aggregate, out = aggregate or root / AGGREGATE, out or root / REPORTS
    if not (aggregate / "aggregate.json").is_file():
        raise BadInput(f"there is no {aggregate / 'aggregate.json'}; `creditbench aggregate --suite NAME` makes it")
    validate_output_folder("--out", out)
    from benchmark.report.site import render

    render(aggregate, out, cache=root / SUITES, pdf=pdf)
    print(out / "index.html")
