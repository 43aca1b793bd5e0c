"""Agent attention masked by coalitions, as STAS and TAR2 use it: embedding of the agents, coalitions, attention.

z_i = x_i + agent[pi(i)];  output_i = average over coalitions C of i of (attention of i over C united with {i})(z), with the
coalitions drawn by the law that the settings name, or all of them with their Shapley weights ("exact").

One forward pass draws one order pi and K coalitions for each agent, the same for all episodes and steps of the batch, as in
STAS' release; the noise they bring is therefore common to the whole batch. At reward time pi is not drawn (the release does):
the attention is averaged over rotations of the table, evenly spaced: all N up to `ROTATIONS` agents, so that every agent gets
every row equally often; of larger teams only so many, which is nearly as even. For under a permuted embedding the
regression cannot see a preference for a row that sums to zero over the rows: a single order, even a fixed one, would hand
such a preference to one agent as its own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from algorithms.networks.attention import CoalitionAttention, Coalitions, normal_embedding
from algorithms.redistribution.models.shapley import draw_coalitions, exact_coalitions
from algorithms.settings.redistribution import CoalitionSettings

ROTATIONS = 4
"""How many rotations of a permuted agent embedding are averaged at reward time, at most."""


class CoalitionLayer(nn.Module):
    """One attention over the agents. `table_scale`: deviation of the agent embedding's entries.

    Raises ValueError if the law "exact" is asked for more agents than can be enumerated, or the heads do not divide the width.
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

    def forward(self, x: Tensor, acting: Tensor, draw: torch.Generator, training: bool) -> Tensor:
        """x [B, T, N, E], acting [B, T, N] bool -> [B, T, N, E]; who does not act is seen by nobody else.

        `draw`: a generator on the CPU, for orders (in training only) and coalitions.
        """
        ordered = self._ordered(x.flatten(0, 1), draw, training)
        coalitions, alive = self.coalitions(draw).to(x.device), acting.flatten(0, 1)
        outputs = [self.attention(z, coalitions, alive) for z in ordered]
        output: Tensor = outputs[0] if len(outputs) == 1 else torch.stack(outputs).mean(0)
        return output.view(x.shape)

    def weights(self, x: Tensor, acting: Tensor, draw: torch.Generator) -> Tensor:
        """How much agent i looks at agent j at reward time [B, T, H, N, N], for the same draw as in `forward`."""
        ordered = self._ordered(x.flatten(0, 1), draw, training=False)
        coalitions, alive = self.coalitions(draw).to(x.device), acting.flatten(0, 1)
        found = [self.attention.weights(z, coalitions, alive) for z in ordered]
        weights = torch.stack(found).mean(0)
        return weights.view(*x.shape[:2], *weights.shape[1:])

    def coalitions(self, draw: torch.Generator) -> Coalitions:
        """The coalitions of one forward pass."""
        if self._enumerated is not None:
            return self._enumerated
        law = self._settings.shapley
        assert law != "exact"
        return draw_coalitions(law, self._n_agents, self._settings.coalitions, draw)

    def _ordered(self, tokens: Tensor, draw: torch.Generator, training: bool) -> list[Tensor]:
        """The tokens [M, N, E] with the agents' embedding, in every order that is averaged over."""
        table = self.agent.weight
        if training:
            return [tokens + table[torch.randperm(self._n_agents, generator=draw).to(table.device)]]
        count = min(self._n_agents, ROTATIONS)
        return [tokens + table.roll(-(place * self._n_agents // count), 0) for place in range(count)]
