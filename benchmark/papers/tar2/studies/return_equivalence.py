"""Study: do redistributed rewards sum to the return on real episodes, deaths included?

Whoever's shares sum to the return keeps the team's objective (policy_preservation.py). TAR2's normaliser is said to make them
do so by construction. As released it does not: a step at which one agent lives has no range of scores to divide by, and its
part of the return is lost. AREL and STAS are paid as regressed, so that their sums are as right as their fit. IRCR does not aim
at the return at all: on episodes of one length it is an affine map of uniform shares, on others it may pay for survival.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from algorithms.interface import Episodes
from algorithms.policy_gradient.redistributor import Redistributor
from algorithms.redistribution.models.normaliser import Kind, normalised_rewards
from algorithms.redistribution.models.reward_model import LearnedRedistributor
from algorithms.seeds import derive
from benchmark.experiments.study_result import Findings, Prediction, Progress, Table
from benchmark.papers.toolkit.reward_model_fits import (
    SMALL_MODEL,
    Stage,
    fitted,
    policies_on_the_way,
    return_r2,
    scores_of,
    shares_of,
)

SEED = 2413
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "AREL": ("arel", {**SMALL_MODEL, "variance_weight": 0.0}),
    "STAS": ("stas", SMALL_MODEL),
    "TAR2, first version": ("tar2-raw", SMALL_MODEL),
    "uniform, split": ("uniform", {"share": "split"}),
}
NORMALISERS: tuple[Kind, ...] = ("fixed", "signed", "coded", "softmax")
SCORES = ("normal", "fitted")
LEVEL = 1e-5
"""Relative error up to which sums in single precision count as equal."""
AFFINE = 1e-4
"""Distance from an affine map up to which sums in single precision count as one."""
DEFICIT = 0.05
"""How much of the return the released normaliser was expected to lose, or more."""


@dataclass(frozen=True)
class Size:
    """Tasks with deaths, the task of fixed length, steps of training of the second policy, episodes that models are fitted to
    by gradient steps of `batch` episodes, and episodes that are measured."""

    battles: tuple[str, ...]
    fixed_length: str
    steps: int
    fit_episodes: int
    fit_steps: int
    batch: int
    episodes: int


FULL = Size(("smaclite/3m", "smaclite/5m_vs_6m"), "mpe/simple_spread-3", 100_000, 300, 80, 32, 500)
QUICK = Size(("smaclite/3m",), "mpe/simple_spread-3", 1, 8, 2, 8, 16)
POLICIES = ("start", "trained")


@dataclass(frozen=True)
class Sum:
    """How near sums of shares come to the return: |sum r - R| / max(1, |R|), mean and worst, and the part of R that is lost:
    mean of 1 - sum r / R over the episodes with |R| > 0.001."""

    mean: float
    worst: float
    lost: float


@dataclass(frozen=True)
class Found:
    """Of one policy on one task. `lonely`: share of the steps at which a single agent acts; `sums` by (weights, scores);
    `raw` by method, with the R2 of its fit (None where nothing is fitted)."""

    task: str
    policy: str
    lonely: float
    sums: dict[tuple[Kind, str], Sum]
    raw: dict[str, tuple[Sum, float | None]]


def study(quick: bool, progress: Progress) -> Findings:
    """All tasks and policies; `quick` takes few episodes of an easy one."""
    size = QUICK if quick else FULL
    found = []
    total = len(size.battles) * len(POLICIES) + 1
    for number, task in enumerate(size.battles):
        progress(number * len(POLICIES), total, f"{task}: training")
        policies = policies_on_the_way(task, (0, size.steps), SEED)
        with Stage(task, SEED) as stage:
            for place, (name, policy) in enumerate(zip(POLICIES, policies, strict=True)):
                progress(number * len(POLICIES) + place, total, f"{task}: {name}")
                known = stage.play(policy, size.fit_episodes, f"{name}, to fit")
                found.append(measured(task, name, stage, known, stage.play(policy, size.episodes, name), size))
    progress(total - 1, total, "IRCR and uniform shares")
    affine = [ircr_against_uniform(size.fixed_length, size)]
    affine += [ircr_against_uniform(task, size) for task in size.battles]
    return findings(size, found, affine)


def measured(task: str, policy: str, stage: Stage, known: Episodes, episodes: Episodes, size: Size) -> Found:
    """Sums of shares on `episodes` by models fitted to `known`."""
    batch = {"batch_episodes": size.batch}
    tar2 = fitted("tar2", stage.team, SEED, known, size.fit_steps, SMALL_MODEL | batch)
    assert isinstance(tar2, LearnedRedistributor)
    noise = torch.Generator().manual_seed(derive(SEED, task, policy))
    scores = {"normal": torch.randn(episodes.acting.shape, generator=noise), "fitted": scores_of(tar2, episodes, 0)}
    returns = episodes.team_reward.sum(1)
    sums = {
        (kind, source): sum_of(normalised_rewards(scores[source], episodes.acting, returns, kind), returns)
        for kind, source in itertools.product(NORMALISERS, SCORES)
    }
    raw: dict[str, tuple[Sum, float | None]] = {}
    for name, (method, settings) in SETTINGS.items():
        learned = method != "uniform"
        model = fitted(method, stage.team, SEED, known, size.fit_steps, settings | batch if learned else settings)
        raw[name] = sum_of(shares_of(model, episodes), returns), return_r2(model, episodes) if learned else None
    acting = episodes.acting.sum(2)
    lonely = float((acting == 1).sum() / (acting > 0).sum())
    return Found(task, policy, lonely, sums, raw)


def sum_of(shares: Tensor, returns: Tensor) -> Sum:
    """Of shares [B, T, N] against returns [B]."""
    total, wanted = shares.double().sum((1, 2)), returns.double()
    error = (total - wanted).abs() / wanted.abs().clamp(min=1)
    some = wanted.abs() > 1e-3
    return Sum(float(error.mean()), float(error.max()), float((1 - total[some] / wanted[some]).mean()))


@dataclass(frozen=True)
class Affine:
    """IRCR's pay against uniform shares, over all agents and steps: their correlation, and the largest distance from the best
    affine map as a part of the pay's range. `lengths`: shortest and longest episode; `lowest`: the lowest return."""

    task: str
    lengths: tuple[int, int]
    lowest: float
    correlation: float
    residual: float


