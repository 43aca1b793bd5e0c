"""Study policy-preservation.

Question: does redistribution preserve the optimal policies and the direction of the policy gradient, as TAR2 claims?
Design: exact, by enumeration of all joint histories of small random problems (history_games.py), with shares of random scores
through the normalisers of TAR2.
Predictions: replacing the episodic reward by shares that sum to the return is shaping by a potential that is 0 at both ends, so
the undiscounted objective of the *team's sum* is the same for each policy. This does not hold for an agent's individual shares,
whose sum W_i(tau) R(tau) has a weight that depends on the trajectory, nor with a discount below 1, unless the shares are
multiplied by gamma^(L-1-t).
Source: Kapoor et al. 2024, arXiv 2412.14779; experiment E-2 (b) and section 8 of the TAR2 specification.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import softmax

from algorithms.redistribution.models.normaliser import Kind, normalised_rewards
from algorithms.seeds import derive
from benchmark.experiments.study_result import Findings, Prediction, Progress, Table
from benchmark.papers.tar2.history_games import (
    Array,
    Histories,
    equilibria,
    histories_of,
    optima,
    random_problem,
)
from benchmark.papers.toolkit.estimators import Interval, cosine, holds, mean_interval, share, with_interval

SEED = 2411
PROBLEMS, QUICK_PROBLEMS = 500, 12
RANDOM_POLICIES = 20
DISCOUNT = 0.99
EXACT = 1e-9
NORMALISERS: tuple[Kind, ...] = ("fixed", "softmax", "coded")
SCORES = ("whole trajectory", "past only")
LENGTHS = {"equal": False, "different": True}


def study(quick: bool, progress: Progress) -> Findings:
    """Runs the study; `quick` takes few problems."""
    problems = QUICK_PROBLEMS if quick else PROBLEMS
    cases: list[Case] = []
    for done, (lengths, variable) in enumerate(LENGTHS.items()):
        progress(done, len(LENGTHS), f"{problems} problems of {lengths} lengths")
        generator = np.random.default_rng(derive(SEED, lengths))
        for _ in range(problems):
            problem = random_problem(generator, variable_length=variable)
            cases += measure(problem, lengths, generator)
    progress(len(LENGTHS), len(LENGTHS), "done")
    return Findings(
        design=(
            f"{problems} random problems each of equal and of different episode lengths: 2 agents, 2 actions, 2 states, 3 "
            f"steps, at most 200 joint histories, standard normal rewards; all deterministic joint policies that see state and "
            f"time, and {RANDOM_POLICIES} random stochastic ones, valued by enumeration. Shares: uniform, or from standard "
            "normal scores (a function of the whole trajectory, or of its past) through the normalisers of TAR2. Intervals: "
            "95 %, Wilson for shares, Student's t for means, over cases: a problem under one kind of shares."
        ),
        predictions=predictions(cases),
        tables=(objective_table(cases), agents_table(cases), gradient_table(cases), toy_table(), counterexample_table()),
    )


@dataclass(frozen=True)
class Case:
    """One problem under one kind of shares.

    `change`: largest |J' - J| / max(1, |J|) over the policies, `same_optima`: whether the optimal policies are those of the
    original, each by discount: "1", "0.99", "0.99 repaired". `own_optima_differ`: for some agent, the joint policies that
    maximise its individual shares are not the team's optimal ones. `unstable`: no optimal joint policy is an equilibrium of
    the game of individual shares. `equilibrium`: the mean value of its pure equilibria, where 1 is the best policy's value and
    0 the mean over all policies; None if there is no pure equilibrium. `cosines`: of the exact gradient with that of the
    sparse reward, by (payment, estimator). `smallest_weight`: the smallest share of the return that one agent gets in any
    history.
    """

    lengths: str
    kind: str
    scores: str
    change: dict[str, float]
    same_optima: dict[str, bool]
    own_optima_differ: bool
    unstable: bool
    equilibrium: float | None
    cosines: dict[tuple[str, str], float]
    smallest_weight: float


def measure(problem: Histories, lengths: str, generator: np.random.Generator) -> list[Case]:
    """The problem under each kind of shares."""
    logits = generator.standard_normal((2, *problem.state.shape[1:], problem.states, problem.actions))
    policies = [softmax(generator.standard_normal(logits.shape), axis=-1) for _ in range(RANDOM_POLICIES)]
    cases = []
    shares_by_kind = {("uniform", "none"): uniform_shares(problem)}
    shares_by_kind |= {(kind, source): shares_of(problem, kind, source, generator) for kind in NORMALISERS for source in SCORES}
    for (kind, source), shares in shares_by_kind.items():
        cases.append(_case(problem, lengths, kind, source, shares, policies, softmax(logits, axis=-1)))
    return cases


def uniform_shares(problem: Histories) -> Array:
    """The return in equal parts [K, T, N]."""
    parts = problem.returns / (problem.length * problem.action.shape[2])
    return np.where(problem.acting, parts[:, None, None], 0.0)


def shares_of(problem: Histories, kind: Kind, source: str, generator: np.random.Generator) -> Array:
    """Shares [K, T, N] of the return from random scores through a normaliser of TAR2."""
    scores = generator.standard_normal(problem.action.shape)
    if source == "past only":
        scores = _by_past(problem, scores)
    shares = normalised_rewards(
        torch.from_numpy(scores), torch.from_numpy(problem.acting.copy()), torch.from_numpy(problem.returns), kind=kind
    )
    result: Array = shares.numpy()
    return result


def _by_past(problem: Histories, scores: Array) -> Array:
    """Equal scores for all histories that agree up to and including the step's actions: those of the first of them."""
    result = np.empty_like(scores)
    seen = np.concatenate([problem.state[:, :, None], problem.action, problem.running[:, :, None]], 2)
    for t in range(seen.shape[1]):
        _, first, group = np.unique(seen[:, : t + 1].reshape(len(seen), -1), axis=0, return_index=True, return_inverse=True)
        result[:, t] = scores[first[group.ravel()], t]
    return result


