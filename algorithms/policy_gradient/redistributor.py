"""The seam between the on-policy learner and whatever splits an episode's return over its agents and steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from algorithms.interface import Episodes


@dataclass(frozen=True)
class Redistribution:
    """What a redistributor makes of a batch of episodes.

    shares [B, T, N]: what it credits each agent at each step with, zero where the agent did not act. reward [B, T, N]:
    what the learner is paid in its place, zero where the step did not happen. `monitors`: tensors of one number, or numbers.
    """

    shares: Tensor
    reward: Tensor
    monitors: dict[str, Tensor | float] = field(default_factory=dict)


class Redistributor(ABC):
    """Replaces the reward that the learner sees. Owns its model, episode buffer, optimiser and random state.

    One update calls observe, then, if it is ready, redistribute (and the policy learns), then fit: the policy always
    learns from the model as it was before these episodes were fitted.
    """

    @abstractmethod
    def observe(self, episodes: Episodes) -> None:
        """Takes in the episodes just collected; a redistributor that keeps them copies them."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether the policy may learn from `redistribute` yet; until then the episodes only warm it up."""

    @abstractmethod
    def redistribute(self, episodes: Episodes) -> Redistribution:
        """Splits the returns of the episodes. Called without gradients; changes nothing, draws nothing from its state."""

    @abstractmethod
    def fit(self) -> dict[str, Tensor | float]:
        """Learns from what it observed, if it is due; returns losses and other monitors, empty if it was not."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything the next call depends on."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave."""
