"""What the report shows where there are too few runs for an interval, and of pairs and places."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.analysis.aggregate import aggregate
from benchmark.analysis.schema import Estimate, Interval
from benchmark.experiments.store import Store
from benchmark.report import formatting
from benchmark.report.site import render
from tests.fixtures.made_up_aggregate import made_up_aggregate
from tests.fixtures.made_up_experiments import made_up_study
from tests.fixtures.read_site import Reader, rows, site_of
from tests.fixtures.synthetic_records import (
    FEW_RESAMPLES,
    RETURNS,
    SUCCESSES,
    synthetic_registry,
    synthetic_suite,
    write_constant,
)

FINALS = {
    (RETURNS, "strong"): [5.0, 6.0, 4.0],
    (SUCCESSES, "strong"): [0.5, 0.75, 0.5],
    (RETURNS, "weak"): [1.0, 2.0, 1.5],
    (SUCCESSES, "weak"): [0.25, 0.25, 0.5],
}


@pytest.fixture(scope="module")
def three_seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("three-seeds")
    with synthetic_registry(), FEW_RESAMPLES:
        suite = synthetic_suite(seeds=range(3))
        write_constant(Store(root), suite, FINALS)
        aggregate([suite], Store(root), root / "aggregate")
        return render(root / "aggregate", root / "site").parent


def test_a_table_shows_three_runs_instead_of_an_interval(three_seeds: Path) -> None:
    task = Reader(three_seeds / "task-synthetic-returns.html").text
    assert "5.000 runs 4.000, 5.000, 6.000" in task
    assert "of fewer than 5 the single runs" in task
    line = rows(three_seeds / "data" / "synthetic-synthetic-returns-results.csv")[0]
    assert (line["final_return"], line["final_return_low"], line["final_return_high"]) == ("5", "", "")


def test_the_figures_of_aggregates_have_a_dot_for_each_seed_and_no_interval(three_seeds: Path) -> None:
    for name in ("headline", "intervals"):
        lines = [line for line in rows(three_seeds / "data" / f"synthetic-{name}.csv") if line["aggregate"] == "iqm"]
        strong = [line for line in lines if line["variant"] == "strong"]
        assert [line["of"] for line in strong] == ["all", "seed", "seed", "seed"]
        assert [float(line["value"]) for line in strong[1:]] == pytest.approx([0.5, 0.70625, 0.45])
        assert {(line["low"], line["high"]) for line in lines} == {("", "")}
    board = Reader(three_seeds / "leaderboard.html").text
    assert "dots: each seed over the tasks" in board
    assert "no intervals, for they need 5 runs of each; the single runs are shown." in board


def test_sample_efficiency_and_curves_have_every_seed(three_seeds: Path) -> None:
    lines = rows(three_seeds / "data" / "synthetic-efficiency.csv")
    assert [line["of"] for line in lines if line["variant"] == "weak"] == ["seed"] * 18 + ["all"] * 6
    curves = rows(three_seeds / "data" / "synthetic-synthetic-returns-curves.csv")
    assert {line["mean_low"] for line in curves} == {""}
    drawing = (three_seeds / "figures" / "synthetic-synthetic-returns-curves.svg").read_text()
    with_bands = (three_seeds / "figures" / "synthetic-synthetic-returns-seeds.svg").read_text()
    assert "FillBetweenPolyCollection" not in drawing + with_bands


def test_three_seeds_leave_every_place_open(three_seeds: Path) -> None:
    lines = rows(three_seeds / "data" / "synthetic-ranks.csv")
    assert [(line["variant"], line["rank"], line["rank_low"], line["rank_high"]) for line in lines] == [
        ("strong", "1", "1", "2"),
        ("weak", "2", "1", "2"),
    ]


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (Estimate(value=0.5, interval=Interval(low=0.25, high=0.75)), "[0.25, 0.75]"),
        (Estimate(value=0.5, interval=None, runs=(0.7, 0.3)), "runs 0.30, 0.70"),
        (Estimate(value=0.5, interval=None, runs=(0.5,)), "no interval"),
        (Estimate(value=0.5, interval=None), "no interval"),
        (None, ""),
    ],
)
def test_an_interval_in_words(estimate: Estimate | None, expected: str) -> None:
    assert formatting.interval(estimate) == expected


def test_pairs_that_are_significant_after_the_correction_are_bold_and_said_to_be(tmp_path: Path) -> None:
    content = made_up_aggregate(2, 2, 10)
    one, other = content["suites"][0]["overall"]["improvement"]
    one["significant"], other["significant"] = True, False
    site = site_of(tmp_path, content)
    lines = rows(site / "data" / "made-up-improvement.csv")
    assert [(line["better"], line["significant"]) for line in lines] == [("method-a", "1"), ("method-b", "0")]
    board = (site / "leaderboard.html").read_text()
    assert (
        "bold where it differs from one half after Holm's correction for the one pair" in Reader(site / "leaderboard.html").text
    )
    assert "<strong>0.29" not in board
    other["significant"] = True
    again = site_of(tmp_path / "again", content)
    assert "<strong>" in (again / "leaderboard.html").read_text().partition("beats the leader")[2]


def test_the_page_of_statistics_has_the_tables_of_the_study_of_intervals(tmp_path: Path) -> None:
    content = made_up_aggregate(1, 1, 10) | {"studies": [made_up_study("interval-coverage")]}
    page = Reader(site_of(tmp_path, content) / "provenance.html")
    assert "How often the intervals and tests are right" in page.text
    assert "Errors of the sum by number of agents" in page.text
    without = Reader(site_of(tmp_path / "without", made_up_aggregate(1, 1, 10)) / "provenance.html")
    assert "How often the intervals" not in without.text
