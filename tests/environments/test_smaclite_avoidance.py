"""Collision avoidance: the linear programs against a fine grid of velocities, and what units do near each other and walls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.environments.native.smaclite import constants as c
from benchmark.environments.native.smaclite.kernels.linear_programs import best_velocity, least_violation
from tests.fixtures.smaclite_arena import EAST, NORTH, SOUTH, STOP, WEST, arena, dummy, state_of, step

GRID = np.stack(np.meshgrid(np.linspace(-1, 1, 401), np.linspace(-1, 1, 401)), -1).reshape(-1, 2)
DISC = GRID[(GRID**2).sum(1) <= 1]


def random_lines(seed: int, count: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    angles = generator.uniform(0, 2 * np.pi, count)
    lines = np.zeros((count, 5))
    lines[:, :2] = generator.uniform(-0.8, 0.8, (count, 2))
    lines[:, 2], lines[:, 3] = np.cos(angles), np.sin(angles)
    return lines


def violations(lines: np.ndarray, velocities: np.ndarray) -> np.ndarray:
    """[V, L] how far each velocity lies right of each line."""
    to_point = lines[None, :, :2] - velocities[:, None]
    return lines[None, :, 2] * to_point[..., 1] - lines[None, :, 3] * to_point[..., 0]


@given(seed=st.integers(0, 10**6), count=st.integers(1, 5), want=st.tuples(st.floats(-1, 1), st.floats(-1, 1)))
@settings(max_examples=80, deadline=None)
def test_the_velocity_is_the_allowed_one_nearest_to_the_wanted_one(seed: int, count: int, want: tuple[float, float]) -> None:
    lines, result = random_lines(seed, count), np.zeros(3)
    failed = best_velocity(lines, count, 1.0, want[0], want[1], False, False, result)
    allowed = DISC[(violations(lines, DISC) <= 0).all(1)]
    if failed < count:
        assert len(allowed) <= 4  # at most a sliver between the points of the grid
        return
    assert violations(lines, result[None, :2]).max() <= 1e-6
    assert np.hypot(*result[:2]) <= 1 + 1e-6
    if len(allowed):
        nearest = np.hypot(*(allowed - want).T).min()
        assert np.hypot(*(result[:2] - want)) <= nearest + 1e-6


@given(seed=st.integers(0, 10**6), count=st.integers(3, 6), hard=st.integers(0, 1))
@settings(max_examples=80, deadline=None)
def test_where_nothing_is_allowed_the_worst_violation_is_least(seed: int, count: int, hard: int) -> None:
    lines, result = random_lines(seed, count), np.zeros(3)
    failed = best_velocity(lines, count, 1.0, 0.3, 0.1, False, False, result)
    if failed == count or failed < hard:
        return
    least_violation(lines, count, hard, failed, 1.0, np.zeros((count, 5)), result)
    possible = DISC[(violations(lines[:hard], DISC) <= 0).all(1)]
    least = violations(lines[hard:], possible).max(1).min()
    assert violations(lines[:hard], result[None, :2]).max(initial=-1) <= 1e-6
    assert violations(lines[hard:], result[None, :2]).max() <= least + 1e-6


def test_single_precision_lines_give_a_single_precision_velocity() -> None:
    lines, result = random_lines(3, 1).astype(np.float32).astype(np.float64), np.zeros(3)
    lines[:, 4] = 1
    want = -lines[0, 3], lines[0, 2]  # towards the forbidden side
    best_velocity(lines, 1, 1.0, -np.float32(want[0]), -np.float32(want[1]), True, False, result)
    assert result[2] == 1
    assert (result[:2].astype(np.float32) == result[:2]).all()


def test_two_units_that_meet_make_way_for_each_other(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("marine", 10, 10), ("marine", 13, 10.1)], [("dummy", 30, 30)])
    for _ in range(3):
        step(environment, EAST, WEST)
        x, y = environment.units[0, [c.X, c.Y], :2]
        assert np.hypot(x[0] - x[1], y[0] - y[1]) > 0.75 - 0.15
    assert state_of(environment, 0)["x"] > state_of(environment, 1)["x"]


def test_a_standing_unit_neither_moves_nor_dodges_and_is_walked_around(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("marine", 10, 10), ("marine", 12, 10.1)], [("dummy", 30, 30)])
    for _ in range(3):
        step(environment, EAST, STOP)
    assert (state_of(environment, 1)["x"], state_of(environment, 1)["y"]) == (12, pytest.approx(10.1))
    assert state_of(environment, 0)["x"] > 12


def test_air_units_pass_over_ground_units_and_walls(tmp_path: Path) -> None:
    rows = ["." * 14 + "#" + "." * 17] * 32
    units = {"dummy": dummy(), "flyer": dummy(plane="air", speed=3.2)}
    allies = [("flyer", 10.9, 10), ("marine", 12.5, 10.1)]
    environment = arena(tmp_path, allies, [("dummy", 30, 30)], units=units, terrain="\n".join(rows))
    for _ in range(3):
        step(environment, EAST, STOP)
    assert state_of(environment, 0)["x"] == pytest.approx(15.7, abs=1e-4)
    assert state_of(environment, 0)["y"] == 10


def test_a_ground_unit_keeps_its_radius_from_a_vertical_wall(tmp_path: Path) -> None:
    rows = ["." * 14 + "#" + "." * 17] * 32
    allies = [("marine", 12.9, 10), ("marine", 16.1, 20)]
    environment = arena(tmp_path, allies, [("dummy", 30, 30)], terrain="\n".join(rows))
    step(environment, EAST, WEST)
    # within a second's reach of the wall no frame uses up more than a sixteenth of the gap that is left
    gap = (14 - 0.375 - 12.9) * (15 / 16) ** 8
    assert state_of(environment, 0)["x"] == pytest.approx(14 - 0.375 - gap, abs=1e-4)
    assert state_of(environment, 1)["x"] == pytest.approx(15 + 0.375 + gap, abs=1e-4)


def test_a_horizontal_wall_has_lost_its_margin(tmp_path: Path) -> None:
    rows = ["." * 32] * 14 + ["#" * 32] + ["." * 32] * 17  # the wall is y = 17 to 18
    allies = [("marine", 10, 15.9), ("marine", 20, 19.1)]
    environment = arena(tmp_path, allies, [("dummy", 30, 30)], terrain="\n".join(rows))
    step(environment, NORTH, SOUTH)
    # as above, but the gap counts to the wall itself: the unit's radius is forgotten
    gap = (17 - 15.9) * (15 / 16) ** 8
    assert state_of(environment, 0)["y"] == pytest.approx(17 - gap, abs=1e-4)
    assert state_of(environment, 1)["y"] == pytest.approx(18 + gap, abs=1e-4)
