"""Adam with gradient clipping and a learning-rate schedule over the run's budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from algorithms.interface import LearnerContext

Schedule = Literal["constant", "linear"]


class Optimiser:
    """Adam over several networks. Each network's gradient is clipped by its own norm, so that one network's gradient does not
    affect the step of another.

    `learning_rate` is the rate at the start of the run; with the schedule "linear" it is multiplied by `context.remaining`, the
    fraction of the budget that is left, and reaches 0 at the budget whatever part of the run was spent without learning.
    `weight_decay` is an L2 penalty: it is added to the gradient, as in torch's Adam.
    """

    def __init__(
        self,
        networks: Sequence[Iterable[nn.Parameter]],
        learning_rate: float,
        *,
        gradient_norm: float,
        epsilon: float,
        schedule: Schedule,
        context: LearnerContext,
        weight_decay: float = 0.0,
    ) -> None:
        self._networks = [list(parameters) for parameters in networks]
        self._learning_rate = learning_rate
        self._gradient_norm = gradient_norm
        self._schedule = schedule
        self._context = context
        all_parameters = [parameter for parameters in self._networks for parameter in parameters]
        # Measured on a CPU with two hidden layers: fused 35 us a step, foreach 85 us, one by one 100 us.
        self._adam = torch.optim.Adam(all_parameters, lr=learning_rate, eps=epsilon, weight_decay=weight_decay, fused=True)

    def minimise(self, loss: Tensor) -> Tensor:
        """One gradient step; returns the largest gradient norm of the networks before clipping."""
        self._adam.zero_grad(set_to_none=True)
        loss.backward()
        self._adam.param_groups[0]["lr"] = self.learning_rate
        norms = [nn.utils.clip_grad_norm_(parameters, self._gradient_norm) for parameters in self._networks]
        self._adam.step()
        return norms[0] if len(norms) == 1 else torch.stack(norms).amax()

    @property
    def learning_rate(self) -> float:
        """The rate of the next gradient step."""
        return self._learning_rate * (self._context.remaining if self._schedule == "linear" else 1.0)

    def state_dict(self) -> dict[str, Any]:
        """Adam's moments."""
        return {"adam": self._adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the result of `state_dict`."""
        self._adam.load_state_dict(state["adam"])
