"""Study stas-pipeline.

Question: does the reward model of STAS learn Alice & Bob from few successes, and does it assign reward to keys and treasure?
Design: models with one and with three coalitions, fitted to the returns of scripted and random episodes (demonstrations.py), at
least nine of which succeed; no policy is trained. The moves that matter are known: two keys and the treasure, each taken at one
step by one agent (the treasure sometimes by both).
Predictions: the error falls below the variance of the return within 500 gradient steps; moves that take a key or the treasure
get more reward than others; rewards rank these moves first.
Source: experiment E1 of the STAS specification, without the training of a policy, and the part of E10 about this game.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor

from algorithms.interface import Episodes
from algorithms.redistribution.models.reward_model import LearnedRedistributor
from algorithms.seeds import derive
from algorithms.team import TeamShape
from benchmark.credit.graphs import area_under_curve
from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.run_spec import get_algorithm
from benchmark.experiments.study_result import Cell, Findings, Prediction, Progress, Table, Verdict, together
from benchmark.papers.stas.demonstrations import TASK, pickups, scripted_episodes
from benchmark.papers.toolkit.estimators import Interval, above, mean_interval, named_intervals, with_interval
from benchmark.papers.toolkit.reward_model_fits import redistributor, shares_of

SEED = 2415
RANDOM_SHARE = 0.6
"""Share of random actions in scripted episodes."""
FEWEST = 9
"""Successes that E1 requires: about the number in 10,000 episodes of random play."""
BUFFERS = ("half guided", "nine successes")
COALITIONS = (1, 3)
WITHIN = 500
GOOD_AUC = 0.8


@dataclass(frozen=True)
class Size:
    """Episodes in a buffer, gradient steps between two evaluations, number of evaluations, held-out episodes, seeds."""

    buffer: int
    steps: int
    looks: int
    held_out: int
    seeds: int


FULL = Size(2000, 50, WITHIN // 50, 1000, 5)
QUICK = Size(96, 3, 2, 60, 2)


@dataclass(frozen=True)
class Ranking:
    """Areas under the ROC curve, means over the held-out successes. `all`, `keys`, `treasure`: moves that take a key or the
    treasure, a key, the treasure, against all other moves. `steps`: steps with such a move against those without."""

    all: float
    keys: float
    treasure: float
    steps: float


@dataclass(frozen=True)
class Fit:
    """One model. `errors`: mean squared error / variance of the return on the buffer, before the first step and at each
    evaluation; `held_out`: the same on held-out episodes at the end. `key`, `treasure`, `elsewhere`: mean reward of the moves
    on held-out successes. `ranking`: of the rewards at the end; `untrained`: before the first step."""

    errors: tuple[float, ...]
    held_out: float
    key: float
    treasure: float
    elsewhere: float
    ranking: Ranking
    untrained: Ranking


@dataclass(frozen=True)
class Measurements:
    """All fits by buffer, coalitions and seed; the successes in each buffer by kind and seed; `by_time`: the ranking of moves
    by their time step alone (later is higher), by seed of the held-out episodes."""

    size: Size
    fits: dict[tuple[str, int, int], Fit]
    successes: dict[tuple[str, int], int]
    by_time: list[Ranking]

    def kinds(self) -> list[tuple[str, int, list[Fit]]]:
        """The models by buffer and coalitions, one per seed."""
        return [
            (buffer, coalitions, [self.fits[buffer, coalitions, seed] for seed in range(self.size.seeds)])
            for buffer in BUFFERS
            for coalitions in COALITIONS
        ]


def study(quick: bool, progress: Progress) -> Findings:
    """Runs the study; `quick` fits few models for few steps."""
    return findings(measure(QUICK if quick else FULL, progress))


def measure(size: Size, progress: Progress) -> Measurements:
    """Fits and evaluates all models; `progress` counts fitted models."""
    total = size.seeds * len(BUFFERS) * len(COALITIONS)
    environment = get_task(TASK).build(1, "native")
    measurements = Measurements(size, {}, {}, [])
    for seed in range(size.seeds):
        held_out = mixture(size.held_out, seed, "held out")
        time = torch.arange(held_out.running.shape[1], dtype=torch.float64)[None, :, None].expand(held_out.acting.shape)
        measurements.by_time.append(ranking(time, held_out))
        for buffer in BUFFERS:
            episodes = (mixture if buffer == BUFFERS[0] else few_successes)(size.buffer, seed, buffer)
            measurements.successes[buffer, seed] = int(episodes.success.sum())
            for coalitions in COALITIONS:
                progress(len(measurements.fits), total, f"{coalitions} coalitions, {buffer}, seed {seed}")
                model = fit(environment.team, episodes, held_out, coalitions, seed, size)
                measurements.fits[buffer, coalitions, seed] = model
    progress(total, total, "done")
    return measurements


def mixture(count: int, seed: int, purpose: str) -> Episodes:
    """Half random, half scripted episodes."""
    random = scripted_episodes(count - count // 2, 1.0, seed, purpose, "random")
    return Episodes.concatenate([random, scripted_episodes(count // 2, RANDOM_SHARE, seed, purpose, "guided")])


def few_successes(count: int, seed: int, purpose: str) -> Episodes:
    """`FEWEST` scripted successes; the other episodes are random, which hardly ever succeed."""
    scripted = scripted_episodes(20 * FEWEST, RANDOM_SHARE, seed, purpose, "guided")
    chosen = torch.nonzero(scripted.success)[:FEWEST, 0]
    random = scripted_episodes(count - FEWEST, 1.0, seed, purpose, "random")
    return Episodes.concatenate([random, scripted.rows(chosen)])


def fit(team: TeamShape, episodes: Episodes, held_out: Episodes, coalitions: int, seed: int, size: Size) -> Fit:
    """A model with the settings of the preset "screening", fitted to all of `episodes`."""
    settings: dict[str, Any] = {
        **get_algorithm("ippo+stas").presets["screening"]["redistribution"],
        "coalitions": coalitions,
        "buffer_episodes": len(episodes.length),
        "warm_up_episodes": 0,
        # A little more than a whole number: steps due are summed in floating point and rounded down.
        "gradient_steps_per_episode": (size.steps + 1e-3) / len(episodes.length),
    }
    model = redistributor("stas", team, derive(SEED, coalitions, seed), settings)
    assert isinstance(model, LearnedRedistributor)
    untrained = ranking(shares_of(model, held_out), held_out)
    errors = [relative_error(shares_of(model, episodes), episodes)]
    for _ in range(size.looks):
        model.observe(episodes)  # replaces the same episodes in the buffer
        model.fit()
        errors.append(relative_error(shares_of(model, episodes), episodes))
    shares = shares_of(model, held_out)
    key, treasure = pickups(held_out)
    won = held_out.acting & held_out.success[:, None, None]
    return Fit(
        errors=tuple(errors),
        held_out=relative_error(shares, held_out),
        key=float(shares[key & won].double().mean()),
        treasure=float(shares[treasure].double().mean()),
        elsewhere=float(shares[won & ~key & ~treasure].double().mean()),
        ranking=ranking(shares, held_out),
        untrained=untrained,
    )


def relative_error(shares: Tensor, episodes: Episodes) -> float:
    """Mean squared error of the sums of shares [B, T, N] as predictions of the returns / variance of the returns."""
    returns = episodes.team_reward.double().sum(1)
    return float((shares.double().sum((1, 2)) - returns).square().mean() / returns.var(correction=0))


def ranking(values: Tensor, episodes: Episodes) -> Ranking:
    """How values [B, T, N] rank the moves of the successful episodes."""
    won = torch.nonzero(episodes.success)[:, 0]
    values = values[won]
    key, treasure = (taken[won] for taken in pickups(episodes))
    moves, taken = episodes.acting[won], key | treasure
    return Ranking(
        all=mean_auc(values, taken, moves),
        keys=mean_auc(values, key, moves & ~treasure),
        treasure=mean_auc(values, treasure, moves & ~key),
        steps=mean_auc(values.sum(2), taken.any(2), episodes.running[won]),
    )


def mean_auc(values: Tensor, marked: Tensor, chosen: Tensor) -> float:
    """The area under the ROC curve of the marked among the chosen values, mean over episodes.

    values, marked, chosen [B, ...]. Raises ValueError if the chosen values of an episode are all marked or all unmarked.
    """
    areas = []
    for value, mark, choice in zip(values.double().numpy(), marked.numpy(), chosen.numpy(), strict=True):
        area = area_under_curve(rankdata(value[choice]), mark[choice])
        if area is None:
            raise ValueError("an episode needs both marked and unmarked values")
        areas.append(area)
    return float(np.mean(areas))


# Findings


def findings(measured: Measurements) -> Findings:
    """Design, predictions and tables from the fits."""
    size = measured.size
    successes = {buffer: [count for (kind, _), count in measured.successes.items() if kind == buffer] for buffer in BUFFERS}
    preset = get_algorithm("ippo+stas").presets["screening"]["redistribution"]
    return Findings(
        design=(
            f"{TASK}: {size.buffer:,} episodes, half random and half of a script with {RANDOM_SHARE:.0%} random actions "
            f"({min(successes[BUFFERS[0]])} to {max(successes[BUFFERS[0]])} successes), or random ones with {FEWEST} "
            f"successes of the script ({min(successes[BUFFERS[1]])} to {max(successes[BUFFERS[1]])} in all). STAS of the "
            f"preset screening (width {preset['width']}, {preset['batch_episodes']} episodes a gradient step) with "
            f"{' or '.join(map(str, COALITIONS))} coalitions, {size.steps * size.looks} gradient steps, evaluated every "
            f"{size.steps}. Held out: {size.held_out:,} other episodes, half scripted. Areas under the ROC curve: over the "
            "moves of each agent (for steps: the sum of its agents), within each held-out success, then their mean. "
            f"{size.seeds} seeds of buffer and model; intervals: 95 %, Student's t, over them."
        ),
        predictions=(_explains(measured), *_rewards(measured), _ranks(measured)),
        tables=(_error_table(measured), _reward_table(measured), _ranking_table(measured)),
    )


def _error_table(measured: Measurements) -> Table:
    rows = []
    for buffer, coalitions, fits in measured.kinds():
        means = np.array([fit.errors for fit in fits]).mean(0).tolist()
        rows.append([buffer, coalitions, *means, *mean_interval([fit.held_out for fit in fits])])
    looks = [str(look * measured.size.steps) for look in range(measured.size.looks + 1)]
    return Table.of(
        "Mean squared error of the return over its variance: on the buffer by gradient steps, at the end on held-out episodes",
        ("buffer", "coalitions", *looks, *with_interval("held out")),
        rows,
    )


def _reward_table(measured: Measurements) -> Table:
    return Table.of(
        "Mean reward of a move on held-out successes",
        (
            *("buffer", "coalitions", *with_interval("takes a key"), *with_interval("takes the treasure")),
            *(*with_interval("any other"), *with_interval("key - other"), *with_interval("treasure - other")),
        ),
        (
            [
                *(buffer, coalitions),
                *mean_interval([fit.key for fit in fits]),
                *mean_interval([fit.treasure for fit in fits]),
                *mean_interval([fit.elsewhere for fit in fits]),
                *_difference(fits, "key"),
                *_difference(fits, "treasure"),
            ]
            for buffer, coalitions, fits in measured.kinds()
        ),
    )


def _difference(fits: list[Fit], kind: str) -> Interval:
    return mean_interval([getattr(fit, kind) - fit.elsewhere for fit in fits])


def _ranking_table(measured: Measurements) -> Table:
    rows: list[list[Cell]] = []
    for buffer, coalitions, fits in measured.kinds():
        rows.append([buffer, str(coalitions), *_intervals([fit.ranking for fit in fits])])
    for coalitions in COALITIONS:
        untrained = [measured.fits[BUFFERS[0], coalitions, seed].untrained for seed in range(measured.size.seeds)]
        rows.append(["untrained", str(coalitions), *_intervals(untrained)])
    rows.append(["the later the better", "", *_intervals(measured.by_time)])
    names = [entry.name for entry in fields(Ranking)]
    return Table.of(
        "Areas under the curve: how rewards rank the moves that take keys and treasure, keys alone, the treasure alone, and "
        "the steps at which something is taken, above the rest",
        ("buffer", "coalitions", *(column for name in names for column in with_interval(name))),
        rows,
    )


def _intervals(rankings: list[Ranking]) -> list[float]:
    return [number for column in np.array([astuple(each) for each in rankings]).T for number in mean_interval(column)]


def _explains(measured: Measurements) -> Prediction:
    texts: list[str] = []
    verdict: Verdict = "supported"
    for buffer, coalitions, fits in measured.kinds():
        first = [next((look for look, error in enumerate(fit.errors) if look and error < 1), None) for fit in fits]
        steps = [look * measured.size.steps for look in first if look is not None]
        if coalitions == 1 and len(steps) < len(fits):
            verdict = "not supported"
        when = f", first seen at {min(steps)} to {max(steps)} steps" if steps else ""
        texts.append(f"{buffer}, {coalitions}: {len(steps)} of {len(fits)}{when}")
    return Prediction(
        expected=f"With one coalition the error falls below the variance of the return within {WITHIN} gradient steps, for "
        f"every seed, on both buffers (all of which have {FEWEST} successes or more).",
        found=f"models whose error fell below it, by buffer and coalitions: {'; '.join(texts)}.",
        verdict=verdict,
    )


def _rewards(measured: Measurements) -> tuple[Prediction, Prediction]:
    predictions = []
    for name, target in (("key", "a key"), ("treasure", "the treasure")):
        differences = {f"{buffer}, {coalitions}": _difference(fits, name) for buffer, coalitions, fits in measured.kinds()}
        predictions.append(
            Prediction(
                expected=f"With one coalition the move that takes {target} gets more reward than others on "
                "successful episodes.",
                found=f"difference, by buffer and coalitions: {named_intervals(differences)}.",
                verdict=together(above(differences[f"{buffer}, 1"], 0.0) for buffer in BUFFERS),
            )
        )
    return predictions[0], predictions[1]


def _ranks(measured: Measurements) -> Prediction:
    areas = {
        f"{buffer}, {coalitions}": mean_interval([fit.ranking.all for fit in fits])
        for buffer, coalitions, fits in measured.kinds()
    }
    untrained = mean_interval([measured.fits[BUFFERS[0], 1, seed].untrained.all for seed in range(measured.size.seeds)])
    return Prediction(
        expected="Rewards rank the moves that take keys and treasure above the rest: area under the ROC curve above "
        f"{GOOD_AUC}, with one coalition and with three, where successes are many.",
        found=(
            f"by buffer and coalitions: {named_intervals(areas)}; untrained {untrained.text}; the later the better "
            f"{mean_interval([each.all for each in measured.by_time]).text}."
        ),
        verdict=together(above(areas[f"{BUFFERS[0]}, {coalitions}"], GOOD_AUC) for coalitions in COALITIONS),
    )
