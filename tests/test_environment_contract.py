"""What every environment of every backend must do, whatever it simulates. New environments add a line to CASES."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmark.environments.interface import BatchedEnvironment, NotForkable, UnavailableAction
from benchmark.environments.native.driving import action_streams, random_available_actions
from benchmark.tasks import get_task


@dataclass(frozen=True)
class Case:
    """A task in one of its backends; `rows` and `steps` keep slow packages short (None: whole episodes).

    `fixed_start`: every episode starts alike.
    """

    task: str
    backend: str
    rows: int = 64
    steps: int | None = None
    fixed_start: bool = False

    def build(self, rows: int) -> BatchedEnvironment:
        """A fresh environment; the test is skipped, with the reason, where the real package is missing."""
        task = get_task(self.task)
        try:
            return task.build(rows, self.backend)  # type: ignore[arg-type]
        except (ValueError, ImportError) as error:
            if self.backend == "native" or "not installed" not in str(error):
                raise
            pytest.skip(str(error))


CASES = [
    Case("lbf/5x5-2p-1f-coop", "native"),
    Case("lbf/8x8-2p-2f-2s-coop", "native"),
    Case("lbf/10x10-3p-3f-pen", "native"),
    Case("lbf/8x8-2p-4f-coop-winner", "native"),
    Case("alice_and_bob", "native", fixed_start=True),
    Case("grid/navigation", "native", fixed_start=True),
    Case("grid/unlock", "native", fixed_start=True),
    Case("grid/shooting", "native", fixed_start=True),
    Case("matrix/climbing", "native", fixed_start=True),
    Case("matrix/two-step", "native", fixed_start=True),
    Case("synergy/3-b2", "native"),
    Case("synergy/3-b2-x4", "native"),
    Case("dg/star-5", "native"),
    Case("dg/cycle-5", "native"),
    Case("dg/rooms-3", "native", fixed_start=True),
    Case("dg/beacon-0.5", "native"),
    Case("lbf/5x5-2p-1f-coop", "reference", rows=8),
    Case("lbf/10x10-3p-5f-2s-pen", "reference", rows=8),
    Case("mpe/simple_spread-3", "native"),
    Case("mpe/simple_tag-3", "native"),
    Case("mpe/stas-spread-15", "native", rows=16),
    Case("mpe/stas-tag-15", "native", rows=16),
    Case("mpe/seca-predator-prey", "native"),
    Case("mpe/simple_spread-3", "reference", rows=4),
    Case("smaclite/3m", "native", fixed_start=True),
    Case("smaclite/MMM2", "native", rows=16, fixed_start=True),
    Case("smaclite/bane_vs_bane-released", "native", rows=8, fixed_start=True),
    Case("smaclite/2s_vs_1sc-sparse", "native", rows=16, fixed_start=True),
    Case("smaclite/2s3z", "reference", rows=2, steps=10, fixed_start=True),
]
NATIVE = [case for case in CASES if case.backend == "native"]
REFERENCE = [case for case in CASES if case.backend == "reference"]

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.task}-{case.backend}")
each_native = pytest.mark.parametrize("case", NATIVE, ids=lambda case: case.task)
each_reference = pytest.mark.parametrize("case", REFERENCE, ids=lambda case: case.task)

Snapshot = dict[str, NDArray]


def seeds(count: int, first: int = 0) -> NDArray[np.uint64]:
    return np.arange(first, first + count, dtype=np.uint64)


def snapshot(environment: BatchedEnvironment) -> Snapshot:
    return {name: getattr(environment, name).copy() for name in environment.PUBLIC}


def rows_of(taken: Snapshot, rows: list[int]) -> Snapshot:
    return {name: array[rows] for name, array in taken.items()}


def assert_same(one: Snapshot, other: Snapshot) -> None:
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def randomly(environment: BatchedEnvironment, row_seeds: NDArray[np.uint64], steps: int | None) -> Iterator[NDArray[np.int64]]:
    """Steps by random actions that depend on a row's own seed alone, until all episodes end; yields the actions made."""
    streams = action_streams(np.resize(row_seeds, environment.batch_size) + np.uint64(10**9))
    made = 0
    while environment.running.any() and (steps is None or made < steps):
        actions = np.zeros((environment.batch_size, environment.team.n_agents), np.int64)
        random_available_actions(environment.available, streams, actions)
        environment.step(actions)
        made += 1
        yield actions


