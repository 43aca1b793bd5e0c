"""What of an observation is about oneself and the world, and where agents stand: `BatchedEnvironment.substate`, `places`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.environments.interface import BatchedEnvironment, NoPositions
from benchmark.environments.native.alice_and_bob.environment import AliceAndBob
from benchmark.environments.native.diagnostics.spread_variants import SpreadVariant
from benchmark.environments.native.grids.individual_goals import IndividualGoals
from benchmark.environments.native.lbf.environment import LevelBasedForaging
from benchmark.environments.native.mpe.environment import SimpleSpread, SimpleTag
from benchmark.environments.scene import Disc
from benchmark.environments.tasks.registry import get_task
from tests.fixtures.environment_cases import NATIVE, Case, each_case, each_native, each_reference, play, seeds
from tests.fixtures.smaclite_arena import EAST, STOP, arena, dummy, step

BY_HAND = {
    # foods, oneself, others
    "lbf/8x8-2p-2f-2s-coop": ["111111 111 000"] * 2,
    "lbf/10x10-3p-3f-pen": ["111111111 111 000000"] * 3,
    # cells around, own place, offset of the other, keys, room, event
    "alice_and_bob": ["000000000 11 00 1111 1 1"] * 2,
    # own place and the landmarks; own place and lock; own place and bullets
    "grid/navigation": ["11" + "11" * 7] * 7,
    "grid/unlock": ["11 11"] * 7,
    "grid/shooting": ["11 1"] * 3,
    # place and goal, first one's own
    "grid/two-goals": ["1111 0000"] * 2,
    "matrix/two-step": ["111"] * 2,
    "synergy/3-b2": ["1 1"] * 3,
    # own place, everybody's, landmarks
    "dg/cycle-5": [f"11 {'00' * agent + '11' + '00' * (4 - agent)} {'11' * 5}" for agent in range(5)],
    "dg/rooms-3": ["11 1 1"] * 3,
    # lamp and padding; cell
    "dg/beacon-0.5": ["111 111", "111111"],
    # own velocity and place, landmarks, others, their messages
    "mpe/simple_spread-3": ["11 11 111111 0000 0000"] * 3,
    "mpe/stas-spread-15": ["11 11" + "11" * 6 + "00" * 5] * 15,
    # own velocity and place, obstacles, other predators, the prey's place and velocity
    "mpe/simple_tag-3": ["11 11 1111 0000 11 11"] * 3,
    "mpe/stas-tag-15": ["11 11" + "11" * 3 + "00" * 6 + "11" * 3 + "11" * 3] * 15,
    # free directions; flag, distance, offset and health of each enemy; the same of two allies; own health
    "smaclite/3m": ["1111" + "1 1 11 1" * 3 + "0 0 00 0" * 2 + "1"] * 3,
}


@pytest.mark.parametrize("task", BY_HAND)
def test_the_dimensions_about_other_agents_are_those_counted_by_hand(task: str) -> None:
    expected = [[digit == "1" for digit in row if digit != " "] for row in BY_HAND[task]]
    np.testing.assert_array_equal(get_task(task).build(1, "native").substate, expected)


@each_case
def test_a_substate_is_a_constant_of_the_game_and_no_part_of_a_row(case: Case) -> None:
    environment = case.build(2)
    mask, before = environment.substate, environment.substate.copy()
    assert (mask.shape, mask.dtype) == (environment.observation.shape[1:], np.bool_)
    play(environment, seeds(2), steps=3)
    assert environment.substate is mask
    np.testing.assert_array_equal(mask, before)
    if case.backend == "native":
        marks = environment.fingerprint()
        mask[:] = ~mask
        np.testing.assert_array_equal(environment.fingerprint(), marks)
    environment.close()


def test_controlled_prey_are_agents_of_the_team_to_predators() -> None:
    mask = SimpleTag(1, n_predators=2, n_prey=1, n_obstacles=1, prey="controlled").substate
    # own velocity and place, one obstacle; one other predator; the prey's place and velocity (padding for the prey itself)
    assert mask[0].tolist() == [True] * 6 + [False] * 2 + [False] * 4
    # the prey sees two predators
    assert mask[2].tolist() == [True] * 6 + [False] * 4 + [True] * 2


def lbf(other: tuple[int, int], sight: int | None) -> BatchedEnvironment:
    environment = LevelBasedForaging(1, size=8, n_players=2, n_foods=2, sight=sight)
    field = np.zeros((8, 8), int)
    field[3, 2] = field[5, 5] = 2
    environment.load_state(0, field, [(2, 3), other], [1, 2], 4, 4)
    return environment


def spread(other: tuple[float, float], **settings: object) -> BatchedEnvironment:
    environment = SimpleSpread(1, n_agents=3, **settings)  # type: ignore[arg-type]
    environment.reset(seeds(1))
    marks = [[(0.1, 0.2), (0.5, -0.5), (-0.7, 0.6)]]
    environment.load_state([[(0, 0), other, (0.3, 0.3)]], np.zeros((1, 3, 2)), marks)
    return environment


def tag(other: tuple[float, float]) -> BatchedEnvironment:
    environment = SimpleTag(1, n_predators=2, observed_predators=1, observed_prey=1)
    environment.reset(seeds(1))
    environment.load_state([[(0, 0), other, (0.5, 0.5)]], np.zeros((1, 3, 2)), np.zeros((1, 2, 2)))
    return environment


def toy(other: tuple[float, float]) -> BatchedEnvironment:
    environment = SpreadVariant(1, shape="star", n_agents=3)
    environment.reset(seeds(1))
    environment.positions[0, 1] = other
    environment.publish()
    return environment


def individual_goals(other: tuple[int, int]) -> BatchedEnvironment:
    environment = IndividualGoals(1, side=5, n_agents=2, horizon=25)
    environment.reset(seeds(1))
    environment.load_state(np.array([[(1, 1), other]]), np.array([[(3, 3), (0, 4)]]))
    return environment


def alice(other: tuple[int, int]) -> BatchedEnvironment:
    environment = AliceAndBob(1)
    environment.reset(seeds(1))
    environment.load_state(np.array([0]), np.array([[(6, 3), other]]), np.array([[True, True]]), 3)
    return environment


@pytest.mark.parametrize(
    ("build", "near", "far"),
    [
        (lambda place: lbf(place, sight=None), (2, 4), (7, 7)),
        (lambda place: lbf(place, sight=2), (2, 4), (7, 7)),
        (spread, (0.1, 0.0), (-0.9, 0.9)),
        (lambda place: spread(place, agent_order="nearest", landmark_order="nearest"), (0.1, 0.0), (-0.9, 0.9)),
        (lambda place: spread(place, agent_order="x", observed_agents=1), (-0.1, 0.0), (-0.9, 0.9)),
        (tag, (0.1, 0.0), (-0.9, 0.9)),
        (toy, (0.1, 0.0), (-0.9, 0.9)),
        (individual_goals, (1, 2), (4, 4)),
        (alice, (6, 4), (7, 6)),
    ],
    ids=["lbf", "lbf, short sight", "spread", "nearest", "leftmost", "tag", "star", "own goals", "alice"],
)
def test_where_another_agent_stands_is_seen_outside_the_substate_only(
    build: Callable[[tuple[float, float]], BatchedEnvironment], near: tuple[float, float], far: tuple[float, float]
) -> None:
    one, other = build(near), build(far)
    differs = one.observation[0, 0] != other.observation[0, 0]
    assert differs.any()
    assert not (differs & one.substate[0]).any()
    assert (one.observation[0, 1] != other.observation[0, 1])[one.substate[1]].any()


def test_what_a_healer_can_aim_at_is_about_its_allies(tmp_path: Path) -> None:
    allies = [("medivac", 10, 10), ("walker", 14, 10), ("walker", 10, 14)]
    enemies = [("dummy", 16, 15), ("dummy", 15, 16), ("dummy", 16, 17)]
    environment = arena(tmp_path, allies, enemies, units={"dummy": dummy(), "walker": dummy(speed=3)})
    step(environment, STOP, STOP, STOP)
    before = environment.observation[0].copy()
    for _ in range(4):
        step(environment, STOP, EAST, STOP)
    differs = environment.observation[0] != before
    healer, walker = environment.substate[0], environment.substate[2]
    assert (~healer).sum() == (~walker).sum() + 2  # the flags of the two walkers
    flag = 4 + (5 + environment.rules.type_bits)  # of the second enemy, hence of the action on the second ally
    assert differs[0, flag], "out of the healer's reach now"
    assert not (differs[0] & healer).any()
    assert not (differs[2] & walker).any()
    assert (differs[1] & environment.substate[1]).any(), "who moved sees the enemies from elsewhere"


@each_native
def test_positions_are_copies_and_exist_where_the_task_says_so(case: Case) -> None:
    environment = case.build(3)
    environment.reset(seeds(3))
    if not get_task(case.task).has_positions:
        with pytest.raises(NoPositions, match=type(environment).__name__):
            environment.agent_positions()
        return
    places, marks = environment.agent_positions(), environment.fingerprint()
    assert (places.shape, places.dtype) == ((3, environment.team.n_agents, 2), np.float64)
    places += 1
    np.testing.assert_array_equal(environment.fingerprint(), marks)
    np.testing.assert_array_equal(environment.agent_positions(), places - 1)


def distances(places: list[NDArray[np.float64]]) -> list[float]:
    return [float(np.abs(one - other).sum()) for one, other in combinations(places, 2)]


@pytest.mark.parametrize("case", [case for case in NATIVE if get_task(case.task).has_positions], ids=lambda case: case.task)
def test_positions_have_the_distances_of_the_scene(case: Case) -> None:
    environment = case.build(2)
    play(environment, seeds(2), steps=6)
    for row in range(2):
        discs = [disc for disc in environment.scene(row).shapes if isinstance(disc, Disc) and disc.number is not None]
        drawn = {disc.number: np.array([disc.x, disc.y]) for disc in discs}
        assert len(drawn) == environment.alive[row].sum() > 1
        told = environment.agent_positions()[row]
        np.testing.assert_allclose(
            distances([told[number] for number in sorted(drawn)]),
            distances([drawn[number] for number in sorted(drawn)]),
            atol=1e-12,
        )


def test_positions_are_row_and_column_in_lbf() -> None:
    np.testing.assert_array_equal(lbf((6, 1), None).agent_positions(), [[(2, 3), (6, 1)]])


@each_reference
def test_a_package_does_not_say_where_agents_stand(case: Case) -> None:
    environment = case.build(1)
    with pytest.raises(NoPositions):
        environment.agent_positions()
    environment.close()
