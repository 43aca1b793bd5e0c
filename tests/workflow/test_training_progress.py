"""How far runs are, read from records and metrics that others are writing."""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmark.experiments.run_spec import RunSpec, resolve
from benchmark.experiments.store import Store
from benchmark.workflow import training_progress
from benchmark.workflow.training_progress import TrainingProgress

BUDGET = 10_000


def spec(seed: int) -> RunSpec:
    return resolve(task="lbf/5x5-2p-1f-coop", algorithm="ippo", regime="team", seed=seed, budget=BUDGET)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def progress(store: Store) -> TrainingProgress:
    """Of two runs of which nothing is there."""
    return TrainingProgress(store, [spec(0), spec(1)])


def write_metrics(store: Store, run: RunSpec, *lines: str | bytes) -> None:
    """The metrics of a run: whole lines, but for the end of the last one."""
    path = store.checkpoints(run) / "metrics.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines))


def finish(store: Store, run: RunSpec) -> None:
    store.own(run).parent.mkdir(parents=True)
    store.own(run).touch()


def test_without_any_file_nothing_is_done(progress: TrainingProgress) -> None:
    assert progress.state() == (0, 0, 2 * BUDGET)
    assert progress.line() == "Training: 0 of 2 runs are finished, 0 % of 20,000 steps"


def test_the_last_step_of_the_metrics_counts(progress: TrainingProgress, store: Store) -> None:
    write_metrics(store, spec(0), '{"step": 1000}', '{"step": 2500}', "")
    assert progress.state() == (0, 2500, 2 * BUDGET)


HALF = ['{"step": 31', '{"st', "", "[]", '{"loss": 1.0}', '{"step": null}', "7", b"\xff\xfe"]


@pytest.mark.parametrize("half", [*HALF, '{"step": Infinity}', '{"step": NaN}', '{"step": 1e999}', "[" * 4000])
def test_a_line_that_is_half_written_or_says_no_step_is_passed_over(
    progress: TrainingProgress, store: Store, half: str | bytes
) -> None:
    write_metrics(store, spec(0), '{"step": 2000}', half)
    assert progress.state() == (0, 2000, 2 * BUDGET)


@pytest.mark.parametrize(("step", "counted"), [("-5", 0), ("1e300", BUDGET), ("99999", BUDGET)])
def test_a_step_that_cannot_be_counts_as_the_nearest_that_can(
    progress: TrainingProgress, store: Store, step: str, counted: int
) -> None:
    write_metrics(store, spec(0), f'{{"step": {step}}}')
    assert progress.state() == (0, counted, 2 * BUDGET)


def test_a_step_that_stands_before_a_megabyte_of_metrics_is_found_at_the_end(progress: TrainingProgress, store: Store) -> None:
    lines = [json.dumps({"step": step, "loss": "é" * 50}, ensure_ascii=False) for step in range(9000)]
    write_metrics(store, spec(0), *lines)
    assert progress.state() == (0, 8999, 2 * BUDGET)


def test_a_finished_run_counts_whole_whatever_its_metrics_say(progress: TrainingProgress, store: Store) -> None:
    write_metrics(store, spec(0), '{"step": 40}')
    finish(store, spec(0))
    assert progress.state() == (1, BUDGET, 2 * BUDGET)
    assert progress.line() == "Training: 1 of 2 runs are finished, 50 % of 20,000 steps"


def test_more_steps_than_the_budget_count_as_the_budget(progress: TrainingProgress, store: Store) -> None:
    write_metrics(store, spec(0), json.dumps({"step": 3 * BUDGET}))
    assert progress.state() == (0, BUDGET, 2 * BUDGET)


def test_a_folder_in_the_place_of_the_metrics_counts_as_nothing(progress: TrainingProgress, store: Store) -> None:
    (store.checkpoints(spec(0)) / "metrics.jsonl").mkdir(parents=True)
    assert progress.state() == (0, 0, 2 * BUDGET)


