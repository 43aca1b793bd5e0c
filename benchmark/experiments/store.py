"""Where the files of runs lie, and which of them exist: a committed record, an own one, a crash note, or nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmark.experiments.record import CorruptRecord, Record, printable, read_record
from benchmark.experiments.run_spec import RunSpec

SUITES, AGGREGATE, REPORTS = Path("results/suites"), Path("results/aggregate"), Path("reports")
"""Below the root: what is kept of each suite, in a folder of its name; the aggregate of the whole report; the report."""

Presence = Literal["reference", "own", "missing", "crashed", "corrupt"]


@dataclass(frozen=True)
class Store:
    """The result folders of one checkout; `root` is the folder that holds results/ and checkpoints/."""

    root: Path = Path(".")

    def own(self, spec: RunSpec) -> Path:
        """The record that the pipeline makes."""
        return self.root / "results" / "runs" / spec.path / "record.json"

    def reference(self, spec: RunSpec) -> Path:
        """The committed record."""
        return self.root / "results" / "reference" / spec.path / "record.json"

    def checkpoints(self, spec: RunSpec) -> Path:
        """The folder of the run's checkpoint, lock, metrics and crash note."""
        return self.root / "checkpoints" / spec.path

    def crash_note(self, spec: RunSpec) -> Path:
        """Written by the supervisor when the training process dies: {"reason": …}. Removed by the next successful attempt."""
        return self.checkpoints(spec) / "crash.json"

    def studies(self) -> list[Path]:
        """The committed results of studies."""
        return sorted((self.root / "results" / "reference" / "studies").glob("*.json"))

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
