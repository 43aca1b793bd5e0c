"""Whether a report is still what would be rendered now. Free of matplotlib, for the Snakefile asks."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from benchmark.analysis.inputs import code_digest, made_of

MARKER = ".creditbench-report"
"""In each report; its first line is the hash of what the report was made of."""


def site_inputs(aggregate_folder: Path, *, pdf: bool) -> str:
    """sha256 over what a report depends on: the inputs of its aggregate, the code that renders it, and `pdf`."""
    return expected_inputs(made_of(aggregate_folder) or "", pdf=pdf)


def expected_inputs(aggregate_inputs: str, *, pdf: bool) -> str:
    """The same for an aggregate that is still to be made of these inputs."""
    return hashlib.sha256(f"{_code()}\n{aggregate_inputs}\n{pdf}\n".encode()).hexdigest()


def report_made_of(folder: Path) -> str | None:
    """The hash of what the report in a folder was made of; None where there is no whole report."""
    try:
        marker = (folder / MARKER).read_text().splitlines()[0] if (folder / "index.html").is_file() else None
    except (OSError, ValueError, IndexError):
        return None
    return marker


@cache
def _code() -> str:
    return code_digest(("benchmark/report",), ("jinja2", "matplotlib"), (".py", ".j2", ".css", ".js"))
