"""The adapter of PettingZoo environments, on a toy with unequal agents, a death, masks and both kinds of ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.environments.adapters.pettingzoo import make
from benchmark.environments.adapters.rows import RowEnvironment
from benchmark.environments.adapters.workers import WorkerFailed
from benchmark.environments.checks import BrokenGame
from benchmark.environments.interface import NotForkable, UnavailableAction
from benchmark.environments.native.random_actions import action_streams, random_available_actions
from tests.fixtures.toy_parallel_env import GOAL, ToyParallelEnv

TOY = "tests.fixtures.toy_parallel_env:"
HORIZON = 8
SCOUT, GUARD, PORTER = 0, 1, 2


def toy(rows: int, constructor: str = "ToyParallelEnv", **settings: Any) -> RowEnvironment:
    settings = {"horizon": HORIZON, "success": TOY + "goal_reached"} | settings
    return make(rows, constructor=TOY + constructor, **settings)


def seeds(count: int, first: int = 0) -> NDArray[np.uint64]:
    return np.arange(first, first + count, dtype=np.uint64)


def play(environment: RowEnvironment, row_seeds: NDArray[np.uint64]) -> Iterator[dict[str, NDArray]]:
    """Plays randomly; the public arrays after the reset and each step, and the actions that led there."""
    environment.reset(row_seeds)
    streams = action_streams(np.resize(row_seeds, environment.batch_size) + np.uint64(77))
    actions = np.zeros((environment.batch_size, environment.team.n_agents), np.int64)
    yield {name: getattr(environment, name).copy() for name in environment.PUBLIC} | {"actions": actions.copy()}
    while environment.running.any():
        random_available_actions(environment.available, streams, actions)
        environment.step(actions)
        yield {name: getattr(environment, name).copy() for name in environment.PUBLIC} | {"actions": actions.copy()}


@pytest.fixture
def one() -> Iterator[RowEnvironment]:
    environment = toy(1)
    environment.reset(seeds(1))
    yield environment
    environment.close()


def guards_death(seed: int) -> int:
    return int(np.random.default_rng(seed).integers(2, 7))


def test_unequal_spaces_are_flattened_and_padded(one: RowEnvironment) -> None:
    assert one.team.observation_sizes == (6, 2, 4)
    assert one.team.action_sizes == (4, 3, 5)
    assert one.team.agent_types == (0, 1, 2)
    assert one.team.state_size == 12
    assert one.observation.shape == (1, 3, 6)
    assert not one.observation[0, GUARD, 2:].any()
    assert not one.available[0, GUARD, 3:].any()
    theirs, _ = ToyParallelEnv().reset(seed=0)
    np.testing.assert_array_equal(one.observation[0, SCOUT], theirs["scout"].ravel())
    np.testing.assert_array_equal(one.observation[0, GUARD, :2], theirs["guard"].astype(np.float32))
    np.testing.assert_array_equal(one.observation[0, PORTER, :4], theirs["porter"]["observation"])


def test_the_state_is_all_observations_one_after_the_other(one: RowEnvironment) -> None:
    parts = [one.observation[0, SCOUT], one.observation[0, GUARD, :2], one.observation[0, PORTER, :4]]
    np.testing.assert_array_equal(one.state[0], np.concatenate(parts))


def test_the_environments_own_state_is_used_on_request() -> None:
    environment = toy(1, state="environment")
    environment.reset(seeds(1))
    environment.step(np.array([[3, 0, int(environment.available[0, PORTER].argmax())]]))
    assert environment.team.state_size == 2
    assert environment.state[0].tolist() == [1, 1]
    environment.close()


def test_action_masks_come_from_dict_observations_and_from_infos(one: RowEnvironment) -> None:
    theirs, _ = ToyParallelEnv().reset(seed=0)
    assert one.available[0, SCOUT].tolist() == [True] * 4 + [False]
    assert one.available[0, GUARD].tolist() == [True, True, False, False, False]
    np.testing.assert_array_equal(one.available[0, PORTER], theirs["porter"]["action_mask"].astype(bool))
    with pytest.raises(UnavailableAction, match=r"row 0, agent 1: action 2 is not available; allowed: \[0, 1\]"):
        one.step(np.array([[0, 2, int(one.available[0, PORTER].argmax())]]))


def test_rewards_are_transformed_agent_by_agent() -> None:
    plain, scaled = toy(1), toy(1, reward_scale=2.0, reward_offset=-1.0)
    for environment in (plain, scaled):
        environment.reset(seeds(1))
        environment.step(np.array([[2, 1, int(environment.available[0, PORTER].argmax())]]))
    assert plain.individual_reward[0].tolist() == [2.0, 20.0, -1.0]
    assert scaled.individual_reward[0].tolist() == [3.0, 39.0, -3.0]
    assert scaled.team_reward[0] == 39.0
    assert scaled.individual_sums_to_team
    for environment in (plain, scaled):
        environment.close()


def test_the_teams_reward_can_be_the_mean() -> None:
    environment = toy(1, team="mean")
    environment.reset(seeds(1))
    environment.step(np.array([[2, 1, int(environment.available[0, PORTER].argmax())]]))
    assert environment.team_reward[0] == 7.0
    assert not environment.individual_sums_to_team
    environment.close()


def test_a_shared_reward_that_is_not_equal_is_refused() -> None:
    environment = toy(1, team="shared")
    environment.reset(seeds(1))
    with pytest.raises(ValueError, match="needs equal rewards"):
        environment.step(np.array([[2, 1, int(environment.available[0, PORTER].argmax())]]))
    environment.close()


def test_a_shared_reward_is_counted_once() -> None:
    environment = toy(1, team="shared", reward_scale=0.0, reward_offset=5.0)
    environment.reset(seeds(1))
    environment.step(np.array([[2, 1, int(environment.available[0, PORTER].argmax())]]))
    assert environment.team_reward[0] == 5.0
    assert environment.individual_reward[0].tolist() == [5.0, 5.0, 5.0]
    environment.close()


def test_a_dead_agent_has_zero_observations_while_the_others_continue() -> None:
    environment = toy(16)
    deaths = 0
    for step, now in enumerate(play(environment, seeds(16))):
        for row in np.flatnonzero(now["running"]).tolist():
            dead = step >= guards_death(row)
            deaths += dead
            assert now["alive"][row].tolist() == [True, not dead, True]
            if dead:
                assert not now["observation"][row, GUARD].any()
                assert now["available"][row, GUARD].tolist() == [True, False, False, False, False]
                assert (now["individual_reward"][row, GUARD] != 0) == (step == guards_death(row))
    assert deaths > 10
    environment.close()


def test_terminations_and_truncations_stay_apart() -> None:
    hurried, idle = toy(1), toy(1)
    for environment, action in ((hurried, 3), (idle, 0)):
        environment.reset(seeds(1))
        lengths = 0
        while environment.running.any():
            environment.step(np.array([[action, 0, int(environment.available[0, PORTER].argmax())]]))
            lengths += 1
        ended_truly = action == 3
        assert lengths == (GOAL if ended_truly else HORIZON)
        assert environment.terminated[0] == ended_truly
        assert environment.truncated[0] == (not ended_truly)
        assert environment.success[0] == ended_truly
        assert environment.observation[0, SCOUT].any()
        environment.close()


def test_a_death_in_the_last_step_does_not_hide_the_time_limit() -> None:
    last = guards_death(0)
    environment = toy(1, horizon=last, constructor_arguments={"max_steps": last})
    final = list(play(environment, seeds(1)))[-1]
    assert final["truncated"].tolist() == [True]
    assert final["alive"].tolist() == [[True, False, True]]
    environment.close()


def test_an_earlier_horizon_cuts_and_a_later_one_is_refused() -> None:
    short = toy(1, horizon=3)
    assert sum(1 for _ in play(short, seeds(1))) == 1 + 3
    assert short.truncated[0]
    short.close()
    wrong = toy(1, horizon=HORIZON + 1)
    with pytest.raises(ValueError, match=f"cut an episode after {HORIZON} steps, but the horizon is {HORIZON + 1}"):
        list(play(wrong, seeds(1)))
    wrong.close()


def test_equal_spaces_make_equal_types_unless_types_are_given() -> None:
    spread = make(1, constructor="mpe2.simple_spread_v3:parallel_env", horizon=25)
    assert spread.team.agent_types == (0, 0, 0)
    spread.close()
    given = toy(1, agent_types=[0, 1, 1])
    assert given.team.agent_types == (0, 1, 1)
    given.close()


def test_the_number_of_workers_changes_nothing() -> None:
    runs = []
    for workers in (0, 1, 3):
        environment = toy(7, workers=workers)
        runs.append(list(play(environment, seeds(7))) + list(play(environment, seeds(4, first=50))))
        environment.close()
    for other in runs[1:]:
        assert len(other) == len(runs[0])
        for now, then in zip(runs[0], other, strict=True):
            for name in now:
                np.testing.assert_array_equal(now[name], then[name], err_msg=name)
    assert runs[0][-1]["truncated"].any()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc to see what is mapped")
def test_shared_memory_has_no_name_that_could_outlive_its_processes() -> None:
    environment = toy(2, workers=1)
    mapped = [line for line in Path("/proc/self/maps").read_text().splitlines() if "/pym-" in line]
    assert mapped
    assert all(line.endswith("(deleted)") for line in mapped)
    environment.close()


def test_a_killed_worker_gives_a_clear_error_and_leaves_nothing_behind() -> None:
    before = set(active_children())
    environment = toy(4, workers=2)
    environment.reset(seeds(4))
    workers = sorted((child for child in active_children() if child not in before), key=lambda child: child.pid or 0)
    assert len(workers) == 2
    victim = workers[1]
    os.kill(victim.pid or 0, signal.SIGKILL)
    with pytest.raises(WorkerFailed, match=r"Worker \d \(rows \d to \d\) died with exit code -9; its episodes are lost"):
        environment.step(np.zeros((4, 3), np.int64) + environment.available.argmax(axis=2))
    assert set(active_children()) == before
    assert environment.observation.any()
    with pytest.raises(RuntimeError, match="closed"):
        environment.reset(seeds(4))
    environment.close()


def test_an_error_inside_a_worker_is_told_with_its_traceback() -> None:
    environment = toy(2, "FailingEnv", workers=2)
    with pytest.raises(WorkerFailed, match=r"(?s)Worker 0 \(rows 0 to 0\) failed:.*RuntimeError: the toy broke"):
        list(play(environment, seeds(2)))


def test_no_more_workers_are_started_than_there_are_rows() -> None:
    before = len(active_children())
    environment = toy(1, workers=5)
    assert len(active_children()) == before + 1
    environment.close()
    assert len(active_children()) == before


@pytest.mark.parametrize("kind", ["action", "observation"])
def test_spaces_that_are_not_supported_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match=r"scout .*; only"):
        toy(1, "UnsupportedEnv", constructor_arguments={"kind": kind})


def test_a_mask_that_allows_nothing_is_refused() -> None:
    environment = toy(1, constructor_arguments={"broken_mask": True})
    with pytest.raises(ValueError, match="the action mask of porter must allow one of 5 actions"):
        environment.reset(seeds(1))
    environment.close()


BROKEN = {
    "nobody after the reset": "row 0, step 0: agents is empty: nobody plays",
    "stranger": "row 0, step 2: agents has 'ghost', who is none of possible_agents: scout, guard, porter",
    "twice later": "row 0, step 2: agents has 'scout' twice",
    "shape": "row 0, step 2: the observation of scout is float32 [3, 2]; its space has numbers of shape [2, 3]",
    "missing": "row 0, step 2: there is no observation of porter, who is among the agents",
    "no reward": "row 0, step 2: the reward of scout is None; it must be one number",
    "rewards": "row 0, step 2: the reward of scout is array([1., 1.]); it must be one number",
    "mask": "row 0, step 2: the action mask of porter must allow one of 5 actions by 0 and 1, got [0 1 2 0 0]",
    "cut": "row 0, step 2: the package cut an episode after 2 steps, but the horizon is 8",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_what_a_package_cannot_mean_is_refused_with_row_step_and_value(fault: str) -> None:
    environment = toy(2, "BrokenEnv", constructor_arguments={"fault": fault})
    environment.task = "toy/broken"
    with pytest.raises(BrokenGame) as refused:
        list(play(environment, seeds(2, first=2)))
    assert str(refused.value) == f"toy/broken: {BROKEN[fault]}"


def test_observations_that_are_no_numbers_are_refused() -> None:
    environment = toy(1, "BrokenEnv", constructor_arguments={"fault": "type"})
    with pytest.raises(BrokenGame, match=r"step 2: the observation of scout is <U\d+ \[2, 3\]; its space has numbers"):
        list(play(environment, seeds(1, first=2)))


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [("twice", "possible_agents has 'scout' twice"), ("nobody", "possible_agents is empty: nobody plays")],
)
def test_a_list_of_agents_that_cannot_be_is_refused(fault: str, sentence: str) -> None:
    with pytest.raises(BrokenGame, match=f"^{sentence}$"):
        toy(1, "BrokenEnv", constructor_arguments={"fault": fault})


def test_a_broken_package_in_a_worker_is_refused_in_the_same_sentence() -> None:
    before = set(active_children())
    environment = toy(2, "BrokenEnv", workers=2, constructor_arguments={"fault": "shape"})
    with pytest.raises(BrokenGame) as refused:
        list(play(environment, seeds(2, first=2)))
    assert str(refused.value) == f"RowEnvironment: {BROKEN['shape']}"
    assert set(active_children()) == before


@pytest.mark.parametrize("wrong", [{"team": "best"}, {"state": "pixels"}, {"workers": -1}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        toy(1, **wrong)


def test_the_adapter_cannot_fork(one: RowEnvironment) -> None:
    with pytest.raises(NotForkable):
        one.fork(np.array([0]))
