"""Shapley and Banzhaf values: exact, and estimated from the coalitions that masked attention samples.

A game of N players is a tensor v [2^N]: v[mask] is the worth of the coalition whose members are the bits of `mask` (bit i:
player i). A player's marginal contribution to C is v(C with i) - v(C), so v[0] need not be 0.

* Shapley: phi_i = sum over C without i of |C|! (N - |C| - 1)! / N! times i's marginal to C (Shapley 1953). Efficient:
  sum_i phi_i = v(all) - v(none).
* Banzhaf: the plain mean over the 2^(N-1) coalitions C without i. It equals Shapley's for games of pairwise interactions and
  for N = 2, and is not efficient otherwise. Independent fair coin flips, as in STAS' release, estimate this one.

Laws of sampled coalitions (`draw_coalitions`): "banzhaf_masks", every other agent with probability 1/2 (STAS' release);
"permutation", predecessors in one random order per draw, the same order for all agents (Castro et al. 2009): the marginals of
one draw telescope, so that each draw is efficient; "owen", p uniform in (0, 1), then every other agent with
probability p (Owen 1972); "all", always the whole team. Permutation and Owen are unbiased for Shapley's value.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from algorithms.networks.attention import Coalitions
from algorithms.settings.redistribution import MOST_ENUMERATED_AGENTS

CoalitionLaw = Literal["banzhaf_masks", "permutation", "owen", "all"]
ValueKind = Literal["shapley", "banzhaf"]

MOST_PLAYERS = 16
"""Largest number of players N for which 2^(N-1) coalitions of each player are enumerated."""


def shapley_values(v: Tensor) -> Tensor:
    """Exact Shapley values of a game v [2^N] by enumeration: float64 [N]. N at most 16 (ValueError)."""
    return _enumerated(v, "shapley")


def banzhaf_values(v: Tensor) -> Tensor:
    """Exact Banzhaf values of a game v [2^N] by enumeration: float64 [N]. N at most 16 (ValueError)."""
    return _enumerated(v, "banzhaf")


def estimate(v: Tensor, coalitions: Coalitions) -> Tensor:
    """The estimate that these coalitions give of the players' values: sum_k weights[k, i] (v(row i) - v(row i without i)).

    float64 [N], or [M, N] from coalitions drawn for M tokens. Raises ValueError if their number of players differs.
    """
    v = torch.as_tensor(v, dtype=torch.float64)
    players = _players(v)
    if coalitions.members.shape[-1] != players:
        raise ValueError(f"coalitions of {coalitions.members.shape[-1]} agents do not fit a game of {players} players")
    bits = 1 << torch.arange(players)
    rows = (coalitions.members * bits).sum(-1)  # […, K, N]
    return (coalitions.weights.double() * (v[rows] - v[rows - bits])).sum(-2)


def draw_coalitions(
    law: CoalitionLaw, n_agents: int, draws: int, generator: torch.Generator, tokens: int | None = None
) -> Coalitions:
    """`draws` random coalitions [draws, N, N] of each agent, shared by all tokens, or, with `tokens`, independent ones for each
    token [tokens, draws, N, N]. All have equal weights. On the generator's device.

    "all" draws nothing: it is one coalition, shared by all tokens.
    """
    if law not in get_args(CoalitionLaw):
        raise ValueError(f"unknown law of coalitions {law!r}: choose from {', '.join(get_args(CoalitionLaw))}")
    if n_agents < 1 or draws < 1 or (tokens is not None and tokens < 1):
        raise ValueError(f"needs at least 1 agent, draw and token, got {n_agents}, {draws} and {tokens}")
    device = generator.device
    if law == "all":
        return Coalitions(
            torch.ones(1, n_agents, n_agents, dtype=torch.bool, device=device), torch.ones(1, n_agents, device=device)
        )
    lead = (draws,) if tokens is None else (tokens, draws)
    if law == "permutation":
        position = torch.rand(*lead, n_agents, generator=generator, device=device).argsort(-1)  # of each agent in the order
        members = position.unsqueeze(-2) <= position.unsqueeze(-1)
    else:
        uniform = torch.rand(*lead, n_agents, n_agents, generator=generator, device=device)
        probability = torch.rand(*lead, n_agents, 1, generator=generator, device=device) if law == "owen" else 0.5
        members = (uniform < probability) | torch.eye(n_agents, dtype=torch.bool, device=device)
    return Coalitions(members, torch.full((draws, n_agents), 1 / draws, device=device))


def exact_coalitions(n_agents: int, kind: ValueKind) -> Coalitions:
    """All 2^(N-1) coalitions of each agent with their Shapley or Banzhaf weights, on the CPU. N at most 8 (ValueError)."""
    if not 1 <= n_agents <= MOST_ENUMERATED_AGENTS:
        raise ValueError(f"all coalitions are enumerated for 1 to {MOST_ENUMERATED_AGENTS} agents, not {n_agents}")
    without, sizes = _coalitions_without(n_agents)
    bits = 1 << torch.arange(n_agents)
    members = (without + bits).unsqueeze(-1).bitwise_and(bits) != 0
    return Coalitions(members, _weights(kind, sizes, n_agents).float().unsqueeze(-1).expand(-1, n_agents))


def _enumerated(v: Tensor, kind: ValueKind) -> Tensor:
    v = torch.as_tensor(v, dtype=torch.float64)
    players = _players(v)
    without, sizes = _coalitions_without(players)
    marginals = v[without + (1 << torch.arange(players))] - v[without]
    return _weights(kind, sizes, players) @ marginals


def _players(v: Tensor) -> int:
    """N of a game [2^N]."""
    players = v.numel().bit_length() - 1
    if v.ndim != 1 or v.numel() != 1 << players or players < 1:
        raise ValueError(f"a game of N players is a vector of 2^N worths, not {list(v.shape)}")
    if players > MOST_PLAYERS:
        raise ValueError(f"enumeration is refused beyond {MOST_PLAYERS} players, got {players}")
    return players


def _coalitions_without(players: int) -> tuple[Tensor, Tensor]:
    """The 2^(N-1) coalitions that lack a player, as bit masks [2^(N-1), N] (last: the player), and their sizes [2^(N-1)].

    Row k holds the bits of k with a zero inserted at the player's position: all coalitions of a row have the same size.
    """
    index = torch.arange(1 << (players - 1)).unsqueeze(-1)
    player = torch.arange(players)
    low = index & ((1 << player) - 1)
    sizes = ((index >> torch.arange(max(players - 1, 1))) & 1).sum(-1)
    return low | ((index - low) << 1), sizes


def _weights(kind: ValueKind, sizes: Tensor, players: int) -> Tensor:
    """float64 weights of coalitions of these sizes, which do not contain the player; they sum to 1."""
    if kind == "shapley":
        by_size = [1 / (players * math.comb(players - 1, size)) for size in range(players)]
    elif kind == "banzhaf":
        by_size = [0.5 ** (players - 1)] * players
    else:
        raise ValueError(f"unknown kind of value {kind!r}: choose from {', '.join(get_args(ValueKind))}")
    return torch.tensor(by_size, dtype=torch.float64)[sizes]
