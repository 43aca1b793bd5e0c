"""Study dependence-graph-recovery.

Question: do reverse world models recover a known dependence graph?
Design: toy tasks in which interventions show at each step which agents influence which. World models are trained on fresh
episodes of a policy that is uniform over available actions, or together with a policy that they guide, and evaluated on other
episodes (known_graphs.py).
Predictions: the graph is found in rooms and, without encoder, on star, line and cycle; identities and heads help.
Source: Le and Ta 2026, arXiv 2601.21523; experiment X1 of the specification of dependence graphs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmark.experiments.credit_measurements import ORACLES
from benchmark.experiments.study_result import Cell, Findings, Prediction, Progress, Table, Verdict, together
from benchmark.papers.dependence_graphs.known_graphs import (
    ALL,
    CHANGES,
    CO_TRAINED,
    NO_EDGE,
    SMALLER,
    STRANGERS,
    TOY,
    ClaimQuality,
    Fit,
    Setting,
    Size,
    measure,
)
from benchmark.papers.dependence_graphs.world_model_fits import THRESHOLD, TrainingSchedule, interval_of, mean_of
from benchmark.papers.toolkit.estimators import Interval, above, below, mean_interval, named_intervals, with_interval

ROOMS = ("dg/rooms-3", "dg/rooms-5")
FIVE = ("dg/star-5", "dg/line-5", "dg/cycle-5")
TEN = ("dg/star-10", "dg/cycle-10")
IDENTITIES = ("published", "published + heads", "ids")
"""In the expected order of F1, the lowest first."""

FULL = Size(
    seeds=3,
    settings=(
        Setting(TOY, IDENTITIES, TrainingSchedule(300)),
        *(Setting(rooms, (*IDENTITIES, "ids + encoder"), TrainingSchedule(600)) for rooms in ROOMS),
        Setting("dg/star-5", (*IDENTITIES, "ids + encoder", "published + heads + encoder"), TrainingSchedule(1600)),
        Setting("dg/line-5", ("ids", "ids + encoder"), TrainingSchedule(2000)),
        Setting("dg/cycle-5", (*IDENTITIES, "ids + encoder"), TrainingSchedule(2000)),
        *(Setting(ten, ("ids",), TrainingSchedule(3500)) for ten in TEN),
    ),
    co_trained=(Setting("dg/rooms-3", ("ids",), TrainingSchedule(600)), Setting("dg/star-5", ("ids",), TrainingSchedule(1600))),
)
QUICK = Size(
    seeds=2,
    settings=(
        Setting(TOY, IDENTITIES, TrainingSchedule(20, batch_steps=64), evaluation_episodes=4),
        Setting(
            "dg/rooms-3",
            (*IDENTITIES, "ids + encoder"),
            TrainingSchedule(20, batch_steps=64, episodes=2),
            evaluation_episodes=8,
        ),
        *(
            Setting(
                world, (*IDENTITIES, "ids + encoder"), TrainingSchedule(20, batch_steps=16, episodes=2), evaluation_episodes=2
            )
            for world in FIVE[::2]
        ),
        Setting("dg/star-10", ("ids",), TrainingSchedule(10, batch_steps=8, episodes=2), evaluation_episodes=2),
    ),
    co_trained=(Setting("dg/rooms-3", ("ids",), TrainingSchedule(20, batch_steps=64, episodes=2)),),
    curve=2,
)


def study(quick: bool, progress: Progress) -> Findings:
    """Runs the study; `quick` trains few models for few steps."""
    size = QUICK if quick else FULL
    return findings(size, measure(size, progress))


def findings(size: Size, fits: list[Fit]) -> Findings:
    """Design, predictions and tables from the fits."""
    table = FitTable(fits)
    schedules = "; ".join(f"{setting.world}: {setting.schedule.text}" for setting in size.settings)
    beside = "; ".join(f"{setting.world}: {setting.schedule.text}" for setting in size.co_trained)
    return Findings(
        design=(
            f"World models with h = {SMALLER['hidden_size']} and learning rate {SMALLER['learning_rate']} (published: 128 and "
            f"0.0005), {size.seeds} seeds (new weights, new episodes), trained on a uniform policy: {schedules}. Co-trained: "
            f"ippo+dg with the paper's preset, {beside}. An edge is where the ratio of entropies is below {THRESHOLD}; "
            f"evaluated on {size.settings[0].evaluation_episodes} other episodes of the same policy. Truth: intervention, "
            "another action of one agent from the same state with the same random stream, its effect on the other's next "
            "observation (also reported: on its own part of it, on its reward). Models: ids: actor and receiver are seen, no "
            "agent is paired with itself; published: neither; heads: one for each actor; encoder: latents of inverse "
            "dynamics, else observations. In the toy of three agents only 0 influences 1. "
            "Intervals: Student's t over seeds, 95 %."
        ),
        predictions=(
            _doors(table),
            _quiet_otherwise(table),
            _without_encoder(table, FIVE, "five"),
            _without_encoder(table, TEN, "ten"),
            _with_encoder(table),
            _order(table),
            _strangers(table),
            _beside_a_policy(table),
        ),
        tables=(_agreement_table(table), _oracles_table(table), _curve_table(table)),
    )


class FitTable:
    """All fits, by world and model."""

    def __init__(self, fits: list[Fit]) -> None:
        self.fits: dict[tuple[str, str], list[Fit]] = {}
        for fit in fits:
            self.fits.setdefault((fit.world, fit.model), []).append(fit)

    def of(self, worlds: tuple[str, ...], models: tuple[str, ...]) -> list[tuple[str, str]]:
        """The keys (world, model) among these that were trained."""
        return [(world, model) for world in worlds for model in models if (world, model) in self.fits]

    def f1(self, key: tuple[str, str], kind: str = ALL) -> list[float]:
        """F1 with the observation oracle, by seed."""
        return [each.agreement["observation"].f1 or 0.0 for each in self.claims(key, kind)]

    def claims(self, key: tuple[str, str], kind: str) -> list[ClaimQuality]:
        """The claims about steps of a kind, by seed; seeds without such steps are left out."""
        return [fit.claims[kind] for fit in self.fits[key] if kind in fit.claims]

    def gain(self, world: str, more: str, less: str) -> Interval:
        """The mean difference in F1 over all steps between two models over seeds; both see the same episodes per seed."""
        return mean_interval(np.subtract(self.f1((world, more)), self.f1((world, less))))


def _named(key: tuple[str, str]) -> str:
    return f"{key[0]}, {key[1]}"


def _by_case(
    cases: list[tuple[tuple[str, str], list[float]]], verdict_of: Callable[[Interval], Verdict]
) -> tuple[str, Verdict]:
    """The intervals as text, and the verdict; undecided where fewer than two seeds have a value."""
    texts: list[str] = []
    verdicts: list[Verdict] = []
    for key, values in cases:
        if len(values) < 2:
            texts.append(f"{_named(key)}: such steps did not occur")
            verdicts.append("undecided")
        else:
            interval = interval_of(values)
            texts.append(f"{_named(key)}: {interval.text}")
            verdicts.append(verdict_of(interval))
    return "; ".join(texts), together(verdicts or ["undecided"])


def _doors(table: FitTable) -> Prediction:
    keys = table.of(ROOMS, ("ids", "ids + encoder"))
    text, verdict = _by_case([(key, table.f1(key, CHANGES)) for key in keys], lambda interval: above(interval, 0.8))
    return Prediction(
        expected="Rooms: where the door opens or shuts the learned graph matches the true one, F1 above 0.8.",
        found=f"F1 on these steps: {text}.",
        verdict=verdict,
    )


def _quiet_otherwise(table: FitTable) -> Prediction:
    keys = table.of(ROOMS, ("ids", "ids + encoder"))
    text, verdict = _by_case(
        [(key, [each.out_degree for each in table.claims(key, NO_EDGE)]) for key in keys],
        lambda interval: below(interval, 0.05),
    )
    return Prediction(
        expected="Rooms: where no agent can influence another, hardly an edge is claimed, below 0.05 per acting agent.",
        found=f"out-degree on these steps: {text}.",
        verdict=verdict,
    )


def _without_encoder(table: FitTable, worlds: tuple[str, ...], agents: str) -> Prediction:
    keys = table.of(worlds, ("ids",))
    text, verdict = _by_case([(key, table.f1(key)) for key in keys], lambda interval: above(interval, 0.9))
    return Prediction(
        expected=f"Star, line and cycle of {agents} agents: models that see observations reach an F1 above 0.9.",
        found=f"F1: {text}.",
        verdict=verdict,
    )


def _differences(table: FitTable, pairs: list[tuple[str, str, str]]) -> tuple[str, Verdict]:
    """The differences in F1 of each (world, more, less) as text, and whether all of them are positive."""
    gains = {f"{world}, {more} - {less}": table.gain(world, more, less) for world, more, less in pairs}
    return named_intervals(gains), together([above(gain, 0.0) for gain in gains.values()] or ["undecided"])


def _with_encoder(table: FitTable) -> Prediction:
    worlds = [world for world, _ in table.of(FIVE, ("ids + encoder",))]
    text, verdict = _differences(table, [(world, "ids", "ids + encoder") for world in worlds])
    return Prediction(
        expected="Star, line and cycle: with the encoder, which leaves out what no action of one's own controls, F1 is lower.",
        found=f"differences of F1: {text}.",
        verdict=verdict,
    )


def _order(table: FitTable) -> Prediction:
    worlds = [world for world, _ in table.of((*ROOMS, *FIVE), ("published",))]
    steps = list(zip(IDENTITIES[1:], IDENTITIES[:-1], strict=True))
    text, verdict = _differences(table, [(world, more, less) for world in worlds for more, less in steps])
    return Prediction(
        expected="F1 rises from one head (published) over a head for each actor to models that see identities and leave out "
        "pairs of an agent with itself.",
        found=f"differences of F1, no encoder: {text}.",
        verdict=verdict,
    )


def _strangers(table: FitTable) -> Prediction:
    keys = table.of((TOY,), IDENTITIES)
    cases = {key[1]: interval_of(each.density for each in table.claims(key, STRANGERS)) for key in keys}
    verdicts: list[Verdict] = []
    for model, share in cases.items():
        if model == "published":
            verdicts.append(above(share, 0.05))
        elif model == "ids":
            verdicts.append(below(share, 0.05))
    return Prediction(
        expected="The toy of three agents: published models claim edges between agents that never influence each other, in "
        "more than 5 % of such pairs, those that see identities do not.",
        found=f"share of such pairs: {named_intervals(cases)}.",
        verdict=together(verdicts),
    )


def _beside_a_policy(table: FitTable) -> Prediction:
    cases = [(key, table.f1(key, CHANGES if key[0] in ROOMS else ALL)) for key in table.of((*ROOMS, *FIVE), (CO_TRAINED,))]
    text, verdict = _by_case(cases, lambda interval: above(interval, 0.8))
    return Prediction(
        expected="Trained together with a policy the graph is as accurate: F1 above 0.8 (rooms: where the door moves).",
        found=f"F1: {text}.",
        verdict=verdict,
    )


# Tables


def _agreement_table(table: FitTable) -> Table:
    rows: list[list[Cell]] = []
    for (world, model), fits in table.fits.items():
        for kind in dict.fromkeys(kind for fit in fits for kind in fit.claims):
            claims = table.claims((world, model), kind)
            agreements = [each.agreement["observation"] for each in claims]
            has_interval = len(claims) > 1 and all(agreement.density > 0 for agreement in agreements)
            spread: list[Cell] = [*interval_of(each.f1 for each in agreements)] if has_interval else [None] * 3
            rows.append(
                [
                    *(world, model, kind, len(claims), mean_of(fit.mean_return for fit in fits)),
                    *(mean_of(getattr(agreement, name) for agreement in agreements) for name in ("precision", "recall")),
                    *(*spread, mean_of(agreement.auroc for agreement in agreements)),
                    *(mean_of(each.out_degree for each in claims), mean_of(each.true_out_degree for each in claims)),
                ]
            )
    return Table.of(
        f"Edges to others at threshold {THRESHOLD} beside what interventions show in the next observation, mean over seeds",
        (
            *("world", "models", "steps", "seeds", "mean return", "precision", "recall", *with_interval("F1")),
            *("AUROC", "out-degree", "true out-degree"),
        ),
        rows,
    )


def _oracles_table(table: FitTable) -> Table:
    rows: list[list[Cell]] = []
    for (world, model), fits in table.fits.items():
        if world == TOY:
            continue
        for oracle in ORACLES:
            agreements = [fit.claims[ALL].agreement[oracle] for fit in fits]
            names = ("density", "precision", "recall", "f1", "auroc")
            rows.append([world, model, oracle, *(mean_of(getattr(each, name) for each in agreements) for name in names)])
    return Table.of(
        "The same graphs beside each oracle, all steps, mean over seeds",
        ("world", "models", "seen in", "true density", "precision", "recall", "F1", "AUROC"),
        rows,
    )


def _curve_table(table: FitTable) -> Table:
    rows: list[list[Cell]] = []
    for (world, model), fits in table.fits.items():
        for index, (steps, _) in enumerate(fits[0].curve):
            claims = [fit.curve[index][1] for fit in fits]
            agreements = [each.agreement["observation"] for each in claims]
            rows.append(
                [
                    *(world, model, steps, mean_of(each.f1 for each in agreements), mean_of(each.auroc for each in agreements)),
                    mean_of(each.out_degree for each in claims),
                ]
            )
    return Table.of(
        "On the way: after so many gradient steps, beside the observation oracle, all steps, mean over seeds",
        ("world", "models", "gradient steps", "F1", "AUROC", "out-degree"),
        rows,
    )
