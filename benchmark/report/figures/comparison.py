"""Figures that compare variants with each other: probability of improvement and ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from benchmark.analysis.schema import Improvement, Methods, SuiteReport
from benchmark.report import formatting
from benchmark.report.figure_style import INK, MUTED, RULE, WIDTH, Cell, Data, Plot, name_margin, row_names, subplots
from benchmark.report.figures.aggregate_scores import by_iqm, leading
from benchmark.report.palette import Style, shortened

# Orange through white to blue: distinguishable with every kind of colour vision, and by lightness in print.
DIVERGING = LinearSegmentedColormap.from_list("better", ["#b8510d", "#f3c9a5", "#ffffff", "#a9c9ea", "#0b5394"])
CELL = 0.44
SMALLEST_CELL = 0.28
FOREST = 1.3
"""Inches that are left for the probabilities of the leader."""
MOST = 18


def improvement(suite: SuiteReport, style: Mapping[str, Style], methods: Methods) -> Plot | None:
    """Probability of improvement: the leader against each other variant, and every pair. None below two variants."""
    pairs = {(entry.better, entry.than): entry for entry in suite.overall.improvement}
    names = [entry.variant for entry in by_iqm(suite.overall.final)]
    names = [name for name in names if any(name in pair for pair in pairs)]
    if len(names) < 2:
        return None
    leader, count = leading(suite) or names[0], len(names)
    letters = max(len(shortened(name, MOST)) for name in names)
    labels = 0.1 + 0.066 * letters
    left = 0.35 + labels + 0.36
    room = WIDTH - left - FOREST - 0.45 - 1.78 * labels
    n = min(count, int(room / SMALLEST_CELL))
    names = names[:n] if leader in names[:n] else [*names[: n - 1], leader]
    cell = min(CELL, room / n)
    side = cell * n
    top, bottom = 0.4 + 0.66 * labels, 0.55
    total = top + side + bottom
    figure = Figure(figsize=(WIDTH, total))
    # Room on the right for the last slanted label.
    matrix_left = WIDTH - side - max(0.15, 0.78 * labels - cell / 2)
    forest = figure.add_axes((left / WIDTH, bottom / total, (matrix_left - labels - 0.45 - left) / WIDTH, side / total))
    matrix = figure.add_axes((matrix_left / WIDTH, bottom / total, side / WIDTH, side / total))
    _forest(forest, leader, names, pairs, style)
    _matrix(matrix, names, pairs)
    forest.set_title(f"P({shortened(leader, MOST)} scores higher)")
    figure.text(
        min(matrix_left - labels, WIDTH - 2.75) / WIDTH,
        1 - 0.06 / total,
        "P(row scores higher than column), %",
        fontweight="bold",
        fontsize=9,
        va="top",
    )
    rows = tuple(_row(entry) for _, entry in sorted(pairs.items()))
    found = [
        f"over {name} {formatting.estimated(pairs[leader, name].probability)}" for name in names if (leader, name) in pairs
    ]
    return Plot(
        name=f"{formatting.slug(suite.name)}-improvement",
        title="Probability of improvement",
        figure=figure,
        data=Data(("better", "than", "n_tasks", "probability", "low", "high", "significant"), rows),
        alt=f"Probability that a run of {leader} scores higher than one of another variant: {'; '.join(found[:10])}.",
        caption=(
            f"Left: the probability that a run of {leader} scores higher than a run of each other variant, "
            "averaged over tasks, ties counting half; the dashed line is one half. Right: the same for every pair, in "
            f"per cent, bold where it differs from one half {formatting.pairs_basis(len(pairs) // 2)}. "
            + (f"The best {n} of {count} variants are shown; the data have all. " if n < count else "")
            + formatting.improvement_basis(suite, methods)
        ),
    )


def ranks(suite: SuiteReport, style: Mapping[str, Style], methods: Methods) -> Plot | None:
    """The places that the significant differences leave to each variant."""
    entries = sorted(suite.overall.ranks, key=lambda entry: (entry.rank, entry.variant))
    if len(entries) < 2:
        return None
    names = [entry.variant for entry in entries]
    height = 0.3 * len(entries) + 0.1
    figure, (axes,) = subplots(1, 1, height=height, left=name_margin(names), right=0.3, top=0.15, bottom=0.5)
    row_names(axes, names)
    for row, entry in enumerate(entries):
        colour = style[entry.variant].colour
        ends = [entry.low - 0.3, entry.high + 0.3]
        axes.plot(ends, [row, row], color=colour, linewidth=6.5, alpha=0.35, solid_capstyle="butt")
        axes.plot([entry.rank], [row], marker=style[entry.variant].mark, color=colour, markersize=6, markeredgecolor="white")
    axes.set_xlim(0.5, len(entries) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=20))
    axes.set_xlabel("place by interquartile mean")
    pairs = len(entries) * (len(entries) - 1) // 2
    found = [f"{entry.variant} place {entry.rank} (between {entry.low} and {entry.high})" for entry in entries[:12]]
    return Plot(
        name=f"{formatting.slug(suite.name)}-ranks",
        title="Places and how sure they are",
        figure=figure,
        data=Data(
            ("variant", "rank", "rank_low", "rank_high"),
            tuple((entry.variant, entry.rank, entry.low, entry.high) for entry in entries),
        ),
        alt=f"Places by IQM with {formatting.sure(methods)} intervals: {'; '.join(found)}.",
        caption=(
            "Mark: place by IQM. Bar: the places that a variant may have, because those that are significantly better come "
            f"before it and those that are significantly worse after it, {formatting.pairs_basis(pairs)}. "
            f"All bars are right at once with {formatting.sure(methods)} probability. "
            "Variants that are not ranked or preliminary take no part."
        ),
    )


def _forest(
    axes: Axes, leader: str, names: Sequence[str], pairs: Mapping[tuple[str, str], Improvement], style: Mapping[str, Style]
) -> None:
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(-0.02, 1.02)
    axes.axvline(0.5, color=MUTED, linewidth=1, linestyle=(0, (3, 2)), zorder=0)
    for row, name in enumerate(names):
        entry = pairs.get((leader, name))
        if entry is None:
            continue
        ends = entry.probability.interval
        colour = style[name].colour
        if ends is not None:
            axes.plot([ends.low, ends.high], [row, row], color=colour, linewidth=6.5, alpha=0.35, solid_capstyle="butt")
        axes.plot(
            [entry.probability.value], [row], marker=style[name].mark, color=colour, markersize=6, markeredgecolor="white"
        )
    labels = ["itself" if name == leader else f"than {shortened(name, MOST)}" for name in names]
    axes.set_yticks(range(len(names)), labels)
    for label in axes.get_yticklabels():
        label.set_color(INK)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "½", "", "1"])
    axes.set_xlabel("probability")
    axes.grid(False, axis="y")
    axes.spines["left"].set_visible(False)


def _matrix(axes: Axes, names: Sequence[str], pairs: Mapping[tuple[str, str], Improvement]) -> None:
    n = len(names)
    axes.set_xlim(0, n)
    axes.set_ylim(n, 0)
    axes.grid(False)
    axes.set_frame_on(False)
    for row, better in enumerate(names):
        for column, than in enumerate(names):
            entry = pairs.get((better, than))
            value = entry.probability.value if entry else None
            colour = to_rgb("#f1f3f5") if value is None else to_rgb(DIVERGING(value))
            axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, edgecolor="white", linewidth=1.2))
            if entry is None or value is None:
                continue
            ink = "white" if sum(colour) < 1.5 else INK
            weight = "bold" if entry.significant else "normal"
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{value * 100:.0f}",
                ha="center",
                va="center",
                color=ink,
                fontweight=weight,
                fontsize=8,
            )
    for place, name in enumerate(names):
        label = shortened(name, MOST)
        axes.text(place + 0.35, -0.12, label, rotation=40, ha="left", va="bottom", fontsize=7.5, rotation_mode="anchor")
        axes.text(-0.12, place + 0.5, label, ha="right", va="center", fontsize=7.5)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.add_patch(Rectangle((0, 0), n, n, fill=False, edgecolor=RULE, linewidth=0.8))


def _row(entry: Improvement) -> tuple[Cell, ...]:
    ends = entry.probability.interval
    return (
        entry.better,
        entry.than,
        entry.n_tasks,
        entry.probability.value,
        ends.low if ends else None,
        ends.high if ends else None,
        int(entry.significant),
    )
