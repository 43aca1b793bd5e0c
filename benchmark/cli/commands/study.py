"""`creditbench study`: experiments other than the training runs of suites."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress as Bar

from algorithms.plugins import broken_entries, unknown
from benchmark.cli.arguments import validate_output_folder
from benchmark.cli.errors import BadInput
from benchmark.cli.output import table
from benchmark.experiments.store import Store
from benchmark.papers.studies import GROUP, studies
from benchmark.training.progress import Lines

if TYPE_CHECKING:
    from benchmark.experiments.study_result import Progress

OUT = Path("results/studies")
"""Below the root."""


def study(
    name: Annotated[str, typer.Argument(help="A study, or `list` for all of them.")],
    out: Annotated[Path | None, typer.Option(help=f"Folder for NAME.json.  [default: {OUT} of the checkout]")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A small trial, whose numbers mean little.")] = False,
) -> None:
    """Runs a study: an experiment with predictions, findings and a verdict on each prediction.

    \b
    Examples:
      creditbench study list
      creditbench study policy-preservation --quick --out tries
    """
    if name == "list":
        rows = [(entry.name, f"{entry.minutes:g}", entry.title, entry.question) for entry in studies().values()]
        table(("study", "minutes", "title", "question"), rows, broken_entries(GROUP))
        return
    if name not in studies():
        raise unknown("study", name, studies(), GROUP, "creditbench study list")
    folder = out or Store().root / OUT
    validate_output_folder("--out", folder)
    from benchmark.experiments.study_result import read_study, write_study

    path = folder / f"{name}.json"
    if quick and path.exists() and not read_study(path).quick:
        raise BadInput(f"{path} is the result of a full study, which a quick one does not replace; give another --out")
    from benchmark.papers.runner import run_study

    with _progress(name) as progress:
        result = run_study(studies()[name], quick=quick, progress=progress)
    write_study(path, result)
    say = Lines().say
    for prediction in result.predictions:
        say(f"expected: {prediction.expected}")
        say(f"found: {prediction.found} [{prediction.verdict}]")
    say(f"{path}: {result.verdict}, {result.seconds:.0f} s")


@contextmanager
def _progress(name: str) -> Iterator[Progress]:
    """A bar where standard output is a terminal, else one line per part."""
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        lines = Lines()
        yield lambda done, of, what: lines.say(f"{name}: {done}/{of} {what}")
        return
    with Bar(console=console) as bar:
        task = bar.add_task(name)
        yield lambda done, of, what: bar.update(task, completed=done, total=of, description=f"{name}: {what}")
