"""The shell of every learned redistribution: an episode buffer, a schedule, and a reward model fitted to returns.

A model gives each agent at each step a score; the scores of an episode are fitted to sum to its (scaled) return, and
become shares of it. Whoever writes a model subclasses `RewardModel`; buffer, warm-up, optimiser and monitors are here.
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
"""Returns that vary less than this are not blown up to deviations of 1."""


class RewardModel(nn.Module, ABC):
    """Scores the actions of whole episodes.

    `draw` is the source of whatever a model draws (coalitions, dropout): in training a generator that goes on, at reward
    time one that starts anew each time, so that equal episodes get equal rewards.
    """

    @abstractmethod
    def scores(self, trajectories: Trajectories, draw: torch.Generator, training: bool) -> Tensor:
        """c [B, T, N], zero where an agent did not act, in units of the scaled return. `training`: dropout and the like."""

    def loss(self, trajectories: Trajectories, target: Tensor, draw: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """What one gradient step minimises, for target [B] (the scaled returns), and monitors without gradients."""
        loss = self.regression(self.scores(trajectories, draw, training=True).sum((1, 2)), target)
        return loss, {"reward_model_loss": loss.detach()}

    def shares(self, scores: Tensor, trajectories: Trajectories, scale: Tensor) -> Tensor:
        """From scores to shares [B, T, N] of the return, zero where an agent did not act; by default scores x scale."""
        return scores * scale

    def __init__(self, settings: RewardModelSettings) -> None:
        super().__init__()
        self._squared = settings.loss == "squared"

    def regression(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The mean loss of predicted returns [B]."""
        return F.mse_loss(prediction, target) if self._squared else F.huber_loss(prediction, target)


def ppo_with_reward_model(settings: RedistributedPPOSettings, context: LearnerContext, model: RewardModel) -> PolicyGradient:
    """PPO paid by a reward model."""
    assert isinstance(settings.redistribution, RewardModelSettings)
    redistributor = LearnedRedistributor(settings.redistribution, context, model)
    return PolicyGradient(settings, context, GAE(settings, context), redistributor)


class LearnedRedistributor(Redistributor):
    """Fits `model` to the returns of the episodes in its buffer and pays by it.

    The fit of the return that is reported (`return_r2`) is that of episodes just collected, which the model has not
    seen: 1 - (mean squared error) / Var R, 0 where the returns do not vary.
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
            budget=context.budget,
        )
        self._buffer = EpisodeBuffer(settings.buffer_episodes, context.device)
        self._sampling = torch.Generator().manual_seed(learner_seed(context.seed, "reward model batches"))
        self._drawing = torch.Generator().manual_seed(learner_seed(context.seed, "reward model draws"))
        self._reward_time_seed = learner_seed(context.seed, "reward time")
        self._episodes = 0
        self._waiting = 0
        self._owed = 0.0
        self._steps = 0
        self._scale = torch.ones((), device=context.device)

    def observe(self, episodes: Episodes) -> None:
        self._buffer.add(Trajectories.of(episodes))
        self._episodes += len(episodes.length)
        self._waiting += len(episodes.length)
        self._owed += len(episodes.length) * self._settings.gradient_steps_per_episode

    def ready(self) -> bool:
        return self._episodes >= self._settings.warm_up_episodes and self._steps > 0

    def redistribute(self, episodes: Episodes) -> Redistribution:
        trajectories = Trajectories.of(episodes)
        draw = torch.Generator().manual_seed(self._reward_time_seed)
        scores = self.model.scores(trajectories, draw, training=False)
        shares = self.model.shares(scores, trajectories, self._scale)
        found = assign_rewards(shares, trajectories, self._settings)
        found.monitors["return_r2"] = explained_return(scores.sum((1, 2)) * self._scale, trajectories.returns)
        return found

    def fit(self) -> dict[str, Tensor | float]:
        settings = self._settings
        enough = len(self._buffer) >= settings.batch_episodes
        if not enough or self._waiting < settings.fit_interval or self._owed < 1:
            return {}
        self._waiting = 0
        self._scale = self._buffer.returns.std(correction=0).clamp(min=SMALLEST_SCALE)
        found: list[dict[str, Tensor]] = []
        while self._owed >= 1:
            self._owed -= 1
            batch = self._buffer.sample(settings.batch_episodes, self._sampling)
            loss, monitors = self.model.loss(batch, batch.returns / self._scale, self._drawing)
            monitors["reward_model_gradient_norm"] = self._optimiser.minimise(loss)
            found.append(monitors)
            self._steps += 1
        return {name: torch.stack([monitors[name] for monitors in found]).mean() for name in found[0]}

    def state_dict(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "buffer": self._buffer.state_dict(),
            "sampling": self._sampling.get_state(),
            "drawing": self._drawing.get_state(),
            "episodes": self._episodes,
            "waiting": self._waiting,
            "owed": self._owed,
            "steps": self._steps,
            "scale": self._scale,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._buffer.load_state_dict(state["buffer"])
        self._sampling.set_state(state["sampling"].cpu())
        self._drawing.set_state(state["drawing"].cpu())
        self._episodes, self._waiting, self._owed = state["episodes"], state["waiting"], state["owed"]
        self._steps, self._scale = state["steps"], state["scale"].to(self._scale.device)


def explained_return(prediction: Tensor, returns: Tensor) -> Tensor:
    """1 - mean squared error / variance of the returns [B]; unlike an explained variance it charges for an offset.

    0 where the returns do not vary: sums of equal rewards in another order differ by rounding, which explains nothing.
    """
    spread = returns.var(correction=0)
    error = (returns - prediction).square().mean()
    equal = spread <= (1e-6 * returns.abs().max()).square()  # this way round, so that a NaN shows
    return torch.where(equal, torch.zeros_like(spread), 1 - error / spread)