def play(environment: BatchedEnvironment, row_seeds: NDArray[np.uint64], steps: int | None = None) -> list[Snapshot]:
    """Resets, then plays randomly; the public arrays after the reset and after each step."""
    environment.reset(row_seeds)
    return [snapshot(environment)] + [snapshot(environment) for _ in randomly(environment, row_seeds, steps)]


@each_case
def test_a_task_and_its_environment_say_the_same_of_the_team(case: Case) -> None:
    task, environment = get_task(case.task), case.build(2)
    assert environment.backend == case.backend
    assert environment.team.n_agents == task.n_agents
    assert environment.team.horizon == task.horizon
    assert len(set(environment.team.agent_types)) == task.n_agent_types
    assert environment.deterministic == task.simulator(case.backend)[1].deterministic  # type: ignore[arg-type]
    environment.close()
    environment.close()


@each_case
def test_shapes_and_types_are_those_of_the_contract(case: Case) -> None:
    environment = case.build(3)
    n, o, a = environment.team.n_agents, environment.team.observation_size, environment.team.action_size
    expected = {
        "observation": ((3, n, o), np.float32),
        "state": ((3, environment.team.state_size), np.float32),
        "available": ((3, n, a), np.bool_),
        "alive": ((3, n), np.bool_),
        "running": ((3,), np.bool_),
        "team_reward": ((3,), np.float64),
        "individual_reward": ((3, n), np.float64),
        "terminated": ((3,), np.bool_),
        "truncated": ((3,), np.bool_),
        "success": ((3,), np.bool_),
    }
    for taken in play(environment, seeds(3), steps=2):
        assert {name: (array.shape, array.dtype.type) for name, array in taken.items()} == expected
    environment.close()


@each_case
def test_results_are_written_into_the_same_arrays(case: Case) -> None:
    environment = case.build(2)
    before = {name: getattr(environment, name) for name in environment.PUBLIC}
    play(environment, seeds(2), steps=2)
    assert all(getattr(environment, name) is array for name, array in before.items())
    environment.close()


@each_case
def test_every_row_is_frozen_before_the_first_reset(case: Case) -> None:
    environment = case.build(2)
    assert not environment.running.any()
    assert environment.available[:, :, 0].all()
    assert not environment.available[:, :, 1:].any()
    environment.close()


@each_case
def test_a_reset_starts_episodes_without_reward_or_end(case: Case) -> None:
    environment = case.build(4)
    play(environment, seeds(4), case.steps)
    environment.reset(seeds(4, first=100))
    assert environment.running.all()
    assert environment.alive.all()
    for name in ("team_reward", "individual_reward", "terminated", "truncated", "success"):
        assert not getattr(environment, name).any(), name
    environment.close()


@each_case
def test_padded_actions_and_observations_stay_empty_and_someone_can_always_act(case: Case) -> None:
    environment = case.build(case.rows)
    for taken in play(environment, seeds(case.rows), case.steps):
        assert np.isfinite(taken["observation"]).all()
        assert np.isfinite(taken["state"]).all()
        assert taken["available"].any(axis=2).all()
        for agent in range(environment.team.n_agents):
            assert not taken["available"][:, agent, environment.team.action_sizes[agent] :].any()
            assert not taken["observation"][:, agent, environment.team.observation_sizes[agent] :].any()
        dead = ~taken["alive"]
        assert taken["available"][dead][:, 0].all()
        assert not taken["available"][dead][:, 1:].any()
    environment.close()


@each_case
def test_an_ended_row_stays_frozen(case: Case) -> None:
    environment = case.build(case.rows)
    taken = play(environment, seeds(case.rows), case.steps)
    for before, after in pairwise(taken):
        ended = np.flatnonzero(~before["running"]).tolist()
        assert not after["team_reward"][ended].any()
        assert not after["individual_reward"][ended].any()
        assert not after["running"][ended].any()
        for name in ("observation", "state", "available", "alive", "terminated", "truncated", "success"):
            np.testing.assert_array_equal(after[name][ended], before[name][ended], err_msg=name)
    if case.steps is None:
        final = snapshot(environment)
        environment.step(np.zeros(environment.available.shape[:2], np.int64))
        assert not environment.running.any()
        assert not environment.team_reward.any()
        assert not environment.individual_reward.any()
        final["team_reward"][:] = 0
        final["individual_reward"][:] = 0
        assert_same(snapshot(environment), final)
    ended_rows = ~environment.running
    assert environment.available[ended_rows, :, 0].all()
    assert not environment.available[ended_rows, :, 1:].any()
    environment.close()


