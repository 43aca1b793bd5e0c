"""Distances as the package computes them: positions are float32, and so are their differences."""

from __future__ import annotations

import numpy as np

from benchmark.environments.native.compilation import njit
from benchmark.environments.native.smaclite.constants import RADIUS, RANGE, X, Y

kernel = njit(cache=True, error_model="numpy")
"""Compiles a kernel. Division by zero follows IEEE arithmetic, as in the package."""


@kernel
def offset(units, first, second, axis):
    """units[axis, second] - units[axis, first] in float32; axis X or Y."""
    return np.float32(units[axis, second]) - np.float32(units[axis, first])


@kernel
def distance(units, first, second):
    """Distance of two units' centres, float64."""
    dx = units[X, second] - units[X, first]
    dy = units[Y, second] - units[Y, first]
    return np.sqrt(dx * dx + dy * dy)


@kernel
def within(dx, dy, radius):
    """Whether a float32 offset lies in a circle around the origin, its border included."""
    radius = np.float32(radius)
    dx, dy = abs(dx), abs(dy)
    if dx > radius or dy > radius:
        return False
    return dx + dy <= radius or dx * dx + dy * dy <= radius * radius


@kernel
def in_attack_range(units, stats, attacker, target):
    """Whether the gap between the two units is at most the attacker's range."""
    reach = stats[RANGE, attacker] + stats[RADIUS, attacker] + stats[RADIUS, target]
    return within(offset(units, attacker, target, X), offset(units, attacker, target, Y), reach)
