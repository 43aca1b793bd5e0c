"""Study learned-policies.

Question: are the policies that learned from redistributed rewards optimal for the game, and if not, why?
Design: the policies of the suite redistribution-ablations, in a game of individual goals whose optimal actions are known
exactly (shortest_paths.py). For each policy: how far its return falls short of the optimum, whether its most likely actions
are optimal, how probable its non-optimal actions are, and whether its return was still rising at the end of training.
Confident non-optimal actions mean that the reward moved the optimum; high entropy means that the policy has not converged. If
a policy has not converged and no longer improves, a weak signal and a biased gradient cannot be distinguished here
(gradient_variance.py measures gradients). Policies with episodic and with dense reward are the controls: their reward has the
game's own optimum.
Predictions: TAR2's policies are near the optimum, and those that fall short have not converged.
Source: experiment E-2 (c) of the TAR2 specification; policy_preservation.py has the exact part.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from algorithms.interface import Algorithm, Episodes
from algorithms.seeds import derive, episode_seeds
from benchmark.environments.tasks.registry import Task, get_task
from benchmark.experiments.record import Record
from benchmark.experiments.store import Store
from benchmark.experiments.study_result import Cell, Findings, Prediction, Progress, Table, Verdict
from benchmark.experiments.suite import Suite, load_suite
from benchmark.papers.tar2.shortest_paths import best_returns, distances, optimal_actions
from benchmark.papers.tar2.trained_policies import trained_policies
from benchmark.papers.toolkit.estimators import Interval, above, below, mean_interval, with_interval
from benchmark.training.rollout import EpisodeRecorder, play

SEED = 2414
SUITE = "redistribution-ablations"
DENSE, SUBJECT = "dense", "tar2"
VARIANTS = (DENSE, "sparse", "uniform", "ircr", "arel", "stas", "stas-ml", SUBJECT, "team-payment", "tar2-raw")
"""team-payment: TAR2 with team reward, whose objective is the game's own except for discounting."""
EPISODES, QUICK_EPISODES = 1000, 50
NEAR = 0.05
"""Largest negligible difference, in parts of the range from the random to the best policy, and of shares of decisions."""
LEARNED = 0.95
"""Success rate from which a policy counts as having learned the game."""
SURE = 0.9
"""Probability of its most likely action from which a policy counts as confident."""


def study(quick: bool, progress: Progress) -> Findings:
    """Runs the study; `quick` plays few episodes."""
    return findings(measure(load_suite(SUITE), Store(), QUICK_EPISODES if quick else EPISODES, progress))


@dataclass(frozen=True)
class PolicyMeasures:
    """The measures of one policy. Means over episodes: `sampled`, `greedy` (its undiscounted return, acting so),
    `short_sampled`, `short_greedy` (by how much it falls short of the best return of these very starts, in parts of the range
    from the random policy to the best one), `success_sampled`, `success_greedy`.

    Shares of the relevant decisions (of an agent at a step): `optimal_own`, `optimal_there` (its most likely action is
    optimal, at the states it visits when it samples, and at those that its counterpart visits), `like_own`, `like_there` (its
    most likely action is the counterpart's), `surely_wrong` (its most likely action is not optimal and more probable than
    `SURE`; own states). `confidence`: the mean probability of its most likely action, own states. `rise`: of the run's
    evaluations, the mean return of the last quarter minus that of the quarter before it, in parts of the range. The
    counterpart is the dense-trained policy of the same seed; for dense-trained policies themselves, that of the next seed.
    """

    sampled: float
    greedy: float
    short_sampled: float
    short_greedy: float
    success_sampled: float
    success_greedy: float
    optimal_own: float
    optimal_there: float
    like_own: float
    like_there: float
    surely_wrong: float
    confidence: float
    rise: float


