"""Returns, advantages and running statistics over whole padded episodes; every function is masked.

Each row is one episode, zero-padded. A reverse cumulative sum over the row is therefore the return-to-go.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def discounted_sums(terms: Tensor, decay: float) -> Tensor:
    """y[:, t] = sum over u >= t of decay^(u-t) * terms[:, u], for terms [B, T, …]."""
    columns = terms.movedim(1, 0).contiguous()
    sums = torch.empty_like(columns)
    ahead = columns.new_zeros(columns.shape[1:])
    for source, target in zip(reversed(columns.unbind()), reversed(sums.unbind()), strict=True):
        torch.add(source, ahead, alpha=decay, out=target)
        ahead = target
    return sums.movedim(0, 1)


def gae(
    reward: Tensor,
    value: Tensor,
    running: Tensor,
    terminal: Tensor,
    discount: float,
    decay: float,
) -> Tensor:
    """Generalised advantage estimates [B, T, N] (Schulman et al. 2016), zero where the step did not happen.

    A_t = sum_k (discount * decay)^k delta_{t+k}, delta_t = r_t + discount V_{t+1} - V_t.

    reward [B, T, N], value [B, T+1, N], running [B, T] bool, terminal [B, T] bool: V_{t+1} is taken as 0 there.
    """
    following = value[:, 1:].masked_fill(terminal[:, :, None], 0.0)
    errors = (reward + discount * following - value[:, :-1]).masked_fill(~running[:, :, None], 0.0)
    return discounted_sums(errors, discount * decay)


def standardised(values: Tensor, mask: Tensor, epsilon: float = 1e-8) -> Tensor:
    """(values - mean) / (standard deviation + epsilon), both statistics over `mask` (population); zero elsewhere."""
    chosen = values[mask]
    if chosen.numel() == 0:
        return torch.zeros_like(values)
    deviation, mean = torch.std_mean(chosen, correction=0)
    return ((values - mean) / (deviation + epsilon)).masked_fill(~mask, 0.0)


def explained_variance(prediction: Tensor, target: Tensor) -> Tensor:
    """1 - Var(target - prediction) / Var(target); 0 where the target does not vary."""
    variance = target.var(correction=0)
    residual = (target - prediction).var(correction=0)
    return torch.where(variance > 0, 1 - residual / variance, torch.zeros_like(variance))


class RunningNormaliser:
    """Exponentially weighted mean and standard deviation of a stream of numbers, corrected for the bias of starting at zero.

    One scalar each, for numbers of any shape (van Hasselt et al. 2016, without their rescaling of weights; the lower bound
    of the variance follows Yu et al. 2022). Before the first `update` it is the identity.
    """

    FLOOR = 1e-2

    def __init__(self, decay: float, device: torch.device) -> None:
        self._decay = decay
        # Double precision: the variance is a difference of two nearly equal moments.
        self._sums = torch.zeros(3, dtype=torch.float64, device=device)

    def update(self, numbers: Tensor) -> None:
        """Updates the statistics with a batch of numbers; an empty batch changes nothing."""
        if numbers.numel() == 0:
            return
        numbers = numbers.double()
        moments = torch.stack([torch.ones_like(self._sums[0]), numbers.mean(), numbers.square().mean()])
        self._sums = self._decay * self._sums + (1 - self._decay) * moments

    def normalise(self, numbers: Tensor) -> Tensor:
        """(numbers - mean) / deviation."""
        mean, deviation = self._statistics(numbers.dtype)
        return (numbers - mean) / deviation

    def restore(self, numbers: Tensor) -> Tensor:
        """numbers * deviation + mean."""
        mean, deviation = self._statistics(numbers.dtype)
        return numbers * deviation + mean

    def _statistics(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        weight, first, second = self._sums.unbind()
        seen = weight > 0
        mean = torch.where(seen, first / weight, torch.zeros_like(first))
        variance = torch.where(seen, second / weight - mean.square(), torch.ones_like(first))
        return mean.to(dtype), variance.clamp(min=self.FLOOR).sqrt().to(dtype)

    def state_dict(self) -> dict[str, Any]:
        """The three running sums."""
        return {"sums": self._sums.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the result of `state_dict`."""
        self._sums = state["sums"].to(self._sums.device, torch.float64).clone()
