"""The README.md of each paper's folder names every suite and study of the folder, and nothing that does not exist."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from benchmark.experiments.suite import load_suite, suite_names
from benchmark.papers.studies import studies
from benchmark.papers.study import Study

ROOT = Path(__file__).parents[2]
PAPERS = ROOT / "benchmark" / "papers"
FOLDERS = sorted(folder.parent for folder in PAPERS.glob("*/suites"))
PATH = re.compile(r"[\w.-]+/[\w./-]*|[\w.-]+\.(?:py|yaml|json|md)")


def code_spans(folder: Path) -> set[str]:
    """What stands between backticks in the README of a folder."""
    return set(re.findall(r"`([^`\n]+)`", (folder / "README.md").read_text()))


def listed_studies(folder: Path) -> tuple[Study, ...]:
    """The studies that the folder's list names."""
    entries: tuple[Study, ...] = import_module(f"benchmark.papers.{folder.name}.studies").STUDIES
    return entries


def commands(folder: Path, verb: str) -> set[str]:
    """The words that follow `creditbench <verb>` in the README."""
    return set(re.findall(rf"creditbench {verb} ([\w-]+)", (folder / "README.md").read_text()))


def test_there_are_papers() -> None:
    assert {folder.name for folder in FOLDERS} >= {"tar2", "stas", "dependence_graphs"}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_suite_and_study_of_the_folder_is_named(folder: Path) -> None:
    files = [*folder.glob("suites/*.yaml"), *(path for path in folder.glob("studies/*.py") if path.name != "__init__.py")]
    assert {path.relative_to(folder).as_posix() for path in files} <= code_spans(folder)
    text = (folder / "README.md").read_text()
    assert [study.name for study in listed_studies(folder) if study.name not in text] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_path_that_is_named_exists(folder: Path) -> None:
    paths = [span for span in code_spans(folder) if PATH.fullmatch(span)]
    assert len(paths) > 5
    assert [path for path in paths if not (folder / path).exists() and not (ROOT / path).exists()] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_command_names_suites_and_studies_that_exist(folder: Path) -> None:
    assert commands(folder, "plan") | commands(folder, "aggregate --suite") <= set(suite_names())
    assert commands(folder, "study") <= {"list", *studies()}
    together = re.findall(r"suites='\[([^]]*)\]'", (folder / "README.md").read_text())
    assert {name for names in together for name in names.split(", ")} <= set(suite_names())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_study_of_the_folder_is_in_its_list_and_among_all(folder: Path) -> None:
    modules = {study.function.partition(":")[0].rpartition(".")[2] for study in listed_studies(folder)}
    assert modules == {path.stem for path in folder.glob("studies/*.py")} - {"__init__"}
    assert all(studies()[study.name] is study for study in listed_studies(folder))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_declared_core_hours_and_minutes_are_the_ones_in_the_readme(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    for path in folder.glob("suites/*.yaml"):
        suite = load_suite(path.stem)
        row = rf"\| `suites/{path.name}`[^|]*\| {len(list(suite.runs()))} \| {suite.core_hours:,g} \|"
        assert re.search(row, text), path.name
    for study in listed_studies(folder):
        assert re.search(rf"{study.name} {study.minutes:g}\b", text), study.name
