"""Each version of an algorithm learns what it learned when the version was made.

tests/data/golden_traces.json holds the monitors of three updates on a made-up batch. A change that alters them needs a
new version of the algorithm; the trace of a version that has none yet is written by

    uv run python -m tests.algorithms.test_golden_traces
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from algorithms.registry import BUILT_IN, AlgorithmEntry
from algorithms.settings.redistribution import RewardModelSettings
from benchmark.experiments.probe_names import PROBES
from tests.fixtures.toy_team import random_episodes, toy_context, toy_team

FILE = Path(__file__).parents[1] / "data" / "golden_traces.json"
CASES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "minibatches": {"minibatches": 3, "sharing": "by_type"},
    "recurrent": {"recurrent": True, "last_action": True},
    "value clip": {"value_clip": 0.2, "huber_delta": 10.0},
    "linear": {"learning_rate_schedule": "linear"},
    "bootstrap": {"critic_sees_time": False},
}
"""The first update of a learned redistribution is a warm-up, under "linear" too."""

SMALL_MODEL = {
    "width": 8,
    "heads": 2,
    "warm_up_episodes": 0,
    "batch_episodes": 8,
    "gradient_steps_per_episode": 0.25,
    "fit_interval": 1,
}
"""Of a learned redistribution: a model that is ready after the first update and fits in each."""


def cases() -> list[tuple[AlgorithmEntry, str]]:
    return [(entry, case) for entry in BUILT_IN for case in CASES]


def trace(entry: AlgorithmEntry, case: str) -> list[dict[str, float]]:
    """The monitors of three updates."""
    team = toy_team(n_agents=3, agent_types=(0, 1, 0), horizon=8)
    settings = dict(CASES[case])
    if isinstance(getattr(entry.settings(), "redistribution", None), RewardModelSettings):
        settings["redistribution"] = SMALL_MODEL
    batch = random_episodes(team, 16, seed=0)
    time_limit = "bootstrap" if case == "bootstrap" else "terminal"
    context = toy_context(team, regime=entry.regimes[0], budget=3 * batch.steps, time_limit=time_limit)
    algorithm = entry.build(entry.settings(**settings), context)
    draws = torch.Generator().manual_seed(0)
    for name in (name for probe in entry.requires for name in PROBES[probe].fills):
        batch.privileged[name] = torch.rand(*batch.action.shape, team.n_agents, generator=draws) < 0.3
    monitors = []
    for _ in range(3):
        monitors.append(algorithm.update(batch))
        context.progress.steps_done += batch.steps
    return monitors


@pytest.mark.parametrize(("entry", "case"), cases(), ids=[f"{entry.name}-{case}" for entry, case in cases()])
def test_three_updates_are_those_of_the_version(entry: AlgorithmEntry, case: str) -> None:
    golden = json.loads(FILE.read_text())
    key = f"{entry.name}@{entry.version}"
    assert case in golden.get(key, {}), f"no trace of {key}, {case}: write it as this file says"
    for actual, expected in zip(trace(entry, case), golden[key][case], strict=True):
        assert actual == pytest.approx(expected, rel=1e-4, abs=1e-4), f"{key} learns differently: raise its version"


def write() -> None:
    """Adds the traces that are missing; never changes one that is there."""
    golden = json.loads(FILE.read_text()) if FILE.exists() else {}
    for entry, case in cases():
        traces = golden.setdefault(f"{entry.name}@{entry.version}", {})
        if case not in traces:
            traces[case] = [{name: round(value, 7) for name, value in step.items()} for step in trace(entry, case)]
    FILE.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)  # as the tests have it, and many times faster for networks this small
    write()
