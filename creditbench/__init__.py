"""The public interface: what another package imports from this repository.

This module describes things (methods, tasks, studies) and reads results; importing it loads neither torch nor numba, because
planning does. `creditbench.methods` is for the code of a method (torch), `creditbench.environments` for that of a simulator
(numba), `creditbench.figures` for that of a figure of the report (matplotlib). `docs/extending.md` has worked examples.
"""

from __future__ import annotations

from pathlib import Path

from algorithms.plugins import UnknownName
from algorithms.registry import AlgorithmEntry
from algorithms.settings.base import Settings, setting
from algorithms.settings.policy_gradient import IPPOSettings, MAPPOSettings, PolicyGradientSettings, PPOSettings
from algorithms.settings.redistribution import (
    RedistributedPPOSettings,
    RedistributionSettings,
    RewardModelSettings,
    with_redistribution,
)
from algorithms.team import REGIMES, Regime, StateField, TeamShape
from benchmark.environments.interface import Backend, BatchedEnvironment
from benchmark.environments.tasks.registry import NoSimulator, ReferenceScores, Simulator, Task, TaskFamily, get_task
from benchmark.experiments.record import CorruptRecord, Record, read_record
from benchmark.experiments.study_result import Findings, Prediction, Progress, Table
from benchmark.papers.studies import Study
from benchmark.report.offered_figures import SuiteFigure

__all__ = [
    "REGIMES",
    "AlgorithmEntry",
    "Backend",
    "BatchedEnvironment",
    "CorruptRecord",
    "Findings",
    "IPPOSettings",
    "MAPPOSettings",
    "NoSimulator",
    "PPOSettings",
    "PolicyGradientSettings",
    "Prediction",
    "Progress",
    "Record",
    "RedistributedPPOSettings",
    "RedistributionSettings",
    "ReferenceScores",
    "Regime",
    "RewardModelSettings",
    "Settings",
    "Simulator",
    "StateField",
    "Study",
    "SuiteFigure",
    "Table",
    "Task",
    "TaskFamily",
    "TeamShape",
    "UnknownName",
    "get_task",
    "load_records",
    "make_env",
    "read_record",
    "setting",
    "with_redistribution",
]


def load_records(folder: str | Path) -> list[Record]:
    """Every record below the folder, ordered by path. Raises CorruptRecord with the path of the first that is not sound."""
    return [read_record(path) for path in sorted(Path(folder).rglob("record.json"))]


def make_env(task: str, rows: int, backend: Backend | None = None) -> BatchedEnvironment:
    """A fresh environment of `rows` episodes of the task, not yet reset; the native simulator where the task has one.

    Raises UnknownName with the nearest ids, and NoSimulator if the task has no such backend or its package is missing.
    """
    return get_task(task).build(rows, backend)
