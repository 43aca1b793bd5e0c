"""Study credit-recovery.

Question: do reward models recover exactly known credit, and what do weights over time, weights over agents and coalitions add?
Design: models fitted to returns (credit_fits.py) in three kinds of worlds (credit_worlds.py): the return is a sum of terms of
single agents, which every model can represent; agents earn it only together, where a model must look at the other agents; it
is a product over blocks of time. Scores are compared with the true credit on held-out episodes.
Predictions: the functions that return a `Prediction`, written before the measurement.
Source: experiments E2, E3 and E6 of the STAS specification, E-18 of the TAR2 specification.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmark.experiments.study_result import Cell, Findings, Prediction, Progress, Table, Verdict, together
from benchmark.papers.stas.credit_fits import (
    FULL,
    LAW_GAME,
    METHODS,
    QUICK,
    Array,
    Fit,
    LawFit,
    Measurements,
    game_name,
    measure,
)
from benchmark.papers.stas.credit_worlds import ADDITIVE, STEPS, WORK, additive_bound
from benchmark.papers.toolkit.estimators import Interval, above, below, mean_interval, power_law, with_interval
from benchmark.papers.toolkit.reward_model_fits import SMALL_MODEL

BETTER_BY = 0.05
"""The expected gain in Pearson correlation by Shapley's sampling laws."""


def study(quick: bool, progress: Progress) -> Findings:
    """Runs the study; `quick` uses few episodes and gradient steps."""
    return findings(measure(QUICK if quick else FULL, progress))


def findings(measured: Measurements) -> Findings:
    """Design, predictions and tables from the measurements."""
    size = measured.size
    return Findings(
        design=(
            f"Models of width {SMALL_MODEL['width']}, {SMALL_MODEL['heads']} heads and depth {SMALL_MODEL['depth']} (STAS-ML "
            f"{METHODS['stas-ml']['depth']}; AREL per agent, without its variance term), {size.steps} gradient steps "
            f"({size.law_steps} in synergy) of {SMALL_MODEL['batch_episodes']} out of {size.train} episodes of {STEPS} steps, "
            f"evaluated on {size.held_out} others. Additive worlds: 3 agents; u = weight (x^2 + [action 1] max(0, y)), where "
            f"{'; '.join(f'{kind}: {text}' for kind, text in ADDITIVE.items())}. Synergy n-bK: every agent is able half of the "
            f"time, works {WORK:.0%} of the time; k of n at work earn (k/n)^K, `and`: 1 if k = n, else 0; xB: the product "
            "over B blocks of time. Spearman: within an episode, mean over episodes; Pearson: over everything. Intervals: "
            "Student's t, 95 %, over episodes or over seeds (new data and new weights)."
        ),
        predictions=(
            _fits_and_ranks(measured),
            _parts(measured),
            _synergy(measured),
            _beyond_the_bound(measured),
            _layers(measured),
            _all_ones(measured),
            _shapley_laws(measured),
            _noise(measured),
        ),
        tables=(additive_table(measured), games_table(measured), laws_table(measured), noise_table(measured)),
    )


# Tables


def additive_table(measured: Measurements) -> Table:
    """Quality of the fits in the additive worlds."""
    rows: list[list[Cell]] = []
    for kind, fits in measured.additive.items():
        for fit in fits:
            for estimate, correlations in fit.spearman.items():
                first = estimate == "scores"
                rows.append(
                    [
                        *(kind, fit.method, "scores" if first else f"shares: {estimate}", fit.r2 if first else None),
                        *(fit.pearson if first else None, *mean_interval(correlations), fit.noise if first else None),
                    ]
                )
    return Table.of(
        "Additive worlds, held-out episodes; shares of TAR2 by which weights are learned (the others are equal parts)",
        ("world", "model", "judged", "R2 of the return", "Pearson", *with_interval("Spearman"), "noise ratio"),
        rows,
    )