@each_case
def test_an_episode_ends_once_and_by_the_horizon_at_the_latest(case: Case) -> None:
    environment = case.build(case.rows)
    taken = play(environment, seeds(case.rows), case.steps)
    lengths = np.sum([one["running"] for one in taken], axis=0)
    final = taken[-1]
    assert lengths.max() <= environment.team.horizon
    if case.steps is None:
        assert not final["running"].any()
    ended = ~final["running"]
    np.testing.assert_array_equal(final["terminated"] ^ final["truncated"], ended)
    assert not (final["terminated"] & final["truncated"]).any()
    assert (lengths[final["truncated"]] == environment.team.horizon).all()
    for one in taken:
        assert not (one["running"] & (one["terminated"] | one["truncated"] | one["success"])).any()
    environment.close()


@each_case
def test_individual_rewards_sum_to_the_team_reward_where_the_environment_says_so(case: Case) -> None:
    environment = case.build(case.rows)
    if not environment.individual_sums_to_team:
        pytest.skip("this environment does not promise it")
    taken = play(environment, seeds(case.rows), case.steps)
    for one in taken:
        np.testing.assert_allclose(one["individual_reward"].sum(axis=1), one["team_reward"], rtol=1e-9, atol=1e-12)
    environment.close()


@each_case
def test_fewer_seeds_than_rows_leave_the_other_rows_frozen(case: Case) -> None:
    environment = case.build(4)
    play(environment, seeds(4), case.steps)
    taken = play(environment, seeds(2, first=7), case.steps)
    assert taken[0]["running"].tolist() == [True, True, False, False]
    for one in taken:
        rest = rows_of(one, [2, 3])
        assert rest.pop("available")[:, :, 0].all()
        assert not one["available"][2:, :, 1:].any()
        for name, array in rest.items():
            assert not array.any(), name
    environment.close()


@each_case
@pytest.mark.parametrize("count", [0, 4])
def test_a_reset_refuses_no_seeds_and_too_many(case: Case, count: int) -> None:
    environment = case.build(3)
    with pytest.raises(ValueError, match="reset takes 1 to 3 seeds"):
        environment.reset(seeds(count))
    environment.close()


@each_case
def test_an_action_that_cannot_be_taken_is_refused_and_nothing_moves(case: Case) -> None:
    environment, undisturbed = case.build(3), case.build(3)
    last = environment.team.n_agents - 1
    for one in (environment, undisturbed):
        one.reset(seeds(3))
    refused = 0
    for actions in randomly(undisturbed, seeds(3), case.steps or 20):
        forbidden = [-1, environment.team.action_size]
        forbidden += np.flatnonzero(~environment.available[1, last]).tolist()
        before = snapshot(environment)
        for action in forbidden:
            wrong = actions.copy()
            wrong[1, last] = action
            with pytest.raises(UnavailableAction, match=f"row 1, agent {last}: action {action} "):
                environment.step(wrong)
            assert_same(snapshot(environment), before)
            refused += 1
        environment.step(actions)
        assert_same(snapshot(environment), snapshot(undisturbed))
    assert refused > 2
    for one in (environment, undisturbed):
        one.close()


@each_case
def test_actions_of_another_shape_are_refused(case: Case) -> None:
    environment = case.build(2)
    environment.reset(seeds(2))
    with pytest.raises(ValueError, match="actions must have shape"):
        environment.step(np.zeros((1, environment.team.n_agents), np.int64))
    environment.close()


@each_case
def test_an_episode_does_not_depend_on_the_number_of_rows(case: Case) -> None:
    many, single = case.build(case.rows), case.build(1)
    if not many.deterministic:
        pytest.skip("this backend does not repeat itself")
    together = play(many, seeds(case.rows), case.steps)
    for row in (0, case.rows - 1):
        alone = play(single, seeds(1, first=row), case.steps)
        for step, one in enumerate(alone):
            assert_same(one, rows_of(together[step], [row]))
    for one_environment in (many, single):
        one_environment.close()


@each_native
def test_an_episode_among_512_ends_as_it_does_alone(case: Case) -> None:
    def final_states(environment: BatchedEnvironment, first: int) -> NDArray[np.uint64]:
        environment.reset(own := seeds(environment.batch_size, first=first))
        assert sum(1 for _ in randomly(environment, own, None)) > 0
        environment.step(np.zeros(environment.alive.shape, np.int64))  # clears what the last step paid
        return environment.fingerprint()

    together = final_states(case.build(512), 0)
    for row in (0, 300, 511):
        assert final_states(case.build(1), row)[0] == together[row]


