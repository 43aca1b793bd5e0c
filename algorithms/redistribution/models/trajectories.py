"""Whole episodes with their returns, the data of a reward model, and the buffer of the newest episodes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from algorithms.interface import Episodes


@dataclass(frozen=True)
class Trajectories:
    """B episodes, padded to the longest (T steps), with returns but without the rewards of their steps.

    observation [B, T+1, N, O], action [B, T, N] int64, acting [B, T, N] bool (the step happened and the agent was alive
    when it chose), running [B, T] bool (the step happened), returns [B]: the undiscounted sum of the team's rewards.
    """

    observation: Tensor
    action: Tensor
    acting: Tensor
    running: Tensor
    returns: Tensor

    @staticmethod
    def of(episodes: Episodes) -> Trajectories:
        """The trajectories of these episodes, without copying."""
        returns = (episodes.team_reward * episodes.running).sum(1)
        return Trajectories(episodes.observation, episodes.action, episodes.acting, episodes.running, returns)

    def __len__(self) -> int:
        return len(self.returns)

    @property
    def length(self) -> Tensor:
        """[B] int64: the number of steps that happened."""
        return self.running.sum(1)

    def rows(self, index: Tensor) -> Trajectories:
        """The episodes of these rows, copied."""
        return Trajectories(**{entry.name: getattr(self, entry.name)[index] for entry in fields(self)})

    def trimmed(self) -> Trajectories:
        """A copy whose T is the length of the longest episode."""
        longest = int(self.length.max())
        return Trajectories(
            self.observation[:, : longest + 1].clone(),
            self.action[:, :longest].clone(),
            self.acting[:, :longest].clone(),
            self.running[:, :longest].clone(),
            self.returns.clone(),
        )

    def padded(self, steps: int) -> Trajectories:
        """Padded to T = `steps` with zeros."""
        missing = steps - self.running.shape[1]
        if missing == 0:
            return self
        observation, action, acting, running = (
            torch.cat([value, value.new_zeros(len(value), missing, *value.shape[2:])], 1)
            for value in (self.observation, self.action, self.acting, self.running)
        )
        return Trajectories(observation, action, acting, running, self.returns)

    @staticmethod
    def concatenate(parts: Sequence[Trajectories]) -> Trajectories:
        """All episodes of the parts, padded to the longest."""
        if len(parts) == 1:
            return parts[0]
        longest = max(part.running.shape[1] for part in parts)
        padded = [part.padded(longest) for part in parts]
        return Trajectories(
            **{entry.name: torch.cat([getattr(part, entry.name) for part in padded]) for entry in fields(Trajectories)}
        )


class EpisodeBuffer:
    """The newest `capacity` episodes, first in first out: a queue of immutable batches."""

    def __init__(self, capacity: int, device: torch.device) -> None:
        if capacity < 1:
            raise ValueError(f"the capacity of a buffer must be at least 1 episode, not {capacity}")
        self._capacity = capacity
        self._device = device
        self._segments: deque[Trajectories] = deque()

    def __len__(self) -> int:
        return sum(map(len, self._segments))

    def add(self, trajectories: Trajectories) -> None:
        """Copies the episodes into the buffer and removes the oldest beyond the capacity."""
        self._segments.append(trajectories.trimmed())
        excess = len(self) - self._capacity
        while excess > 0:
            oldest = self._segments.popleft()
            if len(oldest) > excess:
                self._segments.appendleft(oldest.rows(torch.arange(excess, len(oldest), device=oldest.returns.device)))
            excess -= len(oldest)

    @property
    def returns(self) -> Tensor:
        """The returns [M] of all episodes, oldest first."""
        return torch.cat([segment.returns for segment in self._segments])

    def sample(self, count: int, generator: torch.Generator) -> Trajectories:
        """`count` episodes drawn uniformly without replacement, trimmed. Raises ValueError if the buffer holds fewer."""
        if count > len(self):
            raise ValueError(f"cannot sample {count} episodes: the buffer holds {len(self)}")
        chosen = torch.randperm(len(self), generator=generator)[:count].sort().values
        parts, first = [], 0
        bounds = torch.tensor([0, *map(len, self._segments)]).cumsum(0)
        for segment, (low, high) in zip(
            self._segments, torch.searchsorted(chosen, torch.stack([bounds[:-1], bounds[1:]], 1)).tolist(), strict=True
        ):
            if high > low:
                parts.append(segment.rows((chosen[low:high] - first).to(segment.returns.device)))
            first += len(segment)
        return Trajectories.concatenate(parts).trimmed()

    def state_dict(self) -> dict[str, Any]:
        """The batches of episodes."""
        return {"segments": [{entry.name: getattr(part, entry.name) for entry in fields(part)} for part in self._segments]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the result of `state_dict`."""
        self._segments = deque(
            Trajectories(**{name: tensor.to(self._device) for name, tensor in segment.items()}) for segment in state["segments"]
        )
