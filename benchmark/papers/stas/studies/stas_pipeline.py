"""Study: does the reward model of STAS learn Alice & Bob from few successes, and does it credit keys and treasure?

Experiment E1 of the STAS specification, the part without a policy that learns, with one coalition and with three: fitted to the
returns of episodes of which at least nine succeed, a model shall explain their variance within 500 gradient steps, and pay more
where a key is taken. And the part of E10 about this game: rewards shall rank what matters before what does not. What matters is
known: two keys and the treasure, each at one step by one agent (at the treasure sometimes by both).
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from algorithms.interface import Episodes
from algorithms.redistribution.models.reward_model import LearnedRedistributor
from algorithms.seeds import derive
from algorithms.team import TeamShape
from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.run_spec import get_algorithm
from benchmark.experiments.study_result import Cell, Findings, Prediction, Progress, Table, Verdict, together
from benchmark.papers.stas.demonstrations import TASK, guided_episodes, takings
from benchmark.papers.toolkit.estimators import Interval, above, mean_interval, with_interval
from benchmark.papers.toolkit.reward_model_fits import redistributor, shares_of

SEED = 2415
IGNORED = 0.6
"""How often the guide of the successful episodes is ignored."""
FEWEST = 9
"""Successes that E1 asks for: about as many as 10,000 episodes of random play have."""
BUFFERS = ("half guided", "nine successes")
COALITIONS = (1, 3)
WITHIN = 500
GOOD_AUC = 0.8


@dataclass(frozen=True)
class Size:
    """Episodes in a buffer, gradient steps between two looks, how many looks, held-out episodes (half guided), seeds."""

    buffer: int
    steps: int
    looks: int
    held_out: int
    seeds: int


FULL = Size(2000, 50, WITHIN // 50, 1000, 5)
QUICK = Size(96, 3, 2, 60, 2)


@dataclass(frozen=True)
class Ranking:
    """Areas under the curve, means over the held-out successes: of what is taken (`all`: keys and treasure; `keys`; `treasure`)
    against the rest, among all moves of agents, and (`steps`) of steps with a taking against those without."""

    all: float
    keys: float
    treasure: float
    steps: float


@dataclass(frozen=True)
class Fit:
    """One model. `errors`: mean squared error of the return over its variance, on the buffer, at every look, the first before
    any step; `held_out`: the same on held-out episodes at the end. `key`, `treasure`, `elsewhere`: the mean reward of moves
    on held-out successes. `ranking` by its rewards at the end, `untrained` before the first step."""

    errors: tuple[float, ...]
    held_out: float
    key: float
    treasure: float
    elsewhere: float
    ranking: Ranking
    untrained: Ranking


@dataclass(frozen=True)
class Measured:
    """All fits by buffer, coalitions and seed; successes in each buffer by kind and seed; the ranking by time alone (the later
    the better), by seed of the held-out episodes."""

    size: Size
    fits: dict[tuple[str, int, int], Fit]
    successes: dict[tuple[str, int], int]
    by_time: list[Ranking]

    def kinds(self) -> list[tuple[str, int, list[Fit]]]:
        """The models by buffer and coalitions, one a seed."""
        return [
            (buffer, coalitions, [self.fits[buffer, coalitions, seed] for seed in range(self.size.seeds)])
            for buffer in BUFFERS
            for coalitions in COALITIONS
        ]


def study(quick: bool, progress: Progress) -> Findings:
    """All fits; `quick` makes few and short ones."""
    return findings(measure(QUICK if quick else FULL, progress))


def measure(size: Size, progress: Progress) -> Measured:
    """The measurements; `progress` counts fitted models."""
    total = size.seeds * len(BUFFERS) * len(COALITIONS)
    environment = get_task(TASK).build(1, "native")
    found = Measured(size, {}, {}, [])
    for seed in range(size.seeds):
        held_out = mixture(size.held_out, seed, "held out")
        time = torch.arange(held_out.running.shape[1], dtype=torch.float64)[None, :, None].expand(held_out.acting.shape)
        found.by_time.append(ranked(time, held_out))
        for buffer in BUFFERS:
            episodes = (mixture if buffer == BUFFERS[0] else few_successes)(size.buffer, seed, buffer)
            found.successes[buffer, seed] = int(episodes.success.sum())
            for coalitions in COALITIONS:
                progress(len(found.fits), total, f"{coalitions} coalitions, {buffer}, seed {seed}")
                found.fits[buffer, coalitions, seed] = fit(environment.team, episodes, held_out, coalitions, seed, size)
    progress(total, total, "done")
    return found


def mixture(count: int, seed: int, purpose: str) -> Episodes:
    """Half random play, half guided."""
    random = guided_episodes(count - count // 2, 1.0, seed, purpose, "random")
    return Episodes.concatenate([random, guided_episodes(count // 2, IGNORED, seed, purpose, "guided")])


def few_successes(count: int, seed: int, purpose: str) -> Episodes:
    """`FEWEST` successes of guided play, the others random play, which hardly ever succeeds."""
    guided = guided_episodes(20 * FEWEST, IGNORED, seed, purpose, "guided")
    chosen = torch.nonzero(guided.success)[:FEWEST, 0]
    random = guided_episodes(count - FEWEST, 1.0, seed, purpose, "random")
    return Episodes.concatenate([random, guided.rows(chosen)])


def fit(team: TeamShape, episodes: Episodes, held_out: Episodes, coalitions: int, seed: int, size: Size) -> Fit:
    """A model of the preset "screening", fitted to all of `episodes`."""
    settings: dict[str, Any] = {
        **get_algorithm("ippo+stas").presets["screening"]["redistribution"],
        "coalitions": coalitions,
        "buffer_episodes": len(episodes.length),
        "warm_up_episodes": 0,
        # A little more than whole steps are owed: they are a sum in floating point.
        "gradient_steps_per_episode": (size.steps + 1e-3) / len(episodes.length),
    }
    model = redistributor("stas", team, derive(SEED, coalitions, seed), settings)
    assert isinstance(model, LearnedRedistributor)
    untrained = ranked(shares_of(model, held_out), held_out)
    errors = [relative_error(shares_of(model, episodes), episodes)]
    for _ in range(size.looks):
        model.observe(episodes)  # takes the place of the same episodes
        model.fit()
        errors.append(relative_error(shares_of(model, episodes), episodes))
    shares = shares_of(model, held_out)
    key, treasure = takings(held_out)
    won = held_out.acting & held_out.success[:, None, None]
    return Fit(
        errors=tuple(errors),
        held_out=relative_error(shares, held_out),
        key=float(shares[key & won].double().mean()),
        treasure=float(shares[treasure].double().mean()),
        elsewhere=float(shares[won & ~key & ~treasure].double().mean()),
        ranking=ranked(shares, held_out),
        untrained=untrained,
    )


def relative_error(shares: Tensor, episodes: Episodes) -> float:
    """Mean squared error of the sums of shares [B, T, N] as predictions of the returns, over the variance of the returns."""
    returns = episodes.team_reward.double().sum(1)
    return float((shares.double().sum((1, 2)) - returns).square().mean() / returns.var(correction=0))


def ranked(values: Tensor, episodes: Episodes) -> Ranking:
    """How values [B, T, N] rank the moves of the episodes that succeed."""
    won = torch.nonzero(episodes.success)[:, 0]
    values = values[won]
    key, treasure = (taken[won] for taken in takings(episodes))
    moves, taken = episodes.acting[won], key | treasure
    return Ranking(
        all=mean_auc(values, taken, moves),
        keys=mean_auc(values, key, moves & ~treasure),
        treasure=mean_auc(values, treasure, moves & ~key),
        steps=mean_auc(values.sum(2), taken.any(2), episodes.running[won]),
    )


def mean_auc(values: Tensor, marked: Tensor, chosen: Tensor) -> float:
    """The mean over episodes of the chance that a marked value is above another one, both chosen; a tie counts half.

    values, marked, chosen [B, ...]; every episode needs values of both kinds.
    """
    areas = []
    for each, mark, which in zip(values.double().numpy(), marked.numpy(), chosen.numpy(), strict=True):
        ranks, positive = stats.rankdata(each[which]), mark[which]
        count, rest = positive.sum(), (~positive).sum()
        areas.append((ranks[positive].sum() - count * (count + 1) / 2) / (count * rest))
    return float(np.mean(areas))


# What is said


def findings(measured: Measured) -> Findings:
    """What the fits say."""
    size = measured.size
    successes = {buffer: [count for (kind, _), count in measured.successes.items() if kind == buffer] for buffer in BUFFERS}
    preset = get_algorithm("ippo+stas").presets["screening"]["redistribution"]
    return Findings(
        design=(
            f"{TASK}: {size.buffer:,} episodes, half of random play and half of a guide that is ignored in {IGNORED:.0%} of "
            f"the moves ({min(successes[BUFFERS[0]])} to {max(successes[BUFFERS[0]])} successes), or random play with {FEWEST} "
            f"successes of the guide ({min(successes[BUFFERS[1]])} to {max(successes[BUFFERS[1]])} in all). STAS of the preset "
            f"screening (width {preset['width']}, {preset['batch_episodes']} episodes a gradient step) with "
            f"{' or '.join(map(str, COALITIONS))} coalitions, {size.steps * size.looks} gradient steps, looked at every "
            f"{size.steps}. Held out: {size.held_out:,} other episodes, half guided. Areas under the curve: over the moves of "
            "each agent (for steps: the sum of its agents), within each held-out success, then their mean. "
            f"{size.seeds} seeds of buffer and model; intervals: 95 %, Student's t, over them."
        ),
        predictions=(_explains(measured), *_pays(measured), _ranks(measured)),
        tables=(_error_table(measured), _reward_table(measured), _ranking_table(measured)),
    )


def _error_table(measured: Measured) -> Table:
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


def _reward_table(measured: Measured) -> Table:
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
                *_more(fits, "key"),
                *_more(fits, "treasure"),
            ]
            for buffer, coalitions, fits in measured.kinds()
        ),
    )


def _more(fits: list[Fit], what: str) -> Interval:
    return mean_interval([getattr(fit, what) - fit.elsewhere for fit in fits])


def _ranking_table(measured: Measured) -> Table:
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


def _explains(measured: Measured) -> Prediction:
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


def _pays(measured: Measured) -> tuple[Prediction, Prediction]:
    predictions = []
    for name, what in (("key", "a key"), ("treasure", "the treasure")):
        differences = {(buffer, coalitions): _more(fits, name) for buffer, coalitions, fits in measured.kinds()}
        texts = (f"{buffer}, {coalitions}: {found.text}" for (buffer, coalitions), found in differences.items())
        predictions.append(
            Prediction(
                expected=f"With one coalition the move that takes {what} is paid more than others on successful episodes.",
                found=f"difference, by buffer and coalitions: {'; '.join(texts)}.",
                verdict=together(above(differences[buffer, 1], 0.0) for buffer in BUFFERS),
            )
        )
    return predictions[0], predictions[1]


def _ranks(measured: Measured) -> Prediction:
    areas = {
        (buffer, coalitions): mean_interval([fit.ranking.all for fit in fits]) for buffer, coalitions, fits in measured.kinds()
    }
    texts = (f"{buffer}, {coalitions}: {found.text}" for (buffer, coalitions), found in areas.items())
    untrained = mean_interval([measured.fits[BUFFERS[0], 1, seed].untrained.all for seed in range(measured.size.seeds)])
    return Prediction(
        expected="Rewards rank the moves that take keys and treasure above the rest: area under the curve above "
        f"{GOOD_AUC}, with one coalition and with three, where successes are many.",
        found=(
            f"by buffer and coalitions: {'; '.join(texts)}; untrained {untrained.text}; the later the better "
            f"{mean_interval([each.all for each in measured.by_time]).text}."
        ),
        verdict=together(above(areas[BUFFERS[0], coalitions], GOOD_AUC) for coalitions in COALITIONS),
    )
