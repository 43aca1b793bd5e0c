"""Whatever a game gives that cannot be right is refused in one sentence: task, field, row, agent, step and value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from algorithms.plugins import UserError
from algorithms.team import ImpossibleTeam
from benchmark.environments.checks import BrokenGame, GameChecks, validate_returns
from benchmark.environments.interface import BatchedEnvironment
from benchmark.environments.reference_scores.random_policy import random_policy_returns
from benchmark.environments.tasks.registry import Simulator, get_task
from tests.fixtures.broken_games import FAULTS, SoundGame, broken
from tests.fixtures.environment_cases import Case, each_case, randomly, seeds
from tests.fixtures.toy_team import toy_team


def played(environment: BatchedEnvironment, rows: int = 3, steps: int | None = None) -> None:
    """Plays a checked batch at random."""
    checks = GameChecks(environment, rows)
    environment.reset(own := seeds(rows))
    checks.reset()
    made = 0
    for _ in randomly(environment, own, steps):
        checks.step()
        made += 1
    checks.end(made)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_game_cannot_mean_is_refused_in_one_sentence(fault: str) -> None:
    environment = broken(fault).build(3)
    with pytest.raises(BrokenGame) as refused:
        played(environment)
    assert str(refused.value) == f"broken/{fault.replace(' ', '-')}: {FAULTS[fault].sentence}"


@pytest.mark.parametrize("batch", [1, 2])
def test_a_game_that_is_not_ours_is_checked_in_every_batch(batch: int) -> None:
    environment = SoundGame(3)
    for _ in range(batch):
        played(environment)
    environment.fault = FAULTS["nan reward"].happen
    with pytest.raises(BrokenGame, match=r"^SoundGame: team_reward of row 1, step 3 is nan"):
        played(environment)


@each_case
def test_every_environment_passes_all_checks(case: Case) -> None:
    environment = case.build(min(case.rows, 8))
    played(environment, environment.batch_size, case.steps)
    environment.close()


def test_our_own_simulators_are_checked_in_full_in_their_first_batch_and_at_the_end_of_later_ones() -> None:
    environment = get_task("lbf/5x5-2p-1f-coop").build(2)
    checks = GameChecks(environment, 2)
    environment.reset(seeds(2))
    environment.available[1, 0] = False
    with pytest.raises(BrokenGame, match=r"^lbf/5x5-2p-1f-coop: available of row 1, agent 0, step 0 is empty"):
        checks.reset()
    played(environment, 2)
    later = GameChecks(environment, 2)
    environment.reset(seeds(2))
    environment.observation[1, 0, 0] = np.nan
    later.reset()
    later.step()
    with pytest.raises(BrokenGame, match=r"^lbf/5x5-2p-1f-coop: observation of row 1, agent 0, step 1 is nan"):
        later.end(1)


def test_the_rewards_of_an_episode_have_a_finite_sum() -> None:
    validate_returns(SoundGame(3), np.array([1.0, -2.0, 3e38]))
    with pytest.raises(BrokenGame, match=r"^SoundGame: the team rewards of row 1 sum to nan over the episode$"):
        validate_returns(SoundGame(3), np.array([1.0, np.nan, np.inf]))


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({"n_agents": 3}, "the task declares n_agents 3, but its game has 2"),
        ({"n_agent_types": 1}, "the task declares n_agent_types 1, but its game has 2"),
        ({"horizon": 5}, "the task declares horizon 5, but its game has 4"),
    ],
)
def test_a_game_is_the_one_that_its_task_declares(declared: dict[str, int], sentence: str) -> None:
    with pytest.raises(BrokenGame, match=f"^broken/sound: {sentence}$"):
        broken("", **declared).build(3)


def test_a_simulator_that_is_no_environment_is_refused() -> None:
    with pytest.raises(BrokenGame, match=r"^broken/sound: the simulator gave .*, which is no BatchedEnvironment"):
        broken("", native=Simulator("tests.environments.test_checks:no_environment")).build(3)


def no_environment(batch_size: int) -> dict[str, int]:
    return {"rows": batch_size}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"n_agents": 0}, r"TeamShape.n_agents is 0; at least 1 is needed"),
        ({"horizon": 0}, r"TeamShape.horizon is 0; at least 1 is needed"),
        ({"action_size": 0}, r"TeamShape.action_sizes is \(0, 0, 0\); at least 1 is needed for every agent"),
        ({"agent_types": (0,)}, r"TeamShape.agent_types needs one entry per agent: 3"),
    ],
)
def test_a_team_that_cannot_be_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ImpossibleTeam, match=f"^{sentence}$"):
        toy_team(**change)
    assert issubclass(ImpossibleTeam, UserError)


def test_the_score_of_the_random_policy_is_none_of_a_broken_game() -> None:
    assert random_policy_returns(broken(""), 4, seed=0)["mean_return"] == 6.0
    with pytest.raises(BrokenGame, match="team_reward of row 1, step 3 is nan"):
        random_policy_returns(broken("nan reward"), 4, seed=0)
