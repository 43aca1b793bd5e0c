"""Half-planes of velocities that keep a unit out of walls (van den Berg et al. 2011, section 4, for line segments).

The default collision avoidance of the package is reproduced with its defect: where the border of the velocity obstacle is
the cut-off line or a leg, the border is moved by radius * (-d_y, -d_y), although its normal is (-d_y, d_x). Horizontal walls
lose their margin by it. It also takes the edge before the original first corner where a segment is seen from beyond its
second one. All of it is computed in float64: lines of walls are never SINGLE (linear_programs.py).
"""

from __future__ import annotations

import numpy as np

from benchmark.environments.native.smaclite.constants import AVOIDANCE_HORIZON, EPSILON, VX, VY, X, Y
from benchmark.environments.native.smaclite.kernels.geometry import kernel
from benchmark.environments.native.smaclite.kernels.linear_programs import cross, set_line


@kernel
def segment_distance_squared(px, py, ax, ay, bx, by):
    """Squared distance of a point from a segment."""
    vx, vy = bx - ax, by - ay
    at = ((px - ax) * vx + (py - ay) * vy) / (vx * vx + vy * vy)
    at = min(max(at, 0.0), 1.0)
    dx, dy = px - (ax + at * vx), py - (ay + at * vy)
    return dx * dx + dy * dy


@kernel
def already_covered(lines, count, ax, ay, bx, by, radius):
    """Whether one of the lines so far keeps the unit off both ends of a segment, given relative to the unit."""
    for line in range(count):
        px, py, dx, dy = lines[line, 0], lines[line, 1], lines[line, 2], lines[line, 3]
        gap_a = cross(ax - px, ay - py, dx, dy, False) - radius
        gap_b = cross(bx - px, by - py, dx, dy, False) - radius
        if gap_a >= -EPSILON and gap_b >= -EPSILON:
            return True
    return False


@kernel
def obstacle_lines(unit, units, radius, max_speed, edges, lines):
    """Adds a line for every edge near a unit that faces it; returns their number. The horizon is one second."""
    count = 0
    px, py = units[X, unit], units[Y, unit]
    reach = radius + max_speed * AVOIDANCE_HORIZON
    for rectangle in range(edges.shape[0]):
        if px < edges[rectangle, 0, 0] - reach or px > edges[rectangle, 2, 0] + reach:
            continue
        if py < edges[rectangle, 0, 1] - reach or py > edges[rectangle, 2, 1] + reach:
            continue
        for edge in range(4):
            ax, ay = edges[rectangle, edge, 0], edges[rectangle, edge, 1]
            bx, by = edges[rectangle, edge, 2], edges[rectangle, edge, 3]
            if cross(bx - ax, by - ay, px - ax, py - ay, False) >= 0.0:
                continue
            if segment_distance_squared(px, py, ax, ay, bx, by) > reach * reach:
                continue
            if already_covered(lines, count, ax - px, ay - py, bx - px, by - py, radius):
                continue
            count = edge_line(ax - px, ay - py, bx - px, by - py, units[VX, unit], units[VY, unit], radius, lines, count)
    return count


