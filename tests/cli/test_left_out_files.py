"""`creditbench aggregate` names what it leaves out: one line a file, with the reason."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmark.cli.output import left_out_lines
from benchmark.experiments.record import write_record
from benchmark.experiments.store import Store
from benchmark.experiments.suite import load_suite
from tests.cli.test_cli import call
from tests.fixtures.synthetic_records import made_up_record


def test_a_record_and_a_study_that_cannot_be_used_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = next(iter(load_suite("quick").runs())).spec
    path = Store().own(spec)
    write_record(path, made_up_record(spec, [0.5] * spec.evaluation.points))
    path.write_text(path.read_text().replace('"schema_version":1', '"schema_version":2'))
    studies = Path("results/reference/studies")
    studies.mkdir(parents=True)
    (studies / "mine.json").write_text("{")
    assert call("aggregate", "--suite", "quick") == 0
    newer, study = [line for line in capsys.readouterr().out.splitlines() if line.startswith("left out: ")]
    assert newer == f"left out: {path}: written by a newer version (format 2; this one reads 1)"
    assert study.startswith("left out: results/reference/studies/mine.json: study: Invalid JSON")


def test_many_files_are_counted_beyond_the_first() -> None:
    runs: list[Any] = [SimpleNamespace(presence="corrupt", reason=f"{number}: bad") for number in range(30)]
    runs += [SimpleNamespace(presence="own", reason=None), SimpleNamespace(presence="missing", reason=None)]
    lines = left_out_lines(SimpleNamespace(runs=runs, studies_refused=("study: bad",)))  # type: ignore[arg-type]
    assert len(lines) == 21
    assert (lines[0], lines[-1]) == ("left out: 0: bad", "left out: 11 more")
