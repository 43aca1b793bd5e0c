"""Study dependence-graph-threshold.

Question: does a larger threshold c of the learned dependence graph add or remove edges, and where is the graph most accurate?
Design: there is an edge if the ratio of two entropies is below c. World models are trained on fresh episodes of frozen policies
on two boards of level-based foraging; on other episodes, the number of edges and their agreement with interventions are
measured over a range of c. The returns of policies that use such graphs are measured by the suite dependence-graphs-ablations.
Predictions: edges increase with c, while the paper's summary calls c = 0.1 global-like and 0.9 local-like; the most accurate
graph has a c between 0.7 and 0.95.
Source: Le and Ta 2026, arXiv 2601.21523; experiment X4 of the specification of dependence graphs, the part without training.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.experiments.credit_measurements import CHIEF_ORACLE, ORACLES, GraphAgreement, OracleName
from benchmark.experiments.study_result import Cell, Findings, Prediction, Progress, Table, Verdict, together
from benchmark.papers.dependence_graphs.world_model_fits import (
    MINIMUM_ENTROPY,
    THRESHOLD,
    FrozenPolicy,
    Pairs,
    TrainingSchedule,
    interval_of,
    mean_of,
    pairs_of,
    train_models,
    world_model,
)
from benchmark.papers.toolkit.estimators import Interval, above, below, mean_interval, named_intervals, with_interval
from benchmark.papers.toolkit.reward_model_fits import policies_during_training

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0, 1.05)
LOW, HIGH, BEYOND = 0.1, 0.9, 1.05
NEAR_ONE = (0.9, 1.1)
GOOD = (0.7, 0.95)
"""The expected range of the best threshold."""
SWEPT: tuple[OracleName, ...] = ("state", "reward", "state and reward")
"""The oracles of the sweep. With full sight every move is observed, so that the oracle "observation" has all edges."""
MODELS: dict[str, Mapping[str, Any]] = {"observations": {"encoder": False}, "encoder": {}}
UNIFORM = "uniform"


@dataclass(frozen=True)
class Size:
    """The size of the study. `steps`: of the IPPO run at which its policies are frozen; the uniform policy is added."""

    tasks: tuple[str, ...]
    steps: tuple[int, ...]
    seeds: int
    schedule: TrainingSchedule
    evaluation_episodes: int
    curve: int


FULL = Size(
    ("lbf/10x10-2p-3f-coop-winner", "lbf/15x15-3p-4f-coop-winner"), (100_000, 500_000), 3, TrainingSchedule(500, 256), 32, 5
)
QUICK = Size(FULL.tasks, (1,), 2, TrainingSchedule(20, 32, episodes=2), 2, 2)


@dataclass(frozen=True)
class ThresholdQuality:
    """The graph at one threshold: the share of pairs with an edge, and the agreement with each oracle."""

    density: float
    agreement: Mapping[OracleName, GraphAgreement]


@dataclass(frozen=True)
class Fit:
    """One model of one frozen policy. `at`: by threshold. `near_one`: share of pairs whose ratio is in NEAR_ONE; `low_entropy`:
    whose actor's entropy is at most MINIMUM_ENTROPY. `curve`: (gradient steps, density at THRESHOLD) during training."""

    task: str
    policy: str
    model: str
    seed: int
    mean_return: float
    pairs: int
    at: Mapping[float, ThresholdQuality]
    near_one: float
    low_entropy: float
    curve: tuple[tuple[int, float], ...]


def study(quick: bool, progress: Progress) -> Findings:
    """Runs the study; `quick` trains for few steps."""
    size = QUICK if quick else FULL
    return findings(size, measure(size, progress))


def measure(size: Size, progress: Progress) -> list[Fit]:
    """Trains and evaluates all models."""
    work = [(task, seed) for task in size.tasks for seed in range(size.seeds)]
    fits = []
    for number, (task, seed) in enumerate(work):
        progress(number, len(work), f"{task}, seed {seed}")
        frozen = policies_during_training(task, size.steps, seed)
        policies = {UNIFORM: None} | {f"{steps:,} steps": policy for steps, policy in zip(size.steps, frozen, strict=True)}
        for policy, weights in policies.items():
            with FrozenPolicy(task, seed, weights) as source:
                fits += train_on_policy(size, task, policy, seed, source)
    progress(len(work), len(work), "done")
    return fits