def games_table(measured: Measurements) -> Table:
    """Quality of the fits in the synergy games."""
    rows: list[list[Cell]] = []
    for game, fits in measured.games.items():
        for fit in fits:
            ranks: list[Cell] = [*mean_interval(fit.spearman["scores"])] if fit.spearman else [None, None, None]
            bound = additive_bound(*game)
            rows.append([game_name(game), fit.method, fit.r2, bound, fit.pearson, *ranks, fit.noise])
    return Table.of(
        "Synergy games, held-out episodes; the bound is the R2 of the best sum of terms of one agent at one step each",
        ("game", "model", "R2 of the return", "bound", "Pearson", *with_interval("Spearman"), "noise ratio"),
        rows,
    )


def laws_table(measured: Measurements) -> Table:
    """Quality of STAS by sampling law of coalitions."""
    rows = []
    for law, coalitions in dict.fromkeys((fit.law, fit.coalitions) for fit in measured.laws):
        chosen = _by_law(measured, law, coalitions)
        row: list[Cell] = [law, coalitions if law not in ("all", "exact") else None, len(chosen)]
        for value in (_r2, _pearson, _spearman, _ratio):
            row += mean_interval([value(fit.fit) for fit in chosen])
        rows.append(row)
    return Table.of(
        f"STAS on synergy {game_name(LAW_GAME)} by the law of its coalitions, mean over seeds",
        (
            *("law", "coalitions", "seeds", *with_interval("R2 of the return"), *with_interval("Pearson")),
            *(*with_interval("Spearman"), *with_interval("noise ratio")),
        ),
        rows,
    )


def noise_table(measured: Measurements) -> Table:
    """Noise of one model by number of coalitions."""
    return Table.of(
        f"Noise of one STAS model (independent masks, trained with 5, synergy {game_name(LAW_GAME)}) by coalitions drawn: "
        "deviation over draws / deviation over data",
        ("coalitions", "noise ratio", "times the root of coalitions"),
        [(coalitions, ratio, ratio * coalitions**0.5) for coalitions, ratio in measured.noise.items()],
    )


def _r2(fit: Fit) -> float:
    return fit.r2


def _pearson(fit: Fit) -> float:
    assert fit.pearson is not None
    return fit.pearson


def _spearman(fit: Fit) -> float:
    return float(fit.spearman["scores"].mean())


def _ratio(fit: Fit) -> float:
    assert fit.noise is not None
    return fit.noise


def _by_law(measured: Measurements, law: str, coalitions: int) -> list[LawFit]:
    return [fit for fit in measured.laws if (fit.law, fit.coalitions) == (law, coalitions)]


# Predictions


def _of(fits: list[Fit], method: str) -> Fit:
    return next(fit for fit in fits if fit.method == method)


def _fits_and_ranks(measured: Measurements) -> Prediction:
    even = measured.additive["even"]
    chosen = [_of(even, method) for method in ("arel", "stas", "tar2")]
    texts = [f"{fit.method} {fit.r2:.3f} and {mean_interval(fit.spearman['scores']).text}" for fit in chosen]
    verdicts: list[Verdict] = [above(mean_interval(fit.spearman["scores"]), 0.8) for fit in chosen]
    verdicts += ["supported" if fit.r2 >= 0.95 else "not supported" for fit in chosen]
    return Prediction(
        expected="On the even additive world AREL per agent, STAS and TAR2 reach an R2 of at least 0.95 and a Spearman "
        "correlation of at least 0.8.",
        found=f"R2 and Spearman: {'; '.join(texts)}.",
        verdict=together(verdicts),
    )


def _parts(measured: Measurements) -> Prediction:
    comparisons = [(kind, "both", part) for kind in ADDITIVE for part in ("time", "agents")]
    comparisons += [(kind, part, "neither") for kind in ADDITIVE for part in ("time", "agents")]
    comparisons += [("roles", "agents", "time"), ("rare", "time", "agents")]
    texts, verdicts = [], []
    for kind, more, less in comparisons:
        ranks = _of(measured.additive[kind], "tar2").spearman
        difference = mean_interval(ranks[more] - ranks[less])
        verdicts.append(above(difference, 0.0))
        texts.append(f"{kind}: {more} - {less} {difference.text}")
    return Prediction(
        expected="Shares of TAR2 rank credit better with both weights learned than with one, with either better than with "
        "equal parts; agents' weights add more where roles differ, the steps' where events are rare.",
        found=f"differences of Spearman: {'; '.join(texts)}.",
        verdict=together(verdicts),
    )


