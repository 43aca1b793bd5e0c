"""From a RunSpec to its algorithm, and the check that the installed versions are those that the spec names."""

from __future__ import annotations

import torch

from algorithms.interface import Algorithm, LearnerContext, RunProgress, TeamShape
from algorithms.seeds import derive
from benchmark.environments.tasks.registry import get_task, package_version
from benchmark.experiments.run_spec import ImpossibleRun, RunSpec


def build_algorithm(spec: RunSpec, team: TeamShape, device: torch.device, progress: RunProgress | None = None) -> Algorithm:
    """The run's algorithm for the team, untrained. `progress`: the steps that a trainer counts; None where nothing trains."""
    context = LearnerContext(
        team=team,
        regime=spec.regime,
        budget=spec.budget,
        seed=derive(spec.seed, "network"),
        time_limit=spec.time_limit,
        device=device,
        progress=progress or RunProgress(),
    )
    return spec.entry().build(spec.resolved_settings(), context)


def validate_versions(spec: RunSpec) -> None:
    """Raises ImpossibleRun where task, algorithm, package or protocol have another version than the run names."""
    task, entry = get_task(spec.task), spec.entry()
    parts: list[tuple[str, str, int | str, int | str]] = [
        ("task", spec.task, spec.task_version, task.version),
        ("algorithm", spec.algorithm, spec.algorithm_version, entry.version),
        ("protocol", "training and evaluation", spec.protocol_version, spec.evaluation.protocol_version),
    ]
    if spec.package is not None:
        parts.append(("package", spec.package.name, spec.package.version, package_version(spec.package.name)))
    for kind, name, required, installed in parts:
        if required != installed:
            raise ImpossibleRun(f"The run names version {required} of the {kind} {name}; here it has version {installed}.")
