"""Map files: what they may say, what is refused and how, and the tasks that they make."""

from __future__ import annotations

import copy
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.environments.native.smaclite import constants as c
from benchmark.environments.native.smaclite.environment import SMAClite
from benchmark.environments.native.smaclite.maps.map_files import (
    MAPS_VARIABLE,
    MapError,
    load_map,
    parse_map,
    shipped_maps,
    terrain_rows,
    unit_types,
)
from benchmark.environments.native.smaclite.maps.scenario import build_rules, team_shape
from benchmark.environments.native.smaclite.maps.terrain import free_cells, rectangle_edges, wall_rectangles
from benchmark.environments.tasks.smaclite import FAMILY, PACKAGED, RANDOM_SCORES, SCATTERED_RANDOM_SCORES, resolve
from tests.fixtures.smaclite_arena import dummy, map_content

ROOT = Path(__file__).parents[2]
FIGHT = map_content([("marine", 10, 10)], [("zealot", 20, 20)])


def changed(path: str, value: Any) -> dict[str, Any]:
    """FIGHT with one field replaced, named as errors name it."""
    content = copy.deepcopy(FIGHT)
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    place = content
    for key in parents:
        place = place[key]
    place[last] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("terrain", "moon", "terrain: 'moon' is none of all_green, corridor, narrow"),
        ("terrain", "...\n...", "terrain: needs 32 rows, got 2"),
        ("terrain", "\n".join(["." * 31 + "?"] * 32), "terrain: row 1 needs 32 characters, each '.' or '#'"),
        ("attack_point", [9], "attack_point"),
        ("attack_point", [9, 33], r"attack_point.1: Input should be less than or equal to 32"),
        ("episode_limit", 0, "episode_limit: Input should be greater than or equal to 1"),
        ("episode_limit", "long", "episode_limit: Input should be a valid integer"),
        ("groups", [], "groups: "),
        ("groups.0.team", "enemy", "groups: needs at least one whose team is ally"),
        ("groups.0.team", "foe", "groups.0.team: Input should be 'ally' or 'enemy'"),
        ("groups.0.units.0.count", 0, "groups.0.units.0.count: Input should be greater than or equal to 1"),
        ("groups.0.units.0.count", 200, "groups: 201 units in all, allowed are 200"),
        ("groups.1.units.0.type", "zeelot", "groups.1.units.0.type: 'zeelot' is none of baneling, colossus, dummy"),
        ("groups.0.position", [31.9, 31.9], None),
        ("observed_types", ["marine"], "observed_types: leave it out, or name each type of the map once: marine, zealot"),
        ("colour", "red", "colour: Extra inputs are not permitted"),
        ("units.dummy.role", "hero", "units.dummy.role: Input should be 'fighter', 'healer', 'exploding' or 'beam'"),
        ("units.dummy.targets", ["sea"], r"units.dummy.targets.0: Input should be 'ground' or 'air'"),
        ("units.dummy.speed", float("nan"), "units.dummy.speed: Input should be a finite number"),
        ("units.dummy.hit_points", -1, "units.dummy.hit_points: Input should be greater than 0"),
        ("units.dummy.bonus", {"light": 1, "armored": 2}, "bonus: one amount for all its attributes"),
        ("units.dummy.energy", 3, "energy: at most max_energy"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_allowed(path: str, value: Any, message: str | None) -> None:
    if message is None:
        parse_map(changed(path, value), "fight")
        return
    with pytest.raises(MapError, match=message) as caught:
        parse_map(changed(path, value), "fight")
    assert str(caught.value).startswith("map fight: ")


@pytest.mark.parametrize("content", [None, 3, "map", [], {}])
def test_a_file_that_is_no_map_is_refused(content: Any) -> None:
    with pytest.raises(MapError, match="map fight"):
        parse_map(content, "fight")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"role": "healer"}, "max_energy: a healer needs more than 0"),
        ({"cooldown": 0}, "cooldown: more than 0 unless role is healer"),
    ],
)
def test_a_unit_that_cannot_work_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MapError, match=message):
        parse_map(changed("units.dummy", dummy(**changes)), "fight")


@pytest.mark.parametrize(
    ("position", "terrain", "where"),
    [
        ([0, 16], "all_green", "outside the board"),
        ([31.9, 16], "all_green", "outside the board"),
        ([16, 4], "simple", "in a wall"),
    ],
)
def test_units_start_on_free_ground(position: list[float], terrain: str, where: str) -> None:
    content = changed("groups.0.position", position)
    content["groups"][0]["units"][0]["count"] = 9
    content["terrain"] = terrain
    with pytest.raises(MapError, match=f"groups: a marine would start at .*{where}"):
        build_rules(parse_map(content, "fight"), 10, False, False)


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("groups: [")
    with pytest.raises(MapError, match=r"broken\.yaml: cannot be read as YAML"):
        load_map(str(tmp_path / "broken.yaml"))
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MapError, match="cannot be read as YAML"):
        load_map(str(tmp_path / "bytes.yaml"))


