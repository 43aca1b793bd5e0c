"""All that a new method has to know: Algorithm, Episodes, TeamShape, Step, Credit.

Shape letters: **B** episodes in a batch, **T** steps, **N** agents, **A** actions, **O** observation size,
**S** state size, **R** rows of a batch of acting teams.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import torch
from torch import Tensor

from algorithms.team import REGIMES, Regime, StateField, TeamShape

__all__ = [
    "CONTEXT_PREFIX",
    "REGIMES",
    "Algorithm",
    "Collection",
    "Credit",
    "Episodes",
    "Influence",
    "LearnerContext",
    "Memory",
    "Mode",
    "Regime",
    "StateField",
    "Step",
    "TeamShape",
]

Mode = Literal["train", "greedy", "sample"]
"""How to act: with the method's exploration, with the most likely action, or sampled from the policy."""

Memory = dict[str, Tensor]
"""What a policy carries from step to step (recurrent state, last action, goal …): tensors [R, …], indexed by row."""

CONTEXT_PREFIX = "context/"
"""An entry "context/x" of the memory that `begin` gives is kept for the whole episode, as `Episodes.context["x"]`."""


@dataclass(frozen=True)
class LearnerContext:
    """What an algorithm is built for.

    `budget`: environment steps of the whole run, for schedules. `seed`: of this run's networks and of whatever
    the algorithm draws in `update`. `time_limit`: whether the value of the state at the time limit is 0 ("terminal")
    or estimated ("bootstrap").
    """

    team: TeamShape
    regime: Regime
    budget: int
    seed: int
    time_limit: Literal["terminal", "bootstrap"] = "terminal"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


@dataclass
class Episodes:
    """B whole episodes, padded to the longest (T steps). All arithmetic over it is masked by `running`.

    observation [B, T+1, N, O], state [B, T+1, S], available [B, T+1, N, A] bool, alive [B, T+1, N] bool,
    action [B, T, N] int64, log_probability [B, T, N], team_reward [B, T], individual_reward [B, T, N],
    running [B, T] bool (the step happened), terminated [B, T] bool, truncated [B, T] bool (set on an episode's
    last step), success [B] bool, length [B] int64, seed [B] int64.
    After its last step an episode's observation and state hold the final values; rewards are 0.
    `extras`: per-step tensors [B, T, …] that the algorithm asked to keep (`Step.extras`); `context`: per-episode
    tensors [B, …] (see CONTEXT_PREFIX); `privileged`: what only a simulator knows, for entries whose registry line requires it.
    """

    observation: Tensor
    state: Tensor
    available: Tensor
    alive: Tensor
    action: Tensor
    log_probability: Tensor
    team_reward: Tensor
    individual_reward: Tensor
    running: Tensor
    terminated: Tensor
    truncated: Tensor
    success: Tensor
    length: Tensor
    seed: Tensor
    extras: dict[str, Tensor] = field(default_factory=dict)
    context: dict[str, Tensor] = field(default_factory=dict)
    privileged: dict[str, Tensor] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Environment steps taken, over all episodes."""
        return int(self.length.sum())

    @property
    def acting(self) -> Tensor:
        """[B, T, N] bool: the step happened and the agent was alive to choose its action."""
        return self.running[:, :, None] & self.alive[:, :-1]

    @property
    def ended(self) -> Tensor:
        """[B, T] bool: the episode's last step, however it ended."""
        return self.terminated | self.truncated

    def reward(self, regime: Regime) -> Tensor:
        """[B, T, N] float: what each agent is paid under the regime.

        `team`: everyone the team reward; `individual`: each its own; `episodic`: everyone the sum of the team
        rewards, at the last step. Dead agents keep sharing the team's reward. Raises ValueError for another word.
        """
        agents = self.individual_reward.shape[-1]
        if regime == "individual":
            return self.individual_reward
        if regime == "team":
            return self.team_reward[:, :, None].expand(-1, -1, agents)
        if regime == "episodic":
            total = (self.team_reward * self.running).sum(1, keepdim=True)
            return (total * self.ended)[:, :, None].expand(-1, -1, agents)
        raise ValueError(f"unknown reward regime '{regime}'; allowed: {', '.join(REGIMES)}")

    def to(self, device: torch.device) -> Episodes:
        """The same episodes on another device."""
        return self._map(lambda tensor: tensor.to(device))

    def rows(self, index: Tensor) -> Episodes:
        """The episodes of these rows, copied."""
        return self._map(lambda tensor: tensor[index])

    def _map(self, change: Any) -> Episodes:
        values: dict[str, Any] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            values[entry.name] = {k: change(v) for k, v in value.items()} if isinstance(value, dict) else change(value)
        return Episodes(**values)

    @staticmethod
    def concatenate(parts: Sequence[Episodes]) -> Episodes:
        """All episodes of the parts, padded to the longest; keys of the dictionaries must agree."""
        if len(parts) == 1:
            return parts[0]
        longest = max(part.running.shape[1] for part in parts)
        padded = [part.padded(longest) for part in parts]
        values: dict[str, Any] = {}
        for entry in fields(Episodes):
            column = [getattr(part, entry.name) for part in padded]
            if isinstance(column[0], dict):
                values[entry.name] = {key: torch.cat([value[key] for value in column]) for key in column[0]}
            else:
                values[entry.name] = torch.cat(column)
        return Episodes(**values)

    def padded(self, length: int) -> Episodes:
        """The same episodes padded to `length` steps: final observations repeated, everything else 0 or false.

        Raises ValueError if they are longer already.
        """
        missing = length - self.running.shape[1]
        if missing < 0:
            raise ValueError(f"episodes of {self.running.shape[1]} steps cannot be padded to {length}")
        if missing == 0:
            return self
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        for name in ("observation", "state", "available", "alive"):
            values[name] = torch.cat([values[name], values[name][:, -1:].expand(-1, missing, *values[name].shape[2:])], 1)
        for name in _PER_STEP:
            values[name] = _pad_steps(values[name], missing)
        for name in ("extras", "privileged"):
            values[name] = {key: _pad_steps(value, missing) for key, value in values[name].items()}
        return Episodes(**values)


