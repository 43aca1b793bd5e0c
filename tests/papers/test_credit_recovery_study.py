"""Worlds of known credit and their bounds against brute force; how models are judged; the credit-recovery study."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from algorithms.redistribution.models.reward_model import LearnedRedistributor
from benchmark.experiments.run_spec import ImpossibleRun
from benchmark.papers.runner import run_study
from benchmark.papers.stas.credit_fits import (
    FULL,
    Fit,
    LawFit,
    Measurements,
    evaluate,
    game_name,
    noise_ratio,
    pearson,
    rank_correlations,
)
from benchmark.papers.stas.credit_worlds import ROLES, STEPS, additive, additive_bound, synergy
from benchmark.papers.stas.studies.credit_recovery import findings
from benchmark.papers.studies import studies
from benchmark.papers.toolkit.reward_model_fits import fitted, return_r2, scores_of


@pytest.mark.parametrize("kind", ["even", "roles", "rare"])
def test_the_credit_of_an_additive_world_sums_to_the_return_and_is_what_agents_show(kind) -> None:
    world = additive(kind, 20, 0)
    torch.testing.assert_close(world.credit.sum((1, 2)).float(), world.episodes.team_reward.sum(1))
    for b, t, i in [(0, 0, 0), (3, 2, 1), (7, 9, 2)]:
        x, y, event, role = world.episodes.observation[b, t, i].tolist()
        weight = {"even": 1.0, "roles": 3 * role, "rare": event}[kind]
        expected = weight * (x**2 + (int(world.episodes.action[b, t, i]) == 1) * max(0.0, y))
        assert float(world.credit[b, t, i]) == pytest.approx(expected, abs=1e-6)


def test_roles_and_events_are_where_they_should_be() -> None:
    roles, rare = additive("roles", 200, 0), additive("rare", 200, 0)
    assert not roles.credit[:, :, ROLES.index(0.0)].any()
    assert float(roles.credit[:, :, 2].mean() / roles.credit[:, :, 1].mean()) == pytest.approx(3, rel=0.05)
    happening = (rare.credit > 0).all(2)
    assert 0.08 < float(happening.float().mean()) < 0.12
    assert not rare.credit[~happening].any()


def test_worlds_depend_on_their_seed_alone() -> None:
    first, again, other = (additive("even", 5, seed).episodes.observation for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(("agents", "exponent"), [(3, 1.0), (3, 2.0), (3, math.inf)])
def test_synergy_credit_is_the_shapley_value_of_the_step(agents: int, exponent: float) -> None:
    world = synergy(agents, exponent, 4, 0)
    ability, action = world.episodes.observation[:, :-1, :, 0], world.episodes.action
    effort = (ability * action).int()

    def worth(members: tuple[int, ...], efforts: list[int]) -> float:
        at_it = sum(efforts[member] for member in members)
        return float(at_it == agents) if math.isinf(exponent) else (at_it / agents) ** exponent

    for b, t in itertools.product(range(4), range(STEPS)):
        efforts = effort[b, t].tolist()
        shapley = np.zeros(agents)
        for order in itertools.permutations(range(agents)):
            for place, agent in enumerate(order):
                shapley[agent] += worth(order[: place + 1], efforts) - worth(order[:place], efforts)
        assert world.credit[b, t].numpy() == pytest.approx(shapley / math.factorial(agents), abs=1e-6)


def test_credit_of_a_product_over_time_is_not_known() -> None:
    world = synergy(3, 1.0, 3, 0, blocks=5)
    assert world.credit.isnan().all()
    assert (world.episodes.team_reward[:, :-1] == 0).all()


@pytest.mark.parametrize(
    ("agents", "bounds"), [(3, (1.0, 0.900, 0.671, 0.429)), (5, (1.0, 0.926, 0.685, 0.161))], ids=["3 agents", "5 agents"]
)
def test_the_bound_of_sums_is_that_of_the_specification(agents: int, bounds: tuple[float, ...]) -> None:
    found = [additive_bound(agents, exponent, effort=0.5) for exponent in (1.0, 2.0, 4.0, math.inf)]
    assert found == pytest.approx(bounds, abs=5e-4)


def test_the_bound_of_products_over_time_is_that_of_the_specification() -> None:
    found = [additive_bound(1, 1.0, blocks=blocks, effort=0.5, steps=blocks) for blocks in (2, 3, 4)]
    assert found == pytest.approx((0.667, 0.429, 0.267), abs=5e-4)


@pytest.mark.parametrize(("exponent", "blocks"), [(4.0, 1), (1.0, 5), (2.0, 2)])
def test_no_regression_on_single_efforts_explains_more_than_the_bound(exponent: float, blocks: int) -> None:
    world = synergy(3, exponent, 20_000, 0, blocks=blocks)
    effort = (world.episodes.observation[:, :-1, :, 0] * world.episodes.action).flatten(1).numpy()
    returns = world.episodes.team_reward.sum(1).numpy()
    design = np.concatenate([effort, np.ones((len(effort), 1))], 1)
    left = returns - design @ np.linalg.lstsq(design, returns, rcond=None)[0]
    assert 1 - left.var() / returns.var() == pytest.approx(additive_bound(3, exponent, blocks), abs=0.02)


def test_rank_correlations_are_spearmans_within_each_episode() -> None:
    random = torch.Generator().manual_seed(0)
    scores, credit = torch.randn(6, 4, 3, generator=random), torch.randn(6, 4, 3, generator=random).round()
    expected = [stats.spearmanr(a.flatten(), b.flatten()).statistic for a, b in zip(scores, credit, strict=True)]
    assert rank_correlations(scores, credit) == pytest.approx(expected)
    assert rank_correlations(torch.ones(6, 4, 3), credit).tolist() == [0.0] * 6
    credit[2] = 1.0
    assert len(rank_correlations(scores, credit)) == 5


def test_pearson_is_over_everything() -> None:
    scores = torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]])
    assert pearson(scores, 2 * scores + 1) == pytest.approx(1)
    assert pearson(torch.zeros(2, 1, 2), scores) == 0


class Noisy:
    """A stand-in for a model whose scores are data plus noise of a known size."""

    def __init__(self, data: Tensor, deviation: float) -> None:
        self.data, self.deviation, self.model = data, deviation, self

    def scores(self, trajectories: object, draw: torch.Generator, training: bool) -> Tensor:
        return self.data + self.deviation * torch.randn(self.data.shape, generator=draw)


def test_the_noise_ratio_is_the_deviation_over_draws_over_that_over_the_data() -> None:
    world = additive("even", 100, 0)
    data = 2 * torch.randn(world.credit.shape, generator=torch.Generator().manual_seed(0))
    found: list[LearnedRedistributor] = [Noisy(data, deviation) for deviation in (0.0, 0.5)]  # type: ignore[list-item]
    assert noise_ratio(found[0], world, 50) == 0
    assert noise_ratio(found[1], world, 50) == pytest.approx(0.25, rel=0.05)


SMALL = {"width": 8, "depth": 1, "heads": 2, "batch_episodes": 32, "learning_rate": 5e-3}


def test_a_model_is_fitted_by_exactly_the_requested_steps() -> None:
    world = additive("even", 64, 0)
    found = fitted("stas", world.team, 0, world.episodes, 7, SMALL)
    assert found.state_dict()["steps"] == 7
    with pytest.raises(ImpossibleRun, match="may not exceed buffer_episodes"):
        fitted("stas", world.team, 0, world.episodes, 7, {**SMALL, "batch_episodes": 65})


def test_scores_in_parts_are_the_scores() -> None:
    world = additive("even", 150, 0)
    found = fitted("tar2", world.team, 0, world.episodes, 1, SMALL)
    assert isinstance(found, LearnedRedistributor)
    parts = [scores_of(found, world.episodes.rows(rows), 5) for rows in torch.arange(150).split(40)]
    torch.testing.assert_close(scores_of(found, world.episodes, 5), torch.cat(parts))


def test_a_fitted_model_is_better_than_an_untrained_one() -> None:
    world = additive("even", 500, 0)
    first, held_out = world.split(400)
    size = FULL.__class__(400, 100, 0, 0, 1, 2, (), ())
    fits = []
    for steps in (0, 250):
        found = fitted("tar2", world.team, 0, first.episodes, steps, {**SMALL, "width": 16})
        assert isinstance(found, LearnedRedistributor)
        fits.append(evaluate("tar2", found, world, size))
        assert fits[-1].r2 == return_r2(found, held_out.episodes)
    assert fits[1].r2 > fits[0].r2
    assert fits[1].spearman["scores"].mean() > max(0.3, fits[0].spearman["scores"].mean())
    assert not fits[1].spearman["neither"].any()


def fit(method: str, r2: float, correlation: float, **shares: float) -> Fit:
    spread = np.array([-0.01, 0.01, 0.0])
    judged_ones = {"scores": correlation, **shares}
    return Fit(method, r2, correlation, {name: value + spread for name, value in judged_ones.items()}, 0.5)


def made_up(good: bool) -> Measurements:
    """Measurements as they were expected, or far from it."""
    high, low = (0.95, 0.2) if good else (0.2, 0.95)
    r2 = 0.97 if good else 0.5
    additive_fits = {}
    for kind in ("even", "roles", "rare"):
        time = 0.7 if kind == "rare" else 0.5
        others = [fit(method, r2, high) for method in ("arel", "stas", "stas-ml")]
        additive_fits[kind] = [*others, fit("tar2", r2, high, both=high, time=time, agents=0.6, neither=0.0)]
    games = {
        (5, 1.0, 1): [fit("stas", 0.99, high), fit("stas-ml", 0.99, high)],
        (5, math.inf, 1): [fit("stas", 0.3 if good else 0.05, low), fit("stas-ml", 0.4 if good else 0.01, low + 0.05)],
    }
    laws = []
    for seed, (law, coalitions) in itertools.product(range(3), FULL.laws):
        better = law in ("permutation", "owen", "exact")
        correlation = (0.7 if better == good else 0.5) - (0.1 if law == "all" and good else 0.0) + 0.01 * seed
        laws.append(LawFit(law, coalitions, seed, fit("stas", 0.8 + 0.001 * seed, correlation)))
    noise = {draws: draws ** (-0.5 if good else -0.1) for draws in (1, 3, 5, 10, 30)}
    return Measurements(FULL, additive_fits, games, laws, noise)


@pytest.mark.parametrize(("good", "verdict"), [(True, "supported"), (False, "not supported")])
def test_verdicts_follow_the_measurements(good: bool, verdict: str) -> None:
    found = findings(made_up(good))
    verdicts = [prediction.verdict for prediction in found.predictions]
    assert verdicts.count(verdict) >= len(verdicts) - (0 if good else 2)
    assert len(found.tables[2].rows) == len(FULL.laws)


def test_games_are_called_as_tasks_are() -> None:
    assert [game_name(game) for game in FULL.games] == ["3-b1", "3-and", "5-b1", "5-b4", "5-and", "3-b1-x5"]


def test_the_study_runs() -> None:
    result = run_study(studies()["credit-recovery"], quick=True, progress=lambda *told: None)
    assert [len(table.rows) for table in result.tables] == [3 * (4 + 4), 3 * 4, 5, 5]
