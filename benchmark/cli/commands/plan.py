"""`creditbench plan`: which runs of a suite exist, and the cost of the missing ones."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated

import typer

from benchmark.cli.arguments import results_of
from benchmark.cli.output import table
from benchmark.experiments.suite import load_suite
from benchmark.workflow.plan import Plan
from benchmark.workflow.plan import plan as make_plan


def plan(
    suite: Annotated[str, typer.Argument(help="Name of a suite, or path of a suite file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print every run as JSON.")] = False,
    retrain: Annotated[bool, typer.Option(help="Count committed records as missing.")] = False,
) -> None:
    """Shows which runs of a suite are finished, missing, crashed or stale, and estimates the cost of training the missing ones.

    Trains nothing. The estimate uses the speed of finished runs of the same task and algorithm, else nominal rates.

    \b
    Examples:
      creditbench plan quick
      creditbench plan lbf-baselines --retrain
      creditbench plan my/suite.yaml --json
    """
    loaded = load_suite(suite)
    made = make_plan(loaded, results_of([loaded]), retrain=retrain)
    if as_json:
        print(json.dumps(made.as_json(), indent=2, allow_nan=False))
    else:
        _print(made)


def _print(plan: Plan) -> None:
    counts: dict[tuple[str, str], Counter[str]] = {}
    for run in plan.runs:
        key = (run.planned.spec.task, run.planned.variant)
        counts.setdefault(key, Counter()).update([run.found.presence])
    columns = ("reference", "own", "missing", "crashed", "corrupt")
    rows = [(*key, *(count[column] for column in columns)) for key, count in counts.items()]
    table(("task", "variant", *columns), rows)
    for run in plan.runs:
        if run.found.presence in ("crashed", "corrupt"):
            names = f"{run.planned.spec.task} {run.planned.variant} seed {run.planned.spec.seed}"
            print(f"{run.found.presence}: {names}: {run.found.reason}")
    for entry in plan.stale:
        print(f"stale: {entry.path} ({entry.changed})")
    if plan.failed:
        print(f"{plan.failed} of the runs that are there failed (diverged); they stay as they are.")
    if plan.count("corrupt"):
        print("A corrupt record is not trained over: move it away, and the next run of the pipeline makes it anew.")
    sources = sorted({run.price.source for run in plan.to_train if run.price})
    print(
        f"{len(plan.to_train)} of {len(plan.runs)} runs to train: {plan.core_hours:.2f} core-hours, {plan.gigabytes:.2f} GB"
        + (f" (speed: {'; '.join(sources)})" if sources else "")
    )
    if plan.suite.core_hours is not None:
        print(f"The suite declares {plan.suite.core_hours:g} core-hours for all {len(plan.runs)} runs.")