def _case(
    problem: Histories, lengths: str, kind: str, source: str, shares: Array, policies: list[Array], policy: Array
) -> Case:
    time = np.arange(shares.shape[1])
    remaining = np.maximum(problem.length[:, None] - 1 - time, 0)
    team = shares.sum(2)
    sparse = {"1": problem.returns, "0.99": DISCOUNT ** (problem.length - 1) * problem.returns}
    dense = {
        "1": team.sum(1),
        "0.99": (DISCOUNT**time * team).sum(1),
        "0.99 repaired": (DISCOUNT**time * DISCOUNT**remaining * team).sum(1),
    }
    change, same = {}, {}
    for discount, worth in dense.items():
        original = sparse[discount.partition(" ")[0]]
        before, after = problem.values(original), problem.values(worth)
        chances = np.stack([problem.probabilities(each) for each in policies])
        before_all = np.concatenate([before.ravel(), chances @ original])
        after_all = np.concatenate([after.ravel(), chances @ worth])
        change[discount] = float((np.abs(after_all - before_all) / np.maximum(1, np.abs(before_all))).max())
        same[discount] = bool((optima(before) == optima(after)).all())
    values = problem.values(problem.returns)
    best = optima(values)
    own = [problem.values(shares[:, :, agent].sum(1)) for agent in range(2)]
    stable = equilibria(*own)
    level = (values - values.mean()) / (values.max() - values.mean())
    return Case(
        lengths=lengths,
        kind=kind,
        scores=source,
        change=change,
        same_optima=same,
        own_optima_differ=any(bool((optima(each) != best).any()) for each in own),
        unstable=not bool((stable & best).any()),
        equilibrium=float(level[stable].mean()) if stable.any() else None,
        cosines=cosines(problem, policy, shares),
        smallest_weight=float((shares.sum(1) / problem.returns[:, None]).min()),
    )


