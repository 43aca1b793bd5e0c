"""Everything that the report shows, as one model: what `aggregate.json` holds.

Pages read this and nothing else. Every number that can be missing is None, and the words that say why stand beside it.
Intervals are two-sided 95 % intervals; None where there is none to give (fewer than five seeds, say), never an interval of
width 0 for want of data. "Score" is the measure that the task is scored by (`TaskReport.score`); "normalised" is
(score - random) / (best - random) by the task's fixed reference scores.
"""

from __future__ import annotations

from typing import Literal

from benchmark.analysis.schema.ablations import AblationReport, AblationRow, AblationTask, Comparison, MonitorCurve
from benchmark.analysis.schema.base import Estimate, Interval, Model, Numbers, Status, Summary, Verdict
from benchmark.analysis.schema.dependence_graphs import GraphPoint, GraphReport, MeanGraphs, OracleAgreement, Spread
from benchmark.analysis.schema.runs import (
    REWARD_MODEL,
    Cost,
    Coverage,
    ManifestEntry,
    PlannedAs,
    ProvenanceSummary,
    RunRow,
    StudyFile,
)
from benchmark.analysis.schema.suites import (
    ClaimVerdict,
    Curve,
    EvaluationPolicy,
    Improvement,
    Overall,
    ReferenceSummary,
    Reproduction,
    SeedCurve,
    SuiteReport,
    TableRow,
    TaskReport,
    VariantAggregate,
    VariantBand,
    VariantCurves,
    VariantEstimate,
    VariantRank,
    VariantSummary,
)
from benchmark.experiments.study_result import StudyResult

__all__ = [
    "MODEL_VERSION",
    "REWARD_MODEL",
    "AblationReport",
    "AblationRow",
    "AblationTask",
    "Aggregate",
    "ClaimVerdict",
    "Comparison",
    "Cost",
    "Coverage",
    "Curve",
    "Estimate",
    "EvaluationPolicy",
    "GraphPoint",
    "GraphReport",
    "Improvement",
    "Interval",
    "Manifest",
    "ManifestEntry",
    "MeanGraphs",
    "Methods",
    "Model",
    "MonitorCurve",
    "Numbers",
    "OracleAgreement",
    "Overall",
    "PlannedAs",
    "ProvenanceSummary",
    "ReferenceSummary",
    "Reproduction",
    "RunRow",
    "SeedCurve",
    "Spread",
    "Status",
    "StudyFile",
    "SuiteReport",
    "Summary",
    "TableRow",
    "TaskReport",
    "VariantAggregate",
    "VariantBand",
    "VariantCurves",
    "VariantEstimate",
    "VariantRank",
    "VariantSummary",
    "Verdict",
]

MODEL_VERSION: Literal[5] = 5


class Methods(Model):
    """How the numbers were computed. `smallest_sample`: runs that an interval needs; `texts`: on each kind of number."""

    confidence: float
    resamples: int
    bootstrap_seed: int
    smallest_sample: int
    rliable_version: str
    ranking_seeds: int
    protocol_version: int
    texts: dict[str, str]


class Aggregate(Model):
    """The whole of `aggregate.json`. `studies_refused`: results of studies that cannot be believed, and why."""

    model_version: Literal[5]
    methods: Methods
    runs: tuple[RunRow, ...]
    suites: tuple[SuiteReport, ...]
    studies: tuple[StudyResult, ...]
    studies_refused: tuple[str, ...]
    cost: tuple[Cost, ...]
    core_hours: float
    notes: tuple[str, ...]


class Manifest(Model):
    """The whole of `manifest.json`: sorted by path."""

    model_version: Literal[5]
    records: tuple[ManifestEntry, ...]
    studies: tuple[StudyFile, ...]
