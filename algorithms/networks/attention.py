"""Attention over the steps of an episode and over the agents of a team: the blocks of learned return redistribution.

Shape letters in addition to those of interface.py: R rows (sequences), L steps of a row, E width, H heads, D = E / H, M tokens
(the team at one step of one episode), K coalitions. Nothing here uses torch's global random state: weights and dropout are
drawn from generators that are passed in. Definitions as plain loops, which the tests compare with: tests/oracles/attention.py.

Sources: Vaswani et al. 2017 (the encoder layer); Xiao et al. 2022, AREL (wide heads); Chen et al. 2024, STAS (attention
masked by random coalitions; the doubled residual is that of its released code).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from algorithms.networks.coalition_kernel import HIGHEST_LEAD, compiled_coalition_attention
from algorithms.networks.fast_linear import fast_linear

_UNSEEN = -1e9
"""Added to the score of a masked key: its weight is exactly 0."""
_LONGEST_UNFUSED = 100
"""Above this length PyTorch's fused kernel is used, which does not store the L x L weights. On a CPU, batched products take
half its time at 25 and 40 steps, the same at 100, twice its time at 200 (measured, forward and backward pass)."""


@dataclass(frozen=True)
class EncoderShape:
    """An encoder layer: `width` E, `heads` H, `feed_forward` the inner width.

    `wide_heads`: every head has the full width E and scale 1 / sqrt(E), its maps no biases (AREL); otherwise heads share
    the width, E / H each, with biases. `doubled_residual`: LN(FFN(h) + 2 A) in place of LN(h + FFN(h)), A the attention's
    output (STAS' release). `dropout`: probability, on attention weights and on the outputs of attention and feed-forward.
    """

    width: int
    heads: int
    feed_forward: int
    activation: Literal["gelu", "relu"] = "gelu"
    wide_heads: bool = False
    doubled_residual: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if min(self.width, self.heads, self.feed_forward) < 1:
            raise ValueError(f"an encoder needs width, heads and feed_forward of at least 1: {self}")
        if not self.wide_heads and self.width % self.heads:
            raise ValueError(f"{self.heads} heads cannot share a width of {self.width} evenly")
        if self.activation not in ("gelu", "relu"):
            raise ValueError(f"activation must be gelu or relu, not {self.activation!r}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), not {self.dropout}")


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward net, each with a residual and a LayerNorm after it (post-LN, eps 1e-12)."""

    def __init__(self, shape: EncoderShape, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        self._head_width = shape.width if shape.wide_heads else shape.width // shape.heads
        inner = shape.heads * self._head_width
        self.queries_keys_values = uniform_linear(shape.width, 3 * inner, generator, bias=not shape.wide_heads)
        self.attention_output = uniform_linear(inner, shape.width, generator)
        self.attention_norm = nn.LayerNorm(shape.width, eps=1e-12)
        self.inner = uniform_linear(shape.width, shape.feed_forward, generator)
        self.outer = uniform_linear(shape.feed_forward, shape.width, generator)
        self.output_norm = nn.LayerNorm(shape.width, eps=1e-12)

    def forward(self, x: Tensor, mask: Tensor | None, dropout_generator: torch.Generator | None = None) -> Tensor:
        """x [R, L, E], or [R, L, G, E] for G sequences in every row (a team's agents) -> the same shape.

        `mask`: bool, broadcastable to [R, 1, L, L], True where the query (third) may attend to the key (fourth dimension), for
        all sequences of a row; None: everywhere. One mask for all rows, [1, 1, L, L], is the fastest. A query without any key
        gets zero attention (before the output map), hence finite numbers and gradients. `dropout_generator`: for dropout, on
        the device of x; None: no dropout.
        """
        dropout = self.shape.dropout if dropout_generator is not None else 0.0
        queries, keys, values = self._heads(x)
        attention = _attention(queries, keys, values, mask, dropout, dropout_generator)
        attended = drop(fast_linear(self.attention_output, attention.reshape(*x.shape[:-1], -1)), dropout, dropout_generator)
        hidden = self.attention_norm(x + attended)
        inner = fast_linear(self.inner, hidden)
        inner = F.gelu(inner) if self.shape.activation == "gelu" else F.relu(inner)
        fed = drop(fast_linear(self.outer, inner), dropout, dropout_generator)
        output: Tensor = self.output_norm(fed + (2 * attended if self.shape.doubled_residual else hidden))
        return output

    def weights(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """The attention weights of `forward` without dropout: [R, G, H, L, L], query second to last, key last dimension.

        0 where the key is masked; x and mask as in `forward`.
        """
        queries, keys, _ = self._heads(x)
        scores = torch.einsum("rqghd,rkghd->rghqk", queries, keys) / math.sqrt(self._head_width)
        if mask is None:
            return scores.softmax(-1)
        mask = _by_row(mask, x.shape[1]).unsqueeze(1)
        return scores.masked_fill(~mask, _UNSEEN).softmax(-1) * mask

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each [R, L, G, H, D]."""
        heads = fast_linear(self.queries_keys_values, x).view(*x.shape[:2], -1, 3, self.shape.heads, self._head_width)
        queries, keys, values = heads.unbind(3)
        return queries, keys, values


@dataclass(frozen=True, eq=False)
class Coalitions:
    """The coalition members that each agent attends to, in K draws or K enumerated coalitions.

    `members` [K, N, N] bool, the same for all tokens, or [M, K, N, N]: row i of draw k is C_k united with {i}, so the
    diagonal is True. `weights` [K, N]: agent i's weight of its k-th coalition; over k they sum to 1.
    """

    members: Tensor
    weights: Tensor

    def __post_init__(self) -> None:
        shape = tuple(self.members.shape)
        if self.members.dtype != torch.bool or len(shape) not in (3, 4) or shape[-1] != shape[-2]:
            raise ValueError(f"members must be bool [K, N, N] or [M, K, N, N], not {self.members.dtype} {list(shape)}")
        if tuple(self.weights.shape) != (shape[-3], shape[-1]):
            raise ValueError(f"weights must be [K, N] = {[shape[-3], shape[-1]]}, not {list(self.weights.shape)}")
        # Values are checked on the CPU only: on a GPU the check would synchronise.
        if self.members.device.type == "cpu" and not self.members.diagonal(dim1=-2, dim2=-1).all():
            raise ValueError("every agent must be a member of its own coalitions: the diagonal of members must be True")

    def to(self, device: torch.device) -> Coalitions:
        """The same coalitions on a device."""
        return Coalitions(self.members.to(device), self.weights.to(device))


class CoalitionAttention(nn.Module):
    """Multi-head attention over a team's agents, averaged over coalitions: an agent attends only to members of its coalition.

    output_i = W_O concat_heads(sum_k weights[k, i] sum_j alpha^k_ij v_j) + b_O, alpha^k_i the softmax of q_i k_j / sqrt(D) over
    the members j of agent i's k-th coalition. Every agent index has its own query map, as in STAS' release; STAS' paper shares
    one, which makes the block equivariant to the agents' order. No residual, no LayerNorm.

    The average over coalitions is taken of the attention weights, before they multiply the values: a coalition costs N numbers
    for each agent and head, independent of the width, so that all 2^(N-1) coalitions can be enumerated.
    """

    def __init__(self, width: int, heads: int, n_agents: int, generator: torch.Generator) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads cannot share a width of {width} evenly")
        self.heads = heads
        self.n_agents = n_agents
        self.queries = nn.ModuleList(uniform_linear(width, width, generator) for _ in range(n_agents))
        self.keys_values = uniform_linear(width, 2 * width, generator)
        self.output = uniform_linear(width, width, generator)

    def forward(self, z: Tensor, coalitions: Coalitions, alive: Tensor | None = None) -> Tensor:
        """z [M, N, E] -> [M, N, E].

        `alive` [M, N] bool: a dead agent is a member of no coalition but its own; None: all are alive.
        """
        queries, keys_values, alive = self._maps(z, coalitions, alive)
        coalition_attention = compiled_coalition_attention if z.device.type == "cpu" else batched_coalition_attention
        attention = coalition_attention(queries, keys_values, coalitions.members, coalitions.weights, alive)
        return fast_linear(self.output, attention.reshape(z.shape))

    def weights(self, z: Tensor, coalitions: Coalitions, alive: Tensor | None = None) -> Tensor:
        """The attention weights of `forward`, averaged over coalitions: [M, H, N, N] (query second to last, key last)."""
        queries, keys_values, alive = self._maps(z, coalitions, alive)
        weights = coalition_weights(queries, keys_values[:, :, 0], coalitions.members, coalitions.weights, alive)
        return weights.to(z.dtype)

    def _maps(self, z: Tensor, coalitions: Coalitions, alive: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [M, N, H, D], keys and values [M, N, 2, H, D], and `alive` [M, N]."""
        tokens, agents, _ = z.shape
        members = coalitions.members
        if agents != self.n_agents or members.shape[-1] != agents:
            raise ValueError(f"attention of {self.n_agents} agents got {agents} and coalitions of {members.shape[-1]}")
        if members.ndim == 4 and len(members) != tokens:
            raise ValueError(f"coalitions were drawn for {len(members)} tokens, not {tokens}")
        if alive is None:
            alive = torch.ones(tokens, agents, dtype=torch.bool, device=z.device)
        elif alive.dtype != torch.bool or alive.shape != z.shape[:2]:
            raise ValueError(f"alive must be bool [M, N] = {[tokens, agents]}, not {alive.dtype} {list(alive.shape)}")
        queries = torch.stack([fast_linear(query, z[:, agent]) for agent, query in enumerate(self.queries)], 1)
        queries = queries.view(tokens, agents, self.heads, -1)
        keys_values = fast_linear(self.keys_values, z).view(tokens, agents, 2, self.heads, -1)
        return queries, keys_values, alive


def batched_coalition_attention(
    queries: Tensor, keys_values: Tensor, members: Tensor, weights: Tensor, alive: Tensor
) -> Tensor:
    """Coalition attention by batched tensor products, on any device.

    The definition of `compiled_coalition_attention`, which has the same arguments and result.
    """
    keys, values = keys_values.unbind(2)
    average = coalition_weights(queries, keys, members, weights, alive)
    return torch.einsum("mhij,mjhd->mihd", average.to(values.dtype), values)


def coalition_weights(queries: Tensor, keys: Tensor, members: Tensor, weights: Tensor, alive: Tensor) -> Tensor:
    """Attention weights averaged over coalitions, float64 [M, H, N, N], of queries and keys [M, N, H, D].

    members, weights, alive: as in `Coalitions` and `CoalitionAttention.forward`.
    """
    scores = (torch.einsum("mihd,mjhd->mhij", queries, keys) / math.sqrt(queries.shape[-1])).double()
    # Relative to the agent's own score, which is in every coalition: every sum is at least 1 and independent of non-members.
    leads = scores - scores.diagonal(dim1=-2, dim2=-1).unsqueeze(-1)
    itself = torch.eye(alive.shape[-1], dtype=torch.bool, device=alive.device)
    exponentials = leads.clamp(max=HIGHEST_LEAD).exp() * (alive.unsqueeze(1) | itself).unsqueeze(1)
    member = members.to(exponentials.dtype)
    tokens = "m" if members.ndim == 4 else ""
    sums = torch.einsum(f"mhij,{tokens}kij->mhik", exponentials, member)
    return exponentials * torch.einsum(f"mhik,{tokens}kij->mhij", weights.T / sums, member)


def causal_mask(running: Tensor) -> Tensor:
    """running [B, T] bool -> [B, 1, T, T]: a step attends to itself and earlier steps, where both are running."""
    steps = running.shape[1]
    earlier = torch.ones(steps, steps, dtype=torch.bool, device=running.device).tril_()
    return (earlier & running.unsqueeze(1) & running.unsqueeze(2)).unsqueeze(1)


def drop(x: Tensor, probability: float, generator: torch.Generator | None) -> Tensor:
    """Dropout with a mask from `generator`: entries are kept with probability `1 - probability` and scaled by its inverse."""
    if not probability or generator is None:
        return x
    keep = 1 - probability
    return x * torch.empty_like(x).bernoulli_(keep, generator=generator).div_(keep)


def uniform_linear(inputs: int, outputs: int, generator: torch.Generator, *, bias: bool = True) -> nn.Linear:
    """A linear layer with weights and biases uniform in +-1/sqrt(inputs), torch's own default."""
    layer = nn.Linear(inputs, outputs, bias=bias, device="meta").to_empty(device="cpu")
    bound = 1 / math.sqrt(inputs)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator)
    return layer


def normal_embedding(rows: int, width: int, deviation: float, generator: torch.Generator) -> nn.Embedding:
    """A table of `rows` vectors drawn from N(0, deviation^2)."""
    table = nn.Embedding(rows, width, device="meta").to_empty(device="cpu")
    nn.init.normal_(table.weight, 0.0, deviation, generator)
    return table


def _attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float, generator: torch.Generator | None
) -> Tensor:
    """Attention of q, k, v, each [R, L, G, H, D], over L: [R, L, G, H, D]."""
    rows, length, sequences, heads, width = q.shape
    q, k, v = (each.permute(0, 2, 3, 1, 4).reshape(-1, heads, length, width) for each in (q, k, v))  # [R G, H, L, D]
    bias, has_key = None, None
    if mask is not None:
        mask = _by_row(mask, length)
        bias = torch.zeros(mask.shape, dtype=q.dtype, device=q.device).masked_fill_(~mask, _UNSEEN)
        has_key = mask.any(-1).view(-1, length, 1, 1, 1)
    if length > _LONGEST_UNFUSED and not dropout:
        attention = F.scaled_dot_product_attention(q, k, v, bias if bias is None else _repeated(bias, sequences).unsqueeze(1))
    else:
        q, k, v = (each.reshape(-1, length, width) for each in (q, k, v))
        added = q.new_zeros(1, 1, 1) if bias is None else _repeated(bias, sequences * heads)
        weights = torch.baddbmm(added, q, k.transpose(1, 2), alpha=1 / math.sqrt(width)).softmax(-1)
        attention = torch.bmm(drop(weights, dropout, generator), v)
    attention = attention.view(rows, sequences, heads, length, width).permute(0, 3, 1, 2, 4)
    return attention if has_key is None or (has_key.device.type == "cpu" and has_key.all()) else attention * has_key


def _by_row(mask: Tensor, length: int) -> Tensor:
    """A mask broadcastable to [R, 1, L, L] as [R or 1, 1, L, L]."""
    return mask.view((1,) * (4 - mask.ndim) + mask.shape).expand(-1, -1, length, length)


def _repeated(bias: Tensor, times: int) -> Tensor:
    """A bias [R, 1, L, L] with each row repeated `times` times, [R times, L, L]; for R = 1, [1, L, L] without repetition."""
    return bias[:, 0] if len(bias) == 1 else bias.expand(-1, times, -1, -1).flatten(0, 1)
