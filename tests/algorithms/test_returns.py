"""Returns, advantages and running statistics, each against a loop in plain Python."""

from __future__ import annotations

import math

import pytest
import torch

from algorithms.returns import RunningNormaliser, discounted_sums, explained_variance, gae, standardised
from tests.fixtures.toy_team import random_episodes, toy_team
from tests.oracles.returns import gae_by_loop

CPU = torch.device("cpu")


@pytest.mark.parametrize("time_limit", ["terminal", "bootstrap"])
def test_advantages_of_ragged_episodes_equal_a_loop(time_limit: str) -> None:
    episodes = random_episodes(toy_team(horizon=7), batch=9, seed=1)
    assert episodes.truncated.any()
    assert episodes.terminated.any()
    values = torch.randn(9, 8, 3, generator=torch.Generator().manual_seed(2))
    terminal = episodes.ended if time_limit == "terminal" else episodes.terminated
    advantages = gae(episodes.individual_reward, values, episodes.running, terminal, 0.9, 0.8)
    for row in range(9):
        length = int(episodes.length[row])
        bootstraps = time_limit == "bootstrap" and bool(episodes.truncated[row].any())
        for agent in range(3):
            expected = gae_by_loop(
                episodes.individual_reward[row, :length, agent].tolist(),
                values[row, :length, agent].tolist(),
                float(values[row, length, agent]) if bootstraps else 0.0,
                0.9,
                0.8,
            )
            assert advantages[row, :length, agent].tolist() == pytest.approx(expected, abs=1e-5)
            assert not advantages[row, length:, agent].any()


def test_a_value_after_a_true_end_is_ignored_even_if_it_is_nan() -> None:
    reward, running = torch.ones(1, 2, 1), torch.tensor([[True, False]])
    values = torch.tensor([0.25, math.nan, math.nan]).view(1, 3, 1)
    advantages = gae(reward, values, running, torch.tensor([[True, False]]), 0.9, 0.9)
    assert advantages.flatten().tolist() == [0.75, 0.0]


def test_discounted_sums_equal_a_loop() -> None:
    terms = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    sums = discounted_sums(terms, 0.7)
    for row in range(2):
        for t in range(5):
            expected = sum(0.7 ** (u - t) * terms[row, u] for u in range(t, 5))
            assert torch.allclose(sums[row, t], expected, atol=1e-6)


def test_standardised_values_equal_a_loop_over_the_mask() -> None:
    values = torch.tensor([[1.0, 5.0, 100.0], [3.0, -7.0, math.inf]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    mean = (1 + 5 + 3) / 3
    deviation = math.sqrt(((1 - mean) ** 2 + (5 - mean) ** 2 + (3 - mean) ** 2) / 3)
    for actual, divisor in ((standardised(values, mask), deviation), (standardised(values, mask, 0.5), deviation + 0.5)):
        assert actual[mask].tolist() == pytest.approx([(x - mean) / divisor for x in (1, 5, 3)], rel=1e-6)
        assert not actual[~mask].any()


@pytest.mark.filterwarnings("error")
def test_nothing_to_standardise_gives_zeros() -> None:
    assert not standardised(torch.ones(2, 2), torch.zeros(2, 2, dtype=torch.bool)).any()
    assert not standardised(torch.ones(1), torch.ones(1, dtype=torch.bool)).any()


def test_explained_variance_is_one_for_the_truth_and_zero_for_its_mean() -> None:
    target = torch.tensor([1.0, 2.0, 6.0])
    assert explained_variance(target, target) == 1
    assert explained_variance(torch.full((3,), 3.0), target) == pytest.approx(0, abs=1e-6)
    assert explained_variance(-target, target) == pytest.approx(-3)
    assert explained_variance(target, torch.ones(3)) == 0
    assert explained_variance(0.01 * target, 0.01 * target) == 1


def test_the_running_normaliser_equals_a_loop_free_of_starting_bias() -> None:
    normaliser = RunningNormaliser(0.9, CPU)
    weight = first = second = 0.0
    batches = [[1.0, 3.0], [10.0], [-4.0, 0.0, 7.0]]
    for batch in batches:
        normaliser.update(torch.tensor(batch))
        weight = 0.9 * weight + 0.1
        first = 0.9 * first + 0.1 * sum(batch) / len(batch)
        second = 0.9 * second + 0.1 * sum(x * x for x in batch) / len(batch)
    mean = first / weight
    deviation = math.sqrt(second / weight - mean**2)
    assert float(normaliser.normalise(torch.tensor(5.0))) == pytest.approx((5 - mean) / deviation, rel=1e-6)
    assert float(normaliser.restore(torch.tensor(0.5))) == pytest.approx(0.5 * deviation + mean, rel=1e-6)
    assert normaliser.state_dict()["sums"].tolist() == pytest.approx([weight, first, second], rel=1e-12)


def test_the_running_normaliser_changes_nothing_before_it_has_seen_a_number() -> None:
    normaliser = RunningNormaliser(0.9, CPU)
    normaliser.update(torch.empty(0))
    assert normaliser.normalise(torch.tensor([2.0, -1.0])).tolist() == [2.0, -1.0]
    assert normaliser.restore(torch.tensor([2.0, -1.0])).tolist() == [2.0, -1.0]


def test_numbers_that_do_not_vary_are_divided_by_the_floor() -> None:
    normaliser = RunningNormaliser(0.5, CPU)
    normaliser.update(torch.full((4,), 3.0))
    assert float(normaliser.normalise(torch.tensor(4.0))) == pytest.approx(1 / math.sqrt(RunningNormaliser.FLOOR))


def test_the_running_normaliser_keeps_its_digits_far_from_zero() -> None:
    normaliser = RunningNormaliser(0.5, CPU)
    normaliser.update(torch.tensor([-10_001.0, -9_999.0]))
    assert float(normaliser.normalise(torch.tensor(-9_999.0))) == pytest.approx(1, rel=1e-4)


def test_the_running_normaliser_resumes_where_it_was() -> None:
    first, second = RunningNormaliser(0.9, CPU), RunningNormaliser(0.9, CPU)
    first.update(torch.tensor([1.0, 5.0]))
    second.load_state_dict(first.state_dict())
    for normaliser in (first, second):
        normaliser.update(torch.tensor([2.0]))
    assert first.restore(torch.tensor(0.3)) == second.restore(torch.tensor(0.3))


def test_the_running_normaliser_computes_in_double_precision_and_answers_in_that_of_its_input() -> None:
    normaliser = RunningNormaliser(0.9, CPU)
    for _ in range(2):
        assert normaliser.state_dict()["sums"].dtype == torch.float64
        for precision in (torch.float32, torch.float64):
            number = torch.tensor(5.0, dtype=precision)
            assert normaliser.normalise(number).dtype == normaliser.restore(number).dtype == precision
        normaliser.load_state_dict({"sums": torch.tensor([0.5, 1.0, 4.0])})


def test_the_running_normaliser_stays_on_its_device() -> None:
    normaliser = RunningNormaliser(0.9, torch.device("meta"))
    assert normaliser.state_dict()["sums"].is_meta
    normaliser.load_state_dict({"sums": torch.tensor([0.5, 1.0, 4.0])})
    assert normaliser.state_dict()["sums"].is_meta
