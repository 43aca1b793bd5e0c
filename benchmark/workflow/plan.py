"""What of a suite is there, what is not, and what the rest will cost. Imports neither torch nor numba."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.record import CorruptRecord, Record, read_limited, read_record
from benchmark.experiments.run_spec import ImpossibleRun, RunSpec, canonical_json
from benchmark.experiments.store import Found, Presence, Store
from benchmark.experiments.suite import PlannedRun, Suite

NOMINAL_STEPS_PER_SECOND = {"lbf": 30_000.0, "mpe": 25_000.0, "smaclite": 6_000.0}
"""Where no record tells: environment steps per second of one training process on one core, by the task's family; about half
of what `creditbench speed --task T --algorithm mappo` finds on a free core, because cores are rarely free."""
NOMINAL_NATIVE = 20_000.0
NOMINAL_REFERENCE = 500.0
"""For other families: on our simulators, and on a real package."""
NOMINAL_MULTIPLICATIONS_PER_SECOND = 2e10
"""Of reward models and their like on one core (measured: 2.4e10 in the attention of STAS)."""
NOMINAL_BYTES = 3_000_000
"""Disk of one run (record, policies, checkpoint, curves) where no finished run tells."""
RECORDS_PER_RATE = 20
"""As many records of one task and algorithm are read for their speed; more say nothing new."""


@dataclass(frozen=True)
class Price:
    """What training a run will take: seconds of one core and bytes on the disk. `source`: where the speed comes from."""

    core_seconds: float
    bytes: float
    steps_per_second: float
    source: str


@dataclass(frozen=True)
class PlannedState:
    """A planned run and what is there of it. `price` is None for a run that need not be trained."""

    planned: PlannedRun
    found: Found
    to_train: bool
    price: Price | None

    def as_json(self) -> dict[str, Any]:
        spec = self.planned.spec
        record = self.found.record
        return {
            "task": spec.task,
            "variant": self.planned.variant,
            "algorithm": spec.algorithm,
            "seed": spec.seed,
            "budget": spec.budget,
            "fingerprint": spec.fingerprint,
            "path": spec.path.as_posix(),
            "presence": self.found.presence,
            "status": record.outcome.status if record else None,
            "reason": self.found.reason,
            "to_train": self.to_train,
            "core_seconds": self.price.core_seconds if self.price else None,
            "steps_per_second": self.price.steps_per_second if self.price else None,
            "steps_per_second_source": self.price.source if self.price else None,
        }


@dataclass(frozen=True)
class Stale:
    """A record of an older version of a planned run: `changed` says what moved, as "algorithm 1 -> 2"."""

    path: Path
    changed: str


@dataclass(frozen=True)
class Plan:
    """The state of a suite."""

    suite: Suite
    runs: tuple[PlannedState, ...]
    stale: tuple[Stale, ...]

    def count(self, presence: Presence) -> int:
        return sum(run.found.presence == presence for run in self.runs)

    @property
    def failed(self) -> int:
        return sum(run.found.record is not None and run.found.record.outcome.status == "failed" for run in self.runs)

    @property
    def to_train(self) -> tuple[PlannedState, ...]:
        return tuple(run for run in self.runs if run.to_train)

    @property
    def core_hours(self) -> float:
        return sum(run.price.core_seconds for run in self.runs if run.price) / 3600

    @property
    def gigabytes(self) -> float:
        return sum(run.price.bytes for run in self.runs if run.price) / 1e9

    def as_json(self) -> dict[str, Any]:
        """The whole plan as plain values: what `creditbench plan --json` prints."""
        presences: tuple[Presence, ...] = ("reference", "own", "missing", "crashed", "corrupt")
        return {
            "suite": self.suite.name,
            "planned": len(self.runs),
            **{presence: self.count(presence) for presence in presences},
            "failed": self.failed,
            "stale": [{"path": entry.path.as_posix(), "changed": entry.changed} for entry in self.stale],
            "to_train": len(self.to_train),
            "core_hours": self.core_hours,
            "declared_core_hours": self.suite.core_hours,
            "gigabytes": self.gigabytes,
            "runs": [run.as_json() for run in self.runs],
        }


def plan(suite: Suite, store: Store, *, retrain: bool = False) -> Plan:
    """What is there of every run, and the price of what is not. `retrain`: committed records do not count.

    Raises SuiteError if the suite names a task, an algorithm or a pair that cannot be.
    """
    prices = Prices(store)
    committed = not (retrain or suite.always_train)
    states = []
    for planned in suite.runs():
        found = store.find(planned.spec, reference=committed)
        to_train = found.presence in ("missing", "crashed")
        states.append(PlannedState(planned, found, to_train, prices.of(planned.spec) if to_train else None))
    return Plan(suite, tuple(states), tuple(_stale([state.planned.spec for state in states], store)))


@dataclass
class Prices:
    """Prices runs from the speed and the size of the runs that are there, else from the nominal rates."""

    store: Store
    _records: dict[tuple[str, str], list[Record]] = field(default_factory=dict)

    def of(self, spec: RunSpec) -> Price:
        """The price of training one run: its training and evaluation steps at the steps per second of its like."""
        speed, source = self._speed(spec)
        task = get_task(spec.task)
        threads = 1 + task.simulator(spec.backend)[1].workers
        return Price(threads * total_steps(spec) / speed, self._bytes_per_run, speed, source)

    def _speed(self, spec: RunSpec) -> tuple[float, str]:
        key = (spec.task, spec.algorithm)
        if key not in self._records:
            paths = list(_record_paths(self.store, spec))[:RECORDS_PER_RATE]
            self._records[key] = [record for path in paths if (record := _readable(path)) is not None]
        measured = [
            total_steps(record.spec) / seconds
            for record in self._records[key]
            if record.outcome.status == "ok"
            and record.spec.backend == spec.backend
            and _alike(record.spec, spec)
            and (seconds := record.execution.seconds.get("total", 0.0)) > 0
        ]
        if measured:
            return median(measured), f"median of {len(measured)} record{'s' if len(measured) > 1 else ''}"
        plain, source = NOMINAL_STEPS_PER_SECOND.get(get_task(spec.task).family, NOMINAL_NATIVE), "nominal"
        if spec.backend == "reference":
            plain, source = NOMINAL_REFERENCE, "nominal, real package"
        return total_steps(spec) / (total_steps(spec) / plain + _model_seconds(spec)), source

    @cached_property
    def _bytes_per_run(self) -> float:
        """Mean size of the files of a finished run."""
        root = self.store.root / "results" / "runs"
        sizes = []
        for record in list(root.glob("**/record.json"))[:RECORDS_PER_RATE]:
            checkpoint = self.store.root / "checkpoints" / record.parent.relative_to(root)
            sizes.append(sum(_size(folder) for folder in (record.parent, checkpoint)))
        return sum(sizes) / len(sizes) if sizes else NOMINAL_BYTES


def total_steps(spec: RunSpec) -> int:
    """Environment steps of a whole run, evaluation included, if every episode lasted to the horizon."""
    evaluation = spec.evaluation
    episodes = evaluation.points * evaluation.episodes + evaluation.absolute_episodes
    return spec.budget + episodes * get_task(spec.task).horizon


def _model_seconds(spec: RunSpec) -> float:
    """Of the models that a run trains beside actors and critics, if every episode lasts to the horizon."""
    task = get_task(spec.task)
    work = spec.resolved_settings().model_work(task.n_agents, task.horizon, spec.budget / task.horizon)
    return work / NOMINAL_MULTIPLICATIONS_PER_SECOND


def _alike(one: RunSpec, other: RunSpec) -> bool:
    """Whether models beside actors and critics cost both about the same for every step; not if the settings of one, of another
    version of its algorithm, are unknown."""
    try:
        costs = sorted(_model_seconds(spec) / spec.budget for spec in (one, other))
    except ImpossibleRun:
        return False
    return costs[1] <= 1.5 * costs[0]


def _stale(planned: list[RunSpec], store: Store) -> Iterator[Stale]:
    """Records that differ from a planned run in versions only."""
    wanted = {_without_versions(spec): spec for spec in planned}
    one_of_each = {(spec.task, spec.algorithm): spec for spec in planned}
    for spec in one_of_each.values():
        for path in _record_paths(store, spec):
            old = _spec_of(path)
            new = wanted.get(_without_versions(old)) if old else None
            if old and new and old.fingerprint != new.fingerprint:
                yield Stale(path.relative_to(store.root), _difference(old, new))


def _without_versions(spec: RunSpec) -> str:
    """The identity of a run whatever the versions of task, algorithm, protocol and package."""
    return canonical_json(
        spec.model_dump(mode="json", exclude={"task_version", "algorithm_version", "protocol_version", "package"})
    )


def _difference(old: RunSpec, new: RunSpec) -> str:
    changes = []
    for name, title in (("task_version", "task"), ("algorithm_version", "algorithm"), ("protocol_version", "protocol")):
        if getattr(old, name) != getattr(new, name):
            changes.append(f"{title} {getattr(old, name)} -> {getattr(new, name)}")
    if old.package != new.package and old.package and new.package:
        changes.append(f"{old.package.name} {old.package.version} -> {new.package.version}")
    return ", ".join(changes)


def _record_paths(store: Store, spec: RunSpec) -> Iterator[Path]:
    """The records of this task and algorithm, whatever their seed, settings and versions."""
    for kind in ("reference", "runs"):
        folder = store.root / "results" / kind / spec.task
        yield from sorted(folder.glob(f"{spec.algorithm}-{'[0-9a-f]' * 12}/record.json"))


def _readable(path: Path) -> Record | None:
    try:
        return read_record(path)
    except CorruptRecord:
        return None


def _spec_of(path: Path) -> RunSpec | None:
    """The spec alone, without the cost of checking the whole record; None if there is none to be read."""
    try:
        return RunSpec.model_validate(json.loads(read_limited(path))["spec"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _size(folder: Path) -> int:
    sizes = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a run that is being trained replaces its files
            sizes += path.stat().st_size if path.is_file() else 0
    return sizes