def train_on_policy(size: Size, task: str, policy: str, seed: int, source: FrozenPolicy) -> list[Fit]:
    """Both models of one policy, trained on the same episodes."""
    schedule = size.schedule
    models = {name: world_model(source.team, seed, schedule, changes) for name, changes in MODELS.items()}
    fresh = source.episodes_with_oracles(size.evaluation_episodes, "to judge")
    ends = [round(part * schedule.collections / size.curve) for part in range(size.curve + 1)]
    outputs: dict[str, Pairs] = {}
    curve: dict[str, list[tuple[int, float]]] = {name: [] for name in models}
    for start, end in itertools.pairwise(ends):
        train_models(models.values(), source, schedule, range(start, end))
        for name, model in models.items():
            outputs[name] = pairs_of(model.entropy_ratio(fresh), fresh)
            curve[name].append((end * schedule.steps_per_collection, outputs[name].density()))
    mean_return = float(fresh.team_reward.sum(1).mean())
    return [
        Fit(
            task=task,
            policy=policy,
            model=name,
            seed=seed,
            mean_return=mean_return,
            pairs=len(pairs.ratio),
            at={
                c: ThresholdQuality(pairs.density(c), {oracle: pairs.agreement(oracle, c) for oracle in ORACLES})
                for c in THRESHOLDS
            },
            near_one=float(((pairs.ratio >= NEAR_ONE[0]) & (pairs.ratio <= NEAR_ONE[1])).mean()),
            low_entropy=float((pairs.known <= MINIMUM_ENTROPY).mean()),
            curve=tuple(curve[name]),
        )
        for name, pairs in outputs.items()
    ]


# Findings

Case = tuple[str, str, str]


def findings(size: Size, fits: list[Fit]) -> Findings:
    """Design, predictions and tables from the fits."""
    cases: dict[Case, list[Fit]] = {}
    for fit in fits:
        cases.setdefault((fit.task, fit.policy, fit.model), []).append(fit)
    return Findings(
        design=(
            f"{' and '.join(size.tasks)}; policies: uniform over available actions, and IPPO with team reward after "
            f"{', '.join(f'{steps:,}' for steps in size.steps)} steps; {size.seeds} seeds (new policies, weights, episodes). "
            f"World models as published except for identities (actor and receiver are seen, no agent is paired with itself), "
            f"with latents of the encoder or with observations, trained by {size.schedule.text}; evaluated on "
            f"{size.evaluation_episodes} other episodes. An edge: ratio below c, and the actor's entropy above "
            f"{MINIMUM_ENTROPY} nats. Oracles: intervention, its effect on that part of the other's next observation which "
            "is not about other agents (state), on its reward, on either. Intervals: Student's t over seeds, 95 %."
        ),
        predictions=(
            _direction(cases),
            _nearly_local(cases),
            _nearly_full(cases),
            _near_one(cases),
            _best(cases),
            _ranking(cases),
        ),
        tables=(_sweep_table(cases), _cases_table(cases), _way_table(cases)),
    )


def _by_case(
    cases: dict[Case, list[Fit]], value: Callable[[Fit], float], verdict_of: Callable[[Interval], Verdict]
) -> tuple[str, Verdict]:
    """The mean of `value` over seeds in each case, as text, and the verdicts of all cases together."""
    means = {", ".join(case): mean_interval([value(fit) for fit in fits]) for case, fits in cases.items()}
    return named_intervals(means), together(verdict_of(mean) for mean in means.values())


def _direction(cases: dict[Case, list[Fit]]) -> Prediction:
    text, verdict = _by_case(
        cases, lambda fit: fit.at[HIGH].density - fit.at[LOW].density, lambda interval: above(interval, 0.0)
    )
    return Prediction(
        expected=f"By the rule `ratio < c` edges can only be added as c grows: {LOW} is the local-like end, {HIGH} the "
        "global-like one. The paper's summary says the opposite, which the rule rules out; it is possible that models leave "
        "no pairs between the two.",
        found=f"difference of densities: {text}.",
        verdict=verdict,
    )


def _nearly_local(cases: dict[Case, list[Fit]]) -> Prediction:
    text, verdict = _by_case(cases, lambda fit: fit.at[LOW].density, lambda interval: below(interval, 0.05))
    return Prediction(
        expected=f"At c = {LOW} hardly any edges but the self loops are left: fewer than 5 % of the pairs.",
        found=f"densities: {text}.",
        verdict=verdict,
    )


def _nearly_full(cases: dict[Case, list[Fit]]) -> Prediction:
    text, verdict = _by_case(cases, lambda fit: fit.at[BEYOND].density, lambda interval: above(interval, 0.9))
    return Prediction(
        expected=f"At c = {BEYOND} the graph is nearly full: more than 90 % of the pairs.",
        found=f"densities: {text}.",
        verdict=verdict,
    )


