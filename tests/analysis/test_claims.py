"""Claims -> verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from benchmark.analysis.aggregate import aggregate
from benchmark.analysis.findings.claims import decide
from benchmark.analysis.schema import ClaimVerdict, Estimate, Interval
from benchmark.experiments.store import Store
from benchmark.experiments.suite import Claim
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


def better(task: str | None = RETURNS, measure: str = "final") -> Claim:
    fields = {"kind": "better", "variant": "strong", "than": "weak", "task": task, "measure": measure}
    return Claim(id="c", statement="s", source="made up", **fields)


def share(value: float = 0.5, task: str | None = RETURNS) -> Claim:
    fields = {"kind": "share_at_most", "variant": "strong", "than": "weak", "task": task, "value": value}
    return Claim(id="c", statement="s", source="made up", **fields)


def learning(root: Path, claim: Claim, curves: dict[str, list[list[float]]]) -> ClaimVerdict:
    """The verdict on runs with these curves of returns, by variant and seed."""
    suite = synthetic_suite((RETURNS,), tuple(curves), range(len(curves["strong"])), claims=(claim,))
    for name, found in curves.items():
        for seed, returns in enumerate(found):
            write(Store(root), made_up_record(suite.run(RETURNS, name, seed).spec, returns))
    return aggregate([suite], Store(root), root / "out").suites[0].claims[0]


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


def test_equal_rates_are_no_surer_than_their_episodes(tmp_path: Path) -> None:
    """Five runs of four episodes each, half of which succeed: Wilson's interval of 10 of 20 is [0.299, 0.701]."""
    for value, expected in ((0.29, "supported"), (0.5, "undecided"), (0.71, "not supported")):
        found = verdict(tmp_path, at_least(value, SUCCESSES), {(SUCCESSES, "strong"): [0.5] * 5})
        assert (found.verdict, found.found) == (expected, "0.5 [0.2993, 0.7007], 5 seeds")


def test_equal_returns_that_nothing_bounds_decide_nothing(tmp_path: Path) -> None:
    found = verdict(tmp_path, at_least(0.5, UNSCORED), {(UNSCORED, "strong"): [1.0] * 5})
    assert found.verdict == "undecided"
    assert found.reason == "there is no interval: all runs score the same, and nothing bounds what others would"
    assert found.found == "1 (no interval), 5 seeds"


@pytest.mark.parametrize(("value", "expected"), [(1.0, "supported"), (1.01, "undecided")])
def test_reaching_the_value_exactly_is_enough(value: float, expected: str) -> None:
    assert decide(Estimate(value=2, interval=Interval(low=1, high=3)), value, "at least")[0] == expected


def test_at_least_speaks_of_the_measure_that_the_task_is_scored_by(tmp_path: Path) -> None:
    found = verdict(tmp_path, at_least(0.9, SUCCESSES), {(SUCCESSES, "strong"): [0.5, 0.75, 0.5, 0.75, 0.5]})
    assert found.expected == "mean final success of 0.9 or more"
    assert found.verdict == "not supported"
    assert found.estimate is not None
    assert found.estimate.value == 0.6


def test_without_a_task_the_worst_task_decides(tmp_path: Path) -> None:
    finals = {(RETURNS, "strong"): SPREAD, (UNSCORED, "strong"): [1.0, 1.1, 0.9, 1.0, 1.0]}
    found = verdict(tmp_path, at_least(4.0, None), finals)
    assert found.verdict == "not supported"
    assert found.reason.startswith(f"{UNSCORED}: the interval")
    assert found.found.startswith(f"{RETURNS}: 5 [")
    assert verdict(tmp_path, at_least(0.5, None), finals).verdict == "supported"


