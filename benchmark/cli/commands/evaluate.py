"""`creditbench evaluate`: fresh episodes with the policy of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from benchmark.cli.arguments import MAXIMUM_EPISODES, Device, validate_choice, validate_device, validate_run_folder
from benchmark.cli.output import counted, json_line


def evaluate(
    run_dir: Annotated[Path, typer.Argument(help="Folder with record.json and policy.safetensors.")],
    episodes: Annotated[int, typer.Option(min=1, max=MAXIMUM_EPISODES, help="Fresh episodes to play.")] = 320,
    seed: Annotated[int, typer.Option(min=0, help="Of these episodes.")] = 0,
    policy: Annotated[str | None, typer.Option(help="greedy or sample.  [default: as the run's score]")] = None,
    policy_file: Annotated[str, typer.Option(help="best or final: of the absolute score, or the last one.")] = "best",
    device: Device = "cpu",
) -> None:
    """Plays fresh episodes with the best or the final policy of a finished run; prints one JSON object.

    \b
    Example:
      creditbench evaluate results/runs/lbf/5x5-2p-1f-coop/ippo-0123456789ab --episodes 1000 --policy-file final
    """
    validate_run_folder(run_dir)
    acting: Any = validate_choice("policy", policy, ("greedy", "sample"))
    chosen: Any = validate_choice("policy-file", policy_file, ("best", "final"))
    validate_device(device)
    from benchmark.training.evaluation import evaluate_run
    from benchmark.training.trained_policy import load_trained

    trained = load_trained(run_dir)
    mode = acting or trained.spec.evaluation.scored
    with counted("episodes played", episodes) as played:
        point = evaluate_run(trained, episodes, seed, mode, chosen, device, played)
    json_line(
        {
            "run": str(run_dir),
            "policy_file": chosen,
            "policy": mode,
            "episodes": len(point.returns),
            "seed": seed,
            "mean_return": point.mean_return,
            "success_rate": point.success_rate,
            "mean_length": sum(point.lengths) / len(point.lengths),
        }
    )
