"""Tokens: the inputs of the attention models of STAS, TAR2 and AREL, one for each agent and step.

x_{i,t} = W o_{i,t} + b + action[a_{i,t}] + position[t] (+ agent[i]): the agent's own observation, its action, the step and,
optionally, the agent's index. W and b have torch's default initialisation, the tables normal entries.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from algorithms.networks.attention import normal_embedding, uniform_linear
from algorithms.networks.fast_linear import fast_linear
from algorithms.redistribution.models.trajectories import Trajectories
from algorithms.team import TeamShape


class TokenEmbedding(nn.Module):
    """Embeds every agent's observation, action and step in a vector of size E = `width`.

    `agent_embedding`: whether a table of agent indices is added. `table_scale`: standard deviation of the tables' entries (1 in
    STAS' release, 0.01 in TAR2's). The action table has A + 1 rows; the last is for agents that do not act.
    """

    def __init__(
        self,
        team: TeamShape,
        width: int,
        generator: torch.Generator,
        *,
        agent_embedding: bool = False,
        table_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self._idle = team.action_size
        self.observation = uniform_linear(team.observation_size, width, generator)
        self.action = normal_embedding(team.action_size + 1, width, table_scale, generator)
        self.position = normal_embedding(team.horizon, width, table_scale, generator)
        self.agent = normal_embedding(team.n_agents, width, table_scale, generator) if agent_embedding else None

    def forward(self, trajectories: Trajectories) -> Tensor:
        """Tokens [B, T, N, E]. Raises ValueError for episodes longer than the team's horizon."""
        return self.states(trajectories) + self.actions(trajectories)

    def states(self, trajectories: Trajectories) -> Tensor:
        """The tokens [B, T, N, E] without their actions."""
        steps = trajectories.running.shape[1]
        if steps > self.position.num_embeddings:
            raise ValueError(f"episodes of {steps} steps are longer than the horizon, {self.position.num_embeddings}")
        embedded = fast_linear(self.observation, trajectories.observation[:, :-1]) + self.position.weight[:steps, None]
        return embedded if self.agent is None else embedded + self.agent.weight

    def actions(self, trajectories: Trajectories) -> Tensor:
        """The part [B, T, N, E] of the tokens that encodes the actions."""
        embedded: Tensor = self.action(trajectories.action.masked_fill(~trajectories.acting, self._idle))
        return embedded