@each_case
def test_the_same_seed_gives_the_same_episode_whatever_was_played_before(case: Case) -> None:
    environment, fresh = case.build(2), case.build(2)
    if not environment.deterministic:
        pytest.skip("this backend does not repeat itself")
    play(environment, seeds(2, first=50), case.steps)
    again, first = play(environment, seeds(2), case.steps), play(fresh, seeds(2), case.steps)
    assert len(again) == len(first)
    for one, other in zip(again, first, strict=True):
        assert_same(one, other)
    for one_environment in (environment, fresh):
        one_environment.close()


@each_case
def test_other_seeds_give_other_starts_unless_all_start_alike(case: Case) -> None:
    environment = case.build(min(case.rows, 8))
    environment.reset(seeds(environment.batch_size))
    assert (len(np.unique(environment.state, axis=0)) == 1) == case.fixed_start
    environment.close()


@each_reference
def test_a_package_whose_state_cannot_be_copied_says_so(case: Case) -> None:
    environment = case.build(1)
    environment.reset(seeds(1))
    with pytest.raises(NotForkable):
        environment.fork(np.array([0]))
    with pytest.raises(NotForkable):
        environment.rekey(seeds(1))
    with pytest.raises(NotForkable):
        environment.fingerprint()
    environment.close()


def advanced(case: Case, rows: int, steps: int) -> BatchedEnvironment:
    """An environment some random steps after its reset."""
    environment = case.build(rows)
    play(environment, seeds(rows), steps)
    return environment


@each_native
@given(chosen=st.lists(st.integers(0, 5), min_size=1, max_size=8), steps=st.integers(0, 30))
@settings(max_examples=15, deadline=None)
def test_a_fork_goes_on_as_the_uninterrupted_episode_does(case: Case, chosen: list[int], steps: int) -> None:
    environment = advanced(case, 6, steps)
    fork = environment.fork(np.array(chosen))
    assert_same(snapshot(fork), rows_of(snapshot(environment), chosen))
    for actions in randomly(environment, seeds(6, first=90), 20):
        fork.step(actions[chosen])
        assert_same(snapshot(fork), rows_of(snapshot(environment), chosen))
    np.testing.assert_array_equal(fork.fingerprint(), environment.fingerprint()[chosen])


@each_native
def test_playing_a_fork_leaves_its_origin_alone(case: Case) -> None:
    environment = advanced(case, 4, 3)
    before, marks = snapshot(environment), environment.fingerprint()
    fork = environment.fork(np.array([0, 0, 1, 3]))
    for _ in randomly(fork, seeds(4, first=90), None):
        pass
    assert_same(snapshot(environment), before)
    np.testing.assert_array_equal(environment.fingerprint(), marks)


@each_native
@pytest.mark.parametrize("rows", [[], [-1], [4], [[0]]])
def test_a_fork_of_rows_that_do_not_exist_is_refused(case: Case, rows: list) -> None:
    with pytest.raises(ValueError, match="rows must be"):
        advanced(case, 4, 1).fork(np.array(rows, np.int64))


@each_native
def test_new_keys_change_nothing_that_has_happened_and_equal_keys_give_equal_futures(case: Case) -> None:
    environment = advanced(case, 4, 3)
    one, other, third = (environment.fork(np.arange(4)) for _ in range(3))
    before = snapshot(one)
    one.rekey(seeds(4, first=500))
    other.rekey(seeds(4, first=500))
    third.rekey(seeds(4, first=900))
    assert_same(snapshot(one), before)
    np.testing.assert_array_equal(one.fingerprint(), other.fingerprint())
    assert (one.fingerprint() != third.fingerprint()).all()
    assert (one.fingerprint() != environment.fingerprint()).all()
    for actions in randomly(one, seeds(4, first=90), None):
        other.step(actions)
        assert_same(snapshot(one), snapshot(other))


@each_native
def test_keys_for_another_number_of_rows_are_refused(case: Case) -> None:
    with pytest.raises(ValueError, match="keys must have shape"):
        advanced(case, 4, 1).rekey(seeds(3))


@each_native
def test_fingerprints_are_equal_exactly_for_equal_rows(case: Case) -> None:
    environment, twin = case.build(4), case.build(4)
    for one in (environment, twin):
        one.reset(np.array([1, 2, 3, 1], np.uint64))
    start = environment.fingerprint()
    np.testing.assert_array_equal(start, twin.fingerprint())
    assert len(set(start.tolist())) == 3
    assert start[0] == start[3]
    for _ in randomly(environment, seeds(4), 1):
        pass
    moved = environment.fingerprint()
    assert (moved != start).all()
    np.testing.assert_array_equal(environment.fork(np.array([2, 2])).fingerprint(), moved[[2, 2]])
