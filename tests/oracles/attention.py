"""Attention written out as loops over queries, heads, keys and coalitions, in float64 numpy.

These are the definitions of `EncoderLayer` and `CoalitionAttention` (algorithms/networks/attention.py).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.special import erf
from torch import Tensor

from algorithms.networks.attention import CoalitionAttention, Coalitions, EncoderLayer


def numpy(x: Tensor) -> np.ndarray:
    """x as a float64 array."""
    return x.detach().double().numpy()


def applied(layer: torch.nn.Module, x: np.ndarray) -> np.ndarray:
    """A linear layer applied to the rows of x."""
    assert isinstance(layer, torch.nn.Linear)
    y = x @ numpy(layer.weight).T
    return y if layer.bias is None else y + numpy(layer.bias)


def softmax(scores: np.ndarray) -> np.ndarray:
    """The softmax of a vector of scores."""
    exponentials = np.exp(scores - scores.max())
    return exponentials / exponentials.sum()


def normalised(x: np.ndarray) -> np.ndarray:
    """LayerNorm of a vector without scale and shift."""
    return (x - x.mean()) / np.sqrt(x.var() + 1e-12)


def encoder_by_loop(layer: EncoderLayer, x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The encoder layer on one sequence x [L, E] with mask [L, L] (query, key): loops over queries, heads and keys."""
    shape = layer.shape
    width = shape.width if shape.wide_heads else shape.width // shape.heads
    inner = shape.heads * width
    projected = applied(layer.queries_keys_values, x)
    q, k, v = projected[:, :inner], projected[:, inner : 2 * inner], projected[:, 2 * inner :]
    output = np.empty_like(x)
    for t in range(len(x)):
        heads = np.zeros(inner)
        for head in range(shape.heads):
            part = slice(head * width, (head + 1) * width)
            keys = [s for s in range(len(x)) if mask[t, s]]
            if keys:
                weights = softmax(np.array([q[t, part] @ k[s, part] / math.sqrt(width) for s in keys]))
                heads[part] = sum(weight * v[s, part] for weight, s in zip(weights, keys, strict=True))
        attended = applied(layer.attention_output, heads)
        hidden = normalised(x[t] + attended)
        fed = applied(layer.inner, hidden)
        fed = fed * (1 + erf(fed / math.sqrt(2))) / 2 if shape.activation == "gelu" else np.maximum(fed, 0)
        fed = applied(layer.outer, fed)
        output[t] = normalised(fed + (2 * attended if shape.doubled_residual else hidden))
    return output


def coalition_attention_by_loop(
    module: CoalitionAttention, z: np.ndarray, coalitions: Coalitions, alive: np.ndarray
) -> np.ndarray:
    """Coalition attention on tokens z [M, N, E] with alive [M, N]: loops over tokens, agents, coalitions and heads."""
    _, agents, width = z.shape
    size = width // module.heads
    members, output = coalitions.members.numpy(), np.empty_like(z)
    for m, token in enumerate(z):
        keys, values = np.split(applied(module.keys_values, token), 2, axis=1)
        for i in range(agents):
            query = applied(module.queries[i], token[i])
            heads = np.zeros(width)
            for c, weight in enumerate(coalitions.weights[:, i].tolist()):
                row = (members[m] if members.ndim == 4 else members)[c, i]
                seen = [j for j in range(agents) if j == i or (row[j] and alive[m, j])]
                for head in range(module.heads):
                    part = slice(head * size, (head + 1) * size)
                    attention = softmax(np.array([query[part] @ keys[j, part] / math.sqrt(size) for j in seen]))
                    heads[part] += weight * sum(a * values[j, part] for a, j in zip(attention, seen, strict=True))
            output[m, i] = applied(module.output, heads)
    return output
