"""What a run shows while it goes on."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from benchmark.training.progress import Bar, Lines, choose_progress
from tests.experiments.test_records import POINT, SPEC


def test_a_log_gets_one_line_per_evaluation(capsys: pytest.CaptureFixture[str]) -> None:
    progress = choose_progress()
    assert isinstance(progress, Lines)
    progress.begin(SPEC, 0)
    for step in range(5):
        progress.advanced(step * 100, 1234.0, 0.5)
    progress.evaluated(1, POINT)
    progress.close()
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"mappo on lbf/8x8-2p-2f-coop, seed 3, run {SPEC.fingerprint[:12]}: training from the start"
    assert second == "evaluation 1/1 at step 0 of 1,000: return 0.625, success 50%, 1,234 steps/s"


def test_a_terminal_gets_a_bar() -> None:
    screen = io.StringIO()
    progress = Bar(Console(file=screen, force_terminal=True, width=200))
    progress.begin(SPEC, 100)
    progress.advanced(500, 1234.0, 0.25)
    progress.evaluated(1, POINT)
    progress.say("resumed [from] somewhere")
    progress.close()
    shown = screen.getvalue()
    for part in ("500/1,000 steps", "1,234/s", "return 0.250", "0.625 (50%)", "resumed [from] somewhere"):
        assert part in shown, part
