"""Learned redistribution with a linear reward model: schedule, scale, rewards, monitors and state."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from algorithms.interface import Episodes
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.redistribution.models.reward_model import LearnedRedistributor, RewardModel, explained_return
from algorithms.redistribution.models.trajectories import Trajectories
from algorithms.registry import algorithms
from algorithms.settings.redistribution import RewardModelSettings
from tests.fixtures.reward_models import KnownCredit, fitted
from tests.fixtures.toy_team import random_episodes, toy_context, toy_team

TEAM = toy_team()
BATCH = {
    "buffer_episodes": 40,
    "warm_up_episodes": 0,
    "batch_episodes": 8,
    "gradient_steps_per_episode": 0.5,
    "fit_interval": 4,
}
METHODS = ["uniform", "ircr", "arel", "tar2", "tar2-raw"]


class Linear(RewardModel):
    """c_{t,i} = w o_{t,i} + noise, the noise from `generator`; records its calls."""

    def __init__(self, settings: RewardModelSettings, noise: float = 0.0) -> None:
        super().__init__(settings)
        self.weight = nn.Parameter(torch.zeros(TEAM.observation_size))
        self.noise = noise
        self.batches: list[list[float]] = []

    def scores(self, trajectories: Trajectories, generator: torch.Generator, training: bool) -> Tensor:
        if training:
            self.batches.append(trajectories.returns.tolist())
        noise = self.noise * torch.randn(trajectories.acting.shape, generator=generator)
        return (trajectories.observation[:, :-1] @ self.weight + noise) * trajectories.acting


def redistributor_of(noise: float = 0.0, **settings: Any) -> LearnedRedistributor:
    chosen = RewardModelSettings(**(BATCH | settings))
    return LearnedRedistributor(chosen, toy_context(TEAM), Linear(chosen, noise))


def episodes(count: int, seed: int = 0) -> Episodes:
    return random_episodes(TEAM, count, seed)


def gradient_steps(redistributor: LearnedRedistributor) -> int:
    assert isinstance(redistributor.model, Linear)
    return len(redistributor.model.batches)


def rewards_of(redistributor: LearnedRedistributor, played: Episodes) -> Tensor:
    with torch.no_grad():
        return redistributor.redistribute(played).reward


def test_nothing_is_fitted_before_the_buffer_holds_a_batch() -> None:
    redistributor = redistributor_of()
    redistributor.observe(episodes(7))
    assert redistributor.fit() == {}
    redistributor.observe(episodes(1))
    assert redistributor.fit().keys() == {"reward_model_loss", "reward_model_gradient_norm"}
    assert gradient_steps(redistributor) == 4  # the seven episodes before are owed half a step each as well


def test_fits_happen_at_their_interval_with_gradient_steps_for_all_episodes_since() -> None:
    redistributor = redistributor_of(fit_interval=10, gradient_steps_per_episode=0.3)
    actual = []
    for _ in range(10):
        redistributor.observe(episodes(4))
        redistributor.fit()
        actual.append(gradient_steps(redistributor))
    # 12, 24 and 36 episodes: 3.6, 7.2 and 10.8 steps are owed by then.
    assert actual == [0, 0, 3, 3, 3, 7, 7, 7, 10, 10]


def test_a_fraction_of_a_gradient_step_is_carried_over() -> None:
    redistributor = redistributor_of(gradient_steps_per_episode=0.0625, fit_interval=1)
    for _ in range(12):
        redistributor.observe(episodes(4))
        redistributor.fit()
    assert gradient_steps(redistributor) == 3


def test_the_policy_waits_for_the_warm_up_and_for_a_first_fit() -> None:
    redistributor = redistributor_of(warm_up_episodes=20)
    for _ in range(4):
        redistributor.observe(episodes(4))
        redistributor.fit()
    assert gradient_steps(redistributor) > 0
    assert not redistributor.ready()  # 16 episodes
    redistributor.observe(episodes(4))
    assert redistributor.ready()
    unfitted = redistributor_of()
    unfitted.observe(episodes(4))
    assert not unfitted.ready()  # no warm-up, but the model has not been fitted


def test_batches_are_drawn_from_the_newest_episodes() -> None:
    redistributor = redistributor_of(buffer_episodes=8, gradient_steps_per_episode=1.0)
    for seed in range(4):
        redistributor.observe(episodes(4, seed))
    redistributor.fit()
    assert isinstance(redistributor.model, Linear)
    newest = sorted([*Trajectories.of(episodes(4, 2)).returns.tolist(), *Trajectories.of(episodes(4, 3)).returns.tolist()])
    assert len(redistributor.model.batches) == 16
    assert all(sorted(batch) == newest for batch in redistributor.model.batches)


def test_returns_are_scaled_by_their_deviation_in_the_buffer_and_shares_scaled_back() -> None:
    redistributor, played = redistributor_of(), episodes(20)
    redistributor.observe(played)
    redistributor.fit()
    trajectories = Trajectories.of(played)
    scale = trajectories.returns.double().std(correction=0).item()
    with torch.no_grad():
        scores = redistributor.model.scores(trajectories, torch.Generator(), training=False)
    assert scores.abs().max() > 0
    assert torch.allclose(rewards_of(redistributor, played), scores * scale, rtol=1e-5)


def test_the_scale_takes_effect_with_the_first_gradient_step() -> None:
    """One step of Adam from weights of 0: what it sees is the gradient, whose size clipping reports."""
    played = episodes(8)
    trajectories = Trajectories.of(played)
    scale = trajectories.returns.std(correction=0)
    sums = (trajectories.observation[:, :-1] * trajectories.acting[..., None]).sum((1, 2))
    gradient = (-2 * (trajectories.returns / scale)[:, None] * sums).mean(0)
    redistributor = redistributor_of(loss="squared", gradient_steps_per_episode=0.125)
    redistributor.observe(played)
    monitors = redistributor.fit()
    assert gradient_steps(redistributor) == 1
    assert float(monitors["reward_model_gradient_norm"]) == pytest.approx(float(gradient.norm()), rel=1e-4)
    squares = (trajectories.returns / scale).square()
    assert float(monitors["reward_model_loss"]) == pytest.approx(float(squares.mean()), rel=1e-4)


def test_returns_that_hardly_vary_are_not_scaled_up_without_bound() -> None:
    redistributor, played = redistributor_of(), episodes(8)
    redistributor.observe(replace(played, team_reward=torch.zeros_like(played.team_reward)))
    assert redistributor.fit()["reward_model_loss"] == 0


@pytest.mark.parametrize("loss", ["huber", "squared"])
def test_the_regression_loss_equals_a_loop(loss: str) -> None:
    model = Linear(RewardModelSettings(loss=loss))
    errors = [0.5, -0.2, 3.0, -1.5]
    actual = model.regression(torch.tensor(errors) + 7.0, torch.full((4,), 7.0))
    each = [e * e if loss == "squared" else (e * e / 2 if abs(e) < 1 else abs(e) - 0.5) for e in errors]
    assert float(actual) == pytest.approx(sum(each) / 4, rel=1e-5)


def test_the_reported_fit_is_that_of_the_prediction_for_the_episodes_at_hand() -> None:
    redistributor = redistributor_of()
    redistributor.observe(episodes(20))
    redistributor.fit()
    fresh = episodes(16, seed=5)
    with torch.no_grad():
        redistribution = redistributor.redistribute(fresh)
    returns, predicted = Trajectories.of(fresh).returns, redistribution.shares.sum((1, 2))
    expected = 1 - ((returns - predicted) ** 2).sum() / ((returns - returns.mean()) ** 2).sum()
    assert float(redistribution.monitors["return_r2"]) == pytest.approx(float(expected), rel=1e-4)
    assert float(expected) < 0.99


def test_explained_return_by_hand() -> None:
    returns = torch.tensor([1.0, 3.0, 5.0])
    assert explained_return(returns, returns) == 1
    assert explained_return(torch.full((3,), 3.0), returns) == 0
    assert explained_return(returns + 4, returns) == pytest.approx(1 - 16 / (8 / 3))
    assert explained_return(torch.tensor([1.0, 2.0]), torch.tensor([5.0, 5.0])) == 0
    assert explained_return(torch.tensor([1.0, 2.0]), torch.tensor([-0.7, -0.70000005])) == 0  # equal but for rounding


def test_redistributing_changes_no_state_and_is_repeatable() -> None:
    redistributor, played = redistributor_of(noise=1.0), episodes(12)
    redistributor.observe(played)
    redistributor.fit()
    before = saved(redistributor.state_dict())
    first = rewards_of(redistributor, played)
    assert torch.equal(rewards_of(redistributor, played), first)
    assert saved(redistributor.state_dict()) == before
    assert not torch.equal(first[0], first[1])


def test_training_draws_continue_from_step_to_step() -> None:
    redistributor = redistributor_of(noise=1.0, learning_rate=1e-12, gradient_steps_per_episode=0.125, batch_episodes=8)
    losses = []
    for _ in range(3):
        redistributor.observe(episodes(8))  # the same every time, and the buffer holds nothing else
        losses.append(float(redistributor.fit()["reward_model_loss"]))
    assert len(set(losses)) == 3


def test_a_linear_model_finds_the_true_credit_of_a_linear_return() -> None:
    redistributor = redistributor_of(buffer_episodes=500, batch_episodes=64, gradient_steps_per_episode=1.0, learning_rate=0.05)
    truth = torch.tensor([1.0, -2.0, 0.5, 0.0])
    for seed in range(8):
        played = episodes(64, seed)
        credit = (played.observation[:, :-1] @ truth) * played.acting
        played = replace(played, team_reward=credit.sum(-1))
        redistributor.observe(played)
        redistributor.fit()
    with torch.no_grad():
        redistribution = redistributor.redistribute(played)
    assert torch.allclose(redistribution.shares, credit, atol=0.02)
    assert float(redistribution.monitors["return_r2"]) > 0.999
    assert float(redistribution.monitors["sum_error_max"]) < 0.05


def test_a_nan_return_gives_nan_monitors() -> None:
    redistributor, played = redistributor_of(), episodes(8)
    reward = played.team_reward.clone()
    reward[2, 0] = math.nan
    broken = replace(played, team_reward=reward)
    redistributor.observe(broken)
    assert math.isnan(redistributor.fit()["reward_model_loss"])
    with torch.no_grad():
        assert math.isnan(redistributor.redistribute(played).monitors["return_r2"])


def test_no_untrained_model_recovers_the_known_credit() -> None:
    """The world on which models are tried must be able to fail one."""
    assert fitted(Linear(RewardModelSettings()), steps=1, learning_rate=1e-9).return_r2 < 0.1
    assert KnownCredit(10, seed=0).credit.shape == (10, 6, 2)


def saved(state: dict[str, Any]) -> bytes:
    """As a checkpoint has it."""
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def paid_learner(method: str) -> PolicyGradient:
    entry = algorithms()[f"ippo+{method}"]
    small = {"width": 8, "heads": 2, "depth": 1, "learning_rate": 1e-2} | BATCH
    redistribution = small if entry.presets else {}
    settings = entry.settings(hidden_size=8, redistribution=redistribution)
    algorithm = entry.build(settings, toy_context(TEAM, regime="episodic"))
    assert isinstance(algorithm, PolicyGradient)
    return algorithm


@pytest.mark.parametrize("method", METHODS)
def test_a_run_resumes_bit_for_bit(method: str) -> None:
    straight, interrupted, resumed = (paid_learner(method) for _ in range(3))
    for seed in range(2):
        straight.update(episodes(8, seed))
        interrupted.update(episodes(8, seed))
    state = torch.load(io.BytesIO(saved(interrupted.state_dict())), weights_only=True)
    resumed.load_state_dict(state)
    for seed in range(2, 4):
        expected = straight.update(episodes(8, seed))
        assert resumed.update(episodes(8, seed)) == expected
        assert "policy_loss" in expected
    assert saved(resumed.state_dict()) == saved(straight.state_dict())
    ours, theirs = straight.credit(episodes(5, 9)), resumed.credit(episodes(5, 9))
    assert ours is not None
    assert theirs is not None
    assert torch.equal(ours.values, theirs.values)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_drawn_from_the_global_random_state(method: str) -> None:
    before = torch.get_rng_state()
    algorithm = paid_learner(method)
    for seed in range(2):
        algorithm.update(episodes(8, seed))
    algorithm.credit(episodes(4))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("method", METHODS)
def test_it_runs_on_a_gpu(method: str) -> None:
    entry = algorithms()[f"ippo+{method}"]
    small = {"width": 8, "heads": 2, "depth": 1} | BATCH if entry.presets else {}
    algorithm = entry.build(
        entry.settings(redistribution=small), toy_context(TEAM, regime="episodic", device=torch.device("cuda"))
    )
    for seed in range(2):
        monitors = algorithm.update(episodes(8, seed))
    assert all(map(math.isfinite, monitors.values()))
