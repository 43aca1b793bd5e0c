"""Every simulator once more with numba's bounds checking on: whole random episodes, forks and fresh starts included."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TASKS = [
    *("lbf/5x5-2p-1f-coop", "lbf/10x10-3p-3f-2s-exclusive", "lbf/8x8-2p-4f-coop-winner", "lbf/5x5-9p-9f"),
    *("mpe/simple_spread-3", "mpe/simple_spread-15", "mpe/simple_tag-3", "mpe/stas-spread-6", "mpe/stas-tag-15"),
    *("alice_and_bob", "alice_and_bob/three-rooms", "grid/navigation", "grid/unlock", "grid/shooting", "grid/five-goals"),
    *("matrix/climbing", "matrix/two-step", "synergy/3-b2-x4", "dg/star-5", "dg/cycle-5", "dg/rooms-3", "dg/beacon-0.5"),
    *("smaclite/2s3z", "smaclite/MMM2", "smaclite/bane_vs_bane", "smaclite/2c_vs_64zg-scattered", "smaclite/corridor-released"),
]
PLAY = """
import sys
import numpy as np
from benchmark.environments.native.random_actions import action_streams, random_available_actions
from benchmark.environments.tasks.registry import get_task

for name in sys.argv[1:]:
    environment = get_task(name).build(3, "native")
    actions = np.zeros((3, environment.team.n_agents), np.int64)
    for first in (0, 3):
        environment.reset(np.arange(first, first + 3 - first // 3, dtype=np.uint64))
        streams = action_streams(np.arange(100 + first, 103 + first, dtype=np.uint64))
        while environment.running.any():
            random_available_actions(environment.available, streams, actions)
            environment.step(actions)
            environment = environment.fork(np.array([2, 0, 1]))
    print(name)
"""


def checked_environment(folder: Path) -> dict[str, str]:
    return os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": str(ROOT)}


def test_bounds_checking_is_on_under_these_settings(tmp_path) -> None:
    code = "import numba, numpy\n@numba.njit\ndef f(a):\n    return a[3]\nf(numpy.zeros(2))"
    result = subprocess.run([sys.executable, "-c", code], env=checked_environment(tmp_path), capture_output=True, text=True)
    assert "IndexError" in result.stderr


@pytest.mark.slow
def test_no_simulator_leaves_its_arrays(tmp_path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", PLAY, *TASKS], env=checked_environment(tmp_path), capture_output=True, text=True, cwd=ROOT
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == TASKS
