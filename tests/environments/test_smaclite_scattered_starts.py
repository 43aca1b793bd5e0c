"""Scattered starts of SMAClite: where units begin, and what stays as on the map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.environments.native.random import next_uniform, seed_stream
from benchmark.environments.native.smaclite import constants as c
from benchmark.environments.native.smaclite.environment import SMAClite
from benchmark.environments.native.smaclite.maps.map_files import shipped_maps
from tests.fixtures.environment_cases import assert_same, play, seeds, snapshot
from tests.fixtures.smaclite_arena import ATTACK, SOUTH, arena

SCATTER = 0.5
TERRAIN = "\n".join(["." * 32] * 20 + ["#" * 32] * 2 + ["." * 32] * 10)  # walls at y = 10 and 11


def places(environment: SMAClite) -> NDArray[np.float64]:
    """[U, 2] of the map."""
    return environment.rules.stats[[c.START_X, c.START_Y]].T


def starts(environment: SMAClite, rows: int, first: int = 0) -> NDArray[np.float64]:
    """[rows, U, 2] where units begin under that many seeds."""
    environment.reset(seeds(rows, first))
    return environment.units[:rows, [c.X, c.Y]].transpose(0, 2, 1).copy()


def scattered(map_name: str, rows: int, **parameters) -> SMAClite:
    return SMAClite(rows, map_name=map_name, scatter=SCATTER, **parameters)


def test_units_with_room_are_moved_uniformly_and_independently_in_x_and_y(tmp_path: Path) -> None:
    arena(tmp_path, [("marine", 10, 10), ("medivac", 13, 10)], [("zealot", 20, 20), ("marine", 23, 20)])
    environment = scattered(str(tmp_path / "arena.yaml"), 4000)
    moves = (starts(environment, 4000) - places(environment)).reshape(4000, -1)
    assert abs(moves).max() <= SCATTER + 1e-6  # positions are float32 values
    levels = np.linspace(0.05, 0.95, 19)
    # 4 standard errors of a quantile of the uniform distribution: 4 * sqrt(0.25 / 4000) = 0.032
    np.testing.assert_allclose(np.quantile(moves, levels, axis=0).T, np.tile(levels - 0.5, (8, 1)), atol=0.032)
    correlations = np.corrcoef(moves.T) - np.eye(8)
    assert abs(correlations).max() < 4 / np.sqrt(4000)


@pytest.mark.parametrize("name", shipped_maps())
def test_units_of_a_map_start_within_reach_on_walkable_ground_and_apart(name: str) -> None:
    environment = scattered(name, 200)
    found = starts(environment, 200)
    assert abs(found - places(environment)).max() <= SCATTER + 1e-6
    ground = environment.rules.traits[c.PLANE] == 1
    cells = np.floor(found[:, ground]).astype(int)
    assert environment.rules.free[cells[..., 0], cells[..., 1]].all()
    radii, planes = environment.rules.stats[c.RADIUS], environment.rules.traits[c.PLANE]
    gaps = np.linalg.norm(found[:, :, None] - found[:, None], axis=3) - (radii[:, None] + radii)
    gaps[:, np.eye(len(radii), dtype=bool) | (planes[:, None] != planes)] = np.inf
    assert gaps.min() > 0
    assert (abs(found - places(environment)).mean(axis=(0, 2)) > 0).all()  # every unit moves


def expected_starts(environment: SMAClite, seed: int) -> list[list[float]]:
    """The rule once more, in plain Python."""
    stream = np.zeros(2, np.uint64)
    seed_stream(stream, np.uint64(seed))
    radii, planes = environment.rules.stats[c.RADIUS], environment.rules.traits[c.PLANE]
    found = places(environment).tolist()
    for unit, (place_x, place_y) in enumerate(places(environment).tolist()):
        for _ in range(20):
            x = float(np.float32(place_x + SCATTER * (2 * next_uniform(stream) - 1)))
            y = float(np.float32(place_y + SCATTER * (2 * next_uniform(stream) - 1)))
            inside = 0 <= x < 32 and 0 <= y < 32
            if not inside or (planes[unit] == 1 and not environment.rules.free[int(x), int(y)]):
                continue
            others = [other for other in range(len(found)) if other != unit and planes[other] == planes[unit]]
            if all(np.hypot(found[o][0] - x, found[o][1] - y) > radii[unit] + radii[o] for o in others):
                found[unit] = [x, y]
                break
    return found


@pytest.mark.parametrize("name", ["3m", "MMM2", "corridor", "2c_vs_64zg"])
def test_draws_are_made_unit_by_unit_x_before_y_and_anew_where_a_unit_cannot_stand(name: str) -> None:
    environment = scattered(name, 3)
    assert starts(environment, 3, first=7).tolist() == [expected_starts(environment, seed) for seed in (7, 8, 9)]


def test_a_unit_in_a_tight_crowd_keeps_its_place_where_no_draw_is_clear() -> None:
    environment = scattered("2c_vs_64zg", 50)
    kept = (starts(environment, 50) == places(environment)).all(axis=2).mean(axis=0)
    assert kept[:2].tolist() == [0, 0]  # the colossi have room
    assert 0.3 < kept[2:].mean() < 0.7


def test_ground_units_do_not_start_in_walls_and_air_units_may_but_not_off_the_board(tmp_path: Path) -> None:
    allies = [("marine", 5, 12.1), ("medivac", 15, 12.1), ("marine", 0.1, 20), ("medivac", 0.1, 31.9)]
    arena(tmp_path, allies, [("zealot", 25, 25)], terrain=TERRAIN)
    found = starts(scattered(str(tmp_path / "arena.yaml"), 300), 300)
    assert found[:, 0, 1].min() >= 12
    assert found[:, 1, 1].min() < 12
    assert found[:, 2, 0].min() >= 0
    assert found[:, 3, 0].min() >= 0
    assert found[:, 3, 1].max() < 32


def test_units_in_the_air_start_above_those_on_the_ground(tmp_path: Path) -> None:
    arena(tmp_path, [("marine", 10, 10), ("medivac", 10, 10)], [("zealot", 25, 25)])
    environment = scattered(str(tmp_path / "arena.yaml"), 300)
    environment.reset(seeds(300))
    assert (environment.streams[:, 1] == 6).all()  # no draw was repeated


def test_equal_seeds_start_alike_and_others_do_not() -> None:
    environment = scattered("3m", 64)
    found = starts(environment, 64)
    np.testing.assert_array_equal(starts(scattered("3m", 64), 64), found)
    assert len(np.unique(found.reshape(64, -1), axis=0)) == 64


def test_what_is_seen_first_is_computed_from_the_moved_units() -> None:
    environment = scattered("2s_vs_1sc", 4)
    places_of_allies = starts(environment, 4)[:, environment.rules.allies]
    fields = [field.name for field in environment.team.state_fields]
    for agent in range(2):
        for axis, name in enumerate("xy"):
            seen = environment.state[:, fields.index(f"ally{agent}.{name}")]
            np.testing.assert_allclose(seen, (places_of_allies[:, agent, axis] - 16) / 32, atol=1e-6)
    np.testing.assert_allclose(environment.agent_positions(), places_of_allies)
    ally = 4 + 5 + environment.rules.enemy_shields + environment.rules.type_bits  # after the directions and one enemy
    offsets = places_of_allies[:, 1] - places_of_allies[:, 0]
    np.testing.assert_allclose(environment.observation[:, 0, ally + 2 : ally + 4] * 9, offsets, atol=1e-5)


def test_what_can_be_done_first_follows_from_the_moved_units(tmp_path: Path) -> None:
    # a marine 6 cells from its target, and 1 cell from a wall: half of the moves take it out of range or up to the wall
    arena(tmp_path, [("marine", 5, 13)], [("zealot", 11, 13)], terrain=TERRAIN)
    environment = scattered(str(tmp_path / "arena.yaml"), 300)
    found = starts(environment, 300)
    near = np.linalg.norm(found[:, 0] - found[:, 1], axis=1) <= 6
    np.testing.assert_array_equal(environment.available[:, 0, ATTACK], near)
    np.testing.assert_array_equal(environment.available[:, 0, SOUTH], found[:, 0, 1] >= 13)
    assert 0.2 < near.mean() < 0.8


def test_a_scatter_of_0_draws_nothing_and_starts_at_the_places_of_the_map() -> None:
    environment = SMAClite(2, map_name="3m", scatter=0.0)
    np.testing.assert_array_equal(starts(environment, 2), np.tile(places(environment), (2, 1, 1)))
    assert environment.streams[:, 1].tolist() == [0, 0]
    drawn = scattered("3m", 2)
    drawn.reset(seeds(2))
    assert (drawn.streams[:, 1] >= 2 * 6).all()


@pytest.mark.parametrize("parameters", [{"reward": "sparse"}, {"attribution": "released"}])
def test_rewards_of_the_variants_sum_to_the_teams_and_starts_are_the_same(parameters: dict) -> None:
    environment, plain = scattered("corridor", 4, **parameters), scattered("corridor", 4)
    np.testing.assert_array_equal(starts(environment, 4), starts(plain, 4))
    for taken, other in zip(play(environment, seeds(4)), play(plain, seeds(4)), strict=True):
        np.testing.assert_array_equal(taken["observation"], other["observation"])
        np.testing.assert_allclose(taken["individual_reward"].sum(1), taken["team_reward"], atol=1e-12)
        if "attribution" in parameters:
            np.testing.assert_array_equal(taken["team_reward"], other["team_reward"])
    assert not environment.running.any()


def test_a_fork_of_a_scattered_start_goes_on_alike_and_with_other_keys_from_the_same_start() -> None:
    environment = scattered("3m", 3)
    environment.reset(seeds(3))
    fork = environment.fork(np.array([2, 0]))
    fork.rekey(seeds(2, first=40))
    assert_same(snapshot(fork), {name: array[[2, 0]] for name, array in snapshot(environment).items()})
    np.testing.assert_array_equal(fork.units, environment.units[[2, 0]])
    with pytest.raises(ValueError, match="another simulator of the same game"):
        environment.copy_rows(SMAClite(3, map_name="3m"), np.array([0]))
