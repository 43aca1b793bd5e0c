"""Own runs beside the committed ones: identical, in agreement, or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmark.analysis.aggregate import aggregate
from benchmark.analysis.schema import SuiteReport
from benchmark.experiments.store import Store
from tests.fixtures.synthetic_records import FEW_RESAMPLES, RETURNS, synthetic_registry, synthetic_suite, write_constant

NAN = float("nan")
TEN = [5.0, 6.0, 4.0, 5.5, 4.5, 5.2, 4.8, 6.1, 3.9, 5.0]


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    with synthetic_registry(), FEW_RESAMPLES:
        yield


def reproduce(root: Path, committed: list[float], own: list[float]) -> SuiteReport:
    suite = synthetic_suite((RETURNS,), ("strong",), range(len(committed)))
    write_constant(Store(root), suite, {(RETURNS, "strong"): committed}, reference=True)
    write_constant(Store(root), suite, {(RETURNS, "strong"): own})
    return aggregate([suite], Store(root), root / "out", retrain=True).suites[0]


def test_equal_outcomes_are_identical(tmp_path: Path) -> None:
    found = reproduce(tmp_path, TEN, TEN).reproduction[0]
    assert (found.verdict, found.identical, found.n_compared, found.difference) == ("identical", 10, 10, 0)


def test_own_runs_within_the_prediction_of_the_committed_ones_agree(tmp_path: Path) -> None:
    report = reproduce(tmp_path, [1.0, 2.0, 3.0], [1.5, NAN, 3.0])
    found = report.reproduction[0]
    assert found.prediction is not None
    half = 4.302653 * np.sqrt(1 / 3 + 1 / 2)
    assert (found.prediction.low, found.prediction.high) == pytest.approx((2 - half, 2 + half), abs=1e-5)
    assert (found.verdict, found.identical, found.n_compared, found.n_committed) == ("agrees", 1, 2, 3)
    assert found.difference == pytest.approx(0.25)
    # The report itself is of the committed runs.
    found_mean = report.tasks[0].table[0].final_return.mean
    assert found_mean is not None
    assert found_mean.value == pytest.approx(2)


def test_own_runs_outside_it_differ(tmp_path: Path) -> None:
    assert reproduce(tmp_path, TEN, [x - 3 for x in TEN]).reproduction[0].verdict == "differs"


def test_one_committed_run_predicts_nothing(tmp_path: Path) -> None:
    found = reproduce(tmp_path, [1.0], [2.0]).reproduction[0]
    assert (found.verdict, found.prediction) == ("undecided", None)


@pytest.mark.parametrize("retrain", [False, True])
def test_without_own_runs_or_without_being_asked_nothing_is_compared(tmp_path: Path, retrain: bool) -> None:
    suite = synthetic_suite((RETURNS,), ("strong",), range(2))
    write_constant(Store(tmp_path), suite, {(RETURNS, "strong"): [1.0, 2.0]}, reference=True)
    if not retrain:
        write_constant(Store(tmp_path), suite, {(RETURNS, "strong"): [1.0, 2.0]})
    assert aggregate([suite], Store(tmp_path), tmp_path / "out", retrain=retrain).suites[0].reproduction == ()


def test_the_manifest_of_a_comparison_names_both_records(tmp_path: Path) -> None:
    reproduce(tmp_path, TEN, TEN)
    entries = json.loads((tmp_path / "out" / "manifest.json").read_text())["records"]
    assert sorted({entry["presence"] for entry in entries}) == ["own", "reference"]
    assert len(entries) == 20
