"""Learning curves: all variants on one task, every seed of each, and small panels over tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from benchmark.analysis.schema import Curve, Methods, SuiteReport, TaskReport, VariantCurves
from benchmark.analysis.statistics.resampling import SMALLEST_SAMPLE
from benchmark.report import formatting
from benchmark.report.figure_style import (
    INK,
    MUTED,
    Cell,
    Data,
    Plot,
    band,
    curve,
    legend,
    legend_height,
    step_axis,
    subplots,
)
from benchmark.report.palette import Style, shortened

MODES = {"greedy": "greedy actions", "sample": "sampled actions", "both": "sampled actions"}
"""What is said of EvaluationSchedule.policy."""


def on_task(suite: SuiteReport, task: TaskReport, style: Mapping[str, Style], methods: Methods) -> Plot | None:
    """Means of returns and success rates of all variants. None before any run is there."""
    curves = with_runs(task)
    if not curves:
        return None
    names = [entry.variant for entry in curves]
    figure, (left, right) = subplots(1, 2, height=2.75, top=legend_height(names) + 0.32, left=0.6, across=0.55)
    steps = np.asarray(task.steps)
    for place, entry in enumerate(curves):
        for axes, one in ((left, entry.returns), (right, entry.successes)):
            _mean(axes, steps, one, style[entry.variant], place)
    left.set_title("Mean return per episode")
    right.set_title("Success rate")
    right.set_ylim(-0.03, 1.03)
    _anchors(left if task.score == "return" else right, task, labelled=True)
    for axes in (left, right):
        step_axis(axes)
        axes.set_xlim(0, task.budget)
    legend(figure, names, style, left=0.6)
    return Plot(
        name=f"{stem(suite, task)}-curves",
        title="Learning curves",
        figure=figure,
        data=_mean_data(curves, task.steps),
        alt=f"Learning curves on {task.task}. Mean return at the end: {_ends(curves)}.",
        caption=(
            f"Evaluation means over training, {suite.evaluation.episodes} episodes a point, {MODES[suite.evaluation.policy]}. "
            f"{formatting.task_basis((len(entry.returns.seeds) for entry in curves), methods)}"
        ),
    )


def every_seed(suite: SuiteReport, task: TaskReport, style: Mapping[str, Style]) -> Plot | None:
    """One panel a variant with the measure that the task is scored by: each seed thin, the mean thick."""
    curves = with_runs(task)
    if not curves:
        return None
    columns = _columns(len(curves))
    rows = -(-len(curves) // columns)
    width = min(9.4, 0.75 + 2.9 * columns) if columns < 3 else 9.4
    figure, panels = subplots(
        rows, columns, width=width, height=1.5, across=0.25, down=0.62, left=0.6, bottom=0.5, share_x=True, share_y=True
    )
    steps = np.asarray(task.steps)
    for panel, entry in zip(panels, curves, strict=False):
        _seeds(panel, steps, scored(task, entry), style[entry.variant])
        panel.set_title(shortened(entry.variant, 26 if columns > 2 else 34))
        _anchors(panel, task)
    _small_multiples(panels, len(curves), columns)
    panels[0].set_xlim(0, task.budget)
    failed = sum(seed.failed_at is not None for entry in curves for seed in entry.returns.seeds)
    return Plot(
        name=f"{stem(suite, task)}-seeds",
        title="Every run",
        figure=figure,
        data=_seed_data(
            "variant", [row for entry in curves for row in _seed_rows(entry.variant, task.steps, scored(task, entry))]
        ),
        alt=(
            f"{measure(task).capitalize()} of every run on {task.task}, one panel for each of "
            f"{formatting.plural(len(curves), 'variant')}; at the end {_span(task, curves)}; "
            f"{formatting.plural(failed, 'run')} diverged."
        ),
        caption=(
            f"{measure(task).capitalize()} over environment steps; every seed is a thin line, the thick line is their mean "
            f"({_seeds_words(curves)}). A cross marks where a run diverged; from there on it is "
            "scored as the random policy. Dotted: random policy and best known score, where in view."
        ),
    )


def over_tasks(suite: SuiteReport, style: Mapping[str, Style], methods: Methods) -> Plot | None:
    """A panel for each task with the mean curves of all variants."""
    tasks = [task for task in suite.tasks if with_runs(task)]
    if len(tasks) < 2:
        return None
    names = [entry.variant for entry in suite.variants if any(entry.variant == c.variant for t in tasks for c in with_runs(t))]
    columns = _columns(len(tasks))
    rows = -(-len(tasks) // columns)
    figure, panels = subplots(
        rows, columns, height=1.55, across=0.42, down=0.66, left=0.6, top=legend_height(names) + 0.34, bottom=0.5
    )
    data: list[tuple[Cell, ...]] = []
    for panel, task in zip(panels, tasks, strict=False):
        curves = with_runs(task)
        for place, entry in enumerate(curves):
            one = scored(task, entry)
            _mean(panel, np.asarray(task.steps), one, style[entry.variant], place)
            points = zip(task.steps, one.mean, one.mean_low, one.mean_high, strict=True)
            data += [(task.task, entry.variant, *point) for point in points]
        panel.set_title(shortened(task.task, 27), fontsize=8.5)
        step_axis(panel, label=False)
        panel.set_xlim(0, task.budget)
    _small_multiples(panels, len(tasks), columns, shared=False)
    legend(figure, names, style, left=0.6)
    return Plot(
        name=f"{formatting.slug(suite.name)}-tasks",
        title="Learning curves on every task",
        figure=figure,
        data=Data(("task", "variant", "step", "score", "low", "high"), tuple(data)),
        alt=f"Learning curves on {len(tasks)} tasks. Highest mean score at the end: {_leaders(tasks)}.",
        caption=(
            "Mean score of a task (its return, or its success rate where the task is scored by that) over environment steps, "
            "in the task's own units. "
            + formatting.task_basis((len(c.returns.seeds) for t in tasks for c in with_runs(t)), methods)
        ),
    )


def of_variant(suite: SuiteReport, variant: str, style: Mapping[str, Style], methods: Methods) -> Plot | None:
    """A panel for each task with every seed of one variant, before the means of the others in grey."""
    found = [(task, entry) for task in suite.tasks for entry in with_runs(task) if entry.variant == variant]
    if not found:
        return None
    columns = _columns(len(found))
    rows = -(-len(found) // columns)
    width = 0.75 + 2.9 * columns if columns < 3 else 9.4
    figure, panels = subplots(rows, columns, width=width, height=1.5, across=0.42, down=0.64, left=0.6, bottom=0.5)
    data: list[tuple[Cell, ...]] = []
    for panel, (task, entry) in zip(panels, found, strict=False):
        steps = np.asarray(task.steps)
        for other in with_runs(task):
            if other.variant != variant:
                panel.plot(steps, _array(scored(task, other).mean), color="#c3cad1", linewidth=0.9, zorder=1)
        _seeds(panel, steps, scored(task, entry), style[variant])
        panel.set_title(shortened(task.task, 27), fontsize=8.5)
        step_axis(panel, label=False)
        panel.set_xlim(0, task.budget)
        data += _seed_rows(task.task, task.steps, scored(task, entry))
    _small_multiples(panels, len(found), columns, shared=False)
    ends = "; ".join(f"{task.task} {_last(scored(task, entry))}" for task, entry in found[:10])
    others = " The means of the other variants are grey." if any(len(with_runs(task)) > 1 for task, _ in found) else ""
    return Plot(
        name=f"{formatting.slug(suite.name)}-{formatting.slug(variant)}-curves",
        title="Learning curves",
        figure=figure,
        data=_seed_data("task", data),
        alt=f"Mean score of {variant} over training, every seed. At the end: {ends}.",
        caption=(
            "Mean score of a task (its return, or its success rate where the task is scored by that) over environment steps; "
            "every seed thin, their mean thick "
            f"({_seeds_words([entry for _, entry in found])} a task).{others} A cross marks where a run diverged."
        ),
    )


def stem(suite: SuiteReport, task: TaskReport) -> str:
    """The first part of the file names of a task's figures."""
    return f"{formatting.slug(suite.name)}-{formatting.slug(task.task)}"