_PER_STEP = ("action", "log_probability", "team_reward", "individual_reward", "running", "terminated", "truncated")


def _pad_steps(tensor: Tensor, missing: int) -> Tensor:
    return torch.cat([tensor, tensor.new_zeros(tensor.shape[0], missing, *tensor.shape[2:])], 1)


@dataclass
class Step:
    """One decision of R teams: action [R, N] int64, log_probability [R, N], the next memory, and per-step
    `extras` [R, …] that the trainer shall keep in `Episodes.extras`."""

    action: Tensor
    log_probability: Tensor
    memory: Memory
    extras: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Collection:
    """What an algorithm wants next: how many episodes, and what for ("training", "warm-up", "scope estimation" …)."""

    episodes: int
    phase: str = "training"


@dataclass
class Credit:
    """What a method assigns: values [B, T, N] of a kind. Compared with ground truth of the same kind."""

    values: Tensor
    kind: Literal["reward", "advantage", "utility"]


@dataclass
class Influence:
    """Whom a method takes each action to influence: graph [B, T, N, N] bool, row = who acts, column = who is influenced, self
    loops included; score [B, T, N, N] float that the graph rests on, if it rests on one: higher = surer of an edge, NaN where
    nothing was asked. Compared with what interventions in the simulator show."""

    graph: Tensor
    score: Tensor | None = None


class Algorithm(ABC):
    """A learner of a team. The trainer calls begin / act to collect, then update; it knows nothing else of it.

    Everything random that acting draws comes from the generator it is given; everything random in `update` from
    generators that the algorithm owns and that `state_dict` holds.
    """

    @abstractmethod
    def begin(self, rows: int, mode: Mode, generator: torch.Generator) -> Memory:
        """The memory of `rows` episodes that start now."""

    @abstractmethod
    def act(
        self,
        observation: Tensor,
        available: Tensor,
        alive: Tensor,
        memory: Memory,
        mode: Mode,
        generator: torch.Generator,
    ) -> Step:
        """Chooses for every row: observation [R, N, O], available [R, N, A] bool, alive [R, N] bool.

        Called without gradients. Where only action 0 is available (dead, ended), the action is 0. Inputs share memory
        with the simulator: a method that keeps one clones it.
        """

    @abstractmethod
    def next_collection(self) -> Collection:
        """How many whole episodes it wants before the next update."""

    @abstractmethod
    def update(self, episodes: Episodes) -> dict[str, float]:
        """Learns from the episodes it asked for; returns finite monitors by name (a NaN or infinity means: diverged)."""

    def credit(self, episodes: Episodes) -> Credit | None:
        """What the method would assign to each action of these episodes; None if it assigns nothing."""
        return None

    def influence(self, episodes: Episodes) -> Influence | None:
        """Whom the method takes each action of these episodes to influence; None if it does not say. Changes nothing: looking
        leaves the next update as it was, bit for bit. Asked only of entries that claim it (`claims_influence`)."""
        return None

    def seconds(self) -> dict[str, float]:
        """Seconds spent since it was built in parts of `update` that are worth naming (the reward model, say). They go into
        a record's `execution` and decide nothing."""
        return {}

    @abstractmethod
    def policy_state(self) -> dict[str, Tensor]:
        """Everything that acting needs, by name: what `policy.safetensors` holds."""

    @abstractmethod
    def load_policy_state(self, tensors: dict[str, Tensor]) -> None:
        """Takes over what `policy_state` gave. Raises ValueError if names or shapes differ."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything the next update depends on: networks, targets, optimisers, replay, normalisers, counters, phase,
        random state. Tensors, numbers, strings, lists and dictionaries only."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave: the next update is then the same, bit for bit."""
