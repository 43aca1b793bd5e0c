"""What redistribution keeps of the objective and what it does not: exact, on cases small enough to enumerate.

The weights that the cases need are those of the softmax normaliser, whose scores are the logarithms of the weights.
"""

from __future__ import annotations

import math
from itertools import pairwise, product
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from algorithms.redistribution.arel import AREL
from algorithms.redistribution.models.normaliser import normalised_rewards
from algorithms.redistribution.models.reward_assignment import assign_rewards
from algorithms.redistribution.models.trajectories import Trajectories
from algorithms.redistribution.tar2 import TAR2
from algorithms.settings.redistribution import ARELSettings, RedistributionSettings, TAR2Settings
from tests.fixtures.reward_models import generator, made_up, scores_of
from tests.fixtures.toy_team import toy_team

TEAM = toy_team(n_agents=3, horizon=6)
SMALL: dict[str, Any] = {"width": 8, "heads": 2, "depth": 1}


def bare(acting: Tensor, returns: Tensor) -> Trajectories:
    """Trajectories with only `acting` and `returns` set."""
    batch, steps, agents = acting.shape
    return Trajectories(
        torch.zeros(batch, steps + 1, agents, 1),
        torch.zeros(batch, steps, agents, dtype=torch.int64),
        acting,
        acting.any(-1),
        returns,
    )


def tar2_shares(trajectories: Trajectories, seed: int = 0) -> Tensor:
    """Of an untrained network, in float64."""
    scores = scores_of(TAR2(TAR2Settings(**SMALL), TEAM, generator(seed)), trajectories).double()
    return normalised_rewards(scores, trajectories.acting, trajectories.returns.double(), "fixed")


# One agent acts at two steps, with probability sigmoid(logit) of action 1 at each.
LOGITS = (0.3, -0.4)
PAIRS = tuple(product((0, 1), (0, 1)))
RETURNS = torch.tensor([0.0, 1.0, 2.0, 5.0], dtype=torch.float64)
ONE_AGENT = torch.ones(4, 2, 1, dtype=torch.bool)
SPARSE_GRADIENT = (0.68512, 0.51629)


def weighted(first_step: list[float]) -> Tensor:
    """Rewards [4, 2] of the four episodes, of which the first step gets this part of the return."""
    parts = torch.tensor(first_step, dtype=torch.float64)
    scores = torch.stack([parts, 1 - parts], 1).log()[..., None]
    return normalised_rewards(scores, ONE_AGENT, RETURNS, "softmax")[..., 0]


REWARDS = {
    "sparse": torch.stack([torch.zeros(4, dtype=torch.float64), RETURNS], 1),
    "uniform": weighted([0.5] * 4),
    "hindsight": weighted([0.9 if second else 0.1 for _, second in PAIRS]),
    "causal": torch.stack([torch.tensor([0.5, 0.5, 3.0, 3.0]), RETURNS - torch.tensor([0.5, 0.5, 3.0, 3.0])], 1),
}
REWARD_TO_GO_GRADIENTS = {
    "sparse": SPARSE_GRADIENT,
    "uniform": (0.68512, 0.25815),
    "hindsight": (0.68512, -0.16920),
    "causal": SPARSE_GRADIENT,
}
COSINES = {"sparse": 1.0, "uniform": 0.9595, "hindsight": 0.6310, "causal": 1.0}


def enumerated_gradient(rewards: Tensor, kind: Literal["full", "to go"]) -> list[float]:
    """Sum over the episodes of probability times score function times return, with d log pi(a) / d logit = a - p."""
    chances = [1 / (1 + math.exp(-logit)) for logit in LOGITS]
    gradient = [0.0, 0.0]
    for actions, reward in zip(PAIRS, rewards.tolist(), strict=True):
        probability = math.prod(p if a else 1 - p for p, a in zip(chances, actions, strict=True))
        for step in (0, 1):
            worth = sum(reward if kind == "full" else reward[step:])
            gradient[step] += probability * (actions[step] - chances[step]) * worth
    return gradient


def reinforce_gradient(rewards: Tensor, kind: Literal["full", "to go"]) -> list[float]:
    """The same by automatic differentiation of the REINFORCE objective."""
    logits = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
    actions = torch.tensor(PAIRS, dtype=torch.float64)
    log_policy = torch.distributions.Bernoulli(logits=logits).log_prob(actions)
    to_go = rewards.flip(1).cumsum(1).flip(1)
    worth = to_go[:, :1].expand_as(to_go) if kind == "full" else to_go
    (log_policy.sum(1).exp().detach() * (log_policy * worth).sum(1)).sum().backward()
    assert logits.grad is not None
    return logits.grad.tolist()


@pytest.mark.parametrize("case", REWARDS)
def test_the_gradients_of_the_toy_are_those_of_the_table(case: str) -> None:
    rewards = REWARDS[case]
    assert torch.allclose(rewards.sum(1), RETURNS)
    actual = {kind: enumerated_gradient(rewards, kind) for kind in ("full", "to go")}
    assert actual["full"] == pytest.approx(SPARSE_GRADIENT, abs=1e-5)
    assert actual["to go"] == pytest.approx(REWARD_TO_GO_GRADIENTS[case], abs=1e-5)
    assert torch.cosine_similarity(torch.tensor(actual["to go"]), torch.tensor(SPARSE_GRADIENT), dim=0).item() == pytest.approx(
        COSINES[case], abs=1e-4
    )
    for kind, gradient in actual.items():
        assert reinforce_gradient(rewards, kind) == pytest.approx(gradient, abs=1e-6)


