"""One episode of a trained policy as an animated GIF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from algorithms.interface import Memory
from algorithms.seeds import derive, episode_seeds
from benchmark.environments.interface import BatchedEnvironment, NothingToShow
from benchmark.environments.rendering import episode_gif
from benchmark.environments.scene import Scene
from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.atomic_write import write_atomically
from benchmark.experiments.run_spec import ImpossibleRun, RunSpec
from benchmark.training.rollout import Choice, play
from benchmark.training.trained_policy import load_trained


class SceneRecorder:
    """Keeps the scene of row 0 at the start and after every step, with step and return so far as the caption."""

    def begin(self, environment: BatchedEnvironment, count: int, memory: Memory) -> None:
        self.total = 0.0
        self.frames: list[tuple[Scene, str]] = []
        self._keep(0, environment)

    def before(self, time: int, environment: BatchedEnvironment, actions: NDArray[np.int64], choice: Choice) -> None:
        self._action = " ".join(map(str, actions[0]))

    def after(self, time: int, environment: BatchedEnvironment) -> None:
        self.total += float(environment.team_reward[0])
        self._keep(time + 1, environment, f"  actions {self._action}")

    def _keep(self, steps: int, environment: BatchedEnvironment, more: str = "") -> None:
        self.frames.append((environment.scene(0), f"step {steps:3d}  return {self.total:8.3f}{more}"))


def watch_run(run_dir: Path, out: Path, *, seed: int = 0) -> float:
    """Plays one episode with the best policy of a finished run, in the mode of its scored evaluations, and writes it as a GIF.

    Returns the episode's team return. Raises CorruptRecord, CorruptPolicy, ValueError for another ending than .gif, or
    ImpossibleRun where task or algorithm have another version now, or where the simulator draws no scenes.
    """
    trained = load_trained(run_dir)
    environment = trained.task.build(1, trained.spec.backend)
    try:
        device = torch.device("cpu")
        algorithm = trained.algorithm(environment.team, device)
        generator = torch.Generator(device).manual_seed(derive(seed, "watch", "acting"))
        recorder = SceneRecorder()
        seeds = episode_seeds(derive(seed, "watch", "environment"), 0, 1)
        play(environment, algorithm, seeds, trained.spec.evaluation.scored, generator, recorder)
    except NothingToShow as error:
        raise ImpossibleRun(nothing_to_show(trained.spec)) from error
    finally:
        environment.close()
    write_atomically(out, episode_gif(recorder.frames))
    return recorder.total


def nothing_to_show(spec: RunSpec) -> str:
    """Why a run cannot be watched: its task is drawn by none of its simulators, or not by the one of the run."""
    task = get_task(spec.task)
    if spec.backend == "reference" and task.native is not None:
        native = task.build(1, "native")
        native.close()
        if type(native).scene is not BatchedEnvironment.scene:
            return f"the reference backend draws no pictures of {task.id}; a run on the native backend can be watched"
    return f"there are no pictures of {task.id}: no simulator draws it"