def with_runs(task: TaskReport) -> list[VariantCurves]:
    """The variants that have a run on the task."""
    return [entry for entry in task.curves if entry.returns.seeds]


def scored(task: TaskReport, entry: VariantCurves) -> Curve:
    """The curve of the measure that the task is scored by."""
    return entry.successes if task.score == "success" else entry.returns


def measure(task: TaskReport) -> str:
    """That measure in words."""
    return "success rate" if task.score == "success" else "mean return per episode"


def _mean(axes: Axes, steps: np.ndarray, one: Curve, style: Style, place: int) -> None:
    low, high = _array(one.mean_low), _array(one.mean_high)
    if np.isfinite(low).any():
        band(axes, steps, low, high, style)
    elif 1 < len(one.seeds) < SMALLEST_SAMPLE:
        for seed in one.seeds:
            axes.plot(steps, _array(seed.values), ".", color=style.colour, markersize=2.6, alpha=0.5, markeredgewidth=0)
    curve(axes, steps, _array(one.mean), style, place)


def _seeds(axes: Axes, steps: np.ndarray, one: Curve, style: Style) -> None:
    """Every seed thin, the mean thick; a single run is drawn as what it is."""
    several = len(one.seeds) > 1
    for seed in one.seeds:
        values = _array(seed.values)
        axes.plot(steps, values, color=style.colour, linewidth=0.55 if several else 1.3, alpha=0.5 if several else 1, zorder=2)
        if seed.failed_at is not None:
            at = float(np.interp(seed.failed_at, steps, np.nan_to_num(values)))
            axes.plot([seed.failed_at], [at], marker="x", color=INK, markersize=5.5, markeredgewidth=1.4, zorder=4)
    if several:
        axes.plot(steps, _array(one.mean), color=style.colour, linewidth=2.0, zorder=3)