@dataclass(frozen=True)
class Measurements:
    """`policies`: the measures of each policy, by variant and seed. `best`: the maximal return of the episodes' starts;
    `reference`: over all starts; `chance`: the share of available actions that are optimal, at the states that the
    dense-trained policies visit; `budget`: steps of a run."""

    episodes: int
    task: str
    budget: int
    best: float
    reference: float
    chance: float
    policies: dict[tuple[str, int], PolicyMeasures]

    def of(self, variant: str, name: str) -> NDArray[np.float64]:
        """The measure `name` of all policies of a variant, by seed."""
        return np.array([getattr(each, name) for (key, _), each in self.policies.items() if key == variant])

    def mean(self, variant: str, name: str) -> Interval:
        """The mean over seeds of the measure `name` of a variant."""
        return mean_interval(self.of(variant, name))


@dataclass(frozen=True)
class States:
    """M states: observation [M, N, O], available [M, N, A], alive [M, N], the optimal actions [M, N, A], and `matters` [M, N]:
    whether the agent can still reach its goal, so that its action affects the return."""

    observation: Tensor
    available: Tensor
    alive: Tensor
    optimal: Tensor
    matters: Tensor

    def choices(self, actor: Algorithm) -> tuple[Tensor, Tensor]:
        """The actor's most likely actions [M, N] and their probabilities. Raises ValueError if it is recurrent."""
        generator = torch.Generator()
        memory = actor.begin(len(self.observation), "greedy", generator)
        if memory:
            raise ValueError(f"a policy with memory ({', '.join(memory)}) cannot be evaluated at single states")
        step = actor.act(self.observation, self.available, self.alive, memory, "greedy", generator)
        return step.action, step.log_probability.exp()

    def share(self, right: Tensor) -> float:
        """The mean of `right` [M, N] over the relevant decisions."""
        return float(right[self.matters].double().mean())

    def optimality(self, action: Tensor) -> Tensor:
        """[M, N] bool: whether the actions [M, N] are optimal."""
        return self.optimal.gather(-1, action[..., None]).squeeze(-1)


class Evaluator:
    """Plays all policies from the same starts of a task of individual goals.

    `best`: the maximal return of each start; `reference`: its mean over all starts; `span`: the range, `reference` minus the
    mean return of the random policy.
    """

    def __init__(self, task: Task, episodes: int) -> None:
        assert task.native is not None
        assert task.reference_scores is not None
        self.reference = task.reference_scores.best
        self.span = self.reference - task.reference_scores.random
        self._side, self._horizon = task.native.parameters["side"], task.native.parameters["horizon"]
        self._environment = task.build(episodes, "native")
        self.team = self._environment.team
        self._recorder = EpisodeRecorder(episodes, self.team)
        self._starts = episode_seeds(derive(SEED, "starts"), 0, episodes)
        self._environment.reset(self._starts)
        distance = distances(torch.from_numpy(self._environment.observation), self._side)
        self.best = best_returns(distance, self._horizon, task.native.parameters["positive"])

    def play(self, actor: Algorithm, mode: Literal["greedy", "sample"], *purpose: str | int) -> Episodes:
        """One episode from each start; random draws depend only on the seed and `purpose`."""
        generator = torch.Generator().manual_seed(derive(SEED, *purpose))
        length = play(self._environment, actor, self._starts, mode, generator, self._recorder)
        return self._recorder.episodes(self._environment, length, self._starts)

    def states(self, episodes: Episodes) -> States:
        """The states in which the episodes' actions were chosen."""
        running = episodes.running
        observation = episodes.observation[:, :-1][running]
        left = (self._horizon - torch.arange(running.shape[1])).expand_as(running)[running]
        return States(
            observation=observation,
            available=episodes.available[:, :-1][running],
            alive=episodes.alive[:, :-1][running],
            optimal=optimal_actions(observation, self._side),
            matters=distances(observation, self._side) <= left[:, None],
        )

    def short(self, episodes: Episodes) -> float:
        """The mean difference between the maximal and the episodes' returns, in parts of the range."""
        missing = (self.best - episodes.team_reward.double().sum(1)).mean()
        return _rounded(float(missing) / self.span)


