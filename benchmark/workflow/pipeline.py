"""What the Snakefile asks: which runs there are, where their records lie, and how each is trained.

Snakemake reads the Snakefile again for every job of a cluster, so nothing here imports torch or numba.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from algorithms.plugins import UserError, warn
from benchmark.analysis.inputs import aggregate_inputs, made_of, suite_inputs
from benchmark.environments.input_files import problem_lines
from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.run_spec import RunSpec
from benchmark.experiments.store import AGGREGATE, REPORTS, SUITES, Store, find_checkout, outside
from benchmark.experiments.suite import PlannedRun, Suite, load_suite, load_suites, suite_names
from benchmark.report.freshness import expected_inputs, is_prepared, report_made_of
from benchmark.workflow.slurm_jobs import require_no_unfinished_jobs
from benchmark.workflow.training_progress import TrainingProgress

EVIDENCE = "evidence"


class ConfigError(UserError):
    """A `--config` that cannot be used."""


class PipelineConfig(BaseModel):
    """The pipeline's options: `snakemake --config suites='[quick, lbf-baselines]' device=cuda retrain=true`.

    The suite name "evidence" stands for all suites whose records are all committed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    suites: tuple[str, ...] = Field(default=(EVIDENCE, "quick"), description="Names of suites, or paths of suite files.")
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="Where runs are trained.")
    retrain: bool = Field(default=False, description="Train also what has a committed record, and compare the two.")
    pdf: bool = Field(default=False, description="Draw a PDF twin of each figure.")

    @field_validator("suites", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        values = (value,) if isinstance(value, str) else value
        if not isinstance(values, list | tuple) or not values or not all(isinstance(name, str) and name for name in values):
            raise ValueError(f"it takes suites or paths of suite files, as in suites='[quick, mine.yaml]'; got {value!r}")
        return values

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
    def description(self) -> str:
        """For people."""
        spec = self.planned.spec
        return f"{self.planned.variant} on {spec.task}, seed {spec.seed}, {spec.budget:,} steps"

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
        checkout = find_checkout(root)
        if checkout not in (root, None):
            raise ConfigError(
                f"this folder lies in the checkout {checkout}: run snakemake there, or with --directory {checkout}"
            )
        for folder in (SUITES, AGGREGATE, REPORTS, Path("logs"), Path("checkpoints")):
            if (root / folder).exists() and not (root / folder).is_dir():
                raise ConfigError(f"{folder} is a file, where a folder is needed; move it away")
        notice = outside(root)
        if notice is not None and EVIDENCE in self.config.suites:
            warn(notice)
        loaded = load_suites(self._requested())
        self.suites: dict[str, Suite] = {suite.name: suite for suite in loaded.values()}
        self._arguments = {suite.name: argument for argument, suite in loaded.items()}
        self._runs = {name: tuple(suite.runs()) for name, suite in self.suites.items()}
        self._jobs: dict[str, Job] = {}
        self._trained: set[str] = set()
        for name, suite in self.suites.items():
            for planned in self._runs[name]:
                path = planned.spec.path.as_posix()
                self._jobs.setdefault(path, Job(self._arguments[name], planned))
                if self.config.retrain or suite.always_train:
                    self._trained.add(path)

    def _requested(self) -> list[str]:
        """The names and paths of --config, with what "evidence" stands for."""
        names: list[str] = []
        for name in self.config.suites:
            names += evidence_suites(self.store) if name == EVIDENCE else [name]
        return names

    def records(self, *suites: str) -> list[str]:
        """The records that the suites' aggregates are made of: the committed one where there is one and the suite takes it,
        else the own one, which is trained if it is not there. With retrain, every own one."""
        paths = dict.fromkeys(planned.spec.path.as_posix() for suite in suites for planned in self._runs[suite])
        return [self._record(path).as_posix() for path in paths]

    def _record(self, path: str) -> Path:
        spec = self._jobs[path].planned.spec
        committed = self.store.reference(spec)
        return self.store.own(spec) if path in self._trained or not committed.exists() else committed

    @cached_property
    def to_train(self) -> dict[str, RunSpec]:
        """The runs whose record is not there yet, by their path."""
        return {path: job.planned.spec for path, job in self._jobs.items() if not self._record(path).exists()}

    @cached_property
    def ready(self) -> list[str]:
        """The suites that need no training."""
        absent = {spec.path for spec in self.to_train.values()}
        return [name for name, runs in self._runs.items() if not any(run.spec.path in absent for run in runs)]

    def stale_suites(self, *suites: str) -> list[str]:
        """A file that is newer than what was prepared of the suites, if any of that has to be done again; else none.

        Snakemake compares times of files, which git sets as it likes. What decides here are hashes of the suite, its records,
        its crash notes, and of the code that aggregates and draws.
        """
        return [] if all(map(self._fresh, suites)) else [self._newer_file("-".join(suites)[:100])]

    def _fresh(self, suite: str) -> bool:
        folder = self.store.root / SUITES / suite
        prepared = is_prepared(folder, self._inputs[suite], self._variants, pdf=self.config.pdf)
        return prepared and suite in self.ready

    def stale_report(self) -> list[str]:
        """The same of the report."""
        inputs = expected_inputs(aggregate_inputs(self._inputs, self.store), pdf=self.config.pdf)
        fresh = report_made_of(self.store.root / REPORTS) == inputs
        fresh = fresh and made_of(self.store.root / AGGREGATE) == aggregate_inputs(self._inputs, self.store)
        return [] if fresh and not self.to_train else [self._newer_file("report")]

    @property
    def evidence_first(self) -> list[str]:
        """The marker of a report of the suites that need no training, made before anything is trained; none where there is a
        report already, or nothing to wait for."""
        wanted = bool(self.ready and self.to_train) and not (self.store.root / REPORTS / "index.html").exists()
        return [(AGGREGATE / ".evidence").as_posix()] if wanted else []

    @cached_property
    def _inputs(self) -> dict[str, str]:
        retrain = self.config.retrain
        return {
            name: suite_inputs(suite, self.store, retrain=retrain, runs=self._runs[name]) for name, suite in self.suites.items()
        }

    @cached_property
    def _variants(self) -> set[str]:
        return {variant for suite in self.suites.values() for variant in suite.variants}

    def _newer_file(self, name: str) -> str:
        path = self.store.root / ".snakemake" / "creditbench" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{time.time_ns()}\n")  # Snakemake takes a newer file with the content of last time for unchanged
        return path.as_posix()

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

    def prepare_arguments(self, suites: Iterable[str]) -> str:
        """The arguments of `creditbench prepare` for suites, quoted for a shell."""
        report = [part for argument in self._arguments.values() for part in ("--report", argument)]
        retrain = ["--retrain"] if self.config.retrain else []
        return shlex.join([*(self._arguments[suite] for suite in suites), *report, *retrain, *self._pdf])

    @property
    def aggregate_arguments(self) -> str:
        """The options of `creditbench aggregate` for all these suites, quoted for a shell."""
        names = [part for argument in self._arguments.values() for part in ("--suite", argument)]
        return shlex.join([*names, *(["--retrain"] if self.config.retrain else [])])

    @property
    def report_arguments(self) -> str:
        """The options of `creditbench report`."""
        return shlex.join(self._pdf)

    @property
    def _pdf(self) -> list[str]:
        return ["--pdf"] if self.config.pdf else []

    def training_progress(self) -> TrainingProgress:
        """Shows how far the runs are that have to be trained, until it is stopped."""
        return TrainingProgress(self.store, list(self.to_train.values()))

    @property
    def gpus(self) -> int:
        """How many GPUs one training job takes."""
        return int(self.config.device == "cuda")

    def claim_folder(self, *, submits: bool = False) -> None:
        """Makes this process the only pipeline in the folder, until it ends. `submits`: whether runs are jobs of a cluster.

        Raises ConfigError if another one is at work, UnfinishedJobs if an ended one has left jobs in Slurm's queue, and
        NoAnswer if `submits` and Slurm cannot be asked.
        Snakemake's own lock outlives a killed Snakemake; the operating system's does not.
        """
        folder = self.store.root / ".snakemake"
        folder.mkdir(exist_ok=True)
        self._lock = FileLock(folder / "creditbench.lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise ConfigError("another snakemake is at work in this folder; wait for it or end it with kill -TERM") from error
        if self.to_train:
            require_no_unfinished_jobs(self.store.root, submits=submits)
        self._leave_the_future()

    def _leave_the_future(self) -> None:
        """Gives inputs from before the clock was set back the present time: Snakemake would delete what is made of them."""
        now = time.time()
        markers = [self.store.root / "checkpoints" / ".kernels" / family for family in self.families]
        for path in [*markers, *map(self._record, self._jobs)]:
            with contextlib.suppress(OSError):  # not there yet, or not ours: then Snakemake says what it needs
                if path.stat().st_mtime > now:
                    os.utime(path)


def evidence_suites(store: Store) -> list[str]:
    """The suites that come with CreditBench and whose records are all committed, those of the most runs first.

    A suite of which more than half of the records are there, but not all, is named on stderr: some have been lost.
    """
    counts = {}
    for suite in map(load_suite, suite_names()):
        if suite.always_train:
            continue
        paths = [store.reference(planned.spec) for planned in suite.runs()]
        absent = [path for path in paths if not path.exists()]
        if not absent:
            counts[suite.name] = len(paths)
        elif 2 * len(absent) < len(paths):
            committed = f"{len(paths) - len(absent)} of {len(paths)} records are committed"
            print(f"{suite.name} is left out of the report: {committed}; not there: {absent[0]}", file=sys.stderr)
    return sorted(counts, key=lambda name: -counts[name])
