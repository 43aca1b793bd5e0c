"""Reward models fitted to the returns of worlds with known credit, and evaluated on held-out episodes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from algorithms.redistribution.models.normaliser import Learned, normalised_rewards
from algorithms.redistribution.models.reward_model import LearnedRedistributor
from algorithms.seeds import derive
from benchmark.experiments.study_result import Progress
from benchmark.papers.stas.credit_worlds import ADDITIVE, World, additive, synergy
from benchmark.papers.toolkit.reward_model_fits import SMALL_MODEL, fitted, redistributor, return_r2, scores_of

Array = NDArray[np.float64]

METHODS: dict[str, Mapping[str, Any]] = {
    "arel": {"readout": "agent", "variance_weight": 0.0},
    "stas": {},
    "stas-ml": {"depth": 2},
    "tar2": {},
}
PARTS: tuple[Learned, ...] = ("both", "time", "agents", "neither")
LAWS = (
    *itertools.product(("banzhaf_masks",), (1, 3, 5, 10)),
    ("permutation", 5),
    ("owen", 5),
    ("all", 1),
    ("exact", 1),
)
GAMES = ((3, 1.0, 1), (3, math.inf, 1), (5, 1.0, 1), (5, 4.0, 1), (5, math.inf, 1), (3, 1.0, 5))
"""Synergy games: agents, exponent, blocks of time."""
LAW_GAME = (5, 4.0, 1)
NOISE_COALITIONS = (1, 3, 5, 10, 30)
"""Numbers of coalitions at which the noise of one trained model is measured."""


@dataclass(frozen=True)
class Size:
    """Size of the study: episodes to fit and held out, gradient steps, seeds, draws of the noise, games and laws."""

    train: int
    held_out: int
    steps: int
    law_steps: int
    seeds: int
    draws: int
    games: tuple[tuple[int, float, int], ...]
    laws: tuple[tuple[str, int], ...]


FULL = Size(2000, 500, 1500, 800, 3, 64, GAMES, LAWS)
QUICK = Size(96, 32, 6, 4, 2, 4, GAMES[3:], (LAWS[0], LAWS[2], *LAWS[-3:]))


@dataclass(frozen=True)
class Fit:
    """The quality of one model on held-out episodes.

    `r2`: 1 - mean squared error of the predicted return / variance of the return. `pearson`: correlation of scores and true
    credit over all episodes, steps and agents. `spearman`: rank correlations [B] within each episode, of the "scores" and, for
    TAR2, of the shares by which weights are learned; empty if the credit is unknown. `noise`: standard deviation over repeated
    draws / standard deviation over the data, None for a model without draws.
    """

    method: str
    r2: float
    pearson: float | None
    spearman: dict[str, Array]
    noise: float | None


@dataclass(frozen=True)
class LawFit:
    """A STAS model with a sampling law of coalitions."""

    law: str
    coalitions: int
    seed: int
    fit: Fit


@dataclass(frozen=True)
class Measurements:
    """All fits, by additive world, by synergy game and by law; and the noise of one model by its number of coalitions."""

    size: Size
    additive: dict[str, list[Fit]]
    games: dict[tuple[int, float, int], list[Fit]]
    laws: list[LawFit]
    noise: dict[int, float]


def measure(size: Size, progress: Progress) -> Measurements:
    """Fits and evaluates all models; `progress` counts fitted models."""
    total = len(METHODS) * (len(ADDITIVE) + len(size.games)) + len(size.laws) * size.seeds
    done = 0

    def report(what: str) -> None:
        nonlocal done
        progress(done, total, what)
        done += 1

    in_additive: dict[str, list[Fit]] = {}
    for kind in ADDITIVE:
        world = additive(kind, size.train + size.held_out, 0)
        in_additive[kind] = []
        for method in METHODS:
            report(f"{method} on the additive world '{kind}'")
            in_additive[kind].append(evaluate(method, _fit(method, world, size.train, size.steps), world, size))
    in_games: dict[tuple[int, float, int], list[Fit]] = {}
    for game in size.games:
        world = _game(game, size, 0)
        in_games[game] = []
        for method in METHODS:
            report(f"{method} on synergy {game_name(game)}")
            in_games[game].append(evaluate(method, _fit(method, world, size.train, size.law_steps), world, size))
    laws = []
    for seed in range(size.seeds):
        world = _game(LAW_GAME, size, seed)
        for law, coalitions in size.laws:
            report(f"stas by {law}, {coalitions} coalitions, seed {seed}")
            changes = {"shapley": law, "coalitions": coalitions}
            model = _fit("stas", world, size.train, size.law_steps, changes, seed)
            laws.append(LawFit(law, coalitions, seed, evaluate("stas", model, world, size)))
            if (law, coalitions, seed) == ("banzhaf_masks", 5, 0):
                noise = noise_by_coalitions(model, world, size)
    progress(total, total, "done")
    return Measurements(size, in_additive, in_games, laws, noise)


def game_name(game: tuple[int, float, int]) -> str:
    """The name of a game as in its task: 5-b4, 5-and, 3-b1-x5."""
    agents, exponent, blocks = game
    payoff = "and" if math.isinf(exponent) else f"b{exponent:g}"
    return f"{agents}-{payoff}" + (f"-x{blocks}" if blocks > 1 else "")


def _game(game: tuple[int, float, int], size: Size, seed: int) -> World:
    agents, exponent, blocks = game
    return synergy(agents, exponent, size.train + size.held_out, seed, blocks)


def _fit(
    method: str, world: World, train: int, steps: int, changes: Mapping[str, Any] | None = None, seed: int = 0
) -> LearnedRedistributor:
    settings = {**SMALL_MODEL, **METHODS[method], **(changes or {})}
    first, _ = world.split(train)
    model = fitted(method, world.team, derive(seed, "credit recovery"), first.episodes, steps, settings)
    assert isinstance(model, LearnedRedistributor)
    return model


def evaluate(method: str, model: LearnedRedistributor, world: World, size: Size) -> Fit:
    """Compares the model's scores with the true credit on the held-out episodes."""
    _, held_out = world.split(size.train)
    episodes, credit = held_out.episodes, held_out.credit
    scores = scores_of(model, episodes, 0)
    known = not bool(credit.isnan().any())
    estimates = {"scores": scores} if known else {}
    if known and method == "tar2":
        returns = episodes.team_reward.sum(1)
        for part in PARTS:
            estimates[part] = normalised_rewards(scores, episodes.acting, returns, "fixed", part)
    return Fit(
        method=method,
        r2=return_r2(model, episodes),
        pearson=pearson(scores, credit) if known else None,
        spearman={name: rank_correlations(each, credit) for name, each in estimates.items()},
        noise=noise_ratio(model, held_out, size.draws) if method in ("stas", "stas-ml", "tar2") else None,
    )


