"""Study dependence-graph-influence.

Question: does the learned graph detect influence through states?
Design: the published test predicts j's action from i's next observation, so influence through j's state leaves no trace in it.
The beacon mixes both kinds in known shares: the ship's lamp shows the keeper's action with probability `gain`, else the
keeper's position. Models are trained on fresh episodes of a uniform policy; a second test, of states (state_influence.py), is
compared with the published one. The recall of perfect models is computed by Bayes' rule (`perfect`).
Predictions: the test of actions misses influence through states, the test of states finds it.
Source: Le and Ta 2026, arXiv 2601.21523, limits; experiment X7 of the specification of dependence graphs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import entropy

from algorithms.advantages.dependence_graph.world_model import WorldModel
from algorithms.interface import Episodes
from benchmark.credit.graphs import oracle_graphs
from benchmark.environments.native.diagnostics.beacon import CELLS, COLOURS
from benchmark.experiments.study_result import Cell, Findings, Prediction, Progress, Table, Verdict, together
from benchmark.papers.dependence_graphs.state_influence import StateModel
from benchmark.papers.dependence_graphs.world_model_fits import (
    THRESHOLD,
    Bools,
    FrozenPolicy,
    TrainingSchedule,
    interval_of,
    mean_of,
    pairs_of,
    train_models,
    world_model,
)
from benchmark.papers.toolkit.estimators import Interval, above, below, mean_interval, named_intervals, with_interval

GAINS = ("0", "0.25", "0.5", "0.75", "1")
SHIP, KEEPER = 0, 1
CAUSES = ("action", "state", "either")
"""Causes of an edge from keeper to ship: the lamp shows the action, the cell, or one of the two (always)."""
ACTIONS, ENCODED, STATES, BOTH = "actions", "actions, encoder", "states", "actions or states"
TESTS = (ACTIONS, ENCODED, STATES, BOTH)
NEAR = 0.05
"""The expected largest distance of a share from 0, from 1, or from that of perfect models."""


@dataclass(frozen=True)
class Size:
    """The size of the study."""

    seeds: int
    schedule: TrainingSchedule
    evaluation_episodes: int


FULL = Size(3, TrainingSchedule(1000), 64)
QUICK = Size(2, TrainingSchedule(20, 32, episodes=4), 8)


@dataclass(frozen=True)
class Fit:
    """One test at one gain. `recall`: the share of edges of each cause that are claimed, None where there are none;
    `precision`: the share of claimed edges that lead from keeper to ship, None where nothing is claimed."""

    gain: str
    test: str
    seed: int
    recall: Mapping[str, float | None]
    precision: float | None


def study(quick: bool, progress: Progress) -> Findings:
    """Runs the study; `quick` trains for few steps."""
    size = QUICK if quick else FULL
    return findings(size, measure(size, progress))


def measure(size: Size, progress: Progress) -> list[Fit]:
    """Trains and evaluates all tests at all gains."""
    work = list(itertools.product(GAINS, range(size.seeds)))
    fits = []
    for number, (gain, seed) in enumerate(work):
        progress(number, len(work), f"gain {gain}, seed {seed}")
        fits += train_tests(size, gain, seed)
    progress(len(work), len(work), "done")
    return fits


def train_tests(size: Size, gain: str, seed: int) -> list[Fit]:
    """All tests at one gain, trained on the same episodes."""
    schedule = size.schedule
    with FrozenPolicy(f"dg/beacon-{gain}", seed) as world:
        models: dict[str, WorldModel | StateModel] = {
            ACTIONS: world_model(world.team, seed, schedule, {"encoder": False}),
            ENCODED: world_model(world.team, seed, schedule, {}),
            STATES: StateModel(world.team, seed, schedule),
        }
        train_models(models.values(), world, schedule, range(schedule.collections))
        fresh = world.episodes_with_oracles(size.evaluation_episodes, "to judge")
    pairs = {test: pairs_of(model.entropy_ratio(fresh), fresh, causes(fresh)) for test, model in models.items()}
    claims = {test: each.claimed() for test, each in pairs.items()}
    claims[BOTH] = claims[ACTIONS] | claims[STATES]
    return [evaluate(gain, test, seed, claimed, pairs[ACTIONS].true) for test, claimed in claims.items()]


def evaluate(gain: str, test: str, seed: int, claimed: Bools, true: Mapping[str, Bools]) -> Fit:
    """Recall and precision of claimed edges [P], given those of each cause [P]."""

    def share(of: Bools, where: Bools) -> float | None:
        return float(of[where].mean()) if where.any() else None

    recall = {cause: share(claimed, true[cause]) for cause in CAUSES}
    return Fit(gain, test, seed, recall, share(true["either"], claimed))


def causes(episodes: Episodes) -> dict[str, Bools]:
    """The edges [B, T, N, N] of each cause: an intervention on the keeper's action changes the lamp (action), or not
    (state)."""
    action = oracle_graphs(episodes)["observation"].copy()
    action[..., SHIP, SHIP] = action[..., KEEPER, KEEPER] = False
    either = np.zeros_like(action)
    either[..., KEEPER, SHIP] = episodes.running.numpy()
    return {"action": action, "state": either & ~action, "either": either}


def perfect(gain: float, test: str, threshold: float = THRESHOLD) -> dict[str, float | None]:
    """The recall of perfect models under a uniform policy, by cause; None for a cause that does not occur."""
    colours = range(COLOURS)
    weight = dict.fromkeys(CAUSES, 0.0)
    hits = dict(weight)
    for action, stood in itertools.product(colours, colours):
        for cause, lamp, chance in (("action", action, gain), ("state", stood, 1 - gain)):
            claimed = _claimed(gain, test, stood, lamp, threshold)
            for name in (cause, "either"):
                weight[name] += chance
                hits[name] += chance * claimed
    return {cause: hits[cause] / weight[cause] if weight[cause] > 0 else None for cause in CAUSES}


def _claimed(gain: float, test: str, stood: int, lamp: int, threshold: float) -> bool:
    """Whether perfect models claim an edge if the keeper stood on the colour `stood` and the lamp shows `lamp`."""
    if test == BOTH:
        return any(_claimed(gain, each, stood, lamp, threshold) for each in (ACTIONS, STATES))
    if test == STATES:
        # Two cells have each colour and cannot be distinguished.
        left = entropy([gain / COLOURS + (1 - gain) * (cell % COLOURS == lamp) for cell in range(CELLS)])
        return bool(left < threshold * math.log(CELLS))
    left = entropy([gain * (action == lamp) + (1 - gain) * (stood == lamp) for action in range(COLOURS)])
    return bool(left < threshold * math.log(COLOURS))


# Findings


def findings(size: Size, fits: list[Fit]) -> Findings:
    """Design, predictions and tables from the fits."""
    cases = {(gain, test): [fit for fit in fits if (fit.gain, fit.test) == (gain, test)] for test in TESTS for gain in GAINS}
    return Findings(
        design=(
            f"dg/beacon-gain for gain {', '.join(GAINS)}, uniform policy, {size.seeds} seeds (new weights, new episodes). "
            f"Tests: '{ACTIONS}', the published reverse world models on observations (they see the identities of actor and "
            f"receiver, no agent is paired with itself); '{ENCODED}', the same on latents of inverse dynamics; '{STATES}': the "
            "prediction of the actor's substate from both of the receiver's, against the first alone, by networks of the "
            f"same kind; '{BOTH}': an edge of the first or the third. Each trained by {size.schedule.text}; evaluated on "
            f"{size.evaluation_episodes} other episodes; an edge is where the ratio of entropies is below {THRESHOLD}. Edges "
            "from keeper to ship: by action where an intervention on the keeper's action changes the lamp; by state at all "
            "other steps. Ship to keeper: never. Intervals: Student's t over seeds, 95 %."
        ),
        predictions=(
            _sees_actions(cases),
            _misses_states(cases),
            _falls(cases),
            _states_restore(cases),
            _together(cases),
            _no_false_edges(cases),
            _as_perfect(cases),
        ),
        tables=(_table(cases),),
    )


Cases = dict[tuple[str, str], list[Fit]]


def _recall(cases: Cases, gain: str, test: str, cause: str) -> Interval:
    return interval_of(fit.recall[cause] for fit in cases[gain, test])


def _sees_actions(cases: Cases) -> Prediction:
    recall = _recall(cases, "1", ACTIONS, "action")
    return Prediction(
        expected="All influence by actions (gain 1): the test of actions finds it, recall above 0.95.",
        found=f"recall {recall.text}.",
        verdict=above(recall, 1 - NEAR),
    )


def _misses_states(cases: Cases) -> Prediction:
    recalls = {test: _recall(cases, "0", test, "state") for test in (ACTIONS, ENCODED)}
    return Prediction(
        expected="All influence by states (gain 0): the test of actions finds none, recall below 0.05.",
        found=f"recall: {named_intervals(recalls)}.",
        verdict=together(below(recall, NEAR) for recall in recalls.values()),
    )


def _falls(cases: Cases) -> Prediction:
    steps: dict[str, Interval] = {}
    for less, more in itertools.pairwise(GAINS):
        upper, lower = ([fit.recall["either"] or 0.0 for fit in cases[gain, ACTIONS]] for gain in (more, less))
        steps[f"{more} - {less}"] = mean_interval(np.subtract(upper, lower))
    recalls = {gain: _recall(cases, gain, ACTIONS, "either") for gain in GAINS}
    return Prediction(
        expected="The less goes through actions, the less of the keeper's influence the test of actions finds: its recall "
        f"nowhere rises by {NEAR} as gain falls.",
        found=f"recall of either cause by gain: {named_intervals(recalls)}; differences: {named_intervals(steps)}.",
        verdict=together(above(step, -NEAR) for step in steps.values()),
    )


def _states_restore(cases: Cases) -> Prediction:
    recall = _recall(cases, "0", STATES, "state")
    return Prediction(
        expected="All influence by states (gain 0): the test of states finds it, recall above 0.95.",
        found=f"recall {recall.text}.",
        verdict=above(recall, 1 - NEAR),
    )


def _together(cases: Cases) -> Prediction:
    recalls = {gain: _recall(cases, gain, BOTH, "either") for gain in GAINS}
    return Prediction(
        expected="Either test or the other finds the influence at every gain: recall above 0.95.",
        found=f"recall by gain: {named_intervals(recalls)}.",
        verdict=together(above(recall, 1 - NEAR) for recall in recalls.values()),
    )


def _no_false_edges(cases: Cases) -> Prediction:
    texts: list[str] = []
    verdicts: list[Verdict] = []
    for test in (ACTIONS, ENCODED, STATES):
        shares = [fit.precision for gain in GAINS for fit in cases[gain, test] if fit.precision is not None]
        lowest = min(shares, default=None)
        texts.append(f"{test}: {'nothing claimed' if lowest is None else f'{lowest:.3g}'}")
        verdicts.append("undecided" if lowest is None else "supported" if lowest > 1 - NEAR else "not supported")
    return Prediction(
        expected="No test says that the ship influences the keeper: at any gain more than 95 % of the claimed edges are true.",
        found=f"the lowest precision of any gain and seed: {'; '.join(texts)}.",
        verdict=together(verdicts),
    )


def _as_perfect(cases: Cases) -> Prediction:
    furthest: dict[str, float] = {}
    for test in (ACTIONS, STATES, BOTH):
        apart = [0.0]
        for gain, cause in itertools.product(GAINS, CAUSES):
            wanted = perfect(float(gain), test)[cause]
            if wanted is not None:
                apart.append(abs(_recall(cases, gain, test, cause).value - wanted))
        furthest[test] = max(apart)
    return Prediction(
        expected="On observations the tests find what perfect models would: mean recalls of every cause at every gain within "
        f"{NEAR}.",
        found=f"the largest distance: {'; '.join(f'{test}: {value:.3g}' for test, value in furthest.items())}.",
        verdict="supported" if max(furthest.values()) <= NEAR else "not supported",
    )


def _table(cases: Cases) -> Table:
    rows: list[list[Cell]] = []
    for (gain, test), fits in cases.items():
        row: list[Cell] = [test, float(gain), len(fits)]
        for cause in CAUSES:
            defined = all(fit.recall[cause] is not None for fit in fits)
            row += [*(_recall(cases, gain, test, cause) if defined else (None, None, None))]
            row.append(perfect(float(gain), test)[cause] if test != ENCODED else None)
        rows.append([*row, mean_of(fit.precision for fit in fits)])
    recalls = itertools.chain(*((*with_interval(f"recall, {cause}"), f"perfect, {cause}") for cause in CAUSES))
    return Table.of(
        f"Share of the edges from keeper to ship that are claimed at threshold {THRESHOLD}, by what made them, beside what "
        "perfect models would claim; and the share of claimed edges that are true, mean over seeds",
        ("test", "gain", "seeds", *recalls, "precision"),
        rows,
    )
