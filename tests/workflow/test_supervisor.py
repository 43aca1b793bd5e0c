"""The small parent: a death becomes a note, an interruption does not, and success removes the note."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmark.workflow.supervisor import CRASH_NOTE, main, reason_of, supervise

ROOT = Path(__file__).parents[2]


def child(script: str) -> list[str]:
    return [sys.executable, "-S", "-c", script]


def note(folder: Path) -> dict[str, Any] | None:
    path = folder / CRASH_NOTE
    return json.loads(path.read_text()) if path.exists() else None


def test_success_writes_no_note_and_removes_an_old_one(tmp_path: Path) -> None:
    (tmp_path / CRASH_NOTE).write_text("{}")
    assert supervise(child("pass"), tmp_path) == 0
    assert note(tmp_path) is None


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [
        ("raise ValueError('too bad')", 1, "exit code 1: ValueError: too bad"),
        ("import sys; print('creditbench: a/b: x of row 1 is nan', file=sys.stderr); sys.exit(2)", 2, "a/b: x of row 1 is nan"),
        ("raise SystemExit(7)", 7, "exit code 7: it said nothing"),
        ("raise MemoryError('no room')", 1, "out of memory: MemoryError: no room"),
        ("raise OSError(28, 'No space left on device')", 1, "disk full: OSError: [Errno 28] No space left on device"),
        ("import os; os.kill(os.getpid(), 9)", 137, "killed by SIGKILL: out of memory, or by hand"),
        ("import os; os.kill(os.getpid(), 11)", 139, "killed by SIGSEGV: it said nothing"),
    ],
)
def test_a_death_becomes_a_note_and_an_exit_code(tmp_path: Path, script: str, code: int, reason: str) -> None:
    assert supervise(child(script), tmp_path / "new") == code
    written = note(tmp_path / "new")
    assert written is not None
    assert written["reason"] == reason
    assert written["exit_code"] == code


def test_stderr_is_passed_through_and_its_end_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = "import sys\nfor k in range(1000): print('line', k, file=sys.stderr)\nsys.exit(1)"
    supervise(child(script), tmp_path)
    written = note(tmp_path)
    assert written is not None
    assert written["stderr"].splitlines() == [f"line {k}" for k in range(960, 1000)]
    assert "line 0\nline 1\n" in capsys.readouterr().err


def test_the_note_of_a_store_is_where_the_supervisor_writes_it(tmp_path: Path) -> None:
    from benchmark.experiments.store import Store
    from tests.experiments.test_records import SPEC

    store = Store(tmp_path)
    supervise(child("raise ValueError('too bad')"), store.checkpoints(SPEC))
    found = store.find(SPEC)
    assert (found.presence, found.reason) == ("crashed", "exit code 1: ValueError: too bad")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_passed_on_and_leave_no_note(tmp_path: Path, number: int) -> None:
    script = (
        "import signal, sys, time\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit({128 + number}))\n"
        f"open({str(tmp_path / 'ready')!r}, 'w').close()\n"
        "time.sleep(60)"
    )
    command = [sys.executable, "-m", "benchmark.workflow.supervisor", str(tmp_path), "--", *child(script)]
    parent = subprocess.Popen(command, cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "ready").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        parent.send_signal(number)
        assert parent.wait(timeout=60) == 128 + number
    finally:
        parent.kill()
    assert note(tmp_path) is None


def test_the_log_says_what_runs_where_even_if_the_whole_process_group_is_killed(tmp_path: Path) -> None:
    script = f"open({str(tmp_path / 'ready')!r}, 'w').close(); import time; time.sleep(60)"
    command = [sys.executable, "-m", "benchmark.workflow.supervisor", str(tmp_path), "--", *child(script)]
    environment = {**os.environ, "SLURM_JOB_ID": "77"}
    with (tmp_path / "log").open("w") as log:
        parent = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "ready").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()
    assert note(tmp_path) is None
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert line == f"supervise: process {parent.pid} on {socket.gethostname()}, Slurm job 77: {shlex.join(child(script))}"


def test_a_child_that_leaves_by_a_signal_of_its_own_accord_leaves_no_note(tmp_path: Path) -> None:
    assert supervise(child("raise SystemExit(130)"), tmp_path) == 130
    assert note(tmp_path) is None


def test_a_worker_that_outlives_the_child_does_not_hold_the_parent_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.workflow.supervisor.READING_SECONDS", 0.1)
    path = tmp_path / "worker"
    script = (
        "import subprocess, sys, os\n"
        "worker = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(path)!r}, 'w').write(str(worker.pid))\n"
        "os.kill(os.getpid(), 9)"
    )
    try:
        assert supervise(child(script), tmp_path) == 137
        os.kill(int(path.read_text()), 0)  # the worker is still there
    finally:
        os.kill(int(path.read_text()), signal.SIGKILL)


def test_a_note_that_cannot_be_written_does_not_hide_the_death(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert supervise(child("raise SystemExit(3)"), tmp_path / "file") == 3
    assert "the note cannot be written" in capsys.readouterr().err


def test_a_cuda_process_out_of_memory_is_told_from_a_plain_error() -> None:
    tail = ["Traceback …\n", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB\n"]
    assert reason_of(1, tail).startswith("out of memory: torch.OutOfMemoryError: CUDA")


def test_wrong_usage_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["folder", "command"]) == 2
    assert "usage" in capsys.readouterr().err


def test_the_parent_imports_neither_torch_nor_numba() -> None:
    script = (
        "import sys, benchmark.workflow.supervisor; print(sorted({'torch', 'numba', 'numpy', 'pydantic'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert shown.stdout.strip() == "[]"
