"""Settings in layers: the algorithm's preset, the variant's settings, the suite's overrides. Later layers win, key by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """All layers in one dictionary. Nested dictionaries are merged; any other value replaces the one below it."""
    result: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            below = result.get(name)
            if isinstance(below, Mapping) and isinstance(value, Mapping):
                value = merged(below, value)
            result[name] = value
    return result