def test_the_fraction_is_rounded_down_so_that_100_percent_means_done(progress: TrainingProgress, store: Store) -> None:
    finish(store, spec(0))
    write_metrics(store, spec(1), json.dumps({"step": BUDGET - 1}))
    assert "99 %" in progress.line()


def test_with_nothing_to_train_no_thread_is_started(store: Store) -> None:
    before = threading.active_count()
    progress = TrainingProgress(store, [])
    progress.start()
    assert threading.active_count() == before
    progress.stop()


# What is shown


class Stream(io.StringIO):
    """A stderr that calls `after` with each line, once it is complete."""

    def __init__(self, after: Callable[[int], None], *, terminal: bool = False) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._after = after
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        written = super().write(text)
        if text.endswith("\n"):
            self.lines = self.getvalue().splitlines()
            self._after(len(self.lines))
        return written


class Looks(threading.Event):
    """Is set after so many looks, so that a display that never ends fails its test."""

    def __init__(self, most: int = 500) -> None:
        super().__init__()
        self._left = most

    def wait(self, timeout: float | None = None) -> bool:
        self._left -= 1
        return self.is_set() or self._left < 0


@pytest.fixture
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_progress, "SECONDS_BETWEEN_LOOKS", 0.001)
    monkeypatch.setattr(training_progress, "SECONDS_BETWEEN_LINES", 0.0)


@pytest.mark.usefixtures("_often")
def test_where_stderr_is_no_terminal_each_change_is_one_line(
    progress: TrainingProgress, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go_on(lines: int) -> None:
        if lines == 1:
            finish(store, spec(0))
        else:
            progress._over.set()

    stream = Stream(go_on)
    monkeypatch.setattr(progress, "_over", Looks())
    monkeypatch.setattr(sys, "stderr", stream)
    progress._show()
    assert stream.lines == [
        "Training: 0 of 2 runs are finished, 0 % of 20,000 steps",
        "Training: 1 of 2 runs are finished, 50 % of 20,000 steps",
    ]


@pytest.mark.usefixtures("_often")
def test_a_line_that_says_nothing_new_is_not_repeated(progress: TrainingProgress, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    original = progress.line

    def counted() -> str:
        looks.append(original())
        if len(looks) == 5:
            progress._over.set()
        return looks[-1]

    stream = Stream(lambda lines: None)
    monkeypatch.setattr(progress, "_over", Looks())
    monkeypatch.setattr(progress, "line", counted)
    monkeypatch.setattr(sys, "stderr", stream)
    progress._show()
    assert len(looks) == 5
    assert stream.lines == looks[:1]


def test_between_two_lines_the_time_for_lines_passes(
    progress: TrainingProgress, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock of its own, on which each look takes four seconds."""
    clock = iter(range(0, 10_000, 4))
    monkeypatch.setattr(progress, "_over", Looks(12))
    monkeypatch.setattr(training_progress, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    stream = Stream(lambda lines: finish(store, spec(lines - 1)))
    monkeypatch.setattr(sys, "stderr", stream)
    progress._show_lines()
    assert len(stream.lines) == 2


@pytest.mark.usefixtures("_often")
def test_on_a_terminal_a_bar_is_shown_that_ends_with_the_last_run(
    progress: TrainingProgress, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(store, spec(0))
    finish(store, spec(1))
    monkeypatch.setenv("TERM", "xterm")
    looks = Looks()
    stream = Stream(lambda lines: None, terminal=True)
    monkeypatch.setattr(progress, "_over", looks)
    monkeypatch.setattr(sys, "stderr", stream)
    progress._show()
    assert looks._left == 499
    assert "Training: 2 of 2 runs" in stream.getvalue()


@pytest.mark.usefixtures("_often")
def test_stop_ends_the_thread_that_start_started(progress: TrainingProgress, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = threading.Event()
    monkeypatch.setattr(sys, "stderr", Stream(lambda lines: shown.set()))
    progress.start()
    assert shown.wait(timeout=60)
    progress.stop()
    assert not progress._thread.is_alive()
