"""Study interval-coverage.

Question: how often do the intervals of IQMs hold the true value, and how often is a difference seen among equal variants?
Design: worlds with known score distributions; runs are drawn from them again and again, for 1 and 6 tasks and 2 to 10 seeds.
Before: the percentile bootstrap, and pairs that differ where the percentile interval of their difference excludes 0. Now: the
rules of benchmark/analysis/statistics, called as the report calls them. The true value is the IQM of the distributions
themselves. A sample without an interval counts neither for nor against it.
Predictions: an interval of 5 seeds or more holds the true value in 92 of 100 samples or more, in every world; among 8 equal
variants, some pair differs in at most 5 of 100 samples. Before, neither held.
Limit: where 7 of 10 runs reach a score of 1 and the others 0, five seeds are all alike in one sample of six. Such a sample
does not show that there are others, and its interval misses the true value by any rule that gives five equal runs a short one.
Source: ours, after Agarwal et al. 2021, arXiv 2108.13264 (the bootstrap), and Hesterberg 2015, arXiv 1411.5279 (few runs).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from algorithms.seeds import derive
from benchmark.analysis.statistics.over_tasks import ResampledIqm, iqm_over_tasks, resampled_iqm
from benchmark.analysis.statistics.pairs import ALPHA, Sample, ranks
from benchmark.analysis.statistics.resampling import SMALLEST_SAMPLE, Array, Draws, percentiles
from benchmark.analysis.statistics.resolution import Scale
from benchmark.experiments.study_result import Cell, Findings, Prediction, Progress, Table, Verdict
from benchmark.papers.toolkit.estimators import Interval, share

SEED = 2021
EPISODES = 32
LEVELS = {1: (0.5,), 6: (0.2, 0.35, 0.5, 0.6, 0.75, 0.9)}
"""The mean score on each task."""
WIDE = (0.02, 0.05, 0.1, 0.2, 0.1, 0.02)
SPREAD = 0.1
VARIANTS = 8
LEAST_COVERAGE = 0.92
TRUTH_RUNS = 200_000
"""Runs a task from which the true IQM of a world is computed; its standard error is below 0.001."""

Draw = Callable[[np.random.Generator, int, int, float], list[Array]]
"""(generator, runs, tasks, standard deviation of a run where the world has one) -> scores by task."""


def _normal(random: np.random.Generator, n: int, tasks: int, spread: float) -> list[Array]:
    return [random.normal(level, spread, n) for level in LEVELS[tasks]]


def _unequal(random: np.random.Generator, n: int, tasks: int, spread: float) -> list[Array]:
    return [random.normal(level, wide * spread / SPREAD, n) for level, wide in zip(LEVELS[tasks], WIDE, strict=False)]


def _skewed(random: np.random.Generator, n: int, tasks: int, spread: float) -> list[Array]:
    return [level + spread * (random.exponential(1, n) - 1) for level in LEVELS[tasks]]


def _rates(random: np.random.Generator, n: int, tasks: int, spread: float) -> list[Array]:
    chances = [random.beta(8 * level, 8 * (1 - level), n) for level in LEVELS[tasks]]
    return [random.binomial(EPISODES, chance) / EPISODES for chance in chances]


def _solved_or_not(solved: float) -> Draw:
    def draw(random: np.random.Generator, n: int, tasks: int, spread: float) -> list[Array]:
        return [(random.random(n) < solved).astype(np.float64) for _ in range(tasks)]

    return draw


@dataclass(frozen=True)
class World:
    """A distribution of scores. `rate`: they are success rates over EPISODES episodes."""

    name: str
    draw: Draw
    rate: bool = False

    @property
    def scale(self) -> Scale | None:
        return Scale(EPISODES, 0.0, 1.0, rate=True) if self.rate else None


NORMAL = World("normal", _normal)
SKEWED = World("skewed (exponential)", _skewed)
RATES = World("success rates (beta)", _rates, rate=True)
BIMODAL = World("half of the runs solve, half fail", _solved_or_not(0.5), rate=True)
UNEQUAL = World("normal, spread unequal between tasks", _unequal)
WORLDS = {1: (NORMAL, SKEWED, RATES, BIMODAL), 6: (NORMAL, UNEQUAL, SKEWED, RATES, BIMODAL)}
LIMIT = World("7 of 10 runs solve, 3 fail", _solved_or_not(0.7), rate=True)
FAMILIES = (
    ("normal", NORMAL, (SPREAD,) * VARIANTS),
    ("normal, spread unequal between variants", NORMAL, tuple(0.02 * (1 + k) for k in range(VARIANTS))),
    ("success rates (beta)", RATES, (SPREAD,) * VARIANTS),
    ("half of the runs solve, half fail", BIMODAL, (SPREAD,) * VARIANTS),
)


@dataclass(frozen=True)
class Size:
    """Numbers of seeds; samples of each case of coverage and of pairs, and the resamples of each."""

    seeds: tuple[int, ...]
    samples: int
    families: int
    resamples: int


FULL = Size((2, 3, 5, 7, 10), 1000, 400, 500)
QUICK = Size((3, 5), 20, 4, 100)


@dataclass(frozen=True)
class Coverage:
    """How many samples' intervals hold the true value, of how many that have one, and their mean width; before and now."""

    before: Interval
    before_width: float
    now: Interval | None
    now_width: float | None
    without: int