PAYMENTS = ("team", "agent")
ESTIMATORS = ("full return", "reward to go")


def cosines(problem: Histories, policy: Array, shares: Array) -> dict[tuple[str, str], float]:
    """Cosines of the exact gradients under the shares with that under the sparse reward, by payment and estimator."""
    sparse = problem.gradient(policy, np.broadcast_to(problem.returns[:, None, None], shares.shape))
    by_kind = {}
    for payment, estimator in itertools.product(PAYMENTS, ESTIMATORS):
        reward = np.broadcast_to(shares.sum(2, keepdims=True), shares.shape) if payment == "team" else shares
        to_go = reward[:, ::-1].cumsum(1)[:, ::-1]
        worth = np.broadcast_to(to_go[:, :1], shares.shape) if estimator == "full return" else to_go
        by_kind[payment, estimator] = cosine(problem.gradient(policy, worth), sparse)
    return by_kind


# Findings


def _chosen(cases: list[Case], **wanted: str) -> list[Case]:
    return [case for case in cases if all(getattr(case, name) == value for name, value in wanted.items())]


def _groups(cases: list[Case]) -> list[tuple[tuple[str, str, str], list[Case]]]:
    """The cases by lengths, kind and scores, in order of appearance."""
    keys = dict.fromkeys((case.lengths, case.kind, case.scores) for case in cases)
    return [(key, _chosen(cases, lengths=key[0], kind=key[1], scores=key[2])) for key in keys]


def objective_table(cases: list[Case]) -> Table:
    """The effect of team reward on the objective."""
    return Table.of(
        "Team reward: largest relative change of an objective, and how often the optimal policies stay",
        (
            *("episode lengths", "weights", "scores see", "discount", "largest change of J"),
            *(*with_interval("same optimal policies"), "problems"),
        ),
        (
            [*key, discount, max(c.change[discount] for c in group), *_share_same(group, discount), len(group)]
            for key, group in _groups(cases)
            for discount in ("1", "0.99", "0.99 repaired")
        ),
    )


def _share_same(group: list[Case], discount: str) -> Interval:
    return share(sum(case.same_optima[discount] for case in group), len(group))


def agents_table(cases: list[Case]) -> Table:
    """The effect of individual rewards on the agents' optima."""
    rows = []
    for key, group in _groups(cases):
        differ = share(sum(case.own_optima_differ for case in group), len(group))
        unstable = share(sum(case.unstable for case in group), len(group))
        levels = [case.equilibrium for case in group if case.equilibrium is not None]
        rows.append([*key, *differ, *unstable, len(levels), float(np.mean(levels)) if levels else None])
    return Table.of(
        "Individual shares, undiscounted: how often some agent's favourite joint policies are not the optimal ones, how "
        "often no optimal policy is an equilibrium, and how good the pure equilibria are (1 the best policy, 0 the mean one)",
        (
            *("episode lengths", "weights", "scores see", *with_interval("own optimum differs")),
            *(*with_interval("optimum is no equilibrium"), "problems with equilibria", "value of equilibria"),
        ),
        rows,
    )


def gradient_table(cases: list[Case]) -> Table:
    """Cosines of the exact gradients."""
    rows = []
    for (kind, source), payment, estimator in itertools.product(
        dict.fromkeys((case.kind, case.scores) for case in cases), PAYMENTS, ESTIMATORS
    ):
        values = _cosines(cases, kind, source, payment, estimator)
        negative = share(int((values < 0).sum()), len(values))
        rows.append([kind, source, payment, estimator, *mean_interval(values), float(values.min()), *negative])
    return Table.of(
        "Cosine between the exact gradients under redistributed and sparse reward, at random policies, undiscounted",
        (
            *("weights", "scores see", "payment", "estimator", *with_interval("mean cosine"), "smallest"),
            *with_interval("points away"),
        ),
        rows,
    )