def evaluate(
    evaluator: Evaluator, actor: Algorithm, own: Episodes, greedy: Episodes, counterpart: Algorithm, there: States, rise: float
) -> PolicyMeasures:
    """The measures of a policy from its sampled (`own`) and greedy episodes and the states that its counterpart visits
    (`there`)."""
    here = evaluator.states(own)
    (action, probability), (action_there, _) = here.choices(actor), there.choices(actor)
    wrong = ~here.optimality(action)
    return PolicyMeasures(
        sampled=_rounded(float(own.team_reward.double().sum(1).mean())),
        greedy=_rounded(float(greedy.team_reward.double().sum(1).mean())),
        short_sampled=evaluator.short(own),
        short_greedy=evaluator.short(greedy),
        success_sampled=float(own.success.double().mean()),
        success_greedy=float(greedy.success.double().mean()),
        optimal_own=1 - here.share(wrong),
        optimal_there=there.share(there.optimality(action_there)),
        like_own=here.share(action == here.choices(counterpart)[0]),
        like_there=there.share(action_there == there.choices(counterpart)[0]),
        surely_wrong=here.share(wrong & (probability > SURE)),
        confidence=here.share(probability),
        rise=rise,
    )


def measure(suite: Suite, store: Store, episodes: int, progress: Progress) -> Measurements:
    """Evaluates all policies. Raises ImpossibleRun if one of them is missing."""
    entry, seeds = suite.tasks[0], suite.seeds
    evaluator = Evaluator(get_task(entry.task), episodes)
    runs = trained_policies([run for run in suite.runs() if run.variant in VARIANTS], store, evaluator.team)
    sampled = {seed: evaluator.play(runs[DENSE, seed].actor, "sample", DENSE, seed) for seed in seeds}
    there = {seed: evaluator.states(each) for seed, each in sampled.items()}
    measures: dict[tuple[str, int], PolicyMeasures] = {}
    for variant in VARIANTS:
        for index, seed in enumerate(seeds):
            progress(len(measures), len(runs), f"{variant}, seed {seed}")
            actor = runs[variant, seed].actor
            other = seeds[(index + 1) % len(seeds)] if variant == DENSE else seed
            own = sampled[seed] if variant == DENSE else evaluator.play(actor, "sample", variant, seed)
            greedy = evaluator.play(actor, "greedy", variant, seed)
            increase = rise(runs[variant, seed].record) / evaluator.span
            counterpart = runs[DENSE, other].actor
            measures[variant, seed] = evaluate(evaluator, actor, own, greedy, counterpart, there[other], increase)
    progress(len(runs), len(runs), "done")
    chance = np.mean([each.share(each.optimal.sum(-1) / each.available.sum(-1)) for each in there.values()])
    best = _rounded(float(evaluator.best.mean()))
    return Measurements(episodes, entry.task, entry.budget, best, evaluator.reference, float(chance), measures)


def _rounded(number: float) -> float:
    """To six digits after the point, the accuracy of sums of rewards in single precision. Never minus zero."""
    return round(number, 6) + 0.0


def rise(record: Record) -> float:
    """The mean return over the last quarter of a run's evaluations minus that over the quarter before it."""
    means = [float(np.mean(point.returns)) for point in record.outcome.evaluations]
    quarter = len(means) // 4
    return float(np.mean(means[-quarter:]) - np.mean(means[-2 * quarter : -quarter]))


# Findings


