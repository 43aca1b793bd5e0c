"""`creditbench watch`: one episode of a trained policy as an animation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.arguments import validate_output_file, validate_run_folder
from benchmark.cli.errors import BadInput


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
    validate_run_folder(run_dir)
    if out.suffix != ".gif":
        raise BadInput(f"--out must end in .gif, not '{out.name}'")
    validate_output_file("--out", out)
    from benchmark.training.animation import watch_run

    total = watch_run(run_dir, out, seed=seed)
    print(f"{out}: return {total:.3f}")
