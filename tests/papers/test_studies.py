"""Studies: the format of their results, the command, and the numbers that they share."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from algorithms.plugins import load
from benchmark.cli import app
from benchmark.experiments.record import CorruptRecord, Provenance
from benchmark.experiments.record_size import MAXIMUM_BYTES
from benchmark.experiments.study_result import Findings, Prediction, StudyResult, Table, overall, read_study, write_study
from benchmark.papers.runner import run_study
from benchmark.papers.studies import studies
from benchmark.papers.study import Study
from benchmark.papers.toolkit.estimators import Interval, above, below, cosine, mean_interval, power_law, share

MADE_UP = Provenance(
    commit=None, dirty=None, lock_sha256="0" * 64, python="3.11", torch="2", numpy="2", processor="x", threads=1, device="cpu"
)


def content(**changes: Any) -> dict[str, Any]:
    """A result as its file holds it."""
    prediction = {"expected": "more", "found": "2 [1, 3]", "verdict": "supported"}
    table = {"caption": "Numbers", "columns": ["a", "b"], "rows": [["x", 1.5], [None, 2]]}
    return {
        "schema_version": 2,
        "id": "made-up",
        **{name: name for name in ("title", "question", "design", "source")},
        "command": "creditbench study made-up",
        "verdict": "supported",
        "predictions": [prediction],
        "tables": [table],
        "quick": False,
        "seconds": 1.0,
        "provenance": MADE_UP.model_dump(),
        **changes,
    }


def saved(folder: Path, found: Any) -> Path:
    path = folder / "made-up.json"
    path.write_text(found if isinstance(found, str) else json.dumps(found))
    return path


def test_a_written_result_is_read_back_whole(tmp_path: Path) -> None:
    result = StudyResult.model_validate_json(json.dumps(content()))
    write_study(tmp_path / "made-up.json", result)
    assert read_study(tmp_path / "made-up.json") == result
    assert result.tables[0].rows == (("x", 1.5), (None, 2))


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        ("", "EOF"),
        ("[" * 70_000, "recursion limit"),
        (" " * (MAXIMUM_BYTES + 2), "larger than"),
        (content(surprise=1), "surprise"),
        (content(id="another", command="creditbench study another"), "the result of the study 'another'"),
        (content(id="../../made-up"), "id"),
        (content(command="rm -r results"), "the command of this study is 'creditbench study made-up'"),
        (content(quick=True), "the command of this study is 'creditbench study made-up --quick'"),
        (content(title="a\x1b[2Jb"), "control characters"),
        (content(design=""), "design"),
        (content(design="x" * 5000), "design"),
        (content(verdict="not supported"), "the verdict of these predictions together is 'supported'"),
        (content(predictions=[]), "predictions"),
        (content(seconds=-1.0), "seconds"),
        (json.dumps(content(seconds=float("nan"))), "finite"),
        (content(tables=[{"caption": "c", "columns": ["a", "b"], "rows": [[1]]}]), "every row needs 2 cells"),
        (content(tables=[{"caption": "c", "columns": ["a", "a"], "rows": []}]), "the same name"),
        (content(tables=[{"caption": "c", "columns": ["a"], "rows": [[True]]}]), "tables"),
        (content(tables=[{"caption": "c", "columns": ["a"], "rows": [[1e300]]}]), "tables"),
        (content(tables=[{"caption": "c", "columns": ["a"], "rows": [[10**400]]}]), "tables"),
        (content(tables=[{"caption": "c", "columns": ["a"], "rows": [["\x00"]]}]), "tables"),
        (content(tables=[{"caption": "c", "columns": ["a"], "rows": [[["nested"]]]}]), "tables"),
    ],
    ids=lambda value: None if isinstance(value, dict) else str(value)[:12],
)
def test_a_spoilt_result_is_refused_with_its_reason(spoilt: Any, reason: str, tmp_path: Path) -> None:
    with pytest.raises(CorruptRecord) as refused:
        read_study(saved(tmp_path, spoilt))
    assert reason in str(refused.value)
    assert str(refused.value).isprintable()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "made-up.json")
    with pytest.raises(CorruptRecord, match="not a file"):
        read_study(tmp_path / "made-up.json")
    with pytest.raises(CorruptRecord, match="No such file"):
        read_study(tmp_path / "nowhere.json")


def test_a_result_that_is_too_large_is_not_written(tmp_path: Path) -> None:
    rows = [["x" * 500] for _ in range(400)]
    result = StudyResult.model_validate_json(
        json.dumps(content(tables=({"caption": "c", "columns": ("a",), "rows": tuple(map(tuple, rows))},)))
    )
    with pytest.raises(ValueError, match=f"{MAXIMUM_BYTES} bytes"):
        write_study(tmp_path / "made-up.json", result)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("verdicts", "together"),
    [
        (["supported", "supported"], "supported"),
        (["supported", "undecided"], "undecided"),
        (["undecided", "not supported", "supported"], "not supported"),
    ],
)
def test_predictions_stand_or_fall_together(verdicts: list[Any], together: str) -> None:
    assert overall(tuple(Prediction(expected="e", found="f", verdict=verdict) for verdict in verdicts)) == together


def test_the_hash_of_a_result_leaves_out_clock_and_machine() -> None:
    first, later, other = (
        StudyResult.model_validate_json(json.dumps(content(**changes)))
        for changes in ({}, {"seconds": 9.0, "provenance": {**MADE_UP.model_dump(), "processor": "y"}}, {"design": "else"})
    )
    assert first.sha256 == later.sha256 != other.sha256


def test_a_table_rounds_numbers_and_keeps_words() -> None:
    table = Table.of("c", ("a", "b", "c"), [[1 / 3, "1/3", 123456789]])
    assert table.rows == ((0.333333, "1/3", 123456789),)


def test_every_study_is_listed_with_the_function_that_carries_it_out(capsys: pytest.CaptureFixture[str]) -> None:
    for study in studies().values():
        assert callable(load(study.function)), study.name
    with pytest.raises(SystemExit) as ended:
        app.main(["study", "list"])
    assert not ended.value.code
    shown = capsys.readouterr().out
    assert all(name in shown for name in studies())


@pytest.mark.slow
@pytest.mark.parametrize("name", [study.name for study in studies().values() if not study.about_time])
def test_a_study_repeats_itself(name: str) -> None:
    first, second = (run_study(studies()[name], quick=True, progress=lambda *told: None) for _ in range(2))
    assert first.sha256 == second.sha256


def test_listing_studies_needs_no_torch() -> None:
    code = (
        "import sys, benchmark.papers.studies, benchmark.cli.commands.study; "
        "sys.exit('torch' in sys.modules or 'numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["policy-preservatoin"], "Did you mean policy-preservation"), (["made-up", "--quick"], "There is no study 'made-up'")],
)
def test_a_study_that_is_not_there_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as ended:
        app.main(["study", *arguments, "--out", str(tmp_path)])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def made_up(quick: bool, progress: Any) -> Findings:
    """A study that finds out whether it was quick."""
    progress(0, 1, "asking")
    prediction = Prediction(expected="quick", found="quick" if quick else "slow", verdict="supported" if quick else "undecided")
    return Findings("asks", (prediction, prediction), (Table.of("Answers", ("quick",), [[int(quick)]]),))


@pytest.fixture
def a_study(monkeypatch: pytest.MonkeyPatch) -> Study:
    study = Study("made-up", "Title", "Question?", "ours", 0.01, "tests.papers.test_studies:made_up")
    monkeypatch.setitem(studies(), study.name, study)
    return study


def test_the_command_writes_the_result_and_says_what_was_found(
    a_study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        app.main(["study", "made-up", "--quick", "--out", str(tmp_path)])
    assert not ended.value.code
    result = read_study(tmp_path / "made-up.json")
    assert result.quick
    assert result.command == "creditbench study made-up --quick"
    assert re.search(r"made-up: 0/1 asking\n(.*\n)*found: quick \[supported\]", capsys.readouterr().out)


def test_a_quick_try_never_takes_the_place_of_a_whole_study(
    a_study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_study(tmp_path / "made-up.json", run_study(a_study, quick=False, progress=lambda *told: None))
    with pytest.raises(SystemExit) as ended:
        app.main(["study", "made-up", "--quick", "--out", str(tmp_path)])
    assert ended.value.code == 2
    assert "give another --out" in capsys.readouterr().err
    assert read_study(tmp_path / "made-up.json").verdict == "undecided"


# Numbers


def test_the_interval_of_a_share_is_wilsons() -> None:
    # By hand, z = 1.96: centre (8/10 + z^2/20) / (1 + z^2/10), half z sqrt(0.016 + z^2/400) / (1 + z^2/10).
    value, low, high = share(8, 10)
    assert value == 0.8
    assert (low, high) == pytest.approx((0.49016, 0.94331), abs=1e-4)
    with pytest.raises(ValueError, match="no cases"):
        share(0, 0)


def test_the_interval_of_a_mean_is_students() -> None:
    # Standard error 1 / sqrt(3), 97.5 % point of t with 2 degrees of freedom 4.3027.
    assert mean_interval([1.0, 2.0, 3.0]) == pytest.approx((2.0, 2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-3)


def test_a_power_law_is_found_with_its_exponent() -> None:
    sizes = np.array([1, 2, 4, 8])
    exact = power_law(sizes, 3.0 * sizes**1.5)
    assert exact == pytest.approx((1.5, 1.5, 1.5))
    noisy = power_law(sizes, 3.0 * sizes**1.5 * [1.1, 0.9, 1.1, 0.9])
    assert noisy.low < 1.5 < noisy.high


@pytest.mark.parametrize(
    ("interval", "over", "under"),
    [
        ((2, 1, 3), "supported", "not supported"),
        ((0, -1, 0.4), "not supported", "supported"),
        ((1, 0, 2), "undecided", "undecided"),
    ],
)
def test_a_level_is_passed_where_the_interval_does_not_hold_it(interval: tuple[float, ...], over: str, under: str) -> None:
    assert above(Interval(*interval), 0.5) == over
    assert below(Interval(*interval), 0.5) == under


def test_not_below_a_level_is_refuted_by_the_whole_interval_alone() -> None:
    assert above(Interval(1, 0, 2), 0.5, strictly=False) == "supported"
    assert above(Interval(0, -1, 0.4), 0.5, strictly=False) == "not supported"


def test_the_cosine_of_arrays() -> None:
    assert cosine(np.array([[1.0], [0.0]]), np.array([[1.0], [1.0]])) == pytest.approx(2**-0.5)
    assert cosine(np.zeros(2), np.ones(2)) == 0
