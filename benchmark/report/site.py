"""The static site: reads an aggregate folder, writes a folder of pages that open by double click."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from algorithms.plugins import UserError
from benchmark.analysis.schema import Aggregate, Manifest
from benchmark.environments.input_files import problem_lines
from benchmark.report.context import HERE, ReportContext
from benchmark.report.figure_style import rc_style
from benchmark.report.freshness import MARKER, count_files, site_inputs
from benchmark.report.pages import (
    ablations,
    claims,
    leaderboard,
    methods,
    overview,
    provenance,
    records,
    reproduction,
    speed,
    studies,
    tasks,
)

NOTE = "This folder is written, and replaced whole, by the report."
PAGES = {
    "index.html": overview.overview,
    "leaderboard.html": leaderboard.leaderboard,
    "tasks.html": tasks.tasks,
    "methods.html": methods.methods,
    "claims.html": claims.claims,
    "ablations.html": ablations.ablations,
    "studies.html": studies.studies,
    "reproduction.html": reproduction.reproduction,
    "speed.html": speed.speed,
    "provenance.html": provenance.provenance,
    "records.html": records.records,
}

Model = TypeVar("Model", bound=BaseModel)


class ReportError(UserError):
    """The report cannot be made. The message says of which file, and why."""


def render(aggregate_folder: Path, out_folder: Path, *, cache: Path | None = None, pdf: bool = False) -> Path:
    """Renders `aggregate_folder` (aggregate.json, manifest.json) as a site in `out_folder`; returns its index.html.

    Equal input gives equal bytes. The site is made in a folder beside it and then moved there, so that an older report
    stays whole until the new one is. `cache`: a folder where figures are kept from one report to the next. `pdf`: a PDF
    twin of each figure. Raises ReportError: an aggregate that cannot be read, or an `out_folder` with other things in it,
    which are never deleted.
    """
    aggregate = _read(aggregate_folder / "aggregate.json", Aggregate)
    manifest = _read(aggregate_folder / "manifest.json", Manifest)
    out_folder = out_folder.absolute()
    _validate_destination(out_folder)
    out_folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(out_folder)
    with tempfile.TemporaryDirectory(dir=out_folder.parent, prefix=f".{out_folder.name}.") as room:
        fresh, old = Path(room) / "fresh", Path(room) / "old"
        context = ReportContext(fresh, aggregate, manifest, cache or Path(room) / "figures", pdf)
        write_site(context)
        if cache is not None:
            for gallery in context.galleries.values():
                gallery.complete()
        (fresh / MARKER).write_text(f"{site_inputs(aggregate_folder, pdf=pdf)} {count_files(fresh)}\n{NOTE}\n")
        if out_folder.exists():
            os.replace(out_folder, old)
        os.replace(fresh, out_folder)
    return out_folder / "index.html"


def write_site(context: ReportContext) -> None:
    """Writes all pages that have content, and what they need."""
    context.folder.mkdir(parents=True)
    shutil.copytree(HERE / "assets", context.folder / "assets")
    with rc_style():
        for entry in context.navigation:
            PAGES[entry.path](context)


def _remove_leftovers(out_folder: Path) -> None:
    """Removes what reports that were killed left beside `out_folder`, an hour after."""
    for folder in out_folder.parent.glob(f".{out_folder.name}.*"):
        if folder.is_dir() and time.time() - folder.stat().st_mtime > 3600:
            shutil.rmtree(folder, ignore_errors=True)


def _read(path: Path, model: type[Model]) -> Model:
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}; `creditbench aggregate` makes it") from error
    except ValidationError as error:
        problems = "; ".join(problem_lines(error, limit=3))
        raise ReportError(f"{path}: {problems}; make it again with `creditbench aggregate`") from error


def _validate_destination(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ReportError(f"{folder} is a file; the report needs a folder")
    if any(folder.iterdir()) and not (folder / MARKER).is_file():
        raise ReportError(f"{folder} holds things that are not a report; name an empty or a new folder")