def _cosines(cases: list[Case], kind: str, source: str, payment: str, estimator: str) -> Array:
    return np.array([case.cosines[payment, estimator] for case in _chosen(cases, kind=kind, scores=source)])


# Two cases that can be checked by hand


def toy() -> dict[str, tuple[Array, Array]]:
    """Two steps, one agent, logits (0.3, -0.4) of action 1, returns 0, 1, 2, 5 of the actions 00, 01, 10, 11: by weights, the
    gradients [2] of the full return and of the reward to go. Hindsight: the first step gets 0.9 of the return if the second
    action is 1, else 0.1. Causal prefix: the first step gets the mean return given its action."""
    transitions = np.zeros((2, 1, 2, 2))
    transitions[..., 0] = 1.0
    reward = np.zeros((2, 1, 2))
    problem = histories_of(transitions, reward, horizon=2)
    assert problem is not None
    first, second = problem.action[:, 0, 0], problem.action[:, 1, 0]
    returns = np.array([[0.0, 1.0], [2.0, 5.0]])[first, second]
    policy = softmax(np.array([[0.0, 0.3], [0.0, -0.4]]).reshape(1, 2, 1, 2), axis=-1)
    first_rewards = {
        "uniform": returns / 2,
        "hindsight": np.where(second == 1, 0.9, 0.1) * returns,
        "causal prefix": np.where(first == 1, 3.0, 0.5),
    }
    gradients = {}
    for name, first_reward in first_rewards.items():
        shares = np.stack([first_reward, returns - first_reward], 1)
        to_go = shares[:, ::-1].cumsum(1)[:, ::-1]
        full = np.broadcast_to(shares.sum(1, keepdims=True), shares.shape)
        gradients[name] = (
            problem.gradient(policy, full[:, :, None])[0, :, 0, 1],
            problem.gradient(policy, to_go[:, :, None])[0, :, 0, 1],
        )
    return gradients


def toy_table() -> Table:
    """The toy's gradients, those of section 8.5 of the TAR2 specification."""
    return Table.of(
        "One agent, two steps, returns 0, 1, 2, 5: exact gradients by the logits of the first and the second step",
        ("weights", "full return, 1st", "full return, 2nd", "to go, 1st", "to go, 2nd", "cosine"),
        ([name, *full.tolist(), *to_go.tolist(), cosine(full, to_go)] for name, (full, to_go) in toy().items()),
    )


def counterexample() -> tuple[float, float]:
    """One step, R = 1 if agent 0 takes action 0 and 2 if it takes action 1, of which it gets 0.9 and 0.2: the gradients by its
    logit of action 1, at an even policy, of the team's objective and of its own."""
    transitions = np.zeros((1, 1, 2, 2, 2))
    transitions[..., 1] = 1.0
    reward = np.array([[1.0, 1.0], [2.0, 2.0]]).reshape(1, 1, 2, 2)
    problem = histories_of(transitions, reward, horizon=1)
    assert problem is not None
    own = np.where(problem.action[:, 0, 0] == 1, 0.2, 0.9) * problem.returns
    policy = np.full((2, 1, 1, 2), 0.5)
    worths = (np.stack([total, total], 1)[:, None] for total in (problem.returns, own))
    team, agent = (float(problem.gradient(policy, worth)[0, 0, 0, 1]) for worth in worths)
    return team, agent


def counterexample_table() -> Table:
    """The two gradients, which have opposite signs."""
    return Table.of(
        "One step: the better action (return 2, not 1) gives a smaller share (0.2, not 0.9); gradients at an even policy",
        ("by the team's objective", "by the agent's own shares"),
        [counterexample()],
    )


# Predictions

_VALID = ("uniform", "fixed", "softmax")
"""Weights that sum to 1."""


