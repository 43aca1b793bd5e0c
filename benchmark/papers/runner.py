"""Runs a study and gives its result."""

from __future__ import annotations

import time

from algorithms.plugins import load
from benchmark.experiments.study_result import SCHEMA_VERSION, Findings, Progress, StudyResult, command_of, overall
from benchmark.papers.study import Study
from benchmark.training.loop import set_up_torch
from benchmark.training.provenance import provenance

THREADS = 1
"""One thread, as in training: sums are taken in the same order on every machine."""


def run_study(study: Study, *, quick: bool, progress: Progress) -> StudyResult:
    """Runs the study, with `quick` at a small size for a trial. Sets torch's number of threads for this process.

    Raises BrokenPlugin where the study's function cannot be imported.
    """
    device = set_up_torch("cpu", THREADS)
    started = time.perf_counter()
    function = load(study.function, f"the function {study.function} of the study '{study.name}'")
    findings: Findings = function(quick=quick, progress=progress)
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
        command=command_of(study.name, quick=quick),
        quick=quick,
        seconds=round(time.perf_counter() - started, 3),
        provenance=provenance(device, THREADS),
    )
