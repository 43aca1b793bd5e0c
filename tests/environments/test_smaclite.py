"""The rules of SMAClite, each in a battle small enough to compute by hand. Times: a frame is 1/16 s, a step 8 frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.environments.native.smaclite import constants as c
from benchmark.environments.native.smaclite.environment import SMAClite
from tests.fixtures.smaclite_arena import ATTACK, EAST, NORTH, SOUTH, STOP, WEST, arena, dummy, state_of, step


def test_a_hit_takes_the_shield_first_then_hit_points_less_armour(tmp_path: Path) -> None:
    shielded = dummy(shield=5, armor=1, attributes=["armored"])
    environment = arena(tmp_path, [("marauder", 10, 10)], [("dummy", 14, 10)], units={"dummy": shielded})
    step(environment, ATTACK)
    victim = state_of(environment, 1)
    assert victim["shield"] == 0
    assert victim["hp"] == 100 - (20 - 5 - 1)
    most = 10 + 200 + 105
    assert environment.team_reward[0] == pytest.approx((5 + 14) / most * 20)


def test_armour_counts_for_each_of_two_hits_and_a_bonus_too(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("zealot", 10, 10)], [("dummy", 11, 10)], units={"dummy": dummy(armor=3)})
    step(environment, ATTACK)
    assert state_of(environment, 1)["hp"] == 100 - 2 * (8 - 3)
    light = dummy(armor=3, attributes=["light", "biological"])
    environment = arena(tmp_path, [("colossus", 10, 10)], [("dummy", 14, 10)], units={"dummy": light})
    step(environment, ATTACK)
    assert state_of(environment, 1)["hp"] == 100 - 2 * (10 + 5 - 3)


def test_armour_never_heals(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("marine", 10, 10)], [("dummy", 12, 10)], units={"dummy": dummy(armor=50)})
    step(environment, ATTACK)
    assert state_of(environment, 1)["hp"] == 100
    assert environment.team_reward[0] == 0


def test_a_weapon_fires_once_per_cooldown_from_the_first_frame_in_range(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("marine", 10, 10)], [("dummy", 12, 10)])
    for fired in (1, 2, 3, 4):
        step(environment, ATTACK)
        # 0.61 s last 10 frames: shots in the frames 1, 11, 21, 31
        assert state_of(environment, 1)["hp"] == 100 - 6 * fired
    step(environment, ATTACK)
    assert state_of(environment, 1)["hp"] == 100 - 6 * 4
    assert state_of(environment, 0)["cooldown"] == pytest.approx(0.61 - 9 / 16)


def test_a_shield_recovers_two_a_second_after_ten_seconds_without_a_hit(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("marine", 10, 10)], [("dummy", 12, 10)], units={"dummy": dummy(shield=20)})
    step(environment, ATTACK)
    assert state_of(environment, 1)["shield"] == 14
    assert state_of(environment, 1)["shield_cooldown"] == 10 - 8 / 16  # the marine acts first: eight frames have passed since
    for _ in range(19):
        step(environment, STOP)
    assert state_of(environment, 1)["shield"] == 14 + 2 / 16  # the timer ran out in the last frame
    step(environment, STOP)
    assert state_of(environment, 1)["shield"] == 15 + 2 / 16
    for _ in range(10):
        step(environment, STOP)
    assert state_of(environment, 1)["shield"] == 20


def test_hit_points_regenerate_up_to_their_maximum(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("marine", 10, 10)], [("dummy", 12, 10)], units={"dummy": dummy(regeneration=4)})
    step(environment, ATTACK)
    assert state_of(environment, 1)["hp"] == 96  # 94 and eight frames of a quarter
    for _ in range(4):
        step(environment, STOP)
    assert state_of(environment, 1)["hp"] == 100


def test_healing_spends_a_unit_of_energy_for_three_hit_points(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("medivac", 10, 10), ("marine", 12, 10)], [("dummy", 30, 30)])
    environment.units[0, c.HP, 1] = 20
    step(environment, ATTACK + 1, STOP)
    healer = state_of(environment, 0)
    assert state_of(environment, 1)["hp"] == 20 + 8 * 9 / 16
    assert healer["energy"] == 50 + 8 * 0.5625 / 16 - 2  # the first unit of energy lasts for five frames
    assert healer["stock"] == 6 - 8 * 9 / 16
    assert environment.team_reward[0] == 0


def test_a_healer_that_changes_its_target_needs_five_energy(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("medivac", 10, 10), ("marine", 12, 10)], [("dummy", 30, 30)])
    environment.units[0, c.HP, 1] = 20
    environment.units[0, c.ENERGY, 0] = 4
    step(environment, ATTACK + 1, STOP)
    assert state_of(environment, 1)["hp"] == 20
    assert environment.targets[0, 0] == -1
    environment.targets[0, 0] = 1  # as if it had healed this marine in the frame before
    step(environment, ATTACK + 1, STOP)
    assert state_of(environment, 1)["hp"] == 20 + 8 * 9 / 16


@pytest.mark.parametrize(("order", "survives"), [([2, 0, 1], True), ([0, 2, 1], False)])
def test_a_unit_killed_earlier_in_the_same_frame_can_be_revived(tmp_path: Path, order: list[int], survives: bool) -> None:
    environment = arena(tmp_path, [("medivac", 10, 10), ("marine", 12, 10)], [("zealot", 12.9, 10)])
    environment.units[0, c.HP, 1] = 3
    environment.targets[0] = [1, -1, 1]
    step(environment, ATTACK + 1, STOP, order=order)
    assert environment.alive[0].tolist() == [True, survives]
    assert state_of(environment, 1)["hp"] == (8 * 9 / 16 if survives else 0)


def test_an_exploding_unit_dies_and_hits_every_opponent_it_reaches(tmp_path: Path) -> None:
    enemies = [("zergling", 10.9, 10), ("zergling", 10, 12.5), ("zergling", 10, 7.3)]  # reach: 2.2 and their radius, 2.575
    environment = arena(tmp_path, [("baneling", 10, 10), ("marine", 9, 10)], enemies)
    step(environment, ATTACK, STOP)
    assert environment.alive[0].tolist() == [False, True]
    assert (environment.units[0, c.HP, 2:] > 0).tolist() == [False, False, True]
    assert state_of(environment, 1)["hp"] > 45 - 20  # no friendly fire: the third zergling alone can have bitten the marine
    most = 30 + 200 + 3 * 35
    assert environment.team_reward[0] == pytest.approx(2 * (35 + 10) / most * 20)
    assert environment.individual_reward[0].tolist() == pytest.approx([2 * (35 + 10) / most * 20, 0])


@pytest.mark.parametrize(("attribution", "shares"), [("intended", [15, 15]), ("released", [30, 0])])
def test_the_hit_points_of_an_enemy_that_explodes_are_credited_to_no_single_agent(
    tmp_path: Path, attribution: str, shares: list[float]
) -> None:
    allies, enemies = [("stalker", 20, 20), ("stalker", 10, 10)], [("dummy", 30, 30), ("baneling", 10.9, 10)]
    environment = arena(tmp_path, allies, enemies, enemies_first=True, attribution=attribution)
    assert environment.rules.enemies.tolist() == [0, 1]
    assert environment.rules.stats[c.DAMAGE].tolist() == [80, 0, 13, 13]  # the baneling is unit 0
    step(environment, STOP, STOP)
    most = 20 + 200 + 130
    assert environment.team_reward[0] == pytest.approx(30 / most * 20)
    assert environment.individual_reward[0].tolist() == pytest.approx([share / most * 20 for share in shares])


def test_released_attribution_splits_what_the_numbering_hides(tmp_path: Path) -> None:
    allies = [("marine", 10, 10), ("marine", 20, 20)]
    for attribution, expected in (("intended", [0, 6]), ("released", [3, 3])):
        environment = arena(
            tmp_path, allies, [("dummy", 12, 10), ("dummy", 22, 20)], enemies_first=True, attribution=attribution
        )
        shooter = int(environment.rules.allies[1])
        near = int(np.abs(environment.units[0, c.X, environment.rules.enemies] - environment.units[0, c.X, shooter]).argmin())
        step(environment, STOP, ATTACK + near)
        assert environment.individual_reward[0].tolist() == pytest.approx([share / 420 * 20 for share in expected])


@pytest.mark.parametrize(("dx", "dy"), [(0.0, 5.0), (5.0, 0.0), (0.0, -5.0), (-5.0, 0.0), (3.0, 4.0), (-4.0, 3.0)])
def test_the_beam_is_a_bar_across_the_firing_line(tmp_path: Path, dx: float, dy: float) -> None:
    x, y = 12.0 + dx, 12.0 + dy
    along, across = np.array([dx, dy]) / 5, np.array([-dy, dx]) / 5
    # offsets from the target (forward, sideways): the bar is 0.3 deep and 2.8 wide, the radius 0.5, the search radius 1.408
    cases = [((0.6, 0.0), True), ((-0.6, 0.0), True), ((0.7, 0.0), False), ((0.0, 1.39), True), ((0.0, -1.39), True)]
    cases += [((0.0, 1.43), False), ((0.6, 1.2), True), ((0.7, -1.2), False)]
    places = [np.array([x, y]) + forward * along + sideways * across for (forward, sideways), _ in cases]
    enemies = [("dummy", x, y)] + [("dummy", float(px), float(py)) for px, py in places]
    environment = arena(tmp_path, [("colossus", 12, 12)], enemies)
    step(environment, ATTACK)
    lost = 100 - environment.units[0, c.HP, 1:]
    assert lost.tolist() == [20] + [20 if struck else 0 for _, struck in cases]


def test_an_enemy_goes_for_the_nearest_and_for_the_first_of_equals(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("marine", 10, 10), ("marine", 10, 14)], [("zealot", 12, 12)])
    step(environment, STOP, STOP)
    assert environment.targets[0, 2] == 0
    environment = arena(tmp_path, [("marine", 10, 10), ("marine", 10, 13.9)], [("zealot", 12, 12)])
    step(environment, STOP, STOP)
    assert environment.targets[0, 2] == 1


def test_an_enemy_prefers_healers_and_turns_from_others_to_them(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("marine", 12, 10), ("medivac", 12, 15)], [("marine", 12, 11)])
    environment.targets[0] = [-1, -1, 0]
    step(environment, STOP, STOP)
    assert environment.targets[0, 2] == 1
    # a zealot cannot reach the air
    environment = arena(tmp_path, [("marine", 12, 10), ("medivac", 12, 12)], [("zealot", 12, 11)])
    step(environment, STOP, STOP)
    assert environment.targets[0, 2] == 0


def test_an_enemy_chases_whoever_attacks_it_from_beyond_its_sight(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("stalker", 10, 10)], [("zealot", 10, 16.1)], attack_point=[30, 30])
    step(environment, STOP)
    assert environment.targets[0, 1] == -1
    assert state_of(environment, 1)["y"] > 16.1
    environment = arena(tmp_path, [("stalker", 10, 10)], [("zealot", 10, 15.9)], attack_point=[30, 30])
    environment.units[0, c.Y, 0] = 9.5
    step(environment, ATTACK)
    assert environment.targets[0, 1] == 0
    assert state_of(environment, 1)["y"] < 15.9


def test_a_killed_target_is_attacked_in_vain_until_the_step_is_over(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("marine", 10, 10)], [("dummy", 12, 10), ("dummy", 10, 12)])
    environment.units[0, c.HP, 1] = 3
    environment.units[0, c.COOLDOWN, 0] = 2 / 16
    step(environment, ATTACK)
    assert state_of(environment, 1)["hp"] == 0
    assert environment.units[0, c.HP, 2] == 100
    assert state_of(environment, 0)["x"] == 10
    assert environment.targets[0, 0] == -1
    most = 20 + 200 + 200
    assert environment.team_reward[0] == pytest.approx((3 + 10) / most * 20)


def test_a_move_goes_full_speed_towards_a_point_two_cells_away(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("marine", 10, 10), ("marine", 15, 10)], [("dummy", 30, 30)])
    step(environment, NORTH, WEST)
    assert state_of(environment, 0)["y"] == pytest.approx(10 + 3.15 / 2, abs=1e-5)
    assert state_of(environment, 1)["x"] == pytest.approx(15 - 3.15 / 2, abs=1e-5)


def test_a_fast_unit_passes_its_point_and_turns_back(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("runner", 10, 10)], [("dummy", 30, 30)], units={"runner": dummy(speed=6), "dummy": dummy()})
    step(environment, EAST)
    # 2 cells are 5.3 frames of 0.375: the sixth goes 0.25 too far, the seventh back, the eighth too far again
    assert state_of(environment, 0)["x"] == pytest.approx(12.25, abs=1e-5)


def test_what_can_be_done_depends_on_walls_distance_and_health(tmp_path: Path) -> None:
    rows = ["." * 32] * 20 + ["#" * 32] * 2 + ["." * 32] * 10  # walls at y = 10 and 11
    allies = [("marine", 0.5, 12.5), ("medivac", 6, 12.5), ("marauder", 6, 15)]
    environment = arena(tmp_path, allies, [("dummy", 6.5, 12.5), ("dummy", 6.6, 12.5)], terrain="\n".join(rows))
    available = environment.available[0]
    actions = np.arange(environment.team.action_size)
    # a distance of exactly 6 is in range; west of the marine the board ends, south of all there is a wall
    assert actions[available[0]].tolist() == [STOP, NORTH, EAST, ATTACK]
    assert actions[available[1]].tolist() == [STOP, NORTH, EAST, WEST, ATTACK, ATTACK + 2]
    assert actions[available[2]].tolist() == [STOP, NORTH, SOUTH, EAST, WEST, ATTACK, ATTACK + 1]


def test_a_dead_agent_sees_nothing_and_can_do_nothing(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("marine", 10, 10), ("marine", 20, 20)], [("zealot", 10.9, 10)])
    environment.units[0, c.HP, 0] = 5
    step(environment, STOP, STOP)
    assert environment.alive[0].tolist() == [False, True]
    assert np.flatnonzero(environment.available[0, 0]).tolist() == [0]
    assert not environment.observation[0, 0].any()
    assert environment.running[0]
    step(environment, 0, STOP)
    assert environment.alive[0].tolist() == [False, True]


def test_an_observation_lists_moves_enemies_allies_and_oneself(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("marine", 10, 10), ("zealot", 13, 14)], [("dummy", 10, 17), ("dummy", 10, 1)])
    environment.units[0, c.HP, 0] = 9
    environment.units[0, [c.SHIELD, c.SHIELD_COOLDOWN], 1] = [25, 10]
    step(environment, STOP, STOP)
    seen = environment.observation[0, 0]
    moves, own = [1, 1, 1, 1], [9 / 45, 0]
    far, too_far = [0, 7 / 9, 0, 7 / 9, 1], [0, 0, 0, 0, 0]  # 7 away: seen but out of range; 9 away: not seen
    ally = [1, 5 / 9, 3 / 9, 4 / 9, 1, 25 / 50]
    assert seen.tolist() == pytest.approx([*moves, *far, *too_far, *ally, *own], abs=1e-6)


def test_a_healers_flags_of_allies_stand_in_the_slots_of_enemies(tmp_path: Path) -> None:
    enemies = [("dummy", 10, 15), ("dummy", 10, 14), ("dummy", 10, 13)]
    environment = arena(tmp_path, [("medivac", 10, 10), ("marine", 11, 10), ("marine", 30, 30)], enemies)
    flags = environment.observation[0, 0, 4 : 4 + 15 : 5]
    assert flags.tolist() == [0, 1, 0]  # ally 1 can be healed; ally 0 is the healer, ally 2 too far


def test_the_state_lists_allies_enemies_and_last_actions(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("medivac", 8, 24), ("marine", 16, 16)], [("dummy", 20, 12)])
    n_actions = environment.team.action_size
    assert environment.state[0, :11].tolist() == pytest.approx([1, 50 / 200, -8 / 32, 8 / 32, 1, 0, 0, 0, 1, 4 / 32, -4 / 32])
    assert not environment.state[0, 11:].any()
    step(environment, NORTH, ATTACK)
    last = environment.state[0, 11:].reshape(2, n_actions)
    assert last.argmax(1).tolist() == [NORTH, ATTACK]
    assert last.sum() == 2
    assert environment.state[0, 5] == pytest.approx((0.61 - 7 / 16) / 0.61)
    assert [field.name for field in environment.team.state_fields[:9:4]] == ["ally0.health", "ally1.health", "enemy0.health"]


def test_a_victory_gives_its_bonus_to_all_and_ends_the_episode(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("marine", 10, 10), ("marine", 25, 25)], [("dummy", 12, 10)])
    environment.units[0, c.HP, 2] = 6
    step(environment, ATTACK, STOP)
    assert environment.terminated[0]
    assert environment.success[0]
    assert not environment.truncated[0]
    most = 10 + 200 + 100
    assert environment.team_reward[0] == pytest.approx(216 / most * 20)
    assert environment.individual_reward[0].tolist() == pytest.approx([116 / most * 20, 100 / most * 20])


def test_the_sparse_reward_is_one_for_a_victory_minus_one_for_a_defeat_and_nothing_at_the_time_limit(tmp_path: Path) -> None:
    def fought(ally_hp: float, enemy_hp: float) -> tuple[float, bool, bool, bool]:
        environment = arena(tmp_path, [("marine", 10, 10)], [("marine", 12, 10)], reward="sparse", horizon=1)
        environment.units[0, c.HP] = [ally_hp, enemy_hp]
        step(environment, ATTACK)
        assert environment.individual_reward[0, 0] == environment.team_reward[0]
        return (
            float(environment.team_reward[0]),
            bool(environment.success[0]),
            bool(environment.terminated[0]),
            bool(environment.truncated[0]),
        )

    assert fought(45, 5) == (1, True, True, False)
    assert fought(5, 45) == (-1, False, True, False)
    assert fought(45, 45) == (0, False, False, True)


def test_a_battle_that_nobody_survives_is_won(tmp_path: Path) -> None:
    environment = arena(tmp_path, [("baneling", 10, 10)], [("zergling", 10.9, 10)])
    environment.units[0, c.HP, 0] = 30
    step(environment, ATTACK)
    assert not environment.alive.any()
    assert environment.terminated[0]
    assert environment.success[0]


def test_the_order_in_which_units_act_is_all_that_a_seed_decides() -> None:
    environment = SMAClite(32, map_name="5m_vs_6m")
    environment.reset(np.arange(32, dtype=np.uint64))
    actions = np.full((32, 5), EAST)
    for _ in range(3):
        environment.step(actions)
    assert len(np.unique(environment.units[:, c.X], axis=0)) == 1
    for _ in range(15):
        targets = environment.available[:, :, ATTACK:]
        actions = np.where(targets.any(2), ATTACK + targets.argmax(2), STOP)
        environment.step(np.where(environment.available[:, :, 0], 0, actions))
    assert len(np.unique(environment.units[:, c.HP], axis=0)) > 1


def test_an_injected_state_continues_like_an_episode_that_reached_it() -> None:
    environment, other = SMAClite(2, map_name="3m"), SMAClite(2, map_name="3m")
    for one in (environment, other):
        one.reset(np.arange(2, dtype=np.uint64))
    environment.step(np.full((2, 3), EAST))
    other.load_state(environment.units, environment.targets, environment.steps)
    other.rekey(np.array([5, 6], np.uint64))
    environment.rekey(np.array([5, 6], np.uint64))
    for one in (environment, other):
        one.step(np.full((2, 3), NORTH))
    np.testing.assert_array_equal(environment.fingerprint(), other.fingerprint())


def test_a_state_of_another_shape_is_refused() -> None:
    environment = SMAClite(2, map_name="3m")
    with pytest.raises(ValueError, match="units must have shape"):
        environment.load_state(np.zeros((1, 10, 6)), environment.targets, environment.steps)
    with pytest.raises(ValueError, match="sequence must have shape"):
        environment.step_in_order(np.zeros((2, 3), np.int64), np.zeros((2, 8, 5), np.int64))


def test_a_scene_shows_walls_and_living_units(tmp_path: Path) -> None:
    rows = ["#" * 32] + ["." * 32] * 31
    environment = arena(tmp_path, [("marine", 10, 10)], [("zealot", 12, 10), ("dummy", 3, 3)], terrain="\n".join(rows))
    environment.units[0, c.HP, 2] = 0
    step(environment, ATTACK)
    roles = [shape.role for shape in environment.scene(0).shapes]
    assert roles == ["wall", "agent", "enemy", "agent", "enemy"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"map_name": "3m", "reward": "shaped"}, "reward must be one of damage, sparse"),
        ({"map_name": "3m", "attribution": "fair"}, "attribution must be one of intended, released"),
        ({"map_name": "3m", "horizon": 0}, "horizon must be at least 1"),
        ({"map_name": "3m", "scatter": -0.5}, "scatter must be 0 or more and finite, got -0.5"),
        ({"map_name": "3m", "scatter": float("nan")}, "scatter must be 0 or more and finite, got nan"),
        ({"map_name": "3m", "scatter": float("inf")}, "scatter must be 0 or more and finite, got inf"),
    ],
)
def test_a_wrong_parameter_is_refused(parameters: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SMAClite(1, **parameters)
