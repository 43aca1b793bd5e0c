"""Shapley and Banzhaf values: axioms, closed forms, and the error laws of the samplers that masked attention uses."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from algorithms.redistribution.models.shapley import (
    banzhaf_values,
    draw_coalitions,
    estimate,
    exact_coalitions,
    shapley_values,
)
from tests.oracles.shapley import banzhaf_by_loop, shapley_by_permutations

EXACT = {"rtol": 0.0, "atol": 1e-9}
UNBIASED = ("permutation", "owen")
SAMPLED = (*UNBIASED, "banzhaf_masks")
DRAWS = (1, 3, 10, 30, 100)
seeds = st.integers(0, 2**32 - 1)
players = st.integers(1, 5)
axiom = settings(max_examples=200, deadline=None, derandomize=True)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_game(n: int, seed: int) -> Tensor:
    return torch.randn(1 << n, dtype=torch.float64, generator=generator(seed))


def game(n: int, worth) -> Tensor:
    """v [2^n] from the worth of a list of players."""
    return torch.tensor([float(worth([i for i in range(n) if mask >> i & 1])) for mask in range(1 << n)], dtype=torch.float64)


def unanimity(n: int) -> Tensor:
    return game(n, lambda members: len(members) == n)


def majority(n: int) -> Tensor:
    return game(n, lambda members: len(members) > n / 2)


def quadratic(n: int) -> Tensor:
    return game(n, lambda members: (len(members) / n) ** 2)


def largest(n: int) -> Tensor:
    return game(n, lambda members: max((i + 1 for i in members), default=0))


def relabelled(v: Tensor, order: list[int]) -> Tensor:
    """The game in which player order[i] has the part that player i has in v."""
    n = len(order)
    other = torch.empty_like(v)
    for mask in range(1 << n):
        other[sum(1 << order[i] for i in range(n) if mask >> i & 1)] = v[mask]
    return other


# Axioms of the exact values


@axiom
@given(players, seeds)
def test_enumeration_agrees_with_all_orders_and_with_a_plain_loop(n: int, seed: int) -> None:
    v = random_game(n, seed)
    assert torch.allclose(shapley_values(v), shapley_by_permutations(v), **EXACT)
    assert torch.allclose(banzhaf_values(v), banzhaf_by_loop(v), **EXACT)


@axiom
@given(st.integers(1, 8), seeds)
def test_shapley_values_are_efficient(n: int, seed: int) -> None:
    v = random_game(n, seed)
    assert shapley_values(v).sum().item() == pytest.approx(float(v[-1] - v[0]), abs=1e-9)


@axiom
@given(st.permutations(range(4)), seeds)
def test_permuting_the_players_permutes_the_values(order: list[int], seed: int) -> None:
    v = random_game(4, seed)
    for values in (shapley_values, banzhaf_values):
        assert torch.allclose(values(relabelled(v, order))[order], values(v), **EXACT)


@axiom
@given(seeds)
def test_interchangeable_players_have_equal_values(seed: int) -> None:
    v = random_game(4, seed)
    v = (v + relabelled(v, [2, 1, 0, 3])) / 2  # players 0 and 2 now have the same part
    for values in (shapley_values, banzhaf_values):
        actual = values(v)
        assert actual[0].item() == pytest.approx(actual[2].item(), abs=1e-9)


@axiom
@given(st.sampled_from((*SAMPLED, "all")), st.integers(2, 5), st.floats(-5, 5), seeds)
def test_a_dummy_gets_what_it_adds_exactly_and_in_every_draw(law: str, n: int, addition: float, seed: int) -> None:
    rest = random_game(n - 1, seed)
    v = torch.cat([rest, rest + addition])  # the last player adds the same to every coalition
    drawn = estimate(v, draw_coalitions(law, n, 2, generator(seed), tokens=20)).reshape(-1, n)
    for actual in (shapley_values(v)[None], banzhaf_values(v)[None], drawn):
        assert torch.allclose(actual[:, -1], torch.tensor(addition, dtype=torch.float64), rtol=0, atol=1e-6)


@axiom
@given(players, seeds, st.floats(-3, 3), st.floats(-3, 3))
def test_values_are_linear_in_the_game(n: int, seed: int, a: float, b: float) -> None:
    v, w = random_game(n, seed), random_game(n, seed + 1)
    for values in (shapley_values, banzhaf_values):
        assert torch.allclose(values(a * v + b * w), a * values(v) + b * values(w), **EXACT)


@axiom
@given(st.integers(2, 6), seeds)
def test_with_pairwise_interactions_shapley_and_banzhaf_are_half_of_each_pair(n: int, seed: int) -> None:
    pair = torch.randn(n, n, dtype=torch.float64, generator=generator(seed)).triu()  # own worths on the diagonal
    v = game(n, lambda members: sum(pair[i, j] for i in members for j in members))
    expected = pair.diagonal() + (pair.triu(1) + pair.triu(1).T).sum(1) / 2
    assert torch.allclose(shapley_values(v), expected, **EXACT)
    assert torch.allclose(banzhaf_values(v), expected, **EXACT)


# Closed forms


@pytest.mark.parametrize("n", [3, 5, 15])
def test_closed_forms_of_unanimity_majority_and_the_quadratic_game(n: int) -> None:
    equal = torch.full((n,), 1 / n, dtype=torch.float64)
    for symmetric in (unanimity(n), majority(n), quadratic(n)):
        assert torch.allclose(shapley_values(symmetric), equal, **EXACT)
    pivotal = math.comb(n - 1, (n - 1) // 2) / 2 ** (n - 1)
    assert torch.allclose(banzhaf_values(unanimity(n)), torch.full_like(equal, 2.0 ** (1 - n)), **EXACT)
    assert torch.allclose(banzhaf_values(majority(n)), torch.full_like(equal, pivotal), **EXACT)
    assert torch.allclose(banzhaf_values(quadratic(n)), equal, **EXACT)


@pytest.mark.parametrize(
    ("n", "shapley", "banzhaf"),
    [
        (3, [1 / 3, 5 / 6, 11 / 6], [0.25, 0.75, 1.75]),
        (5, [12 / 60, 27 / 60, 47 / 60, 77 / 60, 137 / 60], [1 / 16, 3 / 16, 7 / 16, 15 / 16, 31 / 16]),
    ],
)
def test_closed_forms_of_the_largest_weight(n: int, shapley: list[float], banzhaf: list[float]) -> None:
    assert torch.allclose(shapley_values(largest(n)), torch.tensor(shapley, dtype=torch.float64), **EXACT)
    assert torch.allclose(banzhaf_values(largest(n)), torch.tensor(banzhaf, dtype=torch.float64), **EXACT)


# The coalitions that attention takes


@pytest.mark.parametrize("n", range(1, 9))
def test_enumerated_coalitions_are_all_there_are_and_give_the_exact_values(n: int) -> None:
    v = random_game(n, n)
    for kind, values in (("shapley", shapley_values), ("banzhaf", banzhaf_values)):
        coalitions = exact_coalitions(n, kind)
        assert coalitions.members.shape == (1 << (n - 1), n, n)
        assert coalitions.members.diagonal(dim1=1, dim2=2).all()
        for agent in range(n):
            assert len({tuple(row) for row in coalitions.members[:, agent].tolist()}) == 1 << (n - 1)
        assert torch.allclose(coalitions.weights.sum(0), torch.ones(n))
        assert torch.allclose(estimate(v, coalitions), values(v), rtol=0, atol=1e-5)


@pytest.mark.parametrize("law", SAMPLED)
def test_drawn_coalitions_contain_the_agent_and_have_equal_weights(law: str) -> None:
    shared = draw_coalitions(law, 4, 6, generator())
    own = draw_coalitions(law, 4, 6, generator(), tokens=10)
    assert shared.members.shape == (6, 4, 4)
    assert own.members.shape == (10, 6, 4, 4)
    for coalitions in (shared, own):
        assert coalitions.members.diagonal(dim1=-2, dim2=-1).all()
        assert torch.equal(coalitions.weights, torch.full((6, 4), 1 / 6))


def test_a_permutation_draw_is_one_order_for_all_agents() -> None:
    members = draw_coalitions("permutation", 5, 200, generator()).members
    assert torch.equal(members.sum(-1).sort(-1).values, torch.arange(1, 6).expand(200, -1))  # one agent of each rank
    precedes = members & ~torch.eye(5, dtype=torch.bool)
    assert not (precedes & precedes.transpose(-1, -2)).any()


@pytest.mark.parametrize(("law", "variance"), [("banzhaf_masks", 5 / 4), ("owen", 5 / 6 + 25 / 12)])
def test_coin_flips_have_the_sizes_of_their_law(law: str, variance: float) -> None:
    """Of 5 others: Binomial(5, 1/2); with p uniform, E[5 p (1 - p)] + Var[5 p]. Rows are independent of one another."""
    others = draw_coalitions(law, 6, 1, generator(), tokens=40_000).members.sum(-1).double().squeeze(1) - 1
    assert torch.allclose(others.mean(0), torch.tensor(2.5, dtype=torch.float64), rtol=0, atol=5 * math.sqrt(variance / 40_000))
    assert torch.allclose(others.var(0), torch.tensor(variance, dtype=torch.float64), rtol=0.05, atol=0)
    correlations = torch.corrcoef(others.T) - torch.eye(6)
    assert correlations.abs().max() < 5 / math.sqrt(40_000)


def test_the_law_all_is_one_coalition_without_a_draw() -> None:
    random = generator()
    before = random.get_state()
    coalitions = draw_coalitions("all", 3, 7, random, tokens=4)
    assert coalitions.members.shape == (1, 3, 3)
    assert coalitions.members.all()
    assert torch.equal(coalitions.weights, torch.ones(1, 3))
    assert torch.equal(random.get_state(), before)


@pytest.mark.parametrize("law", SAMPLED)
def test_draws_depend_on_their_generator_alone(law: str) -> None:
    state = torch.get_rng_state()
    first, same, other = (draw_coalitions(law, 5, 4, generator(seed)).members for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


# Estimates


@axiom
@given(st.integers(1, 6), seeds)
def test_every_single_permutation_is_efficient(n: int, seed: int) -> None:
    v = random_game(n, seed)
    sums = estimate(v, draw_coalitions("permutation", n, 1, generator(seed), tokens=20)).sum(-1)
    assert torch.allclose(sums, v[-1] - v[0], rtol=0, atol=1e-9)


def repeated(law: str, v: Tensor, draws: int, repeats: int = 4000) -> Tensor:
    """Independent estimates from `draws` coalitions each: [repeats, n]."""
    n = len(v).bit_length() - 1
    return estimate(v, draw_coalitions(law, n, draws, generator(draws), tokens=repeats))


def rmse(estimates: Tensor, truth: Tensor) -> float:
    return (estimates - truth).square().mean().sqrt().item()


def test_fair_coin_flips_estimate_banzhaf_and_are_not_efficient() -> None:
    estimates = repeated("banzhaf_masks", unanimity(3), 10, 20_000).sum(-1)
    error = estimates.std().item() / math.sqrt(20_000)
    assert estimates.mean().item() == pytest.approx(0.75, abs=5 * error)


@pytest.mark.parametrize("law", SAMPLED)
@pytest.mark.parametrize("make", [unanimity, majority, quadratic, largest])
def test_the_mean_of_estimates_is_the_value_of_their_law(law: str, make) -> None:
    v = make(5)
    expected = shapley_values(v) if law in UNBIASED else banzhaf_values(v)
    estimates = repeated(law, v, 10)
    assert ((estimates.mean(0) - expected).abs() <= 5 * estimates.std(0) / math.sqrt(len(estimates))).all()


@pytest.mark.parametrize("law", UNBIASED)
@pytest.mark.parametrize("make", [unanimity, majority, quadratic, largest])
def test_the_error_of_unbiased_laws_falls_with_the_root_of_the_draws(law: str, make) -> None:
    v = make(5)
    errors = [rmse(repeated(law, v, draws), shapley_values(v)) for draws in DRAWS]
    x, y = torch.tensor(DRAWS).double().log(), torch.tensor(errors).double().log()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    assert slope.item() == pytest.approx(-0.5, abs=0.1)


@pytest.mark.parametrize(
    ("make", "n", "deviation"),
    [
        (unanimity, 3, math.sqrt(2) / 3),
        (unanimity, 5, 0.4),
        (majority, 3, math.sqrt(2) / 3),
        (majority, 5, 0.4),
        (quadratic, 3, 2 / 9 * math.sqrt(8 / 12)),
        (quadratic, 5, 2 / 25 * math.sqrt(24 / 12)),
    ],
)
def test_the_error_of_permutations_is_the_deviation_of_a_marginal(make, n: int, deviation: float) -> None:
    v = make(n)
    for draws in DRAWS:
        assert rmse(repeated("permutation", v, draws), shapley_values(v)) == pytest.approx(
            deviation / math.sqrt(draws), rel=0.08
        )


@pytest.mark.parametrize(("make", "bias"), [(unanimity, 0.2 - 1 / 16), (majority, 0.375 - 0.2)])
def test_the_error_of_fair_coin_flips_flattens_at_their_bias(make, bias: float) -> None:
    v = make(5)
    share = banzhaf_values(v)[0].item()  # a marginal is 1 with this chance, else 0
    for draws in (*DRAWS, 1000):
        expected = math.sqrt(bias**2 + share * (1 - share) / draws)
        assert rmse(repeated("banzhaf_masks", v, draws, 1000), shapley_values(v)) == pytest.approx(expected, rel=0.08)


@pytest.mark.parametrize("law", UNBIASED)
def test_large_errors_are_as_rare_as_hoeffding_says(law: str) -> None:
    v = largest(5)
    for draws in (3, 10, 30):
        off = (repeated(law, v, draws) - shapley_values(v)).abs()
        for agent, span in enumerate(range(1, 6)):  # agent's marginal is at most its weight
            for error in (0.3, 0.5, 1.0):
                bound = 2 * math.exp(-2 * draws * error**2 / span**2)
                assert (off[:, agent] >= error).double().mean().item() <= bound + 0.02


# Errors


def test_invalid_games_and_coalitions_are_refused() -> None:
    with pytest.raises(ValueError, match="2\\^N worths"):
        shapley_values(torch.zeros(6))
    with pytest.raises(ValueError, match="2\\^N worths"):
        banzhaf_values(torch.zeros(2, 4))
    with pytest.raises(ValueError, match="beyond 16 players"):
        shapley_values(torch.zeros(1 << 17))
    with pytest.raises(ValueError, match="1 to 8 agents, not 9"):
        exact_coalitions(9, "shapley")
    with pytest.raises(ValueError, match="shapley, banzhaf"):
        exact_coalitions(3, "owen")
    with pytest.raises(ValueError, match="banzhaf_masks, permutation, owen, all"):
        draw_coalitions("fair", 3, 1, generator())
    with pytest.raises(ValueError, match="at least 1 agent, draw and token"):
        draw_coalitions("owen", 3, 0, generator())
    with pytest.raises(ValueError, match="3 agents do not fit a game of 2 players"):
        estimate(torch.zeros(4), exact_coalitions(3, "shapley"))