@dataclass(frozen=True)
class Errors:
    """In how many samples some pair of equal variants differs, before and now."""

    before: Interval
    now: Interval


def study(quick: bool, progress: Progress) -> Findings:
    """Runs the study; `quick` takes few samples."""
    size = QUICK if quick else FULL
    cases = [(tasks, n, world) for tasks in (1, 6) for world in (*WORLDS[tasks], LIMIT) for n in size.seeds]
    families = [(tasks, n, family) for tasks in (1, 6) for family in FAMILIES for n in size.seeds]
    total = len(cases) + len(families)
    covered, errors = {}, {}
    for number, (tasks, n, world) in enumerate(cases):
        progress(number, total, _words((tasks, n, world.name)))
        covered[tasks, n, world.name] = coverage(world, tasks, n, size)
    for number, (tasks, n, family) in enumerate(families, start=len(cases)):
        progress(number, total, f"pairs: {_words((tasks, n, family[0]))}")
        errors[tasks, n, family[0]] = familywise(family[1], family[2], tasks, n, size)
    progress(total, total, "done")
    return findings(size, covered, errors)


def true_iqm(world: World, tasks: int) -> float:
    """The IQM of a world's own distributions."""
    values = np.sort(np.concatenate(world.draw(np.random.default_rng(derive(SEED, "truth")), TRUTH_RUNS, tasks, SPREAD)))
    return float(values[len(values) // 4 : len(values) - len(values) // 4].mean())


def coverage(world: World, tasks: int, n: int, size: Size) -> Coverage:
    """Of the IQM over `tasks` tasks of `n` runs each."""
    truth, random = true_iqm(world, tasks), np.random.default_rng(derive(SEED, world.name, tasks, n))
    before, now = [], []
    for _ in range(size.samples):
        values = world.draw(random, n, tasks, SPREAD)
        draws = _draws(random, n, tasks, size.resamples)
        before.append(tuple(float(end) for end in percentiles(resampled_iqm(values, draws).samples)))
        interval = iqm_over_tasks(values, draws, [world.scale] * tasks)[1]
        if interval is not None:
            now.append(interval)
    return Coverage(
        _holding(before, truth),
        _width(before),
        _holding(now, truth) if now else None,
        _width(now) if now else None,
        size.samples - len(now),
    )


def familywise(world: World, spreads: Sequence[float], tasks: int, n: int, size: Size) -> Errors:
    """Of variants whose scores have the same means, and these standard deviations where the world has one."""
    random = np.random.default_rng(derive(SEED, "pairs", world.name, str(spreads), tasks, n))
    before = now = 0
    for _ in range(size.families):
        variants = [
            Sample(
                tuple(world.draw(random, n, tasks, spread)),
                tuple(_draws(random, n, tasks, size.resamples)),
                (world.scale,) * tasks,
            )
            for spread in spreads
        ]
        found = [resampled_iqm(sample.values, sample.draws) for sample in variants]
        before += any(_excludes_nothing(one, other) for one, other in combinations(found, 2))
        now += not ranks(variants, [one.value for one in found]).tied.all()
    return Errors(share(before, size.families), share(now, size.families))


def _draws(random: np.random.Generator, n: int, tasks: int, resamples: int) -> list[Draws]:
    return [random.integers(n, size=(resamples, n)) for _ in range(tasks)]


def _excludes_nothing(one: ResampledIqm, other: ResampledIqm) -> bool:
    """The earlier rule: the percentile interval of the difference excludes 0."""
    low, high = percentiles(one.samples - other.samples)
    return bool(low > 0 or high < 0)


def _holding(intervals: Sequence[tuple[float, ...]], truth: float) -> Interval:
    return share(sum(low - 1e-9 <= truth <= high + 1e-9 for low, high in intervals), len(intervals))


def _width(intervals: Sequence[tuple[float, ...]]) -> float:
    return float(np.mean([high - low for low, high in intervals]))


# Findings


def findings(size: Size, covered: dict[tuple[int, int, str], Coverage], errors: dict[tuple[int, int, str], Errors]) -> Findings:
    """Design, predictions and tables from the counts."""
    within = {case: one for case, one in covered.items() if case[2] != LIMIT.name}
    return Findings(
        design=(
            f"{size.samples:,} samples of each case of coverage, {size.families:,} of each of pairs, {size.resamples:,} "
            f"resamples of each; seeds derived from {SEED}. Mean scores {LEVELS[1][0]} on one task, "
            f"{', '.join(map(str, LEVELS[6]))} on six; standard deviation {SPREAD} where no other is given; success rates over "
            f"{EPISODES} episodes. Before: "
            f"percentile bootstrap, pairs not corrected for their number. Now: no interval below {SMALLEST_SAMPLE} seeds, else "
            "the stretched bootstrap; t tests of IQMs and of means with Holm's correction. The true value is the IQM of the "
            "distributions. Brackets: Wilson's 95 % intervals of the shares."
        ),
        predictions=(_coverage_prediction(within), _error_prediction(errors), _before(within, errors)),
        tables=(
            _coverage_table("How often the 95 % interval of the IQM holds the true value", within),
            _error_table(errors),
            _coverage_table(
                "The limit: runs that happen to be all alike",
                {case: one for case, one in covered.items() if case not in within},
            ),
        ),
    )


def _coverage_prediction(covered: dict[tuple[int, int, str], Coverage]) -> Prediction:
    given = {case: one.now for case, one in covered.items() if one.now is not None}
    case, least = min(given.items(), key=lambda pair: pair[1].value)
    verdict: Verdict = "supported" if least.value >= LEAST_COVERAGE else "undecided"
    if any(one.high < LEAST_COVERAGE for one in given.values()):
        verdict = "not supported"
    return Prediction(
        expected=f"The interval of {SMALLEST_SAMPLE} seeds or more holds the true IQM in {LEAST_COVERAGE:.0%} of the samples.",
        found=f"At least {least.text} ({_words(case)}), of {len(given)} cases.",
        verdict=verdict,
    )


def _error_prediction(errors: dict[tuple[int, int, str], Errors]) -> Prediction:
    case, most = max(((case, one.now) for case, one in errors.items()), key=lambda pair: pair[1].value)
    verdict: Verdict = "supported" if most.value <= ALPHA else "undecided"
    if any(one.now.low > ALPHA for one in errors.values()):
        verdict = "not supported"
    return Prediction(
        expected=f"Among {VARIANTS} equal variants some pair differs in at most {ALPHA:.0%} of the samples.",
        found=f"At most {most.text} ({_words(case)}), of {len(errors)} cases.",
        verdict=verdict,
    )


def _before(covered: dict[tuple[int, int, str], Coverage], errors: dict[tuple[int, int, str], Errors]) -> Prediction:
    case, least = min(((case, one.before) for case, one in covered.items()), key=lambda pair: pair[1].value)
    worst, most = max(((case, one.before) for case, one in errors.items()), key=lambda pair: pair[1].value)
    held = least.low > LEAST_COVERAGE or most.high < ALPHA
    return Prediction(
        expected="By the earlier rules neither held: intervals were too narrow, and equal variants differed.",
        found=f"Coverage down to {least.text} ({_words(case)}); some pair differed in up to {most.text} ({_words(worst)}).",
        verdict="not supported" if held else "supported" if least.high < LEAST_COVERAGE and most.low > ALPHA else "undecided",
    )


def _words(case: tuple[int, int, str]) -> str:
    tasks, n, world = case
    return f"{world}, {n} seeds, {tasks} task{'s' if tasks > 1 else ''}"


def _coverage_table(caption: str, covered: dict[tuple[int, int, str], Coverage]) -> Table:
    rows: list[list[Cell]] = []
    for (tasks, n, world), one in covered.items():
        rows.append([world, tasks, n, one.before.text, one.before_width, one.now.text if one.now else "no interval"])
        rows[-1] += [one.now_width, one.without if n >= SMALLEST_SAMPLE else None]
    columns = ("scores", "tasks", "seeds", "before", "width before", "now", "width now", "samples without spread")
    return Table.of(caption, columns, rows)


def _error_table(errors: dict[tuple[int, int, str], Errors]) -> Table:
    rows: list[list[Cell]] = [[world, tasks, n, one.before.text, one.now.text] for (tasks, n, world), one in errors.items()]
    return Table.of(
        f"How often some pair of {VARIANTS} equal variants differs significantly",
        ("scores", "tasks", "seeds", "before", "now"),
        rows,
    )
