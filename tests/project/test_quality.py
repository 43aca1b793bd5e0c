"""Style, types and the direction of imports."""

from __future__ import annotations

import ast
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


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_algorithms_import_nothing_of_the_benchmark() -> None:
    files = sorted((ROOT / "algorithms").rglob("*.py"))
    assert files
    for path in files:
        assert not [name for name in imports(path) if name.partition(".")[0] == "benchmark"], path


def test_environments_know_nothing_of_runs_records_and_reports() -> None:
    later = ("experiment", "training", "records", "statistics", "aggregate", "report", "suites", "store", "cli")
    for path in sorted((ROOT / "benchmark" / "environments").rglob("*.py")):
        assert not [name for name in imports(path) if name.startswith(tuple(f"benchmark.{part}" for part in later))], path


def test_no_module_is_longer_than_its_subject() -> None:
    for folder in ("algorithms", "benchmark", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= 450, f"{path} wants splitting by what it is about"