def ircr_against_uniform(task: str, size: Size) -> Affine:
    """On episodes of an untrained policy."""
    (policy,) = policies_on_the_way(task, (0,), SEED)
    with Stage(task, SEED) as stage:
        episodes = stage.play(policy, size.episodes, "IRCR")
        payers: list[Redistributor] = [fitted(method, stage.team, SEED, episodes, 0) for method in ("uniform", "ircr")]
    uniform, ircr = (shares_of(payer, episodes)[episodes.acting].double() for payer in payers)
    centred = uniform - uniform.mean()
    slope = (centred * ircr).sum() / centred.square().sum()
    residual = ircr - ircr.mean() - slope * centred
    correlation = torch.corrcoef(torch.stack([uniform, ircr]))[0, 1]
    lengths = int(episodes.length.min()), int(episodes.length.max())
    lowest = float(episodes.team_reward.sum(1).min())
    return Affine(task, lengths, lowest, float(correlation), float(residual.abs().max() / (ircr.max() - ircr.min())))


# What is said


def findings(size: Size, found: list[Found], affine: list[Affine]) -> Findings:
    """What the sums say."""
    return Findings(
        design=(
            f"{size.episodes} sampled episodes each of an untrained IPPO policy and of one trained for {size.steps:,} steps "
            f"(seed {SEED}) on {' and '.join(size.battles)}. Scores: standard normal, or of a TAR2 model of width "
            f"{SMALL_MODEL['width']} fitted by {size.fit_steps} gradient steps of {size.batch} episodes to "
            f"{size.fit_episodes} other episodes of the policy, like the other models. Error: |sum of shares - R| / "
            "max(1, |R|)."
        ),
        predictions=(_fixed(found), _coded(found), _raw(found), *_ircr(affine)),
        tables=(_normaliser_table(found), _raw_table(found), _affine_table(affine)),
    )


