"""Best policies of the runs of a suite: of the committed records, else of local ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from algorithms.interface import Algorithm
from algorithms.team import TeamShape
from benchmark.experiments.record import CorruptRecord, Record
from benchmark.experiments.run_spec import ImpossibleRun
from benchmark.experiments.store import Store
from benchmark.experiments.suite import PlannedRun
from benchmark.training.policy_files import BEST_POLICY
from benchmark.training.trained_policy import load_trained

MOST_NAMED = 5
"""How many missing policies an error message names."""


@dataclass(frozen=True)
class Trained:
    """The best policy of a run, ready to act, and the run's record."""

    actor: Algorithm
    record: Record


def trained_policies(runs: Iterable[PlannedRun], store: Store, team: TeamShape) -> dict[tuple[str, int], Trained]:
    """The best policy and the record of each run, by variant and seed.

    Raises ImpossibleRun if records or policies are missing (it names them and the command that makes them), or if the task or
    the algorithm has another version now. Raises CorruptRecord or CorruptPolicy.
    """
    expected = list(runs)
    finished, missing = [], []
    for run in expected:
        stored = store.find(run.spec)
        if stored.presence == "corrupt":
            raise CorruptRecord(stored.reason)
        if stored.path is None or stored.record is None or not (stored.path.parent / BEST_POLICY).is_file():
            missing.append(run)
        else:
            finished.append((run, stored.path.parent))
    if missing:
        names = [f"{run.variant} seed {run.spec.seed} ({run.spec.path}/{BEST_POLICY})" for run in missing[:MOST_NAMED]]
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        raise ImpossibleRun(
            f"{len(missing)} of {len(expected)} policies of the suite {missing[0].suite} are neither in results/reference "
            f"nor in results/runs: {', '.join(names)}{more}. `uv run snakemake --cores all --config suites={missing[0].suite}` "
            "makes them."
        )
    trained = {}
    for run, folder in finished:
        finished_run = load_trained(folder)
        actor = finished_run.algorithm(team, torch.device("cpu"))
        trained[run.variant, run.spec.seed] = Trained(actor, finished_run.record)
    return trained
