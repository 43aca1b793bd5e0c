"""From a study's name to its result."""

from __future__ import annotations

import time

from algorithms.plugins import load
from benchmark.experiments.study_result import SCHEMA_VERSION, Findings, Progress, StudyResult, overall
from benchmark.papers.studies import Study
from benchmark.training.loop import set_up_torch
from benchmark.training.provenance import provenance

THREADS = 1
"""One thread, as in training: the same sums in the same order wherever it runs."""


def run_study(study: Study, *, quick: bool, progress: Progress) -> StudyResult:
    """Carries out the study; `quick` makes it small enough for a try. Sets torch's threads for this process."""
    device = set_up_torch("cpu", THREADS)
    started = time.perf_counter()
    findings: Findings = load(study.function)(quick=quick, progress=progress)
    return StudyResult(
        schema_version=SCHEMA_VERSION,
        id=study.name,
        title=study.title,
        question=study.question,
        design=findings.design,
        source=study.source,
        verdict=overall(findings.predictions),
        predictions=findings.predictions,
        tables=findings.tables,
        command=f"creditbench study {study.name}" + (" --quick" if quick else ""),
        quick=quick,
        seconds=round(time.perf_counter() - started, 3),
        provenance=provenance(device, THREADS),
    )
