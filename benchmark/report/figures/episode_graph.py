"""One episode's dependence graph: agents as lines, time from left to right, an arrow for every claimed or true edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import atan2, degrees, hypot
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from benchmark.analysis.schema import GraphReport, SuiteReport, TaskReport
from benchmark.report import formatting
from benchmark.report.figure_style import INK, RULE, WIDTH, Data, Plot, row_names, subplots

MOST_STEPS, MOST_ARROWS = 25, 120
"""What an eye can follow in a figure as wide as a page."""
ROW, FURTHER_ROW = 0.44, 0.22
"""Inches of each of the first eight agents, and of each further one."""
MARGIN = 0.35
"""Of a step, beside the first and the last."""
GAPS = (0.05, 0.075)
"""Inches between an arrow and the dots that it links: at its start, and from its end to the middle of its head."""
Edge = tuple[int, int, int]
"""Step, the agent that influences, the agent that is influenced one step later."""


@dataclass(frozen=True)
class Kind:
    """How an edge is drawn: by colour, by dashes, and by the head of its arrow."""

    title: str
    colour: str
    dashes: tuple[float, tuple[float, ...]] | Literal["solid"]
    width: float
    filled: bool
    triangle: bool


KINDS: Mapping[str, Kind] = {
    "right": Kind("claimed and true", "#0072b2", "solid", 1.5, filled=True, triangle=True),
    "wrong": Kind("claimed, not true", "#d55e00", (0, (4, 1.6)), 1.2, filled=False, triangle=True),
    "missed": Kind("true, not claimed", INK, (0, (1, 1.6)), 1.2, filled=True, triangle=False),
}


def drawn_graph(suite: SuiteReport, task: TaskReport, report: GraphReport) -> Plot | None:
    """The steps with most edges of the drawn episode. None where there is no episode, or one without any edge."""
    if report.drawn is None:
        return None
    edges = sorted_edges(report.drawn.claimed, report.drawn.true, task.n_agents)
    if not any(edges.values()):
        return None
    length = len(report.drawn.claimed)
    counts = [sum(edge[0] == step for found in edges.values() for edge in found) for step in range(length)]
    first, end = busiest(counts)
    shown = {kind: [edge for edge in found if first <= edge[0] < end] for kind, found in edges.items()}
    figure, (axes,) = subplots(
        1, 1, height=ROW * min(8, task.n_agents) + FURTHER_ROW * max(0, task.n_agents - 8), left=0.75, top=0.38, bottom=0.45
    )
    row_names(axes, [f"agent {agent}" for agent in range(task.n_agents)])
    axes.set_xlim(first - MARGIN, end + MARGIN)
    for agent in range(task.n_agents):
        axes.plot([first, end], [agent, agent], color=RULE, linewidth=1, zorder=1)
        axes.plot(range(first, end + 1), [agent] * (end - first + 1), "o", color=RULE, markersize=3.2, zorder=2)
    inches = _inches(axes)
    for kind, found in shown.items():
        _arrows(axes, found, KINDS[kind], inches)
    axes.grid(False)
    axes.xaxis.set_major_locator(MaxNLocator(min(13, end - first + 1), integer=True))
    axes.set_xlabel("step of the episode")
    _key(figure)
    numbers = {kind: len(found) for kind, found in shown.items()}
    steps = f"steps {first} to {end - 1}" if end - first > 1 else f"step {first}"
    which = "" if end - first == length else f", those of its {length} steps with most edges"
    said = f"{numbers['right']} edges are claimed and true, {numbers['wrong']} claimed and not true, {numbers['missed']} missed"
    return Plot(
        name=f"{formatting.slug(suite.name)}-{formatting.slug(report.variant)}-{formatting.slug(task.task)}-episode",
        title=f"One episode of {task.task}",
        figure=figure,
        data=Data(
            ("step", "influences", "is_influenced", "edge"),
            tuple((*edge, kind) for edge, kind in sorted((edge, kind) for kind, found in shown.items() for edge in found)),
        ),
        alt=f"Graph of {report.variant} in one episode of {task.task}, {steps}: {said}.",
        caption=(
            f"An arrow from agent j at a step to agent i at the next: what j does then reaches i. Shown are {steps}{which}, of "
            f"the first of the episodes that were looked at at the end of the run with seed {report.drawn_seed}: {said} "
            "(true: by state and reward)."
        ),
    )


def sorted_edges(claimed: Sequence[Sequence[int]], true: Sequence[Sequence[int]], n_agents: int) -> dict[str, list[Edge]]:
    """The edges of T steps, each as j * N + i, by what they are: right, wrong or missed."""
    found: dict[str, list[Edge]] = {kind: [] for kind in KINDS}
    for step, (ours, theirs) in enumerate(zip(map(set, claimed), map(set, true), strict=True)):
        for kind, edges in (("right", ours & theirs), ("wrong", ours - theirs), ("missed", theirs - ours)):
            found[kind] += [(step, *divmod(edge, n_agents)) for edge in sorted(edges)]
    return found


def busiest(counts: Sequence[int]) -> tuple[int, int]:
    """The first step and the one past the last of the window with most edges: of at most MOST_STEPS steps, of fewer where
    it would have more than MOST_ARROWS edges, and of one at least. The earliest of equals."""
    total = np.concatenate(([0], np.cumsum(counts)))
    for length in range(min(MOST_STEPS, len(counts)), 0, -1):
        sums = total[length:] - total[:-length]
        first = int(sums.argmax())
        if sums[first] <= MOST_ARROWS or length == 1:
            break
    return first, first + length


def _inches(axes: Axes) -> tuple[float, float]:
    """Of one step and of one agent."""
    (width, height), box = axes.get_figure().get_size_inches(), axes.get_position()  # type: ignore[union-attr]
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    return float(box.width * width / (right - left)), float(box.height * height / abs(high - low))


def _arrows(axes: Axes, edges: Sequence[Edge], kind: Kind, inches: tuple[float, float]) -> None:
    """Each from just after its start to just before its end, with a head that points along it."""
    across, down = inches
    for rise in sorted({i - j for _, j, i in edges}):
        length = hypot(across, rise * down)
        start, tip = GAPS[0] / length, 1 - GAPS[1] / length
        alike = [(t, j) for t, j, i in edges if i - j == rise]
        lines = [[(t + start, j + start * rise), (t + tip, j + tip * rise)] for t, j in alike]
        axes.add_collection(
            LineCollection(lines, colors=kind.colour, linestyles=[kind.dashes], linewidths=kind.width, zorder=3), autolim=False
        )
        tips = [end for _, end in lines]
        axes.plot(
            [x for x, _ in tips],
            [y for _, y in tips],
            linestyle="none",
            marker=(3, 0, degrees(atan2(-rise * down, across)) - 90) if kind.triangle else "o",
            markersize=6 if kind.triangle else 3.6,
            markerfacecolor=kind.colour if kind.filled else "white",
            markeredgecolor=kind.colour,
            markeredgewidth=1,
            zorder=4,
        )


def _key(figure: Figure) -> None:
    height = figure.get_size_inches()[1]
    handles = [
        Line2D(
            [],
            [],
            color=kind.colour,
            linestyle=kind.dashes,
            linewidth=kind.width,
            marker=(3, 0, -90) if kind.triangle else "o",
            markersize=6 if kind.triangle else 3.6,
            markerfacecolor=kind.colour if kind.filled else "white",
        )
        for kind in KINDS.values()
    ]
    figure.legend(
        handles=handles,
        labels=[kind.title for kind in KINDS.values()],
        loc="upper left",
        bbox_to_anchor=(0.75 / WIDTH, 1 - 0.06 / height),
        ncols=3,
        borderaxespad=0,
        borderpad=0,
        handlelength=3,
        columnspacing=1.8,
    )