def findings(measured: Measurements) -> Findings:
    """Design, predictions and tables from the policies."""
    seeds = len(measured.of(SUBJECT, "sampled"))
    return Findings(
        design=(
            f"The best policies of {seeds} runs each of {', '.join(VARIANTS)} of the suite {SUITE} ({measured.task}, "
            f"{measured.budget:,} steps), on the same {measured.episodes:,} fresh starts, sampled and greedy. Best return of "
            f"these starts: {measured.best:.4f} (over all starts {measured.reference:.4f}). A policy falls short of it in "
            "parts of the range from the random to the best policy. Decisions: an agent's at a step of the sampled episodes, "
            "unless it cannot reach its goal any more. Optimal: an action that brings the agent nearer to its goal, or keeps "
            f"it there; a random choice does so in {measured.chance:.1%} of them. Counterpart: the dense-trained policy of "
            "the same seed, for these themselves that of the next seed; two optimal policies need not agree. Learned: "
            f"succeeds in {LEARNED:.0%} of the sampled episodes. Surely wrong: not optimal, and more probable than "
            f"{SURE:.0%}. Rise: of the mean return from the third to the last quarter of the evaluations in the training, in "
            f"parts of the range; rising: by more than {NEAR:g}. A policy that has not converged and does not rise may lack "
            "signal, or follow a biased gradient: these numbers do not distinguish the two. Intervals: 95 %, "
            "Student's t, over seeds."
        ),
        predictions=(_near(measured), _like(measured), _learned_the_same(measured), _unlearned(measured)),
        tables=(_returns_table(measured), _choices_table(measured), _policies_table(measured)),
    )


def _returns_table(measured: Measurements) -> Table:
    rows = []
    for variant in VARIANTS:
        row: list[Cell] = [variant]
        for name in ("sampled", "greedy", "short_sampled", "short_greedy"):
            row += measured.mean(variant, name)
        row += [measured.mean(variant, name).value for name in ("success_sampled", "success_greedy")]
        rows.append([*row, int((measured.of(variant, "success_sampled") >= LEARNED).sum())])
    return Table.of(
        "Mean return, and by how much it falls short of the best one in parts of the range from the random policy to it",
        (
            *("variant", *with_interval("J, sampled"), *with_interval("J, greedy"), *with_interval("short, sampled")),
            *(*with_interval("short, greedy"), "success, sampled", "success, greedy", "policies that have learned"),
        ),
        rows,
    )


def _choices_table(measured: Measurements) -> Table:
    rows = []
    for variant in VARIANTS:
        row: list[Cell] = [variant]
        for name in ("optimal_own", "optimal_there"):
            row += measured.mean(variant, name)
        row += [measured.mean(variant, name).value for name in ("like_own", "like_there", "confidence", "surely_wrong", "rise")]
        rows.append(row)
    return Table.of(
        "Most likely actions, in shares of the decisions at the states that the policy or its counterpart visits",
        (
            *("variant", *with_interval("optimal, own states"), *with_interval("optimal, counterpart's states")),
            *("counterpart's action, own states", "counterpart's action, its states", "confidence", "surely wrong", "rise"),
        ),
        rows,
    )


def _policies_table(measured: Measurements) -> Table:
    return Table.of(
        "Every policy",
        ("variant", "seed", *(entry.name.replace("_", ", ") for entry in fields(PolicyMeasures))),
        ([*key, *astuple(each)] for key, each in measured.policies.items()),
    )


def _near(measured: Measurements) -> Prediction:
    short = measured.mean(SUBJECT, "short_sampled")
    others = (DENSE, "sparse", "team-payment")
    beside = (f"{name} {measured.mean(name, 'short_sampled').text}" for name in others)
    return Prediction(
        expected=f"TAR2's policies are optimal: sampled, they fall short of the best return by less than {NEAR:g}.",
        found=(
            f"short by {short.text}, greedy by {measured.mean(SUBJECT, 'short_greedy').text}. Of TAR2's policies, "
            f"{_diagnosis(measured, SUBJECT)}. Beside it, sampled: {'; '.join(beside)}."
        ),
        verdict=below(short, NEAR),
    )


