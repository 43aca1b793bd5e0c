"""The documentation: its links, commands and suites exist, and it names every method and its file."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from algorithms.registry import BUILT_IN, AlgorithmEntry
from benchmark.cli.app import main
from benchmark.experiments.suite import suite_names
from tests.checkout import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text() for page in PAGES)
METHODS = (ROOT / "docs" / "methods.md").read_text()
IMAGES = ROOT / "docs" / "images"
# tests/cli/test_cli.py has those of the README
COMMANDS = sorted({line for page in PAGES[1:] for line in re.findall(r"uv run creditbench ([^`\n…]+)", page.read_text())})
STUDIES = sorted(set(re.findall(r"creditbench study ((?!list)[a-z-]+)", TEXT)) - {"signals-random-policy"})


def help_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--help"])
    assert stop.value.code == 0
    return capsys.readouterr().out


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= 9216


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        name, _, heading = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if path.parent == IMAGES and not IMAGES.exists():
            continue  # pictures are rendered from the report and added with it
        assert path.exists(), target
        headings = re.findall(r"^#+ (.*)$", path.read_text(), re.M) if heading else []
        assert not heading or heading in [re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings], target


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for page in PAGES[1:]:
        assert f"({page.relative_to(ROOT).as_posix()})" in readme


@pytest.mark.parametrize("command", COMMANDS, ids=lambda line: line[:50])
def test_commands_and_their_options_exist(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(command)
    text = help_of(words[:2] if words[0] == "list" else words[:1], capsys)
    assert all(word in text for word in words if word.startswith("--"))


def test_suites_exist() -> None:
    listed = re.findall(r"suites='\[([^]]+)\]'", TEXT)
    names = {name.strip() for names in listed for name in names.split(",")} - {"a", "b"}
    names |= set(re.findall(r"suites=([\w./-]+)", TEXT)) - {"NAME"}
    names |= set(re.findall(r"creditbench plan ([\w./-]+)", TEXT))
    assert len(names) > 10
    assert {name for name in names if not name.endswith(".yaml")} <= set(suite_names())


def test_studies_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["study", "list"])
    listed = capsys.readouterr().out
    assert len(STUDIES) >= 5
    assert all(re.search(rf"^ *{study} ", listed, re.M) for study in STUDIES)


@pytest.mark.parametrize("entry", BUILT_IN, ids=lambda entry: entry.name)
def test_every_method_is_listed_with_its_file(entry: AlgorithmEntry) -> None:
    (row,) = re.findall(rf"^\| `{re.escape(entry.name)}` \|.*$", METHODS, re.M)
    file = entry.factory.partition(":")[0].replace(".", "/") + ".py"
    assert (ROOT / file).is_file()
    assert f"`{file}`" in row
    assert all(regime in row for regime in entry.regimes)
    assert all(f"`{data}`" in row for data in entry.requires)
    assert entry.source in row


@pytest.mark.skipif(find_spec("algorithms.method_table") is None, reason="there is no algorithms.method_table yet")
def test_the_table_of_methods_is_that_of_its_command() -> None:
    result = subprocess.run([sys.executable, "-m", "algorithms.method_table"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout in METHODS
