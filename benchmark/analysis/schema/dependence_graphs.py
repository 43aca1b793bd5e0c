"""Who influences whom: what a variant claims on a task, over training and at the end, beside what interventions show."""

from __future__ import annotations

from benchmark.analysis.schema.base import Model
from benchmark.experiments.credit_measurements import DrawnGraph, OracleName


class Spread(Model):
    """Of one number per run: mean and extremes over the `n` runs that have a value, None where no run has."""

    n: int
    mean: float | None
    lowest: float | None
    highest: float | None


class GraphPoint(Model):
    """All measurements due at `step`. `density`: of the claimed graph; `true_density` and `f1`: by the chief oracle."""

    step: int
    density: Spread
    true_density: Spread
    f1: Spread


class OracleAgreement(Model):
    """The last measurement of each run beside one oracle. `density`: the share of pairs that it finds an edge for."""

    oracle: OracleName
    density: Spread
    precision: Spread
    recall: Spread
    f1: Spread
    auroc: Spread


class MeanGraphs(Model):
    """Means over `n` runs at the end of training, [N][N], row j, column i: the share of the steps at which j acted that have
    an edge j -> i, as claimed and by the chief oracle."""

    n: int
    claimed: tuple[tuple[float, ...], ...]
    true: tuple[tuple[float, ...], ...]


class GraphReport(Model):
    """A variant on one task. `n_measured` of the `n_found` runs have a measurement, `n_failed` of those diverged later.

    `episodes`: the least and the most that a last measurement looked at. `density`: of the last claimed graphs. `oracles`:
    in their fixed order, those that were asked. `drawn`: an episode of the run with seed `drawn_seed`, the lowest that has one.
    """

    task: str
    variant: str
    n_found: int
    n_measured: int
    n_failed: int
    episodes: tuple[int, int]
    density: Spread
    points: tuple[GraphPoint, ...]
    oracles: tuple[OracleAgreement, ...]
    mean: MeanGraphs | None
    drawn: DrawnGraph | None
    drawn_seed: int | None
