"""Redistribution without a model (uniform, IRCR), reward assignment, and its monitors."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from algorithms.interface import Episodes
from algorithms.redistribution.ircr import IRCR
from algorithms.redistribution.models.reward_assignment import assign_rewards, evenness, monitors
from algorithms.redistribution.models.trajectories import Trajectories
from algorithms.redistribution.uniform import Uniform
from algorithms.settings.redistribution import IRCRSettings, RedistributionSettings, UniformSettings
from tests.fixtures.toy_team import random_episodes, toy_team

TEAM = toy_team(n_agents=2)
RETURNS = torch.tensor([12.0, -6.0, 0.0])


def three_episodes() -> Episodes:
    """Of 3, 2 and 1 steps with returns 12, -6 and 0; in the first, agent 1 acts at the first two steps only."""
    episodes = random_episodes(TEAM, 3, 0)
    length = torch.tensor([3, 2, 1])
    steps = torch.arange(TEAM.horizon)
    running = steps < length[:, None]
    alive = torch.ones_like(episodes.alive)
    alive[0, 2:, 1] = False
    reward = torch.zeros_like(episodes.team_reward)
    reward[0, 0], reward[0, 2], reward[1, 1] = 13.0, -1.0, -6.0
    reward[1, 4] = 99.0  # after the end, where there should be no reward: it is not counted either
    return replace(episodes, length=length, running=running, alive=alive, team_reward=reward)


def trajectories() -> Trajectories:
    return Trajectories.of(three_episodes())


def expected(first: list[list[float]], second: list[list[float]], third: list[list[float]]) -> Tensor:
    """[3, T, 2] of the entries at the steps that happened."""
    values = torch.zeros(3, TEAM.horizon, 2)
    for row, entries in enumerate((first, second, third)):
        values[row, : len(entries)] = torch.tensor(entries)
    return values


def test_a_trajectory_has_the_return_but_no_rewards() -> None:
    actual = trajectories()
    assert torch.equal(actual.returns, RETURNS)
    assert torch.equal(actual.length, torch.tensor([3, 2, 1]))
    assert not hasattr(actual, "team_reward")


def test_full_uniform_shares_are_the_return_over_the_length_for_every_living_agent() -> None:
    uniform = Uniform(UniformSettings()).redistribute(three_episodes())
    assert torch.equal(uniform.shares, expected([[4, 4], [4, 4], [4, 0]], [[-3, -3], [-3, -3]], [[0, 0]]))
    assert torch.equal(uniform.reward, uniform.shares)


def test_uniform_split_sums_to_the_return() -> None:
    uniform = Uniform(UniformSettings(share="split")).redistribute(three_episodes())
    assert torch.allclose(uniform.shares, expected([[2.4, 2.4], [2.4, 2.4], [2.4, 0]], [[-1.5, -1.5]] * 2, [[0, 0]]))
    assert float(uniform.monitors["sum_error_max"]) < 1e-6
    assert float(uniform.monitors["time_entropy"]) < 1  # the third step of the first episode has one living agent less


def test_uniform_needs_no_warm_up_and_learns_nothing() -> None:
    uniform = Uniform(UniformSettings())
    uniform.observe(three_episodes())
    assert uniform.ready()
    assert uniform.fit() == {}


def test_ircr_scales_by_the_extremes_of_all_episodes_seen() -> None:
    ircr = IRCR(IRCRSettings())
    assert not ircr.ready()
    earlier = three_episodes()
    ircr.observe(replace(earlier, team_reward=earlier.team_reward * 2))  # returns 24, -12, 0
    ircr.observe(three_episodes())
    assert ircr.ready()
    first, second, third = (24 / 36 / 3, 6 / 36 / 2, 12 / 36)
    shares = expected([[first] * 2, [first] * 2, [first, 0]], [[second] * 2] * 2, [[third] * 2])
    redistribution = ircr.redistribute(three_episodes())
    assert torch.allclose(redistribution.shares, shares)
    resumed = IRCR(IRCRSettings())
    resumed.load_state_dict(ircr.state_dict())
    assert torch.equal(resumed.redistribute(three_episodes()).shares, redistribution.shares)


def test_ircr_rewards_are_zero_while_all_returns_are_equal() -> None:
    episodes = three_episodes()
    episodes = replace(episodes, team_reward=episodes.running / episodes.length[:, None])
    ircr = IRCR(IRCRSettings())
    ircr.observe(episodes)
    assert ircr.redistribute(episodes).shares.abs().max() < 1e-6


SHARES = expected([[1, 5], [2, 1], [3, 0]], [[-2, 0], [-4, 1]], [[2, -1]])


def assigned(**settings: Any) -> Tensor:
    return assign_rewards(SHARES, trajectories(), RedistributionSettings(**settings)).reward


def test_by_default_an_agents_reward_is_its_own_share() -> None:
    assert torch.equal(assigned(), SHARES)


def test_with_team_payment_all_agents_get_the_sum_of_a_step_dead_ones_included() -> None:
    assert torch.equal(assigned(payment="team"), expected([[6, 6], [3, 3], [3, 3]], [[-2, -2], [-3, -3]], [[1, 1]]))


def test_the_monitors_are_those_computed_by_hand() -> None:
    actual = {name: float(value) for name, value in monitors(SHARES, trajectories()).items()}
    errors = (abs(12 - 12) / 12, abs(-5 + 6) / 6, abs(1 - 0) / 1)
    assert actual["sum_error_mean"] == pytest.approx(sum(errors) / 3)
    assert actual["sum_error_max"] == pytest.approx(1.0)

    def entropy(*parts: float) -> float:
        return -sum(p * math.log(p) for p in parts if p) / math.log(len(parts))

    # Sizes of the steps: 6, 3, 3 | 2, 5 | one step only. Of the agents: 6, 6 | 6, 1 | 2, 1.
    assert actual["time_entropy"] == pytest.approx((entropy(1 / 2, 1 / 4, 1 / 4) + entropy(2 / 7, 5 / 7)) / 2)
    assert actual["agent_entropy"] == pytest.approx((1 + entropy(6 / 7, 1 / 7) + entropy(2 / 3, 1 / 3)) / 3)


def test_evenness_is_one_for_equal_parts_and_zero_for_a_single_one() -> None:
    counts = torch.tensor([4])
    assert evenness(torch.full((1, 6), 0.0).index_fill(1, torch.arange(4), 3.0), counts) == pytest.approx(1.0)
    assert evenness(torch.tensor([[0.0, 7.0, 0.0, 0.0]]), counts) == 0
    nothing_to_spread = torch.tensor([[0.0, 0.0], [5.0, 0.0]])
    assert evenness(nothing_to_spread, torch.tensor([2, 1])) == 1


def test_a_nan_share_gives_nan_monitors() -> None:
    broken = SHARES.clone()
    broken[1, 0, 0] = math.nan
    actual = monitors(broken, trajectories())
    assert math.isnan(actual["sum_error_mean"])
    assert math.isnan(actual["sum_error_max"])
