"""The linear programs of optimal reciprocal collision avoidance (van den Berg et al. 2011, section 5.2).

lines [L, 4]: point and unit direction of the border of each half-plane of allowed velocities, which lies to its left.
Every function returns or changes a velocity `result [2]`.
"""

from __future__ import annotations

import numpy as np

from benchmark.environments.native.smaclite.constants import EPSILON
from benchmark.environments.native.smaclite.kernels_geometry import kernel


@kernel
def cross(ax, ay, bx, by):
    """z component of the cross product."""
    return ax * by - ay * bx


@kernel
def violation(lines, line, result):
    """How far the velocity lies on the forbidden side of a line; not positive if it is allowed."""
    return cross(lines[line, 2], lines[line, 3], lines[line, 0] - result[0], lines[line, 1] - result[1])


@kernel
def best_on_line(lines, line, max_speed, want_x, want_y, want_direction, result):
    """The best velocity on one line within the speed disc and all earlier lines. False, and no change, if there is none."""
    px, py, dx, dy = lines[line, 0], lines[line, 1], lines[line, 2], lines[line, 3]
    along = px * dx + py * dy
    discriminant = along * along + max_speed * max_speed - (px * px + py * py)
    if discriminant < 0.0:
        return False
    root = np.sqrt(discriminant)
    low, high = -along - root, -along + root
    for other in range(line):
        ox, oy = lines[other, 2], lines[other, 3]
        denominator = cross(dx, dy, ox, oy)
        numerator = cross(ox, oy, px - lines[other, 0], py - lines[other, 1])
        if abs(denominator) < EPSILON:
            if numerator < 0.0:
                return False
            continue
        cut = numerator / denominator
        if denominator >= 0.0:
            high = min(high, cut)
        else:
            low = max(low, cut)
        if low > high:
            return False
    if want_direction:
        at = high if want_x * dx + want_y * dy > 0.0 else low
    else:
        at = min(max(dx * (want_x - px) + dy * (want_y - py), low), high)
    result[0] = px + at * dx
    result[1] = py + at * dy
    return True


@kernel
def best_velocity(lines, count, max_speed, want_x, want_y, want_direction, result):
    """The allowed velocity nearest to the wanted one (or farthest in its direction). Returns the first line that failed, or count."""
    squared = want_x * want_x + want_y * want_y
    if want_direction:
        result[0], result[1] = want_x * max_speed, want_y * max_speed
    elif squared > max_speed * max_speed:
        length = np.sqrt(squared)
        result[0], result[1] = want_x / length * max_speed, want_y / length * max_speed
    else:
        result[0], result[1] = want_x, want_y
    for line in range(count):
        if violation(lines, line, result) > 0.0:
            if not best_on_line(lines, line, max_speed, want_x, want_y, want_direction, result):
                return line
    return count


@kernel
def least_violation(lines, count, hard, first, max_speed, projected, result):
    """Where no velocity is allowed: violate the lines from `hard` on as little as possible, the first `hard` ones not at all.

    `projected` [L, 4] is scratch, `first` the line at which `best_velocity` failed.
    """
    worst = 0.0
    for line in range(first, count):
        if violation(lines, line, result) <= worst:
            continue
        px, py, dx, dy = lines[line, 0], lines[line, 1], lines[line, 2], lines[line, 3]
        for other in range(hard):
            projected[other] = lines[other]
        size = hard
        for other in range(hard, line):
            qx, qy, ex, ey = lines[other, 0], lines[other, 1], lines[other, 2], lines[other, 3]
            determinant = cross(dx, dy, ex, ey)
            if abs(determinant) <= EPSILON:
                if dx * ex + dy * ey > 0.0:
                    continue
                x, y = 0.5 * (px + qx), 0.5 * (py + qy)
            else:
                at = cross(ex, ey, px - qx, py - qy) / determinant
                x, y = px + at * dx, py + at * dy
            vx, vy = ex - dx, ey - dy
            length = np.sqrt(vx * vx + vy * vy)
            projected[size, 0], projected[size, 1] = x, y
            projected[size, 2], projected[size, 3] = vx / length, vy / length
            size += 1
        before_x, before_y = result[0], result[1]
        if best_velocity(projected, size, max_speed, -dy, dx, True, result) < size:
            result[0], result[1] = before_x, before_y
        worst = violation(lines, line, result)
