"""One run: collect, update, evaluate, checkpoint, resume, record. Nothing that a clock says decides anything in the outcome.

Kill it wherever you like: what is written in the end equals an uninterrupted run bit for bit. To see it for yourself:
`pytest tests/training/test_resuming.py -m slow -k killed`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch

from benchmark.experiments.atomic_write import remove_leftovers
from benchmark.experiments.record import Provenance, Record, SettingsOrigin, make_record, write_record
from benchmark.experiments.run_spec import RunSpec
from benchmark.training.checkpoints import Checkpoints
from benchmark.training.metrics import MetricsLog
from benchmark.training.policy_files import BEST_POLICY, FINAL_POLICY, write_policy
from benchmark.training.progress import Progress, choose_progress
from benchmark.training.provenance import continued, provenance
from benchmark.training.run import Run
from benchmark.training.signals import StopRequest

METRICS = "metrics.jsonl"


def train(
    spec: RunSpec,
    *,
    record_path: Path,
    checkpoint_folder: Path,
    origin: SettingsOrigin,
    device: str = "cpu",
    threads: int = 1,
    tensorboard: Path | None = None,
    progress: Progress | None = None,
    checkpoint_seconds: float = 60.0,
) -> Record:
    """Carries out the run, from its checkpoint where there is one, and writes policy.safetensors, final.safetensors and,
    last, the record beside each other. A run that is finished already writes the same again.

    `progress`: None for a bar on a terminal and lines elsewhere. `checkpoint_seconds`: how much work a kill may cost.
    Waits where another process works on the same run. A diverged run gives a normal record of status "failed".
    Raises Interrupted (a SystemExit) after SIGINT or SIGTERM, with a checkpoint and no record; ImpossibleRun or
    RefusedCheckpoint where it must not start; OSError, with nothing half-written, where the disk is full.
    """
    progress = progress or choose_progress()
    chosen = set_up_torch(device, threads)
    conditions = {
        "python": ".".join(map(str, sys.version_info[:3])),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "device": chosen.type,
        "threads": threads,
    }
    checkpoints = Checkpoints(checkpoint_folder, spec.fingerprint, conditions, progress.say)
    with StopRequest() as stop:
        checkpoints.acquire(lambda: stop.asked)
        try:
            stop.raise_if_requested()
            state = checkpoints.load()
            if state is None or "record" not in state:
                made_with = provenance(chosen, threads)
                if state is not None:
                    made_with = continued(Provenance(**state["provenance"]), made_with)
                run = Run(spec, chosen)
                metrics = MetricsLog(checkpoint_folder / METRICS, tensorboard)
                try:
                    boundary = _Boundary(run, metrics, checkpoints, stop, made_with, checkpoint_seconds)
                    if state is not None:
                        run.load_state_dict(state["run"])
                    metrics.open(state["metrics_bytes"] if state else 0, run.steps_done)
                    progress.begin(spec, run.steps_done)
                    _carry_out(run, metrics, boundary, progress)
                finally:
                    metrics.close()
                    run.close()
                state = run.finished_state(make_record(spec, origin, run.outcome(), run.execution(made_with)))
                checkpoints.save(state, finished=True)
            return _write_outputs(state, spec.fingerprint, record_path)
        finally:
            checkpoints.release()
            progress.close()


def _write_outputs(state: dict[str, Any], fingerprint: str, record_path: Path) -> Record:
    """Writes the files of a finished run, the record last: where it is, the others are."""
    record = Record.model_validate_json(state["record"])
    best, final = (record_path.with_name(name) for name in (BEST_POLICY, FINAL_POLICY))
    for path in (best, final, record_path):
        remove_leftovers(path)
    write_policy(best, state["best"], fingerprint)
    write_policy(final, state["final"], fingerprint)
    write_record(record_path, record)
    return record


def set_up_torch(device: str, threads: int) -> torch.device:
    """The only global settings a run makes: threads, and deterministic algorithms where torch has them.

    Raises ValueError for a device that is not there.
    """
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    chosen = torch.device(device)
    if chosen.type not in ("cpu", "cuda"):
        raise ValueError(f"device must be cpu or cuda, got {device}")
    if chosen.type == "cuda":
        if not torch.cuda.is_available():
            raise ValueError("device cuda was asked for, but torch finds none here")
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    # torch lets it be set once, before any parallel work; whoever set it before us has decided.
    with contextlib.suppress(RuntimeError):
        torch.set_num_interop_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling every fresh tensor would only hide reads of uninitialised memory, at a cost per allocation.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return chosen


class _Boundary:
    """What happens between whole-episode batches: a checkpoint if it is time or if a stop is asked for, which then follows."""

    def __init__(
        self,
        run: Run,
        metrics: MetricsLog,
        checkpoints: Checkpoints,
        stop: StopRequest,
        made_with: Provenance,
        checkpoint_seconds: float,
    ) -> None:
        self._run = run
        self._metrics = metrics
        self._checkpoints = checkpoints
        self._stop = stop
        self._made_with = made_with
        self._every = checkpoint_seconds
        self._taken = time.perf_counter()

    def checkpoint_if_due(self) -> None:
        """Raises Interrupted where a stop has been asked for."""
        if self._stop.asked or time.perf_counter() - self._taken >= self._every:
            with self._run.clock("checkpoint"):
                state = {"run": self._run.state_dict(), "metrics_bytes": self._metrics.sync()}
                self._checkpoints.save({**state, "provenance": self._made_with.model_dump(mode="json")})
            self._taken = time.perf_counter()
        self._stop.raise_if_requested()


def _carry_out(run: Run, metrics: MetricsLog, boundary: _Boundary, progress: Progress) -> None:
    """The loop: whatever evaluation is due, then the next update, until the budget is spent or the run has failed."""
    phase = ""
    while True:
        while run.evaluation_due():
            point = run.evaluate()
            metrics.evaluation(point)
            progress.evaluated(len(run.evaluations) - 1, point)
            boundary.checkpoint_if_due()
        if run.steps_done >= run.spec.budget:
            break
        update = run.advance()
        phase = update.phase
        metrics.update(update)
        progress.advanced(run.steps_done, run.steps_per_second, update.mean_return)
        if run.failure is not None:
            progress.say(f"the run has failed for good: {run.failure}")
            return
        boundary.checkpoint_if_due()
    if phase == "warm-up":
        progress.say(f"the policy never learned: all {run.steps_done:,} steps were warm-up; see its warm-up and batch settings")
    run.evaluate_best()
    boundary.checkpoint_if_due()
