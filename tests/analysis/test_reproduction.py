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
from tests.fixtures.synthetic_records import (
    FEW_RESAMPLES,
    RETURNS,
    SUCCESSES,
    UNSCORED,
    synthetic_registry,
    synthetic_suite,
    write_constant,
)

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
    report = reproduce(tmp_path, [1.0, 2.0, 3.0, 4.0, 5.0], [1.5, NAN, 3.0, NAN, NAN])
    found = report.reproduction[0]
    assert found.prediction is not None
    half = 2.776445 * np.sqrt(2.5) * np.sqrt(1 / 5 + 1 / 2)
    assert (found.prediction.low, found.prediction.high) == pytest.approx((3 - half, 3 + half), abs=1e-5)
    assert (found.verdict, found.identical, found.n_compared, found.n_committed) == ("agrees", 1, 2, 5)
    assert found.difference == pytest.approx(-0.75)
    # The report itself is of the committed runs.
    found_mean = report.tasks[0].table[0].final_return.mean
    assert found_mean is not None
    assert found_mean.value == pytest.approx(3)


def test_own_runs_outside_it_differ(tmp_path: Path) -> None:
    assert reproduce(tmp_path, TEN, [x - 3 for x in TEN]).reproduction[0].verdict == "differs"


@pytest.mark.parametrize("committed", [[1.0], [1.0, 2.0, 3.0, 4.0]])
def test_fewer_than_five_committed_runs_predict_nothing(tmp_path: Path, committed: list[float]) -> None:
    found = reproduce(tmp_path, committed, [x + 9 for x in committed]).reproduction[0]
    assert (found.verdict, found.prediction) == ("undecided", None)
    assert found.reason.endswith(f"{len(committed)} committed runs are too few to predict others, 5 can")


def test_after_ten_runs_that_won_every_episode_one_that_lost_a_few_agrees(tmp_path: Path) -> None:
    """Runs of four episodes: of one more, three of four may well be won; none won differs."""
    for own, expected in ((0.75, "agrees"), (0.0, "differs")):
        root = tmp_path / expected
        suite = synthetic_suite((SUCCESSES,), ("strong",), range(10))
        write_constant(Store(root), suite, {(SUCCESSES, "strong"): [1.0] * 10}, reference=True)
        write_constant(Store(root), suite, {(SUCCESSES, "strong"): [own] + [NAN] * 9})
        found = aggregate([suite], Store(root), root / "out", retrain=True).suites[0].reproduction[0]
        assert found.prediction is not None
        further, known = 3.841459 / (4 + 3.841459), 3.841459 / (40 + 3.841459)
        assert found.prediction.low == pytest.approx(1 - np.hypot(further, known), abs=1e-5)
        assert found.verdict == expected


def test_equal_returns_that_nothing_bounds_predict_nothing(tmp_path: Path) -> None:
    suite = synthetic_suite((UNSCORED,), ("strong",), range(5))
    write_constant(Store(tmp_path), suite, {(UNSCORED, "strong"): [1.0] * 5}, reference=True)
    write_constant(Store(tmp_path), suite, {(UNSCORED, "strong"): [1.1] + [NAN] * 4})
    found = aggregate([suite], Store(tmp_path), tmp_path / "out", retrain=True).suites[0].reproduction[0]
    assert (found.verdict, found.prediction) == ("undecided", None)
    assert "no spread" in found.reason


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
