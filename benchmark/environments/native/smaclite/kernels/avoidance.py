"""Collision avoidance: from the velocities that units would like to those they take.

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
from benchmark.environments.native.smaclite.kernels.geometry import kernel, offset
from benchmark.environments.native.smaclite.kernels.linear_programs import (
    best_velocity,
    cross,
    dot,
    fit,
    is_single,
    least_violation,
    set_line,
)
from benchmark.environments.native.smaclite.kernels.obstacles import obstacle_lines

GROUND = 1


@kernel
def avoid_collisions(units, desired, fresh, rules, lines, projected, velocity, result):
    """Writes the velocities of the coming frame into units[VX] and units[VY].

    `fresh`: the first frame of an episode. lines, projected [L, 5], velocity [2, U] and result [3] are scratch.
    """
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
        count = neighbour_lines(unit, units, desired, fresh, rules, lines, hard)
        single = is_single(desired[0, unit], desired[1, unit])
        failed = best_velocity(lines, count, max_speed, desired[0, unit], desired[1, unit], single, False, result)
        if failed < count:
            least_violation(lines, count, hard, failed, max_speed, projected, result)
        velocity[0, unit] = result[0]
        velocity[1, unit] = result[1]
    for unit in range(size):
        if units[HP, unit] > 0.0:
            units[VX, unit] = velocity[0, unit]
            units[VY, unit] = velocity[1, unit]


@kernel
def was_single(x, y, fresh):
    """Whether the package holds this velocity in float32: a standing unit's only in the first frame of an episode (`fresh`)."""
    return is_single(x, y) and (fresh or x != 0.0 or y != 0.0)


@kernel
def neighbour_lines(unit, units, desired, fresh, rules, lines, count):
    """Adds a line for every neighbour after the first `count` lines; returns the number of lines."""
    stats, traits = rules.stats, rules.traits
    reach = rules.largest_radius + stats[RADIUS, unit]
    px, py = units[X, unit], units[Y, unit]
    for other in range(units.shape[1]):
        dx = units[X, other] - px
        dy = units[Y, other] - py
        squared = dx * dx + dy * dy
        if squared > reach * reach or other == unit:
            continue
        if units[HP, other] <= 0.0 or traits[PLANE, other] != traits[PLANE, unit]:
            continue
        shared = desired[0, other] != 0.0 or desired[1, other] != 0.0
        share = 0.5 if shared else 1.0
        rx = np.float64(offset(units, unit, other, X))
        ry = np.float64(offset(units, unit, other, Y))
        radius = stats[RADIUS, unit] + stats[RADIUS, other]
        count = neighbour_line(rx, ry, squared, radius, share, unit, other, units, fresh, lines, count)
    return count


@kernel
def neighbour_line(rx, ry, squared, radius, share, unit, other, units, fresh, lines, count):
    """The line of one neighbour at the offset (rx, ry), float32 values, whose `squared` length is exact.

    `radius` is the sum of both, `share` the part of the change that the unit takes upon itself.
    """
    own_x, own_y, other_x, other_y = units[VX, unit], units[VY, unit], units[VX, other], units[VY, other]
    single = was_single(own_x, own_y, fresh) and was_single(other_x, other_y, fresh)
    vx, vy = fit(own_x - other_x, single), fit(own_y - other_y, single)
    apart = squared > radius * radius
    horizon = AVOIDANCE_HORIZON if apart else FRAME
    wx, wy = fit(vx - rx / horizon, single), fit(vy - ry / horizon, single)
    squared_w = dot(wx, wy, wx, wy, single)
    towards = dot(wx, wy, rx, ry, single)
    if not apart or (towards < 0.0 and towards * towards > radius * radius * squared_w):
        length = fit(np.sqrt(squared_w), single)
        if length == 0.0:
            return count
        wx, wy = fit(wx / length, single), fit(wy / length, single)
        dx, dy = wy, -wx
        change = fit(radius / horizon - length, single)
        ux, uy = fit(change * wx, single), fit(change * wy, single)
    else:
        leg = np.sqrt(squared - radius * radius)
        across_x, across_y = fit(rx * radius, True), fit(ry * radius, True)
        if cross(rx, ry, wx, wy, single) > 0.0:
            dx, dy = (rx * leg - across_y) / squared, (across_x + ry * leg) / squared
        else:
            dx, dy = -(rx * leg + across_y) / squared, -(ry * leg - across_x) / squared
        along = vx * dx + vy * dy
        ux, uy = along * dx - vx, along * dy - vy
        single = False
    return set_line(lines, count, fit(own_x + share * ux, single), fit(own_y + share * uy, single), dx, dy, single)
