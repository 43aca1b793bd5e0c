"""The samples that the actors of one group learn from: single steps for feed-forward actors, whole episodes for recurrent ones.

Minibatches contain only samples in which an agent was alive to act: padding and dead agents are not in the loss.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from algorithms.interface import Episodes
from algorithms.networks.perceptrons import TeamNetworks, masked_logits
from algorithms.optimisation.minibatches import Rows, flat_step_indices, take

Minibatch = tuple[Tensor, Tensor, Tensor, Tensor]
"""Masked logits [M, A] (with gradients), actions [M], their log-probabilities when chosen [M], advantages [M]."""


class ActorSamples(Protocol):
    """Samples of one group of actors. Minibatches are drawn from `rows`: steps of an agent, or episodes."""

    rows: int

    def minibatch(self, rows: Rows) -> Minibatch:
        """The samples of these rows, with the logits of the current actors."""
        ...


class StepSamples:
    """All (episode, step, agent) that acted, flattened: a row is one sample."""

    def __init__(
        self, actors: TeamNetworks, group: int, episodes: Episodes, advantage: Tensor, last_action: Tensor | None
    ) -> None:
        self._network = actors.network(group)
        agents = actors.agents_of(group)
        indices, indices_with_final = flat_step_indices(episodes.acting[:, :, agents])
        if last_action is not None:
            last_action = torch.cat([last_action, last_action[:, -1:]], 1)
        self._inputs = _select(actors.inputs(group, episodes.observation, last_action), indices_with_final)
        self._available = _select(episodes.available[:, :, agents], indices_with_final)
        self._action = _select(episodes.action[:, :, agents, None], indices)
        self._scores = _select(torch.stack([episodes.log_probability, advantage], -1)[:, :, agents], indices)
        self.rows = len(indices)

    def minibatch(self, rows: Rows) -> Minibatch:
        logits = masked_logits(self._network(take(self._inputs, rows)), take(self._available, rows))
        scores = take(self._scores, rows)
        return logits, take(self._action, rows)[:, 0], scores[:, 0], scores[:, 1]


class EpisodeSamples:
    """Whole episodes, unrolled from a hidden state of zeros: a row is one episode."""

    def __init__(
        self, actors: TeamNetworks, group: int, episodes: Episodes, advantage: Tensor, last_action: Tensor | None
    ) -> None:
        self._network = actors.network(group)
        agents = actors.agents_of(group)
        inputs = actors.inputs(group, episodes.observation[:, :-1], last_action)
        self._inputs = inputs.transpose(0, 1).contiguous()
        self._acting = episodes.acting[:, :, agents].transpose(0, 1)
        self._available = episodes.available[:, :-1, agents].transpose(0, 1)
        self._action = episodes.action[:, :, agents].transpose(0, 1)
        self._scores = torch.stack([episodes.log_probability, advantage], -1)[:, :, agents].transpose(0, 1)
        self.rows = len(episodes.length)

    def minibatch(self, rows: Rows) -> Minibatch:
        inputs = _episodes(self._inputs, rows)
        features = self._network.unroll(inputs)
        acting = _episodes(self._acting, rows)
        logits = self._network.head(features[acting])
        scores = _episodes(self._scores, rows)[acting]
        return (
            masked_logits(logits, _episodes(self._available, rows)[acting]),
            _episodes(self._action, rows)[acting],
            scores[:, 0],
            scores[:, 1],
        )


def previous_actions(action: Tensor) -> Tensor:
    """Each agent's action at the previous step [B, T, N]; -1 at the first step."""
    return torch.cat([torch.full_like(action[:, :1], -1), action[:, :-1]], 1)


def _select(values: Tensor, indices: Tensor) -> Tensor:
    """values [B, T, G, K] at flat indices [M] into the first three dimensions: [M, K]."""
    return values.flatten(0, 2).index_select(0, indices)


def _episodes(values: Tensor, rows: Rows) -> Tensor:
    """The episodes `rows` of values [T, B, …]."""
    return values if isinstance(rows, slice) else values.index_select(1, rows)
