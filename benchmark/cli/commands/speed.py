"""`creditbench speed`: environment steps per second of simulation and training."""

from __future__ import annotations

from typing import Annotated

import typer

from benchmark.cli.arguments import Device, layered_settings, validate_device
from benchmark.cli.errors import BadInput
from benchmark.cli.output import json_line
from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.run_spec import EvaluationSchedule, get_algorithm, resolve
from benchmark.experiments.suite import load_suite, suite_names


def speed(
    task: Annotated[list[str] | None, typer.Option(help="A task; may be given again. Without it: those of the suites.")] = None,
    algorithm: Annotated[str | None, typer.Option(help="Also measure training with this algorithm.")] = None,
    preset: Annotated[str | None, typer.Option(help="A preset of its settings.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of it; may be given again.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=86_400, help="To measure for, each.")] = 3.0,
    threads: Annotated[int, typer.Option(min=1, max=1024, help="Of the training process.")] = 1,
    device: Device = "cpu",
) -> None:
    """Environment steps per second of simulation and training, one JSON object per line.

    A step counts once for the whole team. The reference package is measured as well where it is installed.

    \b
    Examples:
      creditbench speed --task lbf/8x8-2p-2f-coop
      creditbench speed --task lbf/8x8-2p-2f-coop --algorithm mappo
      creditbench speed --task alice_and_bob --algorithm ippo+tar2 --preset screening
    """
    validate_device(device)
    names = task or sorted({entry.task for name in suite_names() for entry in load_suite(name).tasks})
    tasks = [get_task(name) for name in names]
    if algorithm is None and (preset is not None or assignments):
        raise BadInput("--preset and --set are of an algorithm: name it with --algorithm")
    settings = {} if algorithm is None else layered_settings(algorithm, preset, assignments or [])
    if algorithm is not None:
        regime, shortest = get_algorithm(algorithm).regimes[0], EvaluationSchedule(points=2)
        for each in tasks:  # what cannot be trained is said before anything is measured
            resolve(task=each.id, algorithm=algorithm, regime=regime, seed=0, budget=1, settings=settings, evaluation=shortest)
    from benchmark.training.speed import speed_lines

    for each in tasks:
        for line in speed_lines(each, algorithm, settings=settings, seconds=seconds, threads=threads, device=device):
            json_line(line)
