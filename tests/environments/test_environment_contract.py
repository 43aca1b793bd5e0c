"""What every environment of every backend must do, whatever it simulates; forks have test_environment_forks.py."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.environments.interface import BatchedEnvironment, UnavailableAction
from benchmark.environments.tasks.registry import get_task
from tests.fixtures.environment_cases import (
    Case,
    assert_same,
    each_case,
    each_native,
    play,
    randomly,
    rows_of,
    seeds,
    snapshot,
)


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
    assert (len(np.unique(environment.state, axis=0)) > 1) == get_task(case.task).random_starts
    environment.close()
