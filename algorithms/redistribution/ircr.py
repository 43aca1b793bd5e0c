"""IRCR: iterative relative credit refinement, on policy (Gangwani et al. 2020, arXiv 2010.12718).

The guidance reward of a state and action is the expected, scaled return of the episodes that contain them. On policy it is
estimated from the one episode in which the action was taken:
    r_{t,i} = (R - R_min) / (max(R_max - R_min, 1e-6) L)   while agent i is alive,
with the extremes over all episodes collected so far. Differs from the authors' code, which is off policy (SAC), keeps the best
episodes beside the newest, and does not divide by the length in its multi-agent form. The rewards do not sum to the return;
where lengths vary, they contain a bonus for every step survived.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from algorithms.advantages.gae import GAE
from algorithms.interface import Episodes, LearnerContext
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.policy_gradient.redistributor import Redistribution, Redistributor
from algorithms.redistribution.models.reward_assignment import assign_rewards
from algorithms.redistribution.models.trajectories import Trajectories
from algorithms.settings.redistribution import IRCRSettings, RedistributedPPOSettings

SMALLEST_RANGE = 1e-6


def build(settings: RedistributedPPOSettings, context: LearnerContext) -> PolicyGradient:
    """PPO with the scaled return of the episode as reward."""
    assert isinstance(settings.redistribution, IRCRSettings)
    redistributor = IRCR(settings.redistribution)
    return PolicyGradient(settings, context, GAE(settings, context), redistributor)


class IRCR(Redistributor):
    """Its only state is the smallest and the largest return so far."""

    def __init__(self, settings: IRCRSettings) -> None:
        self._settings = settings
        self._lowest, self._highest = math.inf, -math.inf

    def observe(self, episodes: Episodes) -> None:
        returns = Trajectories.of(episodes).returns
        self._lowest = min(self._lowest, float(returns.min()))
        self._highest = max(self._highest, float(returns.max()))

    def ready(self) -> bool:
        return self._lowest <= self._highest

    def redistribute(self, episodes: Episodes) -> Redistribution:
        trajectories = Trajectories.of(episodes)
        guidance = (trajectories.returns - self._lowest) / max(self._highest - self._lowest, SMALLEST_RANGE)
        shares = trajectories.acting * (guidance / trajectories.length)[:, None, None]
        return assign_rewards(shares, trajectories, self._settings)

    def fit(self) -> dict[str, Tensor | float]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {"lowest": self._lowest, "highest": self._highest}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._lowest, self._highest = state["lowest"], state["highest"]
