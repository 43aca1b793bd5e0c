"""The hidden `creditbench compile`: fills the kernel cache before many processes want it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from benchmark.environments.tasks.registry import get_task


def compile_kernels(tasks: Annotated[list[str], typer.Argument()]) -> None:
    """Plays a few steps of each task, so that its compiled kernels lie in the cache before many processes want them.

    What goes wrong here is left for the runs to say.
    """
    for name in tasks:
        from benchmark.environments.reference_scores.random_policy import random_policy_returns

        try:
            random_policy_returns(get_task(name), 2, 0)
        except Exception as error:
            print(f"{name} could not be warmed up: {error!r}", file=sys.stderr)
