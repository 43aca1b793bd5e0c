"""`creditbench random`: the score of the uniformly random policy."""

from __future__ import annotations

from typing import Annotated

import typer

from benchmark.cli.arguments import MAXIMUM_EPISODES, resolve_backend
from benchmark.cli.output import json_line
from benchmark.environments.tasks.registry import get_task

Backend = Annotated[str | None, typer.Option(help="native or reference; without it, the task's default.")]


def random(
    task: Annotated[str, typer.Option(help="A task; `creditbench list tasks`.")],
    episodes: Annotated[int, typer.Option(min=2, max=MAXIMUM_EPISODES, help="Episodes to play.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    backend: Backend = None,
) -> None:
    """The score of the uniformly random policy, the lower anchor of a task's scores. Prints one JSON object.

    \b
    Example:
      creditbench random --task lbf/8x8-2p-2f-coop --episodes 100000
    """
    resolved = get_task(task)
    chosen = resolve_backend(resolved, backend)
    from benchmark.environments.reference_scores.random_policy import random_policy_returns

    json_line(
        {"task": resolved.id, "backend": chosen, "episodes": episodes, "seed": seed}
        | random_policy_returns(resolved, episodes, seed, chosen)
    )
