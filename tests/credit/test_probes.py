"""The probes against known graphs, hand-made situations and a plain loop over single copies."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.credit import probes
from benchmark.credit.probes import DistanceGraph, Graphs, OracleGraph, build_probes
from benchmark.environments.interface import BatchedEnvironment, NoPositions, NotForkable
from benchmark.environments.native.alice_and_bob.environment import AliceAndBob
from benchmark.environments.native.base import NativeEnvironment
from benchmark.environments.native.diagnostics.beacon import Beacon
from benchmark.environments.native.diagnostics.rooms import COLUMNS, SwitchDoorRooms
from benchmark.environments.native.diagnostics.spread_variants import SpreadVariant, reward_dependence
from benchmark.environments.native.lbf.environment import LevelBasedForaging
from benchmark.environments.native.random_actions import action_streams, random_available_actions
from benchmark.environments.native.smaclite import constants as c
from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.probe_names import PROBES
from tests.fixtures.environment_cases import NATIVE, Case, assert_same, each_native, each_reference, seeds, snapshot
from tests.fixtures.smaclite_arena import ATTACK, NORTH, STOP, arena, dummy, step
from tests.fixtures.toy_team import toy_team

Edges = set[tuple[int, int]]
NONE, UP, DOWN, LEFT, RIGHT, LOAD = range(6)


def everything(environment: BatchedEnvironment, actions: NDArray[np.int64], probe: probes.Probe | None = None) -> Graphs:
    """What the oracle (or another probe) sees of all rows that run."""
    return (probe or OracleGraph()).look(environment, actions, np.flatnonzero(environment.running))


def edges(graph: NDArray[np.bool_]) -> Edges:
    """The edges (influencer, influenced) of a graph [N, N] without its self loops, which must all be there."""
    assert graph.diagonal().all()
    return {(int(j), int(i)) for j, i in np.argwhere(graph) if i != j}


def seen(environment: BatchedEnvironment, *actions: int) -> dict[str, Edges]:
    """The edges of the only row if its agents are about to act so, by the first word of the graphs' names."""
    found = everything(environment, np.array([actions]))
    return {name.removesuffix("_graph"): edges(graph[0]) for name, graph in found.items()}


def random_actions(environment: BatchedEnvironment, seed: int) -> NDArray[np.int64]:
    actions = np.zeros(environment.alive.shape, np.int64)
    streams = action_streams(np.arange(seed, seed + environment.batch_size, dtype=np.uint64))
    random_available_actions(environment.available, streams, actions)
    return actions


def after_some_steps(case: Case, rows: int, steps: int) -> BatchedEnvironment:
    environment = case.build(rows)
    environment.reset(seeds(rows))
    for time in range(steps):
        if environment.running.any():
            environment.step(random_actions(environment, 1000 * time))
    return environment


def plain_oracle(environment: BatchedEnvironment, actions: NDArray[np.int64], row: int) -> Graphs:
    """The definition, one copy at a time."""
    agents = environment.team.n_agents
    graphs = {name: np.eye(agents, dtype=bool) for name in PROBES["oracle_graph"].fills}

    def outcome(joint: NDArray[np.int64]) -> tuple[NDArray, NDArray, NDArray]:
        copy = environment.fork(np.array([row]))
        copy.step(joint[None])
        return copy.observation[0], copy.alive[0], copy.individual_reward[0]

    observation, alive, reward = outcome(actions[row])
    for j in range(agents):
        for action in np.flatnonzero(environment.available[row, j]):
            joint = actions[row].copy()
            joint[j] = action
            other_observation, other_alive, other_reward = outcome(joint)
            for i in range(agents):
                differs = observation[i] != other_observation[i]
                graphs["observation_graph"][j, i] |= differs.any()
                graphs["state_graph"][j, i] |= differs[environment.substate[i]].any() or alive[i] != other_alive[i]
                graphs["reward_graph"][j, i] |= abs(reward[i] - other_reward[i]) > 1e-9 * max(1, abs(reward[i]))
    return graphs


@each_native
@pytest.mark.parametrize("steps", [1, 12])
def test_the_oracle_sees_what_a_loop_over_single_copies_sees(case: Case, steps: int) -> None:
    environment = after_some_steps(case, 3 if get_task(case.task).n_agents < 20 else 1, steps)
    rows, actions = np.flatnonzero(environment.running)[::-1], random_actions(environment, 77)
    found = OracleGraph().look(environment, actions, rows)
    assert set(found) == set(PROBES["oracle_graph"].fills)
    for place, row in enumerate(rows):
        for name, graph in plain_oracle(environment, actions, int(row)).items():
            np.testing.assert_array_equal(found[name][place], graph, err_msg=f"{name} of row {row}")


