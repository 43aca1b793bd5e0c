"""The interface between a method and the trainer: Algorithm, Episodes, TeamShape, Step, Credit, Influence.

Shape letters: **B** episodes in a batch, **T** steps, **N** agents, **A** actions, **O** observation size,
**S** state size, **R** rows of a batch of acting teams.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import torch
from torch import Tensor

from algorithms.team import REGIMES, Regime, StateField, TeamShape, TimeLimit

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
    "RunProgress",
    "StateField",
    "Step",
    "TeamShape",
]

Mode = Literal["train", "greedy", "sample"]
"""How to act: "train" with the method's exploration, "greedy" with the most likely action, "sample" from the policy."""

Memory = dict[str, Tensor]
"""State of a policy between steps (recurrent state, last action, goal …): tensors [R, …], indexed by row."""

CONTEXT_PREFIX = "context/"
"""An entry "context/x" of the memory that `begin` returns is stored for the whole episode, as `Episodes.context["x"]`."""


@dataclass
class RunProgress:
    """The environment steps that the run has done, those without learning included. The trainer counts, schedules read."""

    steps_done: int = 0


@dataclass(frozen=True)
class LearnerContext:
    """The team, reward regime, budget, seed and device that an algorithm is built for.

    `budget`: environment steps of the whole run, for schedules. `seed`: seed of the networks and of all draws in `update`.
    `time_limit`: what the state at the time limit is worth. `progress`: kept up to date by the trainer, and no part of an
    algorithm's state.
    """

    team: TeamShape
    regime: Regime
    budget: int
    seed: int
    time_limit: TimeLimit = "terminal"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    progress: RunProgress = field(default_factory=RunProgress)

    @property
    def remaining(self) -> float:
        """max(0, 1 - steps done / budget): the fraction of the budget that is left before the current collection."""
        return max(0.0, 1.0 - self.progress.steps_done / self.budget)


@dataclass
class Episodes:
    """B whole episodes, zero-padded to the longest (T steps). All arithmetic over them is masked by `running`.

    observation [B, T+1, N, O], state [B, T+1, S], available [B, T+1, N, A] bool, alive [B, T+1, N] bool,
    action [B, T, N] int64, log_probability [B, T, N], team_reward [B, T], individual_reward [B, T, N],
    running [B, T] bool (the step happened), terminated [B, T] bool, truncated [B, T] bool (set on an episode's
    last step), success [B] bool, length [B] int64, seed [B] int64.
    After an episode's last step, observation and state repeat the final values; rewards are 0.
    `extras`: per-step tensors [B, T, …] from `Step.extras`; `context`: per-episode tensors [B, …] (see CONTEXT_PREFIX);
    `privileged`: data that only a simulator has, for algorithms whose registry entry `requires` it.
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
        """[B, T] bool: the episode's last step, terminated or truncated."""
        return self.terminated | self.truncated

    def reward(self, regime: Regime) -> Tensor:
        """[B, T, N] float: the reward of each agent under the regime.

        `team`: the team reward, for all agents; `individual`: each agent's own reward; `episodic`: for all agents, the sum of
        the team rewards at the last step and 0 before. Dead agents also receive the team's reward. Raises ValueError for an
        unknown regime.
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

    def _map(self, function: Callable[[Tensor], Tensor]) -> Episodes:
        values: dict[str, Any] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            values[entry.name] = {k: function(v) for k, v in value.items()} if isinstance(value, dict) else function(value)
        return Episodes(**values)

    @staticmethod
    def concatenate(parts: Sequence[Episodes]) -> Episodes:
        """All episodes of the parts, padded to the longest. The dictionaries of all parts must have the same keys."""
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

        Raises ValueError if they are longer than that.
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
    `extras` [R, …] that the trainer stores in `Episodes.extras`."""

    action: Tensor
    log_probability: Tensor
    memory: Memory
    extras: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Collection:
    """The next collection: the number of whole episodes."""

    episodes: int


@dataclass
class Credit:
    """The credit that a method assigns: values [B, T, N] of a kind, compared with ground truth of the same kind."""

    values: Tensor
    kind: Literal["reward", "advantage", "utility"]


@dataclass
class Influence:
    """The agents that each action influences, according to a method. Compared with interventions in the simulator.

    graph [B, T, N, N] bool: row = the agent that acts, column = the agent that is influenced, self loops included. score
    [B, T, N, N] float, where the graph is a threshold on one: higher = more certain of an edge, NaN where it was not evaluated.
    """

    graph: Tensor
    score: Tensor | None = None


class Algorithm(ABC):
    """A learner for a team. The trainer calls `begin` and `act` to collect episodes, then `update`.

    All random draws of acting come from the generator that is passed in; all random draws of `update` from generators that
    the algorithm owns and that `state_dict` contains.
    """

    @abstractmethod
    def begin(self, rows: int, mode: Mode, generator: torch.Generator) -> Memory:
        """The memory of `rows` episodes at their first step."""

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
        """Chooses an action for every agent of every row: observation [R, N, O], available [R, N, A] bool, alive [R, N] bool.

        Called without gradients. Where only action 0 is available (dead, ended), the action is 0. Inputs share memory
        with the simulator: clone those that are kept after the call.
        """

    @abstractmethod
    def next_collection(self) -> Collection:
        """How many whole episodes to collect before the next update."""

    @abstractmethod
    def update(self, episodes: Episodes) -> dict[str, float]:
        """Learns from the collected episodes; returns monitors by name. A NaN or an infinity marks the run as diverged."""

    def credit(self, episodes: Episodes) -> Credit | None:
        """The credit the method assigns to each action of these episodes; None if it assigns none."""
        return None

    def influence(self, episodes: Episodes) -> Influence | None:
        """The agents that each action of these episodes influences, according to the method; None if it has no such graph.

        Changes no state: the next update stays the same, bit for bit. Called only for entries with `claims_influence`.
        """
        return None

    def phase(self) -> str:
        """What the last update did: "training" where the policy learned, "warm-up" where other models alone did.

        Goes into metrics.jsonl; called after each update.
        """
        return "training"

    def seconds(self) -> dict[str, float]:
        """Seconds since construction spent in named parts of `update`, such as the reward model.

        They go into a record's `execution`; outcomes do not depend on them.
        """
        return {}

    @abstractmethod
    def policy_state(self) -> dict[str, Tensor]:
        """Everything that acting needs, by name: the content of `policy.safetensors`."""

    @abstractmethod
    def load_policy_state(self, tensors: dict[str, Tensor]) -> None:
        """Restores the result of `policy_state`. Raises ValueError if names or shapes differ."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything the next update depends on: networks, targets, optimisers, replay, normalisers, counters, phase,
        random state. Tensors, numbers, strings, lists and dictionaries only."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the result of `state_dict`: the next update is then the same, bit for bit."""
