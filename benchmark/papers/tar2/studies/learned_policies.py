"""Study: did those who learned from redistributed rewards learn the optimum of the game? Experiment E-2 (c) of TAR2.

policy_preservation.py says what becomes of the optimum on paper. Here are the policies that came out of the training: those of
the suite redistribution-ablations, whose game of own goals has optimal actions that are known exactly (shortest_paths.py). Is a
policy as good as the best one? If it falls short, the optimum may not have been preserved, or just not been found. So: whether
its choices are the optimal ones, whether it is sure of those that are not, and whether its return was still rising. Who stands
for other actions with conviction was led elsewhere; who hesitates has not learned. Where a policy hesitates and rises no more,
want of signal and a gradient that points elsewhere cannot be told apart here (gradient_variance.py looks at gradients). The
policies paid at the end or at every step show what learning alone costs: their pay has the game's own optimum.
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
"""team-payment is TAR2 paid to the team, whose objective is the game's own but for discounting."""
EPISODES, QUICK_EPISODES = 1000, 50
NEAR = 0.05
"""Of the range from the random policy to the best one: a difference that still counts as none; and the same of shares."""
LEARNED = 0.95
"""Share of successes from which on a policy has learned the game."""
SURE = 0.9
"""Probability from which on a policy is sure of its most likely action."""


def study(quick: bool, progress: Progress) -> Findings:
    """All policies; `quick` plays few episodes."""
    return findings(measure(load_suite(SUITE), Store(), QUICK_EPISODES if quick else EPISODES, progress))


@dataclass(frozen=True)
class Found:
    """Of one policy. Means over episodes: `sampled`, `greedy` (its undiscounted return, acting so), `short_sampled`,
    `short_greedy` (by how much it falls short of the best return of these very starts, in parts of the range from the random
    policy to the best one), `success_sampled`, `success_greedy`.

    Shares of the decisions that matter, an agent's at a step: `optimal_own`, `optimal_there` (its most likely action is
    optimal, at the states it visits when it samples, and at those that its counterpart visits), `like_own`, `like_there` (it is
    the counterpart's), `surely_wrong` (it is not optimal, and more probable than `SURE`; own states). `confidence`: the mean
    probability of its most likely action there. `rise`: of the run's evaluations, the mean of the last quarter less that of the
    quarter before it, in parts of the range. The counterpart is the dense-trained policy of the same seed; for dense-trained
    ones themselves, that of the next seed.
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
class Measured:
    """What was found of each policy, by variant and seed; the best return, of the episodes' starts and as the task's reference;
    the share of the available actions that are optimal, where the dense-trained policies come. `budget`: steps of a run."""

    episodes: int
    task: str
    budget: int
    best: float
    reference: float
    chance: float
    found: dict[tuple[str, int], Found]

    def of(self, variant: str, name: str) -> NDArray[np.float64]:
        """One number of all policies of a variant, by seed."""
        return np.array([getattr(each, name) for (which, _), each in self.found.items() if which == variant])

    def mean(self, variant: str, name: str) -> Interval:
        """Its mean over the seeds."""
        return mean_interval(self.of(variant, name))


@dataclass(frozen=True)
class States:
    """What M teams saw: observation [M, N, O], available [M, N, A], alive [M, N]; the optimal actions [M, N, A], and whether
    anything depends on what the agent does [M, N]: not where it can no longer reach its goal."""

    observation: Tensor
    available: Tensor
    alive: Tensor
    optimal: Tensor
    matters: Tensor

    def choices(self, actor: Algorithm) -> tuple[Tensor, Tensor]:
        """The actor's most likely actions [M, N] and their probabilities. Raises ValueError if it remembers anything."""
        generator = torch.Generator()
        memory = actor.begin(len(self.observation), "greedy", generator)
        if memory:
            raise ValueError(f"states without their past say nothing to a policy that remembers {', '.join(memory)}")
        step = actor.act(self.observation, self.available, self.alive, memory, "greedy", generator)
        return step.action, step.log_probability.exp()

    def share(self, right: Tensor) -> float:
        """The mean of `right` [M, N] over the decisions that matter."""
        return float(right[self.matters].double().mean())

    def optimality(self, action: Tensor) -> Tensor:
        """[M, N] bool: whether the actions [M, N] are optimal."""
        return self.optimal.gather(-1, action[..., None]).squeeze(-1)


