"""What an algorithm, a task, a suite or a variant of a suite may be called.

Names become parts of paths, of Snakemake's wildcards, of commands and of pages, on file systems that may not tell upper from
lower case. So they are plain, and no two of a kind differ in case alone. Titles may be any text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from algorithms.plugins import UserError

LONGEST = 64
"""Characters. Three names, of suite, task and variant, are put together in file names of at most 255 bytes."""
RULE = f"letters a-z and A-Z, digits and . _ + -, a letter or digit first, {LONGEST} characters at most"

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


class InvalidName(UserError):
    """A name that cannot be used. The message says what is allowed."""


def validate_name(kind: str, name: object, *, parts: bool = False) -> None:
    """Raises InvalidName unless `name` is a text as in RULE; with `parts`, such texts joined by slashes, as tasks have."""
    pieces = str(name).split("/") if parts else [str(name)]
    if not isinstance(name, str) or len(name) > LONGEST or not all(map(_PART.fullmatch, pieces)):
        shown = f"{name[:LONGEST]!r}…" if isinstance(name, str) and len(name) > LONGEST else repr(name)
        rule = f"{RULE}{', and slashes between such parts' if parts else ''}"
        raise InvalidName(f"{shown} cannot be a name of {kind}: allowed are {rule}")


def validate_distinct(kind: str, names: Iterable[str]) -> None:
    """Raises InvalidName for two names that are equal but for upper and lower case."""
    seen: dict[str, str] = {}
    for name in names:
        twin = seen.setdefault(name.casefold(), name)
        if twin != name:
            raise InvalidName(f"'{twin}' and '{name}' cannot both be {kind}: they differ in upper and lower case alone")