def _synergy(measured: Measurements) -> Prediction:
    chosen = [(game_name(game), _of(fits, "stas")) for game, fits in measured.games.items()]
    chosen = [(name, fit) for name, fit in chosen if name in ("3-b1", "5-b1", "5-and")]
    held = [(_pearson(fit) >= 0.9) if name.endswith("b1") else (_pearson(fit) <= 0.6) for name, fit in chosen]
    return Prediction(
        expected="STAS: Pearson correlation with the credit of at least 0.9 without synergy (b1), at most 0.6 for 5-and.",
        found=f"{'; '.join(f'{name}: {_pearson(fit):.3f}' for name, fit in chosen)}.",
        verdict="supported" if all(held) else "not supported",
    )


def _beyond_the_bound(measured: Measurements) -> Prediction:
    chosen = [(game_name(game), _of(fits, "stas").r2, additive_bound(*game)) for game, fits in measured.games.items()]
    chosen = [each for each in chosen if each[2] < 1 - 1e-9]
    return Prediction(
        expected="With synergy STAS explains more of the return than any sum of terms of single agents can.",
        found=f"R2 against the bound: {'; '.join(f'{name}: {r2:.3f}, {bound:.3f}' for name, r2, bound in chosen)}.",
        verdict="supported" if all(r2 > bound for _, r2, bound in chosen) else "not supported",
    )


def _layers(measured: Measurements) -> Prediction:
    fits = next(fits for game, fits in measured.games.items() if game_name(game) == "5-and")
    one, several = _of(fits, "stas"), _of(fits, "stas-ml")
    return Prediction(
        expected="Where all must work (5-and) STAS-ML fits the return and ranks credit better than STAS.",
        found=f"R2 {several.r2:.3f} against {one.r2:.3f}, Pearson {_pearson(several):.3f} against {_pearson(one):.3f}.",
        verdict="supported" if several.r2 > one.r2 and _pearson(several) > _pearson(one) else "not supported",
    )


def _difference(
    measured: Measurements, value: Callable[[Fit], float], more: tuple[str, int], less: tuple[str, int]
) -> Interval:
    """The mean difference between two laws over seeds; both laws see the same data per seed."""
    first, second = (np.array([value(fit.fit) for fit in _by_law(measured, *law)]) for law in (more, less))
    differences: Array = first - second
    return mean_interval(differences)


def _all_ones(measured: Measurements) -> Prediction:
    fit = _difference(measured, _r2, ("all", 1), ("banzhaf_masks", 5))
    credit = _difference(measured, _pearson, ("banzhaf_masks", 5), ("all", 1))
    return Prediction(
        expected=f"Without masks STAS fits the return no worse but recovers the credit less well ({game_name(LAW_GAME)}).",
        found=f"R2 without masks minus with 5: {fit.text}; Pearson with minus without: {credit.text}.",
        verdict=together([above(fit, 0.0, strictly=False), above(credit, 0.0)]),
    )


def _shapley_laws(measured: Measurements) -> Prediction:
    laws = [("permutation", 5), ("owen", 5), ("exact", 1)]
    laws = [law for law in laws if _by_law(measured, *law)]
    gains = [(law, _difference(measured, _pearson, law, ("banzhaf_masks", 5))) for law in laws]
    return Prediction(
        expected=f"Coalitions by Shapley's laws recover the credit of {game_name(LAW_GAME)} better than independent masks, by "
        f"{BETTER_BY} of Pearson correlation or more.",
        found=f"differences to 5 masks: {'; '.join(f'{law}: {gain.text}' for (law, _), gain in gains)}.",
        verdict=together([above(gain, BETTER_BY) for _, gain in gains]),
    )


def _noise(measured: Measurements) -> Prediction:
    law = power_law(list(measured.noise), list(measured.noise.values()))
    return Prediction(
        expected="The noise of the scores over draws falls as the root of the number of coalitions: exponent -0.5, within 0.1.",
        found=f"exponent {law.text}; ratio {measured.noise[1]:.2f} with one coalition, {measured.noise[5]:.2f} with 5.",
        verdict=together([above(law, -0.6), below(law, -0.4)]),
    )
