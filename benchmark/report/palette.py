"""One colour and one mark for each variant, the same in every figure and beside every name.

Eight colours that stay apart under the common colour blindnesses (Okabe and Ito 2008 without their yellow, which is
too light for lines, with Tol's purple, brown and grey), eight marks for print in grey; from the ninth variant on the
line is dashed, from the seventeenth dotted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#aa3377", "#e69f00", "#56b4e9", "#6b4a2b", "#4d4d4d")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "p")
DASHES: tuple[tuple[float, ...], ...] = ((), (5.0, 2.0), (1.2, 1.4))

# The same marks as paths in a box of 12 x 12, for the keys in the pages.
MARK_PATHS = {
    "o": "M2.6 6a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0-6.8 0z",
    "s": "M3 3h6v6h-6z",
    "^": "M6 2.2l4 7h-8z",
    "D": "M6 1.8l4.2 4.2-4.2 4.2-4.2-4.2z",
    "v": "M6 9.8l4-7h-8z",
    "P": "M4.6 2.2h2.8v2.4h2.4v2.8h-2.4v2.4h-2.8v-2.4h-2.4v-2.8h2.4z",
    "X": "M2.4 4.2l1.8-1.8 1.8 1.8 1.8-1.8 1.8 1.8-1.8 1.8 1.8 1.8-1.8 1.8-1.8-1.8-1.8 1.8-1.8-1.8 1.8-1.8z",
    "p": "M6 2l4 2.9-1.5 4.7h-5l-1.5-4.7z",
}


@dataclass(frozen=True)
class Style:
    """How a variant is drawn. `dashes`: matplotlib's on-off lengths in points, empty for a solid line."""

    colour: str
    mark: str
    dashes: tuple[float, ...]

    @property
    def line(self) -> Literal["-"] | tuple[float, tuple[float, ...]]:
        """The line style in matplotlib's form."""
        return (0.0, self.dashes) if self.dashes else "-"

    @property
    def path(self) -> str:
        """The mark as an SVG path in a box of 12 x 12."""
        return MARK_PATHS[self.mark]


def styles(names: Iterable[str]) -> dict[str, Style]:
    """A style for each distinct name, by its place in the sorted order: it depends on the set of names alone."""
    found = {}
    for place, name in enumerate(sorted(set(names))):
        turn = place // len(COLOURS)
        found[name] = Style(
            colour=COLOURS[place % len(COLOURS)],
            mark=MARKS[(place + turn) % len(MARKS)],
            dashes=DASHES[min(turn, len(DASHES) - 1)],
        )
    return found


def shortened(name: str, most: int = 24) -> str:
    """`name` in at most `most` characters: the middle is left out, as the ends tell variants apart."""
    if len(name) <= most:
        return name
    tail = (most - 1) // 2
    return f"{name[: most - 1 - tail]}…{name[len(name) - tail :]}"
