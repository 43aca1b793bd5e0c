"""Whether a report is still what would be rendered now. Free of matplotlib, for the Snakefile asks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from benchmark.analysis.inputs import code_digest, made_of

PREPARED = "prepared.sha256"
"""In the folder of each suite: the hash of what its figures were drawn of."""
MARKER = ".creditbench-report"
"""In each report: the hash of what it was made of, and the number of its other files."""
FIGURES = "creditbench.figures"
"""The entry point group of figures that other packages offer."""


def site_inputs(aggregate_folder: Path, *, pdf: bool) -> str:
    """sha256 over what a report depends on: the inputs of its aggregate, the code that renders it, the figures that other
    packages offer, and `pdf`."""
    return expected_inputs(made_of(aggregate_folder) or "", pdf=pdf)


def expected_inputs(aggregate_inputs: str, *, pdf: bool) -> str:
    """The same for an aggregate that is still to be made of these inputs."""
    return hashlib.sha256(f"{_code()}\n{offered()}\n{aggregate_inputs}\n{pdf}\n".encode()).hexdigest()


def report_made_of(folder: Path) -> str | None:
    """The hash of what the report in a folder was made of; None where there is no whole report."""
    try:
        inputs, files = (folder / MARKER).read_text().split()[:2]
        return inputs if int(files) == count_files(folder) else None
    except (OSError, ValueError):
        return None


def count_files(folder: Path) -> int:
    """The files of a report, the marker left out."""
    return sum(path.is_file() and path.name != MARKER for path in folder.rglob("*"))


def prepared_inputs(suite_inputs: str, variants: Iterable[str], *, pdf: bool) -> str:
    """sha256 over what the figures of a suite depend on: the inputs of its aggregate, the variants of the whole report (a
    variant's colour depends on them), the code that draws, the figures that other packages offer, and `pdf`."""
    text = f"{_code()}\n{offered()}\n{suite_inputs}\n{sorted(set(variants))}\n{pdf}\n"
    return hashlib.sha256(text.encode()).hexdigest()


def is_prepared(folder: Path, suite_inputs: str, variants: Iterable[str], *, pdf: bool) -> bool:
    """Whether the folder of a suite holds what `creditbench prepare` would make of these inputs."""
    try:
        return (folder / PREPARED).read_text().strip() == prepared_inputs(suite_inputs, variants, pdf=pdf)
    except (OSError, ValueError):
        return False


@cache
def offered() -> str:
    """The entry points of other packages' figures with the versions of the packages; none of them is imported."""
    points = sorted(entry_points(group=FIGURES), key=lambda point: point.name)
    return "\n".join(f"{point.name} {point.value} {point.dist and point.dist.version}" for point in points)


@cache
def _code() -> str:
    return code_digest(("benchmark/report",), ("jinja2", "matplotlib"), (".py", ".j2", ".css", ".js"))
