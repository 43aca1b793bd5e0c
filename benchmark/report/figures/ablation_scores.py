"""Figures of ablations: scores of the base and its variants, and how well reward models fit returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from benchmark.analysis.schema import AblationReport, AblationRow, AblationTask, Estimate, Methods, MonitorCurve, SuiteReport
from benchmark.report import formatting
from benchmark.report.figure_style import (
    MUTED,
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
    step_axis,
    subplots,
)
from benchmark.report.palette import Style, shortened

LOWEST_R2 = -1.0
"""What lies below is cut off: a model that has learned nothing yet may be off by any amount."""


def means(suite: SuiteReport, ablation: AblationReport, style: Mapping[str, Style], methods: Methods) -> Plot | None:
    """A panel for each task: the mean of base and variants, by the ablation's measure, with its interval. None before any
    run is there."""
    tasks = [task for task in ablation.tasks if any(row.final.mean for row in task.rows)]
    if not tasks:
        return None
    names = [row.variant for row in tasks[0].rows]
    final = ablation.measure == "final"
    columns = min(3, len(tasks))
    figure, panels = subplots(
        -(-len(tasks) // columns),
        columns,
        height=0.3 * len(names) + 0.1,
        left=name_margin(names),
        across=0.3,
        down=0.85,
        top=0.32,
        bottom=0.5,
    )
    for place, panel in enumerate(panels):
        if place >= len(tasks):
            panel.set_visible(False)
            continue
        _means(panel, ablation, tasks[place], style)
        panel.tick_params(labelleft=place % columns == 0)
        panel.set_title(shortened(tasks[place].task, 28 if columns > 2 else 44), fontsize=8.5)
        panel.set_xlabel(f"{'final' if final else 'area under'} {_measure(suite, tasks[place])}")
    seeds = [row.n_found for task in tasks for row in task.rows]
    what = "final score" if final else "area under the learning curve"
    return Plot(
        name=f"{formatting.slug(suite.name)}-{formatting.slug(ablation.id)}-ablation",
        title=f"{'Final scores' if final else 'Areas under the learning curve'} beside the base",
        figure=figure,
        data=_mean_data(ablation, tasks),
        alt=f"Mean {what} of {ablation.base}, the base, and its variants. {_listing(ablation, tasks)}.",
        caption=(
            f"Mean {what} over seeds, in the task's own units, with its interval; the base is on top, and the dashed line "
            f"is its mean. {formatting.task_basis(seeds, methods)}"
        ),
    )


def _means(axes: Axes, ablation: AblationReport, task: AblationTask, style: Mapping[str, Style]) -> None:
    row_names(axes, [row.variant for row in task.rows])
    for place, row in enumerate(task.rows):
        mean = _mean(ablation, row)
        if mean is not None:
            mark(axes, place, mean, style[row.variant])
            if place == 0:
                axes.axvline(mean.value, color=MUTED, linewidth=1, linestyle=(0, (3, 2)), zorder=0)
        else:
            where = axes.get_yaxis_transform()
            axes.text(0.5, place, "no score", transform=where, ha="center", va="center", color=MUTED, fontsize=7.5)
    axes.xaxis.set_major_locator(MaxNLocator(4))


def return_r2(suite: SuiteReport, style: Mapping[str, Style]) -> Plot | None:
    """A panel for each task: how well each variant's reward model predicts returns, over training. None without any."""
    curves = [one for one in suite.monitor_curves if one.monitor == "return_r2"]
    tasks = [task for task in suite.tasks if any(one.task == task.task for one in curves)]
    if not tasks:
        return None
    present = {one.variant for one in curves}
    names = [entry.variant for entry in suite.variants if entry.variant in present]
    columns = min(3, len(tasks))
    figure, panels = subplots(
        -(-len(tasks) // columns),
        columns,
        height=1.7,
        across=0.35,
        down=0.66,
        left=0.6,
        top=legend_height(names, WIDTH) + 0.34,
        bottom=0.5,
        share_y=True,
    )
    for place, panel in enumerate(panels):
        if place >= len(tasks):
            panel.set_visible(False)
            continue
        task = tasks[place]
        for number, one in enumerate(found for found in curves if found.task == task.task):
            _over_training(panel, task.steps[1:], one, style[one.variant], number)
        panel.set_title(shortened(task.task, 28 if columns > 2 else 44), fontsize=8.5)
        panel.set_xlim(0, task.budget)
        step_axis(panel)
        panel.tick_params(labelleft=place % columns == 0)
    lowest = min((value for one in curves for value in one.median if value is not None), default=0.0)
    panels[0].set_ylim(max(LOWEST_R2, min(0.0, lowest)) - 0.04, 1.04)
    legend(figure, names, style, left=0.6)
    return Plot(
        name=f"{formatting.slug(suite.name)}-return-r2",
        title="How well the reward models predict returns",
        figure=figure,
        data=_curve_data(suite, curves),
        alt=f"R² of predicted returns at the end of training. {_last_r2(curves)}.",
        caption=(
            "R² of the returns of episodes just collected, which the model has not seen: 1 is perfect, 0 no better than their "
            f"mean; what lies below {formatting.number(LOWEST_R2, 0)} is cut off. Line: median of the runs that have a value; "
            "band: from the lowest to the highest of them. "
            f"{formatting.between((max(one.n) for one in curves), 'seed')} of each variant."
        ),
    )


def _over_training(axes: Axes, steps: Sequence[int], one: MonitorCurve, style: Style, place: int) -> None:
    x = np.asarray(steps)
    median, lowest, highest = (
        np.asarray([np.nan if value is None else value for value in part]) for part in (one.median, one.lowest, one.highest)
    )
    band(axes, x, lowest, highest, style)
    curve(axes, x, median, style, place)


def _measure(suite: SuiteReport, task: AblationTask) -> str:
    score = next(entry.score for entry in suite.tasks if entry.task == task.task)
    return "success rate" if score == "success" else "mean return"


def _mean(ablation: AblationReport, row: AblationRow) -> Estimate | None:
    return row.final.mean if ablation.measure == "final" else row.area.mean


def _listing(ablation: AblationReport, tasks: Sequence[AblationTask]) -> str:
    found = []
    for task in tasks[:6]:
        means = [(row.variant, _mean(ablation, row)) for row in task.rows]
        digits = formatting.digits_for(mean.value for _, mean in means if mean)
        rows = [f"{variant} {formatting.estimated(mean, digits)}" for variant, mean in means[:10]]
        found.append(f"{task.task}: {'; '.join(rows)}")
    return ". ".join(found)


def _last_r2(curves: Sequence[MonitorCurve]) -> str:
    found = []
    for one in curves[:12]:
        last = next((value for value in reversed(one.median) if value is not None), None)
        found.append(f"{one.task} {one.variant} {formatting.number(last)}")
    return "; ".join(found)


def _mean_data(ablation: AblationReport, tasks: Sequence[AblationTask]) -> Data:
    rows: list[tuple[Cell, ...]] = []
    for task in tasks:
        for row in task.rows:
            mean = _mean(ablation, row)
            ends = mean.interval if mean else None
            numbers = (mean.value if mean else None, ends.low if ends else None, ends.high if ends else None)
            rows.append((task.task, row.variant, row.n_found, *numbers))
    return Data(("task", "variant", "runs", f"mean_{ablation.measure}", "low", "high"), tuple(rows))


def _curve_data(suite: SuiteReport, curves: Sequence[MonitorCurve]) -> Data:
    steps = {task.task: task.steps[1:] for task in suite.tasks}
    rows = tuple(
        (one.task, one.variant, *point)
        for one in curves
        for point in zip(steps[one.task], one.n, one.median, one.lowest, one.highest, strict=True)
    )
    return Data(("task", "variant", "step", "runs", "return_r2", "lowest", "highest"), rows)