def test_the_gradient_of_a_single_episode_keeps_its_direction_under_the_full_return() -> None:
    """For rewards W R with W >= 0: the same direction as for R in each episode, but not on average over episodes."""
    trajectories = made_up(TEAM, 40)
    paid_to_agents = tar2_shares(trajectories).sum(1)
    weights = torch.randn(TEAM.n_agents, TEAM.observation_size, TEAM.action_size, generator=generator(1), dtype=torch.float64)
    compared = 0
    for row, returned in enumerate(trajectories.returns.double()):
        for agent in range(TEAM.n_agents):
            policy = weights[agent].clone().requires_grad_()
            log_policy = (trajectories.observation[row, :-1, agent].double() @ policy).log_softmax(-1)
            chosen = log_policy.gather(-1, trajectories.action[row, :, agent, None])[:, 0]
            (gradient,) = torch.autograd.grad((chosen * trajectories.acting[row, :, agent]).sum(), policy)
            ours, sparse = gradient * paid_to_agents[row, agent], gradient * returned
            if abs(returned) > 1e-6 and paid_to_agents[row, agent] / returned > 1e-6:
                assert torch.cosine_similarity(ours.flatten(), sparse.flatten(), dim=0) >= 1 - 1e-6
                compared += 1
    assert compared > 60


def test_with_agent_payment_the_optimum_can_differ_from_the_teams() -> None:
    """One step, R = 1 or 2 for agent 1's action; it gets 9/10 of the small return, 2/10 of the large one."""
    acting, returns = torch.ones(2, 1, 2, dtype=torch.bool), torch.tensor([1.0, 2.0])
    first = torch.tensor([0.9, 0.2])
    scores = torch.stack([first, 1 - first], 1).log()[:, None]
    shares = normalised_rewards(scores, acting, returns, "softmax")
    assert (shares >= 0).all()
    assert torch.allclose(shares.sum((1, 2)), returns)
    gradient = {}
    for payment in ("team", "agent"):
        reward = assign_rewards(shares, bare(acting, returns), RedistributionSettings(payment=payment)).reward[:, 0, 0]
        # At probability 1/2, d p / d logit = 1/4: the derivative of the mean reward by the logit of the second action.
        gradient[payment] = 0.25 * float(reward[1] - reward[0])
    assert gradient["team"] == pytest.approx(0.25)
    assert gradient["agent"] == pytest.approx(-0.125)


@pytest.mark.parametrize("discount", [0.9, 0.99, 1.0])
def test_a_potential_of_past_rewards_telescopes_and_added_rewards_are_not_neutral(discount: float) -> None:
    """F_t = gamma Phi_{t+1} - Phi_t with Phi_{t+1} = (Phi_t + r_t) / gamma is r_t; neutral only if the last potential is 0."""
    trajectories = made_up(TEAM, 20)
    for rewards, length in zip(tar2_shares(trajectories).sum(-1), trajectories.length.tolist(), strict=True):
        potential = [0.0]
        for reward in rewards[:length].tolist():
            potential.append((potential[-1] + reward) / discount)
        shaping = [discount * after - before for before, after in pairwise(potential)]
        assert shaping == pytest.approx(rewards[:length].tolist(), abs=1e-10)
        total = sum(discount**t * value for t, value in enumerate(shaping))
        assert total == pytest.approx(discount**length * potential[-1], abs=1e-10)
        ending_at_zero = [*shaping[:-1], -potential[-2]]
        assert sum(discount**t * value for t, value in enumerate(ending_at_zero)) == pytest.approx(-potential[0], abs=1e-10)


def test_replacing_is_shaping_with_a_potential_that_ends_at_zero_for_tar2_only() -> None:
    trajectories = made_up(TEAM, 40)
    last = tar2_shares(trajectories).sum((1, 2)) - trajectories.returns.double()
    assert last.abs().max() < 1e-6
    raw = scores_of(AREL(ARELSettings(**SMALL), TEAM, generator()), trajectories)
    redistribution = assign_rewards(raw, trajectories, RedistributionSettings())
    error = (raw.sum((1, 2)) - trajectories.returns).abs() / trajectories.returns.abs().clamp(min=1)
    assert error.min() > 1e-6
    assert float(redistribution.monitors["sum_error_max"]) == pytest.approx(float(error.max()), rel=1e-5)


def test_only_rewards_weighted_by_the_discount_of_the_remaining_steps_keep_the_discounted_objective() -> None:
    trajectories, discount = made_up(TEAM, 40), 0.9
    shares = tar2_shares(trajectories)
    last = trajectories.length.double() - 1
    steps = torch.arange(TEAM.horizon)
    objective = discount**last * trajectories.returns.double()
    reward = assign_rewards(shares, trajectories, RedistributionSettings(payment="team")).reward
    remaining = (last[:, None] - steps).clamp(min=0)
    weighted = reward * (discount ** (remaining + steps))[:, :, None]
    assert torch.allclose(weighted.sum(1), objective[:, None].expand(-1, TEAM.n_agents), atol=1e-6)
    unweighted = (shares.sum(-1) * discount**steps).sum(1)
    assert (unweighted - objective).abs().max() > 0.1
