"""The defaults of every version of every algorithm, one JSON file each: `<algorithm>-<version>.json`.

A run's fingerprint holds only the settings that differ from the defaults, so the defaults of a version never change. After
raising an algorithm's version, `uv run python -m algorithms.snapshots` writes the new one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from algorithms.registry import AlgorithmEntry

FOLDER = Path(__file__).parent


def snapshot_file(entry: AlgorithmEntry) -> Path:
    """The snapshot file of an algorithm's version."""
    return FOLDER / f"{entry.name}-{entry.version}.json"


def defaults(entry: AlgorithmEntry) -> dict[str, Any]:
    """An algorithm's default settings, ready for JSON."""
    return entry.settings().model_dump(mode="json")


def write_missing(entries: tuple[AlgorithmEntry, ...]) -> list[Path]:
    """Writes the missing snapshots and returns their files.

    Raises ValueError if an existing one differs from the defaults: they changed without a new version.
    """
    written = []
    for entry in entries:
        file, current = snapshot_file(entry), defaults(entry)
        if not file.exists():
            file.write_text(json.dumps(current, indent=2) + "\n")
            written.append(file)
        elif json.loads(file.read_text()) != current:
            raise ValueError(f"the defaults of {entry.name} changed: raise its version, now {entry.version}")
    return written
