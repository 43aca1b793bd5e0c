"""Agent attention masked by coalitions, as in STAS and TAR2: agent embedding, coalitions, attention.

z_i = x_i + agent[pi(i)];  output_i = average over coalitions C of i of (attention of i over C united with {i})(z), with
coalitions drawn by the law `settings.shapley`, or all coalitions with their Shapley weights ("exact").

One forward pass draws one permutation pi and K coalitions for each agent, the same for all episodes and steps of the batch, as
in STAS' release; all entries of the batch therefore have the same sampling noise. At reward time pi is not drawn (the release
draws it): the output is averaged over min(N, `ROTATIONS`) evenly spaced rotations of the table. With all N of them, every agent
gets every row equally often. Reason: in training with random permutations, the regression is blind to effects of the rows that
sum to zero over the rows; with a single permutation at reward time, such an effect would be credited to one agent.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from algorithms.networks.attention import CoalitionAttention, Coalitions, normal_embedding
from algorithms.redistribution.models.shapley import draw_coalitions, exact_coalitions
from algorithms.settings.redistribution import CoalitionSettings

ROTATIONS = 4
"""The largest number of rotations of the agent embedding that are averaged at reward time."""


class CoalitionLayer(nn.Module):
    """One attention over the agents. `table_scale`: standard deviation of the agent embedding's entries.

    Raises ValueError if the law is "exact" and there are too many agents to enumerate, or if the heads do not divide the width.
    """

    def __init__(
        self, settings: CoalitionSettings, n_agents: int, generator: torch.Generator, *, table_scale: float = 1.0
    ) -> None:
        super().__init__()
        self._settings = settings
        self._n_agents = n_agents
        self._enumerated = exact_coalitions(n_agents, "shapley") if settings.shapley == "exact" else None
        self.agent = normal_embedding(n_agents, settings.width, table_scale, generator)
        self.attention = CoalitionAttention(settings.width, settings.heads, n_agents, generator)

    def forward(self, x: Tensor, acting: Tensor, generator: torch.Generator, training: bool) -> Tensor:
        """x [B, T, N, E], acting [B, T, N] bool -> [B, T, N, E]; an agent that does not act is seen only by itself.

        `generator`: on the CPU, for permutations (in training only) and coalitions.
        """
        ordered = self._ordered(x.flatten(0, 1), generator, training)
        coalitions, alive = self.coalitions(generator).to(x.device), acting.flatten(0, 1)
        outputs = [self.attention(z, coalitions, alive) for z in ordered]
        output: Tensor = outputs[0] if len(outputs) == 1 else torch.stack(outputs).mean(0)
        return output.view(x.shape)

    def weights(self, x: Tensor, acting: Tensor, generator: torch.Generator) -> Tensor:
        """Attention weights of agent i for agent j at reward time [B, T, H, N, N], with the same coalitions as `forward`."""
        ordered = self._ordered(x.flatten(0, 1), generator, training=False)
        coalitions, alive = self.coalitions(generator).to(x.device), acting.flatten(0, 1)
        per_rotation = [self.attention.weights(z, coalitions, alive) for z in ordered]
        weights = torch.stack(per_rotation).mean(0)
        return weights.view(*x.shape[:2], *weights.shape[1:])

    def coalitions(self, generator: torch.Generator) -> Coalitions:
        """The coalitions of one forward pass."""
        if self._enumerated is not None:
            return self._enumerated
        law = self._settings.shapley
        assert law != "exact"
        return draw_coalitions(law, self._n_agents, self._settings.coalitions, generator)

    def _ordered(self, tokens: Tensor, generator: torch.Generator, training: bool) -> list[Tensor]:
        """The tokens [M, N, E] plus the agent embedding, for each permutation that is averaged over."""
        table = self.agent.weight
        if training:
            return [tokens + table[torch.randperm(self._n_agents, generator=generator).to(table.device)]]
        count = min(self._n_agents, ROTATIONS)
        return [tokens + table.roll(-(rotation * self._n_agents // count), 0) for rotation in range(count)]
