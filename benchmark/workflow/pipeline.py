"""What the Snakefile asks: which runs there are, where their records lie, and how each is trained.

Snakemake reads the Snakefile again for every job of a cluster, so nothing here imports torch or numba.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from algorithms.plugins import UserError
from benchmark.environments.input_files import problem_lines
from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.run_spec import RunSpec
from benchmark.experiments.store import Store
from benchmark.experiments.suite import PlannedRun, Suite, load_suites


class ConfigError(UserError):
    """A `--config` that cannot be used."""


class PipelineConfig(BaseModel):
    """The pipeline's options: `snakemake --config suites='[quick, lbf-baselines]' device=cuda retrain=true`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    suites: tuple[str, ...] = Field(default=("quick",), min_length=1, description="Names of suites, or paths of suite files.")
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="Where runs are trained.")
    retrain: bool = Field(default=False, description="Train also what has a committed record, and compare the two.")

    @field_validator("suites", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("suites")
    @classmethod
    def _no_wildcards(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if "{" in name or "}" in name:
                raise ValueError(f"Snakemake takes the braces of '{name}' for a wildcard; give the file another name")
        return value


@dataclass(frozen=True)
class Job:
    """A run that the pipeline may have to train, under the first names that it goes by."""

    suite: str
    planned: PlannedRun

    @property
    def arguments(self) -> str:
        """The options of `creditbench train` that name this run, quoted for a shell."""
        spec = self.planned.spec
        names = ["--suite", self.suite, "--task", spec.task, "--variant", self.planned.variant, "--seed", str(spec.seed)]
        return shlex.join(names)

    @property
    def threads(self) -> int:
        """One, and one for each worker process of a real package."""
        spec = self.planned.spec
        return 1 + get_task(spec.task).simulator(spec.backend)[1].workers


class Pipeline:
    """The runs of some suites, and the files that they need and make; all paths are relative to `root`."""

    def __init__(self, config: Mapping[str, Any], root: Path = Path(".")) -> None:
        """Raises ConfigError (wrong key or value), UnknownName or SuiteError (no such suite, or one that cannot be)."""
        try:
            self.config = PipelineConfig.model_validate(dict(config))
        except ValidationError as error:
            raise ConfigError("\n  ".join(["--config:", *problem_lines(error, PipelineConfig)])) from error
        self.store = Store(root)
        self.suites: dict[str, Suite] = load_suites(self.config.suites)
        self._jobs: dict[str, Job] = {}
        self._trained: set[str] = set()
        for name, suite in self.suites.items():
            for planned in suite.runs():
                path = planned.spec.path.as_posix()
                self._jobs.setdefault(path, Job(name, planned))
                if self.config.retrain or suite.always_train:
                    self._trained.add(path)

    @property
    def records(self) -> list[str]:
        """The records that the aggregate is made of: the committed one where there is one and the suites take it, else
        the own one, which is trained if it is not there. With retrain, every own one."""
        return [self._record(path, job.planned.spec).as_posix() for path, job in self._jobs.items()]

    def _record(self, path: str, spec: RunSpec) -> Path:
        committed = self.store.reference(spec)
        return self.store.own(spec) if path in self._trained or not committed.exists() else committed

    def job(self, task: str, run: str) -> Job:
        """The job that makes results/runs/<task>/<run>/record.json."""
        return self._jobs[f"{task}/{run}"]

    @cached_property
    def families(self) -> dict[str, list[str]]:
        """The planned tasks by the family of their environment: what kernels are compiled for."""
        found: dict[str, list[str]] = {}
        for job in self._jobs.values():
            tasks = found.setdefault(get_task(job.planned.spec.task).family, [])
            if job.planned.spec.task not in tasks:
                tasks.append(job.planned.spec.task)
        return found

    def kernels(self, task: str, run: str) -> list[str]:
        """The marker that says that a run's kernels are compiled; none where its record is there already.

        Snakemake runs again whatever depends on a file that it has to make, however old that file may be: without the markers
        (somebody has removed `checkpoints/`) it would train finished runs anew.
        """
        job = self.job(task, run)
        if self.store.own(job.planned.spec).exists():
            return []
        return [f"checkpoints/.kernels/{get_task(task).family}"]

    @property
    def report_arguments(self) -> str:
        """The options of `creditbench aggregate` for these suites, quoted for a shell."""
        names = [part for name in self.suites for part in ("--suite", name)]
        return shlex.join([*names, *(["--retrain"] if self.config.retrain else [])])

    @property
    def gpus(self) -> int:
        """How many GPUs one training job takes."""
        return int(self.config.device == "cuda")

    def claim_folder(self) -> None:
        """Makes this process the only pipeline in the folder, until it ends. Raises ConfigError if another one is at work.

        Snakemake's own lock outlives a killed Snakemake; the operating system's does not.
        """
        folder = self.store.root / ".snakemake"
        folder.mkdir(exist_ok=True)
        self._lock = FileLock(folder / "creditbench.lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise ConfigError("another snakemake is at work in this folder; wait for it or end it with kill -TERM") from error
        self._leave_the_future()

    def _leave_the_future(self) -> None:
        """Gives inputs from before the clock was set back the present time: Snakemake would delete what is made of them."""
        now = time.time()
        markers = [self.store.root / "checkpoints" / ".kernels" / family for family in self.families]
        for path in [*markers, *map(Path, self.records)]:
            with contextlib.suppress(OSError):  # not there yet, or not ours: then Snakemake says what it needs
                if path.stat().st_mtime > now:
                    os.utime(path)
