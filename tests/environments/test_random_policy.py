"""The random driver, and the scores of the random policy that tasks are normalised by."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from algorithms.seeds import derive, episode_seeds
from benchmark.environments.native.random_actions import action_streams, random_available_actions
from benchmark.environments.reference_scores import random_policy
from benchmark.environments.reference_scores.random_policy import random_policy_returns
from benchmark.environments.tasks.lbf import resolve
from benchmark.environments.tasks.registry import Task


def task(name: str) -> Task:
    found = resolve(name)
    assert found is not None
    return found


def draw(available: np.ndarray, seeds: np.ndarray, times: int) -> np.ndarray:
    """[times, B, N] actions drawn one after the other."""
    streams, drawn = action_streams(seeds.astype(np.uint64)), []
    for _ in range(times):
        actions = np.full(available.shape[:2], -7, np.int64)
        random_available_actions(available, streams, actions)
        drawn.append(actions)
    return np.array(drawn)


def test_every_available_action_is_equally_likely_and_no_other_is_drawn() -> None:
    available = np.array([[[True, False, True, True, False, True], [False, True, False, False, True, False]]])
    drawn = draw(available, np.array([3]), 20_000)
    for agent, allowed in enumerate(([0, 2, 3, 5], [1, 4])):
        values, counts = np.unique(drawn[:, 0, agent], return_counts=True)
        assert values.tolist() == allowed
        assert chisquare(counts).pvalue > 1e-3


def test_agents_and_rows_draw_independently() -> None:
    drawn = draw(np.ones((2, 2, 2), bool), np.array([1, 2]), 4000).reshape(4000, 4)
    correlation = np.corrcoef(drawn.T)
    assert np.abs(correlation[np.triu_indices(4, k=1)]).max() < 5 / 4000**0.5


def test_a_row_s_draws_depend_on_its_own_seed_alone() -> None:
    available = np.random.default_rng(0).random((5, 3, 4)) < 0.6
    available[:, :, 0] = True
    together = draw(available, np.arange(5), 50)
    alone = draw(available[3:4], np.array([3]), 50)
    np.testing.assert_array_equal(together[:, 3:4], alone)


def test_the_only_available_action_is_taken_without_drawing() -> None:
    available = np.zeros((1, 2, 3), bool)
    available[0, 0, 0] = available[0, 1, 2] = True
    streams = action_streams(np.array([4], np.uint64))
    before, actions = streams.copy(), np.zeros((1, 2), np.int64)
    random_available_actions(available, streams, actions)
    assert actions.tolist() == [[0, 2]]
    np.testing.assert_array_equal(streams, before)


def test_the_measure_equals_a_plain_loop_over_single_episodes() -> None:
    played = task("lbf/5x5-2p-1f-coop")
    returns, lengths, successes = [], [], []
    for episode in range(40):
        environment = played.build(1)
        environment.reset(episode_seeds(derive(5, "random policy", "environment"), episode, 1))
        streams = action_streams(episode_seeds(derive(5, "random policy", "actions"), episode, 1))
        total, length = 0.0, 0
        while environment.running[0]:
            actions = np.zeros((1, 2), np.int64)
            random_available_actions(environment.available, streams, actions)
            environment.step(actions)
            total += environment.team_reward[0]
            length += 1
        returns.append(total)
        lengths.append(length)
        successes.append(environment.success[0])
    measured = random_policy_returns(played, 40, seed=5)
    assert 0 < sum(successes) < 40
    assert measured == pytest.approx(
        {
            "mean_return": np.mean(returns),
            "standard_error": np.std(returns, ddof=1) / 40**0.5,
            "success_rate": np.mean(successes),
            "mean_length": np.mean(lengths),
        }
    )


def test_the_measure_does_not_depend_on_how_many_rows_are_played_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    played = task("lbf/8x8-2p-3f")
    expected = random_policy_returns(played, 100, seed=2)
    monkeypatch.setitem(random_policy.ROWS, "native", 37)
    assert random_policy_returns(played, 100, seed=2) == expected
    assert random_policy_returns(played, 100, seed=3) != expected


def test_one_episode_is_too_few_for_a_standard_error() -> None:
    with pytest.raises(ValueError, match="at least 2 episodes"):
        random_policy_returns(task("lbf/8x8-2p-3f"), 1, seed=0)


@pytest.mark.parametrize(
    "name",
    ["lbf/5x5-2p-1f-coop", "lbf/10x10-3p-3f-2s", "lbf/15x15-4p-5f-exclusive", "lbf/8x8-2p-4f-coop-winner"],
)
def test_the_committed_random_scores_are_measured_again(name: str) -> None:
    scores = task(name).reference_scores
    assert scores is not None
    measured = random_policy_returns(task(name), 20_000, seed=1)
    assert abs(measured["mean_return"] - scores.random) <= 5 * measured["standard_error"]


def test_the_real_package_gives_the_committed_random_score() -> None:
    played = task("lbf/8x8-2p-3f")
    measured = random_policy_returns(played, 400, seed=1, backend="reference")
    assert played.reference_scores is not None
    assert abs(measured["mean_return"] - played.reference_scores.random) <= 5 * measured["standard_error"]
