"""What runs cost, failed ones included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

from benchmark.analysis.schema import REWARD_MODEL, Cost, RunRow


def costs(runs: Iterable[RunRow]) -> tuple[Cost, ...]:
    """One row per task, algorithm, its version and backend, in the order of the runs; tasks without any record are left out."""
    groups: dict[tuple[str, str, int, str], list[RunRow]] = {}
    for run in runs:
        groups.setdefault((run.task, run.algorithm, run.algorithm_version, run.backend), []).append(run)
    rows = (_cost(group) for group in groups.values())
    return tuple(row for row in rows if row.runs)


def _cost(group: list[RunRow]) -> Cost:
    timed = [run for run in group if run.total_seconds is not None]
    speeds = [run.steps_per_second for run in timed if run.steps_per_second is not None]
    seconds = [run.total_seconds for run in timed if run.total_seconds is not None]
    first = group[0]
    return Cost(
        task=first.task,
        algorithm=first.algorithm,
        algorithm_version=first.algorithm_version,
        backend=first.backend,
        runs=len(timed),
        failed=sum(run.status == "failed" for run in timed),
        untimed=sum(run.presence == "crashed" for run in group),
        steps_per_second=median(speeds) if speeds else None,
        seconds=median(seconds) if seconds else None,
        reward_model_share=reward_model_share((run.seconds, run.total_seconds or 0.0) for run in timed),
        peak_memory_bytes=max((run.peak_memory_bytes or 0 for run in timed), default=None),
        core_hours=sum(map(core_hours, timed)),
        processors=tuple(sorted({run.provenance.processor for run in timed if run.provenance})),
    )


def core_hours(run: RunRow) -> float:
    """Seconds x threads; 0 for a run without a record."""
    if run.total_seconds is None or run.provenance is None:
        return 0.0
    return run.total_seconds * run.provenance.threads / 3600


def reward_model_share(runs: Iterable[tuple[Mapping[str, float], float]]) -> float | None:
    """What share of the seconds of these runs, each given by parts and in all, their reward models took; None without any."""
    found = [(seconds[REWARD_MODEL], total) for seconds, total in runs if REWARD_MODEL in seconds]
    total = sum(total for _, total in found)
    return sum(spent for spent, _ in found) / total if total > 0 else None
