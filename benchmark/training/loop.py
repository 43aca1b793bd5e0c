"""The training loop of one run: collect, update, evaluate, checkpoint, resume, record.

    until the budget of environment steps is spent:
        evaluate                        whenever an evaluation point is due (RunSpec.evaluation)
        episodes = collect(policy)      whole episodes, as many as the algorithm requests
        monitors = update(episodes)     the algorithm learns; its monitors go to metrics.jsonl and to the record
    evaluate the best policy on fresh episodes; write the policies, then the record

The contract:
* A run is a function of its RunSpec: all random numbers come from seeds that are derived from `spec.seed`
  (algorithms.seeds), each purpose having its own stream. Equal specs give equal outcomes, bit for bit, on one type of machine
  with equal versions, device and number of threads.
* Outcomes do not depend on wall-clock time. Time decides only when checkpoints are written, and is reported in
  `Record.execution`, which no hash covers.
* A run can be killed at any moment. It resumes from its last checkpoint, and its record has the same outcome as that of an
  uninterrupted run: `pytest tests/training/test_resuming.py -m slow -k killed`.
* Checkpoints, evaluations and interruptions happen between updates only, never within an episode ("boundary" below).
* A diverged run (a NaN or an infinity in monitors or policy) ends with a record of status "failed".
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
    """Trains the run, from its checkpoint where there is one, and returns its record.

    Writes policy.safetensors (the best policy), final.safetensors and, last, the record, all in one folder.
    A run that is finished already writes the same files again. Waits while another process trains the same run.
    `origin`: where the settings come from, for the record. `progress`: None for a bar on a terminal and lines elsewhere.
    `checkpoint_seconds`: time between checkpoints, the most work that a kill may cost.

    Raises Interrupted (a SystemExit) after SIGINT or SIGTERM, with a checkpoint and no record; ImpossibleRun where the
    versions named by the spec are not installed; RefusedCheckpoint for a checkpoint of another run or of other conditions;
    OSError, with no partial file, where the disk is full.
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
        checkpoints.acquire(lambda: stop.requested)
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
                    if not run.deterministic:
                        progress.say(f"episodes of one seed differ in {spec.task}: another run of this seed will end otherwise")
                    _train(run, metrics, boundary, progress)
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
    """Writes the files of a finished run. The record is the last: where it exists, the policies do too."""
    record = Record.model_validate_json(state["record"])
    best, final = (record_path.with_name(name) for name in (BEST_POLICY, FINAL_POLICY))
    for path in (best, final, record_path):
        remove_leftovers(path)
    write_policy(best, state["best"], fingerprint)
    write_policy(final, state["final"], fingerprint)
    write_record(record_path, record)
    return record


def set_up_torch(device: str, threads: int) -> torch.device:
    """Sets the number of threads and deterministic algorithms (where torch has them), the only global settings of a run.

    Raises ValueError for fewer than 1 thread and for a device other than cpu and an available cuda.
    """
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    chosen = torch.device(device)
    if chosen.type not in ("cpu", "cuda"):
        raise ValueError(f"device must be cpu or cuda, got {device}")
    if chosen.type == "cuda":
        if not torch.cuda.is_available():
            raise ValueError("device is cuda, but torch finds no GPU here")
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    # torch accepts this once per process and before any parallel work; a later call raises RuntimeError.
    with contextlib.suppress(RuntimeError):
        torch.set_num_interop_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Deterministic mode would fill every new tensor: a cost per allocation, and it hides reads of uninitialised memory.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return chosen


class _Boundary:
    """The boundary between two updates: writes a checkpoint when one is due, and stops the run when a stop is requested."""

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
        """Writes a checkpoint after `checkpoint_seconds` or before a stop. Raises Interrupted where a stop is requested."""
        if self._stop.requested or time.perf_counter() - self._taken >= self._every:
            with self._run.clock("checkpoint"):
                state = {"run": self._run.state_dict(), "metrics_bytes": self._metrics.sync()}
                self._checkpoints.save({**state, "provenance": self._made_with.model_dump(mode="json")})
            self._taken = time.perf_counter()
        self._stop.raise_if_requested()


def _train(run: Run, metrics: MetricsLog, boundary: _Boundary, progress: Progress) -> None:
    """Evaluations that are due, then the next update, until the budget is spent or the run has failed."""
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
            progress.say(f"the run has failed: {run.failure}")
            return
        boundary.checkpoint_if_due()
    if phase == "warm-up":
        progress.say(f"the policy never learned: all {run.steps_done:,} steps were warm-up; see its warm-up and batch settings")
    run.evaluate_best()
    boundary.checkpoint_if_due()
