"""Study gradient-variance.

Question: how much does redistribution reduce the variance of the policy gradient, and how much does it change its direction?
Design: policies of one IPPO run with dense reward are frozen during training. Reward models are fitted to episodes of each
policy; the gradients of single fresh episodes are compared under each reward. A biased gradient can have a small variance, so
each variance is reported with the cosine to the gradient of the sparse reward with the full return, which is that of the
objective. Three estimators, the same for all rewards: the full return (each action is weighted by its agent's reward over the
whole episode), the reward to go, and advantages (lambda 0.95) from a local critic fitted to that reward on the episodes that
the models are fitted to. Each minus its mean over those episodes, a constant that changes no expectation, as PPO's
standardisation does. Undiscounted, so that only redistribution changes the objective.
Predictions: less variance under redistributed rewards; no bias for the full return of the team's sum; bias for individual
shares.
Source: experiment E-3 of the TAR2 specification; Kapoor et al. 2024, arXiv 2412.14779.
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
from algorithms.team import TeamShape
from benchmark.experiments.study_result import Cell, Findings, Prediction, Progress, Table, Verdict, together
from benchmark.papers.tar2.policy_gradients import Comparison, Moments, compare, gradients_of
from benchmark.papers.toolkit.estimators import Interval, below, with_interval
from benchmark.papers.toolkit.reward_model_fits import (
    SMALL_MODEL,
    FrozenPolicyRollouts,
    fitted,
    policies_during_training,
    redistributor,
    return_r2,
    shares_of,
)

SEED = 2412
REWARDS = ("sparse", "uniform", "stas", "stas, team", "tar2", "tar2, signed", "tar2, team", "dense")
"""team: each agent gets the sum of the step's shares. signed: TAR2's scores through the normaliser that assigns the largest
part of a negative return to the lowest score. dense: the true team reward of every step."""
ESTIMATORS = ("full return", "reward to go", "advantage")
STAGES = ("start", "middle", "late")


@dataclass(frozen=True)
class Setting:
    """A task; the steps of the run at which its policies are frozen; groups of `group_size` episodes that are measured; the
    number of other episodes to which reward models are fitted by `fit_steps` gradient steps, and critics to some of them."""

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
class PolicyComparison:
    """One frozen policy: its mean return, the R2 of each model's returns on fresh episodes, and its gradients by reward and
    estimator."""

    task: str
    stage: str
    episodes: int
    mean_return: float
    fits: dict[str, float]
    comparisons: dict[tuple[str, str], Comparison]


def study(quick: bool, progress: Progress) -> Findings:
    """Runs the study; `quick` takes few episodes of one task."""
    settings = QUICK if quick else FULL
    results = []
    for number, setting in enumerate(settings):
        progress(number * (len(STAGES) + 1), len(settings) * (len(STAGES) + 1), f"{setting.task}: training")
        policies = policies_during_training(setting.task, setting.steps, SEED)
        with FrozenPolicyRollouts(setting.task, SEED) as rollouts:
            for index, (name, policy) in enumerate(zip(STAGES, policies, strict=True), start=1):
                done = number * (len(STAGES) + 1) + index
                progress(done, len(settings) * (len(STAGES) + 1), f"{setting.task}: {name}")
                results.append(measure(setting, name, rollouts, policy))
    return findings(settings, results)


def measure(setting: Setting, name: str, rollouts: FrozenPolicyRollouts, policy: dict[str, Tensor]) -> PolicyComparison:
    """Compares the gradients of one frozen policy."""
    to_fit = rollouts.collect(policy, setting.fit_episodes, f"{name}, to fit")
    models = {
        method: fitted(
            method, rollouts.team, derive(SEED, method), to_fit, setting.fit_steps, SMALL_MODEL if method != "uniform" else {}
        )
        for method in ("uniform", "stas", "tar2")
    }

    def rewards_of(episodes: Episodes) -> dict[str, Tensor]:
        rewards = {method: shares_of(model, episodes) for method, model in models.items()}
        for method in ("stas", "tar2"):
            rewards[f"{method}, team"] = rewards[method].sum(-1, keepdim=True).expand_as(rewards[method])
        rewards |= {"sparse": episodes.reward("episodic"), "dense": episodes.reward("team")}
        return {reward: rewards[reward] for reward in REWARDS}

    models["tar2, signed"] = redistributor("tar2", rollouts.team, derive(SEED, "tar2"), {**SMALL_MODEL, "normaliser": "signed"})
    models["tar2, signed"].load_state_dict(models["tar2"].state_dict())
    for_critics = to_fit.rows(torch.arange(setting.critic_episodes))
    estimators = {reward: Estimators(rollouts.team, for_critics, values) for reward, values in rewards_of(for_critics).items()}
    rollouts.actor.load_policy_state(policy)
    groups, returns = [], []
    fresh = rollouts.collect(policy, setting.group_size, f"{name}, group 0")
    for group in range(setting.groups):
        episodes = rollouts.collect(policy, setting.group_size, f"{name}, group {group}")
        weights = [estimators[reward].weights(episodes, values) for reward, values in rewards_of(episodes).items()]
        groups.append(gradients_of(rollouts.actor.actor, episodes, torch.cat(weights)))
        returns.append(float(episodes.team_reward.sum(1).mean()))
    moments = Moments.of(groups)
    kinds = list(itertools.product(REWARDS, ESTIMATORS))
    true = kinds.index(("sparse", "full return"))
    return PolicyComparison(
        task=setting.task,
        stage=name,
        episodes=setting.groups * setting.group_size,
        mean_return=sum(returns) / len(returns),
        fits={method: return_r2(models[method], fresh) for method in ("stas", "tar2")},
        comparisons={
            kind: compare(moments, index, noise_of=kinds.index(("sparse", kind[1])), direction_of=true)
            for index, kind in enumerate(kinds)
        },
    )


CRITIC_ROUNDS = 6
"""Passes of fitting: each pass regresses to targets that use the values of the previous pass."""


class Estimators:
    """The weights of actions under one reward. Critic and means are fitted to `episodes`, which are not measured."""

    def __init__(self, team: TeamShape, episodes: Episodes, reward: Tensor) -> None:
        context = LearnerContext(team=team, regime="team", budget=1, seed=derive(SEED, "critic"))
        self._critic = GAE(IPPOSettings(discount=1.0), context)
        for _ in range(CRITIC_ROUNDS):
            self._critic.fit(episodes, reward)
        self._means = self._raw(episodes, reward)[:, episodes.acting].mean(1)

    def weights(self, episodes: Episodes, reward: Tensor) -> Tensor:
        """[3, B, T, N], in the order of ESTIMATORS."""
        return self._raw(episodes, reward) - self._means[:, None, None, None]

    def _raw(self, episodes: Episodes, reward: Tensor) -> Tensor:
        to_go = discounted_sums(reward, 1.0)
        return torch.stack([to_go[:, :1].expand_as(to_go), to_go, self._critic.estimate(episodes, reward)])


# Findings


def findings(settings: tuple[Setting, ...], results: list[PolicyComparison]) -> Findings:
    """Design, predictions and tables from the comparisons."""
    sizes = "; ".join(
        f"{setting.task}: frozen at {', '.join(f'{steps:,}' for steps in setting.steps)} steps, {setting.groups} groups of "
        f"{setting.group_size} episodes, models fitted to {setting.fit_episodes} others by {setting.fit_steps} gradient steps "
        f"of {SMALL_MODEL['batch_episodes']}, critics to {setting.critic_episodes} of these"
        for setting in settings
    )
    return Findings(
        design=(
            f"IPPO with dense reward, three policies of one run (seed {SEED}). {sizes}; "
            f"models of width {SMALL_MODEL['width']} and depth {SMALL_MODEL['depth']}. "
            "Noise: tr Cov(g) / |E g|^2 of one episode's gradient of all the actor's parameters; relative "
            "noise: to the sparse reward under the same estimator; cosine: to the sparse reward's full return. Advantages: "
            "lambda 0.95, a local critic fitted to each reward; all minus their mean on other episodes. Undiscounted. Products "
            "of different groups of episodes, jackknife intervals over groups (95 %); gradients that are not "
            "significantly different from 0 are left out."
        ),
        predictions=(
            _less_noise(results),
            _no_bias_of_the_sum(results),
            _bias(results),
            _upside_down(results),
            _against_dense(results),
        ),
        tables=(*(_table(results, task) for task in dict.fromkeys(each.task for each in results)), _fits_table(results)),
    )


def _table(results: list[PolicyComparison], task: str) -> Table:
    rows: list[list[Cell]] = []
    for each in results:
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


def _fits_table(results: list[PolicyComparison]) -> Table:
    return Table.of(
        "How well the models' scores sum to the return of fresh episodes of the policy: R2",
        ("task", "policy", *results[0].fits),
        ([each.task, each.stage, *each.fits.values()] for each in results),
    )


def _intervals(results: list[PolicyComparison], reward: str, estimator: str, value: str) -> list[tuple[str, Interval | None]]:
    """One interval of every policy, with the policy's name."""
    return [(f"{each.task} {each.stage}", getattr(each.comparisons[reward, estimator], value)) for each in results]


