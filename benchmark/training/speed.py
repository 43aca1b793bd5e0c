"""Speed of simulation and training, in environment steps per second; a step counts once for the whole team.

`creditbench speed --task T [--algorithm A]`. Where a task has a real package, it is measured as well as our simulator.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from algorithms.seeds import derive, episode_seeds
from benchmark.environments.interface import Backend
from benchmark.environments.native.base import NativeEnvironment
from benchmark.environments.native.random_actions import action_streams, random_available_actions
from benchmark.environments.reference_scores.random_policy import ROWS
from benchmark.environments.tasks.registry import Task
from benchmark.experiments.run_spec import get_algorithm, resolve
from benchmark.training.loop import set_up_torch
from benchmark.training.run import Run

TRAINING_BUDGET = 10_000_000
WARM_UP_UPDATES = 2


def speed_lines(
    task: Task,
    algorithm: str | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    seconds: float = 3.0,
    threads: int = 1,
    device: str = "cpu",
) -> Iterator[dict[str, Any]]:
    """The speed of each of the task's simulators alone, then of training with `algorithm` if given.

    A simulator whose package is not installed is skipped.
    """
    for backend in ("native", "reference"):
        if getattr(task, backend) is None:
            continue
        try:
            yield measure_speed(task, backend=backend, seconds=seconds, threads=threads)
        except ValueError:
            if backend == "native":
                raise
    if algorithm is not None:
        yield measure_speed(task, algorithm, settings=settings, seconds=seconds, threads=threads, device=device)


def measure_speed(
    task: Task,
    algorithm: str | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    backend: Backend | None = None,
    seconds: float = 3.0,
    threads: int = 1,
    device: str = "cpu",
) -> dict[str, Any]:
    """Measures for about `seconds`. Without an algorithm: the simulator alone, with random available actions, including
    resets, observations and masks. With an algorithm (with `settings`, under the first of its regimes): collecting and
    updating at the start of training, after its warm-up, without evaluation.

    Returns {"task", "backend", "algorithm", "env_steps_per_s", "threads", "device", "rows", "seconds"}; for one of our
    simulators alone also "bytes_per_episode"; and "share", the fraction of all seconds, for each part of the updates that the
    algorithm names (its reward model, say).
    Raises ValueError where the package of a reference backend is missing.
    """
    chosen, _ = task.simulator(backend)
    measured = (
        _simulation(task, chosen, seconds)
        if algorithm is None
        else _training(task, chosen, algorithm, settings or {}, seconds, threads, device)
    )
    return {
        "task": task.id,
        "backend": chosen,
        "algorithm": algorithm,
        "env_steps_per_s": round(measured["steps"] / sum(measured["seconds"].values()), 1),
        "threads": 1 if algorithm is None else threads,
        "device": "cpu" if algorithm is None else device,
        "rows": measured["rows"],
        "seconds": {phase: round(spent, 4) for phase, spent in measured["seconds"].items()},
        **{name: measured[name] for name in ("bytes_per_episode", "share") if name in measured},
    }


def _simulation(task: Task, backend: Backend, seconds: float) -> dict[str, Any]:
    rows = ROWS[backend]
    environment = task.build(rows, backend)
    actions = np.zeros((rows, environment.team.n_agents), np.int64)
    streams = action_streams(episode_seeds(derive(0, "speed", "actions"), 0, rows))

    def batch(number: int) -> int:
        steps = 0
        environment.reset(episode_seeds(derive(0, "speed", "environment"), number * rows, rows))
        while running := int(np.count_nonzero(environment.running)):
            random_available_actions(environment.available, streams, actions)
            environment.step(actions)
            steps += running
        return steps

    try:
        batch(0)  # compiles the kernels
        steps, number, start = 0, 1, time.perf_counter()
        while (spent := time.perf_counter() - start) < seconds:
            steps += batch(number)
            number += 1
    finally:
        environment.close()
    memory = {"bytes_per_episode": environment.bytes_per_row()} if isinstance(environment, NativeEnvironment) else {}
    return {"steps": steps, "seconds": {"collect": spent}, "rows": rows, **memory}


def _training(
    task: Task,
    backend: Backend,
    algorithm: str,
    settings: Mapping[str, Any],
    seconds: float,
    threads: int,
    device: str,
) -> dict[str, Any]:
    spec = resolve(
        task=task.id,
        algorithm=algorithm,
        regime=get_algorithm(algorithm).regimes[0],
        seed=0,
        budget=TRAINING_BUDGET,
        settings=dict(settings),
        backend=backend,
    )
    run = Run(spec, set_up_torch(device, threads))
    try:
        while run.advance().phase == "warm-up":
            pass
        for _ in range(WARM_UP_UPDATES - 1):
            run.advance()
        before, steps_before = run.seconds, run.steps_done
        start = time.perf_counter()
        while time.perf_counter() - start < seconds:
            run.advance()
        spent = {phase: run.seconds[phase] - before[phase] for phase in ("collect", "update")}
        parts = {name: (run.seconds[name] - before.get(name, 0.0)) / sum(spent.values()) for name in run.algorithm.seconds()}
    finally:
        run.close()
    share = {"share": {name: round(part, 3) for name, part in parts.items()}} if parts else {}
    return {"steps": run.steps_done - steps_before, "seconds": spent, "rows": spec.parallel_episodes, **share}
