"""Objects by their import path or by the entry points of installed packages, and errors that name the nearest alternative."""

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
    """Something that an installed package offers and that cannot be used. The message says which, and why."""


class UnknownName(UserError):
    """A name that nothing is registered under. The message gives the nearest ones."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """ " Did you mean X or Y?" with the up to three nearest known names; empty if none is near."""
    nearest = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(nearest)}?" if nearest else ""


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """The error for a name that does not exist, with the nearest ones and the command that lists all."""
    return UnknownName(f"There is no {kind} '{name}'.{did_you_mean(name, known)} `creditbench list {kind}s` shows all of them.")


def load(path: str) -> Any:
    """The object at 'package.module:attribute'."""
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)


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
