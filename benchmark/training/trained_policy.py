"""The trained policy of a finished run: its record read, its versions checked, its algorithm built, its parameters loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from algorithms.interface import Algorithm, TeamShape
from benchmark.environments.tasks.registry import Task, get_task
from benchmark.experiments.record import Record, read_record
from benchmark.experiments.run_spec import RunSpec
from benchmark.training.components import build_algorithm, validate_versions
from benchmark.training.policy_files import BEST_POLICY, FINAL_POLICY, read_policy

PolicyFile = Literal["best", "final"]
FILES: dict[PolicyFile, str] = {"best": BEST_POLICY, "final": FINAL_POLICY}


@dataclass(frozen=True)
class TrainedRun:
    """A finished run, whose folder holds record.json, policy.safetensors and final.safetensors."""

    folder: Path
    record: Record

    @property
    def spec(self) -> RunSpec:
        return self.record.spec

    @property
    def task(self) -> Task:
        return get_task(self.spec.task)

    def algorithm(self, team: TeamShape, device: torch.device, policy_file: PolicyFile = "best") -> Algorithm:
        """The run's algorithm for `team`, the one of its task, with the parameters of its best or final policy.

        Raises CorruptPolicy.
        """
        algorithm = build_algorithm(self.spec, team, device)
        path = self.folder / FILES[policy_file]
        algorithm.load_policy_state(read_policy(path, algorithm.policy_state(), self.spec.fingerprint))
        return algorithm


def load_trained(folder: Path) -> TrainedRun:
    """The finished run of a folder.

    Raises CorruptRecord, and ImpossibleRun where task, algorithm, package or protocol have another version now.
    """
    run = TrainedRun(folder, read_record(folder / "record.json"))
    validate_versions(run.spec)
    return run
