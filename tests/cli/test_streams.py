"""Output that is closed, full or of few characters, and how long commands show how far they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.cli import output
from benchmark.experiments.run_spec import resolve
from benchmark.training.animation import nothing_to_show
from benchmark.training.evaluation import MAXIMUM_ROWS
from benchmark.training.progress import Lines
from tests.checkout import ROOT
from tests.fixtures.command_line import call

RUN = ["train", "--task", "matrix/climbing", "--algorithm", "ippo", "--steps", "200"]
SMALL = ["--set", "episodes_per_update=4", "--set", "epochs=1"]
COMMAND = [sys.executable, "-m", "benchmark.cli", "list", "algorithms"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a second."""
    folder = tmp_path_factory.mktemp("streams") / "run"
    assert call(*RUN, *SMALL, "--out", str(folder)) == 0
    return folder


def in_a_shell(redirection: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`creditbench list algorithms` with its standard output redirected."""
    return subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *COMMAND],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_pipe_that_its_reader_has_closed_is_no_error_message() -> None:
    assert in_a_shell("| true").stderr == ""


def test_a_full_disk_behind_standard_output_is_one_line() -> None:
    result = in_a_shell("> /dev/full")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("creditbench: ")
    assert "No space left on device" in line


def test_a_closed_standard_output_takes_everything() -> None:
    result = in_a_shell(">&-")
    assert (result.returncode, result.stderr) == (0, "")


def test_a_character_that_the_encoding_does_not_have_is_replaced() -> None:
    result = in_a_shell("", PYTHONIOENCODING="ascii", LANG="C", LC_ALL="C")
    assert (result.returncode, result.stderr) == (0, "")
    assert "ippo" in result.stdout
    assert "TAR?" in result.stdout
    assert result.stdout.isascii()


def test_a_run_goes_on_where_its_lines_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert call(*RUN, *SMALL, "--out", str(tmp_path / "run")) == 0
        monkeypatch.undo()
    assert (tmp_path / "run" / "record.json").is_file()
    (line,) = capsys.readouterr().err.splitlines()
    assert "standard output cannot be written (No space left on device)" in line


def test_lines_are_written_where_they_can_be(capsys: pytest.CaptureFixture[str]) -> None:
    Lines().say("a line")
    assert capsys.readouterr().out == "a line\n"


def test_a_result_that_cannot_be_written_is_an_error(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert call("evaluate", str(run), "--episodes", "2") == 1
        monkeypatch.undo()
    (line,) = capsys.readouterr().err.splitlines()
    assert "No space left on device" in line


def test_a_long_evaluation_says_how_far_it_is(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    episodes = 2 * MAXIMUM_ROWS + 1
    assert call("evaluate", str(run), "--episodes", str(episodes)) == 0
    quick = capsys.readouterr()
    assert quick.err == ""
    monkeypatch.setattr(output, "SECONDS_BETWEEN_LINES", 0.0)
    assert call("evaluate", str(run), "--episodes", str(episodes)) == 0
    slow = capsys.readouterr()
    assert slow.err.splitlines() == [f"episodes played: {done} of 257" for done in (128, 256, 257)]
    assert json.loads(slow.out) == json.loads(quick.out)


def test_on_a_terminal_it_is_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with output.counted("episodes played", 10) as played:
        played(10)
    assert "100%" in capsys.readouterr().err


def test_two_runs_have_curves_of_their_own_in_one_folder_for_tensorboard(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        folders = ["--out", str(tmp_path / seed), "--tensorboard", str(tmp_path / "curves")]
        assert call(*RUN, *SMALL, "--seed", seed, *folders) == 0
    logs = list((tmp_path / "curves").rglob("events.out.tfevents.*"))
    assert len({log.parent for log in logs}) == len(logs) == 2
    names = {json.loads((tmp_path / seed / "record.json").read_text())["fingerprint"][:12] for seed in ("1", "2")}
    assert {log.parent.relative_to(tmp_path / "curves").as_posix() for log in logs} == {
        f"matrix/climbing/ippo-{name}" for name in names
    }


def test_a_task_without_a_picture_is_said_to_have_none(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("watch", str(run), "--out", str(tmp_path / "x.gif")) == 2
    assert capsys.readouterr().err == "creditbench: there are no pictures of matrix/climbing: no simulator draws it\n"


@pytest.mark.parametrize("name", ["policy.safetensors", "record.json"])
def test_a_folder_in_the_place_of_a_file_of_a_run_is_one_line(
    name: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for other in {"policy.safetensors", "record.json"} - {name}:
        (tmp_path / other).write_bytes((run / other).read_bytes())
    (tmp_path / name).mkdir()
    for command in (["evaluate", str(tmp_path)], ["watch", str(tmp_path), "--out", str(tmp_path / "x.gif")]):
        assert call(*command) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert name in line
    assert not (tmp_path / "x.gif").exists()


def test_a_run_on_a_backend_without_a_picture_is_told_of_the_one_that_has_it() -> None:
    task = "lbf/5x5-2p-1f-coop"
    spec = resolve(task=task, algorithm="ippo", regime="team", seed=0, budget=40, backend="reference")
    assert nothing_to_show(spec) == (
        f"the reference backend draws no pictures of {task}; a run on the native backend can be watched"
    )
