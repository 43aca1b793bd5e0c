"""Who influences whom, in figures: how dense and how right a variant's graphs are over training, and their means at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from benchmark.analysis.schema import GraphPoint, GraphReport, MeanGraphs, MonitorCurve, Spread, SuiteReport, TaskReport
from benchmark.report import formatting
from benchmark.report.figure_style import INK, MUTED, WIDTH, Cell, Data, Plot, band, curve, step_axis, subplots
from benchmark.report.palette import Style, shortened

TRUE_LINE: dict[str, object] = {"color": INK, "linewidth": 1.4, "linestyle": (0, (4, 2)), "marker": "_", "markersize": 7}
TRAINING_LINE: dict[str, object] = {"color": MUTED, "linewidth": 0.8, "marker": ".", "markersize": 2.5}
DENSITY, RATIO = "graph_density", "graph_entropy_ratio"
"""The monitors of training, as records name them."""
SIDE = 1.75
"""Inches of a mean graph; two tasks stand side by side."""
NUMBERED = 8
"""Agents of the largest team whose mean graphs have room for numbers."""
Found = tuple[TaskReport, GraphReport]


def of_variant(suite: SuiteReport, variant: str) -> list[Found]:
    """The tasks on which runs of a variant have graphs, with the report of each, in the order of the suite."""
    tasks = {task.task: task for task in suite.tasks}
    return [(tasks[report.task], report) for report in suite.graphs if report.variant == variant]


def over_training(suite: SuiteReport, variant: str, style: Mapping[str, Style]) -> Plot | None:
    """A row for each task: density, F1, and, of a learned graph, the ratio of entropies. None without any graph."""
    found = of_variant(suite, variant)
    if not found:
        return None
    shown = [one for one in suite.monitor_curves if one.variant == variant and one.monitor in (DENSITY, RATIO)]
    monitors = {(one.task, one.monitor): one for one in shown}
    ratios = any((task.task, RATIO) in monitors for task, _ in found)
    columns = 3 if ratios else 2
    figure, panels = subplots(len(found), columns, height=1.25, left=0.6, across=0.5, down=0.72, top=0.62, bottom=0.5)
    for place, (task, report) in enumerate(found):
        row = panels[place * columns : (place + 1) * columns]
        _density(row[0], task, report, style[variant], monitors.get((task.task, DENSITY)))
        _f1(row[1], report, style[variant])
        if ratios:
            _ratio(row[2], task, monitors.get((task.task, RATIO)))
        row[0].set_title(f"{shortened(task.task, 24 if ratios else 34)}: density")
        for panel in row:
            panel.set_xlim(0, task.budget)
            step_axis(panel, label=place == len(found) - 1)
    _key(figure, style[variant], in_training=any((task.task, DENSITY) in monitors for task, _ in found))
    training = " Thin grey: in the training episodes, median over runs." if monitors else ""
    return Plot(
        name=f"{formatting.slug(suite.name)}-{formatting.slug(variant)}-graphs",
        title="How dense and how right the graphs are over training",
        figure=figure,
        data=_training_data(found, monitors),
        alt=f"Graphs of {variant} at their last measurement: {_ends(found)}.",
        caption=(
            "Density: the share of pairs of different agents, of which the first acts, with an edge, as claimed and as "
            "interventions show it (by state and reward); F1: of the claimed edges beside the true ones. Line: mean over "
            f"{formatting.between((report.n_measured for _, report in found), 'run')}; band: from the lowest to the highest of "
            f"them; measured on {_episodes(found)} each.{training}"
            + " Entropy ratio: an edge is claimed where it is low; at 1 there is no sign of influence."
            * ratios
        ),
    )


def mean_graphs(suite: SuiteReport, variant: str) -> Plot | None:
    """For each task two matrices beside each other: the mean claimed and the mean true graph. None where no run has them."""
    found = [(task, report.mean) for task, report in of_variant(suite, variant) if report.mean is not None]
    if not found:
        return None
    abreast = min(2, len(found))
    left, across, columns = 0.6, 0.5, 2 * abreast
    figure, panels = subplots(
        -(-len(found) // abreast),
        columns,
        width=left + columns * SIDE + (columns - 1) * across + 0.15,
        height=SIDE,
        left=left,
        across=across,
        down=0.95,
        top=0.5,
        bottom=0.45,
    )
    for panel in panels[2 * len(found) :]:
        panel.set_visible(False)
    for place, (task, mean) in enumerate(found):
        claimed, true = panels[2 * place : 2 * place + 2]
        _matrix(claimed, mean.claimed, f"{shortened(task.task, 42)}\nclaimed")
        _matrix(true, mean.true, "\ntrue")
        claimed.set_ylabel("who influences")
    return Plot(
        name=f"{formatting.slug(suite.name)}-{formatting.slug(variant)}-mean-graphs",
        title="Who influences whom, at the end of training",
        figure=figure,
        data=_mean_data(found),
        alt=f"Mean graphs of {variant}. {_strongest(found)}.",
        caption=(
            "Row: the agent that influences; column: the agent that is influenced. In how many per cent of the steps at which "
            "the row's agent acts there is the edge (white 0, dark blue 100): left as the method claims it, right as "
            f"interventions show it (by state and reward). "
            f"Means over {formatting.between((mean.n for _, mean in found), 'run')}. "
            "The diagonal is grey, as every agent reaches itself."
        ),
    )


def _density(axes: Axes, task: TaskReport, report: GraphReport, style: Style, monitor: MonitorCurve | None) -> None:
    if monitor is not None:
        axes.plot(task.steps[1:], _array(monitor.median), **TRAINING_LINE)  # type: ignore[arg-type]
    points = report.points
    _spread(axes, points, [point.density for point in points], style)
    true = _array([point.true_density.mean for point in points])
    axes.plot([point.step for point in points], true, **TRUE_LINE)  # type: ignore[arg-type]
    axes.set_ylim(-0.04, 1.04)


def _f1(axes: Axes, report: GraphReport, style: Style) -> None:
    spreads = [point.f1 for point in report.points]
    _spread(axes, report.points, spreads, style)
    if not any(spread.n for spread in spreads):
        asked = any(point.true_density.n for point in report.points)
        _nothing(axes, "no F1: nothing is claimed, nothing is true" if asked else "no F1: its oracle was not asked")
    axes.set_ylim(-0.04, 1.04)
    axes.set_title("F1")


def _ratio(axes: Axes, task: TaskReport, monitor: MonitorCurve | None) -> None:
    axes.set_title("Entropy ratio in training")
    if monitor is None:
        _nothing(axes, "not learned here")
        return
    steps = np.asarray(task.steps[1:])
    axes.fill_between(steps, _array(monitor.lowest), _array(monitor.highest), color=MUTED, alpha=0.16, linewidth=0)
    axes.plot(steps, _array(monitor.median), **TRAINING_LINE)  # type: ignore[arg-type]
    axes.axhline(1, color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
    low, high = axes.get_ylim()
    axes.set_ylim(min(-0.04, low), max(1.04, high))


def _spread(axes: Axes, points: Sequence[GraphPoint], spreads: Sequence[Spread], style: Style) -> None:
    steps = np.asarray([point.step for point in points])
    lowest, highest = _array([one.lowest for one in spreads]), _array([one.highest for one in spreads])
    band(axes, steps, lowest, highest, style)
    curve(axes, steps, _array([one.mean for one in spreads]), style, markevery=1)


def _nothing(axes: Axes, reason: str) -> None:
    axes.text(0.5, 0.5, reason, transform=axes.transAxes, ha="center", va="center", color=MUTED, fontsize=7.5)


def _key(figure: Figure, style: Style, *, in_training: bool) -> None:
    height = figure.get_size_inches()[1]
    claimed = Line2D([], [], color=style.colour, linestyle=style.line, marker=style.mark, markersize=5)
    handles, labels = [claimed, Line2D([], [], **TRUE_LINE)], ["claimed", "true"]  # type: ignore[arg-type]
    if in_training:
        handles.append(Line2D([], [], **TRAINING_LINE))  # type: ignore[arg-type]
        labels.append("claimed in training episodes")
    figure.legend(
        handles=handles,
        labels=labels,
        loc="upper left",
        bbox_to_anchor=(0.6 / WIDTH, 1 - 0.04 / height),
        ncols=3,
        borderaxespad=0,
        borderpad=0,
        handlelength=2.6,
        columnspacing=1.6,
    )


def _matrix(axes: Axes, matrix: Sequence[Sequence[float]], title: str) -> None:
    n = len(matrix)
    values = np.ma.masked_array(np.asarray(matrix), np.eye(n, dtype=bool))
    edges = np.arange(n + 1) - 0.5
    axes.pcolormesh(edges, edges, values, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=0.6)
    for agent in range(n):
        axes.add_patch(Rectangle((agent - 0.5, agent - 0.5), 1, 1, facecolor="#dde2e7", edgecolor="white", linewidth=0.6))
    if n <= NUMBERED:
        for row, column in zip(*np.nonzero(~values.mask), strict=True):
            share = matrix[row][column]
            ink = "white" if share > 0.55 else INK
            axes.text(
                column, row, formatting.number(100 * share, 0), ha="center", va="center", color=ink, fontsize=8 if n < 6 else 7
            )
        axes.set_xticks(range(n))
        axes.set_yticks(range(n))
    else:
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlim(-0.5, n - 0.5)
    axes.set_ylim(n - 0.5, -0.5)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(title)
    axes.set_xlabel("who is influenced")


def _array(values: Sequence[float | None]) -> np.ndarray:
    return np.asarray([np.nan if value is None else value for value in values], dtype=float)


def _episodes(found: Sequence[Found]) -> str:
    return formatting.between((count for _, report in found for count in report.episodes), "episode")


def _ends(found: Sequence[Found]) -> str:
    rows = []
    for task, report in found[:10]:
        last = report.points[-1]
        rows.append(
            f"{task.task} density {formatting.number(last.density.mean, 3)}, "
            f"true {formatting.number(last.true_density.mean, 3)}, "
            f"F1 {formatting.number(last.f1.mean)}"
        )
    return "; ".join(rows)


def _strongest(found: Sequence[tuple[TaskReport, MeanGraphs]]) -> str:
    """Of each task the pair that the method links most often, and how often it is linked in truth."""
    rows = []
    for task, mean in found[:10]:
        claimed = np.asarray(mean.claimed) - 2 * np.eye(len(mean.claimed))
        actor, receiver = np.unravel_index(int(claimed.argmax()), claimed.shape)
        rows.append(
            f"{task.task}: most often claimed is {actor} to {receiver}, "
            f"{formatting.percent(mean.claimed[actor][receiver])} of the steps, "
            f"true {formatting.percent(mean.true[actor][receiver])}"
        )
    return "; ".join(rows)


def _training_data(found: Sequence[Found], monitors: Mapping[tuple[str, str], MonitorCurve]) -> Data:
    rows: list[tuple[Cell, ...]] = []
    for task, report in found:
        for name in ("density", "true_density", "f1"):
            for point in report.points:
                one: Spread = getattr(point, name)
                rows.append((task.task, name, point.step, one.n, one.mean, one.lowest, one.highest))
        for name in (DENSITY, RATIO):
            monitor = monitors.get((task.task, name))
            if monitor is not None:
                parts = (task.steps[1:], monitor.n, monitor.median, monitor.lowest, monitor.highest)
                rows += [(task.task, f"{name}_in_training", *point) for point in zip(*parts, strict=True)]
    return Data(("task", "measure", "step", "runs", "value", "lowest", "highest"), tuple(rows))


def _mean_data(found: Sequence[tuple[TaskReport, MeanGraphs]]) -> Data:
    rows: list[tuple[Cell, ...]] = [
        (task.task, mean.n, actor, receiver, mean.claimed[actor][receiver], mean.true[actor][receiver])
        for task, mean in found
        for actor in range(len(mean.claimed))
        for receiver in range(len(mean.claimed))
        if actor != receiver
    ]
    return Data(("task", "runs", "influences", "is_influenced", "claimed", "true"), tuple(rows))