def test_an_unknown_map_is_refused_with_the_known_ones() -> None:
    with pytest.raises(MapError, match=r"There is no SMAClite map '4m'. Allowed: 10m_vs_11m, .*CREDITBENCH_SMACLITE_MAPS"):
        load_map("4m")


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.sampled_from(["ally", "marine"])
)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner))
)
FIELDS = """
    terrain attack_point episode_limit observed_types description groups groups.0 groups.0.team groups.0.position groups.1.units
    groups.1.units.0.type groups.1.units.0.count units units.dummy units.dummy.size units.dummy.bonus units.dummy.attributes
    units.dummy.targets units.dummy.attacks units.dummy.range
"""
paths = st.sampled_from(FIELDS.split())


@given(path=paths, value=values)
@settings(max_examples=300, deadline=None)
def test_whatever_a_field_says_the_map_is_built_or_refused_by_name(path: str, value: Any) -> None:
    refusal = ""
    try:
        battle = parse_map(changed(path, value), "fuzzed")
        rules = build_rules(battle, battle.episode_limit, False, False)
        team_shape(battle, rules)
    except MapError as error:
        refusal = str(error)
    assert refusal == "" or refusal.startswith("map fuzzed: ")


@given(content=values)
@settings(max_examples=100, deadline=None)
def test_any_content_at_all_is_a_map_or_refused(content: Any) -> None:
    with pytest.raises(MapError):
        parse_map(content, "fuzzed")


@given(walls=st.lists(st.tuples(st.integers(0, 31), st.integers(0, 31)), max_size=60))
@settings(max_examples=50, deadline=None)
def test_rectangles_cover_exactly_the_walls(walls: list[tuple[int, int]]) -> None:
    free = np.ones((32, 32), np.bool_)
    for x, y in walls:
        free[x, y] = False
    covered = np.zeros_like(free)
    for x, y, width, height in wall_rectangles(free):
        covered[x : x + width, y : y + height] = True
    np.testing.assert_array_equal(covered, ~free)


def test_the_first_row_of_a_terrain_is_the_top() -> None:
    rows = terrain_rows("\n".join(["#" + "." * 31] + ["." * 32] * 31), "test")
    free = free_cells(rows)
    assert not free[0, 31]
    assert free.sum() == 32 * 32 - 1


@pytest.mark.parametrize(
    ("name", "first", "count"),
    [
        ("simple", [(0, 0, 32, 8), (0, 24, 32, 8)], 2),
        ("all_green", [(1, 1, 30, 2), (1, 3, 2, 28)], 4),
        ("ravine", [(0, 0, 32, 6), (0, 6, 3, 1)], 15),
        ("octagon", [(0, 0, 32, 5), (0, 5, 10, 1)], 24),
        ("corridor", [(0, 0, 32, 1), (0, 1, 2, 1), (14, 1, 18, 11)], 27),
        ("pentagon", [(0, 0, 32, 7), (0, 7, 8, 1), (20, 7, 12, 1)], 16),
    ],
)
def test_rectangles_come_in_the_packages_order(name: str, first: list[tuple[int, ...]], count: int) -> None:
    rectangles = wall_rectangles(free_cells(terrain_rows(name, "test")))
    assert rectangles[: len(first)] == first
    assert len(rectangles) == count


def test_edges_run_counter_clockwise_from_the_lower_left_corner() -> None:
    edges = rectangle_edges([(3, 4, 2, 1)])
    assert edges[0].tolist() == [[3, 4, 5, 4], [5, 4, 5, 5], [5, 5, 3, 5], [3, 5, 3, 4]]


def test_types_without_a_shield_need_none_observed_and_energy_only_healers_have() -> None:
    assert unit_types()["marine"].shield == 0
    assert unit_types()["medivac"].max_energy == 200
    battle = load_map("2c_vs_64zg")
    rules = build_rules(battle, 10, False, False)
    assert (rules.ally_shields, rules.enemy_shields) == (True, False)


@pytest.mark.parametrize("name", shipped_maps())
def test_a_shipped_map_has_fields_for_every_state_dimension(name: str) -> None:
    battle = load_map(name)
    team = team_shape(battle, build_rules(battle, battle.episode_limit, False, False))
    assert len({field.name for field in team.state_fields}) == team.state_size
    assert team.n_agents == len(battle.units("ally"))