class Ground:
    """Where all policies play the same starts of a task of own goals.

    `best`: the largest return of each start; `reference`: the mean of that over all starts; `span`: the range, from the mean
    return of the random policy to it.
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
        """One episode from each start; what is drawn is a function of `purpose`."""
        generator = torch.Generator().manual_seed(derive(SEED, *purpose))
        length = play(self._environment, actor, self._starts, mode, generator, self._recorder)
        return self._recorder.episodes(self._environment, length, self._starts)

    def states(self, episodes: Episodes) -> States:
        """Those in which the episodes' actions were chosen."""
        running = episodes.running
        seen = episodes.observation[:, :-1][running]
        left = (self._horizon - torch.arange(running.shape[1])).expand_as(running)[running]
        return States(
            observation=seen,
            available=episodes.available[:, :-1][running],
            alive=episodes.alive[:, :-1][running],
            optimal=optimal_actions(seen, self._side),
            matters=distances(seen, self._side) <= left[:, None],
        )

    def short(self, episodes: Episodes) -> float:
        """By how much the episodes fall short of the best ones, in parts of the range."""
        missing = (self.best - episodes.team_reward.double().sum(1)).mean()
        return _rounded(float(missing) / self.span)


def judged(
    ground: Ground, actor: Algorithm, own: Episodes, greedy: Episodes, counterpart: Algorithm, there: States, rise: float
) -> Found:
    """A policy by its sampled and greedy episodes, and beside its counterpart, which comes `there`."""
    here = ground.states(own)
    (action, probability), (action_there, _) = here.choices(actor), there.choices(actor)
    wrong = ~here.optimality(action)
    return Found(
        sampled=_rounded(float(own.team_reward.double().sum(1).mean())),
        greedy=_rounded(float(greedy.team_reward.double().sum(1).mean())),
        short_sampled=ground.short(own),
        short_greedy=ground.short(greedy),
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


def measure(suite: Suite, store: Store, episodes: int, progress: Progress) -> Measured:
    """Plays and questions every policy. Raises ImpossibleRun where one of them is missing."""
    entry, seeds = suite.tasks[0], suite.seeds
    ground = Ground(get_task(entry.task), episodes)
    runs = trained_policies([run for run in suite.runs() if run.variant in VARIANTS], store, ground.team)
    sampled = {seed: ground.play(runs[DENSE, seed].actor, "sample", DENSE, seed) for seed in seeds}
    there = {seed: ground.states(each) for seed, each in sampled.items()}
    found: dict[tuple[str, int], Found] = {}
    for variant in VARIANTS:
        for place, seed in enumerate(seeds):
            progress(len(found), len(runs), f"{variant}, seed {seed}")
            actor = runs[variant, seed].actor
            other = seeds[(place + 1) % len(seeds)] if variant == DENSE else seed
            own = sampled[seed] if variant == DENSE else ground.play(actor, "sample", variant, seed)
            greedy = ground.play(actor, "greedy", variant, seed)
            rose = rise(runs[variant, seed].record) / ground.span
            counterpart = runs[DENSE, other].actor
            found[variant, seed] = judged(ground, actor, own, greedy, counterpart, there[other], rose)
    progress(len(runs), len(runs), "done")
    chance = np.mean([each.share(each.optimal.sum(-1) / each.available.sum(-1)) for each in there.values()])
    best = _rounded(float(ground.best.mean()))
    return Measured(episodes, entry.task, entry.budget, best, ground.reference, float(chance), found)


def _rounded(number: float) -> float:
    """To six digits after the point: sums of rewards in single precision are no better. Never minus zero."""
    return round(number, 6) + 0.0


def rise(record: Record) -> float:
    """The mean return over the last quarter of a run's evaluations, less that over the quarter before it."""
    means = [float(np.mean(point.returns)) for point in record.outcome.evaluations]
    quarter = len(means) // 4
    return float(np.mean(means[-quarter:]) - np.mean(means[-2 * quarter : -quarter]))


# What is said


def findings(measured: Measured) -> Findings:
    """What the policies say."""
    seeds = len(measured.of(SUBJECT, "sampled"))
    return Findings(
        design=(
            f"The best policies of {seeds} runs each of {', '.join(VARIANTS)} of the suite {SUITE} ({measured.task}, "
            f"{measured.budget:,} steps), on the same {measured.episodes:,} fresh starts, sampled and greedy. Best return of "
            f"these starts: {measured.best:.4f} (over all starts {measured.reference:.4f}). A policy falls short of it in "
            "parts of the range from the random to the best policy. Decisions: an agent's at a step of the sampled episodes, "
            "unless it cannot reach its goal any more. Optimal: what brings the agent nearer to its goal, or keeps it there; a "
            f"random choice does so in {measured.chance:.1%} of them. Counterpart: the dense-trained policy of the same seed, "
            "for these themselves that of the next seed; two optimal policies need not agree. Learned: succeeds in "
            f"{LEARNED:.0%} of the sampled episodes. Surely wrong: not optimal, and more probable than {SURE:.0%}. Rise: "
            "of the mean return from the third to the last quarter of the evaluations in the training, in parts of the range; "
            f"rising: by more than {NEAR:g}. A policy that hesitates and does not rise may lack signal, or follow a gradient "
            "that points elsewhere: these numbers do not tell the two apart. Intervals: 95 %, Student's t, over seeds."
        ),
        predictions=(_near(measured), _like(measured), _learned_the_same(measured), _unlearned(measured)),
        tables=(_returns_table(measured), _choices_table(measured), _policies_table(measured)),
    )


def _returns_table(measured: Measured) -> Table:
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


def _choices_table(measured: Measured) -> Table:
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


def _policies_table(measured: Measured) -> Table:
    return Table.of(
        "Every policy",
        ("variant", "seed", *(entry.name.replace("_", ", ") for entry in fields(Found))),
        ([*who, *astuple(each)] for who, each in measured.found.items()),
    )


def _near(measured: Measured) -> Prediction:
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


def _diagnosis(measured: Measured, variant: str) -> str:
    """How many policies of a variant have learned, are led elsewhere, or have just not learned."""
    found = [each for (which, _), each in measured.found.items() if which == variant]
    others = [each for each in found if each.success_sampled < LEARNED]
    elsewhere = sum(each.surely_wrong >= NEAR for each in others)
    rising = sum(each.surely_wrong < NEAR < each.rise for each in others)
    return (
        f"{len(found) - len(others)} of {len(found)} have learned (success rate "
        f"{measured.mean(variant, 'success_sampled').value:.2f}); of the others {elsewhere} are sure of wrong actions, "
        f"{rising} hesitate and were still rising, {len(others) - elsewhere - rising} hesitate and were not"
    )


def _like(measured: Measured) -> Prediction:
    there, own, its = (SUBJECT, "optimal_there"), (SUBJECT, "optimal_own"), (DENSE, "optimal_own")
    difference = mean_interval(measured.of(*there) - measured.of(*its))
    same = [measured.mean(variant, "like_there").value for variant in (SUBJECT, DENSE)]
    return Prediction(
        expected="Where the dense-trained policy comes, TAR2's most likely actions are optimal as often as its own, or at most "
        f"{NEAR:g} less often.",
        found=(
            f"TAR2 {measured.mean(*there).text}, dense {measured.mean(*its).text}, difference {difference.text}; at the states "
            f"that it visits itself TAR2 {measured.mean(*own).text}. The dense-trained policy's very action: {same[0]:.3f}; "
            f"two dense-trained ones {same[1]:.3f}."
        ),
        verdict=above(difference, -NEAR),
    )


def _learned_the_same(measured: Measured) -> Prediction:
    learned = {who: each.optimal_own for who, each in measured.found.items() if each.success_sampled >= LEARNED}
    verdict: Verdict = "undecided"
    found = "no policy has learned the game."
    if learned:
        verdict = "supported" if min(learned.values()) >= 1 - NEAR else "not supported"
        worst = min(learned, key=lambda who: learned[who])
        text = ", ".join(dict.fromkeys(variant for variant, _ in learned))
        found = (
            f"{len(learned)} of {len(measured.found)} policies have learned, of {text}; their choices are optimal in "
            f"{np.mean(list(learned.values())):.1%} of the decisions, least often in {learned[worst]:.1%} ({_named(worst)})."
        )
    return Prediction(
        expected=f"Whoever has learned the game has learned its optimum: {1 - NEAR:.0%} of the decisions are optimal.",
        found=found,
        verdict=verdict,
    )


def _unlearned(measured: Measured) -> Prediction:
    short = {who: each for who, each in measured.found.items() if each.short_sampled > NEAR}
    sure = {who: each for who, each in short.items() if each.surely_wrong >= NEAR}
    verdict: Verdict = "undecided"
    if short:
        verdict = "not supported" if sure else "supported"
    by_variant = (
        f"{variant} {_tally(sure, variant)} of {_tally(short, variant)}" for variant in VARIANTS if _tally(short, variant)
    )
    largest = max((each.surely_wrong for each in short.values()), default=0.0)
    return Prediction(
        expected="Policies that fall short were not led elsewhere, they have not learned: they are sure of a wrong action in "
        f"less than {NEAR:.0%} of their decisions.",
        found=(
            f"{len(short)} of {len(measured.found)} policies fall short by more than {NEAR:g}, {len(sure)} of these are sure "
            f"of wrong actions ({'; '.join(by_variant) or 'none'}), at most in {largest:.1%} of the decisions."
        ),
        verdict=verdict,
    )


def _tally(found: dict[tuple[str, int], Found], variant: str) -> int:
    return sum(which == variant for which, _ in found)


def _named(who: tuple[str, int]) -> str:
    return f"{who[0]}, seed {who[1]}"
