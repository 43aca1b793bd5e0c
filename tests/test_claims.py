"""Claims -> verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from benchmark.aggregate import aggregate
from benchmark.aggregate_model import ClaimVerdict
from benchmark.store import Store
from benchmark.suites import Claim
from tests.fixtures.synthetic_records import (
    FEW_RESAMPLES,
    RETURNS,
    SUCCESSES,
    UNSCORED,
    made_up_record,
    synthetic_registry,
    synthetic_suite,
    write,
    write_constant,
)

NAN = float("nan")
SPREAD = [5.0, 6.0, 4.0, 5.5, 4.5]
"""Mean 5, sd 0.79: the t interval of the mean is [4.02, 5.98]."""


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    with synthetic_registry(), FEW_RESAMPLES:
        yield


def at_least(value: float, task: str | None = RETURNS) -> Claim:
    return Claim(id="c", statement="s", source="made up", kind="at_least", variant="strong", task=task, value=value)


def better(task: str | None = RETURNS) -> Claim:
    return Claim(id="c", statement="s", source="made up", kind="better", variant="strong", than="weak", task=task)


def verdict(root: Path, claim: Claim, finals: dict[tuple[str, str], Sequence[float]], **changes: object) -> ClaimVerdict:
    seeds = range(len(next(iter(finals.values()))))
    variants = ("strong", "weak") if claim.than else ("strong",)
    tasks = tuple(dict.fromkeys(task for task, _ in finals))
    suite = synthetic_suite(tasks, variants, seeds, claims=(claim,), **changes)
    write_constant(Store(root), suite, finals)
    return aggregate([suite], Store(root), root / "out").suites[0].claims[0]


@pytest.mark.parametrize(("value", "expected"), [(4.0, "supported"), (5.0, "undecided"), (6.0, "not supported")])
def test_at_least_is_decided_by_the_interval_of_the_mean(tmp_path: Path, value: float, expected: str) -> None:
    found = verdict(tmp_path, at_least(value), {(RETURNS, "strong"): SPREAD})
    assert found.verdict == expected
    assert found.expected == f"mean final return of {value:g} or more"
    assert found.found == "5 [4.018, 5.982], 5 seeds"
    assert found.estimate is not None
    assert found.estimate.interval is not None
    assert found.estimate.interval.low == pytest.approx(5 - 2.776445 * 0.790569 / 5**0.5, abs=1e-5)
    assert "Student t" in found.estimator


def test_reaching_the_value_exactly_is_enough(tmp_path: Path) -> None:
    assert verdict(tmp_path, at_least(0.5, SUCCESSES), {(SUCCESSES, "strong"): [0.5] * 4}).verdict == "supported"


def test_at_least_speaks_of_the_measure_that_the_task_is_scored_by(tmp_path: Path) -> None:
    found = verdict(tmp_path, at_least(0.9, SUCCESSES), {(SUCCESSES, "strong"): [0.5, 0.75, 0.5, 0.75]})
    assert found.expected == "mean final success of 0.9 or more"
    assert found.verdict == "not supported"
    assert found.estimate is not None
    assert found.estimate.value == 0.625


def test_without_a_task_the_worst_task_decides(tmp_path: Path) -> None:
    finals = {(RETURNS, "strong"): SPREAD, (UNSCORED, "strong"): [1.0, 1.1, 0.9, 1.0, 1.0]}
    found = verdict(tmp_path, at_least(4.0, None), finals)
    assert found.verdict == "not supported"
    assert found.reason.startswith(f"{UNSCORED}: the interval")
    assert found.found.startswith(f"{RETURNS}: 5 [")
    assert verdict(tmp_path, at_least(0.5, None), finals).verdict == "supported"


def test_one_seed_decides_nothing(tmp_path: Path) -> None:
    found = verdict(tmp_path, at_least(4.0), {(RETURNS, "strong"): [9.0]})
    assert (found.verdict, found.reason, found.found) == ("undecided", "one run has no interval", "9 (no interval), 1 seed")


def test_missing_runs_decide_nothing_and_the_numbers_are_shown(tmp_path: Path) -> None:
    found = verdict(tmp_path, at_least(4.0), {(RETURNS, "strong"): [*SPREAD, NAN]})
    assert (found.verdict, found.reason) == ("undecided", "1 of 6 runs are not there")
    assert found.found == "5 [4.018, 5.982], 5 seeds"


def test_no_run_at_all_decides_nothing(tmp_path: Path) -> None:
    found = verdict(tmp_path, at_least(4.0), {(RETURNS, "strong"): [NAN, NAN]})
    assert (found.verdict, found.estimate, found.found) == ("undecided", None, "no runs, 0 seeds")


def test_a_smoke_suite_is_no_evidence(tmp_path: Path) -> None:
    found = verdict(tmp_path, at_least(1.0), {(RETURNS, "strong"): SPREAD}, smoke=True)
    assert (found.verdict, found.reason) == ("undecided", "smoke suite, not evidence")


@pytest.mark.parametrize(
    ("weak", "expected"),
    [
        ([1.0, 2.0, 1.5, 1.2, 0.5], "supported"),
        ([5.1, 5.9, 4.1, 5.4, 4.6], "undecided"),
        ([8.0, 9.0, 8.5, 8.2, 9.5], "not supported"),
    ],
)
def test_better_is_decided_by_the_interval_of_the_probability_of_improvement(
    tmp_path: Path, weak: list[float], expected: str
) -> None:
    found = verdict(tmp_path, better(), {(RETURNS, "strong"): SPREAD, (RETURNS, "weak"): weak})
    assert found.verdict == expected
    assert found.threshold == 0.5
    assert found.expected == "probability of improvement on weak above 0.5"


def test_alike_is_not_better(tmp_path: Path) -> None:
    """All pairs tie, so the interval is [0.5, 0.5]: it reaches one half and does not exceed it."""
    found = verdict(tmp_path, better(), {(RETURNS, "strong"): [1.0] * 5, (RETURNS, "weak"): [1.0] * 5})
    assert found.verdict == "undecided"


def test_three_seeds_a_side_cannot_show_who_is_better(tmp_path: Path) -> None:
    found = verdict(tmp_path, better(), {(RETURNS, "strong"): [7.0, 8.0, 9.0], (RETURNS, "weak"): [1.0, 2.0, 3.0]})
    assert (found.verdict, found.reason) == ("undecided", "3 seeds a side cannot decide it; 4 can")
    four = verdict(tmp_path, better(), {(RETURNS, "strong"): [7.0, 8, 9, 9], (RETURNS, "weak"): [1.0, 2, 3, 3]})
    assert four.verdict == "supported"


def test_better_without_a_task_averages_over_all_tasks(tmp_path: Path) -> None:
    finals = {
        (RETURNS, "strong"): SPREAD,
        (RETURNS, "weak"): [x - 4 for x in SPREAD],
        (SUCCESSES, "strong"): [0.5] * 5,
        (SUCCESSES, "weak"): [0.75] * 5,
    }
    found = verdict(tmp_path, better(None), finals)
    assert found.estimate is not None
    assert found.estimate.value == 0.5
    assert (found.verdict, found.task) == ("undecided", None)
    assert found.expected.endswith("above 0.5 over 2 tasks")


def test_a_task_whose_diverged_run_has_no_score_leaves_better_undecided(tmp_path: Path) -> None:
    suite = synthetic_suite((RETURNS, UNSCORED), ("strong", "weak"), range(5), claims=(better(None),))
    finals = {
        (task, name): values for task in (RETURNS, UNSCORED) for name, values in (("strong", SPREAD), ("weak", [0.5] * 5))
    }
    write_constant(Store(tmp_path), suite, finals)
    spec = suite.run(UNSCORED, "weak", 2).spec
    write(Store(tmp_path), made_up_record(spec, [1.0] * 6, failed_at=500))
    found = aggregate([suite], Store(tmp_path), tmp_path / "out").suites[0].claims[0]
    assert (found.verdict, found.reason) == ("undecided", "only 1 of 2 tasks can be compared")
