"""Policies that the runs of a suite have learned, from their records: the committed ones first, else one's own."""

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

NAMED = 5


@dataclass(frozen=True)
class Trained:
    """What a run left: its best policy, ready to act, and its record."""

    actor: Algorithm
    record: Record


def trained_policies(runs: Iterable[PlannedRun], store: Store, team: TeamShape) -> dict[tuple[str, int], Trained]:
    """What each run left, by variant and seed.

    Raises ImpossibleRun, before any is read, where records or their policies are missing: which, and what makes them. Raises
    CorruptRecord or CorruptPolicy, and ImpossibleRun where task or algorithm are of another version now.
    """
    wanted = list(runs)
    finished, missing = [], []
    for run in wanted:
        found = store.find(run.spec)
        if found.presence == "corrupt":
            raise CorruptRecord(found.reason)
        if found.path is None or found.record is None or not (found.path.parent / BEST_POLICY).is_file():
            missing.append(run)
        else:
            finished.append((run, found.path.parent))
    if missing:
        names = [f"{run.variant} seed {run.spec.seed} ({run.spec.path}/{BEST_POLICY})" for run in missing[:NAMED]]
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise ImpossibleRun(
            f"{len(missing)} of {len(wanted)} policies of the suite {missing[0].suite} are neither in results/reference nor in "
            f"results/runs: {', '.join(names)}{more}. `uv run snakemake --cores all --config suites={missing[0].suite}` "
            "makes them."
        )
    trained = {}
    for run, folder in finished:
        finished_run = load_trained(folder)
        actor = finished_run.algorithm(team, torch.device("cpu"))
        trained[run.variant, run.spec.seed] = Trained(actor, finished_run.record)
    return trained