def pearson(scores: Tensor, credit: Tensor) -> float:
    """Pearson's correlation over all episodes, steps and agents; 0 if one of the two is constant."""
    first, second = scores.double().flatten().numpy(), credit.double().flatten().numpy()
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def rank_correlations(scores: Tensor, credit: Tensor) -> Array:
    """Spearman's correlation [B] within each episode, over its steps and agents; 0 if its scores are constant.

    Episodes whose true credit is constant are left out.
    """
    first, second = (stats.rankdata(values.double().flatten(1).numpy(), axis=1) for values in (scores, credit))
    kept = np.ptp(second, axis=1) > 0
    first, second = (ranks[kept] - ranks[kept].mean(1, keepdims=True) for ranks in (first, second))
    sizes = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    result: Array = np.divide((first * second).sum(1), sizes, out=np.zeros(len(sizes)), where=sizes > 0)
    return result


def noise_ratio(model: LearnedRedistributor, held_out: World, draws: int) -> float:
    """Standard deviation of a score over draws of coalitions / standard deviation of the mean scores over the data."""
    scores = torch.stack([scores_of(model, held_out.episodes, draw) for draw in range(draws)]).double()
    over_draws = scores.var(0, correction=1).mean().sqrt()
    over_data = scores.mean(0).std()
    return float(over_draws / over_data)


def noise_by_coalitions(model: LearnedRedistributor, world: World, size: Size) -> dict[int, float]:
    """The noise ratio of one trained model, by the number of coalitions that it draws."""
    _, held_out = world.split(size.train)
    ratios = {}
    for coalitions in NOISE_COALITIONS:
        other = redistributor("stas", world.team, 0, {**SMALL_MODEL, "coalitions": coalitions})
        assert isinstance(other, LearnedRedistributor)
        other.model.load_state_dict(model.model.state_dict())
        ratios[coalitions] = noise_ratio(other, held_out, size.draws)
    return ratios
