"""The study of coverage and error rates: its worlds, its counts, and what it says of them."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.experiments.study_result import read_study
from benchmark.papers.studies import OF_THE_BENCHMARK, studies
from benchmark.papers.toolkit.estimators import share
from benchmark.studies.interval_coverage import (
    BIMODAL,
    FAMILIES,
    LIMIT,
    NORMAL,
    SKEWED,
    SPREAD,
    UNEQUAL,
    WIDE,
    Coverage,
    Errors,
    Size,
    coverage,
    familywise,
    findings,
    true_iqm,
)
from tests.checkout import ROOT

SMALL = Size((3, 5), 40, 4, 100)


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (NORMAL, 0.5),
        # 2 * the integral of -log v from 1/4 to 3/4, which is 0.7384
        (SKEWED, 0.5 + SPREAD * (1 + 2 * (0.25 * np.log(0.25) - 0.75 * np.log(0.75)) - 1)),
        (BIMODAL, 0.5),
        (LIMIT, 0.9),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_true_iqm_of_a_world_is_that_of_its_distribution(world, expected: float) -> None:
    assert true_iqm(world, 1) == pytest.approx(expected, abs=0.004)


def test_spreads_are_those_that_are_said() -> None:
    drawn = UNEQUAL.draw(np.random.default_rng(0), 20_000, 6, SPREAD)
    assert [task.std() for task in drawn] == pytest.approx(WIDE, rel=0.03)
    assert [task.std() for task in NORMAL.draw(np.random.default_rng(0), 20_000, 6, 0.04)] == pytest.approx(
        [0.04] * 6, rel=0.03
    )


def test_below_five_seeds_there_is_no_interval_and_no_difference() -> None:
    three, five = (coverage(NORMAL, 1, n, SMALL) for n in (3, 5))
    assert (three.now, three.now_width, three.without) == (None, None, 40)
    assert five.now is not None
    assert five.without == 0
    assert five.before.value < five.now.value <= 1
    assert five.before_width < five.now_width
    assert familywise(NORMAL, (SPREAD,) * 8, 1, 3, SMALL).now.value == 0


def test_equal_variants_differed_by_the_earlier_rule_and_no_longer_do() -> None:
    name, world, spreads = FAMILIES[0]
    found = familywise(world, spreads, 6, 5, Size((5,), 0, 20, 200))
    assert name == "normal"
    assert found.before.value > 0.3
    assert found.now.value < 0.2


def verdicts(low_coverage: int, wrong: int, before: int = 80) -> list[str]:
    """Of one case of coverage with so many of 100 hits, and one of pairs with so many errors."""
    covered = {
        (1, 5, "normal"): Coverage(share(before, 100), 0.1, share(low_coverage, 100), 0.2, 0),
        (1, 2, "normal"): Coverage(share(before, 100), 0.1, None, None, 100),
        (1, 5, LIMIT.name): Coverage(share(80, 100), 0.1, share(80, 100), 0.2, 0),
    }
    errors = {(1, 5, "normal"): Errors(share(60, 100), share(wrong, 100))}
    return [prediction.verdict for prediction in findings(SMALL, covered, errors).predictions]


@pytest.mark.parametrize(
    ("covered", "wrong", "expected"),
    [
        (95, 3, ["supported", "supported"]),
        (90, 7, ["undecided", "undecided"]),
        (80, 15, ["not supported", "not supported"]),
        (92, 5, ["supported", "supported"]),
    ],
)
def test_the_verdicts_follow_the_shares(covered: int, wrong: int, expected: list[str]) -> None:
    assert verdicts(covered, wrong)[:2] == expected


def test_the_limit_has_a_table_of_its_own_and_counts_against_nothing() -> None:
    covered = {
        (1, 5, "normal"): Coverage(share(80, 100), 0.1, share(95, 100), 0.2, 0),
        (1, 5, LIMIT.name): Coverage(share(80, 100), 0.1, share(80, 100), 0.2, 0),
    }
    found = findings(SMALL, covered, {(1, 5, "normal"): Errors(share(60, 100), share(3, 100))})
    assert [row[0] for row in found.tables[0].rows] == ["normal"]
    assert [row[0] for row in found.tables[2].rows] == [LIMIT.name]
    assert "0.95" in found.predictions[0].found


def test_the_committed_result_is_of_the_whole_study_and_keeps_what_is_promised() -> None:
    result = read_study(ROOT / "results" / "reference" / "studies" / "interval-coverage.json")
    assert not result.quick
    assert all(prediction.verdict != "not supported" for prediction in result.predictions)
    seeds = {row[2] for row in result.tables[0].rows}
    assert seeds == {2, 3, 5, 7, 10}


def test_the_study_is_among_all() -> None:
    assert studies()["interval-coverage"] is OF_THE_BENCHMARK[0]
