"""What the pages are made with: the model, one style per variant, the names of pages, and where files go."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from benchmark.analysis.schema import Aggregate, Manifest, RunRow, SuiteReport, TaskReport, VariantSummary
from benchmark.report import formatting
from benchmark.report.figure_style import Plot, save
from benchmark.report.gallery import Gallery, SavedFigure, unused
from benchmark.report.palette import Style, shortened, styles
from benchmark.report.table import Cell, Table, badge

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Entry:
    """A page in the navigation; `children` are shown below it in a wide window."""

    title: str
    path: str
    children: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class ReportContext:
    """One rendering. Pages, figures and tables are written below `folder` as they are made."""

    folder: Path
    aggregate: Aggregate
    manifest: Manifest
    cache: Path
    """Where the figures of each suite are kept, in a folder of its name."""
    pdf: bool = False
    """Whether each figure has a PDF twin."""
    _names: set[str] = field(default_factory=set)

    @cached_property
    def style(self) -> dict[str, Style]:
        """By variant, over all suites: a variant looks the same everywhere."""
        return styles(entry.variant for suite in self.aggregate.suites for entry in suite.variants)

    @cached_property
    def galleries(self) -> dict[str, Gallery]:
        """The figures of each suite, by its name."""
        aggregate = self.aggregate
        return {
            suite.name: Gallery(
                self.cache / suite.name / "figures", suite, aggregate.runs, self.style, aggregate.methods, pdf=self.pdf
            )
            for suite in aggregate.suites
        }

    @cached_property
    def task_pages(self) -> dict[str, str]:
        """The file of each task's page."""
        names = formatting.slugs(task.task for suite in self.aggregate.suites for task in suite.tasks)
        return {name: f"task-{stem}.html" for name, stem in names.items()}

    @cached_property
    def method_pages(self) -> dict[str, str]:
        """The file of each variant's page."""
        return {name: f"method-{stem}.html" for name, stem in formatting.slugs(self.style).items()}

    @cached_property
    def tasks(self) -> dict[str, list[tuple[SuiteReport, TaskReport]]]:
        """By task: the suites that have it. In the order of suites and tasks."""
        found: dict[str, list[tuple[SuiteReport, TaskReport]]] = {}
        for suite in self.aggregate.suites:
            for task in suite.tasks:
                found.setdefault(task.task, []).append((suite, task))
        return found

    @cached_property
    def variants(self) -> dict[str, list[tuple[SuiteReport, VariantSummary]]]:
        """By variant: the suites that have it. Sorted by name."""
        found: dict[str, list[tuple[SuiteReport, VariantSummary]]] = {}
        for suite in self.aggregate.suites:
            for entry in suite.variants:
                found.setdefault(entry.variant, []).append((suite, entry))
        return dict(sorted(found.items()))

    @cached_property
    def ablation_anchors(self) -> dict[tuple[str, str], str]:
        """The place of each ablation, by suite and id, on the page of ablations."""
        keys = [(suite.name, ablation.id) for suite in self.aggregate.suites for ablation in suite.ablations]
        return {key: f"a{place}-{formatting.slug(key[1])}" for place, key in enumerate(keys, start=1)}

    def ablations_with(self, suite: SuiteReport, variant: str) -> list[tuple[str, str]]:
        """(title, address) of the suite's ablations that have a variant, as the base or beside it."""
        return [
            (ablation.title, f"ablations.html#{self.ablation_anchors[suite.name, ablation.id]}")
            for ablation in suite.ablations
            if variant in (ablation.base, *ablation.variants)
        ]

    @cached_property
    def recorded(self) -> set[str]:
        """The fingerprints that the page of records lists."""
        return {entry.fingerprint for entry in self.manifest.records}

    @cached_property
    def navigation(self) -> tuple[Entry, ...]:
        """The pages that have content."""
        aggregate = self.aggregate
        entries = [Entry("Overview", "index.html")]
        if aggregate.suites:
            entries.append(Entry("Leaderboard", "leaderboard.html"))
            entries.append(Entry("Tasks", "tasks.html", self._children(self.task_pages, self.tasks)))
            entries.append(Entry("Methods", "methods.html", self._children(self.method_pages, self.variants)))
        if aggregate.studies or any(suite.claims for suite in aggregate.suites):
            entries.append(Entry("Claims", "claims.html"))
        if any(suite.ablations for suite in aggregate.suites):
            entries.append(Entry("Ablations", "ablations.html"))
        if aggregate.studies or aggregate.studies_refused:
            entries.append(Entry("Studies", "studies.html"))
        if any(suite.reproduction for suite in aggregate.suites):
            entries.append(Entry("Reproduction", "reproduction.html"))
        if aggregate.cost:
            entries.append(Entry("Speed and cost", "speed.html"))
        entries.append(Entry("Statistics and provenance", "provenance.html"))
        if self.manifest.records:
            entries.append(Entry("Records", "records.html"))
        return tuple(entries)

    @cached_property
    def has_page(self) -> set[str]:
        """The titles in the navigation, for text that points to a page which may not be there."""
        return {entry.title for entry in self.navigation}

    def runs(self, *, suite: str | None = None, variant: str | None = None, task: str | None = None) -> list[RunRow]:
        """The runs that a suite plans under a variant's name, on a task; what is not given is not asked for."""
        return [
            run
            for run in self.aggregate.runs
            if (task is None or run.task == task)
            and any((suite is None or p.suite == suite) and (variant is None or p.variant == variant) for p in run.planned)
        ]

    def figure(self, suite: SuiteReport, key: str) -> SavedFigure | None:
        """A figure of a suite (the keys are in gallery.py), copied into the report under a name of its own."""
        gallery = self.galleries[suite.name]
        figure = gallery.get(key)
        if figure is None:
            return None
        copy = replace(figure, name=self._own_name(figure.name))
        for source, target in zip(figure.files(), figure.files(copy.name), strict=True):
            (self.folder / target).parent.mkdir(exist_ok=True)
            shutil.copyfile(gallery.folder / source, self.folder / target)
        return copy

    def figures(self, suite: SuiteReport, keys: Iterable[str]) -> list[SavedFigure]:
        """Those that there are."""
        return [figure for figure in (self.figure(suite, key) for key in keys) if figure is not None]

    def plot(self, plot: Plot | None) -> SavedFigure | None:
        """A figure that belongs to no single suite, saved into the report."""
        if plot is None:
            return None
        name = self._own_name(plot.name)
        save(plot, self.folder, name, pdf=self.pdf)
        width, height = plot.pixels
        return SavedFigure(name, plot.title, plot.alt, plot.caption, width, height, self.pdf)

    @overload
    def table(self, table: Table) -> Table: ...

    @overload
    def table(self, table: None) -> None: ...

    def table(self, table: Table | None) -> Table | None:
        """Writes the CSV of a table, unless there is none, under a name of its own."""
        if table is None:
            return None
        table = replace(table, name=self._own_name(table.name))
        folder = self.folder / "data"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{table.name}.csv").write_text(table.data.csv(), encoding="utf-8")
        return table

    def _own_name(self, wanted: str) -> str:
        """Names are put together of suites, tasks and variants, so that two may be alike: a-b + c is a + b-c."""
        name = unused(wanted, self._names)
        self._names.add(name)
        return name

    def page(self, path: str, template: str, title: str, *, within: str | None = None, **content: Any) -> None:
        """Writes a page. `within`: the page whose entry in the navigation is marked."""
        text = self._templates.get_template(template).render(
            context=self, title=title, path=path, within=within or path, formatting=formatting, **content
        )
        (self.folder / path).write_text(text, encoding="utf-8")

    def who(self, variant: str, *, link: bool = True) -> Markup:
        """A variant's key and name; a link shortens a long name, plain text does not."""
        style = self.style[variant]
        dashes = Markup(' stroke-dasharray="{}"').format(" ".join(f"{x:g}" for x in style.dashes)) if style.dashes else Markup()
        key = Markup(
            '<svg class="key" viewBox="0 0 25 12" aria-hidden="true"><path d="M0 6h25" stroke="{0}" stroke-width="2"{1}/>'
            '<path d="{2}" transform="translate(6.5 0)" fill="{0}" stroke="#fff" stroke-width=".8"/></svg>'
        ).format(style.colour, dashes, style.path)
        short = shortened(variant, 32) if link else variant
        name = Markup("<span{}>{}</span>").format(
            Markup(' title="{}"').format(variant) if short != variant else Markup(), short
        )
        if link:
            name = Markup('<a href="{}">{}</a>').format(self.method_pages[variant], name)
        return Markup('<span class="who">{}{}</span>').format(key, name)

    def who_cell(self, variant: str, after: Markup | str = "") -> Cell:
        """The cell of a variant."""
        return Cell(self.who(variant) + Markup(after), (variant,), "nowrap")

    def task_link(self, task: str) -> Markup:
        """A task's name, linked."""
        return Markup('<a href="{}">{}</a>').format(self.task_pages[task], task)

    def record_link(self, run: RunRow) -> Markup:
        """A run's fingerprint, linked to its record where there is one."""
        short = run.fingerprint[:12]
        if run.fingerprint not in self.recorded:
            return Markup("<code>{}</code>").format(short)
        return Markup('<a href="records.html#r-{0}"><code>{0}</code></a>').format(short)

    @cached_property
    def _templates(self) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        environment.globals["badge"] = badge
        environment.globals["shortened"] = shortened
        return environment

    def _children(self, pages: dict[str, str], names: Iterable[str]) -> tuple[Entry, ...]:
        return tuple(Entry(shortened(name, 26), pages[name]) for name in names)
