"""All studies by name, those of installed packages included. Free of torch: a study's module is imported when it is run.

Other packages add theirs by the entry point group GROUP, whose entries are `Study` objects.
"""

from __future__ import annotations

from functools import cache

from algorithms.plugins import registered
from benchmark.papers.dependence_graphs.studies import STUDIES as DEPENDENCE_GRAPHS
from benchmark.papers.stas.studies import STUDIES as STAS
from benchmark.papers.study import Study
from benchmark.papers.tar2.studies import STUDIES as TAR2

GROUP = "creditbench.studies"

OF_THE_BENCHMARK = (
    Study(
        name="interval-coverage",
        title="Whether the report's intervals hold what they promise",
        question="How often do intervals of IQMs hold the true value, and how often do equal variants seem to differ?",
        source="Agarwal et al. 2021, arXiv 2108.13264; Hesterberg 2015, arXiv 1411.5279",
        minutes=6,
        function="benchmark.studies.interval_coverage:study",
    ),
    Study(
        name="moved-starts",
        title="Battles won by heart",
        question="Do SMAClite's policies win because they can fight, or because they know one battle by heart?",
        source="Ellis et al. 2023, arXiv 2212.07489",
        minutes=8,
        function="benchmark.studies.moved_starts:study",
    ),
)
"""Studies that belong to no paper. Their room, benchmark/studies, lies above this one: it is imported only when one is run."""


@cache
def studies() -> dict[str, Study]:
    """Every study by its name, paper after paper, then those of the benchmark; those of other packages that cannot be used are
    left out, with a warning."""
    return registered(GROUP, Study, (*TAR2, *STAS, *DEPENDENCE_GRAPHS, *OF_THE_BENCHMARK))