def _diagnosis(measured: Measurements, variant: str) -> str:
    """How many policies of a variant have learned, are confident of wrong actions, or have not converged."""
    policies = [each for (key, _), each in measured.policies.items() if key == variant]
    others = [each for each in policies if each.success_sampled < LEARNED]
    elsewhere = sum(each.surely_wrong >= NEAR for each in others)
    rising = sum(each.surely_wrong < NEAR < each.rise for each in others)
    return (
        f"{len(policies) - len(others)} of {len(policies)} have learned (success rate "
        f"{measured.mean(variant, 'success_sampled').value:.2f}); of the others {elsewhere} are confident of wrong "
        f"actions, {rising} have not converged and were still rising, {len(others) - elsewhere - rising} have not and were not"
    )


def _like(measured: Measurements) -> Prediction:
    there, own, its = (SUBJECT, "optimal_there"), (SUBJECT, "optimal_own"), (DENSE, "optimal_own")
    difference = mean_interval(measured.of(*there) - measured.of(*its))
    same = [measured.mean(variant, "like_there").value for variant in (SUBJECT, DENSE)]
    return Prediction(
        expected="At the states that the dense-trained policy visits, TAR2's most likely actions are optimal as often as its "
        f"own, or at most {NEAR:g} less often.",
        found=(
            f"TAR2 {measured.mean(*there).text}, dense {measured.mean(*its).text}, difference {difference.text}; at the states "
            f"that it visits itself TAR2 {measured.mean(*own).text}. The dense-trained policy's very action: {same[0]:.3f}; "
            f"two dense-trained ones {same[1]:.3f}."
        ),
        verdict=above(difference, -NEAR),
    )


def _learned_the_same(measured: Measurements) -> Prediction:
    learned = {key: each.optimal_own for key, each in measured.policies.items() if each.success_sampled >= LEARNED}
    verdict: Verdict = "undecided"
    text = "no policy has learned the game."
    if learned:
        verdict = "supported" if min(learned.values()) >= 1 - NEAR else "not supported"
        worst = min(learned, key=lambda key: learned[key])
        variants = ", ".join(dict.fromkeys(variant for variant, _ in learned))
        text = (
            f"{len(learned)} of {len(measured.policies)} policies have learned, of {variants}; their choices are optimal in "
            f"{np.mean(list(learned.values())):.1%} of the decisions, least often in {learned[worst]:.1%} ({_named(worst)})."
        )
    return Prediction(
        expected=f"Policies that have learned the game have learned its optimum: {1 - NEAR:.0%} of the decisions are optimal.",
        found=text,
        verdict=verdict,
    )


def _unlearned(measured: Measurements) -> Prediction:
    short = {key: each for key, each in measured.policies.items() if each.short_sampled > NEAR}
    sure = {key: each for key, each in short.items() if each.surely_wrong >= NEAR}
    verdict: Verdict = "undecided"
    if short:
        verdict = "not supported" if sure else "supported"
    by_variant = (
        f"{variant} {_tally(sure, variant)} of {_tally(short, variant)}" for variant in VARIANTS if _tally(short, variant)
    )
    largest = max((each.surely_wrong for each in short.values()), default=0.0)
    return Prediction(
        expected="Policies that fall short have not converged to a wrong optimum: they are confident of a wrong action in "
        f"less than {NEAR:.0%} of their decisions.",
        found=(
            f"{len(short)} of {len(measured.policies)} policies fall short by more than {NEAR:g}, {len(sure)} of these are "
            f"confident of wrong actions ({'; '.join(by_variant) or 'none'}), at most in {largest:.1%} of the decisions."
        ),
        verdict=verdict,
    )


def _tally(policies: dict[tuple[str, int], PolicyMeasures], variant: str) -> int:
    return sum(key == variant for key, _ in policies)


def _named(key: tuple[str, int]) -> str:
    return f"{key[0]}, seed {key[1]}"
