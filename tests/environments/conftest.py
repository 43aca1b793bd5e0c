"""Kernels that take half a minute to compile: once for all processes of a test run."""

from __future__ import annotations

import pytest
from filelock import FileLock

from benchmark.environments.reference_scores.random_policy import random_policy_returns
from benchmark.environments.tasks.registry import get_task


@pytest.fixture(scope="session", autouse=True)
def _compiled_kernels(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The process that comes first compiles SMAClite; the others wait for it and load what it wrote."""
    with FileLock(tmp_path_factory.getbasetemp().parent / "kernels.lock"):
        random_policy_returns(get_task("smaclite/3m"), 2, 0)
