"""The settings of runs by dotted names ("redistribution.width"), as pages show and compare them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from benchmark.experiments.run_spec import RunSpec


def changed(spec: RunSpec) -> dict[str, Any]:
    """Those of a run that differ from the algorithm's defaults."""
    return _leaves(spec.resolved_settings(), spec.settings)


def resolved(spec: RunSpec) -> dict[str, Any]:
    """All of a run."""
    settings = spec.resolved_settings()
    return _leaves(settings, settings.model_dump(mode="json"))


def named(spec: RunSpec, values: Mapping[str, Any]) -> set[str]:
    """The names of `values`, which are some of a run's settings."""
    return set(_leaves(spec.resolved_settings(), values))


def _leaves(settings: BaseModel, values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Of `values`, which are some of the settings as JSON has them; nested settings are opened, other mappings are not."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        below = getattr(settings, name)
        if isinstance(below, BaseModel):
            found |= _leaves(below, value, f"{above}{name}.")
        else:
            found[f"{above}{name}"] = value
    return found
