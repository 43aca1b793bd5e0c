"""The linear programs of optimal reciprocal collision avoidance (van den Berg et al. 2011, section 5.2).

lines [L, 5]: point and unit direction of the border of each half-plane of allowed velocities, which lies to its left, and
whether the line is SINGLE. A velocity is `result [3]`: x, y and SINGLE.

SINGLE (1.0 or 0.0) says that the package computes with these numbers in float32: it mixes both types, and in a crowd the
rounding of one frame decides who passes whom some frames later. `fit` rounds where the package does.
"""

from __future__ import annotations

import numpy as np

from benchmark.environments.native.smaclite.constants import EPSILON
from benchmark.environments.native.smaclite.kernels.geometry import kernel

SINGLE = 4


@kernel
def fit(value, single):
    """The value, rounded to float32 if `single`."""
    return np.float64(np.float32(value)) if single else value


@kernel
def is_single(x, y):
    """Whether a velocity is one of float32, judged by its value."""
    return np.float64(np.float32(x)) == x and np.float64(np.float32(y)) == y


@kernel
def cross(ax, ay, bx, by, single):
    """z component of the cross product."""
    return fit(fit(ax * by, single) - fit(ay * bx, single), single)


@kernel
def dot(ax, ay, bx, by, single):
    """The scalar product."""
    return fit(fit(ax * bx, single) + fit(ay * by, single), single)


@kernel
def set_line(lines, count, x, y, dx, dy, single):
    """Writes line number `count`; returns the number of lines."""
    lines[count, 0], lines[count, 1], lines[count, 2], lines[count, 3] = x, y, dx, dy
    lines[count, SINGLE] = 1.0 if single else 0.0
    return count + 1


@kernel
def violation(lines, line, result):
    """How far the velocity lies on the forbidden side of a line; not positive if it is allowed."""
    single = lines[line, SINGLE] > 0.0 and result[2] > 0.0
    x, y = fit(lines[line, 0] - result[0], single), fit(lines[line, 1] - result[1], single)
    return cross(lines[line, 2], lines[line, 3], x, y, single)


@kernel
def best_on_line(lines, line, max_speed, want_x, want_y, want_single, want_direction, result):
    """The best velocity on one line within the speed disc and all earlier lines. False, and no change, if there is none."""
    px, py, dx, dy, single = lines[line, 0], lines[line, 1], lines[line, 2], lines[line, 3], lines[line, SINGLE] > 0.0
    along = dot(px, py, dx, dy, single)
    squared_speed = fit(max_speed * max_speed, single)
    discriminant = fit(fit(fit(along * along, single) + squared_speed, single) - dot(px, py, px, py, single), single)
    if discriminant < 0.0:
        return False
    root = fit(np.sqrt(discriminant), single)
    low, high = fit(-along - root, single), fit(-along + root, single)
    low_single, high_single = single, single
    for other in range(line):
        both = single and lines[other, SINGLE] > 0.0
        ox, oy = lines[other, 2], lines[other, 3]
        denominator = cross(dx, dy, ox, oy, both)
        numerator = cross(ox, oy, fit(px - lines[other, 0], both), fit(py - lines[other, 1], both), both)
        if abs(denominator) < EPSILON:
            if numerator < 0.0:
                return False
            continue
        cut = fit(numerator / denominator, both)
        if denominator >= 0.0:
            if cut < high:
                high, high_single = cut, both
        elif cut > low:
            low, low_single = cut, both
        if low > high:
            return False
    if want_direction:
        forward = dot(want_x, want_y, dx, dy, single and want_single) > 0.0
        at, at_single = (high, high_single) if forward else (low, low_single)
    else:
        at_single = single and want_single
        at = dot(dx, dy, fit(want_x - px, at_single), fit(want_y - py, at_single), at_single)
        if at < low:
            at, at_single = low, low_single
        elif at > high:
            at, at_single = high, high_single
    at_single = at_single and single
    result[0] = fit(px + fit(at * dx, at_single), at_single)
    result[1] = fit(py + fit(at * dy, at_single), at_single)
    result[2] = 1.0 if at_single else 0.0
    return True


@kernel
def best_velocity(lines, count, max_speed, want_x, want_y, want_single, want_direction, result):
    """The allowed velocity nearest to the wanted one (or farthest in its direction).

    Returns the first line that failed, or count; fills `result`.
    """
    result[0], result[1], result[2] = want_x, want_y, 1.0 if want_single else 0.0
    squared = dot(want_x, want_y, want_x, want_y, want_single)
    if want_direction:
        result[0], result[1] = fit(want_x * max_speed, want_single), fit(want_y * max_speed, want_single)
    elif squared > fit(max_speed * max_speed, want_single):
        length = fit(np.sqrt(squared), want_single)
        speed = fit(max_speed, want_single)
        result[0] = fit(fit(want_x / length, want_single) * speed, want_single)
        result[1] = fit(fit(want_y / length, want_single) * speed, want_single)
    for line in range(count):
        if violation(lines, line, result) > 0.0 and not best_on_line(
            lines, line, max_speed, want_x, want_y, want_single, want_direction, result
        ):
            return line
    return count


@kernel
def least_violation(lines, count, hard, first, max_speed, projected, result):
    """Where no velocity is allowed: violate the lines from `hard` on as little as possible, the first `hard` ones not at all.

    `projected` [L, 5] is scratch, `first` the line at which `best_velocity` failed.
    """
    worst = 0.0
    for line in range(first, count):
        if violation(lines, line, result) <= worst:
            continue
        px, py, dx, dy, single = lines[line, 0], lines[line, 1], lines[line, 2], lines[line, 3], lines[line, SINGLE] > 0.0
        for other in range(hard):
            projected[other] = lines[other]
        size = hard
        for other in range(hard, line):
            qx, qy, ex, ey = lines[other, 0], lines[other, 1], lines[other, 2], lines[other, 3]
            both = single and lines[other, SINGLE] > 0.0
            determinant = cross(dx, dy, ex, ey, both)
            if abs(determinant) <= EPSILON:
                if dot(dx, dy, ex, ey, both) > 0.0:
                    continue
                x, y = 0.5 * fit(px + qx, both), 0.5 * fit(py + qy, both)
            else:
                at = fit(cross(ex, ey, fit(px - qx, both), fit(py - qy, both), both) / determinant, both)
                x, y = fit(px + fit(at * dx, both), both), fit(py + fit(at * dy, both), both)
            vx, vy = fit(ex - dx, both), fit(ey - dy, both)
            length = fit(np.sqrt(dot(vx, vy, vx, vy, both)), both)
            projected[size, 0], projected[size, 1] = x, y
            projected[size, 2], projected[size, 3] = fit(vx / length, both), fit(vy / length, both)
            projected[size, SINGLE] = 1.0 if both else 0.0
            size += 1
        before_x, before_y, before_single = result[0], result[1], result[2]
        if best_velocity(projected, size, max_speed, -dy, dx, single, True, result) < size:
            result[0], result[1], result[2] = before_x, before_y, before_single
        worst = violation(lines, line, result)
