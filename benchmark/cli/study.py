"""`creditbench study`: measured experiments that are not training runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress as Bar

from algorithms.plugins import did_you_mean
from benchmark.cli.errors import BadInput
from benchmark.cli.output import table
from benchmark.papers.studies import STUDIES

if TYPE_CHECKING:
    from benchmark.experiments.study_result import Progress

OUT = Path("results/studies")


def study(
    name: Annotated[str, typer.Argument(help="A study, or `list` for all of them.")],
    out: Annotated[Path, typer.Option(help="Folder for the result, NAME.json.")] = OUT,
    quick: Annotated[bool, typer.Option("--quick", help="Small, for a try: the numbers mean little.")] = False,
) -> None:
    """Carries out a study: an experiment of its own that says what was expected, what was found and whether they agree.

    \b
    Examples:
      creditbench study list
      creditbench study policy-preservation --quick --out tries
    """
    if name == "list":
        rows = [(found.name, f"{found.minutes:g}", found.title, found.question) for found in STUDIES.values()]
        table(("study", "minutes", "title", "question"), rows)
        return
    if name not in STUDIES:
        raise BadInput(f"there is no study '{name}'.{did_you_mean(name, STUDIES)} `creditbench study list` shows all of them")
    from benchmark.experiments.study_result import read_study, write_study

    path = out / f"{name}.json"
    if quick and path.exists() and not read_study(path).quick:
        raise BadInput(f"{path} is a whole study, whose place a quick one shall not take; give another --out")
    from benchmark.papers.runner import run_study

    with _shown(name) as progress:
        result = run_study(STUDIES[name], quick=quick, progress=progress)
    write_study(path, result)
    for prediction in result.predictions:
        print(f"expected: {prediction.expected}")
        print(f"found: {prediction.found} [{prediction.verdict}]")
    print(f"{path}: {result.verdict}, {result.seconds:.0f} s")


@contextmanager
def _shown(name: str) -> Iterator[Progress]:
    """A bar where standard output is a terminal, else one line a part."""
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        yield lambda done, of, what: print(f"{name}: {done}/{of} {what}", flush=True)
        return
    with Bar(console=console) as bar:
        task = bar.add_task(name)
        yield lambda done, of, what: bar.update(task, completed=done, total=of, description=f"{name}: {what}")
