"""What `resolve` (run_spec.py) implies for the specification in a record: another one has been written by no run.

* the version of the protocol is the one that has the evaluations
* the names of task and algorithm can be names
where the task is known here in the version of the specification:
* it has the backend, which is simulated by the package
and where the algorithm is:
* the settings are valid, and none of them is equal to its default: else one run would have several fingerprints
* the algorithm can learn under the regime
"""

from __future__ import annotations

from collections.abc import Iterator

from algorithms.names import InvalidName, validate_name
from algorithms.plugins import UserError
from benchmark.environments.tasks.registry import NoSimulator, get_task
from benchmark.experiments.run_spec import (
    PROTOCOL_VERSION,
    ImpossibleRun,
    RunSpec,
    canonical_json,
    get_algorithm,
    validated_settings,
)


def impossible(spec: RunSpec) -> Iterator[str]:
    """What of the specification `resolve` gives for no run, in words."""
    schedule = spec.evaluation
    if spec.protocol_version != schedule.protocol_version and spec.protocol_version <= PROTOCOL_VERSION:
        yield (
            f"evaluation.policy: {schedule.policy} is of version {schedule.protocol_version} of the protocol, "
            f"not of {spec.protocol_version}"
        )
    try:
        validate_name("a task", spec.task, parts=True)
        validate_name("an algorithm", spec.algorithm)
    except InvalidName as error:
        yield str(error)
    yield from _simulator(spec)
    yield from _settings(spec)


def _simulator(spec: RunSpec) -> Iterator[str]:
    try:
        task = get_task(spec.task)
    except UserError:
        return
    if task.version != spec.task_version:
        return
    try:
        _, simulator = task.simulator(spec.backend)
    except NoSimulator as error:
        yield str(error)
        return
    package = None if spec.package is None else spec.package.name
    if package != simulator.package:
        yield f"the {spec.backend} backend of {task.id} is simulated by {simulator.package or 'no package'}, not by {package}"


def _settings(spec: RunSpec) -> Iterator[str]:
    try:
        entry = get_algorithm(spec.algorithm)
    except UserError:
        return
    if entry.version != spec.algorithm_version:
        return
    if spec.regime not in entry.regimes:
        yield f"{entry.name} cannot learn under the {spec.regime} reward regime"
    try:
        changed = validated_settings(entry, spec.settings).changed()
    except ImpossibleRun as error:
        yield str(error)
        return
    if canonical_json(changed) != canonical_json(spec.settings):  # Python holds 1 and 1.0 for equal; their texts are not
        yield f"settings of {entry.name}: those that differ from the defaults are {canonical_json(changed)}, and no others"
