"""Who influences whom, from records to the aggregate: means over the runs that have a value, and nothing made up for others."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from benchmark.analysis.aggregate import aggregate, read_aggregate
from benchmark.analysis.schema import GraphReport, Spread, SuiteReport
from benchmark.experiments.credit_measurements import ORACLES, GraphMeasurement
from benchmark.experiments.record import make_record
from benchmark.experiments.store import Store
from benchmark.experiments.suite import Suite
from tests.fixtures.made_up_graphs import made_up_measurement
from tests.fixtures.synthetic_records import (
    FEW_RESAMPLES,
    RETURNS,
    SUCCESSES,
    made_up_record,
    synthetic_registry,
    synthetic_suite,
    write,
)

NOTHING = Spread(n=0, mean=None, lowest=None, highest=None)
Measured = Mapping[tuple[str, str, int], Sequence[GraphMeasurement]]


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    with synthetic_registry(), FEW_RESAMPLES:
        yield


def aggregated(root: Path, measured: Measured, *, seeds: int = 3, failed_at: Mapping[int, int] | None = None) -> SuiteReport:
    """The report of a suite whose runs, by task, variant and seed, have these measurements; those of `failed_at` diverged."""
    suite = _suite(measured, seeds)
    for planned in suite.runs():
        spec = planned.spec
        record = made_up_record(spec, [5.0] * 6, failed_at=(failed_at or {}).get(spec.seed))
        given = measured.get((spec.task, planned.variant, spec.seed), ())
        outcome = record.outcome.model_copy(update={"credit": completed(given, record.outcome.evaluations[-1].step)})
        write(Store(root), make_record(spec, record.origin, outcome, record.execution))
    result = aggregate([suite], Store(root), root / "out")
    assert result.suites[0].coverage.found == result.suites[0].coverage.planned, [run.reason for run in result.runs]
    return result.suites[0]


def completed(given: Sequence[GraphMeasurement], until: int) -> tuple[GraphMeasurement, ...]:
    """Measurements at all steps where a run has them: where none is given, that of the next step, or of the last, again."""

    def at(step: int) -> GraphMeasurement:
        nearest = next((one for one in given if one.step >= step), given[-1])
        return (
            nearest
            if nearest.step == step
            else nearest.without_pictures().model_copy(update={"step": step, "steps_done": step})
        )

    return tuple(at(step) for step in (0, 400, 600, 800, 1000) if given and step <= until)


def _suite(measured: Measured, seeds: int) -> Suite:
    tasks = [task for task in (RETURNS, SUCCESSES) if any(task == key[0] for key in measured)] or [RETURNS]
    return synthetic_suite(tasks, ("strong", "weak"), range(seeds))


def only(report: SuiteReport) -> GraphReport:
    (found,) = report.graphs
    return found


def at_the_end(*measurements: GraphMeasurement) -> Measured:
    """One last measurement for each seed."""
    return {(RETURNS, "strong", seed): [measurement] for seed, measurement in enumerate(measurements)}


def test_runs_without_measurements_have_no_graphs(tmp_path: Path) -> None:
    assert aggregated(tmp_path, {}).graphs == ()
    assert not (tmp_path / "out" / "csv" / "synthetic" / "graphs.csv").exists()


def test_each_number_is_the_mean_over_runs_with_its_extremes(tmp_path: Path) -> None:
    densities, f1s = (0.25, 0.25, 0.625), (0.5, 0.25, 0.75)
    measured = at_the_end(
        *(
            made_up_measurement(1000, density=density, numbers=(0.5, 0.25, f1, 0.75))
            for density, f1 in zip(densities, f1s, strict=True)
        )
    )
    found = only(aggregated(tmp_path, measured))
    assert (found.task, found.variant, found.n_found, found.n_measured, found.n_failed) == (RETURNS, "strong", 3, 3, 0)
    assert found.density == Spread(n=3, mean=0.375, lowest=0.25, highest=0.625)
    assert [one.oracle for one in found.oracles] == list(ORACLES)
    for one in found.oracles:
        assert one.f1 == Spread(n=3, mean=0.5, lowest=0.25, highest=0.75)
        assert one.auroc == Spread(n=3, mean=0.75, lowest=0.75, highest=0.75)


def test_a_number_that_a_run_does_not_have_is_left_out_and_never_zero(tmp_path: Path) -> None:
    measured = at_the_end(
        made_up_measurement(1000, numbers=(None, 0.0, 0.0, None)),
        made_up_measurement(1000, numbers=(0.8, 0.4, 0.6, None)),
    )
    chief = only(aggregated(tmp_path, measured)).oracles[-1]
    assert chief.oracle == "state and reward"
    assert chief.precision == Spread(n=1, mean=0.8, lowest=0.8, highest=0.8)
    assert chief.recall == Spread(n=2, mean=0.2, lowest=0.0, highest=0.4)
    assert chief.auroc == NOTHING


def test_each_oracle_has_its_own_numbers_in_the_fixed_order(tmp_path: Path) -> None:
    backwards = made_up_measurement(1000, oracles=("state and reward", "observation"))
    agreement = (backwards.agreement[0].model_copy(update={"precision": 0.9}), backwards.agreement[1])
    found = only(aggregated(tmp_path, at_the_end(backwards.model_copy(update={"agreement": agreement}))))
    assert [(one.oracle, one.precision.mean) for one in found.oracles] == [("observation", 0.5), ("state and reward", 0.9)]


def test_density_and_f1_over_training_are_of_the_chief_oracle(tmp_path: Path) -> None:
    first = made_up_measurement(0, density=0.0, numbers=(None, 0.0, None, None))
    second = made_up_measurement(600, density=0.5)
    other = second.agreement[0].model_copy(update={"f1": 0.99, "density": 0.99})
    second = second.model_copy(update={"agreement": (other, *second.agreement[1:])})
    early, _, late, *_ = only(aggregated(tmp_path, {(RETURNS, "strong", 0): [first, second]})).points
    assert (early.step, early.density.mean, early.f1) == (0, 0.0, NOTHING)
    assert (late.step, late.density.mean, late.true_density.mean, late.f1.mean) == (600, 0.5, 0.25, 0.6)


def test_a_run_that_diverged_counts_with_its_last_measurement_before_that(tmp_path: Path) -> None:
    whole = [made_up_measurement(step, density=0.25) for step in (0, 400, 1000)]
    cut = [made_up_measurement(step, density=0.75) for step in (0, 400)]
    report = aggregated(tmp_path, {(RETURNS, "strong", 0): whole, (RETURNS, "strong", 1): cut}, failed_at={1: 500})
    found = only(report)
    assert (found.n_found, found.n_measured, found.n_failed) == (3, 2, 1)
    assert found.density == Spread(n=2, mean=0.5, lowest=0.25, highest=0.75)
    assert [(point.step, point.density.n) for point in found.points] == [(0, 2), (400, 2), (600, 1), (800, 1), (1000, 1)]


def test_mean_graphs_are_means_over_runs_row_by_row(tmp_path: Path) -> None:
    graphs = (((1, 0.25), (0.5, 1)), ((1, 0.75), (0, 1)))
    measured = at_the_end(
        *(made_up_measurement(1000, mean_claimed=graph, mean_true=((1, 0.1), (0.2, 1))) for graph in graphs),
        made_up_measurement(1000),
    )
    mean = only(aggregated(tmp_path, measured)).mean
    assert mean is not None
    assert (mean.n, mean.claimed, mean.true) == (2, ((1, 0.5), (0.25, 1)), ((1, 0.1), (0.2, 1)))


def test_the_drawn_episode_is_that_of_the_lowest_seed_that_has_one(tmp_path: Path) -> None:
    pictures = {"mean_claimed": ((1, 0), (0, 1)), "mean_true": ((1, 0), (0, 1))}
    drawn = [{"claimed": ((1,), (edge,)), "true": ((), (2,))} for edge in (1, 2)]
    measured = at_the_end(
        made_up_measurement(1000), *(made_up_measurement(1000, drawn=episode, **pictures) for episode in drawn)
    )
    found = only(aggregated(tmp_path, measured))
    assert found.drawn_seed == 1
    assert found.drawn is not None
    assert found.drawn.claimed == ((1,), (1,))


def test_without_pictures_there_are_none(tmp_path: Path) -> None:
    found = only(aggregated(tmp_path, at_the_end(made_up_measurement(1000))))
    assert (found.mean, found.drawn, found.drawn_seed) == (None, None, None)


def test_reports_stand_in_the_order_of_tasks_and_variants(tmp_path: Path) -> None:
    keys = [(SUCCESSES, "strong", 0), (RETURNS, "weak", 1), (RETURNS, "strong", 2)]
    report = aggregated(tmp_path, {key: [made_up_measurement(1000, episodes=16 + key[2])] for key in keys})
    assert [(one.task, one.variant, one.episodes) for one in report.graphs] == [
        (RETURNS, "strong", (18, 18)),
        (RETURNS, "weak", (17, 17)),
        (SUCCESSES, "strong", (16, 16)),
    ]


def test_the_aggregate_reads_back_the_same_and_its_tables_hold_its_numbers(tmp_path: Path) -> None:
    report = aggregated(
        tmp_path, at_the_end(made_up_measurement(0), made_up_measurement(1000, numbers=(None, 0.5, 0.25, None)))
    )
    assert read_aggregate(tmp_path / "out").suites[0] == report
    tables = {}
    for name in ("graphs", "graph_curves"):
        with (tmp_path / "out" / "csv" / "synthetic" / f"{name}.csv").open() as file:
            tables[name] = list(csv.DictReader(file))
    assert [row["oracle"] for row in tables["graphs"]] == list(ORACLES)
    row = tables["graphs"][-1]
    assert (row["precision"], row["precision_n"], row["recall"], row["recall_lowest"]) == ("0.5", "1", "0.625", "0.5")
    assert (row["n_measured"], row["true_density"]) == ("2", "0.25")
    assert [(row["step"], row["f1"], row["f1_n"]) for row in tables["graph_curves"]] == [
        (step, "0.425", "2") for step in ("0", "400", "600", "800", "1000")
    ]


def test_monitors_of_graphs_are_followed_over_training(tmp_path: Path) -> None:
    suite = synthetic_suite((RETURNS,), ("strong",), (0,))
    spec = suite.run(RETURNS, "strong", 0).spec
    monitors = {"graph_density": [None, 0.25, 0.5, 0.5, 0.75], "graph_entropy_ratio": [1.0] * 5, "another": [1.0] * 5}
    write(Store(tmp_path), made_up_record(spec, [5.0] * 6, monitors=monitors))
    curves = aggregate([suite], Store(tmp_path), tmp_path / "out").suites[0].monitor_curves
    assert [curve.monitor for curve in curves] == ["graph_density", "graph_entropy_ratio"]
    assert curves[0].median == (None, 0.25, 0.5, 0.5, 0.75)
