"""From records to estimates where there are too few runs, or runs without any spread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmark.analysis.aggregate import aggregate
from benchmark.analysis.schema import SuiteReport, TableRow, TaskReport
from benchmark.experiments.store import Store
from benchmark.experiments.suite import Suite
from tests.fixtures.synthetic_records import (
    FEW_RESAMPLES,
    RETURNS,
    SUCCESSES,
    UNSCORED,
    synthetic_registry,
    synthetic_suite,
    write_constant,
)


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    with synthetic_registry(), FEW_RESAMPLES:
        yield


def report_of(suite: Suite, root: Path) -> SuiteReport:
    return aggregate([suite], Store(root), root / "out").suites[0]


def task_of(report: SuiteReport, name: str) -> TaskReport:
    return next(task for task in report.tasks if task.task == name)


def row(report: SuiteReport, task: str, variant: str) -> TableRow:
    return next(row for row in task_of(report, task).table if row.variant == variant)


def test_fewer_than_five_runs_are_shown_one_by_one(tmp_path: Path) -> None:
    suite = synthetic_suite((RETURNS, SUCCESSES), ("strong",), range(4))
    returns, successes = [3.0, 4.0, 6.0, 5.0], [0.5, 0.5, 0.75, 1.0]
    write_constant(Store(tmp_path), suite, {(RETURNS, "strong"): returns, (SUCCESSES, "strong"): successes})
    report = report_of(suite, tmp_path)
    mean = row(report, RETURNS, "strong").final_return.mean
    assert mean is not None
    assert (mean.interval, mean.runs) == (None, pytest.approx((3, 4, 6, 5)))
    iqm = report.overall.final[0].iqm
    assert iqm is not None
    expected = [(a / 10 + (b - 0.1) / 0.8) / 2 for a, b in zip(returns, successes, strict=True)]
    assert (iqm.interval, iqm.runs) == (None, pytest.approx(expected, abs=1e-6))
    efficiency = report.overall.efficiency[0]
    assert (efficiency.low, efficiency.high) == (None, None)
    assert [run[-1] for run in efficiency.runs] == pytest.approx(expected, abs=1e-6)


def test_rates_and_returns_that_are_all_the_same_are_known_as_well_as_their_episodes_tell(tmp_path: Path) -> None:
    """Ten runs of four episodes: Wilson's interval of 40 of 40 is [0.912, 1]. Nothing bounds the returns of the last task."""
    suite = synthetic_suite((RETURNS, SUCCESSES, UNSCORED), ("strong",))
    tasks = {RETURNS: 10.0, SUCCESSES: 1.0, UNSCORED: 1.0}
    write_constant(Store(tmp_path), suite, {(task, "strong"): [value] * 10 for task, value in tasks.items()})
    report = report_of(suite, tmp_path)
    least = 40 / (40 + 1.959964**2)
    success = row(report, SUCCESSES, "strong")
    found = [success.final_success.mean, success.final_success.iqm, row(report, RETURNS, "strong").final_return.mean]
    lows = [one.interval.low for one in found if one and one.interval]
    assert lows == pytest.approx([least, least, 10 * least], abs=1e-5)
    absolute = success.absolute_success.mean
    assert absolute is not None
    assert absolute.interval is not None
    assert absolute.interval.low == pytest.approx(80 / (80 + 1.959964**2), abs=1e-5)
    assert task_of(report, SUCCESSES).curves[0].successes.mean_low == pytest.approx([least] * 6, abs=1e-5)
    unscored = row(report, UNSCORED, "strong").final_return.mean
    assert unscored is not None
    assert (unscored.interval, unscored.runs) == (None, ())
    iqm = report.overall.final[0].iqm
    assert iqm is not None
    assert iqm.interval is not None
    # On the normalised scale: 1 for the best return and 1.125 for a success rate of 1, of which 1 / 0.8 is the slope.
    floor = np.hypot(1 - least, (1 - least) / 0.8) / 2
    assert iqm.interval.low == pytest.approx(iqm.value - floor, abs=1e-5)
