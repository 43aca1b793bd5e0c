"""Settings in layers: a preset of the algorithm, the variant's own, the suite's overrides. Later layers win, key by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """One dictionary of all layers; nested ones are merged too, any other value replaces what was there."""
    found: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            below = found.get(name)
            if isinstance(below, Mapping) and isinstance(value, Mapping):
                value = merged(below, value)
            found[name] = value
    return found
