"""Study: how much less does the policy gradient vary under redistributed rewards, and how far does it turn away?

Policies of an IPPO run that is paid densely are frozen on the way. Reward models are fitted to episodes of each; fresh
episodes of it are then paid in each way, and the gradients of single episodes compared. Variance alone says nothing: a gradient
that is wrong may vary little. So each is told together with its direction, against the gradient of the sparse reward with the
full return, which is the objective's own.

Three estimators, the same for all rewards: the full return (every action weighs what its agent is paid in the whole episode),
the reward to go, and advantages (lambda 0.95) from a local critic fitted to that very reward on the episodes that the models
are fitted to. Each less its mean over those episodes: a constant that changes no expectation and is what PPO's
standardisation takes off. Undiscounted, so that nothing but redistribution bends the objective.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from algorithms.advantages.gae import GAE
from algorithms.interface import Episodes, LearnerContext
from algorithms.returns import discounted_sums
from algorithms.seeds import derive
from algorithms.settings.policy_gradient import IPPOSettings
from benchmark.experiments.study_result import Cell, Findings, Prediction, Progress, Table, Verdict, together
from benchmark.papers.tar2.policy_gradients import Comparison, Moments, compare, gradients_of
from benchmark.papers.toolkit.estimators import Interval, below, with_interval
from benchmark.papers.toolkit.reward_model_fits import (
    SMALL_MODEL,
    Stage,
    fitted,
    policies_on_the_way,
    redistributor,
    return_r2,
    shares_of,
)

SEED = 2412
REWARDS = ("sparse", "uniform", "stas", "stas, team", "tar2", "tar2, signed", "tar2, team", "dense")
"""Paid as a team: everyone the sum of the step's shares. Signed: TAR2's scores through the normaliser that gives the lowest the
largest part of a negative return. Dense: the team's true reward of every step."""
ESTIMATORS = ("full return", "reward to go", "advantage")
STAGES = ("start", "middle", "late")


@dataclass(frozen=True)
class Setting:
    """A task, the steps of the run at which its policies are frozen, how many groups of how many episodes are measured, to how
    many others the reward models are fitted by how many gradient steps, and to how many of these the critics."""

    task: str
    steps: tuple[int, ...]
    groups: int
    group_size: int
    fit_episodes: int
    fit_steps: int
    critic_episodes: int


FULL = (
    Setting("grid/two-goals", (0, 30_000, 42_000), 40, 250, 2000, 800, 1000),
    Setting("smaclite/5m_vs_6m", (0, 100_000, 200_000), 30, 60, 600, 150, 120),
)
QUICK = (Setting("grid/two-goals", (0, 1, 3300), 3, 12, 64, 3, 12),)


@dataclass(frozen=True)
class Found:
    """Of one frozen policy: its mean return, the R2 of each model's returns on fresh episodes, and the comparison of each
    reward under each estimator."""

    task: str
    stage: str
    episodes: int
    mean_return: float
    fits: dict[str, float]
    comparisons: dict[tuple[str, str], Comparison]


def study(quick: bool, progress: Progress) -> Findings:
    """All policies of all tasks; `quick` takes few episodes of one."""
    settings = QUICK if quick else FULL
    found = []
    for number, setting in enumerate(settings):
        progress(number * (len(STAGES) + 1), len(settings) * (len(STAGES) + 1), f"{setting.task}: training")
        policies = policies_on_the_way(setting.task, setting.steps, SEED)
        with Stage(setting.task, SEED) as stage:
            for place, (name, policy) in enumerate(zip(STAGES, policies, strict=True), start=1):
                done = number * (len(STAGES) + 1) + place
                progress(done, len(settings) * (len(STAGES) + 1), f"{setting.task}: {name}")
                found.append(measured(setting, name, stage, policy))
    return findings(settings, found)


