"""The registry of tasks: environment, scenario, horizon and version, with the reference scores that normalise returns.

A task is data: nothing is simulated here, and neither torch nor numba is imported. Task families live in
`benchmark.environments.tasks`; other packages add theirs as `TaskFamily` objects under the entry point group GROUP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from algorithms.names import validate_distinct, validate_name
from algorithms.plugins import BrokenPlugin, UserError, load, reason_of, registered, unknown
from algorithms.team import ImpossibleTeam
from benchmark.environments.checks import BrokenGame, validate_declared
from benchmark.environments.interface import Backend, BatchedEnvironment

GROUP = "creditbench.tasks"

FAMILIES = (
    "benchmark.environments.tasks.lbf:FAMILY",
    "benchmark.environments.tasks.mpe:FAMILY",
    "benchmark.environments.tasks.smaclite:FAMILY",
    "benchmark.environments.tasks.alice_and_bob:FAMILY",
    "benchmark.environments.tasks.grids:FAMILY",
    "benchmark.environments.tasks.diagnostics:MATRIX",
    "benchmark.environments.tasks.diagnostics:SYNERGY",
    "benchmark.environments.tasks.diagnostics:TOYS",
)


class NoSimulator(UserError):
    """A task lacks the backend, or the backend's package is not installed. The message names it."""


@dataclass(frozen=True)
class ReferenceScores:
    """Fixed anchors of a task: a score is (value - random) / (best - random), independent of the methods compared.

    `random`: the uniformly random policy over available actions; `best`: the known optimum or a strong reference.
    Each comes with its source: a command of ours, or a publication.
    """

    random: float
    random_source: str
    best: float
    best_source: str


@dataclass(frozen=True)
class Simulator:
    """One way to simulate a task: `factory` ("module:callable") is called with batch_size and `parameters`.

    `package`: the distribution whose exact version is part of a run's identity (None for our own simulators).
    `workers`: processes that the adapter of a real package uses beside the trainer's.
    """

    factory: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    package: str | None = None
    deterministic: bool = True
    workers: int = 0


@dataclass(frozen=True)
class Task:
    """One task. `id` such as "lbf/8x8-2p-2f-coop"; any change of dynamics, observations or rewards raises `version`.

    `n_agent_types`: how many types of agents (methods may support only one). `success`: the event that the success rate
    counts. `random_starts`: whether the first observations or the first state depend on the episode's seed.
    `random_dynamics`: whether what follows from one state under one joint action does (rewards included). `score`: the measure
    that is normalised and aggregated. `note`: shown beside every number. `has_positions`: whether the native simulator gives
    positions (`BatchedEnvironment.agent_positions`). `return_bounds`: the lowest and the highest team return that the rules
    allow for an episode, `success_bounds`: for one that is a success; None: not known. Records beyond them are refused.
    """

    id: str
    version: int
    title: str
    description: str
    source: str
    n_agents: int
    n_agent_types: int
    horizon: int
    success: str
    random_starts: bool
    random_dynamics: bool
    native: Simulator | None = None
    reference: Simulator | None = None
    score: Literal["return", "success"] = "return"
    reference_scores: ReferenceScores | None = None
    note: str = ""
    has_positions: bool = False
    return_bounds: tuple[float, float] | None = None
    success_bounds: tuple[float, float] | None = None

    @property
    def family(self) -> str:
        return self.id.partition("/")[0]

    def simulator(self, backend: Backend | None = None) -> tuple[Backend, Simulator]:
        """The simulator of a backend; None: native where it exists, else reference.

        Raises NoSimulator if the task has no such backend.
        """
        for name, simulator in (("native", self.native), ("reference", self.reference)):
            if simulator is not None and backend in (None, name):
                return name, simulator  # type: ignore[return-value]
        raise NoSimulator(f"Task {self.id} has no {backend or 'native or reference'} backend.")

    def build(self, batch_size: int, backend: Backend | None = None) -> BatchedEnvironment:
        """A new environment of `batch_size` rows.

        Raises NoSimulator if the backend's package is not installed, BrokenPlugin if the simulator cannot be imported, and
        BrokenGame if it has another team or horizon than this task declares.
        """
        _, simulator = self.simulator(backend)
        if simulator.package is not None:
            package_version(simulator.package)
        factory = load(simulator.factory, f"the simulator {simulator.factory} of the task '{self.id}'")
        try:
            environment: BatchedEnvironment = factory(batch_size=batch_size, **simulator.parameters)
        except (BrokenGame, ImpossibleTeam) as error:
            raise BrokenGame(f"{self.id}: {error}") from error
        declared = {name: getattr(self, name) for name in ("n_agents", "n_agent_types", "horizon")}
        validate_declared(environment, self.id, declared)
        environment.task = self.id
        return environment

    def normalise(self, value: float) -> float | None:
        """(value - random) / (best - random), None where the task has no reference scores."""
        scores = self.reference_scores
        return None if scores is None else (value - scores.random) / (scores.best - scores.random)


@dataclass(frozen=True)
class TaskFamily:
    """The tasks of one environment. `names`: the listed ids. `resolve(id) -> Task | None` may accept more ids than these
    (any registered LBF id, say). `name`: the first part of every id. Raises InvalidName."""

    name: str
    title: str
    names: tuple[str, ...]
    resolve: Callable[[str], Task | None]

    def __post_init__(self) -> None:
        validate_name("a family of tasks", self.name)
        for name in self.names:
            validate_name("a task", name, parts=True)
        validate_distinct("tasks", self.names)


@cache
def families() -> dict[str, TaskFamily]:
    """Every family by its name, those of other packages included; those that cannot be used are left out, with a warning."""
    return registered(GROUP, TaskFamily, map(load, FAMILIES), _check_listed)


def _check_listed(family: TaskFamily) -> None:
    """Raises BrokenPlugin unless the family has every task that it lists."""
    for name in family.names:
        if name.partition("/")[0] != family.name:
            raise BrokenPlugin(f"the task '{name}' is listed by the family '{family.name}', whose ids begin with its name")
        if _resolved(family, name) is None:
            raise BrokenPlugin(f"the family '{family.name}' lists '{name}', but has no such task")


def _resolved(family: TaskFamily, name: str) -> Task | None:
    """Raises BrokenPlugin where the family's `resolve` does something else than to give the task of that id or None."""
    try:
        task = family.resolve(name)
    except UserError:
        raise
    except Exception as error:
        raise BrokenPlugin(f"the family of tasks '{family.name}' fails on the id '{name}': {reason_of(error)}") from error
    if task is not None and (not isinstance(task, Task) or task.id != name):
        raise BrokenPlugin(f"the family of tasks '{family.name}' gives something else for the id '{name}'")
    return task


def task_names() -> list[str]:
    """The ids of all listed tasks."""
    return [name for family in families().values() for name in family.names]


@cache
def get_task(name: str) -> Task:
    """The task of that id.

    Raises UnknownName with the nearest ids, InvalidName for an id that is no path, BrokenPlugin for a family that fails.
    """
    family = families().get(name.partition("/")[0])
    task = _resolved(family, name) if family else None
    if task is None:
        raise unknown("task", name, task_names(), GROUP)
    validate_name("a task", task.id, parts=True)
    return task


def package_version(package: str) -> str:
    """The installed version of a package. Raises NoSimulator, with where to read how to install it."""
    try:
        return version(package)
    except PackageNotFoundError as error:
        raise NoSimulator(f"The package '{package}' is not installed; README says how to install it.") from error
