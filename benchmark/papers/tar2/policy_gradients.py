"""Per-episode policy gradients of a feed-forward actor: squared norms, means and their uncertainty.

An episode's gradient is the sum over t, i of w_{t,i} grad log pi(a_{t,i} | o_{t,i}), for each of W weightings of the actions.
Per-episode gradients are not stored. The gradient of a linear layer is a sum over samples of (gradient at its output) x (its
input), so the squared norm of an episode's gradient is w' G w, where G [S, S] over the episode's S = T N samples is the sum
over layers of (inner products of output gradients) * (1 + inner products of inputs); G does not depend on the weights. Means
are taken over groups of episodes: the product of the means of two different groups is an unbiased estimate of the squared
mean.

Letters: **W** weightings, **M** episodes, **G** groups of them, **P** parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from algorithms.interface import Episodes
from algorithms.networks.perceptrons import TeamNetworks, masked_logits
from benchmark.papers.toolkit.estimators import CONFIDENCE, Interval

Array = NDArray[np.float64]
Booleans = NDArray[np.bool_]


def gradients_of(actor: TeamNetworks, episodes: Episodes, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Squared norms [W, B] of the episodes' gradients, and the sum of the gradients [W, P], for weights [W, B, T, N].

    Weights of agents that did not act count as 0. The actor must not see the last action. Raises ValueError
    unless it is feed-forward and shared by all agents.
    """
    if actor.recurrent or len(actor.groups) > 1:
        raise ValueError("only a feed-forward actor that all agents share")
    inputs = actor.inputs(0, episodes.observation[:, :-1], None)
    layers = _Linears(actor.network(0))
    with layers:
        logits = masked_logits(actor.network(0)(inputs), episodes.available[:, :-1])
        chosen = logits.log_softmax(-1).gather(-1, episodes.action[..., None]).masked_fill(~episodes.acting[..., None], 0.0)
        signals = torch.autograd.grad(chosen.sum(), layers.outputs)
    batch = len(episodes.length)
    flat = weights.masked_fill(~episodes.acting, 0.0).flatten(2)  # [W, B, S]
    products = flat.new_zeros(batch, flat.shape[2], flat.shape[2])
    sums = []
    for entering, signal in zip(layers.inputs, signals, strict=True):
        h, d = entering.detach().reshape(batch, -1, entering.shape[-1]), signal.reshape(batch, -1, signal.shape[-1])
        products += (d @ d.transpose(1, 2)) * (h @ h.transpose(1, 2) + 1)
        weighted = flat[..., None] * d  # [W, B, S, outputs]
        matrices = weighted.flatten(1, 2).transpose(1, 2) @ h.flatten(0, 1)
        sums += [matrices.flatten(1), weighted.sum((1, 2))]
    squared = torch.einsum("wbs,bst,wbt->wb", flat, products, flat)
    return squared, torch.cat(sums, 1)


class _Linears:
    """A context manager that records the input and output of each linear layer of a network, in order."""

    def __init__(self, network: nn.Module) -> None:
        self._layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []

    def __enter__(self) -> None:
        self._handles = [layer.register_forward_hook(self._note) for layer in self._layers]

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _note(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.inputs.append(inputs[0])
        self.outputs.append(output)


@dataclass(frozen=True)
class Moments:
    """Mean squared norms [W, G] and mean gradients [W, G, P] of groups of equally many episodes."""

    squared: Array
    means: Array

    @staticmethod
    def of(groups: list[tuple[Tensor, Tensor]]) -> Moments:
        """From the results of `gradients_of`, one per group."""
        squared = torch.stack([sizes.double().mean(1) for sizes, _ in groups], 1)
        means = torch.stack([total.double() / sizes.shape[1] for sizes, total in groups], 1)
        return Moments(squared.numpy(), means.numpy())


@dataclass(frozen=True)
class Comparison:
    """The gradients of one weighting compared with those of others.

    `noise`: tr Cov(g) / |E g|^2 of one episode's gradient; `relative`: the same divided by that of another weighting;
    `cosine`: of E g with that of a third. None if a mean gradient is not significantly different from 0.
    """

    noise: Interval | None
    relative: Interval | None
    cosine: Interval | None


def compare(moments: Moments, weighting: int, *, noise_of: int, direction_of: int) -> Comparison:
    """Unbiased, from products of the means of different groups, with jackknife intervals over the groups."""

    def product(first: int, second: int, kept: Booleans) -> float:
        gram = moments.means[first][kept] @ moments.means[second][kept].T
        return float((gram.sum() - np.trace(gram)) / (len(gram) * (len(gram) - 1)))

    def signal(index: int, kept: Booleans) -> float:
        size = product(index, index, kept)
        return size / (float(moments.squared[index][kept].mean()) - size)

    def cosine(kept: Booleans) -> float:
        sizes = product(weighting, weighting, kept) * product(direction_of, direction_of, kept)
        return product(weighting, direction_of, kept) / math.sqrt(sizes)

    groups = moments.squared.shape[1]
    own = jackknife(groups, lambda kept: signal(weighting, kept))
    if own.low <= 0:
        return Comparison(None, None, None)
    relative, direction = None, None
    if weighting == noise_of:
        relative = Interval(1.0, 1.0, 1.0)
    elif jackknife(groups, lambda kept: signal(noise_of, kept)).low > 0:
        ratio = jackknife(groups, lambda kept: math.log(signal(noise_of, kept) / signal(weighting, kept)))
        relative = Interval(*map(math.exp, ratio))
    if weighting == direction_of:
        direction = Interval(1.0, 1.0, 1.0)
    elif jackknife(groups, lambda kept: signal(direction_of, kept)).low > 0:
        direction = Interval(*(min(1.0, max(-1.0, number)) for number in jackknife(groups, cosine)))
    return Comparison(Interval(1 / own.value, 1 / own.high, 1 / own.low), relative, direction)


def jackknife(groups: int, statistic: Callable[[Booleans], float]) -> Interval:
    """The statistic of all groups with its jackknife interval (Student's t). `statistic` gets a mask [G] of the kept groups."""
    whole = np.ones(groups, np.bool_)
    left_out = np.array([statistic(whole & (np.arange(groups) != group)) for group in range(groups)])
    error = ((groups - 1) / groups * np.square(left_out - left_out.mean()).sum()) ** 0.5
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, groups - 1)) * error
    value = statistic(whole)
    return Interval(value, value - half, value + half)
