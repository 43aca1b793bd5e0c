"""What a study is: a measured experiment that is not a training run of a suite. Free of torch.

The studies of a paper are listed in its folder, in studies/__init__.py; all of them together by `benchmark.papers.studies`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TAR2 = "Kapoor et al. 2024, arXiv 2412.14779; Kapoor et al. 2025, arXiv 2502.04864"
STAS = "Chen et al. 2024, arXiv 2304.07520"
AREL = "Xiao et al. 2022"
IRCR = "Gangwani et al. 2020"
DEPENDENCE_GRAPHS = "Le and Ta 2026, arXiv 2601.21523"


@dataclass(frozen=True)
class Study:
    """One study. `function` ("module:callable") is called with (quick, progress), returns `Findings` and is imported only then.

    `source`: the papers whose statements it tests. `minutes`: its approximate duration on one core. `about_time`: whether its
    numbers are measured durations, which differ between any two executions. Raises ValueError for a `name` that cannot be that
    of a result's file.
    """

    name: str
    title: str
    question: str
    source: str
    minutes: float
    function: str
    about_time: bool = False

    def __post_init__(self) -> None:
        if self.name == "list" or not re.fullmatch("[a-z][a-z0-9-]{0,60}", self.name):
            raise ValueError(
                f"a study cannot be named '{self.name}': lower-case letters, digits and '-', a letter first, not 'list'"
            )
