"""Learned redistribution: a reward model fitted to returns, an episode buffer, and a schedule.

A reward model scores each agent at each step. The scores of an episode are fitted to sum to its scaled return R / scale, and
are converted to shares of R. A new method subclasses `RewardModel`; buffer, warm-up, optimiser and monitors are here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from algorithms.advantages.gae import GAE
from algorithms.interface import Episodes, LearnerContext
from algorithms.optimisation.optimiser import Optimiser
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.policy_gradient.redistributor import Redistribution, Redistributor
from algorithms.redistribution.models.reward_assignment import assign_rewards
from algorithms.redistribution.models.trajectories import EpisodeBuffer, Trajectories
from algorithms.seeds import learner_seed
from algorithms.settings.redistribution import RedistributedPPOSettings, RewardModelSettings

SMALLEST_SCALE = 1e-3
"""Lower bound of the scale: returns whose standard deviation is smaller are divided by this."""


class RewardModel(nn.Module, ABC):
    """Scores the actions of whole episodes.

    `generator`: for coalitions and dropout. Persistent in training; re-seeded for each reward call, so equal episodes get equal
    rewards.
    """

    @abstractmethod
    def scores(self, trajectories: Trajectories, generator: torch.Generator, training: bool) -> Tensor:
        """Scores c [B, T, N] in units of the scaled return, zero where an agent did not act. `training`: with dropout."""

    def loss(self, trajectories: Trajectories, target: Tensor, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of one gradient step, for target [B] (the scaled returns), and monitors without gradients."""
        loss = self.regression(self.scores(trajectories, generator, training=True).sum((1, 2)), target)
        return loss, {"reward_model_loss": loss.detach()}

    def shares(self, scores: Tensor, trajectories: Trajectories, scale: Tensor) -> Tensor:
        """Shares [B, T, N] of the return, zero where an agent did not act; by default scores * scale."""
        return scores * scale

    def __init__(self, settings: RewardModelSettings) -> None:
        super().__init__()
        self._squared = settings.loss == "squared"

    def regression(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The mean loss of predicted returns [B]."""
        return F.mse_loss(prediction, target) if self._squared else F.huber_loss(prediction, target)


def ppo_with_reward_model(settings: RedistributedPPOSettings, context: LearnerContext, model: RewardModel) -> PolicyGradient:
    """PPO with rewards from a reward model."""
    assert isinstance(settings.redistribution, RewardModelSettings)
    redistributor = LearnedRedistributor(settings.redistribution, context, model)
    return PolicyGradient(settings, context, GAE(settings, context), redistributor)


class LearnedRedistributor(Redistributor):
    """Fits `model` to the returns of the episodes in its buffer and assigns rewards by it.

    The monitor `return_r2` is 1 - (mean squared error) / Var R on the episodes just collected, before the model is fitted to
    them; 0 where the returns do not vary.
    """

    def __init__(self, settings: RewardModelSettings, context: LearnerContext, model: RewardModel) -> None:
        self._settings = settings
        self.model = model.to(context.device)
        self._optimiser = Optimiser(
            [self.model.parameters()],
            settings.learning_rate,
            gradient_norm=settings.gradient_norm,
            epsilon=1e-8,
            weight_decay=settings.weight_decay,
            schedule="constant",
            context=context,
        )
        self._buffer = EpisodeBuffer(settings.buffer_episodes, context.device)
        self._sampling = torch.Generator().manual_seed(learner_seed(context.seed, "reward model batches"))
        self._training_draws = torch.Generator().manual_seed(learner_seed(context.seed, "reward model draws"))
        self._reward_time_seed = learner_seed(context.seed, "reward time")
        self._episodes = 0
        self._episodes_since_fit = 0
        self._gradient_steps_due = 0.0
        self._gradient_steps = 0
        self._scale = torch.ones((), device=context.device)

    def observe(self, episodes: Episodes) -> None:
        self._buffer.add(Trajectories.of(episodes))
        self._episodes += len(episodes.length)
        self._episodes_since_fit += len(episodes.length)
        self._gradient_steps_due += len(episodes.length) * self._settings.gradient_steps_per_episode

    def ready(self) -> bool:
        return self._episodes >= self._settings.warm_up_episodes and self._gradient_steps > 0

    def redistribute(self, episodes: Episodes) -> Redistribution:
        trajectories = Trajectories.of(episodes)
        generator = torch.Generator().manual_seed(self._reward_time_seed)
        scores = self.model.scores(trajectories, generator, training=False)
        shares = self.model.shares(scores, trajectories, self._scale)
        redistribution = assign_rewards(shares, trajectories, self._settings)
        redistribution.monitors["return_r2"] = explained_return(scores.sum((1, 2)) * self._scale, trajectories.returns)
        return redistribution

    def fit(self) -> dict[str, Tensor | float]:
        settings = self._settings
        holds_a_batch = len(self._buffer) >= settings.batch_episodes
        if not holds_a_batch or self._episodes_since_fit < settings.fit_interval or self._gradient_steps_due < 1:
            return {}
        self._episodes_since_fit = 0
        self._scale = self._buffer.returns.std(correction=0).clamp(min=SMALLEST_SCALE)
        all_monitors: list[dict[str, Tensor]] = []
        while self._gradient_steps_due >= 1:
            self._gradient_steps_due -= 1
            batch = self._buffer.sample(settings.batch_episodes, self._sampling)
            loss, monitors = self.model.loss(batch, batch.returns / self._scale, self._training_draws)
            monitors["reward_model_gradient_norm"] = self._optimiser.minimise(loss)
            all_monitors.append(monitors)
            self._gradient_steps += 1
        return {name: torch.stack([monitors[name] for monitors in all_monitors]).mean() for name in all_monitors[0]}

    def state_dict(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "buffer": self._buffer.state_dict(),
            "sampling": self._sampling.get_state(),
            "drawing": self._training_draws.get_state(),
            "episodes": self._episodes,
            "waiting": self._episodes_since_fit,
            "owed": self._gradient_steps_due,
            "steps": self._gradient_steps,
            "scale": self._scale,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._buffer.load_state_dict(state["buffer"])
        self._sampling.set_state(state["sampling"].cpu())
        self._training_draws.set_state(state["drawing"].cpu())
        self._episodes, self._episodes_since_fit, self._gradient_steps_due = state["episodes"], state["waiting"], state["owed"]
        self._gradient_steps, self._scale = state["steps"], state["scale"].to(self._scale.device)


def explained_return(prediction: Tensor, returns: Tensor) -> Tensor:
    """1 - mean squared error / variance of the returns [B]. Unlike the explained variance, a constant offset lowers it.

    0 where the returns differ by no more than rounding errors.
    """
    variance = returns.var(correction=0)
    error = (returns - prediction).square().mean()
    equal = variance <= (1e-6 * returns.abs().max()).square()  # False for NaN, so that the result is NaN
    return torch.where(equal, torch.zeros_like(variance), 1 - error / variance)
