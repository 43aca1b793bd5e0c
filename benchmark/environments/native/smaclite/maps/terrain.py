"""From a picture of walls to what the kernels need: free cells, rectangles of walls, and the rectangles' edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.environments.native.smaclite.constants import BOARD
from benchmark.environments.native.smaclite.maps.map_files import FREE


def free_cells(rows: tuple[str, ...]) -> NDArray[np.bool_]:
    """free[x, y] [32, 32] of a terrain whose first row of text is the top, y = 31."""
    picture = np.array([[character == FREE for character in row] for row in rows], np.bool_)
    return np.ascontiguousarray(picture[::-1].T)


def wall_rectangles(free: NDArray[np.bool_]) -> list[tuple[int, int, int, int]]:
    """Merges walls greedily into rectangles (x, y, width, height); their order is the order in which units meet them.

    The scan goes up, and right within a row. A rectangle starts at a wall that no earlier one covers, grows right over
    every wall, then up as long as the whole width is wall. Growing may run over earlier rectangles: they can overlap.
    """
    covered = np.zeros_like(free)
    rectangles = []
    for y in range(BOARD):
        for x in range(BOARD):
            if free[x, y] or covered[x, y]:
                continue
            right, top = x, y
            while right < BOARD and not free[right, y]:
                right += 1
            while top < BOARD and not free[x:right, top].any():
                top += 1
            covered[x:right, y:top] = True
            rectangles.append((x, y, right - x, top - y))
    return rectangles


def rectangle_edges(rectangles: list[tuple[int, int, int, int]]) -> NDArray[np.float64]:
    """[R, 4, 4]: each rectangle's edges from the lower left corner counter-clockwise, as (x, y) of both ends."""
    edges = np.zeros((len(rectangles), 4, 4), np.float64)
    for number, (x, y, width, height) in enumerate(rectangles):
        corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        for edge in range(4):
            edges[number, edge] = (*corners[edge], *corners[(edge + 1) % 4])
    return edges
