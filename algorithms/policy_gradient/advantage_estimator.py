"""The interface between the on-policy learner, which owns the actors, and the methods that estimate advantages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor

from algorithms.interface import Episodes, Influence


class AdvantageEstimator(ABC):
    """Estimates advantages. Owns its critics, world models, normalisers, optimisers and random state.

    One update calls, with the same arguments:
        estimate, the actors' epochs, fit      by default: PPO, whose advantages use the values before the update
        fit, estimate, the actors' epochs      with `critic_before_actor`: COMA and SeCA, whose critic is updated first
    `fit` chooses its own epochs and minibatches. Actors and critics share no parameters, so separate epochs give the same
    gradients as interleaved ones.
    """

    critic_before_actor: ClassVar[bool] = False
    needs_policy: ClassVar[bool] = False
    """Whether `policy` is computed, which takes one more forward pass of the actors over the batch."""

    @abstractmethod
    def estimate(self, episodes: Episodes, reward: Tensor, policy: Tensor | None) -> Tensor:
        """The advantage [B, T, N] of every action taken, before any standardisation. Called without gradients.

        reward [B, T, N]: each agent's reward, from the regime or from a redistribution. policy [B, T, N, A]: the
        probabilities of the actors that collected the episodes, None unless `needs_policy`. Results where an agent did not
        act are ignored.
        """

    @abstractmethod
    def fit(self, episodes: Episodes, reward: Tensor, policy: Tensor | None) -> dict[str, Tensor | float]:
        """Learns from the episodes; returns losses and other monitors (tensors of one number, or numbers)."""

    def influence(self, episodes: Episodes) -> Influence | None:
        """The agents that each action influences, None for estimators without such a graph.

        Called without gradients. Changes no state, including the random state.
        """
        return None

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything the next `estimate` and `fit` depend on."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the result of `state_dict`."""
