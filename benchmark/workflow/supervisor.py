"""The small parent of a training process: turns its death into a note that the plan and the report can show.

    python -m benchmark.workflow.supervisor CHECKPOINT_FOLDER -- creditbench train …

SIGINT and SIGTERM are passed on; the child then leaves with a checkpoint, and no note is written. Neither torch nor numba
is imported here, so that the parent costs nothing while it waits.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path

from benchmark.experiments.atomic_write import write_atomically
from benchmark.training.signals import SIGNALS

CRASH_NOTE = "crash.json"
TAIL_LINES = 40
READING_SECONDS = 5.0
REASON_CHARACTERS = 500
ERROR_PREFIX = "creditbench: "
"""Of a line in which the command itself says what is wrong (benchmark/cli/app.py): the whole of the reason."""


def supervise(command: list[str], checkpoint_folder: Path) -> int:
    """Runs the command, passing its stderr through, and returns its exit code (128 + signal where one killed it).

    A first line on stderr says what runs where: where the whole process group is killed later, the log is not empty, and
    Snakemake, which stops at an empty log, shows that of Slurm as well.
    Code 0 removes `checkpoint_folder`/crash.json. Any other end except by SIGINT or SIGTERM writes it: {"reason": …,
    "exit_code": …, "stderr": the last lines}.
    """
    print(f"supervise: {_place()}: {shlex.join(command)}", file=sys.stderr, flush=True)
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    passed_on: list[int] = []
    children: list[subprocess.Popen[str]] = []

    def pass_on(number: int, frame: object) -> None:
        passed_on.append(number)
        for child in children:
            child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in SIGNALS}
    try:
        child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace")
        children.append(child)
        for number in list(passed_on):  # came before there was a child
            child.send_signal(number)
        reader = threading.Thread(target=_pass_through, args=(child, tail), daemon=True)
        reader.start()
        code = child.wait()
        # A worker that outlives the child may hold its stderr open: no reason to wait for that.
        reader.join(timeout=READING_SECONDS)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    exit_code = 128 - code if code < 0 else code
    note = checkpoint_folder / CRASH_NOTE
    if exit_code == 0:
        note.unlink(missing_ok=True)
    elif not passed_on and exit_code not in [128 + number for number in SIGNALS]:
        _write_note(note, exit_code, list(tail))
    return exit_code


def _place() -> str:
    job = os.environ.get("SLURM_JOB_ID")
    return f"process {os.getpid()} on {socket.gethostname()}" + (f", Slurm job {job}" if job else "")


def _pass_through(child: subprocess.Popen[str], tail: deque[str]) -> None:
    assert child.stderr is not None
    for line in child.stderr:
        sys.stderr.write(line)
        sys.stderr.flush()
        tail.append(line)


def _write_note(note: Path, exit_code: int, tail: list[str]) -> None:
    reason = reason_of(exit_code, tail)
    print(f"supervise: {reason}", file=sys.stderr)
    content = json.dumps({"reason": reason, "exit_code": exit_code, "stderr": "".join(tail)})
    try:
        write_atomically(note, content.encode())
    except OSError as error:
        print(f"supervise: the note cannot be written: {error.strerror}", file=sys.stderr)


def reason_of(exit_code: int, tail: list[str]) -> str:
    """Why a process died, in a line: out of memory, disk full, by which signal, or the last thing it said."""
    said = next((line.strip() for line in reversed(tail) if line.strip()), "it said nothing")[:REASON_CHARACTERS]
    text = "".join(tail)
    if exit_code == 128 + signal.SIGKILL:
        return "killed by SIGKILL: out of memory, or by hand"
    if exit_code > 128:
        return f"killed by {_signal_name(exit_code - 128)}: {said}"
    if "MemoryError" in text or "OutOfMemoryError" in text:
        return f"out of memory: {said}"
    if "No space left on device" in text:
        return f"disk full: {said}"
    if said.startswith(ERROR_PREFIX):
        return said.removeprefix(ERROR_PREFIX)
    return f"exit code {exit_code}: {said}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def main(arguments: list[str]) -> int:
    """CHECKPOINT_FOLDER -- COMMAND …"""
    if len(arguments) < 3 or arguments[1] != "--":
        print("usage: python -m benchmark.workflow.supervisor CHECKPOINT_FOLDER -- COMMAND …", file=sys.stderr)
        return 2
    return supervise(arguments[2:], Path(arguments[0]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
