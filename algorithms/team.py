"""The shape of a team of agents. Free of torch, so that planning does not import it.

Shape letters used everywhere: **B** episodes in a batch, **T** steps, **N** agents, **A** actions,
**O** observation size, **S** state size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from algorithms.plugins import UserError

Regime = Literal["team", "individual", "episodic"]
"""Reward regime: the dense team reward, dense individual rewards, or the team's episodic reward."""

REGIMES: tuple[Regime, ...] = ("team", "individual", "episodic")


TimeLimit = Literal["terminal", "bootstrap"]
"""The value of the state at the time limit: 0 ("terminal") or estimated ("bootstrap")."""


@dataclass(frozen=True)
class StateField:
    """The meaning of one dimension of the state.

    `agent` is the index of the agent that it describes, None if it describes no agent;
    `kind` is a short word such as "position", "level", "health", "last_action".
    """

    name: str
    entity: str
    agent: int | None
    kind: str


class ImpossibleTeam(UserError):
    """A team that cannot be: nobody, an agent without actions, lists of different lengths."""


@dataclass(frozen=True)
class TeamShape:
    """Sizes of one task's team. Observations and actions are padded to the largest agent's.

    `observation_sizes[N]`, `action_sizes[N]`: before padding. `agent_types[N]`: small integers; agents of
    one type may share parameters. `state_fields`: one entry per state dimension [S]. Raises ImpossibleTeam.
    """

    n_agents: int
    observation_sizes: tuple[int, ...]
    action_sizes: tuple[int, ...]
    agent_types: tuple[int, ...]
    state_size: int
    horizon: int
    state_fields: tuple[StateField, ...]

    def __post_init__(self) -> None:
        for name in ("n_agents", "horizon"):
            if getattr(self, name) < 1:
                raise ImpossibleTeam(f"TeamShape.{name} is {getattr(self, name)}; at least 1 is needed")
        for name in ("observation_sizes", "action_sizes", "agent_types"):
            if len(getattr(self, name)) != self.n_agents:
                raise ImpossibleTeam(f"TeamShape.{name} needs one entry per agent: {self.n_agents}")
        for name in ("observation_sizes", "action_sizes"):
            if min(getattr(self, name)) < 1:
                raise ImpossibleTeam(f"TeamShape.{name} is {getattr(self, name)}; at least 1 is needed for every agent")
        if len(self.state_fields) != self.state_size:
            raise ImpossibleTeam(
                f"TeamShape.state_fields has {len(self.state_fields)} entries for a state of {self.state_size}"
            )

    @property
    def observation_size(self) -> int:
        """O, the padded observation size."""
        return max(self.observation_sizes)

    @property
    def action_size(self) -> int:
        """A, the padded number of actions."""
        return max(self.action_sizes)


def concatenated_observation_fields(n_agents: int, observation_fields: tuple[tuple[str, str], ...]) -> tuple[StateField, ...]:
    """State fields of a state that is the concatenation of all agents' (padded) observations.

    `observation_fields[O]`: (name, kind) of each observation dimension.
    """
    return tuple(
        StateField(name=f"agent{agent}.{name}", entity=f"agent{agent}", agent=agent, kind=kind)
        for agent in range(n_agents)
        for name, kind in observation_fields
    )
