"""What is prepared of suites ahead of the report: the same by any number of processes, and drawn once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from benchmark.analysis.aggregate import Part, suite_part
from benchmark.analysis.inputs import suite_inputs
from benchmark.analysis.schema import Methods, SuiteReport
from benchmark.experiments.store import Store
from benchmark.experiments.suite import Suite
from benchmark.report import freshness, gallery
from benchmark.report.figure_style import Data, Plot, save, subplots
from benchmark.report.freshness import is_prepared
from benchmark.report.offered_figures import SuiteFigure
from benchmark.report.palette import Style
from benchmark.report.preparation import prepare
from tests.checkout import ROOT, install
from tests.fixtures.made_up_aggregate import made_up_aggregate
from tests.fixtures.read_site import Reader, files, one_page, report_context, rows
from tests.fixtures.synthetic_records import (
    FEW_RESAMPLES,
    RETURNS,
    SUCCESSES,
    synthetic_registry,
    synthetic_suite,
    write_constant,
)

VARIANTS = frozenset({"strong", "weak", "oracle"})


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    with synthetic_registry(), FEW_RESAMPLES:
        yield


def small_suites() -> list[Suite]:
    """Smoke suites, of which few figures are drawn; the second is the larger one."""
    return [
        synthetic_suite((RETURNS,), ("strong",), (0,), name="first", smoke=True),
        synthetic_suite((SUCCESSES,), ("strong", "weak"), (0,), name="second", smoke=True),
    ]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the records of two suites, and what one process prepared of them in "cache"."""
    root = tmp_path_factory.mktemp("prepared")
    freshness.offered.cache_clear()  # other tests of this process have installed packages
    with synthetic_registry(), FEW_RESAMPLES:
        first, second = small_suites()
        write_constant(Store(root), first, {(RETURNS, "strong"): [5.0]})
        write_constant(Store(root), second, {(SUCCESSES, "strong"): [0.5], (SUCCESSES, "weak"): [0.25]})
        list(prepare([first, second], Store(root), root / "cache", VARIANTS))
    return root


@pytest.fixture
def suites(prepared: Path, tmp_path: Path) -> list[Suite]:
    """The two suites, whose records and prepared files lie in a copy at `tmp_path`."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return small_suites()


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the figures that are drawn, as they are."""
    names: list[str] = []

    def counting(plot: Plot, folder: Path, name: str, *, pdf: bool) -> None:
        names.append(name)
        save(plot, folder, name, pdf=pdf)

    monkeypatch.setattr(gallery, "save", counting)
    return names


def test_two_processes_prepare_the_same_files_as_one(suites: list[Suite], tmp_path: Path) -> None:
    done = list(prepare(suites, Store(tmp_path), tmp_path / "other", VARIANTS, processes=2))
    assert {report.name for report in done} == {"first", "second"}
    made = files(tmp_path / "cache")
    assert {"first/aggregate.json", "first/figures/figures.json", "second/prepared.sha256"} <= made.keys()
    assert files(tmp_path / "other") == made


def test_the_suite_of_the_most_runs_is_prepared_first(suites: list[Suite], tmp_path: Path) -> None:
    assert [report.name for report in prepare(suites, Store(tmp_path), tmp_path / "cache", VARIANTS)] == ["second", "first"]


def test_what_is_prepared_is_not_drawn_again(suites: list[Suite], tmp_path: Path, drawn: list[str]) -> None:
    list(prepare(suites, Store(tmp_path), tmp_path / "cache", VARIANTS))
    assert drawn == []


def test_the_figures_of_what_is_prepared_are_not_even_looked_at(
    suites: list[Suite], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*arguments: object, **options: object) -> None:
        raise AssertionError("a gallery was opened")

    monkeypatch.setattr("benchmark.report.preparation.Gallery", failing)
    assert len(list(prepare(suites, Store(tmp_path), tmp_path / "cache", VARIANTS))) == 2


@pytest.mark.parametrize("ending", ["svg", "csv"])
def test_a_kept_figure_of_which_a_file_is_gone_is_drawn_again_alone(tmp_path: Path, drawn: list[str], ending: str) -> None:
    content = made_up_aggregate(1, 1, 1)
    site, _ = one_page(tmp_path, content, "leaderboard.html")
    context = report_context(tmp_path, content)
    for kept in context.galleries.values():
        kept.complete()
    (path,) = (tmp_path / "figures").rglob(f"made-up-intervals.{ending}")
    before = path.read_bytes()
    path.unlink()
    shutil.rmtree(site)
    drawn.clear()
    one_page(tmp_path, content, "leaderboard.html")
    assert drawn == ["made-up-intervals"]
    assert path.read_bytes() == before


