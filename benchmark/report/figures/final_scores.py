"""Figures of single numbers: the final score of every run, speed and seconds, and own runs beside committed ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from benchmark.analysis.schema import REWARD_MODEL, Methods, Reproduction, RunRow, SuiteReport, TaskReport
from benchmark.report import formatting
from benchmark.report.figure_style import INK, MUTED, RULE, Cell, Data, Plot, counted, name_margin, row_names, subplots
from benchmark.report.figures.learning_curves import measure, stem
from benchmark.report.palette import Style, shortened

PHASES = ("#0b5394", "#6fa8dc", "#e69f00", "#8a949e", "#009e73", "#aa3377", "#c9d1d9")


def finals(
    suite: SuiteReport, task: TaskReport, runs: Sequence[RunRow], style: Mapping[str, Style], methods: Methods
) -> Plot | None:
    """Every run's final score as a dot, the mean with its interval, and the published return where there is one."""
    by_success = task.score == "success"
    found = [(row, row.final_success if by_success else row.final_return) for row in task.table]
    known = sorted(
        ((row, summary.mean) for row, summary in found if summary.mean is not None),
        key=lambda pair: (-pair[1].value, pair[0].variant),
    )
    if not known:
        return None
    rows = [row for row, _ in known]
    own: dict[str, list[tuple[int, float, bool]]] = defaultdict(list)
    for run in runs:
        for name in run.planned:
            value = run.final_success if by_success else run.final_return
            if name.suite == suite.name and run.task == task.task and value is not None:
                own[name.variant].append((run.seed, value, run.scored_as_random))
    figure, (axes,) = subplots(
        1, 1, height=0.36 * len(rows) + 0.1, left=name_margin([row.variant for row in rows]), top=0.3, bottom=0.5
    )
    data: list[tuple[Cell, ...]] = []
    for place, (row, mean) in enumerate(known):
        look, dots = style[row.variant], sorted(own[row.variant])
        offsets = np.linspace(-0.22, 0.22, len(dots)) if len(dots) > 1 else np.zeros(len(dots))
        for (seed, value, failed), offset in zip(dots, offsets, strict=True):
            axes.plot(
                [value],
                [place + offset],
                marker="x" if failed else "o",
                color=INK if failed else look.colour,
                markersize=4.5 if failed else 3.2,
                alpha=1 if failed else 0.6,
                markeredgewidth=1.3 if failed else 0,
            )
            data.append((row.variant, "run", seed, value, None, None))
        ends = mean.interval
        if ends is not None:
            axes.plot([ends.low, ends.high], [place, place], color=look.colour, linewidth=6.5, alpha=0.3, solid_capstyle="butt")
        axes.plot([mean.value], [place], marker="|", markersize=13, markeredgewidth=2.2, color=look.colour)
        data.append((row.variant, "mean", None, mean.value, ends.low if ends else None, ends.high if ends else None))
        if row.published is not None and not by_success:
            axes.plot([row.published], [place], marker="D", markersize=6.5, color="none", markeredgecolor=INK, zorder=5)
            data.append((row.variant, "published", None, row.published, None, None))
    row_names(axes, [row.variant for row in rows])
    _references(axes, task)
    axes.set_xlabel(f"final {measure(task)}")
    published = not by_success and any(row.published is not None for row in rows)
    digits = formatting.digits_for(mean.value for _, mean in known)
    listing = [f"{row.variant} {formatting.estimated(mean, digits)}" for row, mean in known[:12]]
    return Plot(
        name=f"{stem(suite, task)}-finals",
        title="Final scores",
        figure=figure,
        data=Data(("variant", "what", "seed", "value", "low", "high"), tuple(data)),
        alt=f"Final {measure(task)} on {task.task}, mean over runs: {'; '.join(listing)}.",
        caption=(
            f"Final {measure(task)} of every run (dots; a cross is a diverged run, scored as the random policy), "
            f"mean (upright line) and its interval (bar){'; open diamonds are published values' if published else ''}. "
            + formatting.task_basis((row.n_found for row in rows), methods)
        ),
    )


