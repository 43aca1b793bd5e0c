"""The study of moved starts: what it plays, and what it says of made-up shares."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from algorithms.seeds import episode_seeds
from benchmark.environments.tasks.registry import get_task
from benchmark.studies.moved_starts import MODES, WIDTHS, Won, committed_policies, findings, shares, with_moves
from benchmark.training.trained_policy import TrainedRun
from tests.checkout import ROOT

COMMITTED = ROOT / "results" / "reference" / "smaclite" / "3m"


@pytest.mark.parametrize("name", ["smaclite/3m", "smaclite/3m-scattered"])
def test_starts_are_moved_by_at_most_the_width_whatever_the_task_does_itself(name: str) -> None:
    def states(width: float) -> np.ndarray:
        environment = with_moves(get_task(name), width).build(64)
        environment.reset(episode_seeds(1, 0, 64))
        return environment.agent_positions()

    fixed, moved = states(0.0), states(0.1)
    assert (fixed == fixed[0]).all()
    distance = np.abs(moved - fixed)
    assert 0.09 < distance.max() <= 0.1 + 1e-5


def test_every_committed_policy_is_there_once_and_in_order() -> None:
    policies = committed_policies(COMMITTED)
    files = set(COMMITTED.rglob("*.safetensors"))
    assert len(policies) == len(files) > 0
    keys = [(run.spec.task, run.spec.algorithm, run.spec.regime, run.spec.seed, run.spec.fingerprint) for run, _ in policies]
    assert keys == sorted(keys)


def test_shares_are_measured_in_every_mode_and_width() -> None:
    run, policy_file = committed_policies(COMMITTED)[0]
    won = shares(run, policy_file, episodes=8)
    assert set(won) == {(mode, width) for mode in MODES for width in WIDTHS}
    assert won == shares(run, policy_file, episodes=8)
    assert won["greedy", 0.0] == run.record.outcome.absolute.success_rate == 1.0  # type: ignore[union-attr]


def made_up(fixed: Sequence[float], moved: Sequence[float], scattered: bool) -> list[Won]:
    """Policies with these greedy shares on fixed starts and with the smallest moves; the same as that with the largest."""
    run, _ = committed_policies(COMMITTED)[0]
    spec = run.spec.model_copy(update={"task": "smaclite/3m-scattered" if scattered else "smaclite/3m"})
    run = TrainedRun(Path("nowhere"), run.record.model_copy(update={"spec": spec}))
    return [
        Won(run, "best", {(mode, width): (value if width == 0 else other) for mode in MODES for width in WIDTHS})
        for value, other in zip(fixed, moved, strict=True)
    ]


@pytest.mark.parametrize(
    ("fixed", "moved", "by_heart", "changed"),
    [
        ([1.0, 0.0, 1.0, 0.95, 1.0, 1.0, 0.0, 1.0], [0.3, 0.2, 0.3, 0.4, 0.2, 0.3, 0.2, 0.1], "supported", "supported"),
        (
            [0.5, 0.6, 0.4, 0.7, 0.5, 0.5, 0.6, 0.4],
            [0.5, 0.61, 0.4, 0.7, 0.51, 0.5, 0.6, 0.4],
            "not supported",
            "not supported",
        ),
    ],
)
def test_verdicts_follow_from_the_shares(fixed: list[float], moved: list[float], by_heart: str, changed: str) -> None:
    found = findings([*made_up(fixed, moved, scattered=False), *made_up(fixed, moved, scattered=True)], episodes=200)
    assert [prediction.verdict for prediction in found.predictions] == [by_heart, changed, "supported"]
    assert len(found.tables[0].rows) == 2 * len(fixed)


def test_without_policies_of_a_kind_nothing_is_decided() -> None:
    found = findings(made_up([1.0, 0.0], [0.5, 0.5], scattered=False), episodes=200)
    assert found.predictions[2].verdict == "undecided"
