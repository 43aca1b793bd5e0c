"""Look-up of objects by import path or entry point, and errors that name the most similar alternative."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, TypeVar

Offered = TypeVar("Offered")


class UserError(ValueError):
    """Base of everything that a user can do wrong. The message is one line: what was wrong, where, what is allowed."""


class BrokenPlugin(UserError):
    """An entry point of an installed package that cannot be used. The message names it and says why."""


class UnknownName(UserError):
    """A name that is not registered. The message gives the most similar registered names."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """ " Did you mean X or Y?" with the up to three nearest known names; empty if none is near."""
    nearest = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(nearest)}?" if nearest else ""


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """The error for an unregistered name, with similar names and the command that lists all."""
    return UnknownName(f"There is no {kind} '{name}'.{did_you_mean(name, known)} `creditbench list {kind}s` shows all of them.")


def load(path: str) -> Any:
    """The object at 'package.module:attribute'."""
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)


def entries(group: str, kind: type[Offered]) -> list[Offered]:
    """The objects of all entry points of a group in the installed packages, ordered by name. Raises BrokenPlugin."""
    objects = []
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        origin = f"the entry point {point.name} = {point.value} ({group}) of an installed package"
        try:
            offered = point.load()
        except Exception as error:
            raise BrokenPlugin(f"{origin} cannot be loaded: {error!r}") from error
        if not isinstance(offered, kind):
            raise BrokenPlugin(f"{origin} is no {kind.__name__}, but {offered!r}")
        objects.append(offered)
    return objects
