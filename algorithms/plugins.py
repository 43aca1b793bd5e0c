"""Look-up of objects by import path or entry point, and errors that name the most similar alternative."""

from __future__ import annotations

import difflib
import io
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol, TypeVar

LONGEST_REASON = 300


class UserError(ValueError):
    """Base of everything that a user can do wrong. The message is one line: what was wrong, where, what is allowed."""


class BrokenPlugin(UserError):
    """Code of an installed package that cannot be used. The message names it and says why."""


class UnknownName(UserError):
    """A name that is not registered. The message gives the most similar registered names."""


class Named(Protocol):
    """What other packages can offer."""

    @property
    def name(self) -> str: ...


Offered = TypeVar("Offered", bound=Named)


@dataclass(frozen=True)
class BrokenEntry:
    """An entry point of an installed package that cannot be used. `name`: of the entry point."""

    name: str
    package: str
    reason: str

    def __str__(self) -> str:
        return f"the package {self.package} offers {self.reason}"


_BROKEN: dict[str, tuple[BrokenEntry, ...]] = {}
"""By group, as `registered` has found them."""
_IN_PROGRESS: set[str] = set()
"""The groups whose entry points are being loaded."""


def warn(message: str) -> None:
    """One line on stderr."""
    print(f"creditbench: warning: {message}", file=sys.stderr, flush=True)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """ " Did you mean X or Y?" with the up to three nearest known names; empty if none is near."""
    nearest = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(nearest)}?" if nearest else ""


def unknown(kind: str, name: str, known: Iterable[str], group: str = "", listing: str = "") -> UnknownName:
    """The error for an unregistered name, with similar names and the command that lists all, by default `list KINDs`.

    `group`: the entry points that offer this kind. What is broken of them may be what was meant, so it is named too.
    """
    broken = "".join(f" Not usable: {entry}." for entry in broken_entries(group))
    lists = f"`{listing or f'creditbench list {kind}s'}` shows all of them."
    return UnknownName(f"There is no {kind} '{name}'.{did_you_mean(name, known)} {lists}{broken}")


def load(path: str, what: str = "") -> Any:
    """The object at 'package.module:attribute'. What is printed by importing it goes to stderr.

    Raises BrokenPlugin where it cannot be imported; `what` it is, for the message.
    """
    module, _, attribute = path.partition(":")
    try:
        with redirect_stdout(sys.stderr):
            return getattr(import_module(module), attribute)
    except (Exception, SystemExit) as error:
        raise BrokenPlugin(f"{what or path} cannot be imported: {reason_of(error)}") from error


def reason_of(error: BaseException) -> str:
    """The error in one line, with the file and line that raised it; of a UserError, its message."""
    if isinstance(error, UserError):
        return _one_line(str(error))
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({'/'.join(Path(frames[-1].filename).parts[-2:])}, line {frames[-1].lineno})" if frames else ""
    return f"{_one_line(_shown(error))}{place}"


def registered(
    group: str, kind: type[Offered], built_in: Iterable[Offered] = (), check: Callable[[Offered], None] | None = None
) -> dict[str, Offered]:
    """Everything of a kind by its name: what is built in, then what the entry points of installed packages offer.

    An entry point that cannot be used is left out, and a line on stderr names it and its package: it fails, ends the process or
    gives something else than `kind`; `check` raises ValueError of it; its name is also that of another one, but for upper and
    lower case. Of two packages with the same name neither is used, since nothing says which of them is meant.
    """
    by_name = {offered.name: offered for offered in built_in}
    if group in _IN_PROGRESS:  # asked by a package while it is imported: what is built in is all it can have
        return by_name
    _IN_PROGRESS.add(group)
    try:
        offers, broken = _offers(group, kind, check)
    finally:
        _IN_PROGRESS.remove(group)
    taken = [name.casefold() for name in (*by_name, *(offered.name for _, offered in offers))]
    for point, offered in offers:
        if taken.count(offered.name.casefold()) > 1:
            broken.append(_broken(point, f"is called '{offered.name}', as another one is"))
        else:
            by_name[offered.name] = offered
    _BROKEN[group] = tuple(broken)
    for entry in broken:
        warn(f"{entry}; it is left out")
    return by_name


def _offers(
    group: str, kind: type[Offered], check: Callable[[Offered], None] | None
) -> tuple[list[tuple[EntryPoint, Offered]], list[BrokenEntry]]:
    """What the entry points of a group offer, ordered by name and package, and those that cannot be used."""
    usable: list[tuple[EntryPoint, Offered]] = []
    broken: list[BrokenEntry] = []
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, _package(point))):
        try:
            usable.append((point, _loaded(point, kind, check)))
        except BrokenPlugin as error:
            broken.append(_broken(point, str(error)))
    return usable, broken


def broken_entries(group: str) -> tuple[BrokenEntry, ...]:
    """What `registered` has left out of a group; nothing before it was called."""
    return _BROKEN.get(group, ())


def _loaded(point: EntryPoint, kind: type[Offered], check: Callable[[Offered], None] | None) -> Offered:
    """What an entry point offers. Raises BrokenPlugin; a line on stderr where its import prints."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            offered = point.load()
            if isinstance(offered, kind) and check is not None:
                check(offered)
    except (Exception, SystemExit) as error:
        raise BrokenPlugin(f"cannot be loaded: {reason_of(error)}") from error
    if not isinstance(offered, kind):
        raise BrokenPlugin(f"is no {kind.__name__}, but {_one_line(_shown(offered))}")
    if printed.getvalue():
        warn(f"the package {_package(point)} prints where {_described(point)} is imported: {_one_line(printed.getvalue())!r}")
    return offered


def _broken(point: EntryPoint, problem: str) -> BrokenEntry:
    return BrokenEntry(point.name, _package(point), f"{_described(point)}, which {problem}")


def _described(point: EntryPoint) -> str:
    return f"{point.name} = {point.value} ({point.group})"


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "of an unknown name"


def _shown(thing: object) -> str:
    try:
        return repr(thing)
    except Exception:
        return f"a {type(thing).__name__}"


def _one_line(text: str) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * LONGEST_REASON])
    shown = " ".join(shown.split())
    return shown if len(shown) <= LONGEST_REASON else f"{shown[:LONGEST_REASON]} …"
