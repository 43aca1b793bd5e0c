"""The interface between the on-policy learner and the methods that redistribute an episode's return over agents and steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from algorithms.interface import Episodes


@dataclass(frozen=True)
class Redistribution:
    """The redistributed returns of a batch of episodes.

    shares [B, T, N]: the credit of each agent at each step, zero where the agent did not act. reward [B, T, N]: the reward
    that the learner uses in place of the environment's, zero where the step did not happen. `monitors`: numbers, or tensors
    of one number.
    """

    shares: Tensor
    reward: Tensor
    monitors: dict[str, Tensor | float] = field(default_factory=dict)


class Redistributor(ABC):
    """Replaces the reward of the learner. Owns its model, episode buffer, optimiser and random state.

    One update calls `observe`, then, if `ready`, `redistribute` and the policy update, then `fit`: the policy always learns
    from the model before it is fitted to these episodes.
    """

    @abstractmethod
    def observe(self, episodes: Episodes) -> None:
        """Receives the episodes just collected; a redistributor that stores them must copy them."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether the policy may learn from `redistribute`; False during warm-up."""

    @abstractmethod
    def redistribute(self, episodes: Episodes) -> Redistribution:
        """Redistributes the returns of the episodes. Called without gradients; changes no state, including the random state."""

    @abstractmethod
    def fit(self) -> dict[str, Tensor | float]:
        """Fits the model to the observed episodes if a fit is due; returns losses and other monitors, empty if it was not."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything the next calls depend on."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the result of `state_dict`."""
