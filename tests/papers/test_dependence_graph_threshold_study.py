"""The study of the dependence graph's threshold: its sweep, and verdicts that follow the numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmark.credit.graphs import agreement_of
from benchmark.experiments.credit_measurements import ORACLES
from benchmark.papers.dependence_graphs.studies.dependence_graph_threshold import (
    FULL,
    MODELS,
    QUICK,
    THRESHOLDS,
    UNIFORM,
    Fit,
    Size,
    ThresholdQuality,
    findings,
    train_on_policy,
)
from benchmark.papers.dependence_graphs.world_model_fits import FrozenPolicy, TrainingSchedule
from benchmark.papers.runner import run_study
from benchmark.papers.studies import studies

TASK = FULL.tasks[0]


def made_up(density: Callable[[float], float], best: float, near_one: float, auroc: float) -> list[Fit]:
    """Three seeds of every case, with that density at each threshold and the highest F1 at `best`."""
    true = np.arange(100) < 10
    fits = []
    for task in FULL.tasks:
        for policy in (UNIFORM, "100,000 steps"):
            for model in MODELS:
                for seed in range(3):
                    at = {}
                    for c in THRESHOLDS:
                        claimed = np.arange(100) < (10 if c == best else 60)
                        agreement = agreement_of("state", claimed, true, auroc)
                        at[c] = ThresholdQuality(density(c) + 0.001 * seed, dict.fromkeys(ORACLES, agreement))
                    fits.append(Fit(task, policy, model, seed, 0.5, 100, at, near_one, 0.0, ((10, 0.1),)))
    return fits


def verdicts(fits: list[Fit]) -> list[str]:
    return [prediction.verdict for prediction in findings(FULL, fits).predictions]


def test_verdicts_follow_the_sweep() -> None:
    as_expected = made_up(lambda c: 0.02 if c < 0.5 else 0.4 if c < 1 else 0.97, 0.8, 0.6, 0.7)
    assert set(verdicts(as_expected)) == {"supported"}
    the_other_way = made_up(lambda c: 0.9 - 0.8 * c, 0.2, 0.1, 0.3)  # by no rule of ours, but as the summary has it
    assert set(verdicts(the_other_way)) == {"not supported"}


def test_where_all_ratios_are_alike_the_direction_is_undecided() -> None:
    assert findings(FULL, made_up(lambda c: 0.5, 0.8, 0.6, 0.7)).predictions[0].verdict == "undecided"


def test_edges_grow_more_with_the_threshold() -> None:
    size = Size((TASK,), (), 1, TrainingSchedule(40, 20, episodes=2), 3, 2)
    with FrozenPolicy(TASK, 0) as world:
        fits = train_on_policy(size, TASK, UNIFORM, 0, world)
    assert [fit.model for fit in fits] == list(MODELS)
    for fit in fits:
        density = [fit.at[c].density for c in THRESHOLDS]
        assert density == sorted(density)
        assert density[0] < 0.05
        assert density[-1] > 0.9
        assert fit.at[0.9].density == fit.curve[-1][1]
        assert [steps for steps, _ in fit.curve] == [20, 40]
        assert fit.pairs == 3 * 50 * 2


def test_the_study_runs() -> None:
    result = run_study(studies()["dependence-graph-threshold"], quick=True, progress=lambda *told: None)
    cases = 2 * 2 * len(MODELS)
    assert [len(table.rows) for table in result.tables] == [cases * len(THRESHOLDS), cases, cases * QUICK.curve]