def _normaliser_table(found: list[Found]) -> Table:
    return Table.of(
        "Normalisers of TAR2: error of the sum of shares, and the part of the return that is lost",
        (
            *("task", "policy", "steps with one agent", "normaliser", "scores"),
            *("mean error", "worst error", "part of the return lost"),
        ),
        (
            [each.task, each.policy, each.lonely, kind, source, found_sum.mean, found_sum.worst, found_sum.lost]
            for each in found
            for (kind, source), found_sum in each.sums.items()
        ),
    )


def _raw_table(found: list[Found]) -> Table:
    return Table.of(
        "Shares that are paid as they are: error of their sum, and the R2 of the returns of these episodes",
        ("task", "policy", "method", "mean error", "worst error", "R2 of the return"),
        (
            [each.task, each.policy, method, found_sum.mean, found_sum.worst, r2]
            for each in found
            for method, (found_sum, r2) in each.raw.items()
        ),
    )


def _affine_table(affine: list[Affine]) -> Table:
    return Table.of(
        "IRCR against uniform shares, untrained policy: correlation, and largest distance from an affine map over the range",
        ("task", "shortest episode", "longest episode", "lowest return", "correlation", "distance"),
        ([each.task, *each.lengths, each.lowest, each.correlation, each.residual] for each in affine),
    )


def _fixed(found: list[Found]) -> Prediction:
    kinds: tuple[Kind, ...] = ("fixed", "signed", "softmax")
    worst = max(each.sums[kind, source].worst for each in found for kind in kinds for source in SCORES)
    return Prediction(
        expected=f"With the fixed, signed or softmax normaliser shares sum to the return on every episode, to {LEVEL:g}.",
        found=f"worst error {worst:.1e}.",
        verdict="supported" if worst <= LEVEL else "not supported",
    )


def _coded(found: list[Found]) -> Prediction:
    texts = []
    for each in found:
        lost = (f"{each.sums['coded', source].lost:.1%}" for source in ("fitted", "normal"))
        texts.append(f"{each.task} {each.policy}: {', '.join(lost)}")
    return Prediction(
        expected=f"As released, the normaliser loses more than {DEFICIT:.0%} of the return on average in battles with deaths.",
        found=f"lost with fitted and with normal scores: {'; '.join(texts)}.",
        verdict="supported" if all(each.sums["coded", "fitted"].lost > DEFICIT for each in found) else "not supported",
    )


def _raw(found: list[Found]) -> Prediction:
    learned = {name for name, (method, _) in SETTINGS.items() if method != "uniform"}
    smallest = min(each.raw[name][0].mean for each in found for name in learned)
    largest = max(each.raw[name][0].mean for each in found for name in learned)
    return Prediction(
        expected="The raw shares of AREL, STAS and TAR2's first version miss the return by their regression error.",
        found=f"mean errors between {smallest:.2g} and {largest:.2g}.",
        verdict="supported" if smallest > LEVEL else "not supported",
    )


def _ircr(affine: list[Affine]) -> tuple[Prediction, Prediction]:
    one, several = ([each for each in affine if (each.lengths[0] == each.lengths[1]) == equal] for equal in (True, False))
    return (
        Prediction(
            expected="On episodes of one length IRCR is an affine map of uniform shares.",
            found=_distances(one),
            verdict="supported" if all(each.residual < AFFINE for each in one) else "not supported",
        ),
        Prediction(
            expected="On episodes of several lengths it is not: it pays for survival.",
            found=f"{_distances(several)} Where the lowest return is 0 nothing is taken off, and IRCR is uniform.",
            verdict="supported" if all(each.residual > AFFINE for each in several) else "not supported",
        ),
    )


def _distances(affine: list[Affine]) -> str:
    texts = [f"{each.task} (lowest return {each.lowest:.3g}) {each.correlation:.6f}, {each.residual:.1e}" for each in affine]
    return f"correlation, and largest distance from an affine map over the range: {'; '.join(texts)}."
