"""Where the files of runs lie, and which of them exist: a committed record, an own one, a crash note, or nothing.

The files of runs lie in the checkout that the working folder is in: the nearest folder at or above it that has a checkout's
Snakefile, or committed records. Outside of any, they lie in the working folder, where no record is committed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmark.experiments.record import CorruptRecord, Record, printable, read_record
from benchmark.experiments.run_spec import RunSpec

SUITES, AGGREGATE, REPORTS = Path("results/suites"), Path("results/aggregate"), Path("reports")
"""Below the root: what is kept of each suite, in a folder of its name; the aggregate of the whole report; the report."""
REFERENCE = Path("results/reference")
"""Below the root: what is committed."""

Presence = Literal["reference", "own", "missing", "crashed", "corrupt"]


_INSTALLED = Path(__file__).parents[2]


def find_checkout(folder: Path) -> Path | None:
    """The nearest checkout at or above a folder: the folder itself as it is given, another one as an absolute path."""
    absolute = folder.absolute()
    for candidate in (absolute, *absolute.parents):
        pipeline = (candidate / "Snakefile").is_file() and (candidate / "benchmark" / "experiments").is_dir()
        if pipeline or (candidate / REFERENCE).is_dir():
            return folder if candidate == absolute else candidate
    return None


def outside(folder: Path) -> str | None:
    """What it means that a folder is in no checkout, in a line; None where it is in one."""
    if find_checkout(folder) is not None:
        return None
    installed = find_checkout(_INSTALLED)
    where = f"those of {installed} count there alone" if installed else "they are in the repository, not in the package"
    return f"there is no checkout here or above: committed records are not seen ({where}), results are read and made here"


def _working_checkout() -> Path:
    return find_checkout(Path(".")) or Path(".")


@dataclass(frozen=True)
class Store:
    """The result folders of one checkout; `root` is the folder that holds results/ and checkpoints/.

    Without a root: the checkout that the working folder is in, else the working folder.
    """

    root: Path = field(default_factory=_working_checkout)

    def own(self, spec: RunSpec) -> Path:
        """The record that the pipeline makes."""
        return self.root / "results" / "runs" / spec.path / "record.json"

    def reference(self, spec: RunSpec) -> Path:
        """The committed record."""
        return self.root / REFERENCE / spec.path / "record.json"

    def checkpoints(self, spec: RunSpec) -> Path:
        """The folder of the run's checkpoint, lock, metrics and crash note."""
        return self.root / "checkpoints" / spec.path

    def crash_note(self, spec: RunSpec) -> Path:
        """Written by the supervisor when the training process dies: {"reason": …}. Removed by the next successful attempt."""
        return self.checkpoints(spec) / "crash.json"

    def studies(self) -> list[Path]:
        """The committed results of studies."""
        return sorted((self.root / REFERENCE / "studies").glob("*.json"))

    def find(self, spec: RunSpec, *, reference: bool = True) -> Found:
        """The state of a run's files: the committed record first (unless `reference` is False), then the own one."""
        candidates: list[tuple[Presence, Path]] = [("own", self.own(spec))]
        if reference:
            candidates.insert(0, ("reference", self.reference(spec)))
        for presence, path in candidates:
            if not path.exists():
                continue
            try:
                record = read_record(path)
            except CorruptRecord as error:
                return Found("corrupt", path, None, str(error))
            if record.fingerprint != spec.fingerprint:
                return Found("corrupt", path, None, f"{path}: the record of another run ({record.fingerprint[:12]})")
            return Found(presence, path, record, record.outcome.reason)
        note = self.crash_note(spec)
        if note.is_file():
            return Found("crashed", None, None, _reason(note))
        return Found("missing", None, None, None)


@dataclass(frozen=True)
class Found:
    """The state of a run's files. `record` is None unless presence is reference or own; `reason`: of a failure or crash."""

    presence: Presence
    path: Path | None
    record: Record | None
    reason: str | None


def _reason(note: Path) -> str:
    try:
        return printable(str(json.loads(note.read_text())["reason"]), 2000)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "crashed; its note cannot be read"
