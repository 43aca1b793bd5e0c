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


@cache
def studies() -> dict[str, Study]:
    """Every study by its name, paper after paper; those of other packages that cannot be used are left out, with a warning."""
    return registered(GROUP, Study, (*TAR2, *STAS, *DEPENDENCE_GRAPHS))
