"""What other installed packages offer to CreditBench: algorithms here, tasks in `benchmark.tasks`."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TypeVar

Offered = TypeVar("Offered")


class BrokenPlugin(ValueError):
    """Something that an installed package offers and that cannot be used. The message says which, and why."""


def entries(group: str, kind: type[Offered]) -> list[Offered]:
    """Everything that installed packages offer under an entry point group, by name. Raises BrokenPlugin."""
    found = []
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        place = f"the entry point {point.name} = {point.value} ({group}) of an installed package"
        try:
            offered = point.load()
        except Exception as error:
            raise BrokenPlugin(f"{place} cannot be loaded: {error!r}") from error
        if not isinstance(offered, kind):
            raise BrokenPlugin(f"{place} is no {kind.__name__}, but {offered!r}")
        found.append(offered)
    return found
