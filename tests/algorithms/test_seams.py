"""The two interfaces of the on-policy learner, each tested with a toy implementation."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from algorithms.interface import Episodes
from algorithms.policy_gradient.advantage_estimator import AdvantageEstimator
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.policy_gradient.redistributor import Redistribution, Redistributor
from algorithms.settings.policy_gradient import PolicyGradientSettings
from tests.fixtures.toy_team import MatrixGame, collect, mean_return, random_episodes, toy_context, toy_team

TEAM = toy_team()
CLIMBING = [[11.0, -30.0, 0.0], [-30.0, 7.0, 6.0], [0.0, 0.0, 5.0]]


class Estimator(AdvantageEstimator):
    """Records its calls; its advantage is the reward-to-go."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.rewards: list[Tensor] = []
        self.policies: list[Tensor | None] = []
        self.given: list[tuple[Episodes, Tensor, Tensor | None]] = []

    def estimate(self, episodes: Episodes, reward: Tensor, policy: Tensor | None) -> Tensor:
        assert not torch.is_grad_enabled()
        self.calls.append("estimate")
        self.given.append((episodes, reward, policy))
        self.rewards.append(reward)
        self.policies.append(policy)
        return reward.flip(1).cumsum(1).flip(1)

    def fit(self, episodes: Episodes, reward: Tensor, policy: Tensor | None) -> dict[str, Tensor | float]:
        assert torch.is_grad_enabled()
        self.calls.append("fit")
        self.given.append((episodes, reward, policy))
        return {"fitted": float(len(self.calls)), "as_tensor": torch.tensor(2.0, requires_grad=True)}

    def state_dict(self) -> dict[str, Any]:
        return {"calls": list(self.calls)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.calls = list(state["calls"])


class CriticBeforeActor(Estimator):
    critic_before_actor = True


class TrueAdvantage(Estimator):
    """Knows a matrix game: what an agent's action is worth above its policy's mean, whatever the other draws."""

    needs_policy = True

    def __init__(self, payoff: Tensor) -> None:
        super().__init__()
        self.payoff = payoff

    def estimate(self, episodes: Episodes, reward: Tensor, policy: Tensor | None) -> Tensor:
        assert policy is not None
        first, second = policy[:, 0].unbind(1)
        worth = torch.stack([second @ self.payoff.T, first @ self.payoff], 1)
        mean = (policy[:, 0] * worth).sum(-1, keepdim=True)
        return (worth - mean).gather(-1, episodes.action[:, 0, :, None])[..., 0][:, None]


class Splitter(Redistributor):
    """Splits the episode's return evenly over all actions; ready after `warm_up` episodes."""

    def __init__(self, warm_up: int) -> None:
        self.warm_up = warm_up
        self.seen = 0
        self.fits = 0

    def observe(self, episodes: Episodes) -> None:
        self.seen += len(episodes.length)

    def ready(self) -> bool:
        return self.seen >= self.warm_up

    def redistribute(self, episodes: Episodes) -> Redistribution:
        assert not torch.is_grad_enabled()
        share = episodes.team_reward.sum(1) / episodes.acting.sum((1, 2))
        shares = episodes.acting * share[:, None, None]
        return Redistribution(shares, reward=2 * shares, monitors={"largest": shares.max()})

    def fit(self) -> dict[str, Tensor | float]:
        self.fits += 1
        return {"fits": float(self.fits)} if self.fits % 2 == 0 else {}

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen, "fits": self.fits}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seen, self.fits = state["seen"], state["fits"]


def learner(estimator: AdvantageEstimator, redistributor: Redistributor | None = None, **changes: Any) -> PolicyGradient:
    settings = PolicyGradientSettings(hidden_size=8, episodes_per_update=4)
    return PolicyGradient(settings, toy_context(TEAM, **changes), estimator, redistributor)


@pytest.mark.parametrize("regime", ["team", "individual", "episodic"])
def test_the_estimator_gets_the_reward_of_the_regime(regime: str) -> None:
    estimator, episodes = Estimator(), random_episodes(TEAM, 4, 0)
    monitors = learner(estimator, regime=regime).update(episodes)
    assert torch.equal(estimator.rewards[0], episodes.reward(regime))
    assert estimator.policies == [None]
    assert (monitors["fitted"], monitors["as_tensor"]) == (2.0, 2.0)


@pytest.mark.parametrize(
    ("kind", "order"), [(Estimator, ["estimate", "fit"]), (CriticBeforeActor, ["fit", "estimate"])], ids=["after", "before"]
)
def test_an_estimator_is_fitted_before_or_after_its_estimate_as_it_declares(kind: type[Estimator], order: list[str]) -> None:
    estimator = kind()
    learner(estimator).update(random_episodes(TEAM, 4, 0))
    assert estimator.calls == order


@pytest.mark.parametrize("first", ["actor", "critic"])
def test_estimate_and_fit_get_the_same_episodes_reward_and_policy(first: str) -> None:
    estimator = Estimator()
    estimator.needs_policy = True  # type: ignore[misc]
    estimator.critic_before_actor = first == "critic"  # type: ignore[misc]
    algorithm, episodes = learner(estimator, regime="individual"), random_episodes(TEAM, 4, 0)
    expected = algorithm._policy(episodes)
    algorithm.update(episodes)
    assert expected is not None
    for given, reward, policy in estimator.given:
        assert torch.equal(given.action, episodes.action)
        assert torch.equal(reward, episodes.individual_reward)
        assert policy is not None
        assert torch.equal(policy, expected)


