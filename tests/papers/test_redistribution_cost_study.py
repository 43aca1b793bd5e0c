"""The studies of cost and of sums: what is measured against known sizes and hand-made shares."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.papers.runner import run_study
from benchmark.papers.studies import studies
from benchmark.papers.tar2.studies.redistribution_cost import (
    FULL,
    MEASURES,
    Cost,
    Size,
    cost_of,
    exponents,
    findings,
)
from benchmark.papers.tar2.studies.return_equivalence import SumError, sum_of
from benchmark.papers.toolkit import profiling
from benchmark.papers.toolkit.profiling import peak_bytes, processor_seconds


def test_the_peak_of_memory_is_counted_above_what_was_there() -> None:
    held = torch.ones(1 << 18)  # 1 MiB

    def call() -> None:
        doubled = held * 2
        both = torch.cat([doubled, doubled])
        del doubled
        both.sum()

    assert peak_bytes(call) == pytest.approx(3 << 20, rel=0.01)
    assert peak_bytes(lambda: None) == 0


def test_calls_are_timed_until_enough_seconds_and_the_preparation_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = [0.0], iter([3.0, 1.0, 2.0, 4.0, 4.0])

    def pass_by(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(profiling.time, "process_time", lambda: clock[0])
    assert processor_seconds(lambda: pass_by(next(calls)), 2, before=lambda: pass_by(0.1)) == pytest.approx([3.0, 1.0])
    assert processor_seconds(lambda: pass_by(next(calls)), 1, 3, 5.0) == pytest.approx([2.0, 4.0])
    assert processor_seconds(lambda: pass_by(next(calls)), 1, 1, 5.0) == pytest.approx([4.0])


def test_only_a_model_has_the_cost_of_a_gradient_step() -> None:
    uniform, stas = (cost_of(method, {}, 2, 2, 4, 1) for method in ("uniform", "stas"))
    assert uniform.fit_seconds is uniform.fit_bytes is None
    assert stas.fit_bytes is not None
    assert stas.fit_bytes > stas.redistribution_bytes > uniform.redistribution_bytes > 0


def made_up_grid(size: Size, by_agents: float, by_steps: float) -> dict[tuple[str, int, int], Cost]:
    """Costs that grow by these exponents."""
    grid = {}
    for method in size.methods:
        for agents in size.agents:
            for steps in size.steps:
                seconds = 1e-4 * agents**by_agents * steps**by_steps
                grid[method, agents, steps] = Cost(seconds, int(1e6 * seconds) + 1, seconds / 3, int(1e6 * seconds) + 1)
    return grid


def test_exponents_of_growth_are_found() -> None:
    grid = made_up_grid(FULL, 1.2, 1.7)
    agents, steps = exponents(FULL, grid, MEASURES["seconds of a gradient step"], "stas")
    assert (agents.value, steps.value) == pytest.approx((1.2, 1.7))


@pytest.mark.parametrize(("by_steps", "verdict"), [(1.7, "supported"), (2.5, "not supported")])
def test_the_verdict_on_growth_follows_the_grid(by_steps: float, verdict: str) -> None:
    case = {(method, preset): Cost(1.0, 1, 1.0, 1) for method in FULL.learned for preset in ("screening", "paper")}
    case["uniform", "paper"] = Cost(None, None, 1e-4, 1)
    found = findings(FULL, made_up_grid(FULL, 1.2, by_steps), case)
    assert [prediction.verdict for prediction in found.predictions] == [verdict, "supported"]


def test_the_cost_study_runs() -> None:
    result = run_study(studies()["redistribution-cost"], quick=True, progress=lambda *told: None)
    assert [len(table.rows) for table in result.tables] == [3, 2 + 4, 2 * 9]


def test_the_error_of_a_sum_is_relative_to_large_returns_and_absolute_to_small_ones() -> None:
    shares = torch.tensor([[[4.0, 5.0]], [[0.1, 0.1]], [[0.0, 0.0]]])
    found = sum_of(shares, torch.tensor([10.0, 0.5, 0.0]))
    # Errors 1 of 10, 0.3 of 0.5, none; lost 10 % and 60 %, the return of 0 not counted.
    assert found == SumError(pytest.approx(0.4 / 3), pytest.approx(0.3), pytest.approx(0.35))


def test_the_study_of_sums_runs_and_finds_the_fixed_normaliser_exact() -> None:
    result = run_study(studies()["return-equivalence"], quick=True, progress=lambda *told: None)
    fixed, _, raw, one_length, _ = result.predictions
    assert fixed.verdict == raw.verdict == one_length.verdict == "supported"
    single_agent = [row[2] for row in result.tables[0].rows]
    assert np.all(np.array(single_agent, float) > 0)
