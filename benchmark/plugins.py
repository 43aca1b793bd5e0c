"""Objects by their import path, and errors that name the nearest alternative."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib import import_module
from typing import Any


class UnknownName(ValueError):
    """A name that nothing is registered under. The message gives the nearest ones."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """The error for a name that does not exist, with up to three near ones and the command that lists all."""
    nearest = difflib.get_close_matches(name, list(known), n=3, cutoff=0.4)
    hint = f" Did you mean {' or '.join(nearest)}?" if nearest else ""
    return UnknownName(f"There is no {kind} '{name}'.{hint} `creditbench list {kind}s` shows all of them.")


def load(path: str) -> Any:
    """The object at 'package.module:attribute'."""
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)
