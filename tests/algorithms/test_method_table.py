"""The table of methods for the documentation names files that exist and holds every built-in algorithm."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from algorithms.method_table import COLUMNS, file_of, method_table
from algorithms.registry import BUILT_IN, AlgorithmEntry

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("entry", BUILT_IN, ids=[entry.name for entry in BUILT_IN])
def test_the_file_of_a_method_exists_and_defines_its_factory(entry: AlgorithmEntry) -> None:
    file = ROOT / file_of(entry)
    assert file.is_file()
    assert f"def {entry.factory.partition(':')[2]}(" in file.read_text()


def test_the_table_has_one_row_per_algorithm_and_one_cell_per_column() -> None:
    header, rule, *rows = method_table().splitlines()
    assert header == f"| {' | '.join(COLUMNS)} |"
    assert set(rule) <= set("|- ")
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert all(len(row) == len(COLUMNS) for row in cells)
    assert [row[0] for row in cells] == [f"`{entry.name}`" for entry in BUILT_IN]
    oracle = dict(zip(COLUMNS, cells[[entry.name for entry in BUILT_IN].index("ippo+dg-oracle")], strict=True))
    assert oracle["reward regimes"] == "individual"
    assert oracle["privileged data"] == "`oracle_graph`"
    assert oracle["file"] == "`algorithms/advantages/dependence_graph/estimator.py`"


def test_the_command_prints_the_table_and_nothing_else() -> None:
    command = [sys.executable, "-m", "algorithms.method_table"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == method_table()
