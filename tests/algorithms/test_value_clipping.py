"""Value clipping with value normalisation, from the equations of MAPPO's own code (Yu et al. 2022).

For u the outputs of the critic before the update, v its outputs in a gradient step, and y the returns, normalised by the
statistics that already contain them:
    loss = mean max((v - y)^2 / 2, (u + clip(v - u, -eps, eps) - y)^2 / 2).
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from algorithms.advantages.gae import GAE, VALUE_NORMALISATION_DECAY
from algorithms.interface import Episodes
from algorithms.settings.policy_gradient import IPPOSettings
from tests.fixtures.toy_team import random_episodes, toy_context, toy_team

TEAM = toy_team()
BEFORE, RATE, CLIP = -3.0, 0.5, 0.2


class ConstantCritic(nn.Module):
    """One parameter: the same output for every state and agent. Adam's first step changes it by the learning rate."""

    def __init__(self, *arguments: object) -> None:
        super().__init__()
        self.output = nn.Parameter(torch.tensor(BEFORE))

    def inputs(self, episodes: Episodes, indices: Tensor) -> tuple[Tensor]:
        return (indices,)

    def forward(self, indices: Tensor) -> Tensor:
        return self.output.expand(len(indices), TEAM.n_agents)

    def separate_networks(self) -> list[nn.Module]:
        return [self]


def critic(epochs: int, mean: float, deviation: float) -> GAE:
    """Values are the outputs times `deviation` plus `mean`. With gamma and lambda 1, targets are the rewards to come."""
    settings = IPPOSettings(
        value_clip=CLIP, epochs=epochs, minibatches=1, critic_learning_rate=RATE, discount=1.0, gae_lambda=1.0
    )
    estimator = GAE(settings, toy_context(TEAM, regime="individual"), ConstantCritic)  # type: ignore[arg-type]
    estimator._normaliser.load_state_dict({"sums": torch.tensor([1.0, mean, mean**2 + deviation**2])})
    return estimator


def normalised_returns(episodes: Episodes, mean: float, deviation: float) -> list[float]:
    """The rewards to come of all steps and agents, normalised after the statistics have been moved towards them."""
    returns = [
        float(episodes.individual_reward[row, time : int(length), agent].double().sum())
        for row, length in enumerate(episodes.length)
        for time in range(int(length))
        for agent in range(TEAM.n_agents)
    ]
    share = 1 - VALUE_NORMALISATION_DECAY
    first = (1 - share) * mean + share * sum(returns) / len(returns)
    second = (1 - share) * (mean**2 + deviation**2) + share * sum(y * y for y in returns) / len(returns)
    return [(y - first) / math.sqrt(second - first**2) for y in returns]


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (40.0, 0.5)], ids=["settled", "far from these returns"])
def test_a_value_is_clipped_about_the_output_before_the_update(mean: float, deviation: float) -> None:
    episodes = random_episodes(TEAM, 16, seed=1)
    returns = normalised_returns(episodes, mean, deviation)
    direction = math.copysign(1.0, sum(returns) / len(returns) - BEFORE)
    after, kept = BEFORE + direction * RATE, BEFORE + direction * CLIP
    first = [(BEFORE - y) ** 2 / 2 for y in returns]
    second = [max((after - y) ** 2 / 2, (kept - y) ** 2 / 2) for y in returns]
    monitors = critic(2, mean, deviation).fit(episodes, episodes.individual_reward)
    expected = (sum(first) + sum(second)) / (2 * len(returns))
    assert float(monitors["value_loss"]) == pytest.approx(expected, rel=1e-4)


def test_a_change_of_the_normaliser_leaves_every_sample_its_gradient() -> None:
    """The gradient of the first step is the mean of v - y, to which every sample contributes."""
    episodes = random_episodes(TEAM, 16, seed=1)
    returns = normalised_returns(episodes, 40.0, 0.5)
    gradient = sum(BEFORE - y for y in returns) / len(returns)
    monitors = critic(1, 40.0, 0.5).fit(episodes, episodes.individual_reward)
    assert float(monitors["critic_gradient_norm"]) == pytest.approx(abs(gradient), rel=1e-4)
