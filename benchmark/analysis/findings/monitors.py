"""What reward models and dependence graphs watch of themselves while they learn: last values and curves over runs."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import numpy as np

from benchmark.analysis.findings.task_summary import estimate
from benchmark.analysis.runs.run_table import RunGroup, RunState, SuiteRuns
from benchmark.analysis.schema import Estimate, MonitorCurve
from benchmark.analysis.statistics.one_task import mean_over_runs

MONITORS = ("return_r2", "sum_error_mean", "time_entropy", "agent_entropy")
"""Those of return redistribution that are shown, by the names that records have them under."""
CURVES = ("return_r2", "graph_density", "graph_entropy_ratio")
"""Those that are shown over training."""
LARGEST = 1e100
"""No loss of a sound run comes near it; a record of a stranger may, and its square would be no number."""


def last_values(group: RunGroup) -> dict[str, Estimate]:
    """By monitor, the mean over the runs that have it of the last value of each; monitors that no run has are left out."""
    found = {}
    for name in MONITORS:
        known = [values for state in group.scored if (values := list(_values(state, name).values()))]
        if known:
            last = np.array([values[-1] for values in known])
            found[name] = estimate(mean_over_runs(last), last)
    return found


def curves(runs: SuiteRuns) -> Iterator[MonitorCurve]:
    """One for each task, variant and monitor of CURVES that some run has."""
    schedule = runs.suite.evaluation
    for planned, task in zip(runs.suite.tasks, runs.tasks, strict=True):
        steps = [schedule.due(point, planned.budget) for point in range(1, schedule.points)]
        for group in runs.column(task):
            for name in CURVES:
                known = [values for state in group.scored if (values := _values(state, name))]
                if known:
                    yield _curve(group, name, [[values[step] for values in known if step in values] for step in steps])


def _curve(group: RunGroup, name: str, points: list[list[float]]) -> MonitorCurve:
    return MonitorCurve(
        task=group.task.id,
        variant=group.variant,
        monitor=name,
        n=tuple(map(len, points)),
        median=tuple(median(values) if values else None for values in points),
        lowest=tuple(min(values, default=None) for values in points),
        highest=tuple(max(values, default=None) for values in points),
    )


def _values(state: RunState, name: str) -> dict[int, float]:
    """A monitor's values by the step at which their interval ends; intervals without one are left out."""
    assert state.found.record is not None
    outcome = state.found.record.outcome
    pairs = zip(outcome.training, outcome.monitors.get(name, ()), strict=False)
    return {interval.step: value for interval, value in pairs if value is not None and abs(value) <= LARGEST}