def _text(intervals: list[tuple[str, Interval | None]]) -> str:
    return ", ".join(interval.text if interval else "not different from 0" for _, interval in intervals)


def _less_noise(results: list[PolicyComparison]) -> Prediction:
    texts, verdicts = [], []
    for reward in ("uniform", "stas", "tar2"):
        intervals = _intervals(results, reward, "reward to go", "relative")
        texts.append(f"{reward}: {_text(intervals)}")
        verdicts += ["undecided" if interval is None else below(interval, 1.0) for _, interval in intervals]
    return Prediction(
        expected="With the reward to go, gradients vary less under uniform, STAS and TAR2 than under the sparse reward.",
        found=f"relative noise at {', '.join(f'{each.task} {each.stage}' for each in results)}: {'; '.join(texts)}.",
        verdict=together(verdicts),
    )


def _no_bias_of_the_sum(results: list[PolicyComparison]) -> Prediction:
    intervals = _intervals(results, "tar2, team", "full return", "cosine")
    verdicts: list[Verdict] = [
        "undecided" if interval is None else "supported" if interval.value > 1 - 1e-6 else "not supported"
        for _, interval in intervals
    ]
    return Prediction(
        expected="With the full return of the team's sum, TAR2's gradient is the sparse one.",
        found=f"cosine {_text(intervals)}.",
        verdict=together(verdicts),
    )


