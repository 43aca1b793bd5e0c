"""Arguments that several commands share, and the checks that they need."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from algorithms.plugins import did_you_mean
from benchmark.cli.errors import BadInput
from benchmark.environments.input_files import InvalidYaml, parse_yaml
from benchmark.environments.interface import Backend
from benchmark.environments.tasks.registry import Task
from benchmark.experiments.run_spec import get_algorithm
from benchmark.experiments.settings_layers import merged

Device = Annotated[str, typer.Option(help="cpu or cuda.")]


def one_of(kind: str, value: str | None, allowed: Iterable[str]) -> str | None:
    """The value, if it is allowed or not given. Raises BadInput."""
    allowed = tuple(allowed)
    if value is not None and value not in allowed:
        raise BadInput(f"{kind} must be {' or '.join(allowed)}, not '{value}'.{did_you_mean(value, allowed)}")
    return value


def a_backend(task: Task, backend: str | None) -> Backend:
    """The backend that a task is simulated with. Raises BadInput, or NoSimulator if the task has no such one."""
    one_of("backend", backend, ("native", "reference"))
    return task.simulator(backend)[0]  # type: ignore[arg-type]


def a_device(device: str) -> str:
    """The device, if torch has it here. Raises BadInput."""
    one_of("device", device, ("cpu", "cuda"))
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise BadInput("--device cuda: torch finds no GPU here")
    return device


def layered(algorithm: str, preset: str | None, assignments: Iterable[str]) -> dict[str, Any]:
    """Settings of --set above those of --preset. Raises BadInput, also for a preset that the algorithm does not offer."""
    presets = get_algorithm(algorithm).presets
    if preset is not None and preset not in presets:
        offered = f"it offers {', '.join(presets)}" if presets else "it offers none"
        raise BadInput(f"{algorithm} has no preset '{preset}'; {offered}.{did_you_mean(preset, presets)}")
    return merged(presets[preset] if preset is not None else {}, settings_of(assignments))


def settings_of(assignments: Iterable[str]) -> dict[str, Any]:
    """Settings from name=value: values are YAML scalars, a dot reaches into a nested setting. Raises BadInput."""
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


def must_hold_a_run(run_dir: Path) -> None:
    """Raises BadInput where a folder is not that of a run."""
    if not (run_dir / "record.json").is_file():
        raise BadInput(f"{run_dir} holds no record.json; the folders of runs lie below results/runs and results/reference")
