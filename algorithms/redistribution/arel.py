"""AREL: attention over time and agents learns a reward for every step (Xiao et al. 2022, arXiv 2201.04612).

`depth` pairs of causal attention over the steps of each agent and attention over the agents of each step map tokens
[B, T, N, E] to features x_{t,i}. A linear readout h_{t,i} = w x_{t,i} + b gives, for `readout`
* "team": one reward per step, r_t = sum of h_{t,i} over the acting agents, which does not depend on their order. The shares
  divide it equally among them; with `payment` "team" every agent's reward is r_t, which is AREL;
* "agent": the scores h_{t,i} themselves, used with `payment` "agent" (the "agent-temporal" form that TAR2 was compared with).

    loss = mean (sum_t r_t - R)^2 + variance_weight * mean Var_t r_t
The variance term pulls rewards towards equal values; for "agent" it is each agent's variance over the steps at which it acts.
Rewards sum to the return up to the regression error, which the variance term keeps above zero.

Every head is as wide as the whole layer (scale 1 / sqrt(E), no biases); layers are followed by LayerNorm; feed-forward nets
E -> 4E -> E with ReLU. There is no agent index in the tokens: the model is equivariant to the order of the agents.

Differs from the authors' code: tokens contain observation and action (theirs the next observation only); agents that do not
act are masked and get no reward (theirs handles neither deaths nor unequal lengths); the readout's three consecutive linear
layers are one here (the same functions, with another parametrisation); width 64 by default, not the smaller of 100 and the
observation size; returns are divided by their standard deviation over the buffer; the gradient is clipped; PPO instead of an
off-policy actor-critic. The mixture of learned and terminal reward in the paper is not in the authors' code, and not here. Not
followed: the re-implementation in TAR2's code, which subtracts the variance (with weight 0) and regresses N copies of a step's
reward, so that each agent gets a part of it.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from algorithms.interface import LearnerContext, TeamShape
from algorithms.networks.attention import EncoderLayer, EncoderShape, causal_mask, uniform_linear
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.redistribution.models.reward_model import RewardModel, ppo_with_reward_model
from algorithms.redistribution.models.tokens import TokenEmbedding
from algorithms.redistribution.models.trajectories import Trajectories
from algorithms.seeds import learner_seed
from algorithms.settings.redistribution import ARELSettings, RedistributedPPOSettings, RewardModelSettings


def build(settings: RedistributedPPOSettings, context: LearnerContext) -> PolicyGradient:
    """PPO with AREL's rewards."""
    assert isinstance(settings.redistribution, ARELSettings)
    generator = torch.Generator().manual_seed(learner_seed(context.seed, "reward model"))
    return ppo_with_reward_model(settings, context, AREL(settings.redistribution, context.team, generator))


class AREL(RewardModel):
    """The reward model of AREL. Deterministic: it does not use `generator`."""

    def __init__(self, settings: ARELSettings, team: TeamShape, generator: torch.Generator) -> None:
        super().__init__(settings)
        self._settings = settings
        self.tokens = TokenEmbedding(team, settings.width, generator)
        self.attention = WideAttention(settings, "relu", generator)
        self.readout = uniform_linear(settings.width, 1, generator)

    def scores(self, trajectories: Trajectories, generator: torch.Generator, training: bool) -> Tensor:
        acting = trajectories.acting
        features = self.attention(self.tokens(trajectories), acting)[-1]
        scores: Tensor = self.readout(features).squeeze(-1) * acting
        if self._settings.readout == "agent":
            return scores
        return acting * (scores.sum(-1, keepdim=True) / acting.sum(-1, keepdim=True).clamp(min=1))

    def loss(self, trajectories: Trajectories, target: Tensor, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        acting = trajectories.acting
        scores = self.scores(trajectories, generator, training=True)
        regression = self.regression(scores.sum((1, 2)), target)
        if self._settings.readout == "team":
            variance = variance_over_time(scores.sum(-1), acting.any(-1)).mean()
        else:
            took_part = acting.any(1)
            variance = variance_over_time(scores, acting)[took_part].mean()
        loss = regression + self._settings.variance_weight * variance
        return loss, {"reward_model_loss": regression.detach(), "reward_variance": variance.detach()}


class WideAttention(nn.Module):
    """`depth` pairs of attention over time and attention over agents, with heads of the full width, as in AREL."""

    def __init__(self, settings: RewardModelSettings, activation: Literal["relu", "gelu"], generator: torch.Generator) -> None:
        super().__init__()
        width = settings.width
        shape = EncoderShape(width, settings.heads, feed_forward=4 * width, activation=activation, wide_heads=True)
        self.temporal = nn.ModuleList(EncoderLayer(shape, generator) for _ in range(settings.depth))
        self.agents = nn.ModuleList(EncoderLayer(shape, generator) for _ in range(settings.depth))

    def forward(self, x: Tensor, acting: Tensor) -> list[Tensor]:
        """Tokens [B, T, N, E], acting [B, T, N] bool -> the features [B, T, N, E] after each pair of layers.

        Attention over time is causal; attention over agents is over the agents that act. Dead agents stay dead, so no step at
        which an agent acts attends to one at which it does not.
        """
        batch, steps, agents, width = x.shape
        earlier = causal_mask(acting.new_ones(1, steps))
        present = acting.view(batch * steps, 1, 1, agents)
        features = []
        for temporal, among_agents in zip(self.temporal, self.agents, strict=True):
            x = among_agents(temporal(x, earlier).view(batch * steps, agents, width), present).view(x.shape)
            features.append(x)
        return features


def variance_over_time(rewards: Tensor, live: Tensor) -> Tensor:
    """Var_t of rewards [B, T, …] over the live entries [B, T, …] bool: [B, …]."""
    count = live.sum(1, keepdim=True).clamp(min=1)
    mean = (rewards * live).sum(1, keepdim=True) / count
    return ((rewards - mean).square() * live).sum(1) / count.squeeze(1)