@kernel
def edge_line(ax, ay, bx, by, vx, vy, radius, lines, count):
    """The line of one edge of a rectangle, from (ax, ay) to (bx, by) as seen from a unit that moves with (vx, vy)."""
    wide, tall = bx - ax, by - ay
    length = np.sqrt(wide * wide + tall * tall)
    ux, uy = wide / length, tall / length
    # Corners go counter-clockwise around a rectangle: the next edge turns left, the one before came from the right.
    nx, ny = -uy, ux

    squared_a, squared_b, squared_radius = ax * ax + ay * ay, bx * bx + by * by, radius * radius
    at = -(ax * wide + ay * tall) / (wide * wide + tall * tall)
    ex, ey = -ax - at * wide, -ay - at * tall
    squared_line = ex * ex + ey * ey

    # The unit touches the segment already: it may move along or away from it.
    if at < 0.0 and squared_a < squared_radius:
        length = np.sqrt(squared_a)
        return set_line(lines, count, 0.0, 0.0, -ay / length, ax / length, False)
    if at > 1.0 and squared_b <= squared_radius:
        if cross(bx, by, nx, ny, False) >= 0.0:
            length = np.sqrt(squared_b)
            return set_line(lines, count, 0.0, 0.0, -by / length, bx / length, False)
        return count
    if 0.0 <= at < 1.0 and squared_line <= squared_radius:
        return set_line(lines, count, 0.0, 0.0, -ux, -uy, False)

    # The legs of the velocity obstacle; seen from the side, both start at one corner.
    one_corner = False
    ahead_x, ahead_y = nx, ny
    if at < 0.0 and squared_line <= squared_radius:
        one_corner = True
        bx, by, squared_b = ax, ay, squared_a
        ahead_x, ahead_y = ux, uy
    elif at > 1.0 and squared_line <= squared_radius:
        one_corner = True
        ax, ay, squared_a = bx, by, squared_b
    leg = np.sqrt(squared_a - squared_radius)
    lx, ly = (ax * leg - ay * radius) / squared_a, (ax * radius + ay * leg) / squared_a
    leg = np.sqrt(squared_b - squared_radius)
    rx, ry = (bx * leg + by * radius) / squared_b, (by * leg - bx * radius) / squared_b

    # A leg that would point into the neighbouring edge follows that edge instead and constrains nothing itself.
    left_foreign = cross(lx, ly, nx, ny, False) >= 0.0
    if left_foreign:
        lx, ly = nx, ny
    right_foreign = cross(rx, ry, ahead_x, ahead_y, False) <= 0.0
    if right_foreign:
        rx, ry = ahead_x, ahead_y

    return border_line(
        ax, ay, bx, by, lx, ly, rx, ry, left_foreign, right_foreign, one_corner, ux, uy, vx, vy, radius, lines, count
    )


@kernel
def border_line(ax, ay, bx, by, lx, ly, rx, ry, left_foreign, right_foreign, one_corner, ux, uy, vx, vy, radius, lines, count):
    """The line on the border of a truncated velocity obstacle nearest to the velocity (horizon 1: cut-off at the corners)."""
    cut_x, cut_y = bx - ax, by - ay
    wx, wy = vx - ax, vy - ay
    zx, zy = vx - bx, vy - by
    at = 0.5 if one_corner else (wx * cut_x + wy * cut_y) / (cut_x * cut_x + cut_y * cut_y)
    at_left = wx * lx + wy * ly
    at_right = zx * rx + zy * ry
    if (at < 0.0 and at_left < 0.0) or (one_corner and at_left < 0.0 and at_right < 0.0):
        length = np.sqrt(wx * wx + wy * wy)
        wx, wy = wx / length, wy / length
        return set_line(lines, count, ax + radius * wx, ay + radius * wy, wy, -wx, False)
    if at > 1.0 and at_right < 0.0:
        length = np.sqrt(zx * zx + zy * zy)
        zx, zy = zx / length, zy / length
        return set_line(lines, count, bx + radius * zx, by + radius * zy, zy, -zx, False)

    to_cut = to_left = to_right = np.inf
    if 0.0 <= at <= 1.0 and not one_corner:
        to_cut = (wx - at * cut_x) ** 2 + (wy - at * cut_y) ** 2
    if at_left >= 0.0:
        to_left = (wx - at_left * lx) ** 2 + (wy - at_left * ly) ** 2
    if at_right >= 0.0:
        to_right = (zx - at_right * rx) ** 2 + (zy - at_right * ry) ** 2

    if to_cut <= to_left and to_cut <= to_right:
        dx, dy, x, y = -ux, -uy, ax, ay
    elif to_left <= to_right:
        if left_foreign:
            return count
        dx, dy, x, y = lx, ly, ax, ay
    else:
        if right_foreign:
            return count
        dx, dy, x, y = -rx, -ry, bx, by
    # The package's defect: both components of the offset are -d_y.
    return set_line(lines, count, x - radius * dy, y - radius * dy, dx, dy, False)