def _near_one(cases: dict[Case, list[Fit]]) -> Prediction:
    text, verdict = _by_case(cases, lambda fit: fit.near_one, lambda interval: above(interval, 0.5))
    low, high = NEAR_ONE
    return Prediction(
        expected=f"Most pairs have a ratio near 1, in [{low}, {high}], so that between these thresholds a sparse graph turns "
        "into a full one.",
        found=f"shares: {text}.",
        verdict=verdict,
    )


def _best(cases: dict[Case, list[Fit]]) -> Prediction:
    texts: list[str] = []
    held = []
    for case, fits in cases.items():
        by_threshold = {c: _mean_f1(fits, c) for c in THRESHOLDS}
        best = max(by_threshold, key=lambda c: by_threshold[c])
        held.append(GOOD[0] <= best <= GOOD[1] and by_threshold[best] > 0)
        texts.append(f"{', '.join(case)}: {best} ({by_threshold[best]:.3g}; at {THRESHOLD}: {by_threshold[THRESHOLD]:.3g})")
    return Prediction(
        expected=f"The graph agrees best with the oracle '{CHIEF_ORACLE}' at a c between {GOOD[0]} and {GOOD[1]}.",
        found=f"the c of the highest mean F1: {'; '.join(texts)}.",
        verdict="supported" if all(held) else "not supported",
    )


def _ranking(cases: dict[Case, list[Fit]]) -> Prediction:
    texts: list[str] = []
    verdicts: list[Verdict] = []
    for case, fits in cases.items():
        areas = [fit.at[THRESHOLD].agreement[CHIEF_ORACLE].auroc for fit in fits]
        defined = [area for area in areas if area is not None]
        if len(defined) < 2:
            texts.append(f"{', '.join(case)}: no pairs of both kinds")
            verdicts.append("undecided")
        else:
            interval = mean_interval(defined)
            texts.append(f"{', '.join(case)}: {interval.text}")
            verdicts.append(above(interval, 0.5))
    return Prediction(
        expected=f"Whatever the threshold, pairs with an edge by the oracle '{CHIEF_ORACLE}' have lower ratios than others: "
        "the area under the ROC curve is above 0.5.",
        found=f"areas: {'; '.join(texts)}.",
        verdict=together(verdicts),
    )


def _mean_f1(fits: list[Fit], threshold: float) -> float:
    return interval_of(fit.at[threshold].agreement[CHIEF_ORACLE].f1 for fit in fits).value


def _sweep_table(cases: dict[Case, list[Fit]]) -> Table:
    rows: list[list[Cell]] = []
    for case, fits in cases.items():
        for c in THRESHOLDS:
            at = [fit.at[c] for fit in fits]
            row: list[Cell] = [*case, c, *mean_interval([each.density for each in at])]
            for oracle in SWEPT:
                agreements = [each.agreement[oracle] for each in at]
                row += [mean_of(getattr(each, name) for each in agreements) for name in ("precision", "recall", "f1")]
            rows.append(row)
    measures = [f"{name}, {oracle}" for oracle in SWEPT for name in ("precision", "recall", "F1")]
    return Table.of(
        "Edges between different agents by threshold: their share, and agreement with each oracle, mean over seeds",
        ("task", "policy", "models see", "c", *with_interval("density"), *measures),
        rows,
    )


def _cases_table(cases: dict[Case, list[Fit]]) -> Table:
    rows: list[list[Cell]] = []
    for case, fits in cases.items():
        row: list[Cell] = [*case, len(fits), mean_of(fit.mean_return for fit in fits), sum(fit.pairs for fit in fits)]
        row += [*mean_interval([fit.near_one for fit in fits]), mean_of(fit.low_entropy for fit in fits)]
        for oracle in ORACLES:
            agreements = [fit.at[THRESHOLD].agreement[oracle] for fit in fits]
            row += [mean_of(each.density for each in agreements), mean_of(each.auroc for each in agreements)]
        rows.append(row)
    truths = [f"{name}, {oracle}" for oracle in ORACLES for name in ("true density", "AUROC")]
    return Table.of(
        f"Ratios of entropies near 1 (in [{NEAR_ONE[0]}, {NEAR_ONE[1]}]), actors with too little entropy for an edge, and "
        "what no threshold changes",
        (
            *("task", "policy", "models see", "seeds", "mean return", "pairs", *with_interval("share near 1")),
            *("share too sure", *truths),
        ),
        rows,
    )


def _way_table(cases: dict[Case, list[Fit]]) -> Table:
    rows = [
        [*case, steps, mean_of(fit.curve[index][1] for fit in fits)]
        for case, fits in cases.items()
        for index, (steps, _) in enumerate(fits[0].curve)
    ]
    return Table.of(
        f"Share of pairs with an edge at c = {THRESHOLD} after so many gradient steps, mean over seeds",
        ("task", "policy", "models see", "gradient steps", "density"),
        rows,
    )
