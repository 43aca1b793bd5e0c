"""All studies by name, those of installed packages included. Free of torch: a study's module is imported when it is run.

Other packages add theirs by the entry point group "creditbench.studies", whose entries are `Study` objects.
"""

from __future__ import annotations

from functools import cache

from algorithms.plugins import BrokenPlugin, entries
from benchmark.papers.dependence_graphs.studies import STUDIES as DEPENDENCE_GRAPHS
from benchmark.papers.stas.studies import STUDIES as STAS
from benchmark.papers.study import Study
from benchmark.papers.tar2.studies import STUDIES as TAR2

OF_THE_BENCHMARK = (
    Study(
        name="interval-coverage",
        title="Whether the report's intervals hold what they promise",
        question="How often do intervals of IQMs hold the true value, and how often do equal variants seem to differ?",
        source="Agarwal et al. 2021, arXiv 2108.13264; Hesterberg 2015, arXiv 1411.5279",
        minutes=6,
        function="benchmark.studies.interval_coverage:study",
    ),
)
"""Studies that belong to no paper. Their room, benchmark/studies, lies above this one: it is imported only when one is run."""


@cache
def studies() -> dict[str, Study]:
    """Every study by its name, those of papers first. Raises BrokenPlugin, also if two share a name."""
    by_name: dict[str, Study] = {}
    for study in (*TAR2, *STAS, *DEPENDENCE_GRAPHS, *OF_THE_BENCHMARK, *entries("creditbench.studies", Study)):
        if study.name in by_name:
            raise BrokenPlugin(f"two studies are registered as '{study.name}'")
        by_name[study.name] = study
    return by_name