def speed(runs: Sequence[RunRow], style: Mapping[str, Style]) -> Plot | None:
    """Environment steps per second of every run, by variant."""
    by_variant: dict[str, list[RunRow]] = defaultdict(list)
    for run in runs:
        if run.steps_per_second is not None:
            for name in sorted({planned.variant for planned in run.planned}):
                by_variant[name].append(run)
    if not by_variant:
        return None
    middle = {name: median(run.steps_per_second or 0.0 for run in found) for name, found in by_variant.items()}
    names = sorted(by_variant, key=lambda name: (-middle[name], name))
    figure, (axes,) = subplots(1, 1, height=0.34 * len(names) + 0.1, left=name_margin(names), right=0.9, top=0.15, bottom=0.5)
    data: list[tuple[Cell, ...]] = []
    for place, name in enumerate(names):
        found = sorted(by_variant[name], key=lambda run: (run.task, run.seed, run.fingerprint))
        values = [run.steps_per_second or 0.0 for run in found]
        offsets = np.linspace(-0.25, 0.25, len(values)) if len(values) > 1 else [0.0]
        axes.plot(
            values, place + np.asarray(offsets), "o", color=style[name].colour, markersize=3, alpha=0.5, markeredgewidth=0
        )
        axes.plot([middle[name]], [place], marker="|", markersize=14, markeredgewidth=2.2, color=style[name].colour)
        axes.annotate(
            counted(middle[name]), (1.02, place), xycoords=axes.get_yaxis_transform(), va="center", annotation_clip=False
        )
        data += [(name, run.task, run.seed, run.steps_per_second, run.fingerprint[:12]) for run in found]
    row_names(axes, names)
    _speeds(axes, [run.steps_per_second or 1.0 for found in by_variant.values() for run in found])
    axes.set_xlabel("environment steps per second (learning included)")
    listing = "; ".join(f"{name} {counted(middle[name])}" for name in names[:12])
    return Plot(
        name="speed",
        title="Environment steps per second",
        figure=figure,
        data=Data(("variant", "task", "seed", "steps_per_second", "fingerprint"), tuple(data)),
        alt=f"Median environment steps per second, learning included: {listing}.",
        caption=(
            "Every dot is a run, learning included, evaluation not; the upright line and the number are their median. "
            "Runs on different machines or under load do not compare."
        ),
    )


def phases(runs: Sequence[RunRow]) -> Plot | None:
    """Where the time of a run goes, by variant: mean seconds of each phase."""
    totals: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    counts: dict[str, int] = defaultdict(int)
    for run in runs:
        if run.seconds:
            for name in sorted({planned.variant for planned in run.planned}):
                counts[name] += 1
                for phase, seconds in _phases(run).items():
                    totals[name][phase] += seconds
    if not counts:
        return None
    kinds = sorted({phase for found in totals.values() for phase in found})
    means = {name: {phase: totals[name].get(phase, 0.0) / counts[name] for phase in kinds} for name in counts}
    names = sorted(means, key=lambda name: (sum(means[name].values()), name))
    figure, (axes,) = subplots(1, 1, height=0.32 * len(names) + 0.1, left=name_margin(names), right=0.9, top=0.4, bottom=0.5)
    for place, name in enumerate(names):
        start = 0.0
        for kind, phase in enumerate(kinds):
            axes.barh(
                place,
                means[name][phase],
                left=start,
                height=0.66,
                color=PHASES[kind % len(PHASES)],
                edgecolor="white",
                linewidth=0.7,
                label=phase if place == 0 else None,
            )
            start += means[name][phase]
        axes.annotate(
            formatting.duration(start), (1.02, place), xycoords=axes.get_yaxis_transform(), va="center", annotation_clip=False
        )
    row_names(axes, names)
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds per run, mean")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=min(len(kinds), 6), borderaxespad=0.2, handlelength=1.2)
    rows = tuple((name, phase, means[name][phase], counts[name]) for name in names for phase in kinds)
    listing = "; ".join(f"{name} {formatting.duration(sum(means[name].values()))}" for name in names[:12])
    return Plot(
        name="phases",
        title="Where the time goes",
        figure=figure,
        data=Data(("variant", "phase", "mean_seconds", "runs"), rows),
        alt=f"Mean seconds of a run by phase ({', '.join(kinds)}); whole runs take: {listing}.",
        caption="Mean wall-clock seconds of a run by phase, over all its runs with a record, failed ones included.",
    )


