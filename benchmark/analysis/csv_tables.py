"""The numbers of the report as CSV files: plain columns, one line per number with its interval, empty where there is none."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from benchmark.analysis.findings.monitors import MONITORS
from benchmark.analysis.formulas import no_formula
from benchmark.analysis.schema import Aggregate, Curve, Estimate, Improvement, Spread, SuiteReport, Summary, VariantBand
from benchmark.experiments.atomic_write import write_atomically

Row = dict[str, Any]


def write_tables(folder: Path, aggregate: Aggregate) -> None:
    """folder/runs.csv and cost.csv, and folder/<suite>/<table>.csv; none for a table without rows. Earlier tables go."""
    written = {folder / "runs.csv": _runs(aggregate), folder / "cost.csv": [_flat(row) for row in aggregate.cost]}
    for suite in aggregate.suites:
        for name, rows in _suite_tables(suite).items():
            written[folder / suite.name / f"{name}.csv"] = list(rows)
    filled = {path: table for path, table in written.items() if table}
    for path in {*folder.glob("*.csv"), *folder.glob("*/*.csv")} - filled.keys():
        path.unlink()
        if path.parent != folder and not any(path.parent.iterdir()):
            path.parent.rmdir()
    for path, table in filled.items():
        write_atomically(path, as_csv(table).encode())


def as_csv(rows: Sequence[Row]) -> str:
    """Text of a table of at least one row; all have the same columns. Text that a spreadsheet would compute is made plain."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: no_formula(cell) for name, cell in row.items()} for row in rows)
    return text.getvalue()


def _suite_tables(suite: SuiteReport) -> dict[str, Iterable[Row]]:
    return {
        "variants": [_flat(variant) for variant in suite.variants],
        "table": _table(suite),
        "curves": _curves(suite),
        "curves_by_seed": _seed_curves(suite),
        "aggregates": _aggregates(suite),
        "profiles": _bands(suite.overall.profiles, "threshold", suite.overall.profile_thresholds, "share_of_runs"),
        "sample_efficiency": _bands(suite.overall.efficiency, "fraction_of_budget", suite.overall.efficiency_fractions, "iqm"),
        "improvement": _improvements(suite),
        "ranks": [_flat(rank) for rank in suite.overall.ranks],
        "claims": [_flat(claim) for claim in suite.claims],
        "ablations": _ablations(suite),
        "monitor_curves": _monitor_curves(suite),
        "graphs": _graphs(suite),
        "graph_curves": _graph_curves(suite),
        "reproduction": [_flat(row) for row in suite.reproduction],
    }


def _runs(aggregate: Aggregate) -> list[Row]:
    return [
        {"planned": " ".join(f"{name.suite}:{name.variant}" for name in run.planned), **_flat(run, without={"planned"})}
        for run in aggregate.runs
    ]


def _table(suite: SuiteReport) -> Iterator[Row]:
    measures = (
        "final_return",
        "final_success",
        "absolute_return",
        "absolute_success",
        "normalised_final",
        "normalised_absolute",
        "area",
    )
    for task in suite.tasks:
        for row in task.table:
            for measure in measures:
                found: Summary | None = getattr(row, measure)
                if found is not None:
                    yield {
                        "task": task.task,
                        "variant": row.variant,
                        "measure": measure,
                        "n": found.n,
                        "n_planned": row.n_planned,
                        "n_failed": row.n_failed,
                        **_estimate("mean", found.mean),
                        "sd": found.sd,
                        **_estimate("iqm", found.iqm),
                        "minimum": found.minimum,
                        "maximum": found.maximum,
                        "published": row.published if measure == "final_return" else None,
                        "published_source": row.published_source if measure == "final_return" else "",
                    }


def _measures(suite: SuiteReport) -> Iterator[tuple[Row, tuple[int, ...], Curve]]:
    for task in suite.tasks:
        for curves in task.curves:
            for measure, curve in (("return", curves.returns), ("success", curves.successes)):
                yield {"task": task.task, "variant": curves.variant, "measure": measure}, task.steps, curve


def _curves(suite: SuiteReport) -> Iterator[Row]:
    for names, steps, curve in _measures(suite):
        for k, step in enumerate(steps):
            numbers = ("mean", "mean_low", "mean_high", "iqm", "iqm_low", "iqm_high")
            yield {**names, "step": step, "n": len(curve.seeds)} | {name: getattr(curve, name)[k] for name in numbers}


def _seed_curves(suite: SuiteReport) -> Iterator[Row]:
    for names, steps, curve in _measures(suite):
        for seed in curve.seeds:
            for step, value in zip(steps, seed.values, strict=True):
                yield {**names, "seed": seed.seed, "step": step, "value": value, "failed_at": seed.failed_at}