def _columns(panels: int) -> int:
    """Few holes in the last row, four panels a row at most."""
    return 3 if panels in (5, 6, 9) else min(4, panels)


def _small_multiples(panels: Sequence[Axes], used: int, columns: int, *, shared: bool = True) -> None:
    """Hides unused panels and keeps the tick labels that are needed."""
    for place, panel in enumerate(panels):
        if place >= used:
            panel.set_visible(False)
            continue
        lowest = place + columns >= used
        step_axis(panel, label=lowest)
        panel.tick_params(labelbottom=lowest or not shared, labelleft=not shared or place % columns == 0)


def _anchors(axes: Axes, task: TaskReport, *, labelled: bool = False) -> None:
    """Random and best known score as dotted lines, where they do not squeeze the curves."""
    if task.reference is None:
        return
    low, high = axes.get_ylim()
    for value, label in ((task.reference.random, "random policy"), (task.reference.best, "best known")):
        if low - 0.35 * (high - low) <= value <= high + 0.35 * (high - low):
            axes.axhline(value, color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
            if labelled:
                axes.annotate(
                    label,
                    (1, value),
                    xycoords=("axes fraction", "data"),
                    xytext=(-2, 2),
                    textcoords="offset points",
                    ha="right",
                    fontsize=7,
                    color=MUTED,
                )


def _array(values: Sequence[float | None]) -> np.ndarray:
    return np.asarray([np.nan if value is None else value for value in values], dtype=float)


def _seeds_words(curves: Sequence[VariantCurves]) -> str:
    return formatting.between((len(entry.returns.seeds) for entry in curves), "seed")


def _last(one: Curve) -> str:
    return formatting.number(one.mean[-1], formatting.digits_for(one.mean)) if one.mean else "–"


def _ends(curves: Sequence[VariantCurves]) -> str:
    digits = formatting.digits_for(value for entry in curves for value in entry.returns.mean)
    ends = [(entry.variant, entry.returns.mean[-1]) for entry in curves if entry.returns.mean]
    ends.sort(key=lambda pair: (-(pair[1] if pair[1] is not None else -np.inf), pair[0]))
    return "; ".join(f"{name} {formatting.number(value, digits)}" for name, value in ends[:12])


def _span(task: TaskReport, curves: Sequence[VariantCurves]) -> str:
    last = [seed.values[-1] for entry in curves for seed in scored(task, entry).seeds if seed.values]
    finals = [value for value in last if value is not None]
    if not finals:
        return "no number"
    digits = formatting.digits_for(finals)
    return f"{formatting.number(min(finals), digits)} to {formatting.number(max(finals), digits)}"


def _leaders(tasks: Sequence[TaskReport]) -> str:
    found = []
    for task in tasks[:10]:
        ends = [(scored(task, entry).mean[-1], entry.variant) for entry in with_runs(task)]
        known = [(value, name) for value, name in ends if value is not None]
        if known:
            value, name = max(known)
            found.append(f"{task.task} {name} {formatting.number(value, formatting.digits_for([value]))}")
    return "; ".join(found)


def _mean_data(curves: Sequence[VariantCurves], steps: Sequence[int]) -> Data:
    rows: list[tuple[Cell, ...]] = []
    for entry in curves:
        for measure, one in (("return", entry.returns), ("success", entry.successes)):
            parts = (one.mean, one.mean_low, one.mean_high, one.iqm, one.iqm_low, one.iqm_high)
            rows += [(entry.variant, measure, step, *values) for step, *values in zip(steps, *parts, strict=True)]
    return Data(
        ("variant", "measure", "step", "mean", "mean_low", "mean_high", "iqm", "iqm_low", "iqm_high"),
        tuple(rows),
    )


def _seed_rows(name: str, steps: Sequence[int], one: Curve) -> list[tuple[Cell, ...]]:
    """A row for each run: name, seed, where it failed, the budget, and the score at each evaluation."""
    return [(name, seed.seed, seed.failed_at, steps[-1], *seed.values) for seed in one.seeds]


def _seed_data(what: str, rows: Sequence[tuple[Cell, ...]]) -> Data:
    points = max((len(row) for row in rows), default=4) - 4
    header = (what, "seed", "failed_at", "budget", *(f"score_{point}_of_{points - 1}" for point in range(points)))
    return Data(header, tuple(rows))
