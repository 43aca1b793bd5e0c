"""Arguments that several commands share, and their validation."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from algorithms.plugins import did_you_mean, warn
from benchmark.cli.errors import BadInput
from benchmark.environments.input_files import InvalidYaml, parse_yaml
from benchmark.environments.interface import Backend
from benchmark.environments.tasks.registry import Task
from benchmark.experiments.record import read_record
from benchmark.experiments.run_spec import get_algorithm
from benchmark.experiments.settings_layers import merged
from benchmark.experiments.store import Store, outside
from benchmark.experiments.suite import Suite, suite_names

MAXIMUM_EPISODES = 10_000_000
"""Of one command; what each gave is kept in memory."""

Device = Annotated[str, typer.Option(help="cpu or cuda.")]


def validate_choice(kind: str, value: str | None, allowed: Iterable[str]) -> str | None:
    """The value, which must be allowed or None. Raises BadInput."""
    allowed = tuple(allowed)
    if value is not None and value not in allowed:
        raise BadInput(f"{kind} must be {' or '.join(allowed)}, not '{value}'.{did_you_mean(value, allowed)}")
    return value


def resolve_backend(task: Task, backend: str | None) -> Backend:
    """The backend that simulates the task. Raises BadInput, or NoSimulator if the task does not have it."""
    validate_choice("backend", backend, ("native", "reference"))
    return task.simulator(backend)[0]  # type: ignore[arg-type]


def validate_device(device: str) -> str:
    """The device, which must be available. Raises BadInput."""
    validate_choice("device", device, ("cpu", "cuda"))
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise BadInput("--device cuda: torch finds no GPU here")
    return device


def layered_settings(algorithm: str, preset: str | None, assignments: Iterable[str]) -> dict[str, Any]:
    """Settings of --preset, overridden by those of --set. Raises BadInput."""
    presets = get_algorithm(algorithm).presets
    if preset is not None and preset not in presets:
        offered = f"it offers {', '.join(presets)}" if presets else "it offers none"
        raise BadInput(f"{algorithm} has no preset '{preset}'; {offered}.{did_you_mean(preset, presets)}")
    return merged(presets[preset] if preset is not None else {}, parse_settings(assignments))


def parse_settings(assignments: Iterable[str]) -> dict[str, Any]:
    """Settings from name=value. Values are YAML 1.2; `outer.inner` names a nested setting. Raises BadInput."""
    settings: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            raise BadInput(f"--set takes name=value, as in --set learning_rate=0.001; got '{assignment}'")
        try:
            value = parse_yaml(text)
        except InvalidYaml as error:
            raise BadInput(f"--set {name}: '{text}' is no YAML value: {error}") from error
        *outer, last = name.strip().split(".")
        inner = settings
        for part in outer:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise BadInput(f"--set {name}: '{part}' has been given a value already")
        if last in inner:
            raise BadInput(f"--set {name} is given twice")
        inner[last] = value
    return settings


def results_of(suites: Iterable[Suite]) -> Store:
    """The results that the working folder belongs to. A line on stderr where it belongs to no checkout, but one of the suites
    may have committed records."""
    notice = outside(Path("."))
    if notice is not None and any(suite.name in suite_names() and not suite.always_train for suite in suites):
        warn(notice)
    return Store()


def validate_output_folder(what: str, folder: Path) -> None:
    """Raises BadInput where a file stands in the place of the folder, or of one above it."""
    try:
        there = next((path for path in (folder, *folder.parents) if path.exists()), None)
    except (OSError, ValueError) as error:  # a name that is too long; a null character
        raise BadInput(f"{what}: {_strerror(error)}: {str(folder)[:80]!r}") from error
    if there is not None and not there.is_dir():
        raise BadInput(f"{what}: {there} is a file, where a folder is needed")


def validate_output_file(what: str, path: Path) -> None:
    """Raises BadInput where a folder stands in the place of the file, or a file in that of a folder above it."""
    validate_output_folder(what, path.parent)
    if path.is_dir():
        raise BadInput(f"{what}: {path} is a folder, where a file is needed")


def _strerror(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def validate_run_folder(run_dir: Path) -> None:
    """Raises BadInput if the folder holds no record, CorruptRecord for one that is not sound: before torch is imported."""
    if not (run_dir / "record.json").is_file():
        raise BadInput(f"{run_dir} holds no record.json; the folders of runs lie below results/runs and results/reference")
    read_record(run_dir / "record.json")