def reproduction(suite: SuiteReport, entries: Sequence[Reproduction], style: Mapping[str, Style]) -> Plot | None:
    """Own mean less the committed mean, within the interval in which it was expected."""
    found = [entry for entry in entries if entry.difference is not None and entry.committed_mean is not None]
    if not found:
        return None
    names = [f"{shortened(entry.task, 26)}  {shortened(entry.variant, 20)}" for entry in found]
    figure, (axes,) = subplots(
        1, 1, height=0.32 * len(found) + 0.1, left=name_margin(names, 50), right=1.0, top=0.3, bottom=0.5
    )
    data: list[tuple[Cell, ...]] = []
    for place, entry in enumerate(found):
        assert entry.committed_mean is not None
        assert entry.difference is not None
        ends, colour = entry.prediction, style[entry.variant].colour
        low, high = (ends.low - entry.committed_mean, ends.high - entry.committed_mean) if ends else (None, None)
        if low is not None and high is not None:
            axes.plot([low, high], [place, place], color=colour, linewidth=6.5, alpha=0.3, solid_capstyle="butt")
        axes.plot([entry.difference], [place], marker=style[entry.variant].mark, color=colour, markersize=6.5)
        axes.annotate(entry.verdict, (1.02, place), xycoords=axes.get_yaxis_transform(), va="center", annotation_clip=False)
        data.append((entry.task, entry.variant, entry.difference, low, high, entry.verdict))
    axes.axvline(0, color=RULE, linewidth=1.2, zorder=0)
    row_names(axes, names, most=50)
    axes.set_xlabel("own mean less committed mean, final score")
    counts = {verdict: sum(entry.verdict == verdict for entry in found) for verdict in sorted({e.verdict for e in found})}
    return Plot(
        name=f"{formatting.slug(suite.name)}-reproduction",
        title="Own runs against the committed ones",
        figure=figure,
        data=Data(("task", "variant", "difference", "expected_low", "expected_high", "verdict"), tuple(data)),
        alt=f"Differences between own and committed means: {', '.join(f'{n} {verdict}' for verdict, n in counts.items())}.",
        caption="Mark: mean of the own runs less that of the committed ones. Bar: its 95\u00a0% prediction interval.",
    )


def _phases(run: RunRow) -> dict[str, float]:
    """Seconds by phase, the reward model apart from the rest of the updates; under "other" what is left of the whole."""
    named = {phase: seconds for phase, seconds in run.seconds.items() if phase != "total"}
    if REWARD_MODEL in named and "update" in named:
        named["update"] -= named[REWARD_MODEL]
    rest = (run.total_seconds or 0.0) - sum(named.values())
    return {**named, "other": rest} if rest > 0 else named


def _references(axes: Axes, task: TaskReport) -> None:
    if task.reference is None:
        return
    low, high = axes.get_xlim()
    for value, label in ((task.reference.random, "random"), (task.reference.best, "best known")):
        if low - 0.25 * (high - low) <= value <= high + 0.25 * (high - low):
            axes.axvline(value, color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)), zorder=0)
            axes.annotate(
                label,
                (value, 1),
                xycoords=("data", "axes fraction"),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=7.5,
                color=MUTED,
            )


def _speeds(axes: Axes, values: Sequence[float]) -> None:
    """From 0 where the speeds are alike; else few round ticks on a logarithmic axis."""
    low, high = min(values), max(values)
    if high < 5 * low:
        axes.set_xlim(0, high * 1.06)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: counted(value)))
        return
    axes.set_xscale("log")
    axes.set_xlim(low / 1.25, high * 1.25)
    ticks = [m * 10.0**e for e in range(-1, 9) for m in (1, 2, 5) if low / 1.25 <= m * 10.0**e <= high * 1.25]
    while len(ticks) > 7:
        ticks = ticks[::2]
    axes.set_xticks(ticks, [counted(tick) for tick in ticks])
    axes.minorticks_off()
