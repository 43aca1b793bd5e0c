"""Gradients of single episodes against autograd, their statistics against known answers, and the study that uses them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from algorithms.interface import Episodes
from algorithms.networks.perceptrons import NetworkShape, TeamNetworks, masked_logits
from benchmark.papers.runner import run_study
from benchmark.papers.studies import studies
from benchmark.papers.tar2.policy_gradients import Moments, compare, gradients_of, jackknife
from benchmark.papers.tar2.studies.gradient_variance import ESTIMATORS, REWARDS, STAGES, Estimators
from benchmark.papers.toolkit.reward_model_fits import FrozenPolicyRollouts, policies_during_training
from benchmark.papers.toolkit.synthetic_episodes import synthetic_episodes, synthetic_team

BATCH, STEPS, AGENTS, SIZE, ACTIONS = 3, 4, 2, 5, 3


@pytest.fixture
def actor() -> TeamNetworks:
    shape = NetworkShape(8, 2, "tanh")
    return TeamNetworks(
        synthetic_team(AGENTS, SIZE, ACTIONS, STEPS), "all", ACTIONS, shape, 1.0, torch.Generator().manual_seed(0)
    )


@pytest.fixture
def episodes() -> Episodes:
    """With an agent that dies, and an action that is not available."""
    random = np.random.default_rng(0)
    made = synthetic_episodes(
        random.standard_normal((BATCH, STEPS + 1, AGENTS, SIZE)).astype(np.float32),
        random.integers(0, ACTIONS - 1, (BATCH, STEPS, AGENTS)),
        random.standard_normal((BATCH, STEPS)),
    )
    made.available = torch.ones(BATCH, STEPS + 1, AGENTS, ACTIONS, dtype=torch.bool)
    made.available[1, :, :, -1] = False
    made.alive[0, 2:, 1] = False
    return made


def one_by_one(actor: TeamNetworks, episodes: Episodes, weights: torch.Tensor) -> list[torch.Tensor]:
    """The gradient of each episode by autograd, flattened."""
    found = []
    for episode in range(BATCH):
        logits = actor.sequence(episodes.observation[episode : episode + 1, :-1], None)
        policy = masked_logits(logits, episodes.available[episode : episode + 1, :-1]).log_softmax(-1)
        chosen = policy.gather(-1, episodes.action[episode : episode + 1, ..., None])[..., 0]
        loss = (chosen * weights[episode])[episodes.acting[episode : episode + 1]].sum()
        gradients = torch.autograd.grad(loss, list(actor.parameters()))
        found.append(torch.cat([gradient.flatten() for gradient in gradients]))
    return found


def test_sizes_and_sums_of_gradients_are_those_of_autograd(actor: TeamNetworks, episodes: Episodes) -> None:
    weights = torch.randn(2, BATCH, STEPS, AGENTS, generator=torch.Generator().manual_seed(1))
    squared, total = gradients_of(actor, episodes, weights)
    for weighting in range(2):
        expected = one_by_one(actor, episodes, weights[weighting])
        torch.testing.assert_close(squared[weighting], torch.stack([each.square().sum() for each in expected]))
        # The order of parameters differs: sizes and inner products do not.
        torch.testing.assert_close(total[weighting].square().sum(), torch.stack(expected).sum(0).square().sum())
    first, second = (torch.stack(one_by_one(actor, episodes, each)).sum(0) for each in weights)
    torch.testing.assert_close(total[0] @ total[1], first @ second)


def test_a_recurrent_actor_is_refused(episodes: Episodes) -> None:
    recurrent = TeamNetworks(
        synthetic_team(AGENTS, SIZE, ACTIONS, STEPS), "all", ACTIONS, NetworkShape(8, 2, recurrent=True), 1.0, torch.Generator()
    )
    with pytest.raises(ValueError, match="feed-forward"):
        gradients_of(recurrent, episodes, torch.ones(1, BATCH, STEPS, AGENTS))


def moments(*directions: tuple[np.ndarray, float], groups: int = 50, size: int = 100) -> Moments:
    """Gaussian gradients around each direction, with their deviation in every coordinate; the noise is shared."""
    random = np.random.default_rng(0)
    noise = random.standard_normal((groups, size, len(directions[0][0])))
    drawn = [mean + deviation * noise for mean, deviation in directions]
    squared = np.stack([np.square(each).sum(2).mean(1) for each in drawn])
    return Moments(squared, np.stack([each.mean(1) for each in drawn]))


def test_noise_and_direction_of_gaussian_gradients_are_found() -> None:
    along, turned = np.array([1.0, 0, 0, 0]), np.array([0.6, 0.8, 0, 0])
    found = moments((along, 1.0), (2 * turned, 0.5))
    reference = compare(found, 0, noise_of=0, direction_of=0)
    assert reference.relative == reference.cosine == (1.0, 1.0, 1.0)
    assert reference.noise is not None
    assert reference.noise.low < 4.0 < reference.noise.high  # 4 coordinates of variance 1 over a signal of 1
    other = compare(found, 1, noise_of=0, direction_of=0)
    assert other.noise is not None
    assert other.cosine is not None
    assert other.relative is not None
    assert other.noise.value == pytest.approx(0.25, rel=0.1)
    assert other.relative.value == pytest.approx(1 / 16, rel=0.1)
    assert other.cosine.value == pytest.approx(0.6, abs=0.03)


def test_a_gradient_that_is_not_significantly_different_from_zero_is_not_compared() -> None:
    found = moments((np.zeros(4), 1.0), (np.ones(4), 1.0))
    assert compare(found, 0, noise_of=0, direction_of=0).noise is None
    other = compare(found, 1, noise_of=0, direction_of=0)
    assert other.noise is not None
    assert other.relative is other.cosine is None


def test_the_jackknife_of_a_mean_is_students_interval() -> None:
    values = np.random.default_rng(0).standard_normal(20)
    expected = stats.t.interval(0.95, 19, loc=values.mean(), scale=stats.sem(values))
    assert jackknife(20, lambda kept: float(values[kept].mean())) == pytest.approx((values.mean(), *expected))


def test_estimators_weight_actions_by_reward_minus_its_mean() -> None:
    with FrozenPolicyRollouts("matrix/climbing", 3) as rollouts:
        (policy,) = policies_during_training("matrix/climbing", (0,), 3)
        known, other = (rollouts.collect(policy, 8, purpose) for purpose in ("known", "other"))
        dense = known.reward("team")
        weights = Estimators(rollouts.team, known, dense).weights(other, other.reward("team"))
        full, to_go, _ = weights
    assert [len(weights), *weights.shape[1:3]] == [len(ESTIMATORS), 8, 25]
    baseline = dense.sum(1).mean()
    torch.testing.assert_close(full[:, 0, 0], other.team_reward.sum(1) - baseline)
    torch.testing.assert_close(to_go[:, 3] - to_go[:, 4], other.reward("team")[:, 3], atol=1e-4, rtol=1e-4)


def test_the_study_compares_every_reward_at_every_policy() -> None:
    result = run_study(studies()["gradient-variance"], quick=True, progress=lambda *told: None)
    assert len(result.tables[0].rows) == 3 * len(REWARDS) * len(ESTIMATORS)
    assert [row[:2] for row in result.tables[1].rows] == [("grid/two-goals", stage) for stage in STAGES]
