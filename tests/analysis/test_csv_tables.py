"""The CSV tables of an aggregate: no formulas of other people, and nothing of suites that have gone."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.analysis.aggregate import aggregate
from benchmark.analysis.csv_tables import as_csv
from benchmark.analysis.formulas import no_formula
from benchmark.experiments.store import Store
from benchmark.experiments.suite import Variant
from benchmark.report.figure_style import Data
from tests.fixtures.synthetic_records import FEW_RESAMPLES, RETURNS, synthetic_registry, synthetic_suite, write_constant


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    with synthetic_registry(), FEW_RESAMPLES:
        yield


def test_the_tables_hold_the_numbers_of_the_model(tmp_path: Path) -> None:
    suite = synthetic_suite((RETURNS,), ("strong",))
    write_constant(Store(tmp_path), suite, {(RETURNS, "strong"): [5.0, 6.0, 4.0, 5.5, 4.5, 5.2, 4.8, 6.1, 3.9, 5.0]})
    result = aggregate([suite], Store(tmp_path), tmp_path / "out")
    folder = tmp_path / "out" / "csv"
    with (folder / "synthetic" / "table.csv").open() as file:
        found = next(line for line in csv.DictReader(file) if line["measure"] == "final_return")
    expected = result.suites[0].tasks[0].table[0].final_return
    assert expected.mean is not None
    assert expected.mean.interval is not None
    assert float(found["mean"]) == expected.mean.value
    assert float(found["mean_low"]) == expected.mean.interval.low
    assert int(found["n"]) == 10
    with (folder / "runs.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(result.runs)


@pytest.mark.parametrize("text", ["=1+1", "=HYPERLINK(0)", "+cmd", "-1+1", "-x", "- 5", "@SUM(A1)", "\t=1", "\r=1", "+", "-1e"])
def test_text_that_a_spreadsheet_would_compute_is_made_plain(text: str) -> None:
    assert no_formula(text) == f"'{text}"


@pytest.mark.parametrize("cell", [-1.5, 3, None, True, "-1.5", "+3", "-2.5e-08", "-.5", "mappo", "a=b", "", "mappo+dg"])
def test_numbers_and_other_text_stay_as_they_are(cell: object) -> None:
    assert no_formula(cell) is cell


def test_formulas_reach_neither_the_tables_of_the_aggregate_nor_those_of_the_report() -> None:
    (_, row) = csv.reader(io.StringIO(as_csv([{"variant": "=1+1", "value": -1.5}])))
    assert row == ["'=1+1", "-1.5"]
    header, row = csv.reader(io.StringIO(Data(("step", "@x"), (("=1+1", -1.5),)).csv()))
    assert (header, row) == (["step", "'@x"], ["'=1+1", "-1.5"])


def test_a_variant_with_a_formula_for_a_title_is_plain_in_every_table(tmp_path: Path) -> None:
    suite = synthetic_suite((RETURNS,), {"mine": Variant(algorithm="strong", title="=1+1")}, range(2))
    write_constant(Store(tmp_path), suite, {(RETURNS, "mine"): [1.0, -2.0]})
    aggregate([suite], Store(tmp_path), tmp_path / "out")
    cells = [
        cell
        for path in (tmp_path / "out" / "csv").rglob("*.csv")
        for row in csv.reader(io.StringIO(path.read_text()))
        for cell in row
    ]
    assert "'=1+1" in cells
    assert "-2.0" in cells
    assert not [cell for cell in cells if cell.startswith("=")]


def test_tables_of_a_suite_that_has_gone_go_too(tmp_path: Path) -> None:
    suites = [synthetic_suite((RETURNS,), ("strong",), range(2), name=name) for name in ("kept", "gone")]
    for suite in suites:
        write_constant(Store(tmp_path), suite, {(RETURNS, "strong"): [1.0, 2.0]})
    folder = tmp_path / "out" / "csv"
    aggregate(suites, Store(tmp_path), tmp_path / "out")
    assert {path.name for path in folder.iterdir()} == {"runs.csv", "cost.csv", "kept", "gone"}
    (folder / "kept" / "old.csv").write_text("")
    (folder / "kept" / "mine.txt").write_text("")
    aggregate(suites[:1], Store(tmp_path), tmp_path / "out")
    assert {path.name for path in folder.iterdir()} == {"runs.csv", "cost.csv", "kept"}
    assert not (folder / "kept" / "old.csv").exists()
    assert (folder / "kept" / "mine.txt").exists()
