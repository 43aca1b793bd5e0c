"""Style, types, the direction of imports and the length of modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["snakefmt", "--check", "Snakefile"],
    ],
    ids=["ruff check", "ruff format", "mypy", "snakefmt"],
)
def test_a_checker_finds_nothing(command: list[str]) -> None:
    result = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_room_imports_from_one_above_it_and_there_are_no_cycles() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_import_graph_is_printed_in_layer_order() -> None:
    result = subprocess.run([sys.executable, "-m", "tests.import_graph"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    rooms = [line.split()[0] for line in result.stdout.splitlines() if " -> " in line]
    assert rooms[0] == "creditbench"
    assert rooms[-1] == "algorithms"
    assert result.stdout.splitlines()[-1] == "no upward arrow"


def test_no_module_is_longer_than_450_lines() -> None:
    for folder in ("algorithms", "benchmark", "creditbench", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= 450, f"{path}: split it by subject"
