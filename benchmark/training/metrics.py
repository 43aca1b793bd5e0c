"""Training metrics: means per evaluation interval for the record, and every update for metrics.jsonl."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from algorithms.interface import Episodes
from benchmark.experiments.outcome import EvaluationPoint, TrainingInterval
from benchmark.experiments.record_size import MAXIMUM_MONITORS, MONITOR_NAME_BYTES


@dataclass(frozen=True)
class Update:
    """One collection and the update on it. `step`: environment steps after it. Sums are over its episodes."""

    step: int
    phase: str
    episodes: int
    steps: int
    return_sum: float
    success_sum: int
    monitors: dict[str, float]

    @staticmethod
    def of(episodes: Episodes, step: int, phase: str, monitors: dict[str, float]) -> Update:
        """The update on `episodes`."""
        return Update(
            step=step,
            phase=phase,
            episodes=len(episodes.length),
            steps=episodes.steps,
            return_sum=float(episodes.team_reward.double().sum()),
            success_sum=int(episodes.success.sum()),
            monitors=monitors,
        )

    @property
    def mean_return(self) -> float:
        return self.return_sum / self.episodes

    @property
    def diverged(self) -> str | None:
        """The name of the first monitor that is not finite."""
        return next((name for name, value in self.monitors.items() if not math.isfinite(value)), None)


class IntervalMeans:
    """Means over the updates between two evaluation points. A monitor has one entry per interval, None without a value."""

    def __init__(self) -> None:
        self.training: list[TrainingInterval] = []
        self.monitors: dict[str, list[float | None]] = {}
        self._reset()

    def _reset(self) -> None:
        self._sums = {"episodes": 0, "steps": 0, "return": 0.0, "success": 0}
        self._monitor_sums: dict[str, list[float]] = {}

    def add(self, update: Update) -> None:
        """Adds an update to the current interval. Raises ValueError for more monitors, or longer names, than a record holds."""
        names = {*self.monitors, *self._monitor_sums, *update.monitors}
        if len(names) > MAXIMUM_MONITORS:
            raise ValueError(f"the algorithm reports {len(names)} monitors; a record holds {MAXIMUM_MONITORS}")
        for name in update.monitors:
            if len(json.dumps(name)) - 2 > MONITOR_NAME_BYTES:
                raise ValueError(f"the name of the monitor {name!r} is longer than {MONITOR_NAME_BYTES} bytes")
        self._sums["episodes"] += update.episodes
        self._sums["steps"] += update.steps
        self._sums["return"] += update.return_sum
        self._sums["success"] += update.success_sum
        for name, value in update.monitors.items():
            total = self._monitor_sums.setdefault(name, [0.0, 0.0])
            total[0] += value
            total[1] += 1

    def close(self, step: int) -> None:
        """Ends the current interval at the evaluation that is due at `step`, and begins the next."""
        count = int(self._sums["episodes"])
        self.training.append(
            TrainingInterval(
                step=step,
                episodes=count,
                mean_return=self._sums["return"] / count if count else None,
                success_rate=self._sums["success"] / count if count else None,
                mean_length=self._sums["steps"] / count if count else None,
            )
        )
        for name in self._monitor_sums:
            self.monitors.setdefault(name, [None] * (len(self.training) - 1))
        for name, values in self.monitors.items():
            total = self._monitor_sums.get(name)
            values.append(total[0] / total[1] if total else None)
        self._reset()

    def state_dict(self) -> dict[str, Any]:
        """The closed intervals, and the sums of the current one."""
        return {
            "training": [interval.model_dump() for interval in self.training],
            "monitors": {name: list(values) for name, values in self.monitors.items()},
            "sums": dict(self._sums),
            "monitor_sums": {name: list(total) for name, total in self._monitor_sums.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        self.training = [TrainingInterval(**interval) for interval in state["training"]]
        self.monitors = state["monitors"]
        self._sums = state["sums"]
        self._monitor_sums = state["monitor_sums"]


class MetricsLog:
    """Appends one JSON object per update and evaluation to a file, and writes to TensorBoard where a folder is given.

    `open` raises ModuleNotFoundError where TensorBoard is not installed.
    """

    def __init__(self, path: Path, tensorboard: Path | None) -> None:
        self._path = path
        self._tensorboard = tensorboard
        self._writer: Any = None
        self._file: Any = None

    def open(self, length: int, step: int) -> None:
        """Opens the log. After a checkpoint, what was logged beyond its `length` bytes and its `step` is dropped."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("ab")
        if self._file.tell() > length:
            self._file.truncate(length)
        if self._tensorboard is not None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise ModuleNotFoundError("--tensorboard needs the package: pip install 'creditbench[tensorboard]'") from error
            self._writer = SummaryWriter(str(self._tensorboard), purge_step=step or None)

    def update(self, update: Update) -> None:
        """Logs an update."""
        values = asdict(update)
        monitors = values.pop("monitors")
        numbers = {
            "mean_return": update.mean_return,
            "success_rate": update.success_sum / update.episodes,
            "mean_length": update.steps / update.episodes,
            **monitors,
        }
        head = {"kind": "update", "step": update.step, "phase": update.phase, "episodes": update.episodes}
        self._write(head, numbers, "training")

    def evaluation(self, point: EvaluationPoint) -> None:
        """Logs an evaluation."""
        numbers = {
            "mean_return": point.mean_return,
            "success_rate": point.success_rate,
            "mean_length": sum(point.lengths) / len(point.lengths),
        }
        self._write({"kind": "evaluation", "step": point.steps_done}, numbers, "evaluation")

    def _write(self, head: dict[str, Any], numbers: dict[str, float], group: str) -> None:
        finite = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        with self._errors_name_the_file():
            self._file.write((json.dumps({**head, **finite}) + "\n").encode())
        if self._writer is not None:
            for name, value in numbers.items():
                self._writer.add_scalar(f"{group}/{name}", value, head["step"])

    def sync(self) -> int:
        """Flushes to the disk. Returns the file's length in bytes, for the checkpoint."""
        with self._errors_name_the_file():
            self._file.flush()
            os.fsync(self._file.fileno())
        return int(self._file.tell())

    def close(self) -> None:
        """Closes the log. Safe to call twice."""
        if self._writer is not None:
            self._writer.close()
        if self._file is not None:
            with self._errors_name_the_file():
                self._file.close()

    @contextlib.contextmanager
    def _errors_name_the_file(self) -> Iterator[None]:
        """Adds the file name to the error of a write (a full disk, say)."""
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error
