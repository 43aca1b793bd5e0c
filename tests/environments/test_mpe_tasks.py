"""The listed tasks of spread and tag: sizes as published, scores as recorded, and the unit of the published returns."""

from __future__ import annotations

import pytest

from benchmark.environments.reference_scores.random_policy import random_policy_returns
from benchmark.environments.reference_scores.scripted_policy import scripted_returns
from benchmark.environments.tasks.mpe import FAMILY, KNOWN_BEST, RANDOM_RETURNS, SCRIPTED_RETURNS
from benchmark.environments.tasks.registry import get_task

OBSERVATIONS = {
    "mpe/simple_spread-3": 18,
    "mpe/simple_spread-6": 36,
    "mpe/simple_tag-3": 16,
    "mpe/stas-spread-3": 14,
    "mpe/stas-spread-6": 26,
    "mpe/stas-spread-15": 26,
    "mpe/stas-tag-3": 16,
    "mpe/stas-tag-6": 28,
    "mpe/stas-tag-15": 34,
}
QUICK_EPISODES = 4096


@pytest.mark.parametrize("name", FAMILY.names)
def test_every_task_builds_the_environment_that_it_describes(name: str) -> None:
    task = get_task(name)
    environment = task.build(2)
    assert environment.team.n_agents == task.n_agents
    assert environment.team.horizon == task.horizon
    assert environment.individual_sums_to_team


@pytest.mark.parametrize("name", OBSERVATIONS)
def test_observations_are_as_large_as_published(name: str) -> None:
    assert set(get_task(name).build(1).team.observation_sizes) == {OBSERVATIONS[name]}


def test_the_random_policy_scores_what_the_published_unit_says() -> None:
    measured = random_policy_returns(get_task("mpe/simple_spread-3"), 100_000, 0)
    assert measured["mean_return"] == pytest.approx(-231.8, abs=2.0)


@pytest.mark.parametrize("name", FAMILY.names)
def test_the_recorded_random_return_is_what_the_random_policy_scores(name: str) -> None:
    measured = random_policy_returns(get_task(name), QUICK_EPISODES, 1)
    assert measured["mean_return"] == pytest.approx(RANDOM_RETURNS[name], abs=4.5 * measured["standard_error"])


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTED_RETURNS)
def test_the_recorded_scripted_return_is_what_the_script_scores(name: str) -> None:
    measured = scripted_returns(get_task(name), 100, 1)
    assert measured["mean_return"] == pytest.approx(SCRIPTED_RETURNS[name], abs=4.5 * measured["standard_error"])


def test_the_script_reaches_the_best_published_return() -> None:
    name = "mpe/simple_spread-3"
    assert scripted_returns(get_task(name), 200, 0)["mean_return"] > KNOWN_BEST[name][0]


def test_the_script_catches_random_prey() -> None:
    assert scripted_returns(get_task("mpe/seca-predator-prey"), 100, 0)["success_rate"] > 0.95


def test_other_tasks_have_no_script() -> None:
    with pytest.raises(ValueError, match="no script for lbf/8x8-2p-2f-coop"):
        scripted_returns(get_task("lbf/8x8-2p-2f-coop"), 2, 0)


@pytest.mark.parametrize("name", FAMILY.names)
def test_the_upper_anchor_is_above_the_lower(name: str) -> None:
    scores = get_task(name).reference_scores
    assert scores is not None
    assert scores.best > scores.random
    assert name in scores.random_source
