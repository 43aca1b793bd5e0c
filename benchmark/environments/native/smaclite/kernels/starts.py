"""Scattered starts (ours; the package has none): each unit begins a random step away from its place of the map."""

from __future__ import annotations

import numpy as np

from benchmark.environments.native.random import next_uniform
from benchmark.environments.native.smaclite.constants import (
    BOARD,
    PLANE,
    RADIUS,
    SCATTER_DRAWS,
    START_X,
    START_Y,
    X,
    Y,
)
from benchmark.environments.native.smaclite.kernels.avoidance import GROUND
from benchmark.environments.native.smaclite.kernels.geometry import kernel


@kernel
def scatter_units(units, stream, scatter, rules):
    """Moves every unit, in overall order, by a uniform draw from [-scatter, scatter] in x, then in y.

    All units stand at their places of the map before. A draw counts if the centre may be there and the unit touches no other
    one of its plane, moved already or not; a unit whose SCATTER_DRAWS draws all fail keeps its place. So units of one plane
    that the map keeps apart never overlap.
    """
    for unit in range(units.shape[1]):
        for _ in range(SCATTER_DRAWS):
            x = np.float32(rules.stats[START_X, unit] + scatter * (2.0 * next_uniform(stream) - 1.0))
            y = np.float32(rules.stats[START_Y, unit] + scatter * (2.0 * next_uniform(stream) - 1.0))
            if may_stand(x, y, rules.traits[PLANE, unit], rules.free) and is_clear(unit, x, y, units, rules):
                units[X, unit] = x
                units[Y, unit] = y
                break


@kernel
def may_stand(x, y, plane, free):
    """Whether a unit's centre may be at a point, as for the places of a map: on the board, and units of the ground in a free
    cell."""
    inside = 0.0 <= x < BOARD and 0.0 <= y < BOARD
    return inside and (plane != GROUND or free[int(x), int(y)])


@kernel
def is_clear(unit, x, y, units, rules):
    """Whether a unit at a point would be further from every other one of its plane than the sum of their radii.

    Units of different planes pass through each other (avoidance.neighbour_lines).
    """
    for other in range(units.shape[1]):
        if other == unit or rules.traits[PLANE, other] != rules.traits[PLANE, unit]:
            continue
        dx, dy = units[X, other] - x, units[Y, other] - y
        radius = rules.stats[RADIUS, unit] + rules.stats[RADIUS, other]
        if dx * dx + dy * dy <= radius * radius:
            return False
    return True