def _aggregates(suite: SuiteReport) -> Iterator[Row]:
    for score, rows in (("final", suite.overall.final), ("absolute", suite.overall.absolute)):
        for row in rows:
            for measure in ("iqm", "median", "mean", "optimality_gap"):
                yield {
                    "variant": row.variant,
                    "score": score,
                    "measure": measure,
                    **_estimate("value", getattr(row, measure)),
                    "method": row.method,
                    "reason": row.reason,
                }


def _bands(bands: Sequence[VariantBand], x: str, points: Sequence[float], y: str) -> Iterator[Row]:
    for band in bands:
        for k, point in enumerate(points):
            low, high = (None if edge is None else edge[k] for edge in (band.low, band.high))
            yield {"variant": band.variant, x: point, y: band.values[k], "low": low, "high": high}


def _improvements(suite: SuiteReport) -> Iterator[Row]:
    groups: list[tuple[str, tuple[Improvement, ...]]] = [(task.task, task.improvement) for task in suite.tasks]
    for task, pairs in [("all", suite.overall.improvement), *groups]:
        for pair in pairs:
            named = {"task": task, "better": pair.better, "than": pair.than, "n_tasks": pair.n_tasks}
            yield named | _estimate("probability", pair.probability)


def _ablations(suite: SuiteReport) -> Iterator[Row]:
    for ablation in suite.ablations:
        for task in ablation.tasks:
            for row in task.rows:
                monitors = {key: value for name in MONITORS for key, value in _estimate(name, row.monitors.get(name)).items()}
                yield {
                    "ablation": ablation.id,
                    "task": task.task,
                    "base": ablation.base,
                    "measure": ablation.measure,
                    "variant": row.variant,
                    "differs": "; ".join(row.differs),
                    "n_planned": row.n_planned,
                    "n_found": row.n_found,
                    "n_failed": row.n_failed,
                    **_estimate("final", row.final.mean),
                    **_estimate("final_iqm", row.final.iqm),
                    **_estimate("area", row.area.mean),
                    **_estimate("difference", row.difference),
                    **_estimate("improvement", row.improvement),
                    **monitors,
                    "reward_model_share": row.reward_model_share,
                    "comparison": row.comparison,
                    "reason": row.reason,
                }


def _monitor_curves(suite: SuiteReport) -> Iterator[Row]:
    steps = {task.task: task.steps for task in suite.tasks}
    for curve in suite.monitor_curves:
        points = zip(steps[curve.task][1:], curve.n, curve.median, curve.lowest, curve.highest, strict=True)
        for step, n, median, lowest, highest in points:
            named = {"task": curve.task, "variant": curve.variant, "monitor": curve.monitor, "step": step}
            yield {**named, "n": n, "median": median, "lowest": lowest, "highest": highest}


def _graphs(suite: SuiteReport) -> Iterator[Row]:
    """The last measurements: one line for each task, variant and oracle."""
    for report in suite.graphs:
        for oracle in report.oracles:
            row: Row = {
                "task": report.task,
                "variant": report.variant,
                "oracle": oracle.oracle,
                "n_measured": report.n_measured,
            }
            row |= _spread("density", report.density) | _spread("true_density", oracle.density)
            for name in ("precision", "recall", "f1", "auroc"):
                row |= _spread(name, getattr(oracle, name))
            yield row


def _graph_curves(suite: SuiteReport) -> Iterator[Row]:
    for report in suite.graphs:
        for point in report.points:
            row: Row = {"task": report.task, "variant": report.variant, "step": point.step}
            for name in ("density", "true_density", "f1"):
                row |= _spread(name, getattr(point, name))
            yield row


def _spread(name: str, found: Spread) -> Row:
    return {
        name: found.mean,
        f"{name}_n": found.n,
        f"{name}_lowest": found.lowest,
        f"{name}_highest": found.highest,
    }


def _estimate(name: str, found: Estimate | None) -> Row:
    interval = found.interval if found else None
    return {
        name: found.value if found else None,
        f"{name}_low": interval.low if interval else None,
        f"{name}_high": interval.high if interval else None,
    }


def _flat(model: BaseModel, without: set[str] | None = None) -> Row:
    """A model's fields as one line: numbers and words as they are, estimates as columns, the rest as JSON."""
    row: Row = {}
    for name in type(model).model_fields:
        if without and name in without:
            continue
        value = getattr(model, name)
        if name == "estimate":
            row |= _estimate(name, value)
        elif isinstance(value, (str, int, float)) or value is None:
            row[name] = value
        else:
            row[name] = json.dumps(model.model_dump(mode="json", include={name})[name], sort_keys=True)
    return row
