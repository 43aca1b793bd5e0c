"""The maps of Alice & Bob, drawn as text: wall `#`, floor `.`, the starts `A` and `B` of agents 0 and 1, the treasure `T`,
keys `0`, `1`, `2` and the doors `a`, `b`, `c` that they open, shut at the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

EMPTY, WALL, TREASURE = 0, 1, 7
AGENT_CODES = np.array([5, 6], np.int64)
KEY_CODES = np.array([2, 3, 4], np.int64)
_KEYS, _DOORS = "012", "abc"
_FLOOR, _WALL = ".", "#"


@dataclass(frozen=True)
class LockedRooms:
    """A map. `rooms`: rectangles (top, left, bottom, right), bounds included, that both agents must have left to win."""

    drawing: str
    rooms: tuple[tuple[int, int, int, int], ...]

    def __post_init__(self) -> None:
        lines = self.drawing.split("\n")
        if len(set(map(len, lines))) != 1:
            raise ValueError("every line of a map must be equally long")
        border = lines[0] + lines[-1] + "".join(line[0] + line[-1] for line in lines)
        if set(border) != {_WALL}:
            raise ValueError("a map must have a wall all around")
        n_keys = sum(key in self.drawing for key in _KEYS)
        things = sorted("ABT" + _KEYS[:n_keys] + _DOORS[:n_keys])
        if sorted(self.drawing.translate(str.maketrans("", "", "#.\n"))) != things:
            raise ValueError(f"this map must show each of {' '.join(things)} once, and else only # and .")

    def _cells(self, marks: str) -> NDArray[np.int64]:
        lines = self.drawing.split("\n")
        cell_of = {mark: (i, j) for i, line in enumerate(lines) for j, mark in enumerate(line)}
        return np.array([cell_of[mark] for mark in marks], np.int64).reshape(-1, 2)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """[2, 2] the agents' first cells, (row, column) as everywhere here."""
        return self._cells("AB")

    @cached_property
    def keys(self) -> NDArray[np.int64]:
        """[K, 2]."""
        return self._cells("".join(key for key in _KEYS if key in self.drawing))

    @cached_property
    def doors(self) -> NDArray[np.int64]:
        """[K, 2] the door of each key."""
        return self._cells(_DOORS[: len(self.keys)])

    @cached_property
    def treasure(self) -> NDArray[np.int64]:
        """[2]."""
        return self._cells("T").reshape(2)

    @cached_property
    def codes(self) -> NDArray[np.int64]:
        """[rows, columns] what an agent sees of each cell at the start."""
        n_keys = len(self.keys)
        meaning = {_FLOOR: EMPTY, "A": AGENT_CODES[0], "B": AGENT_CODES[1], "T": TREASURE}
        meaning |= dict.fromkeys(_WALL + _DOORS[:n_keys], WALL) | dict(zip(_KEYS, KEY_CODES, strict=True))
        return np.array([[meaning[mark] for mark in line] for line in self.drawing.split("\n")], np.int64)

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """[rows, columns] whether the cell lies in a room."""
        inside = np.zeros(self.codes.shape, np.bool_)
        for top, left, bottom, right in self.rooms:
            inside[top : bottom + 1, left : right + 1] = True
        return inside


# STAS' map: key 0 frees agent 0, which takes key 1, which frees agent 1.
TWO_ROOMS = LockedRooms(
    drawing="""\
#########
#A..#..B#
#...#...#
#...#0..#
##a###b##
#1......#
#.......#
#......T#
#########""",
    rooms=((1, 1, 3, 3), (1, 5, 3, 7)),
)
# Ours: each takes a key that frees or leads on the other, in turn: key 0 lets agent 0 into the left yard, where key 1 lies;
# that lets agent 1 into the right yard, where key 2 lies; that opens the third room, the treasure's, to agent 0 alone.
THREE_ROOMS = LockedRooms(
    drawing="""\
#########
#A..#..B#
#...#...#
#...#0..#
##a###b##
#1..#..2#
#...#...#
#...#...#
##c######
#......T#
#########""",
    rooms=((1, 1, 3, 3), (1, 5, 3, 7)),
)
MAPS = {"two-rooms": TWO_ROOMS, "three-rooms": THREE_ROOMS}