@pytest.mark.parametrize(
    ("runs", "seeds", "shown"),
    [([9.0], "1 seed", "9"), ([9.0, 9.0], "2 seeds", "9"), ([9.0, 8.0, 9.5, 8.5], "4 seeds", "8.75")],
)
def test_fewer_than_five_seeds_decide_nothing(tmp_path: Path, runs: list[float], seeds: str, shown: str) -> None:
    found = verdict(tmp_path, at_least(4.0), {(RETURNS, "strong"): runs})
    assert (found.verdict, found.reason) == ("undecided", f"{seeds} cannot decide it; 5 can")
    assert found.found == f"{shown} (no interval), {seeds}"


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
    """All pairs tie, so the interval lies around one half."""
    found = verdict(tmp_path, better(), {(RETURNS, "strong"): [1.0] * 5, (RETURNS, "weak"): [1.0] * 5})
    assert found.verdict == "undecided"


def test_four_seeds_a_side_cannot_show_who_is_better(tmp_path: Path) -> None:
    found = verdict(tmp_path, better(), {(RETURNS, "strong"): [7.0, 8.0, 9.0, 9.0], (RETURNS, "weak"): [1.0, 2.0, 3.0, 3.0]})
    assert (found.verdict, found.reason) == ("undecided", "4 seeds a side cannot decide it; 5 can")
    assert found.found == "1 (no interval), 4 seeds a side"
    five = verdict(tmp_path, better(), {(RETURNS, "strong"): [7.0, 8, 9, 9, 8], (RETURNS, "weak"): [1.0, 2, 3, 3, 2]})
    assert (five.verdict, five.found) == ("supported", "1 [0.6427, 1], 5 seeds a side")
    assert "score interval" in five.estimator


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


# Areas under the learning curve

EARLY, LATE = [0.0, 6.0, 6.0, 6.0, 6.0, 6.0], [0.0, 0.0, 0.0, 0.0, 0.0, 6.0]
"""They end alike; their areas are 5 and 1."""


def test_the_area_tells_apart_what_ends_alike(tmp_path: Path) -> None:
    curves = {"strong": [EARLY] * 5, "weak": [LATE] * 5}
    assert learning(tmp_path / "final", better(), curves).verdict == "undecided"
    found = learning(tmp_path / "area", better(measure="area"), curves)
    assert (found.verdict, found.measure) == ("supported", "area")
    assert found.expected == "probability of improvement on weak by area under the curve above 0.5"
    assert found.estimate is not None
    assert found.estimate.value == 1.0


@pytest.mark.parametrize(("value", "expected"), [(1.5, "supported"), (3.0, "undecided"), (4.5, "not supported")])
def test_at_least_judges_the_mean_area_over_seeds(tmp_path: Path, value: float, expected: str) -> None:
    """Areas 5, 1, 5, 1 … have mean 3; of 16 runs the t interval is 3 -+ 2.131 * 2.066 / 4."""
    claim = at_least(value).model_copy(update={"measure": "area"})
    found = learning(tmp_path, claim, {"strong": [EARLY, LATE] * 8})
    assert found.verdict == expected
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx(3.0)
    assert found.estimate.interval is not None
    assert found.estimate.interval.low == pytest.approx(3 - 2.13145 * 2.065591 / 4, abs=1e-4)
    assert found.expected == f"mean area under the curve of return of {value:g} or more"


def test_the_area_of_a_diverged_run_goes_on_with_the_random_policy(tmp_path: Path) -> None:
    suite = synthetic_suite((RETURNS,), ("strong",), (0,), claims=(at_least(1.0).model_copy(update={"measure": "area"}),))
    write(Store(tmp_path), made_up_record(suite.run(RETURNS, "strong", 0).spec, [6.0] * 6, failed_at=500))
    found = aggregate([suite], Store(tmp_path), tmp_path / "out").suites[0].claims[0]
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx(3 * 6 / 6)


# Shares of another's score