def _bias(results: list[PolicyComparison]) -> Prediction:
    texts: list[str] = []
    verdicts: list[Verdict] = []
    for reward, estimator in itertools.product(("stas", "tar2"), ("full return", "reward to go", "advantage")):
        intervals = _intervals(results, reward, estimator, "cosine")
        texts.append(f"{reward}, {estimator}: {_text(intervals)}")
        verdicts += ["undecided" if interval is None else below(interval, 1.0) for _, interval in intervals]
    return Prediction(
        expected="With individual shares the mean gradient has another direction: cosine below 1 for STAS and TAR2.",
        found=f"cosine: {'; '.join(texts)}.",
        verdict=together(verdicts),
    )


def _upside_down(results: list[PolicyComparison]) -> Prediction:
    negative = [each for each in results if each.mean_return < 0]
    texts: list[str] = []
    verdicts: list[Verdict] = [] if negative else ["undecided"]
    for each in negative:
        fixed, signed = (each.comparisons[reward, "full return"].cosine for reward in ("tar2", "tar2, signed"))
        texts.append(f"{each.task} {each.stage}: {_text([('', fixed), ('', signed)])}")
        if fixed is None or signed is None:
            verdicts.append("undecided")
        else:
            different = signed.low > fixed.high or signed.high < fixed.low
            verdicts.append("undecided" if not different else "supported" if signed.low > fixed.high else "not supported")
    return Prediction(
        expected="Where returns are negative TAR2's normaliser assigns the largest penalty to the best step: its gradient "
        "has a smaller cosine than with the signed normaliser.",
        found=f"cosine of fixed and of signed, individual shares, full return, where the mean return is negative: "
        f"{'; '.join(texts)}."
        if negative
        else "no policy has a negative mean return.",
        verdict=together(verdicts),
    )


def _against_dense(results: list[PolicyComparison]) -> Prediction:
    texts: list[str] = []
    verdicts: list[Verdict] = []
    for each in results:
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
