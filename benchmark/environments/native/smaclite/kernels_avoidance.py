"""Collision avoidance: from the velocities that units would like to those they take (environments.md B.8).

Optimal reciprocal collision avoidance (van den Berg et al. 2011) as the package's default version does it: a horizon of one
second, neighbours on the same plane that nearly touch, in overall order; a unit that wants to stand neither moves nor dodges.
"""

from __future__ import annotations

import numpy as np

from benchmark.environments.native.smaclite.constants import (
    AVOIDANCE_HORIZON,
    FRAME,
    HP,
    PLANE,
    RADIUS,
    SPEED,
    VX,
    VY,
    X,
    Y,
)
from benchmark.environments.native.smaclite.kernels_geometry import kernel, offset
from benchmark.environments.native.smaclite.kernels_obstacles import obstacle_lines, set_line
from benchmark.environments.native.smaclite.kernels_programs import best_velocity, cross, least_violation

GROUND = 1


@kernel
def avoid_collisions(units, desired, rules, lines, projected, velocity, result):
    """Writes the velocities of the coming frame into units[VX], units[VY]. lines, projected [L, 4], velocity [2, U], result [2] are scratch."""
    size = units.shape[1]
    for unit in range(size):
        if units[HP, unit] <= 0.0:
            continue
        velocity[0, unit] = 0.0
        velocity[1, unit] = 0.0
        if desired[0, unit] == 0.0 and desired[1, unit] == 0.0:
            continue
        max_speed = rules.stats[SPEED, unit]
        hard = 0
        if rules.traits[PLANE, unit] == GROUND:
            hard = obstacle_lines(unit, units, rules.stats[RADIUS, unit], max_speed, rules.edges, lines)
        count = neighbour_lines(unit, units, desired, rules, lines, hard)
        failed = best_velocity(lines, count, max_speed, desired[0, unit], desired[1, unit], False, result)
        if failed < count:
            least_violation(lines, count, hard, failed, max_speed, projected, result)
        velocity[0, unit] = result[0]
        velocity[1, unit] = result[1]
    for unit in range(size):
        if units[HP, unit] > 0.0:
            units[VX, unit] = velocity[0, unit]
            units[VY, unit] = velocity[1, unit]


@kernel
def neighbour_lines(unit, units, desired, rules, lines, count):
    """Adds a line for every neighbour after the first `count` lines; returns the number of lines."""
    stats, traits = rules.stats, rules.traits
    reach = rules.largest_radius + stats[RADIUS, unit]
    px, py = units[X, unit], units[Y, unit]
    for other in range(units.shape[1]):
        dx = units[X, other] - px
        dy = units[Y, other] - py
        if dx * dx + dy * dy > reach * reach or other == unit:
            continue
        if units[HP, other] <= 0.0 or traits[PLANE, other] != traits[PLANE, unit]:
            continue
        shared = desired[0, other] != 0.0 or desired[1, other] != 0.0
        share = 0.5 if shared else 1.0
        rx = np.float64(offset(units, unit, other, X))
        ry = np.float64(offset(units, unit, other, Y))
        vx = units[VX, unit] - units[VX, other]
        vy = units[VY, unit] - units[VY, other]
        count = neighbour_line(
            rx, ry, vx, vy, stats[RADIUS, unit] + stats[RADIUS, other], share, units[VX, unit], units[VY, unit], lines, count
        )
    return count


@kernel
def neighbour_line(rx, ry, vx, vy, radius, share, own_vx, own_vy, lines, count):
    """The line of one neighbour at (rx, ry), relative velocity (vx, vy), `radius` the sum of both, `share` of the change."""
    squared = rx * rx + ry * ry
    apart = squared > radius * radius
    horizon = AVOIDANCE_HORIZON if apart else FRAME
    wx, wy = vx - rx / horizon, vy - ry / horizon
    squared_w = wx * wx + wy * wy
    towards = wx * rx + wy * ry
    if not apart or (towards < 0.0 and towards * towards > radius * radius * squared_w):
        length = np.sqrt(squared_w)
        if length == 0.0:
            return count
        wx, wy = wx / length, wy / length
        dx, dy = wy, -wx
        change = radius / horizon - length
        ux, uy = change * wx, change * wy
    else:
        leg = np.sqrt(squared - radius * radius)
        across_x, across_y = np.float32(rx * radius), np.float32(ry * radius)
        if cross(rx, ry, wx, wy) > 0.0:
            dx, dy = (rx * leg - across_y) / squared, (across_x + ry * leg) / squared
        else:
            dx, dy = -(rx * leg + across_y) / squared, -(ry * leg - across_x) / squared
        along = vx * dx + vy * dy
        ux, uy = along * dx - vx, along * dy - vy
    return set_line(lines, count, own_vx + share * ux, own_vy + share * uy, dx, dy)
