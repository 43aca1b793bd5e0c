"""The figures of one suite: which there are, drawn once, and kept beside the suite's aggregate until something changes."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

from algorithms.plugins import BrokenPlugin, warn
from benchmark.analysis.inputs import code_digest
from benchmark.analysis.schema import Methods, RunRow, SuiteReport
from benchmark.experiments.atomic_write import write_atomically
from benchmark.report.figure_style import Plot, rc_style, save
from benchmark.report.figures import (
    ablation_scores,
    aggregate_scores,
    comparison,
    episode_graph,
    final_scores,
    graph_quality,
    learning_curves,
)
from benchmark.report.freshness import offered
from benchmark.report.offered_figures import offered_figures
from benchmark.report.palette import Style

INDEX_FILE = "figures.json"
_CODE = ("benchmark/report", "benchmark/analysis/schema")
_PACKAGES = ("matplotlib", "numpy")

Draw = Callable[[], Plot | None]


@dataclass(frozen=True)
class SavedFigure:
    """A figure that lies in a folder as figures/NAME.svg (NAME.pdf, if `pdf`) and data/NAME.csv; sizes in CSS pixels."""

    name: str
    title: str
    alt: str
    caption: str
    width: int
    height: int
    pdf: bool

    def files(self, name: str | None = None) -> tuple[str, ...]:
        """Where it lies below its folder; under another `name`, where a copy would."""
        name = name or self.name
        twin = (f"figures/{name}.pdf",) if self.pdf else ()
        return (f"figures/{name}.svg", f"data/{name}.csv", *twin)


def suite_figures(suite: SuiteReport, runs: Sequence[RunRow], style: Mapping[str, Style], methods: Methods) -> dict[str, Draw]:
    """How to draw each figure of a suite, by key. `runs`: those that the suite plans.

    A function rather than a figure, so that a page that needs two of them draws two.
    """
    figures: dict[str, Draw] = {}
    if not suite.smoke:
        figures |= {
            "headline": partial(aggregate_scores.headline, suite, style, methods),
            "intervals": partial(aggregate_scores.intervals, suite, style, methods),
            "ranks": partial(comparison.ranks, suite, style, methods),
            "improvement": partial(comparison.improvement, suite, style, methods),
            "profiles": partial(aggregate_scores.profiles, suite, style, methods),
            "efficiency": partial(aggregate_scores.efficiency, suite, style, methods),
        }
    figures["over tasks"] = partial(learning_curves.over_tasks, suite, style, methods)
    for task in suite.tasks:
        figures[f"curves on {task.task}"] = partial(learning_curves.on_task, suite, task, style, methods)
        figures[f"finals on {task.task}"] = partial(final_scores.finals, suite, task, runs, style, methods)
        figures[f"seeds on {task.task}"] = partial(learning_curves.every_seed, suite, task, style)
    for entry in suite.variants:
        name = entry.variant
        figures[f"curves of {name}"] = partial(learning_curves.of_variant, suite, name, style, methods)
        graphs = graph_quality.of_variant(suite, name)
        if graphs:
            figures[f"graphs of {name}"] = partial(graph_quality.over_training, suite, name, style)
            figures[f"mean graphs of {name}"] = partial(graph_quality.mean_graphs, suite, name)
        for task, report in graphs:
            figures[f"episode of {name} on {task.task}"] = partial(episode_graph.drawn_graph, suite, task, report)
    for ablation in suite.ablations:
        figures[f"ablation {ablation.id}"] = partial(ablation_scores.means, suite, ablation, style, methods)
    if suite.ablations:
        figures["return r2"] = partial(ablation_scores.return_r2, suite, style)
    if suite.reproduction:
        figures["reproduction"] = partial(final_scores.reproduction, suite, suite.reproduction, style)
    for figure in offered_figures():
        figures[f"offered {figure.name}"] = partial(figure.draw, suite, style, methods)
    return figures


class Gallery:
    """The figures of one suite in a folder: what is there of the same inputs is used, the rest is drawn when asked for."""

    def __init__(
        self,
        folder: Path,
        suite: SuiteReport,
        runs: Sequence[RunRow],
        style: Mapping[str, Style],
        methods: Methods,
        *,
        pdf: bool = False,
    ) -> None:
        own = {entry.variant: style[entry.variant] for entry in suite.variants}
        rows = [_of_suite(run, suite.name) for run in runs if any(name.suite == suite.name for name in run.planned)]
        self.folder = folder
        self.suite = suite
        self._pdf = pdf
        self._draw = suite_figures(suite, rows, own, methods)
        self._key = _key(suite, rows, own, methods, pdf)
        self._figures: dict[str, SavedFigure | None] = self._read()

    def get(self, key: str) -> SavedFigure | None:
        """The figure of that key; None where the suite has no such figure, or nothing to show in it.

        A figure of another package that fails is left out, with a warning, and tried again next time.
        """
        if key not in self._figures:
            with rc_style():
                try:
                    plot = self._draw[key]() if key in self._draw else None
                except BrokenPlugin as error:
                    warn(f"{error}; it is left out")
                    return None
                self._figures[key] = None if plot is None else self._save(plot)
        return self._figures[key]

    def complete(self) -> None:
        """Draws all that is not there yet, and writes the index."""
        for key in self._draw:
            self.get(key)
        index = {key: figure and asdict(figure) for key, figure in self._figures.items()}
        content = json.dumps({"key": self._key, "figures": index}, indent=1, ensure_ascii=False)
        write_atomically(self.folder / INDEX_FILE, content.encode())

    def _save(self, plot: Plot) -> SavedFigure:
        """Under a name of its own: names are put together of suites, tasks and variants, so that two may be alike."""
        taken = {figure.name for figure in self._figures.values() if figure}
        name = unused(plot.name, taken)
        save(plot, self.folder, name, pdf=self._pdf)
        width, height = plot.pixels
        return SavedFigure(name, plot.title, plot.alt, plot.caption, width, height, self._pdf)

    def _read(self) -> dict[str, SavedFigure | None]:
        """What was drawn of the same inputs and is whole; a folder of anything else is emptied."""
        try:
            index = json.loads((self.folder / INDEX_FILE).read_bytes())
            if index["key"] == self._key:
                kept = {key: figure and SavedFigure(**figure) for key, figure in index["figures"].items()}
                return {key: figure for key, figure in kept.items() if figure is None or self._has(figure)}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        shutil.rmtree(self.folder, ignore_errors=True)
        return {}

    def _has(self, figure: SavedFigure) -> bool:
        return all((self.folder / file).is_file() for file in figure.files())


def unused(name: str, taken: set[str]) -> str:
    """`name`, or with the first number behind it that makes it new."""
    count, candidate = 1, name
    while candidate in taken:
        count += 1
        candidate = f"{name}-{count}"
    return candidate


def _of_suite(run: RunRow, suite: str) -> RunRow:
    """The row as the suite alone would have it."""
    return run.model_copy(update={"planned": tuple(name for name in run.planned if name.suite == suite)})


def _key(suite: SuiteReport, runs: Sequence[RunRow], style: Mapping[str, Style], methods: Methods, pdf: bool) -> str:
    digest = hashlib.sha256(f"{_code()}\n{pdf}\n{sorted(style.items())!r}\n".encode())
    for model in (methods, suite, *runs):
        digest.update(model.model_dump_json().encode() + b"\n")
    digest.update(offered().encode())
    for figure in offered_figures():
        digest.update(f"{figure.name} {figure.function}\n".encode())
    return digest.hexdigest()


@cache
def _code() -> str:
    return code_digest(_CODE, _PACKAGES)
