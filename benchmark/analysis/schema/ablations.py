"""What is said of an ablation: a base, variants that differ from it, and what the difference did."""

from __future__ import annotations

from typing import Literal

from benchmark.analysis.schema.base import Estimate, Model, Numbers, Summary

Comparison = Literal["base", "better", "worse", "undecided"]


class AblationRow(Model):
    """A variant on one task, beside the base.

    `differs`: in words, from the base's settings ("coalitions = 3"); empty for the base. `final`, `area`: per run, in the
    task's own units. By the ablation's measure: `difference`, of the mean to the base's, and `improvement`, P(a run of it
    scores higher than one of the base), which decides the `comparison`; `reason` says how. `monitors`: by name, the mean
    over runs of the last value each has. `reward_model_share`: of the runs' seconds; None where there is no reward model.
    """

    variant: str
    differs: tuple[str, ...]
    n_planned: int
    n_found: int
    n_failed: int
    final: Summary
    area: Summary
    difference: Estimate | None
    improvement: Estimate | None
    monitors: dict[str, Estimate]
    reward_model_share: float | None
    comparison: Comparison
    reason: str
    notes: tuple[str, ...]


class AblationTask(Model):
    """One task of an ablation: the base's row first. `found`: the finding, put in words from the numbers."""

    task: str
    rows: tuple[AblationRow, ...]
    found: str


class AblationReport(Model):
    """An ablation of a suite. `expected`: what `source` predicts. `measure`: by what variants are compared with the base."""

    id: str
    title: str
    question: str
    base: str
    variants: tuple[str, ...]
    expected: str
    source: str
    measure: Literal["final", "area"]
    tasks: tuple[AblationTask, ...]


class MonitorCurve(Model):
    """A monitor of one variant's runs on one task, over training.

    `median[k]`, `lowest[k]` and `highest[k]`: of the `n[k]` runs that have a value in the interval that ends at evaluation
    k + 1, so at `TaskReport.steps[k + 1]`; None where there is none. Medians, because an R² has no lower end.
    """

    task: str
    variant: str
    monitor: str
    n: tuple[int, ...]
    median: Numbers
    lowest: Numbers
    highest: Numbers
