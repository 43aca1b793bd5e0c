"""`creditbench evaluate`, `speed`, `random`, and the hidden `compile`: one task or run at a time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmark.commands.arguments import Device, a_backend, a_device, layered, one_of
from benchmark.commands.errors import BadInput
from benchmark.commands.show import json_line
from benchmark.suites import load_suite, suite_names
from benchmark.tasks import get_task

Backend = Annotated[str | None, typer.Option(help="native or reference; without it, the task's default.")]


def evaluate(
    run_dir: Annotated[Path, typer.Argument(help="Folder with record.json and policy.safetensors.")],
    episodes: Annotated[int, typer.Option(min=1, help="Fresh episodes to play.")] = 320,
    seed: Annotated[int, typer.Option(min=0, help="Of these episodes.")] = 0,
    policy: Annotated[str | None, typer.Option(help="greedy or sample; without it, as the run was evaluated.")] = None,
    device: Device = "cpu",
) -> None:
    """Plays fresh episodes with the best policy of a finished run; prints one JSON object.

    \b
    Example:
      creditbench evaluate results/runs/lbf/5x5-2p-1f-coop/ippo-0123456789ab --episodes 1000 --seed 7
    """
    _must_hold_a_run(run_dir)
    acting: Any = one_of("policy", policy, ("greedy", "sample"))
    a_device(device)
    from benchmark.evaluation import evaluate_run
    from benchmark.policies import CorruptPolicy

    try:
        point = evaluate_run(run_dir, episodes, seed, acting, device)
    except CorruptPolicy as error:
        raise BadInput(str(error)) from error
    json_line(
        {
            "run": str(run_dir),
            "episodes": len(point.returns),
            "seed": seed,
            "mean_return": point.mean_return,
            "success_rate": point.success_rate,
            "mean_length": sum(point.lengths) / len(point.lengths),
        }
    )


def watch(
    run_dir: Annotated[Path, typer.Argument(help="Folder with record.json and policy.safetensors.")],
    out: Annotated[Path, typer.Option(help="The animation to write, ending in .gif.")],
    seed: Annotated[int, typer.Option(min=0, help="Of the episode.")] = 0,
) -> None:
    """Plays one episode with the best policy of a finished run and writes it as an animation.

    \b
    Example:
      creditbench watch results/runs/lbf/5x5-2p-1f-coop/ippo-0123456789ab --out episode.gif --seed 3
    """
    _must_hold_a_run(run_dir)
    if out.suffix != ".gif":
        raise BadInput(f"--out must end in .gif, not '{out.name}'")
    from benchmark.policies import CorruptPolicy
    from benchmark.watching import watch_run

    try:
        total = watch_run(run_dir, out, seed=seed)
    except CorruptPolicy as error:
        raise BadInput(str(error)) from error
    print(f"{out}: return {total:.3f}")


def speed(
    task: Annotated[list[str] | None, typer.Option(help="A task; may be given again. Without it: those of the suites.")] = None,
    algorithm: Annotated[str | None, typer.Option(help="Also measure training with this algorithm.")] = None,
    preset: Annotated[str | None, typer.Option(help="A preset of its settings.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of it; may be given again.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="To measure for, each.")] = 3.0,
    threads: Annotated[int, typer.Option(min=1, help="Of the training process.")] = 1,
    device: Device = "cpu",
) -> None:
    """How fast tasks are simulated, and trained on: environment steps per second, one JSON object a line.

    A step counts once for the whole team. The real package is measured beside our simulator where it is installed.

    \b
    Examples:
      creditbench speed --task lbf/8x8-2p-2f-coop
      creditbench speed --task lbf/8x8-2p-2f-coop --algorithm mappo
      creditbench speed --task alice_and_bob --algorithm ippo+tar2 --preset screening
    """
    a_device(device)
    names = task or sorted({entry.task for name in suite_names() for entry in load_suite(name).tasks})
    tasks = [get_task(name) for name in names]
    if algorithm is None and (preset is not None or assignments):
        raise BadInput("--preset and --set are of an algorithm: name it with --algorithm")
    settings = {} if algorithm is None else layered(algorithm, preset, assignments or [])
    from benchmark.speed import speed_lines

    for found in tasks:
        for line in speed_lines(found, algorithm, settings=settings, seconds=seconds, threads=threads, device=device):
            json_line(line)


def random(
    task: Annotated[str, typer.Option(help="A task; `creditbench list tasks`.")],
    episodes: Annotated[int, typer.Option(min=2, help="Episodes to play.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    backend: Backend = None,
) -> None:
    """What the uniformly random policy scores: the lower anchor of a task's scores. Prints one JSON object.

    \b
    Example:
      creditbench random --task lbf/8x8-2p-2f-coop --episodes 100000
    """
    found = get_task(task)
    chosen = a_backend(found, backend)
    from benchmark.random_policy import random_policy_returns

    json_line(
        {"task": found.id, "backend": chosen, "episodes": episodes, "seed": seed}
        | random_policy_returns(found, episodes, seed, chosen)
    )


def compile_kernels(tasks: Annotated[list[str], typer.Argument()]) -> None:
    """Plays a few steps of each task, so that its compiled kernels lie in the cache before many processes want them.

    What goes wrong here is left for the runs to say.
    """
    for name in tasks:
        from benchmark.random_policy import random_policy_returns

        try:
            random_policy_returns(get_task(name), 2, 0)
        except Exception as error:
            print(f"{name} could not be warmed up: {error!r}", file=sys.stderr)


def _must_hold_a_run(run_dir: Path) -> None:
    if not (run_dir / "record.json").is_file():
        raise BadInput(f"{run_dir} holds no record.json; the folders of runs lie below results/runs and results/reference")