@pytest.mark.parametrize(
    ("strong", "expected"),
    [
        ([2.0, 3.0, 2.5, 2.2, 2.8], "supported"),
        ([3.8, 4.2, 3.9, 4.0, 4.1], "undecided"),
        ([6.0, 6.5, 7.0, 6.2, 6.8], "not supported"),
    ],
)
def test_a_share_is_decided_by_the_interval_of_the_ratio(tmp_path: Path, strong: list[float], expected: str) -> None:
    found = verdict(tmp_path, share(), {(RETURNS, "strong"): strong, (RETURNS, "weak"): [7.0, 8.0, 9.0, 7.5, 8.5]})
    assert found.verdict == expected
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx(sum(strong) / 40)
    assert found.expected == "normalised final score at most 0.5 times that of weak"
    assert found.found.endswith("5 seeds a side")
    assert "Fieller" in found.estimator
    assert f"{sum(strong) / 50:.4g} against 0.8 normalised" in found.reason


def test_shares_are_of_normalised_scores(tmp_path: Path) -> None:
    found = verdict(tmp_path, share(0.5, SUCCESSES), {(SUCCESSES, "strong"): [0.25] * 20, (SUCCESSES, "weak"): [0.75] * 20})
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx((0.15 / 0.8) / (0.65 / 0.8))
    assert found.verdict == "supported"


def test_equal_scores_are_no_surer_than_their_episodes_in_a_ratio(tmp_path: Path) -> None:
    """Ten runs of four episodes with returns of 4 and 8 of 10: as sure as 16 and 32 of 40."""
    finals = {(RETURNS, "strong"): [4.0] * 10, (RETURNS, "weak"): [8.0] * 10}
    found = verdict(tmp_path, share(0.5), finals)
    assert (found.verdict, found.estimate.value if found.estimate else None) == ("undecided", 0.5)
    assert verdict(tmp_path, share(0.8), finals).verdict == "supported"


@pytest.mark.parametrize(("value", "expected"), [(3.0, "supported"), (2.99, "undecided"), (0.99, "not supported")])
def test_exactly_the_share_is_enough(value: float, expected: str) -> None:
    assert decide(Estimate(value=2, interval=Interval(low=1, high=3)), value, "at most")[0] == expected


def test_half_of_what_is_not_above_the_random_policy_decides_nothing(tmp_path: Path) -> None:
    found = verdict(tmp_path, share(), {(RETURNS, "strong"): [0.0] * 5, (RETURNS, "weak"): [0.4, 0.2, -0.1, 0.3, 0.0]})
    assert (found.verdict, found.found) == ("undecided", "no ratio, 5 seeds a side")
    assert found.reason == "weak itself is not surely above the random policy: 0.016 normalised"


def test_a_share_on_every_task_is_as_good_as_its_worst(tmp_path: Path) -> None:
    finals = {
        (RETURNS, "strong"): [2.0] * 20,
        (RETURNS, "weak"): [8.0] * 20,
        (SUCCESSES, "strong"): [0.75] * 20,
        (SUCCESSES, "weak"): [0.75] * 20,
    }
    found = verdict(tmp_path, share(0.5, None), finals)
    assert found.verdict == "not supported"
    assert found.reason.startswith(f"{SUCCESSES}: the interval [0.7814, 1.28] lies above 0.5")


@pytest.mark.parametrize(
    ("finals", "reason"),
    [
        ({(UNSCORED, "strong"): [1.0] * 5, (UNSCORED, "weak"): [5.0] * 5}, "the task has no reference scores to normalise by"),
        ({(RETURNS, "strong"): [1.0] * 4, (RETURNS, "weak"): [5.0] * 4}, "4 seeds a side cannot decide it; 5 can"),
        ({(RETURNS, "strong"): [1.0, 1.0, NAN], (RETURNS, "weak"): [5.0] * 3}, "1 of 6 runs are not there"),
        ({(RETURNS, "strong"): [NAN] * 3, (RETURNS, "weak"): [5.0] * 3}, "3 of 6 runs are not there"),
    ],
)
def test_what_keeps_a_share_undecided(tmp_path: Path, finals: dict[tuple[str, str], list[float]], reason: str) -> None:
    (task,) = {task for task, _ in finals}
    found = verdict(tmp_path, share(0.5, task), finals)
    assert (found.verdict, found.reason) == ("undecided", reason)