def predictions(cases: list[Case]) -> tuple[Prediction, ...]:
    """The predictions of the specification, with their verdicts."""
    valid = [case for case in cases if case.kind in _VALID]
    learned = [case for case in cases if case.kind == "fixed"]
    return (_team_undiscounted(valid), _discounted(valid), _released(cases), _agents(learned), _direction(cases))


def _team_undiscounted(valid: list[Case]) -> Prediction:
    change = max(case.change["1"] for case in valid)
    same = share(sum(case.same_optima["1"] for case in valid), len(valid))
    return Prediction(
        expected="With team reward, undiscounted, and weights that sum to 1: the objective of every policy and the optimal "
        "policies are unchanged, whatever the scores.",
        found=f"largest relative change of an objective {change:.1e}; same optimal policies in {same.value:.1%} of "
        f"{len(valid)} cases.",
        verdict=holds(change < EXACT and same.value == 1),
    )


def _discounted(valid: list[Case]) -> Prediction:
    different = _chosen(valid, lengths="different", kind="fixed")
    changed = share(sum(not case.same_optima["0.99"] for case in different), len(different))
    repaired = max(case.change["0.99 repaired"] for case in valid)
    kept = all(case.same_optima["0.99 repaired"] for case in valid)
    return Prediction(
        expected=f"Under a discount of {DISCOUNT} the optimal policies of some problems change where lengths differ; "
        "repaired by gamma^(steps left), none do.",
        found=f"fixed normaliser, different lengths: changed in {changed.text} of the cases; repaired: "
        f"{'none' if kept else 'some'}, largest relative change of an objective {repaired:.1e}.",
        verdict=holds(changed.value > 0 and kept and repaired < EXACT),
    )


def _released(cases: list[Case]) -> Prediction:
    released = [case for case in cases if case.kind == "coded"]
    changed = share(sum(not case.same_optima["1"] for case in released), len(released))
    change = max(case.change["1"] for case in released)
    return Prediction(
        expected="The normaliser as released loses part of the return, so that optimal policies change even for the team's "
        "undiscounted sum.",
        found=f"changed in {changed.text} of {len(released)} cases; largest relative change of an objective {change:.2g}.",
        verdict=holds(changed.value > 0),
    )


def _agents(learned: list[Case]) -> Prediction:
    differ = share(sum(case.own_optima_differ for case in learned), len(learned))
    unstable = share(sum(case.unstable for case in learned), len(learned))
    team, agent = counterexample()
    return Prediction(
        expected="With individual shares an agent's optimum is not the team's: a share of "
        "problems above 0, and gradients +0.25 and -0.125 in the counterexample.",
        found=f"fixed normaliser: some agent's optimum differs in {differ.text}, no optimal policy is an equilibrium in "
        f"{unstable.text} of the cases; gradients {team:+.4g} and {agent:+.4g}.",
        verdict=holds(differ.low > 0 and abs(team - 0.25) < EXACT and abs(agent + 0.125) < EXACT),
    )


def _direction(cases: list[Case]) -> Prediction:
    valid = [case for case in cases if case.kind in _VALID]
    team = min(case.cosines["team", "full return"] for case in valid)
    smallest = min(case.smallest_weight for case in valid) + 0.0  # no minus before a zero
    own = mean_interval(np.concatenate([_cosines(cases, "fixed", source, "agent", "full return") for source in SCORES]))
    to_go = mean_interval(np.concatenate([_cosines(cases, "fixed", source, "team", "reward to go") for source in SCORES]))
    return Prediction(
        expected="The gradient keeps its direction for the team's sum of the full return, and an agent's keeps its sign on "
        "every single trajectory; on average it has another direction, for individual shares and for the reward to go.",
        found=f"team, full return: smallest cosine {team:.9f}; smallest weight of an agent in a history {smallest:.1g}; fixed "
        f"normaliser, mean cosine: individual shares {own.text}, team's reward to go {to_go.text}.",
        verdict=holds(team > 1 - EXACT and smallest > -EXACT and own.high < 1 and to_go.high < 1),
    )
