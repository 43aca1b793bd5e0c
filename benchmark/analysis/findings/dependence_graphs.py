"""Who influences whom, over the runs of a variant: how dense and how right its graphs are, and what they look like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.analysis.runs.run_table import RunGroup, SuiteRuns
from benchmark.analysis.schema import GraphPoint, GraphReport, MeanGraphs, OracleAgreement, Spread
from benchmark.experiments.credit_measurements import CHIEF_ORACLE, ORACLES, GraphAgreement, GraphMeasurement, OracleName


@dataclass(frozen=True)
class _Measured:
    """A run's measurements, in the order of their steps."""

    seed: int
    failed: bool
    measurements: tuple[GraphMeasurement, ...]

    @property
    def last(self) -> GraphMeasurement:
        return self.measurements[-1]

    def at(self, step: int) -> GraphMeasurement | None:
        return next((found for found in self.measurements if found.step == step), None)


def graphs(runs: SuiteRuns) -> Iterator[GraphReport]:
    """One for each task and variant of which some run has a measurement."""
    for task in runs.tasks:
        for group in runs.column(task):
            found = _measured(group)
            if found:
                yield _report(group, found)


def _measured(group: RunGroup) -> list[_Measured]:
    """The runs that have measurements, in the order of their seeds."""
    found = []
    for state in group.scored:
        assert state.found.record is not None
        measurements = state.found.record.outcome.credit
        if measurements:
            found.append(_Measured(state.spec.seed, state.failed, measurements))
    return found


def _report(group: RunGroup, runs: Sequence[_Measured]) -> GraphReport:
    last = [run.last for run in runs]
    steps = sorted({measurement.step for run in runs for measurement in run.measurements})
    asked = {agreement.oracle for measurement in last for agreement in measurement.agreement}
    drawn = next(((run.seed, run.last.drawn) for run in runs if run.last.drawn is not None), None)
    return GraphReport(
        task=group.task.id,
        variant=group.variant,
        n_found=len(group.scored),
        n_measured=len(runs),
        n_failed=sum(run.failed for run in runs),
        episodes=(min(found.episodes for found in last), max(found.episodes for found in last)),
        density=_spread(measurement.density for measurement in last),
        points=tuple(_point(step, [found for run in runs if (found := run.at(step)) is not None]) for step in steps),
        oracles=tuple(_agreement(oracle, last) for oracle in ORACLES if oracle in asked),
        mean=_mean(last),
        drawn=drawn[1] if drawn else None,
        drawn_seed=drawn[0] if drawn else None,
    )


def _point(step: int, measurements: Sequence[GraphMeasurement]) -> GraphPoint:
    chief = _beside(CHIEF_ORACLE, measurements)
    return GraphPoint(
        step=step,
        density=_spread(measurement.density for measurement in measurements),
        true_density=_spread(agreement.density for agreement in chief),
        f1=_spread(agreement.f1 for agreement in chief),
    )


def _agreement(oracle: OracleName, measurements: Sequence[GraphMeasurement]) -> OracleAgreement:
    found = _beside(oracle, measurements)
    numbers = ("density", "precision", "recall", "f1", "auroc")
    return OracleAgreement(oracle=oracle, **{name: _spread(getattr(one, name) for one in found) for name in numbers})


def _beside(oracle: OracleName, measurements: Iterable[GraphMeasurement]) -> list[GraphAgreement]:
    return [agreement for measurement in measurements for agreement in measurement.agreement if agreement.oracle == oracle]


def _spread(values: Iterable[float | None]) -> Spread:
    known = [value for value in values if value is not None]
    if not known:
        return Spread(n=0, mean=None, lowest=None, highest=None)
    return Spread(n=len(known), mean=float(np.mean(known)), lowest=min(known), highest=max(known))


def _mean(measurements: Sequence[GraphMeasurement]) -> MeanGraphs | None:
    """Over the runs that have both graphs."""
    pairs = [(one.mean_claimed, one.mean_true) for one in measurements if one.mean_claimed and one.mean_true]
    if not pairs:
        return None
    claimed, true = np.mean(np.array(pairs, np.float64), axis=0)
    return MeanGraphs(n=len(pairs), claimed=tuple(map(tuple, claimed.tolist())), true=tuple(map(tuple, true.tolist())))
