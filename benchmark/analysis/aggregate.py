"""From records to `aggregate.json`: everything that the report shows, computed once.

Beside it `manifest.json`, the records it was made of, and `csv/`, the same numbers as tables. Equal records give equal
bytes: nothing here reads a clock, and every bootstrap is seeded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel

from benchmark.analysis.csv_tables import write_tables
from benchmark.analysis.findings.ablations import ablations
from benchmark.analysis.findings.claims import evaluate_claims
from benchmark.analysis.findings.cost import core_hours, costs
from benchmark.analysis.findings.dependence_graphs import graphs
from benchmark.analysis.findings.monitors import curves
from benchmark.analysis.findings.reproduction import reproduction
from benchmark.analysis.findings.suite_summary import overall
from benchmark.analysis.findings.task_summary import task_report
from benchmark.analysis.inputs import INPUTS_FILE, aggregate_inputs, made_of, suite_inputs
from benchmark.analysis.runs.eligibility import RANKING_SEEDS, notes, variant_summary
from benchmark.analysis.runs.run_table import Reader, RunState, SuiteRuns, coverage
from benchmark.analysis.schema import (
    MODEL_VERSION,
    Aggregate,
    EvaluationPolicy,
    Manifest,
    ManifestEntry,
    Methods,
    PlannedAs,
    RunRow,
    SuiteReport,
)
from benchmark.analysis.statistics.resampling import BOOTSTRAP_SEED, CONFIDENCE, RESAMPLES, SMALLEST_SAMPLE
from benchmark.analysis.study_results import Studies
from benchmark.experiments.atomic_write import write_atomically
from benchmark.experiments.run_spec import PROTOCOL_VERSION
from benchmark.experiments.store import Store
from benchmark.experiments.suite import Suite

AGGREGATE_FILE = "aggregate.json"
MANIFEST_FILE = "manifest.json"
TABLE_FOLDER = "csv"

METHODS = {
    "score": "A run's score is the mean over the episodes of one evaluation; episodes are averaged before runs are.",
    "final": "Final: the last evaluation of training. Absolute: the policy of the best evaluation, on fresh episodes: protocol "
    "1 takes the highest mean return, the earliest of equals, protocol 2 the highest sampled score, the latest of equals.",
    "normalised": "Normalised: (score - random) / (best - random), by reference scores that are fixed for each task.",
    "diverged": "A run that diverged is scored as the random policy from the point of failure on.",
    "missing": "A run that is missing, crashed or unreadable has no score; it is counted, and its variant is not ranked.",
    "few seeds": "Fewer than five seeds have no interval, no verdict and no tie that is broken: each run is shown instead.",
    "mean": "Mean over the seeds of one task, with Student's t interval.",
    "aggregates": "IQM, median, mean, optimality gap, performance profiles and sample efficiency over tasks: rliable (Agarwal "
    "et al. 2021) where all tasks have the same number of runs; else the same estimates by our own code, each task weighing "
    "the same. IQM on one task: rliable's estimate, all points of a curve at once. All read the same resamples of whole runs "
    "within each task.",
    "small samples": "Percentile intervals of few runs are too narrow. Their sides are stretched by t / z sqrt(n / (n - 1)), t "
    "and z the 97.5 % points of Student's and of the normal distribution, with Welch and Satterthwaite's degrees of freedom "
    "of the jackknife. The study interval-coverage measures what that does.",
    "floor": "No interval of a rate is narrower than Wilson's over the evaluation episodes of its runs, no share of a "
    "profile than Wilson's over the runs. Equal returns of all runs have the same floor on the scale from the random policy to "
    "the best known score, and no interval where the task has no such scores.",
    "area": "Area under the learning curve: the mean score over the evaluation points of a run, in the task's own units.",
    "difference": "Difference of the mean final scores of two variants: Welch's t interval.",
    "ratio": "Ratio of two mean normalised final scores: Fieller's interval; none where the mean below the line is not surely "
    "above the random policy's.",
    "ablations": "Ablations: a variant is better or worse than the base where the interval of its probability of improvement "
    "lies wholly on one side of one half, the tests of differences (see ranks) confirm it after Holm's "
    "correction for the number of variants beside the base, all runs are there and each side has five seeds or more.",
    "monitors": "Monitors of reward models: of each run the last value of training, then the mean over runs.",
    "graphs": "Who influences whom: the last measurement of each run, then the mean over the runs that have a value; a run "
    "that diverged counts with its last measurement before that.",
    "improvement": "Probability of improvement: the chance that a run of one scores higher than a run of the other, ties "
    "half, averaged over tasks, those without reference scores included (rliable's estimate). Its interval is a score interval "
    "with the variance of Hanley and McNeil (1982); it is for one comparison. A pair is printed bold where it differs from one "
    "half after Holm's correction for all pairs.",
    "ranks": "Ranks: by IQM over the tasks. Two variants differ if Student's t tests of their IQMs and of their means are both "
    "significant, in one direction, after Holm's correction for all pairs; else they tie. The interval of a place leaves out "
    "those that are significantly better or worse; it is right for all variants at once in 95 of 100 cases.",
    "claims": "Claims: each is one comparison, named before the runs were made; there is no correction for their number.",
    "reproduction": "Reproduction: the mean of the own runs against the 95 % prediction interval of the committed ones, "
    "which have to be five or more.",
    "cost": "Core-hours: seconds of all phases x threads, failed runs included; the time of crashed runs is not known.",
}


@dataclass(frozen=True)
class Part:
    """What was computed, and the records that it was made of."""

    aggregate: Aggregate
    manifest: Manifest


def aggregate(
    suites: Sequence[Suite], store: Store, out: Path, *, retrain: bool = False, cache: Path | None = None
) -> Aggregate:
    """Aggregates what is there of the suites' runs and writes it below `out`.

    The committed record of a run is taken where there is one, unless its suite always trains. `retrain`: own records are
    compared with the committed ones as well. `cache`: a folder of parts, see `suite_part`. Raises SuiteError if a suite
    names what does not exist.
    """
    # Before anything is read: a record that arrives meanwhile makes the aggregate out of date.
    inputs = aggregate_inputs({suite.name: suite_inputs(suite, store, retrain=retrain) for suite in suites}, store)
    if cache is None:
        parts = [aggregate_suite(suite, store, retrain=retrain) for suite in suites]
    else:
        parts = [suite_part(suite, store, cache, retrain=retrain) for suite in suites]
    result = combined(parts, store)
    write_part(out, result, inputs)
    write_tables(out / TABLE_FOLDER, result.aggregate)
    return result.aggregate


def suite_part(suite: Suite, store: Store, cache: Path, *, retrain: bool = False) -> Part:
    """The aggregate of one suite: from the folder `cache`/<suite> if it was made of the same inputs, else computed and
    written there."""
    folder, inputs = cache / suite.name, suite_inputs(suite, store, retrain=retrain)
    if made_of(folder) == inputs:
        try:
            return Part(read_aggregate(folder), Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes()))
        except (OSError, ValueError):  # damaged by hand, or half gone
            (folder / INPUTS_FILE).unlink(missing_ok=True)
    part = aggregate_suite(suite, store, retrain=retrain)
    write_part(folder, part, inputs)
    return part


def aggregate_suite(suite: Suite, store: Store, *, retrain: bool = False) -> Part:
    """The aggregate of one suite, without studies."""
    reader = Reader(store)
    runs = SuiteRuns(suite, reader.states(suite, reference=not suite.always_train))
    report = _suite_report(runs, reader, retrain=retrain)
    return _part([report], _rows(runs, reader), reader.manifest())


def combined(parts: Sequence[Part], store: Store) -> Part:
    """One aggregate of several suites' and of the committed studies.

    A run that several suites plan has one row; a run that one suite takes from the committed records and another does not
    has two.
    """
    rows: dict[tuple[str, str | None], RunRow] = {}
    for part in parts:
        for row in part.aggregate.runs:
            key = (row.fingerprint, row.path)
            planned = (*rows[key].planned, *row.planned) if key in rows else row.planned
            rows[key] = row.model_copy(update={"planned": planned})
    entries = {entry.path: entry for part in parts for entry in part.manifest.records}
    reports = [report for part in parts for report in part.aggregate.suites]
    return _part(reports, tuple(rows.values()), [entries[path] for path in sorted(entries)], Studies(store))


def _part(
    reports: Sequence[SuiteReport], rows: tuple[RunRow, ...], entries: Sequence[ManifestEntry], studies: Studies | None = None
) -> Part:
    return Part(
        Aggregate(
            model_version=MODEL_VERSION,
            methods=_methods(),
            runs=rows,
            suites=tuple(reports),
            cost=costs(rows),
            core_hours=sum(map(core_hours, rows)),
            studies=tuple(studies.results) if studies else (),
            studies_refused=tuple(studies.refused) if studies else (),
            notes=tuple(f"{report.title}: {note}" for report in reports for note in report.notes),
        ),
        Manifest(model_version=MODEL_VERSION, records=tuple(entries), studies=tuple(studies.files) if studies else ()),
    )


def write_part(folder: Path, part: Part, inputs: str) -> None:
    """aggregate.json, manifest.json and, when both are whole, the hash of what they were made of."""
    (folder / INPUTS_FILE).unlink(missing_ok=True)
    _write(folder / MANIFEST_FILE, part.manifest)
    _write(folder / AGGREGATE_FILE, part.aggregate)
    write_atomically(folder / INPUTS_FILE, f"{inputs}\n".encode())


def read_aggregate(folder: Path) -> Aggregate:
    """What was written into `folder`. Raises OSError, or ValidationError if it is of another version."""
    return Aggregate.model_validate_json((folder / AGGREGATE_FILE).read_bytes())


def _suite_report(runs: SuiteRuns, reader: Reader, *, retrain: bool) -> SuiteReport:
    suite = runs.suite
    variants = tuple(variant_summary(runs, name) for name in suite.variants)
    return SuiteReport(
        **suite.model_dump(include=_SUITE_FIELDS),
        settings_source=suite.origin.in_words,
        published_source=suite.published_source,
        core_hours=sum(core_hours(reader.row(state, ())) for state in runs.states),
        declared_core_hours=suite.core_hours,
        evaluation=EvaluationPolicy(**suite.evaluation.model_dump()),
        coverage=coverage(runs.states),
        variants=variants,
        tasks=tuple(task_report(runs, entry, task) for entry, task in zip(suite.tasks, runs.tasks, strict=True)),
        overall=overall(runs, {variant.variant: variant.status for variant in variants}),
        claims=evaluate_claims(runs),
        ablations=ablations(runs),
        monitor_curves=tuple(curves(runs)),
        graphs=tuple(graphs(runs)),
        reproduction=reproduction(runs, SuiteRuns(suite, reader.states(suite, reference=False))) if retrain else (),
        notes=tuple(notes(runs)),
    )


_SUITE_FIELDS = {
    "name",
    "title",
    "description",
    "smoke",
    "always_train",
    "preset",
    "time_limit",
    "parallel_episodes",
    "seeds",
}


def _rows(runs: SuiteRuns, reader: Reader) -> tuple[RunRow, ...]:
    """One row per run, in the order of the suite."""
    states: dict[tuple[str, object], tuple[RunState, list[PlannedAs]]] = {}
    for state in runs.states:
        _, names = states.setdefault((state.spec.fingerprint, state.found.path), (state, []))
        names.append(PlannedAs(suite=runs.suite.name, variant=state.variant))
    return tuple(reader.row(state, names) for state, names in states.values())


def _methods() -> Methods:
    return Methods(
        confidence=CONFIDENCE,
        resamples=RESAMPLES,
        bootstrap_seed=BOOTSTRAP_SEED,
        smallest_sample=SMALLEST_SAMPLE,
        rliable_version=version("rliable"),
        ranking_seeds=RANKING_SEEDS,
        protocol_version=PROTOCOL_VERSION,
        texts=METHODS,
    )


def _write(path: Path, model: BaseModel) -> None:
    text = json.dumps(model.model_dump(mode="json"), indent=1, allow_nan=False, ensure_ascii=False)
    write_atomically(path, (text + "\n").encode())
