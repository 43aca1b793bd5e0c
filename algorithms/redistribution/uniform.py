"""Uniform redistribution: the return in equal parts over the steps; the baseline of TAR2's authors.

share "full": r_{t,i} = R / L while agent i is alive, so that an agent that survives receives R in total (as released);
"split": r_{t,i} = R / (number of actions taken in the episode), so that all shares sum to R.
Standardised advantages do not depend on the difference in scale. Agents that die receive the same fraction under both.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from algorithms.advantages.gae import GAE
from algorithms.interface import Episodes, LearnerContext
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.policy_gradient.redistributor import Redistribution, Redistributor
from algorithms.redistribution.models.reward_assignment import assign_rewards
from algorithms.redistribution.models.trajectories import Trajectories
from algorithms.settings.redistribution import RedistributedPPOSettings, UniformSettings


def build(settings: RedistributedPPOSettings, context: LearnerContext) -> PolicyGradient:
    """PPO with uniformly redistributed returns."""
    assert isinstance(settings.redistribution, UniformSettings)
    redistributor = Uniform(settings.redistribution)
    return PolicyGradient(settings, context, GAE(settings, context), redistributor)


class Uniform(Redistributor):
    """Splits returns into equal parts; there is nothing to learn."""

    def __init__(self, settings: UniformSettings) -> None:
        self._settings = settings

    def observe(self, episodes: Episodes) -> None:
        pass

    def ready(self) -> bool:
        return True

    def redistribute(self, episodes: Episodes) -> Redistribution:
        trajectories = Trajectories.of(episodes)
        split = self._settings.share == "split"
        divisor = trajectories.acting.sum((1, 2)) if split else trajectories.length
        shares = trajectories.acting * (trajectories.returns / divisor.clamp(min=1))[:, None, None]
        return assign_rewards(shares, trajectories, self._settings)

    def fit(self) -> dict[str, Tensor | float]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass
