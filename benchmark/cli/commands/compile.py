"""The hidden command `creditbench compile`: fills the kernel cache before many processes need it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from algorithms.plugins import reason_of
from benchmark.environments.tasks.registry import get_task


def compile_kernels(tasks: Annotated[list[str], typer.Argument()]) -> None:
    """Plays a few episodes of each task, which compiles its kernels into the cache before many processes need them.

    A failure is printed and otherwise ignored: the runs report it.
    """
    for name in tasks:
        from benchmark.environments.reference_scores.random_policy import random_policy_returns

        try:
            random_policy_returns(get_task(name), 2, 0)
        except Exception as error:
            print(f"{name} could not be warmed up: {reason_of(error)}", file=sys.stderr)
