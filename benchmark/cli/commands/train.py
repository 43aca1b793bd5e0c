"""`creditbench train`: one run, of a suite or described by options."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmark.cli.arguments import (
    Device,
    layered_settings,
    resolve_backend,
    validate_choice,
    validate_device,
    validate_output_folder,
)
from benchmark.cli.errors import BadInput
from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.record import SettingsOrigin, read_record
from benchmark.experiments.run_spec import RunSpec, get_algorithm, resolve
from benchmark.experiments.store import Store
from benchmark.experiments.suite import load_suite
from benchmark.training.progress import Lines


def train(
    task: Annotated[str, typer.Option(help="A task; `creditbench list tasks`.")],
    seed: Annotated[int, typer.Option(min=0, help="The run's seed; from it come all others.")] = 0,
    suite: Annotated[str | None, typer.Option(help="A suite, or the path of a suite file.")] = None,
    variant: Annotated[str | None, typer.Option(help="A variant of the suite.")] = None,
    algorithm: Annotated[str | None, typer.Option(help="Off-suite: an algorithm; `creditbench list algorithms`.")] = None,
    regime: Annotated[str | None, typer.Option(help="Off-suite: team, individual or episodic.  [default: its first]")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Off-suite: environment steps to train for.")] = None,
    preset: Annotated[str | None, typer.Option(help="Off-suite: a preset of its settings.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Off-suite: a setting; may be given again.")
    ] = None,
    backend: Annotated[str | None, typer.Option(help="Off-suite: native or reference.")] = None,
    out: Annotated[Path | None, typer.Option(help="Off-suite: folder for record, policies and checkpoint.")] = None,
    device: Device = "cpu",
    tensorboard: Annotated[
        Path | None, typer.Option(help="Also write curves for TensorBoard, each run's below this folder.")
    ] = None,
    expect: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Trains one run and writes its record; resumes from its checkpoint if there is one.

    A run of a suite is named by the suite, and its record goes where the pipeline looks for it. Any other run is
    described by algorithm, steps and settings, and goes to --out.

    \b
    Examples:
      creditbench train --suite quick --task lbf/5x5-2p-1f-coop --variant ippo --seed 0
      creditbench train --task lbf/8x8-2p-2f-coop --algorithm mappo --steps 500000 --set learning_rate=0.001 --out my-run
    """
    off_suite = {
        "--algorithm": algorithm,
        "--regime": regime,
        "--steps": steps,
        "--preset": preset,
        "--set": assignments,
        "--backend": backend,
        "--out": out,
    }
    if suite is not None:
        given = [name for name, value in off_suite.items() if value]
        if given:
            raise BadInput(f"{', '.join(given)} cannot be given for a run of a suite, which defines them")
        if variant is None:
            raise BadInput("a run of a suite needs --variant")
        spec, origin = _of_suite(suite, task, variant, seed)
        store = Store()
        record, checkpoint = store.own(spec), store.checkpoints(spec)
    else:
        missing = [name for name in ("--algorithm", "--steps", "--out") if off_suite[name] is None]
        if variant is not None:
            raise BadInput("--variant needs --suite")
        if missing:
            raise BadInput(
                f"a run needs --suite and --variant, or --algorithm, --steps and --out; missing: {', '.join(missing)}"
            )
        assert algorithm is not None
        assert steps is not None
        assert out is not None
        settings = layered_settings(algorithm, preset, assignments or [])
        spec = _off_suite(task, algorithm, regime, seed, steps, settings, backend)
        origin = SettingsOrigin(source="given on the command line" if settings else "defaults")
        record, checkpoint = out / "record.json", out / "checkpoint"
    if record.exists() and read_record(record).fingerprint != spec.fingerprint:
        raise BadInput(f"{record} is the record of another run; name another folder, or move it away")
    if expect is not None and spec.path.name != expect:
        raise BadInput(f"this run is {spec.path.name} now, not {expect}: suite or versions changed since it was planned")
    for folder in (record.parent, checkpoint):
        validate_output_folder("--out" if suite is None else "the folder of the run", folder)
    _run(spec, origin, record, checkpoint, device, tensorboard)


def _of_suite(suite: str, task: str, variant: str, seed: int) -> tuple[RunSpec, SettingsOrigin]:
    loaded = load_suite(suite)
    return loaded.run(task, variant, seed).spec, loaded.origin


def _off_suite(
    task: str, algorithm: str, regime: str | None, seed: int, steps: int, settings: dict[str, Any], backend: str | None
) -> RunSpec:
    resolved, regimes = get_task(task), get_algorithm(algorithm).regimes
    chosen: Any = validate_choice("regime", regime or regimes[0], regimes)
    return resolve(
        task=resolved.id,
        algorithm=algorithm,
        regime=chosen,
        seed=seed,
        budget=steps,
        settings=settings,
        backend=resolve_backend(resolved, backend),
    )


def _run(
    spec: RunSpec,
    origin: SettingsOrigin,
    record: Path,
    checkpoint: Path,
    device: str,
    tensorboard: Path | None,
) -> None:
    validate_device(device)
    curves = None
    if tensorboard is not None:
        if find_spec("tensorboard") is None:
            raise BadInput("--tensorboard needs the package tensorboard: uv sync --extra tensorboard")
        curves = tensorboard / spec.path  # of each run alone: TensorBoard joins all that lies in one folder to one curve
        validate_output_folder("--tensorboard", curves)
    from benchmark.training.checkpoints import RefusedCheckpoint
    from benchmark.training.loop import train as train_run

    try:
        record_made = train_run(
            spec,
            record_path=record,
            checkpoint_folder=checkpoint,
            origin=origin,
            device=device,
            tensorboard=curves,
        )
    except RefusedCheckpoint as error:
        # Exit code 1 instead of 2: not a wrong argument but the state of a folder, which the supervisor notes.
        print(f"creditbench: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    Lines().say(f"{record}: {record_made.outcome.status}, outcome {record_made.outcome_sha256[:12]}")