@pytest.mark.parametrize("task", ["synergy/3-b2", "dg/cycle-10", "smaclite/3m"])
def test_the_oracle_does_not_depend_on_the_number_of_copies_stepped_at_once(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = after_some_steps(Case(task, "native"), 8, 10)
    actions = random_actions(environment, 5)
    at_once = everything(environment, actions)
    monkeypatch.setattr(probes, "SCRATCH_BYTES", 1)
    in_parts = OracleGraph()
    assert_same(everything(environment, actions, in_parts), at_once)
    assert in_parts._scratch is not None
    assert in_parts._scratch.batch_size == 8
    others = ~np.eye(environment.team.n_agents, dtype=bool)
    assert at_once["state_graph"][:, others].any() or at_once["reward_graph"][:, others].any()


@pytest.mark.parametrize(
    ("case", "probe"),
    [(case, OracleGraph) for case in NATIVE] + [(case, DistanceGraph) for case in NATIVE if get_task(case.task).has_positions],
    ids=lambda value: getattr(value, "task", None) or value.__name__,
)
def test_probing_changes_nothing_and_dead_agents_have_no_edges(case: Case, probe: type[probes.Probe]) -> None:
    environment, look = case.build(4), probe()
    environment.reset(seeds(4))
    myself = np.eye(environment.team.n_agents, dtype=bool)
    for time in range(30):
        rows, actions = np.flatnonzero(environment.running), random_actions(environment, 1000 * time)
        if len(rows) == 0:
            break
        if time % 5 == 0:
            before, marks = snapshot(environment), environment.fingerprint()
            found = look.look(environment, actions, rows)
            assert_same(snapshot(environment), before)
            np.testing.assert_array_equal(environment.fingerprint(), marks)
            for name, graph in found.items():
                assert graph.shape == (len(rows), *myself.shape)
                dead = ~environment.alive[rows]
                assert graph[:, myself].all()
                assert not (graph & ~myself)[dead].any()
                if name != "reward_graph":  # the dead are paid their share of a victory
                    assert not (graph & ~myself).transpose(0, 2, 1)[dead].any()
        environment.step(actions)


@pytest.mark.parametrize("shape", ["star", "line", "cycle"])
def test_the_spread_toys_show_their_known_graph(shape: str) -> None:
    """Who sees whom is at every step who is rewarded by whom at some: rewards go by who is nearest."""
    environment = SpreadVariant(200, shape=shape, n_agents=5)
    environment.reset(seeds(200))
    found = everything(environment, random_actions(environment, 9))
    known = reward_dependence(shape, 5)
    assert (found["observation_graph"] == known).all()
    assert (found["reward_graph"] <= known).all()
    assert (found["reward_graph"].any(0) == known).all()
    assert (found["state_graph"] == np.eye(5, dtype=bool)).all(), "positions do not influence each other"


@pytest.mark.parametrize("real", [1, 2])
def test_rooms_have_edges_only_where_the_door_or_the_goal_is_at_stake(real: int) -> None:
    places = np.array(list(product(range(COLUMNS), repeat=3)))
    environment = SwitchDoorRooms(2 * len(places), n_agents=3, real_switch=real)
    environment.reset(seeds(2 * len(places)))
    environment.columns[:] = np.concatenate([places, places])
    environment.open[:] = environment.columns[:, real] == COLUMNS - 1
    environment.reached[: len(places)] = True
    environment.reached[environment.columns[:, 0] == COLUMNS - 1] = True
    found = everything(environment, random_actions(environment, 9))
    known = np.tile(np.eye(3, dtype=bool), (2 * len(places), 1, 1))
    # The holder of the real switch enters or leaves it, which all see of the door; the first agent reaches the goal, once.
    known[:, real] |= (environment.columns[:, real] >= COLUMNS - 2)[:, None]
    known[:, 0] |= ((environment.columns[:, 0] == COLUMNS - 2) & ~environment.reached)[:, None]
    np.testing.assert_array_equal(found["state_graph"], known)
    np.testing.assert_array_equal(found["observation_graph"], known)
    assert (found["reward_graph"] == np.eye(3, dtype=bool)).all(), "the door opens a step later"


@pytest.mark.parametrize("gain", [0.0, 0.5, 1.0])
def test_the_beacon_shows_action_driven_influence_and_no_other(gain: float) -> None:
    environment = Beacon(2000, action_gain=gain)
    environment.reset(seeds(2000))
    found = everything(environment, random_actions(environment, 9))
    lit = found["state_graph"][:, 1, 0]
    assert lit.mean() == pytest.approx(gain, abs=0.04 if 0 < gain < 1 else 0)
    for graph in found.values():
        np.testing.assert_array_equal(graph[:, 1, 0], lit)
        assert not graph[:, 0, 1].any()


def foraging(players: list[tuple[int, int]], levels: list[int], food: int, **rules: object) -> LevelBasedForaging:
    """One game with a food of that level at (4, 4) and players on these cells."""
    environment = LevelBasedForaging(1, size=8, n_players=len(players), n_foods=1, **rules)  # type: ignore[arg-type]
    field = np.zeros((8, 8), int)
    field[4, 4] = food
    environment.load_state(0, field, players, levels, step=3, food_total=food)
    return environment


def test_two_players_that_move_into_one_cell_block_each_other() -> None:
    environment = foraging([(1, 1), (1, 3)], [1, 1], 2)
    found = seen(environment, RIGHT, LEFT)
    assert found["state"] == {(0, 1), (1, 0)}
    assert found["observation"] == {(0, 1), (1, 0)}
    assert found["reward"] == set()


def test_only_agents_beside_a_cell_influence_a_move_into_it() -> None:
    # Player 0 moves: player 1, who rests, could have been in its way; player 2 could not.
    assert seen(foraging([(1, 1), (1, 3), (7, 7)], [1, 1, 1], 2), RIGHT, NONE, NONE)["state"] == {(1, 0)}


def test_distant_players_influence_only_each_others_observations() -> None:
    found = seen(foraging([(1, 1), (6, 6)], [1, 1], 2), RIGHT, LEFT)
    assert found == {"observation": {(0, 1), (1, 0)}, "state": set(), "reward": set()}
    short_sighted = seen(foraging([(1, 1), (7, 7)], [1, 1], 2, sight=2), RIGHT, LEFT)
    assert short_sighted == {"observation": set(), "state": set(), "reward": set()}


BESIDE = [(4, 3), (4, 5)]


def test_a_joint_load_makes_edges_of_state_and_reward_both_ways() -> None:
    found = seen(foraging(BESIDE, [1, 1], 2), LOAD, LOAD)
    assert found["reward"] == found["state"] == {(0, 1), (1, 0)}


def test_an_agent_that_could_have_helped_to_load_had_influence() -> None:
    # Player 0 loads in vain. With player 1 it would have worked: for both, and the food would be gone for both.
    found = seen(foraging(BESIDE, [1, 1], 2), LOAD, NONE)
    assert found["reward"] == found["state"] == {(1, 0)}


def test_a_food_that_either_agent_could_load_alone_makes_edges_of_reward_only() -> None:
    # Either suffices: while both load, neither decides whether the food is there, but each what the other's share is.
    found = seen(foraging(BESIDE, [1, 1], 1), LOAD, LOAD)
    assert found["state"] == set()
    assert found["reward"] == {(0, 1), (1, 0)}


@pytest.mark.parametrize(
    ("levels", "food", "reward"),
    [
        ([1, 1], 2, {(1, 0)}),  # a tie: player 0 is paid for both, if player 1 helps
        ([1, 2], 3, {(0, 1)}),  # the stronger is paid for both
        ([1, 2], 2, set()),  # player 1 needs nobody, and is paid all the same; player 0 is paid nothing either way
    ],
)
def test_if_the_winner_takes_all_only_help_for_the_winner_counts(levels: list[int], food: int, reward: Edges) -> None:
    environment = foraging(BESIDE, levels, food, reward="winner", food_cap=2)
    assert seen(environment, LOAD, LOAD)["reward"] == reward


@pytest.mark.parametrize(("place", "expected"), [((3, 6), {(1, 0)}), ((1, 7), set())])
def test_a_key_within_reach_influences_the_agent_that_it_frees(place: tuple[int, int], expected: Edges) -> None:
    environment = AliceAndBob(1)
    environment.reset(seeds(1))
    environment.load_state(np.array([0]), np.array([[(1, 1), place]]), np.array([[False, False]]), 3)
    found = seen(environment, 3, 3)
    assert found["state"] == expected
    assert found["observation"] == {(0, 1), (1, 0)}
    assert found["reward"] == set()


def test_focus_fire_is_observed_by_agents_that_see_the_target(tmp_path: Path) -> None:
    allies = [("marine", 10, 10), ("marine", 10, 13), ("marine", 30, 30)]
    found = seen(arena(tmp_path, allies, [("dummy", 13, 11)]), ATTACK, ATTACK, STOP)
    assert found["state"] == {(0, 1), (1, 0)}
    assert found["reward"] == set(), "each is paid for its own damage"


def test_an_agent_that_decides_the_battle_influences_all_rewards(tmp_path: Path) -> None:
    allies = [("marine", 10, 10), ("walker", 10, 20), ("walker", 30, 30)]
    environment = arena(tmp_path, allies, [("dummy", 13, 11)], units={"dummy": dummy(hit_points=3), "walker": dummy(speed=3)})
    found = seen(environment, ATTACK, STOP, STOP)
    assert found["reward"] == {(0, 1), (0, 2)}


def test_the_dead_of_a_battle_neither_influence_nor_are_influenced(tmp_path: Path) -> None:
    allies = [("marine", 10, 10), ("marine", 10, 13), ("marine", 10, 16)]
    environment = arena(tmp_path, allies, [("dummy", 13, 13)])
    environment.units[0, c.HP, 1] = 0
    step(environment, STOP, STOP, STOP)
    assert environment.alive[0].tolist() == [True, False, True]
    found = seen(environment, ATTACK, 0, NORTH)
    assert found["state"] == {(0, 2), (2, 0)}
    assert found["observation"] == {(0, 2), (2, 0)}
    assert found["reward"] == set()


class Trap(NativeEnvironment):
    """Agent 0's action 1 kills agent 1, which nobody sees; rewards are 1 but for rounding. One step."""

    def __init__(self, batch_size: int) -> None:
        super().__init__(batch_size, toy_team(n_agents=2, action_size=2, horizon=1), {})

    def _reset_rows(self, count: int) -> None:
        self.alive[:count] = True
        self.available[:count] = True

    def _step_rows(self, actions: NDArray[np.int64]) -> None:
        self._begin_step()
        self.alive[:, 1] &= actions[:, 0] == 0
        self.individual_reward[self.running] = 1 + 1e-13 * actions.sum(1)[self.running, None]
        self._end_step()


@pytest.mark.parametrize("action", [0, 1])
def test_an_unobserved_death_is_influence_and_a_rounding_error_of_rewards_is_not(action: int) -> None:
    environment = Trap(1)
    environment.reset(seeds(1))
    assert seen(environment, action, 1) == {"observation": set(), "state": {(0, 1)}, "reward": set()}


def test_the_nearest_of_a_foraging_game_are_at_most_three_and_within_three_cells() -> None:
    places = [(0, 0), (0, 1), (1, 0), (0, 2), (2, 0), (3, 3), (7, 7)]
    environment = foraging(places, [1] * 7, 2)
    graph = everything(environment, np.zeros((1, 7), np.int64), DistanceGraph())["distance_graph"][0]
    expected = {
        0: {1, 2, 3},  # 3 and 4 are as far: the lower number is nearer
        1: {0, 2, 3},  # 0 and 3 one cell off, 2 two, 4 three
        2: {0, 1, 4},
        3: {0, 1, 2},
        4: {0, 1, 2},
        5: set(),
        6: set(),
    }
    assert edges(graph) == {(j, i) for j, near in expected.items() for i in near}


@pytest.mark.parametrize("task", ["dg/star-7", "dg/star-3", "mpe/simple_tag-3", "smaclite/MMM2"])
def test_without_a_reach_every_living_agent_has_up_to_three_neighbours(task: str) -> None:
    environment = after_some_steps(Case(task, "native"), 6, 20)
    found = everything(environment, random_actions(environment, 1), DistanceGraph())["distance_graph"]
    places, died = environment.agent_positions(), False
    for place, row in enumerate(np.flatnonzero(environment.running)):
        living = np.flatnonzero(environment.alive[row]).tolist()
        died |= len(living) < environment.team.n_agents
        expected = set()
        for j in living:
            far = {i: ((places[row, i] - places[row, j]) ** 2).sum() for i in living if i != j}
            expected |= {(j, i) for i in sorted(far, key=lambda i: (far[i], i))[:3]}
        assert edges(found[place]) == expected
    assert died == (task == "smaclite/MMM2")


@each_reference
def test_probes_are_refused_on_the_adapter_of_a_package(case: Case) -> None:
    environment = case.build(1)
    environment.reset(seeds(1))
    with pytest.raises(NotForkable):
        everything(environment, random_actions(environment, 1))
    with pytest.raises(NoPositions):
        everything(environment, random_actions(environment, 1), DistanceGraph())
    environment.close()


def test_each_probe_returns_the_graphs_of_its_registry_entry() -> None:
    environment = after_some_steps(Case("dg/star-3", "native"), 2, 1)
    for name, probe in zip(PROBES, build_probes(PROBES), strict=True):
        assert set(everything(environment, random_actions(environment, 1), probe)) == set(PROBES[name].fills)
