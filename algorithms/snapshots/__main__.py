"""Writes the snapshots that are missing: `uv run python -m algorithms.snapshots`."""

from __future__ import annotations

from algorithms.registry import BUILT_IN
from algorithms.snapshots import write_missing

if __name__ == "__main__":
    for file in write_missing(BUILT_IN):
        print(file.name)