def test_a_users_map_needs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = map_content([("sniper", 10, 10), ("medivac", 8, 10)], [("zealot", 20, 20)], terrain="narrow")
    content["units"] = {"sniper": dummy(damage=25, range=8)}
    content["observed_types"] = ["medivac", "sniper", "zealot"]
    (tmp_path / "ambush.yaml").write_text(json.dumps(content))
    assert resolve("smaclite/ambush") is None
    by_path = resolve(f"smaclite/{tmp_path}/ambush.yaml")
    assert by_path is not None
    monkeypatch.setenv(MAPS_VARIABLE, str(tmp_path))
    task = resolve("smaclite/ambush-sparse")
    assert task is not None
    assert task.reference is None
    assert task.reference_scores is None
    assert (task.n_agents, task.n_agent_types, task.horizon) == (2, 2, 50)
    assert task.note == by_path.note
    assert task.note.startswith("A user's map; the sha256 of its file begins with ")
    environment = task.build(2)
    environment.reset(np.arange(2, dtype=np.uint64))
    assert isinstance(environment, SMAClite)
    assert environment.rules.sparse
    assert environment.rules.stats[c.RANGE, 0] == 8


def test_a_users_map_cannot_leave_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret.yaml").write_text(json.dumps(FIGHT))
    monkeypatch.setenv(MAPS_VARIABLE, str(tmp_path / "inside"))
    assert resolve("smaclite/../secret") is None


@pytest.mark.parametrize("name", FAMILY.names)
def test_a_listed_task_is_complete(name: str) -> None:
    task = resolve(name)
    assert task is not None
    assert task.id == name
    assert task.score == "success"
    scattered = name.endswith("-scattered")
    map_name = name.removeprefix("smaclite/").removesuffix("-scattered").removesuffix("-sparse")
    scores = SCATTERED_RANDOM_SCORES if scattered else RANDOM_SCORES
    assert (task.reference_scores is None) == (map_name == "2c_vs_64zg")
    assert task.reference_scores is None or task.reference_scores.random == scores[map_name][0]
    assert ("Starts are fixed" in task.note) == (not scattered)
    assert (task.reference is None) == (map_name not in PACKAGED or scattered or name.endswith("-sparse"))


@pytest.mark.parametrize("scores", [RANDOM_SCORES, SCATTERED_RANDOM_SCORES])
def test_the_random_policy_was_measured_on_every_shipped_map(scores: dict) -> None:
    assert set(scores) == set(shipped_maps())
    assert all(0 <= success <= 1 for success, _ in scores.values())


def test_a_map_that_the_random_policy_wins_says_so_and_has_no_anchors() -> None:
    for task in (resolve("smaclite/2c_vs_64zg"), resolve("smaclite/2c_vs_64zg-sparse-scattered")):
        assert task is not None
        assert task.reference_scores is None
        assert task.note.startswith("A random policy wins 96 % of these battles")


@pytest.mark.parametrize("variant", ["", "-sparse", "-released"])
def test_scattered_starts_change_nothing_else_of_a_task(variant: str) -> None:
    fixed, scattered = resolve(f"smaclite/corridor{variant}"), resolve(f"smaclite/corridor{variant}-scattered")
    assert fixed is not None
    assert scattered is not None
    assert fixed.native is not None
    assert scattered.native == dataclasses.replace(fixed.native, parameters={**fixed.native.parameters, "scatter": 0.5})
    assert scattered.reference is None
    assert scattered.title == f"{fixed.title}, scattered starts"
    differing = {"id", "title", "description", "random_starts", "native", "reference", "reference_scores", "note"}
    for field in dataclasses.fields(fixed):
        if field.name not in differing:
            assert getattr(scattered, field.name) == getattr(fixed, field.name), field.name


@pytest.mark.parametrize(
    "name",
    [
        *("smaclite/", "smaclite/4m", "smaclite/3m-dense", "smaclite/3m-released", "lbf/3m", "smaclite/3m\n"),
        *("smaclite/-scattered", "smaclite/3m-scattered-sparse", "smaclite/3m-scattered-scattered"),
        "smaclite/3m-released-scattered",
    ],
)
def test_an_unknown_id_is_no_task(name: str) -> None:
    assert resolve(name) is None


def test_maps_that_create_enemies_first_have_the_released_attribution_too() -> None:
    for name in ("corridor", "bane_vs_bane", "2s_vs_1sc"):
        task = resolve(f"smaclite/{name}-released")
        assert task is not None
        assert task.native is not None
        assert task.native.parameters["attribution"] == "released"


def test_the_catalogue_needs_neither_torch_nor_numba() -> None:
    code = (
        "import sys; from benchmark.environments.tasks import smaclite as s; s.resolve('smaclite/MMM'); "
        "print({'torch', 'numba'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