def measured(setting: Setting, name: str, stage: Stage, policy: dict[str, Tensor]) -> Found:
    """One frozen policy."""
    known = stage.play(policy, setting.fit_episodes, f"{name}, to fit")
    payers = {
        method: fitted(
            method, stage.team, derive(SEED, method), known, setting.fit_steps, SMALL_MODEL if method != "uniform" else {}
        )
        for method in ("uniform", "stas", "tar2")
    }

    def paid(episodes: Episodes) -> dict[str, Tensor]:
        rewards = {method: shares_of(payer, episodes) for method, payer in payers.items()}
        for method in ("stas", "tar2"):
            rewards[f"{method}, team"] = rewards[method].sum(-1, keepdim=True).expand_as(rewards[method])
        rewards |= {"sparse": episodes.reward("episodic"), "dense": episodes.reward("team")}
        return {reward: rewards[reward] for reward in REWARDS}

    payers["tar2, signed"] = redistributor("tar2", stage.team, derive(SEED, "tar2"), {**SMALL_MODEL, "normaliser": "signed"})
    payers["tar2, signed"].load_state_dict(payers["tar2"].state_dict())
    judged = known.rows(torch.arange(setting.critic_episodes))
    estimators = {reward: Estimators(stage, judged, values) for reward, values in paid(judged).items()}
    stage.actor.load_policy_state(policy)
    groups, returns = [], []
    fresh = stage.play(policy, setting.group_size, f"{name}, group 0")
    for group in range(setting.groups):
        episodes = stage.play(policy, setting.group_size, f"{name}, group {group}")
        weights = [estimators[reward].weights(episodes, values) for reward, values in paid(episodes).items()]
        groups.append(gradients_of(stage.actor.actor, episodes, torch.cat(weights)))
        returns.append(float(episodes.team_reward.sum(1).mean()))
    moments = Moments.of(groups)
    kinds = list(itertools.product(REWARDS, ESTIMATORS))
    true = kinds.index(("sparse", "full return"))
    return Found(
        task=setting.task,
        stage=name,
        episodes=setting.groups * setting.group_size,
        mean_return=sum(returns) / len(returns),
        fits={method: return_r2(payers[method], fresh) for method in ("stas", "tar2")},
        comparisons={
            kind: compare(moments, place, noise_of=kinds.index(("sparse", kind[1])), direction_of=true)
            for place, kind in enumerate(kinds)
        },
    )


CRITIC_ROUNDS = 6
"""Passes of fitting: every pass regresses to estimates that use the values of the pass before."""


class Estimators:
    """What actions weigh under one reward: critic and means come from `episodes`, which are not measured."""

    def __init__(self, stage: Stage, episodes: Episodes, reward: Tensor) -> None:
        problem = LearnerContext(team=stage.team, regime="team", budget=1, seed=derive(SEED, "critic"))
        self._critic = GAE(IPPOSettings(discount=1.0), problem)
        for _ in range(CRITIC_ROUNDS):
            self._critic.fit(episodes, reward)
        self._means = self._raw(episodes, reward)[:, episodes.acting].mean(1)

    def weights(self, episodes: Episodes, reward: Tensor) -> Tensor:
        """[3, B, T, N], in the order of ESTIMATORS."""
        return self._raw(episodes, reward) - self._means[:, None, None, None]

    def _raw(self, episodes: Episodes, reward: Tensor) -> Tensor:
        to_go = discounted_sums(reward, 1.0)
        return torch.stack([to_go[:, :1].expand_as(to_go), to_go, self._critic.estimate(episodes, reward)])


# What is said


def findings(settings: tuple[Setting, ...], found: list[Found]) -> Findings:
    """What the comparisons say."""
    sizes = "; ".join(
        f"{setting.task}: frozen at {', '.join(f'{steps:,}' for steps in setting.steps)} steps, {setting.groups} groups of "
        f"{setting.group_size} episodes, models fitted to {setting.fit_episodes} others by {setting.fit_steps} gradient steps "
        f"of {SMALL_MODEL['batch_episodes']}, critics to {setting.critic_episodes} of these"
        for setting in settings
    )
    return Findings(
        design=(
            f"IPPO paid densely, three policies of one run (seed {SEED}). {sizes}; "
            f"models of width {SMALL_MODEL['width']} and depth {SMALL_MODEL['depth']}. "
            "Noise: tr Cov(g) / |E g|^2 of one episode's gradient of all the actor's parameters; relative "
            "noise: to the sparse reward under the same estimator; cosine: to the sparse reward's full return. Advantages: "
            "lambda 0.95, a local critic fitted to each reward; all less their mean on other episodes. Undiscounted. Products "
            "of different groups of episodes, jackknife intervals over groups (95 %); nothing is said of gradients that are "
            "not told from 0."
        ),
        predictions=(_less_noise(found), _no_bias_of_the_sum(found), _bias(found), _upside_down(found), _against_dense(found)),
        tables=(*(_table(found, task) for task in dict.fromkeys(each.task for each in found)), _fits_table(found)),
    )


def _table(found: list[Found], task: str) -> Table:
    rows: list[list[Cell]] = []
    for each in found:
        if each.task == task:
            for (reward, estimator), comparison in each.comparisons.items():
                cells: list[Cell] = [each.stage, each.mean_return, reward, estimator]
                for interval in (comparison.noise, comparison.relative, comparison.cosine):
                    cells += interval or (None, None, None)
                rows.append(cells)
    return Table.of(
        f"{task}: noise of the gradient of one episode and direction of the mean gradient",
        (
            *("policy", "mean return", "reward", "estimator", *with_interval("noise")),
            *(*with_interval("relative noise"), *with_interval("cosine")),
        ),
        rows,
    )


