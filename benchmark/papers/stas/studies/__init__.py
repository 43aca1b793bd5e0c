"""The studies of STAS, one file each; the paper's README.md says which claim each one tests."""

from __future__ import annotations

from benchmark.papers.study import AREL, STAS, TAR2, Study

STUDIES = (
    Study(
        name="credit-recovery",
        title="Whether reward models recover known credit",
        question="How close do the learned scores come to the true credit, and what do time, agents and coalitions each add?",
        source=f"{TAR2}; {STAS}; {AREL}",
        minutes=15,
        function="benchmark.papers.stas.studies.credit_recovery:study",
    ),
    Study(
        name="stas-pipeline",
        title="Whether STAS credits keys and treasure",
        question="Does the reward model of STAS learn Alice & Bob from few successes, and reward keys and treasure?",
        source=STAS,
        minutes=8,
        function="benchmark.papers.stas.studies.stas_pipeline:study",
    ),
)
