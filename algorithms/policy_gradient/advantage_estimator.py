"""The seam between the on-policy learner, which owns the actors, and whatever judges their actions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor

from algorithms.interface import Episodes, Influence


class AdvantageEstimator(ABC):
    """Judges actions. Owns its critics, world models, normalisers, optimisers and random state.

    One update calls, with the same arguments:
        estimate, the actors' epochs, fit      unless `critic_before_actor`: PPO, where values are those of before the update
        fit, estimate, the actors' epochs      with `critic_before_actor`: COMA and SeCA, whose critic learns before it judges
    `fit` runs whatever epochs and minibatches it likes. Actors and critics share no parameters, so epochs of their own
    give the same gradients as interleaved ones, and each can drop and shuffle the rows that it needs.
    """

    critic_before_actor: ClassVar[bool] = False
    needs_policy: ClassVar[bool] = False
    """Whether `policy` is computed: one more forward pass of the actors over the batch."""

    @abstractmethod
    def estimate(self, episodes: Episodes, reward: Tensor, policy: Tensor | None) -> Tensor:
        """The advantage [B, T, N] of every action taken, before any standardisation; called without gradients.

        reward [B, T, N]: what each agent is paid, by the regime or by a redistribution. policy [B, T, N, A]: the
        probabilities of the actors that collected the episodes, None unless `needs_policy`. Values where an agent did
        not act are ignored.
        """

    @abstractmethod
    def fit(self, episodes: Episodes, reward: Tensor, policy: Tensor | None) -> dict[str, Tensor | float]:
        """Learns from the episodes; returns losses and other monitors (tensors of one number, or numbers)."""

    def influence(self, episodes: Episodes) -> Influence | None:
        """Whom each action is taken to influence; None where the estimator does not say. Called without gradients; changes
        nothing, random state included."""
        return None

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything the next estimate and the next fit depend on."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave."""