def _fits_table(found: list[Found]) -> Table:
    return Table.of(
        "How well the models' scores sum to the return of fresh episodes of the policy: R2",
        ("task", "policy", *found[0].fits),
        ([each.task, each.stage, *each.fits.values()] for each in found),
    )


def _said(found: list[Found], reward: str, estimator: str, value: str) -> list[tuple[str, Interval | None]]:
    """An interval of every policy, with the policy's name."""
    return [(f"{each.task} {each.stage}", getattr(each.comparisons[reward, estimator], value)) for each in found]


def _text(said: list[tuple[str, Interval | None]]) -> str:
    return ", ".join(interval.text if interval else "not told from 0" for _, interval in said)


def _less_noise(found: list[Found]) -> Prediction:
    texts, verdicts = [], []
    for reward in ("uniform", "stas", "tar2"):
        said = _said(found, reward, "reward to go", "relative")
        texts.append(f"{reward}: {_text(said)}")
        verdicts += ["undecided" if interval is None else below(interval, 1.0) for _, interval in said]
    return Prediction(
        expected="With the reward to go, gradients vary less under uniform, STAS and TAR2 than under the sparse reward.",
        found=f"relative noise at {', '.join(f'{each.task} {each.stage}' for each in found)}: {'; '.join(texts)}.",
        verdict=together(verdicts),
    )


def _no_bias_of_the_sum(found: list[Found]) -> Prediction:
    said = _said(found, "tar2, team", "full return", "cosine")
    verdicts: list[Verdict] = [
        "undecided" if interval is None else "supported" if interval.value > 1 - 1e-6 else "not supported"
        for _, interval in said
    ]
    return Prediction(
        expected="With the full return of the team's sum, TAR2's gradient is the sparse one.",
        found=f"cosine {_text(said)}.",
        verdict=together(verdicts),
    )


def _bias(found: list[Found]) -> Prediction:
    texts: list[str] = []
    verdicts: list[Verdict] = []
    for reward, estimator in itertools.product(("stas", "tar2"), ("full return", "reward to go", "advantage")):
        said = _said(found, reward, estimator, "cosine")
        texts.append(f"{reward}, {estimator}: {_text(said)}")
        verdicts += ["undecided" if interval is None else below(interval, 1.0) for _, interval in said]
    return Prediction(
        expected="Paid each its own shares, the mean gradient is turned: cosine below 1 for STAS and TAR2.",
        found=f"cosine: {'; '.join(texts)}.",
        verdict=together(verdicts),
    )


def _upside_down(found: list[Found]) -> Prediction:
    negative = [each for each in found if each.mean_return < 0]
    texts: list[str] = []
    verdicts: list[Verdict] = [] if negative else ["undecided"]
    for each in negative:
        fixed, signed = (each.comparisons[reward, "full return"].cosine for reward in ("tar2", "tar2, signed"))
        texts.append(f"{each.task} {each.stage}: {_text([('', fixed), ('', signed)])}")
        if fixed is None or signed is None:
            verdicts.append("undecided")
        else:
            apart = signed.low > fixed.high or signed.high < fixed.low
            verdicts.append("undecided" if not apart else "supported" if signed.low > fixed.high else "not supported")
    return Prediction(
        expected="Where returns are negative TAR2's normaliser gives the best step the most blame: its gradient points less "
        "the true way than with the signed normaliser.",
        found=f"cosine of fixed and of signed, own shares, full return, where the mean return is negative: {'; '.join(texts)}."
        if negative
        else "no policy has a negative mean return.",
        verdict=together(verdicts),
    )


def _against_dense(found: list[Found]) -> Prediction:
    texts: list[str] = []
    verdicts: list[Verdict] = []
    for each in found:
        dense, tar2 = (each.comparisons[reward, "advantage"].relative for reward in ("dense", "tar2"))
        texts.append(f"{each.task} {each.stage}: {_text([('', dense), ('', tar2)])}")
        if dense is None or tar2 is None:
            verdicts.append("undecided")
        else:
            verdicts.append("supported" if dense.high < tar2.low else "not supported" if dense.low > tar2.high else "undecided")
    return Prediction(
        expected="With advantages, gradients vary least under the true dense reward.",
        found=f"relative noise of dense and of TAR2: {'; '.join(texts)}.",
        verdict=together(verdicts),
    )