def test_a_suite_whose_record_has_changed_is_drawn_again_and_no_other(
    suites: list[Suite], tmp_path: Path, drawn: list[str]
) -> None:
    write_constant(Store(tmp_path), suites[0], {(RETURNS, "strong"): [7.0]})
    list(prepare(suites, Store(tmp_path), tmp_path / "cache", VARIANTS))
    assert drawn
    assert all(name.startswith("first-") for name in drawn)


def test_other_colours_are_drawn(suites: list[Suite], tmp_path: Path, drawn: list[str]) -> None:
    list(prepare(suites, Store(tmp_path), tmp_path / "cache", {"a-first-variant", *VARIANTS}))
    assert {name.partition("-")[0] for name in drawn} == {"first", "second"}


def test_a_report_of_more_variants_in_the_same_colours_draws_nothing(
    suites: list[Suite], tmp_path: Path, drawn: list[str]
) -> None:
    list(prepare(suites, Store(tmp_path), tmp_path / "cache", {*VARIANTS, "z-last-variant"}))
    assert drawn == []


def test_who_prepares_a_suite_that_another_one_is_preparing_waits(
    suites: list[Suite], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, begun = tmp_path / "cache", threading.Event()

    def noted(*arguments: Any, **options: Any) -> Part:
        begun.set()
        return suite_part(*arguments, **options)

    monkeypatch.setattr("benchmark.report.preparation.suite_part", noted)
    work = threading.Thread(target=lambda: list(prepare(suites[:1], Store(tmp_path), cache, VARIANTS)))
    with FileLock(cache / ".first.lock"):
        work.start()
        assert not begun.wait(timeout=0.5)
    assert begun.wait(timeout=30)
    work.join(timeout=30)
    assert not work.is_alive()


@pytest.mark.usefixtures("suites")
def test_what_was_prepared_is_prepared(tmp_path: Path) -> None:
    for suite in small_suites():
        inputs = suite_inputs(suite, Store(tmp_path))
        assert is_prepared(tmp_path / "cache" / suite.name, inputs, sorted(VARIANTS), pdf=False)


@pytest.mark.parametrize("other", ["variants", "inputs", "pdf", "nothing there", "no text"])
def test_what_was_prepared_is_not_what_would_be_of_anything_else(suites: list[Suite], tmp_path: Path, other: str) -> None:
    folder = tmp_path / "cache" / "first"
    if other == "no text":
        (folder / "prepared.sha256").write_bytes(b"\xff\xfe\x9c")
    inputs = "0" * 64 if other == "inputs" else suite_inputs(suites[0], Store(tmp_path))
    variants = VARIANTS - {"weak"} if other == "variants" else VARIANTS
    folder = folder / "nowhere" if other == "nothing there" else folder
    assert not is_prepared(folder, inputs, variants, pdf=other == "pdf")


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_in_one_suite_is_raised_and_keeps_what_was_prepared_of_others(
    suites: list[Suite], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    def failing(suite: SuiteReport, *arguments: object) -> None:
        if suite.name == "first":
            raise ArithmeticError("a fault, as asked for")

    monkeypatch.setattr("benchmark.report.gallery.learning_curves.over_tasks", failing)
    cache = tmp_path / "other"
    with pytest.raises(ArithmeticError, match="a fault, as asked for"):
        list(prepare(suites, Store(tmp_path), cache, VARIANTS, processes=processes))
    ready = {
        suite.name: is_prepared(cache / suite.name, suite_inputs(suite, Store(tmp_path)), VARIANTS, pdf=False)
        for suite in suites
    }
    assert ready == {"first": False, "second": True}


# Figures of other packages


def seeds_of_a_suite(suite: SuiteReport, style: Mapping[str, Style], methods: Methods) -> Plot:
    """A figure as another package would draw it."""
    figure, (axes,) = subplots(1, 1, height=1.0)
    axes.plot(suite.seeds, suite.seeds)
    data = Data(("seed", "suite"), tuple((seed, suite.name) for seed in suite.seeds))
    return Plot(f"{suite.name}-outside", "A figure from outside", figure, data, f"{len(suite.seeds)} seeds.", "Made up.")


def nothing_to_show(suite: SuiteReport, style: Mapping[str, Style], methods: Methods) -> None:
    """A figure that no suite has."""


OFFERED = [SuiteFigure("outside", f"{__name__}:seeds_of_a_suite"), SuiteFigure("nothing", f"{__name__}:nothing_to_show")]


def offer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two figures of other packages, one of which has nothing to show."""
    monkeypatch.setattr(gallery, "offered_figures", lambda: OFFERED)
    monkeypatch.setattr("benchmark.report.pages.leaderboard.offered_figures", lambda: OFFERED)


def test_a_figure_of_another_package_stands_on_the_leaderboard_with_its_csv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch)
    site, page = one_page(tmp_path, made_up_aggregate(1, 1, 3), "leaderboard.html")
    assert "A figure from outside" in page.text
    assert "figures/made-up-outside.svg" in [image["src"] for image in page.all("img")]
    assert "data/made-up-outside.csv" in [link.get("href") for link in page.all("a")]
    assert [row["seed"] for row in rows(site / "data" / "made-up-outside.csv")] == ["0", "1", "2"]
    assert (site / "figures" / "made-up-outside.svg").read_text().startswith("<?xml")


def test_a_figure_of_another_package_is_prepared_with_the_others(
    suites: list[Suite], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch)
    list(prepare(suites, Store(tmp_path), tmp_path / "other", VARIANTS))
    assert {path.name for path in (tmp_path / "other").rglob("*-outside.csv")} == {"first-outside.csv", "second-outside.csv"}


PACKAGE = {
    "pyproject.toml": """[project]
name = "outside"
version = "1"
[project.entry-points."creditbench.figures"]
outside = "outside:FIGURE"
""",
    "outside/__init__.py": """from benchmark.report.offered_figures import SuiteFigure
FIGURE = SuiteFigure("outside", "outside.drawing:seeds")
""",
    "outside/drawing.py": """from benchmark.report.figure_style import Data, Plot, subplots
def seeds(suite, style, methods):
    figure, axes = subplots(1, 1, height=1.0)
    axes[0].plot(suite.seeds, suite.seeds)
    return Plot("outside", "A figure from outside", figure, Data(("seed",), ((1,),)), "1 seed.", "Made up.")
""",
}


@pytest.fixture
def site_packages(tmp_path: Path) -> Path:
    """A folder with an installed package that offers a figure."""
    for name, text in PACKAGE.items():
        path = tmp_path / "package" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return install(tmp_path / "site-packages", tmp_path / "package")


@pytest.mark.slow
def test_a_figure_of_an_installed_package_stands_on_the_leaderboard(site_packages: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from tests.fixtures.made_up_aggregate import made_up_aggregate\n"
        "from tests.fixtures.read_site import one_page\n"
        "one_page(Path(sys.argv[1]), made_up_aggregate(1, 1, 1), 'leaderboard.html')\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "report")],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{site_packages}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert made.returncode == 0, made.stderr
    page = Reader(tmp_path / "report" / "site" / "leaderboard.html")
    assert "A figure from outside" in page.text
    assert (tmp_path / "report" / "site" / "data" / "outside.csv").read_text() == "seed\n1\n"


@pytest.fixture
def _offered_anew() -> Iterator[None]:
    """The packages of this test are looked up, and forgotten after it."""
    freshness.offered.cache_clear()
    yield
    freshness.offered.cache_clear()


@pytest.mark.usefixtures("_offered_anew")
def test_a_package_that_offers_a_figure_puts_what_was_prepared_without_it_out_of_date(
    suites: list[Suite], site_packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = suite_inputs(suites[0], Store(tmp_path))
    assert is_prepared(tmp_path / "cache" / "first", inputs, VARIANTS, pdf=False)
    monkeypatch.syspath_prepend(str(site_packages))
    freshness.offered.cache_clear()
    assert not is_prepared(tmp_path / "cache" / "first", inputs, VARIANTS, pdf=False)


@pytest.mark.usefixtures("_offered_anew")
def test_another_version_of_a_package_that_offers_a_figure_makes_another_report(
    site_packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(site_packages))
    before = freshness.expected_inputs("0", pdf=False)
    metadata = site_packages / "outside-1.dist-info"
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 2\n")
    freshness.offered.cache_clear()
    assert freshness.expected_inputs("0", pdf=False) != before
