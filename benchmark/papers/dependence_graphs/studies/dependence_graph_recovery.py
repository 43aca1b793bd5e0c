"""Study: does the learned dependence graph match a known one? (Le and Ta 2026; experiment X1 of our specification.)

The worlds are toys in which an intervention shows who influences whom, step by step. World models are taught by fresh
episodes of a policy that is uniform over available actions, or beside a policy that is credited by them, and asked about
other episodes. What is taught, where and how: dependence_graph_worlds.py.
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
    Fit,
    Seen,
    Setting,
    Size,
    measure,
)
from benchmark.papers.dependence_graphs.world_model_fits import THRESHOLD, Lessons, interval_of, mean_of
from benchmark.papers.toolkit.estimators import Interval, above, below, mean_interval, with_interval

ROOMS = ("dg/rooms-3", "dg/rooms-5")
FIVE = ("dg/star-5", "dg/line-5", "dg/cycle-5")
TEN = ("dg/star-10", "dg/cycle-10")
IDENTITIES = ("published", "published + heads", "ids")
"""In the order in which they were expected to do better."""

FULL = Size(
    seeds=3,
    settings=(
        Setting(TOY, IDENTITIES, Lessons(300)),
        *(Setting(rooms, (*IDENTITIES, "ids + encoder"), Lessons(600)) for rooms in ROOMS),
        Setting("dg/star-5", (*IDENTITIES, "ids + encoder", "published + heads + encoder"), Lessons(1600)),
        Setting("dg/line-5", ("ids", "ids + encoder"), Lessons(2000)),
        Setting("dg/cycle-5", (*IDENTITIES, "ids + encoder"), Lessons(2000)),
        *(Setting(ten, ("ids",), Lessons(3500)) for ten in TEN),
    ),
    co_trained=(Setting("dg/rooms-3", ("ids",), Lessons(600)), Setting("dg/star-5", ("ids",), Lessons(1600))),
)
QUICK = Size(
    seeds=2,
    settings=(
        Setting(TOY, IDENTITIES, Lessons(20, batch_steps=64), judged_on=4),
        Setting("dg/rooms-3", (*IDENTITIES, "ids + encoder"), Lessons(20, batch_steps=64, episodes=2), judged_on=8),
        *(
            Setting(world, (*IDENTITIES, "ids + encoder"), Lessons(20, batch_steps=16, episodes=2), judged_on=2)
            for world in FIVE[::2]
        ),
        Setting("dg/star-10", ("ids",), Lessons(10, batch_steps=8, episodes=2), judged_on=2),
    ),
    co_trained=(Setting("dg/rooms-3", ("ids",), Lessons(20, batch_steps=64, episodes=2)),),
    curve=2,
)


def study(quick: bool, progress: Progress) -> Findings:
    """Teaches all models of all worlds; `quick` teaches little."""
    size = QUICK if quick else FULL
    return findings(size, measure(size, progress))


def findings(size: Size, fits: list[Fit]) -> Findings:
    """What the fits say."""
    found = Found(fits)
    lessons = "; ".join(f"{setting.world}: {setting.lessons.text}" for setting in size.settings)
    beside = "; ".join(f"{setting.world}: {setting.lessons.text}" for setting in size.co_trained)
    return Findings(
        design=(
            f"World models with h = {SMALLER['hidden_size']} and learning rate {SMALLER['learning_rate']} (published: 128 and "
            f"0.0005), {size.seeds} seeds (new weights, new episodes), taught by a uniform policy: {lessons}. Co-trained: "
            f"ippo+dg with the paper's preset, {beside}. An edge is where the ratio of entropies is below {THRESHOLD}; asked "
            f"on {size.settings[0].judged_on} other episodes of the same policy. Truth: intervention, another action of one "
            "agent from the same state with the same random stream, seen in the other's next observation (also told: in its "
            "own part of it, in its reward). Models: ids: who acts and who receives is seen, nobody is paired with itself; "
            "published: neither; heads: one for each actor; encoder: latents of inverse dynamics, else observations. In the "
            "toy of three agents only 0 influences 1. Intervals: Student's t over seeds, 95 %."
        ),
        predictions=(
            _doors(found),
            _quiet_otherwise(found),
            _without_encoder(found, FIVE, "five"),
            _without_encoder(found, TEN, "ten"),
            _with_encoder(found),
            _order(found),
            _strangers(found),
            _beside_a_policy(found),
        ),
        tables=(_agreement_table(found), _oracles_table(found), _curve_table(found)),
    )


class Found:
    """All fits, by world and model."""

    def __init__(self, fits: list[Fit]) -> None:
        self.fits: dict[tuple[str, str], list[Fit]] = {}
        for fit in fits:
            self.fits.setdefault((fit.world, fit.model), []).append(fit)

    def of(self, worlds: tuple[str, ...], models: tuple[str, ...]) -> list[tuple[str, str]]:
        """What was taught of these worlds and models."""
        return [(world, model) for world in worlds for model in models if (world, model) in self.fits]

    def f1(self, key: tuple[str, str], kind: str = ALL) -> list[float]:
        """By seed, beside the observation oracle."""
        return [each.agreement["observation"].f1 or 0.0 for each in self.seen(key, kind)]

    def seen(self, key: tuple[str, str], kind: str) -> list[Seen]:
        """By seed, of those in which such steps occurred."""
        return [fit.seen[kind] for fit in self.fits[key] if kind in fit.seen]

    def gain(self, world: str, more: str, less: str) -> Interval:
        """Of F1 over all steps from one model to another, over seeds, which share their episodes."""
        return mean_interval(np.subtract(self.f1((world, more)), self.f1((world, less))))


def _named(key: tuple[str, str]) -> str:
    return f"{key[0]}, {key[1]}"


def _level(cases: list[tuple[tuple[str, str], list[float]]], judge: Callable[[Interval], Verdict]) -> tuple[str, Verdict]:
    """In words, and what it comes to; undecided where fewer than two seeds say anything."""
    texts: list[str] = []
    verdicts: list[Verdict] = []
    for key, values in cases:
        if len(values) < 2:
            texts.append(f"{_named(key)}: such steps did not occur")
            verdicts.append("undecided")
        else:
            interval = interval_of(values)
            texts.append(f"{_named(key)}: {interval.text}")
            verdicts.append(judge(interval))
    return "; ".join(texts), together(verdicts or ["undecided"])


def _doors(found: Found) -> Prediction:
    keys = found.of(ROOMS, ("ids", "ids + encoder"))
    text, verdict = _level([(key, found.f1(key, CHANGES)) for key in keys], lambda interval: above(interval, 0.8))
    return Prediction(
        expected="Rooms: where the door opens or shuts the learned graph matches the true one, F1 above 0.8.",
        found=f"F1 on these steps: {text}.",
        verdict=verdict,
    )


def _quiet_otherwise(found: Found) -> Prediction:
    keys = found.of(ROOMS, ("ids", "ids + encoder"))
    text, verdict = _level(
        [(key, [each.out_degree for each in found.seen(key, NO_EDGE)]) for key in keys], lambda interval: below(interval, 0.05)
    )
    return Prediction(
        expected="Rooms: where nobody can influence anybody, hardly an edge is claimed, below 0.05 per acting agent.",
        found=f"out-degree on these steps: {text}.",
        verdict=verdict,
    )


def _without_encoder(found: Found, worlds: tuple[str, ...], agents: str) -> Prediction:
    keys = found.of(worlds, ("ids",))
    text, verdict = _level([(key, found.f1(key)) for key in keys], lambda interval: above(interval, 0.9))
    return Prediction(
        expected=f"Star, line and cycle of {agents} agents: models that see observations reach an F1 above 0.9.",
        found=f"F1: {text}.",
        verdict=verdict,
    )


def _differences(found: Found, pairs: list[tuple[str, str, str]]) -> tuple[str, Verdict]:
    """Of (world, more, less) in words, and whether all of them are positive."""
    gains = [(f"{world}, {more} - {less}", found.gain(world, more, less)) for world, more, less in pairs]
    verdicts = [above(gain, 0.0) for _, gain in gains]
    return "; ".join(f"{name}: {gain.text}" for name, gain in gains), together(verdicts or ["undecided"])


def _with_encoder(found: Found) -> Prediction:
    worlds = [world for world, _ in found.of(FIVE, ("ids + encoder",))]
    text, verdict = _differences(found, [(world, "ids", "ids + encoder") for world in worlds])
    return Prediction(
        expected="Star, line and cycle: with the encoder, which leaves out what no action of one's own controls, F1 is lower.",
        found=f"differences of F1: {text}.",
        verdict=verdict,
    )


def _order(found: Found) -> Prediction:
    worlds = [world for world, _ in found.of((*ROOMS, *FIVE), ("published",))]
    steps = list(zip(IDENTITIES[1:], IDENTITIES[:-1], strict=True))
    text, verdict = _differences(found, [(world, more, less) for world in worlds for more, less in steps])
    return Prediction(
        expected="F1 rises from one head (published) over a head for each actor to models that see identities and leave out "
        "pairs of an agent with itself.",
        found=f"differences of F1, no encoder: {text}.",
        verdict=verdict,
    )


def _strangers(found: Found) -> Prediction:
    keys = found.of((TOY,), IDENTITIES)
    cases = {key[1]: interval_of(each.density for each in found.seen(key, STRANGERS)) for key in keys}
    verdicts: list[Verdict] = []
    for model, share in cases.items():
        if model == "published":
            verdicts.append(above(share, 0.05))
        elif model == "ids":
            verdicts.append(below(share, 0.05))
    return Prediction(
        expected="The toy of three agents: published models claim edges between agents that never influence each other, in "
        "more than 5 % of such pairs, those that see identities do not.",
        found=f"share of such pairs: {'; '.join(f'{model}: {share.text}' for model, share in cases.items())}.",
        verdict=together(verdicts),
    )


def _beside_a_policy(found: Found) -> Prediction:
    cases = [(key, found.f1(key, CHANGES if key[0] in ROOMS else ALL)) for key in found.of((*ROOMS, *FIVE), (CO_TRAINED,))]
    text, verdict = _level(cases, lambda interval: above(interval, 0.8))
    return Prediction(
        expected="Learned beside a policy the graph is as right: F1 above 0.8 (rooms: where the door moves).",
        found=f"F1: {text}.",
        verdict=verdict,
    )


# Tables


def _agreement_table(found: Found) -> Table:
    rows: list[list[Cell]] = []
    for (world, model), fits in found.fits.items():
        for kind in dict.fromkeys(kind for fit in fits for kind in fit.seen):
            seen = found.seen((world, model), kind)
            agreements = [each.agreement["observation"] for each in seen]
            judged = len(seen) > 1 and all(agreement.density > 0 for agreement in agreements)
            spread: list[Cell] = [*interval_of(each.f1 for each in agreements)] if judged else [None] * 3
            rows.append(
                [
                    *(world, model, kind, len(seen), mean_of(fit.mean_return for fit in fits)),
                    *(mean_of(getattr(agreement, name) for agreement in agreements) for name in ("precision", "recall")),
                    *(*spread, mean_of(agreement.auroc for agreement in agreements)),
                    *(mean_of(each.out_degree for each in seen), mean_of(each.true_out_degree for each in seen)),
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


def _oracles_table(found: Found) -> Table:
    rows: list[list[Cell]] = []
    for (world, model), fits in found.fits.items():
        if world == TOY:
            continue
        for oracle in ORACLES:
            agreements = [fit.seen[ALL].agreement[oracle] for fit in fits]
            names = ("density", "precision", "recall", "f1", "auroc")
            rows.append([world, model, oracle, *(mean_of(getattr(each, name) for each in agreements) for name in names)])
    return Table.of(
        "The same graphs beside each oracle, all steps, mean over seeds",
        ("world", "models", "seen in", "true density", "precision", "recall", "F1", "AUROC"),
        rows,
    )


def _curve_table(found: Found) -> Table:
    rows: list[list[Cell]] = []
    for (world, model), fits in found.fits.items():
        for place, (steps, _) in enumerate(fits[0].curve):
            seen = [fit.curve[place][1] for fit in fits]
            agreements = [each.agreement["observation"] for each in seen]
            rows.append(
                [
                    *(world, model, steps, mean_of(each.f1 for each in agreements), mean_of(each.auroc for each in agreements)),
                    mean_of(each.out_degree for each in seen),
                ]
            )
    return Table.of(
        "On the way: after so many gradient steps, beside the observation oracle, all steps, mean over seeds",
        ("world", "models", "gradient steps", "F1", "AUROC", "out-degree"),
        rows,
    )
