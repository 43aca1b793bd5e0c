"""What an aggregate is made of, as one hash: equal inputs give equal bytes, so nothing is computed twice.

The Snakefile asks for these hashes whenever it is read, so nothing here imports numpy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.run_spec import get_algorithm
from benchmark.experiments.store import Store
from benchmark.experiments.suite import PlannedRun, Suite

INPUTS_FILE = "inputs.sha256"
"""Beside what was made: the hash of what it was made of."""

_LARGEST = 2**24
"""Bytes; records and results of studies are far smaller."""
_ROOT = Path(__file__).parents[2]
_CODE = ("benchmark/analysis", "benchmark/experiments", "benchmark/environments/tasks", "algorithms/settings")
_PACKAGES = ("arch", "numpy", "pandas", "pydantic", "rliable", "scipy")


def suite_inputs(suite: Suite, store: Store, *, retrain: bool = False, runs: Sequence[PlannedRun] | None = None) -> str:
    """sha256 over what the aggregate of one suite depends on.

    The suite, what is said of its tasks and algorithms, its planned runs, the content of every record that is there (or the
    note of a crash, or that nothing is), the code that aggregates and the versions of the packages that it uses. `runs`: the
    suite's, where they are at hand.
    """
    digest = hashlib.sha256(f"{_code()}\n{suite.model_dump_json()}\n{retrain}\n".encode())
    for task in suite.tasks:  # how they are simulated is no part of it: their version is, in the fingerprints
        digest.update(f"{replace(get_task(task.task), native=None, reference=None)!r}\n".encode())
    for variant in suite.variants.values():
        algorithm = get_algorithm(variant.algorithm)
        digest.update(f"{algorithm.title!r} {sorted(algorithm.requires)}\n".encode())
    for planned in suite.runs() if runs is None else runs:
        spec = planned.spec
        places = [store.own(spec), store.crash_note(spec)]
        if not suite.always_train:
            places.insert(0, store.reference(spec))
        digest.update(f"{planned.variant} {spec.fingerprint}\n".encode())
        for path in places:
            content = _hash(path)
            if content is not None:
                digest.update(f"{path.relative_to(store.root).as_posix()} {content}\n".encode())
                if not retrain:
                    break
    return digest.hexdigest()


def aggregate_inputs(suites: Mapping[str, str], store: Store) -> str:
    """sha256 over what the aggregate of several suites depends on: `suite_inputs` of each by its name, in this order, and the
    studies."""
    digest = hashlib.sha256("".join(f"{name} {inputs}\n" for name, inputs in suites.items()).encode())
    for path in store.studies():
        digest.update(f"{path.name} {_hash(path)}\n".encode())
    return digest.hexdigest()


def made_of(folder: Path) -> str | None:
    """The hash of what the content of a folder was made of; None where nothing whole lies there."""
    try:
        return (folder / INPUTS_FILE).read_text().strip()
    except (OSError, ValueError):
        return None


def code_digest(folders: Iterable[str], packages: Iterable[str], endings: tuple[str, ...] = (".py",)) -> str:
    """sha256 over source files below the repository's `folders`, and the installed versions of `packages`."""
    digest = hashlib.sha256()
    for package in packages:
        digest.update(f"{package} {version(package)}\n".encode())
    for folder in folders:
        for path in sorted((_ROOT / folder).rglob("*")):
            if path.suffix in endings:
                digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def _code() -> str:
    return code_digest(_CODE, _PACKAGES)


def _hash(path: Path) -> str | None:
    """Of a file's content; None where there is nothing. Records come from strangers: what is no file, or too large to be
    read as one, counts as what it is."""
    try:
        if not path.exists():
            return None
        if not path.is_file():
            return "not a file"
        size = path.stat().st_size
        return f"{size} bytes" if size > _LARGEST else hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return str(error.strerror)
