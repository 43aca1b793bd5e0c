"""Coalition attention compiled for the CPU: for a few agents, loops are faster than batched matrix products.

The same function as `batched_coalition_attention` in attention.py, which is its definition; the tests compare both, and both
with plain loops (tests/oracles/attention.py).

Letters: M tokens, N agents, H heads, D width of a head, K coalitions. For agent i and head h, with scores
s_j = q_i k_j / sqrt(D), e_j = exp(s_j - s_i), S_k = sum of e_j over the members j of coalition k, and weights w_k:

    alpha_j = e_j sum_k w_k [j in k] / S_k           out_i = sum_j alpha_j v_j

Agent i is in all of its own coalitions, so S_k >= e_i = 1, and S_k does not depend on agents outside the coalition. Backward
pass, with g the gradient of out_i, b_j = g v_j and c_k = sum_j [j in k] e_j b_j / S_k:

    d s_j = e_j (b_j sum_k w_k [j in k] / S_k - sum_k w_k c_k [j in k] / S_k)

(this includes the dependence of e_j on s_i: all d s_j of a coalition sum to 0). Exponentials and their sums are float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.autograd.function import once_differentiable

HIGHEST_LEAD = 300.0
"""Upper bound, in nats, of s_j - s_i: e^300 squared is still a finite float64."""

# Sums may be reordered, which allows vectorisation; NaN is not assumed absent, so a diverged network gives NaN.
_compiled = njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "arcp", "nsz"})


def compiled_coalition_attention(
    queries: Tensor, keys_values: Tensor, members: Tensor, weights: Tensor, alive: Tensor
) -> Tensor:
    """queries [M, N, H, D], keys_values [M, N, 2, H, D] (keys, then values), of one floating type, on the CPU -> [M, N, H, D].

    `members` bool [K, N, N] or [M, K, N, N], `weights` [K, N], `alive` bool [M, N]: see `Coalitions` in attention.py.
    """
    output: Tensor = _CoalitionAttention.apply(queries, keys_values, members, weights, alive)
    return output


class _CoalitionAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys_values: Tensor, members: Tensor, weights: Tensor, alive: Tensor) -> Tensor:
        tokens, agents, heads, _ = queries.shape
        queries, keys_values = queries.contiguous(), keys_values.contiguous()
        # Coalitions are the last dimension: the loops over them are vectorised.
        by_agent = members.reshape(-1, *members.shape[-3:]).permute(0, 2, 3, 1).to(queries.dtype).contiguous()
        weights = weights.T.double().contiguous()
        exponentials = torch.empty(tokens, agents, heads, agents, dtype=torch.float64)
        output = torch.empty_like(queries)
        _forward(*_arrays(queries, keys_values, by_agent, weights, alive.contiguous(), exponentials, output))
        ctx.save_for_backward(queries, keys_values, by_agent, weights, exponentials)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        queries, keys_values, *rest = ctx.saved_tensors
        to_queries, to_keys_values = torch.zeros_like(queries), torch.zeros_like(keys_values)
        _backward(*_arrays(gradient.contiguous(), queries, keys_values, *rest, to_queries, to_keys_values))
        return to_queries, to_keys_values, None, None, None


def _arrays(*tensors: Tensor) -> list[np.ndarray]:
    """The tensors' memory as numpy arrays."""
    return [tensor.detach().numpy() for tensor in tensors]


# The loops over d are separate: a merged loop checks for overlapping arrays in each iteration and takes a third more time.


@_compiled
def _forward(q, kv, members, weights, alive, exponentials, output):
    """members [1 or M, N, N, K], weights [N, K]; fills exponentials [M, N, H, N] and output."""
    tokens, agents, heads, width = q.shape
    coalitions = weights.shape[1]
    scale = 1 / math.sqrt(width)
    sums = np.empty(coalitions)
    for m in range(tokens):
        drawn = m if members.shape[0] > 1 else 0
        for i in range(agents):
            for h in range(heads):
                own = q.dtype.type(0)
                for d in range(width):
                    own += q[m, i, h, d] * kv[m, i, 0, h, d]
                sums[:] = 0.0
                for j in range(agents):
                    e = 0.0
                    if j == i:
                        e = 1.0
                    elif alive[m, j]:
                        score = q.dtype.type(0)
                        for d in range(width):
                            score += q[m, i, h, d] * kv[m, j, 0, h, d]
                        lead = (score - own) * scale
                        if lead > HIGHEST_LEAD:  # unlike min(), leaves NaN as it is
                            lead = HIGHEST_LEAD
                        e = math.exp(lead)
                    exponentials[m, i, h, j] = e
                    for c in range(coalitions):
                        sums[c] += e * members[drawn, i, j, c]
                for c in range(coalitions):
                    sums[c] = weights[i, c] / sums[c]
                for d in range(width):
                    output[m, i, h, d] = 0
                for j in range(agents):
                    share = 0.0
                    for c in range(coalitions):
                        share += sums[c] * members[drawn, i, j, c]
                    attention = q.dtype.type(share * exponentials[m, i, h, j])
                    for d in range(width):
                        output[m, i, h, d] += attention * kv[m, j, 1, h, d]


@_compiled
def _backward(g, q, kv, members, weights, exponentials, to_q, to_kv):
    """Adds the gradients of q and kv to to_q and to_kv; g [M, N, H, D] is that of the output."""
    tokens, agents, heads, width = q.shape
    coalitions = weights.shape[1]
    scale = 1 / math.sqrt(width)
    shares = np.empty(coalitions)
    means = np.empty(coalitions)
    to_attention = np.empty(agents)
    for m in range(tokens):
        drawn = m if members.shape[0] > 1 else 0
        for i in range(agents):
            for h in range(heads):
                shares[:] = 0.0
                means[:] = 0.0
                for j in range(agents):
                    to_weight = q.dtype.type(0)
                    for d in range(width):
                        to_weight += g[m, i, h, d] * kv[m, j, 1, h, d]
                    to_attention[j] = to_weight
                    e = exponentials[m, i, h, j]
                    for c in range(coalitions):
                        shares[c] += e * members[drawn, i, j, c]
                        means[c] += e * to_weight * members[drawn, i, j, c]
                for c in range(coalitions):
                    means[c] *= weights[i, c] / (shares[c] * shares[c])
                    shares[c] = weights[i, c] / shares[c]
                for j in range(agents):
                    share = 0.0
                    mean = 0.0
                    for c in range(coalitions):
                        share += shares[c] * members[drawn, i, j, c]
                        mean += means[c] * members[drawn, i, j, c]
                    e = exponentials[m, i, h, j]
                    attention = q.dtype.type(e * share)
                    to_score = q.dtype.type(e * (to_attention[j] * share - mean) * scale)
                    for d in range(width):
                        to_kv[m, j, 1, h, d] += attention * g[m, i, h, d]
                    for d in range(width):
                        to_q[m, i, h, d] += to_score * kv[m, j, 0, h, d]
                    for d in range(width):
                        to_kv[m, j, 0, h, d] += to_score * q[m, i, h, d]
