"""Progress of a run: a bar on a terminal, one line per evaluation elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from algorithms.plugins import warn
from benchmark.experiments.outcome import EvaluationPoint
from benchmark.experiments.run_spec import RunSpec


class Progress:
    """Shows nothing; base of the others."""

    def begin(self, spec: RunSpec, steps_done: int) -> None:
        """Training starts, or resumes at `steps_done`."""

    def advanced(self, steps_done: int, steps_per_second: float, mean_return: float) -> None:
        """An update has been made; `mean_return` of its episodes."""

    def evaluated(self, number: int, point: EvaluationPoint) -> None:
        """Evaluation `number` has been taken."""

    def say(self, message: str) -> None:
        """A message to the user."""

    def close(self) -> None:
        """The run is over or interrupted."""


class Lines(Progress):
    """One line per evaluation and message, flushed, for logs. Where they cannot be written the run goes on without them."""

    def begin(self, spec: RunSpec, steps_done: int) -> None:
        self._spec = spec
        self._steps_per_second = 0.0
        start = f"from step {steps_done:,}" if steps_done else "from the start"
        self.say(f"{spec.algorithm} on {spec.task}, seed {spec.seed}, run {spec.fingerprint[:12]}: training {start}")

    def advanced(self, steps_done: int, steps_per_second: float, mean_return: float) -> None:
        self._steps_per_second = steps_per_second

    def evaluated(self, number: int, point: EvaluationPoint) -> None:
        self.say(_evaluation_line(self._spec, number, point) + f", {self._steps_per_second:,.0f} steps/s")

    def say(self, message: str) -> None:
        try:
            print(message, flush=True)
        except OSError as error:  # the reader has gone, or the disk is full: no reason to lose the run
            silence_stdout()
            warn(f"standard output cannot be written ({error.strerror}); what follows is not shown")


def silence_stdout() -> None:
    """Whatever is or will be written to standard output goes nowhere."""
    with contextlib.suppress(OSError, ValueError):  # a stream without a file
        descriptor = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


class Bar(Progress):
    """A bar with steps, steps per second, mean training return, last evaluation and the time left."""

    def __init__(self, console: Console) -> None:
        self._rich = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} steps  {task.fields[speed]:,.0f}/s"),
            TextColumn("return {task.fields[mean_return]}  evaluation {task.fields[evaluation]}"),
            TimeRemainingColumn(),
            console=console,
        )

    def begin(self, spec: RunSpec, steps_done: int) -> None:
        self._spec = spec
        self._rich.start()
        self._task = self._rich.add_task(
            f"{spec.algorithm} {spec.task} seed {spec.seed}",
            total=spec.budget,
            completed=steps_done,
            speed=0.0,
            mean_return="-",
            evaluation="-",
        )

    def advanced(self, steps_done: int, steps_per_second: float, mean_return: float) -> None:
        completed = min(steps_done, self._spec.budget)
        self._rich.update(self._task, completed=completed, speed=steps_per_second, mean_return=f"{mean_return:.3f}")

    def evaluated(self, number: int, point: EvaluationPoint) -> None:
        self._rich.update(self._task, evaluation=f"{point.mean_return:.3f} ({point.success_rate:.0%})")

    def say(self, message: str) -> None:
        self._rich.console.print(message, markup=False, highlight=False)

    def close(self) -> None:
        self._rich.stop()


def choose_progress() -> Progress:
    """A bar where standard output is a terminal, else lines."""
    console = Console(file=sys.stdout)
    return Bar(console) if console.is_terminal else Lines()


def _evaluation_line(spec: RunSpec, number: int, point: EvaluationPoint) -> str:
    return (
        f"evaluation {number}/{spec.evaluation.points - 1} at step {point.steps_done:,} of {spec.budget:,}: "
        f"return {point.mean_return:.3f}, success {point.success_rate:.0%}"
    )
