"""The losses of policy and values: against loops."""

from __future__ import annotations

import math

import pytest
import torch

from algorithms.advantages.gae import value_loss
from algorithms.policy_gradient.learner import policy_loss


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_clipped_objective_equals_a_loop() -> None:
    logits = torch.randn(40, 3, generator=generator(1))
    action = torch.randint(3, (40,), generator=generator(2))
    old = torch.randn(40, generator=generator(3)) * 0.5 - 1.1
    advantage = torch.randn(40, generator=generator(4))
    loss, sums = policy_loss(logits, action, old, advantage, 0.2, 0.03)
    objective = entropy = divergence = 0.0
    clipped = 0
    for row in range(40):
        policy = [math.exp(x) for x in logits[row].tolist()]
        policy = [x / sum(policy) for x in policy]
        rho = policy[action[row]] / math.exp(old[row])
        objective += min(rho * advantage[row].item(), max(0.8, min(1.2, rho)) * advantage[row].item())
        entropy -= sum(p * math.log(p) for p in policy)
        divergence += rho - 1 - math.log(rho)
        clipped += abs(rho - 1) > 0.2
    assert 0 < clipped < 40
    assert sums.tolist() == pytest.approx([objective, entropy, divergence, clipped, 40], rel=1e-4)
    assert loss.item() == pytest.approx(-(objective + 0.03 * entropy) / 40, rel=1e-4)


def test_one_sample_is_its_own_mean_and_an_unchanged_one_is_not_clipped() -> None:
    logits, action = torch.tensor([[0.0, 1.0]]), torch.tensor([1])
    old = logits.log_softmax(-1)[:, 1]
    loss, sums = policy_loss(logits, action, old, torch.tensor([3.0]), 0.0, 0.0)
    assert (loss, sums[3]) == (-3, 0)


@pytest.mark.parametrize("clip", [None, 0.3])
@pytest.mark.parametrize("huber_delta", [None, 0.5])
def test_the_value_loss_equals_a_loop(clip: float | None, huber_delta: float | None) -> None:
    value, before, target = torch.randn(3, 20, 2, generator=generator()).unbind()

    def error(x: float) -> float:
        if huber_delta is None or abs(x) <= huber_delta:
            return 0.5 * x * x
        return huber_delta * (abs(x) - 0.5 * huber_delta)

    total = 0.0
    for v, b, y in zip(value.flatten().tolist(), before.flatten().tolist(), target.flatten().tolist(), strict=True):
        kept = b + max(-0.3, min(0.3, v - b))
        total += error(v - y) if clip is None else max(error(v - y), error(kept - y))
    assert value_loss(value, before, target, clip, huber_delta).item() == pytest.approx(total / 40, rel=1e-5)
