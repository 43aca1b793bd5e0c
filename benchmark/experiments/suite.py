"""Suites: tasks x variants x seeds, with claims and ablations. One YAML file each, checked on load.

The files lie in benchmark/papers/<paper>/suites; those that belong to no single paper in benchmark/suites.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from algorithms.names import validate_distinct, validate_name
from algorithms.plugins import UserError, did_you_mean, unknown
from algorithms.team import Regime
from benchmark.environments.input_files import InvalidYaml, problem_lines, read_yaml
from benchmark.environments.interface import Backend
from benchmark.experiments.record import SettingsOrigin, SettingsSource, Tuning
from benchmark.experiments.run_spec import MAXIMUM_BUDGET, EvaluationSchedule, RunSpec, get_algorithm, resolve
from benchmark.experiments.settings_layers import merged
from benchmark.experiments.statements import Ablation, Claim
from benchmark.experiments.validation import Strict

_BENCHMARK = Path(__file__).parents[1]
SUITE_FOLDER = _BENCHMARK / "suites"


class SuiteError(UserError):
    """A suite file that cannot be used. The message names the file, the field and what is allowed."""


class SuiteTask(Strict):
    """A task of a suite and the environment steps each run gets on it."""

    task: str
    budget: int = Field(ge=1, le=MAXIMUM_BUDGET)
    backend: Backend | None = None
    published: dict[str, float] = Field(default_factory=dict)
    """Published final mean return by variant name, shown beside ours."""
    published_source: str = ""


class Variant(Strict):
    """An algorithm with its reward regime and the settings that differ from its defaults, nested ones as dictionaries."""

    algorithm: str
    regime: Regime = "team"
    settings: dict[str, Any] = Field(default_factory=dict)
    title: str = ""
    published_iqm: float | None = None
    """Published interquartile mean of normalised scores over the tasks of the suite, shown beside ours."""


class Override(Strict):
    """Settings for the runs whose task and variant match the patterns (fnmatch); later overrides win, key by key."""

    task: str = "*"
    variant: str = "*"
    settings: dict[str, Any]


class Suite(Strict):
    """Tasks, variants and seeds that are run and compared together."""

    name: str
    title: str
    description: str
    smoke: bool = False
    """A smoke test: shown as 'smoke, not evidence', never ranked."""
    always_train: bool = False
    """Committed reference records are not used: the pipeline trains."""
    tasks: tuple[SuiteTask, ...] = Field(min_length=1, strict=False)
    variants: dict[str, Variant] = Field(min_length=1)
    preset: str = ""
    """A preset of the algorithms, applied below the settings of their variants. Algorithms without it use their defaults."""
    overrides: tuple[Override, ...] = Field(default=(), strict=False)
    seeds: tuple[int, ...] = Field(min_length=1, strict=False)
    evaluation: EvaluationSchedule = EvaluationSchedule()
    time_limit: Literal["terminal", "bootstrap"] = "terminal"
    parallel_episodes: int = Field(default=128, ge=1, le=4096)
    settings_source: SettingsSource = ""
    """Where the settings come from: defaults, a publication, tuning (with trials, steps and seeds)."""
    published_source: str = ""
    """The source of the `published_iqm` of its variants."""
    tuning: Tuning | None = None
    """The cost of tuning the settings, defaults included, on the tasks of this suite; None: not tuned on them."""
    core_hours: float | None = Field(default=None, ge=0)
    """Core-hours of training all its runs, measured or estimated."""
    claims: tuple[Claim, ...] = Field(default=(), strict=False)
    ablations: tuple[Ablation, ...] = Field(default=(), strict=False)

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError("seeds must be distinct")
        return seeds

    @field_validator("name")
    @classmethod
    def _can_be_a_folder(cls, name: str) -> str:
        validate_name("a suite", name)
        return name

    @field_validator("variants")
    @classmethod
    def _can_be_names(cls, variants: dict[str, Variant]) -> dict[str, Variant]:
        for name in variants:
            validate_name("a variant", name)
        validate_distinct("variants", variants)
        return variants

    @model_validator(mode="after")
    def _names_exist(self) -> Suite:
        """Every task and variant that is named is one of the suite."""
        tasks = [entry.task for entry in self.tasks]
        if len(set(tasks)) != len(tasks):
            raise ValueError("tasks must be distinct")
        for entry in self.tasks:
            for name in entry.published:
                _must_be("variant", name, self.variants, f"published of {entry.task}")
        for override in self.overrides:
            for kind, pattern, names in (("task", override.task, tasks), ("variant", override.variant, list(self.variants))):
                if not any(fnmatchcase(name, pattern) for name in names):
                    raise ValueError(f"overrides: no {kind} of the suite matches '{pattern}'.{did_you_mean(pattern, names)}")
        for claim in self.claims:
            location = f"claim {claim.id}"
            _must_be("variant", claim.variant, self.variants, location)
            if claim.than is not None:
                _must_be("variant", claim.than, self.variants, location)
            if claim.task is not None:
                _must_be("task", claim.task, tasks, location)
        for ablation in self.ablations:
            location = f"ablation {ablation.id}"
            for name in (ablation.base, *ablation.variants):
                _must_be("variant", name, self.variants, location)
            if ablation.task is not None:
                _must_be("task", ablation.task, tasks, location)
        for kind, ids in (("claims", [c.id for c in self.claims]), ("ablations", [a.id for a in self.ablations])):
            if len(set(ids)) != len(ids):
                raise ValueError(f"the ids of {kind} must be distinct")
        return self

    def runs(self) -> Iterator[PlannedRun]:
        """Every run of the suite. Raises SuiteError for an impossible run before any is yielded."""
        planned = []
        for task in self.tasks:
            for name, variant in self.variants.items():
                for seed in self.seeds:
                    try:
                        spec = self._spec(task, name, variant, seed)
                    except ValueError as error:
                        raise SuiteError(f"suite {self.name}, task {task.task}, variant {name}: {error}") from error
                    planned.append(PlannedRun(self.name, name, spec))
        self._validate_preset()
        yield from planned

    @property
    def origin(self) -> SettingsOrigin:
        """Where the settings of the suite's runs come from; part of every record."""
        return SettingsOrigin(source=self.settings_source or "defaults", tuning=self.tuning)

    def run(self, task: str, variant: str, seed: int) -> PlannedRun:
        """One run by its names. Raises SuiteError with the names of the suite, UnknownName or ImpossibleRun."""
        tasks = {entry.task: entry for entry in self.tasks}
        for kind, name, names in (("task", task, tasks), ("variant", variant, self.variants)):
            if name not in names:
                known = f"{did_you_mean(name, names)} It has {', '.join(names)}."
                raise SuiteError(f"suite {self.name} has no {kind} '{name}'.{known}")
        spec = self._spec(tasks[task], variant, self.variants[variant], seed)
        self._validate_preset()
        return PlannedRun(self.name, variant, spec)

    def _spec(self, task: SuiteTask, name: str, variant: Variant, seed: int) -> RunSpec:
        preset = get_algorithm(variant.algorithm).presets.get(self.preset, {})
        overrides = [
            override.settings
            for override in self.overrides
            if fnmatchcase(task.task, override.task) and fnmatchcase(name, override.variant)
        ]
        return resolve(
            task=task.task,
            algorithm=variant.algorithm,
            regime=variant.regime,
            seed=seed,
            budget=task.budget,
            settings=merged(preset, variant.settings, *overrides),
            backend=task.backend,
            parallel_episodes=self.parallel_episodes,
            time_limit=self.time_limit,
            evaluation=self.evaluation,
        )

    def _validate_preset(self) -> None:
        """Raises SuiteError if no algorithm of the suite has the preset."""
        entries = [get_algorithm(variant.algorithm) for variant in self.variants.values()]
        offered = sorted({preset for entry in entries for preset in entry.presets})
        if self.preset and self.preset not in offered:
            known = f"They offer {', '.join(offered)}." if offered else "They offer none."
            hint = did_you_mean(self.preset, offered)
            raise SuiteError(f"suite {self.name}: none of its algorithms offers the preset '{self.preset}'.{hint} {known}")


