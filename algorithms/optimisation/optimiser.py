"""Adam with gradient clipping and a learning-rate schedule over the run's budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

Schedule = Literal["constant", "linear"]


class Optimiser:
    """Adam over several networks. Each network's gradient is clipped by its own norm, so that one network's gradient does not
    affect the step of another.

    `learning_rate` is the rate at step 0; with the schedule "linear" it falls to 0 at `budget` environment steps.
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
        budget: int,
        weight_decay: float = 0.0,
    ) -> None:
        self._networks = [list(parameters) for parameters in networks]
        self._learning_rate = learning_rate
        self._gradient_norm = gradient_norm
        self._schedule = schedule
        self._budget = budget
        self._steps = 0
        all_parameters = [parameter for parameters in self._networks for parameter in parameters]
        # Measured on a CPU with two hidden layers: fused 35 us a step, foreach 85 us, one by one 100 us.
        self._adam = torch.optim.Adam(all_parameters, lr=learning_rate, eps=epsilon, weight_decay=weight_decay, fused=True)

    def minimise(self, loss: Tensor) -> Tensor:
        """One gradient step; returns the largest gradient norm of the networks before clipping."""
        self._adam.zero_grad(set_to_none=True)
        loss.backward()
        norms = [nn.utils.clip_grad_norm_(parameters, self._gradient_norm) for parameters in self._networks]
        self._adam.step()
        return norms[0] if len(norms) == 1 else torch.stack(norms).amax()

    def advance(self, steps: int) -> None:
        """Adds environment steps to the count that the schedule depends on."""
        self._steps += steps
        if self._schedule == "linear":
            remaining = max(0.0, 1.0 - self._steps / self._budget)
            self._adam.param_groups[0]["lr"] = self._learning_rate * remaining

    @property
    def learning_rate(self) -> float:
        """The rate of the next gradient step."""
        return float(self._adam.param_groups[0]["lr"])

    def state_dict(self) -> dict[str, Any]:
        """Adam's moments and the step count of the schedule."""
        return {"adam": self._adam.state_dict(), "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the result of `state_dict`."""
        self._adam.load_state_dict(state["adam"])
        self._steps = state["steps"]
