"""How far the runs of a pipeline are: a bar on a terminal, else a line from time to time."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from benchmark.experiments.run_spec import RunSpec
from benchmark.experiments.store import Store

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_LINES = 20.0
_TAIL_BYTES = 4096


class TrainingProgress:
    """Looks at the records and metrics of `runs` while others train them, and shows the steps that are done."""

    def __init__(self, store: Store, runs: Sequence[RunSpec]) -> None:
        self._store = store
        self._runs = runs
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def start(self) -> None:
        """Starts to show, if there is anything to train."""
        if self._runs:
            self._thread.start()

    def stop(self) -> None:
        """Shows nothing more."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def state(self) -> tuple[int, int, int]:
        """(finished runs, steps done, steps of all runs)."""
        finished = [self._store.own(spec).exists() for spec in self._runs]
        steps = sum(spec.budget if done else self._steps(spec) for spec, done in zip(self._runs, finished, strict=True))
        return sum(finished), steps, sum(spec.budget for spec in self._runs)

    def line(self) -> str:
        """The state in words."""
        finished, steps, budget = self.state()
        return f"Training: {finished} of {len(self._runs)} runs are finished, {100 * steps // budget} % of {budget:,} steps"

    def _steps(self, spec: RunSpec) -> int:
        """Of a run that is not finished: the last step that its metrics name."""
        lines = _tail(self._store.checkpoints(spec) / "metrics.jsonl").splitlines()
        for line in reversed(lines):
            try:
                return max(0, min(int(json.loads(line)["step"]), spec.budget))
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError):  # the line that is being written
                continue
        return 0

    def _show(self) -> None:
        if sys.stderr.isatty():
            self._show_bar()
        else:
            self._show_lines()

    def _show_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=2) as bar:
            task = bar.add_task("Training", total=None)
            while not self._over.wait(SECONDS_BETWEEN_LOOKS):
                finished, steps, budget = self.state()
                text = f"Training: {finished} of {len(self._runs)} runs"
                bar.update(task, description=text, completed=steps, total=budget)
                if finished == len(self._runs):
                    return

    def _show_lines(self) -> None:
        shown, last = "", time.monotonic()
        while not self._over.wait(SECONDS_BETWEEN_LOOKS):
            if time.monotonic() - last < SECONDS_BETWEEN_LINES:
                continue
            line, last = self.line(), time.monotonic()
            if line != shown:
                print(line, file=sys.stderr, flush=True)
                shown = line


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