@dataclass(frozen=True)
class PlannedRun:
    """A run and its names in a suite. Two suites with the same run share its spec and its files."""

    suite: str
    variant: str
    spec: RunSpec


def _must_be(kind: str, name: str, names: Iterable[str], location: str) -> None:
    if name not in names:
        raise ValueError(f"{location}: the suite has no {kind} '{name}'.{did_you_mean(name, names)}")


def _suite_files() -> dict[str, Path]:
    files = (*SUITE_FOLDER.glob("*.yaml"), *_BENCHMARK.glob("papers/*/suites/*.yaml"))
    return {path.stem: path for path in sorted(files, key=lambda path: path.stem)}


def suite_names() -> list[str]:
    """The suites that come with CreditBench, sorted."""
    return list(_suite_files())


def load_suite(name: str) -> Suite:
    """A suite by name, or by the path of a YAML file. Raises UnknownName or SuiteError."""
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise SuiteError(f"there is no suite file {path}")
    else:
        files = _suite_files()
        if name not in files:
            raise unknown("suite", name, files)
        path = files[name]
    status = path.stat()
    return _read_suite(path, status.st_mtime_ns, status.st_size)


@lru_cache
def _read_suite(path: Path, time: int, size: int) -> Suite:
    """Reads the file once while its `time` and `size` stay as they are: YAML takes longer to read than all else of a suite."""
    try:
        suite = Suite.model_validate(read_yaml(path))
    except InvalidYaml as error:
        raise SuiteError(f"{path} cannot be read as YAML: {error}") from error
    except ValidationError as error:
        models = (Suite, SuiteTask, Variant, Override, Claim, Ablation, EvaluationSchedule)
        raise SuiteError("\n  ".join([f"{path}:", *problem_lines(error, *models)])) from error
    if suite.name != path.stem:
        raise SuiteError(f"{path}: name is '{suite.name}', but must be '{path.stem}' as the file is called")
    return suite


def load_suites(names: Iterable[str]) -> dict[str, Suite]:
    """Suites by the given names or paths, each once. Raises as `load_suite`, SuiteError for two of one name, InvalidName for
    two names that differ in upper and lower case alone."""
    suites: dict[str, Suite] = {}
    for name in dict.fromkeys(names):
        suite = load_suite(name)
        twin = next((other for other, loaded in suites.items() if loaded.name == suite.name), None)
        if twin is not None:
            raise SuiteError(f"{twin} and {name} are both called {suite.name}: their results would have the same names")
        suites[name] = suite
    validate_distinct("suites", (suite.name for suite in suites.values()))
    return suites
