"""Packages whose entry points cannot be used: each is named with the reason, and everything else goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import algorithms.registry
import benchmark.environments.tasks.registry
import benchmark.papers.studies
import benchmark.report.offered_figures
from algorithms.plugins import BrokenPlugin, UnknownName
from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.run_spec import get_algorithm
from tests.checkout import install
from tests.fixtures.command_line import call

ENTRY = "from dataclasses import replace\nfrom algorithms.registry import BUILT_IN\n"
FAMILY = "from dataclasses import replace\nfrom creditbench import TaskFamily, get_task\n"
STUDY = "from creditbench import Study\n"

Offer = Callable[..., None]


def _forget() -> None:
    algorithms.registry.algorithms.cache_clear()
    benchmark.environments.tasks.registry.families.cache_clear()
    benchmark.environments.tasks.registry.get_task.cache_clear()
    benchmark.papers.studies.studies.cache_clear()
    benchmark.report.offered_figures.offered_figures.cache_clear()


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Offer]:
    """Installs a package in this process: offer("bad", algorithms="source of a module whose OFFERED is the entry point")."""
    installed: list[str] = []

    def install_package(package: str, **sources: str) -> None:
        folder = tmp_path / "packages" / package
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text("")
        lines = [f'[project]\nname = "{package}"\nversion = "1"\n']
        for group, source in sources.items():
            (folder / package / f"{group}.py").write_text(source)
            lines.append(f'[project.entry-points."creditbench.{group}"]\n{package} = "{package}.{group}:OFFERED"\n')
        (folder / "pyproject.toml").write_text("".join(lines))
        install(tmp_path / "site", folder)
        installed.append(package)

    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    _forget()
    yield install_package
    for module in [name for name in sys.modules if name.partition(".")[0] in installed]:
        del sys.modules[module]
    monkeypatch.undo()
    _forget()


BROKEN = {
    "fails": ("raise RuntimeError('boom')", r"cannot be loaded: RuntimeError\('boom'\) \(bad/algorithms\.py, line 1\)"),
    "in several lines": ("raise RuntimeError('a\\nb')\n", r"cannot be loaded: RuntimeError\('a.nb'\)"),
    "missing module": ("import not_there", "No module named 'not_there'"),
    "syntax": ("def", "SyntaxError"),
    "ends the process": ("import sys\nsys.exit(3)", r"SystemExit\(3\)"),
    "nothing of the name": ("", "no attribute 'OFFERED'"),
    "something else": ("OFFERED = 3", "is no AlgorithmEntry, but 3"),
    "cannot be shown": ("class A:\n  def __repr__(self): raise OSError\nOFFERED = A()", "is no AlgorithmEntry, but a A"),
    "taken name": (ENTRY + "OFFERED = BUILT_IN[0]", "is called 'ippo', as another one is"),
    "taken but for case": (ENTRY + "OFFERED = replace(BUILT_IN[0], name='IPPO')", "is called 'IPPO', as another one is"),
    "impossible name": (ENTRY + "OFFERED = replace(BUILT_IN[0], name='mine/v2')", "'mine/v2' cannot be a name of an algorithm"),
}


@pytest.mark.parametrize(("source", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_an_algorithm_that_cannot_be_used_is_named_and_left_out(
    source: str, reason: str, offer: Offer, capsys: pytest.CaptureFixture[str]
) -> None:
    built_in = list(algorithms.registry.algorithms())
    _forget()
    offer("bad", algorithms=source)
    assert list(algorithms.registry.algorithms()) == built_in
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("creditbench: warning: the package bad offers bad = bad.algorithms:OFFERED (creditbench.algorithms)")
    with pytest.raises(UnknownName, match=f"There is no algorithm 'bad'.* Not usable: the package bad offers bad .*{reason}"):
        get_algorithm("bad")


FAMILIES = {
    "fails": ("raise RuntimeError('boom')", "boom"),
    "something else": ("OFFERED = 3", "is no TaskFamily, but 3"),
    "taken name": ("from benchmark.environments.tasks.lbf import FAMILY as OFFERED", "is called 'lbf', as another one is"),
    "impossible name": (FAMILY + "OFFERED = TaskFamily('..', 'T', (), {}.get)", "'..' cannot be a name of a family"),
    "impossible task": (FAMILY + "OFFERED = TaskFamily('bad', 'T', ('bad/..',), {}.get)", "cannot be a name of a task"),
    "not its task": (FAMILY + "OFFERED = TaskFamily('bad', 'T', ('lbf/x',), {}.get)", "whose ids begin with its name"),
    "no such task": (FAMILY + "OFFERED = TaskFamily('bad', 'T', ('bad/x',), {}.get)", "has no such task"),
    "no task": (FAMILY + "OFFERED = TaskFamily('bad', 'T', ('bad/x',), str)", "gives something else for the id 'bad/x'"),
    "another task": (
        FAMILY + "OFFERED = TaskFamily('bad', 'T', ('bad/x',), lambda name: get_task('matrix/climbing'))",
        "gives something else for the id 'bad/x'",
    ),
    "fails when asked": (FAMILY + "OFFERED = TaskFamily('bad', 'T', ('bad/x',), lambda name: 1 / 0)", "ZeroDivisionError"),
}


@pytest.mark.parametrize(("source", "reason"), FAMILIES.values(), ids=FAMILIES.keys())
def test_a_family_of_tasks_that_cannot_be_used_is_named_and_left_out(
    source: str, reason: str, offer: Offer, capsys: pytest.CaptureFixture[str]
) -> None:
    offer("bad", tasks=source)
    assert get_task("matrix/climbing").id == "matrix/climbing"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("creditbench: warning: the package bad offers bad = bad.tasks:OFFERED (creditbench.tasks)")
    assert reason in line
    with pytest.raises(UnknownName) as error:
        get_task("bad/x")
    assert reason in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_family_that_fails_on_an_id_beyond_its_list_is_named(offer: Offer) -> None:
    offer("bad", tasks=FAMILY + "OFFERED = TaskFamily('bad', 'T', (), lambda name: 1 / 0)")
    with pytest.raises(BrokenPlugin, match="the family of tasks 'bad' fails on the id 'bad/x': ZeroDivisionError"):
        get_task("bad/x")


def test_a_package_may_ask_for_what_is_built_in_while_it_is_imported(offer: Offer, capsys: pytest.CaptureFixture[str]) -> None:
    source = "TASK = replace(get_task('matrix/climbing'), id='mine/climbing')\n"
    offer("mine", tasks=FAMILY + source + "OFFERED = TaskFamily('mine', 'T', (TASK.id,), {TASK.id: TASK}.get)")
    assert get_task("mine/climbing").horizon == get_task("matrix/climbing").horizon
    assert capsys.readouterr().err == ""


def test_of_two_packages_with_one_name_neither_is_used(offer: Offer, capsys: pytest.CaptureFixture[str]) -> None:
    for package in ("bad", "worse"):
        offer(package, algorithms=ENTRY + "OFFERED = replace(BUILT_IN[0], name='mine')")
    assert "mine" not in algorithms.registry.algorithms()
    lines = capsys.readouterr().err.splitlines()
    assert ["the package bad" in lines[0], "the package worse" in lines[1]] == [True, True]
    with pytest.raises(UnknownName, match=r"package bad offers .* as another one is\. Not usable: the package worse"):
        get_algorithm("mine")


def test_what_a_package_prints_when_it_is_imported_is_kept_out_of_the_output(
    offer: Offer, capsys: pytest.CaptureFixture[str]
) -> None:
    offer("loud", algorithms=ENTRY + "print('hello')\nOFFERED = replace(BUILT_IN[0], name='loud')")
    assert call("plan", "quick", "--json") == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["suite"] == "quick"
    assert "the package loud prints where loud = loud.algorithms:OFFERED" in output.err
    assert "'hello'" in output.err
    assert get_algorithm("loud").name == "loud"


@pytest.mark.parametrize(
    ("arguments", "group"),
    [(("list", "algorithms"), "algorithms"), (("list", "tasks"), "tasks"), (("study", "list"), "studies")],
    ids=" ".join,
)
def test_a_list_shows_what_is_broken_of_it(
    arguments: tuple[str, ...], group: str, offer: Offer, capsys: pytest.CaptureFixture[str]
) -> None:
    offer("bad", **{group: "raise RuntimeError('boom')"})
    assert call(*arguments) == 0
    output = capsys.readouterr()
    words = " ".join(output.out.split())
    assert "broken: the package bad offers bad" in words
    assert "'boom'" in words
    assert len(output.err.splitlines()) == 1


def test_what_needs_a_broken_package_is_one_line_with_the_reason(
    offer: Offer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    offer("bad", algorithms="raise RuntimeError('boom')", tasks="import not_there", studies="import sys\nsys.exit('no')")
    suite = tmp_path / "mine.yaml"
    suite.write_text(
        "{name: mine, title: M, description: d, tasks: [{task: matrix/climbing, budget: 200}], seeds: [0],"
        " variants: {bad: {algorithm: bad}}}"
    )
    out = ["--steps", "100", "--out", str(tmp_path / "out")]
    for arguments, reason in (
        (["plan", str(suite)], "RuntimeError('boom')"),
        (["train", "--task", "matrix/climbing", "--algorithm", "bad", *out], "RuntimeError('boom')"),
        (["random", "--task", "bad/x"], "No module named 'not_there'"),
        (["train", "--task", "bad/x", "--algorithm", "ippo", *out], "No module named 'not_there'"),
        (["aggregate", "--suite", str(suite)], "RuntimeError('boom')"),
        (["study", "bad"], "SystemExit('no')"),
    ):
        assert call(*arguments) == 2
        *_, line = capsys.readouterr().err.splitlines()
        assert line.startswith("creditbench: ")
        assert "Not usable: the package bad offers bad = bad." in line
        assert reason in line


def test_what_needs_no_broken_package_goes_on(
    offer: Offer, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    groups = ("algorithms", "tasks", "studies", "figures")
    offer("bad", **dict.fromkeys(groups, "import sys\nsys.exit(3)"))
    settings = ["--set", "episodes_per_update=4", "--set", "epochs=1"]
    run = ["train", "--task", "matrix/climbing", "--algorithm", "ippo", "--steps", "100", "--out", "run", *settings]
    for arguments in (["plan", "quick"], run, ["evaluate", "run"], ["aggregate", "--suite", "quick"], ["report"]):
        assert call(*arguments) == 0, capsys.readouterr().err
    assert (tmp_path / "reports" / "index.html").is_file()
    assert (tmp_path / "run" / "record.json").is_file()
    lines = capsys.readouterr().err.splitlines()
    assert [sum(f"(creditbench.{group})" in line for line in lines) for group in groups] == [1, 1, 0, 1]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("OFFERED = SuiteFigure('mine', 'not_there:draw')", "cannot be imported: ModuleNotFoundError"),
        (
            "OFFERED = SuiteFigure('mine', 'bad.figures:draw')\ndef draw(*given): 1 / 0",
            "cannot be drawn of the suite quick: ZeroDivi",
        ),
        (
            "OFFERED = SuiteFigure('mine', 'bad.figures:draw')\n"
            "def draw(suite, *given):\n"
            "    from creditbench.figures import Data, Plot, subplots\n"
            "    return Plot('../../escaped', 'T', subplots(1, 1, height=1.0)[0], Data(('a',), ((1,),)), 'A.', 'C.')\n",
            "'../../escaped' cannot be a name of a figure",
        ),
    ],
    ids=["no module", "fails", "escapes"],
)
def test_a_figure_that_cannot_be_drawn_is_left_out_of_the_report_and_tried_again(
    source: str,
    reason: str,
    offer: Offer,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    offer("bad", figures="from creditbench import SuiteFigure\n" + source)
    assert call("aggregate", "--suite", "quick") == 0
    for out in ("one", "two"):
        assert call("report", "--out", out) == 0
        warnings = [line for line in capsys.readouterr().err.splitlines() if "the figure 'mine'" in line]
        assert warnings
        assert all(reason in line for line in warnings)
        assert (tmp_path / out / "index.html").is_file()
    assert not list(tmp_path.glob("**/escaped*"))


def test_a_method_whose_code_cannot_be_imported_is_one_line(
    offer: Offer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    offer("bad", algorithms=ENTRY + "OFFERED = replace(BUILT_IN[0], name='bad', factory='bad.not_there:build')")
    assert (
        call("train", "--task", "matrix/climbing", "--algorithm", "bad", "--steps", "100", "--out", str(tmp_path / "run")) == 2
    )
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "creditbench: the factory bad.not_there:build of the algorithm 'bad' cannot be imported: ModuleNotFound"
    )
