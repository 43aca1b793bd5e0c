"""The hidden `creditbench prepare`: what the report shows of one suite, computed and drawn ahead of the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.aggregate import CACHE
from benchmark.experiments.store import Store
from benchmark.experiments.suite import load_suite, load_suites


def prepare(
    suite: Annotated[str, typer.Argument(help="A suite, or the path of a suite file.")],
    report: Annotated[list[str], typer.Option("--report", help="All suites of the report; may be given again.")],
    retrain: Annotated[bool, typer.Option(help="Compare own records with the committed ones of the same runs.")] = False,
    pdf: Annotated[bool, typer.Option(help="Draw a PDF twin of each figure.")] = False,
    cache: Annotated[Path, typer.Option(help="Folder for what is prepared.")] = CACHE,
) -> None:
    """Aggregates one suite and draws its figures, in the colours that its variants have in the whole report.

    What was made of the same records before is left as it is. One process for each suite: the pipeline runs them in parallel.
    """
    found = load_suite(suite)
    from benchmark.analysis.aggregate import suite_part
    from benchmark.analysis.inputs import suite_inputs
    from benchmark.experiments.atomic_write import write_atomically
    from benchmark.report.freshness import PREPARED, prepared_inputs
    from benchmark.report.gallery import Gallery
    from benchmark.report.palette import styles

    inputs = suite_inputs(found, Store(), retrain=retrain)
    part = suite_part(found, Store(), cache, retrain=retrain)
    aggregate = part.aggregate
    names = {variant for other in load_suites(report).values() for variant in other.variants} | {*found.variants}
    style = styles(names)
    (suite_report,) = aggregate.suites
    Gallery(cache / found.name / "figures", suite_report, aggregate.runs, style, aggregate.methods, pdf=pdf).complete()
    marker = prepared_inputs(inputs, names, pdf=pdf)
    write_atomically(cache / found.name / PREPARED, f"{marker}\n".encode())
    counts = suite_report.coverage
    print(f"{found.name}: {counts.found} of {counts.planned} runs are there, {counts.failed} of them failed;", end=" ")
    print(f"missing {counts.missing}, crashed {counts.crashed}, corrupt {counts.corrupt}")