def test_the_policy_passed_to_the_estimator_is_the_one_that_acts() -> None:
    game = MatrixGame(CLIMBING)
    estimator = TrueAdvantage(game.payoff)
    for recurrent in (False, True):
        settings = PolicyGradientSettings(hidden_size=8, recurrent=recurrent, last_action=recurrent)
        algorithm = PolicyGradient(settings, toy_context(game.team), estimator)
        episodes = collect(algorithm, game, 5, "sample", torch.Generator().manual_seed(0))
        policy = algorithm._policy(episodes)
        assert policy is not None
        chosen = policy.gather(-1, episodes.action[..., None])[..., 0]
        assert torch.allclose(chosen.log(), episodes.log_probability, atol=1e-6)
        assert torch.allclose(policy.sum(-1), torch.ones(5, 1, 2))
        credit = algorithm.credit(episodes)
        assert credit is not None
        assert torch.equal(credit.values, estimator.estimate(episodes, episodes.reward("team"), policy))


def test_with_the_true_advantage_a_game_is_learned() -> None:
    game = MatrixGame(CLIMBING)
    settings = PolicyGradientSettings(hidden_size=16, learning_rate=3e-3)
    algorithm = PolicyGradient(settings, toy_context(game.team), TrueAdvantage(game.payoff))
    source = torch.Generator().manual_seed(0)
    for _ in range(60):
        algorithm.update(collect(algorithm, game, 32, "train", source))
    best_replies = {5.0, 7.0, 11.0}  # where following the true advantage can come to rest
    assert mean_return(algorithm, game) in best_replies


def test_the_true_advantage_of_a_known_policy_equals_a_hand_computed_one() -> None:
    game = MatrixGame([[1.0, 0.0], [0.0, 3.0]])
    episodes = collect(
        PolicyGradient(PolicyGradientSettings(), toy_context(game.team), Estimator()),
        game,
        64,
        "sample",
        torch.Generator().manual_seed(0),
    )
    policy = torch.tensor([[0.25, 0.75], [0.5, 0.5]]).expand(64, 1, 2, 2)
    with torch.no_grad():
        advantage_estimator = TrueAdvantage(game.payoff).estimate(episodes, episodes.reward("team"), policy)
    # Agent 0 expects 1/2 of action 0 and 3/2 of action 1; agent 1 expects 1/4 and 9/4. Means: 5/4 and 5/4.
    by_hand = torch.tensor([[-0.75, 0.25], [-1.0, 1.0]])
    assert torch.equal(advantage_estimator[:, 0], by_hand[torch.arange(2), episodes.action[:, 0]])


def test_a_redistributed_reward_replaces_the_reward_of_the_regime() -> None:
    estimator, episodes = Estimator(), random_episodes(TEAM, 4, 0)
    algorithm = learner(estimator, Splitter(0), regime="episodic")
    monitors = algorithm.update(episodes)
    reward = estimator.rewards[0]
    assert torch.allclose(reward.sum((1, 2)), 2 * episodes.team_reward.sum(1), atol=1e-5)
    assert not reward[~episodes.acting].any()
    credit = algorithm.credit(episodes)
    assert credit is not None
    assert credit.kind == "reward"
    assert torch.equal(2 * credit.values, reward)
    assert monitors["largest"] == credit.values.max()


def test_seconds_of_the_reward_model_are_counted_and_no_part_of_the_state() -> None:
    plain, redistributed = learner(Estimator()), learner(Estimator(), Splitter(0))
    for algorithm in (plain, redistributed):
        algorithm.update(random_episodes(TEAM, 4, 0))
    assert plain.seconds() == {}
    assert redistributed.seconds()["reward model"] > 0
    assert "seconds" not in str(redistributed.state_dict().keys())


def test_no_policy_learns_while_the_redistributor_warms_up() -> None:
    estimator, splitter = Estimator(), Splitter(warm_up=8)
    algorithm = learner(estimator, splitter)
    before = algorithm.policy_state()
    assert algorithm.update(random_episodes(TEAM, 4, 0)) == {}
    assert algorithm.phase() == "warm-up"
    assert estimator.calls == []
    assert all(torch.equal(before[name], tensor) for name, tensor in algorithm.policy_state().items())
    monitors = algorithm.update(random_episodes(TEAM, 4, 1))
    assert algorithm.phase() == "training"
    assert (splitter.seen, monitors["fits"]) == (8, 2.0)
    assert math.isfinite(monitors["policy_loss"])
    assert any(not torch.equal(before[name], tensor) for name, tensor in algorithm.policy_state().items())


def test_the_state_of_estimator_and_redistributor_is_part_of_the_state_dict() -> None:
    first = learner(Estimator(), Splitter(4))
    first.update(random_episodes(TEAM, 4, 0))
    second = learner(Estimator(), Splitter(4))
    second.load_state_dict(first.state_dict())
    assert second.estimator.state_dict() == {"calls": ["estimate", "fit"]}
    assert second.redistributor is not None
    assert second.redistributor.state_dict() == {"seen": 4, "fits": 1}
