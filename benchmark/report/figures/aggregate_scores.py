"""Figures over all tasks of a suite: aggregate estimates, their headline, profiles, sample efficiency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from benchmark.analysis.schema import Estimate, Methods, SuiteReport, VariantAggregate, VariantBand
from benchmark.report import formatting
from benchmark.report.figure_style import (
    MUTED,
    RULE,
    WIDTH,
    Cell,
    Data,
    Plot,
    band,
    curve,
    legend,
    legend_height,
    mark,
    name_margin,
    row_names,
    subplots,
)
from benchmark.report.palette import Style

PARTS = (
    ("iqm", "Interquartile mean"),
    ("median", "Median"),
    ("mean", "Mean"),
    ("optimality_gap", "Optimality gap (less is better)"),
)
ROW = 0.3


def by_iqm(aggregates: Sequence[VariantAggregate]) -> list[VariantAggregate]:
    """Those with an estimate, the highest interquartile mean first."""
    return sorted((entry for entry in aggregates if entry.iqm is not None), key=lambda entry: (-_iqm(entry), entry.variant))


def leading(suite: SuiteReport) -> str | None:
    """The variant with the highest IQM of those that take part in the ranking."""
    placed = {entry.variant for entry in suite.overall.ranks}
    return next((entry.variant for entry in by_iqm(suite.overall.final) if entry.variant in placed), None)


def headline(suite: SuiteReport, style: Mapping[str, Style], methods: Methods) -> Plot | None:
    """Interquartile mean of normalised final scores, with the numbers beside. None where no variant has one."""
    entries = by_iqm(suite.overall.final)
    if not entries:
        return None
    names = [entry.variant for entry in entries]
    figure, (axes,) = subplots(1, 1, height=ROW * len(entries) + 0.1, left=name_margin(names), right=2.1, top=0.3, bottom=0.5)
    _rows(axes, names, _status(suite))
    for row, entry in enumerate(entries):
        assert entry.iqm is not None
        mark(axes, row, entry.iqm, style[entry.variant])
        shown = formatting.number(entry.iqm.value)
        axes.text(1.03, row, shown, transform=axes.get_yaxis_transform(), va="center", fontweight="bold")
        shown = formatting.interval(entry.iqm) if not entry.iqm.runs else "no interval"
        axes.text(1.1, row, shown, transform=axes.get_yaxis_transform(), va="center", color=MUTED)
    axes.text(1.03, 1.02, "IQM", transform=axes.transAxes, va="bottom", color=MUTED)
    axes.text(1.1, 1.02, f"{formatting.sure(methods)} interval", transform=axes.transAxes, va="bottom", color=MUTED)
    _anchors(axes, [entry.iqm for entry in entries])
    axes.set_xlabel("normalised final score (0 random policy, 1 best known)")
    return Plot(
        name=f"{formatting.slug(suite.name)}-headline",
        title="Interquartile mean over all tasks",
        figure=figure,
        data=_aggregate_data(entries),
        alt=f"Interquartile mean of normalised final scores in suite {suite.title}: {_listing(entries)}.",
        caption=f"Interquartile mean (IQM) of normalised final scores{_dots(entries)}. "
        + formatting.aggregate_basis(suite, methods),
    )


def intervals(suite: SuiteReport, style: Mapping[str, Style], methods: Methods) -> Plot | None:
    """Interquartile mean, median, mean and optimality gap, one panel each (Agarwal et al. 2021)."""
    entries = by_iqm(suite.overall.final)
    if not entries:
        return None
    left = name_margin([entry.variant for entry in entries])
    figure, panels = subplots(1, 4, height=ROW * len(entries) + 0.1, left=left, across=0.26, top=0.42, bottom=0.5)
    for panel, (part, title) in zip(panels, PARTS, strict=True):
        found = [getattr(entry, part) for entry in entries]
        _rows(panel, [entry.variant for entry in entries] if panel is panels[0] else [""] * len(entries), _status(suite))
        for row, (entry, value) in enumerate(zip(entries, found, strict=True)):
            if value is not None:
                mark(panel, row, value, style[entry.variant])
        panel.set_title(title.replace(" (", "\n(") if "(" in title else title, fontsize=8.5)
        _anchors(panel, [value for value in found if value is not None])
        panel.xaxis.set_major_locator(MaxNLocator(4, prune="both"))
    figure.text(
        (left + (WIDTH - left - 0.15) / 2) / WIDTH,
        0.08 / figure.get_size_inches()[1],
        "normalised final score",
        ha="center",
        va="bottom",
        color=MUTED,
    )
    return Plot(
        name=f"{formatting.slug(suite.name)}-intervals",
        title="Aggregate scores",
        figure=figure,
        data=_aggregate_data(entries),
        alt=f"Aggregate normalised final scores in suite {suite.title}. Interquartile means: {_listing(entries)}.",
        caption=(
            f"Four aggregates of the same final scores, the highest IQM on top{_dots(entries)}. "
            f"{formatting.aggregate_basis(suite, methods)} "
            "The optimality gap is how far, on average, runs stay below the best known score."
        ),
    )


def profiles(suite: SuiteReport, style: Mapping[str, Style], methods: Methods) -> Plot | None:
    """Share of runs above each normalised score."""
    entries = suite.overall.profiles
    if not entries:
        return None
    thresholds = np.asarray(suite.overall.profile_thresholds)
    middle = int(np.argmin(np.abs(thresholds - 0.5)))
    shares = [(entry.variant, entry.values[middle]) for entry in entries]
    best = sorted(shares, key=lambda pair: (-pair[1], pair[0]))
    found = ", ".join(f"{name} {share:.0%}" for name, share in best[:8])
    return _bands(
        suite,
        entries,
        thresholds,
        style,
        name="profiles",
        title="Performance profiles",
        x_label="normalised final score τ",
        y_label="share of runs with a score above τ",
        alt=f"Share of runs with a normalised final score above {thresholds[middle]:.2f}: {found}.",
        caption="Share of runs that score above τ; a curve that lies higher everywhere is better. "
        + formatting.aggregate_basis(suite, methods),
        column="tau",
    )


def efficiency(suite: SuiteReport, style: Mapping[str, Style], methods: Methods) -> Plot | None:
    """Interquartile mean of normalised scores as training goes on."""
    entries = suite.overall.efficiency
    if not entries:
        return None
    fractions = np.asarray(suite.overall.efficiency_fractions)
    half = int(np.argmin(np.abs(fractions - 0.5)))
    found = ", ".join(
        f"{entry.variant} {formatting.number(entry.values[half])} half way and {formatting.number(entry.values[-1])} at the end"
        for entry in entries[:8]
    )
    return _bands(
        suite,
        entries,
        fractions,
        style,
        name="efficiency",
        title="Sample efficiency",
        x_label="share of each task's budget of environment steps",
        y_label="IQM of normalised scores",
        alt=f"Interquartile mean of normalised scores over training: {found}.",
        caption="IQM of normalised evaluation scores over the budget; bands are pointwise, dots are single seeds. "
        + formatting.aggregate_basis(suite, methods),
        column="budget_fraction",
    )


def _bands(
    suite: SuiteReport,
    entries: Sequence[VariantBand],
    x: np.ndarray,
    style: Mapping[str, Style],
    *,
    name: str,
    title: str,
    x_label: str,
    y_label: str,
    alt: str,
    caption: str,
    column: str,
) -> Plot:
    names = [entry.variant for entry in entries]
    figure, (axes,) = subplots(1, 1, height=3.0, left=0.6, top=legend_height(names) + 0.08)
    rows: list[tuple[Cell, ...]] = []
    for place, entry in enumerate(entries):
        values = np.asarray(entry.values)
        low, high = entry.low or (None,) * len(x), entry.high or (None,) * len(x)
        if entry.low is not None and entry.high is not None:
            band(axes, x, np.asarray(low, float), np.asarray(high, float), style[entry.variant])
        for run in entry.runs:
            axes.plot(x, run, ".", color=style[entry.variant].colour, markersize=2.6, alpha=0.5, markeredgewidth=0)
            rows += [(entry.variant, "seed", float(a), b, None, None) for a, b in zip(x, run, strict=True)]
        curve(axes, x, values, style[entry.variant], place)
        rows += [(entry.variant, "all", float(a), b, c, d) for a, b, c, d in zip(x, entry.values, low, high, strict=True)]
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_xlim(float(x[0]), float(x[-1]))
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    legend(figure, names, style, left=0.6)
    data = Data(("variant", "of", column, "value", "low", "high"), tuple(rows))
    return Plot(f"{formatting.slug(suite.name)}-{name}", title, figure, data, alt, caption)


def _dots(entries: Sequence[VariantAggregate]) -> str:
    """What the dots are, where there are any."""
    return "; dots: each seed over the tasks" if any(entry.iqm and entry.iqm.runs for entry in entries) else ""


def _rows(axes: Axes, names: Sequence[str], status: Mapping[str, str]) -> None:
    row_names(axes, names)
    for row, name in enumerate(names):
        if status.get(name, "ranked") != "ranked":
            axes.annotate(
                status[name],
                (0, row),
                xycoords=axes.get_yaxis_transform(),
                xytext=(-4, -10),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=6.5,
                color=MUTED,
                annotation_clip=False,
            )


def _anchors(axes: Axes, estimates: Sequence[Estimate | None]) -> None:
    """Room about the estimates, and lines at 0 (random) and 1 (best) where they are in view."""
    ends = [value for e in estimates if e is not None for value in (e.value, *e.runs)]
    ends += [end for e in estimates if e is not None and e.interval for end in (e.interval.low, e.interval.high)]
    low, high = min(ends), max(ends)
    room = max(0.06 * (high - low), 0.03)
    axes.set_xlim(low - room, high + room)
    for anchor in (0.0, 1.0):
        if low - room < anchor < high + room:
            axes.axvline(anchor, color=RULE, linewidth=1.2, linestyle=(0, (3, 2)), zorder=0)


def _status(suite: SuiteReport) -> dict[str, str]:
    return {entry.variant: entry.status for entry in suite.variants}


def _iqm(entry: VariantAggregate) -> float:
    assert entry.iqm is not None
    return entry.iqm.value


def _listing(entries: Sequence[VariantAggregate]) -> str:
    found = [f"{entry.variant} {formatting.estimated(entry.iqm)}" for entry in entries[:12]]
    return "; ".join(found) + (f"; {len(entries) - 12} more in the CSV" if len(entries) > 12 else "")


def _aggregate_data(entries: Sequence[VariantAggregate]) -> Data:
    rows: list[tuple[Cell, ...]] = []
    for entry in entries:
        for part, _ in PARTS:
            value: Estimate | None = getattr(entry, part)
            ends = value.interval if value else None
            numbers = (value.value if value else None, ends.low if ends else None, ends.high if ends else None)
            rows.append((entry.variant, "all", part, *numbers, entry.method))
            rows += [(entry.variant, "seed", part, run, None, None, entry.method) for run in (value.runs if value else ())]
    return Data(("variant", "of", "aggregate", "value", "low", "high", "method"), tuple(rows))
