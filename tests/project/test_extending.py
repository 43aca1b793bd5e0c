"""The worked examples of docs/extending.md, run as they stand there; only `uv` is replaced by what it would do."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.checkout import EXAMPLE, ROOT, Checkout, install

TEXT = (ROOT / "docs" / "extending.md").read_text()


@dataclass(frozen=True)
class Block:
    """A fenced block. `file`: the path that the paragraph above begins with, if any."""

    language: str
    file: str | None
    text: str


def blocks(section: str) -> list[Block]:
    """The blocks of a section, in order."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)
    section_blocks = []
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S):
        paragraph = text[: match.start()].strip().rpartition("\n\n")[2]
        named = re.match(r"`([\w./-]+\.\w+)`", paragraph)
        section_blocks.append(Block(match[1], named[1] if named else None, match[2]))
    assert section_blocks
    return section_blocks


def run_section(checkout: Checkout, section: str) -> list[str]:
    """Writes the files of a section and runs its commands; returns what each printed."""
    outputs = []
    for block in blocks(section):
        if block.file is not None:
            path = checkout.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        if block.language == "bash":
            outputs += [run(checkout, line) for line in block.text.splitlines()]
    return outputs


def run(checkout: Checkout, line: str) -> str:
    words = shlex.split(line)
    if words[:4] == ["uv", "pip", "install", "-e"]:
        package = checkout.folder / words[4]
        assert checkout.site is not None
        install(checkout.site, package if package.exists() else ROOT / words[4])
        return ""
    if words[:2] == ["uv", "run"]:
        module = {"creditbench": "benchmark.cli"}.get(words[2], words[2])
        done = checkout.run(module, *words[3:])
    else:
        assert words[0] in ("mkdir", "cp"), line
        done = subprocess.run(words, cwd=checkout.folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{line}\n{done.stdout}"
    return done.stdout


def fresh(folder: Path) -> Checkout:
    checkout = Checkout.fresh(folder)
    checkout.site = folder / "site"
    return checkout


@pytest.fixture(scope="module")
def with_method(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, list[str]]:
    checkout = fresh(tmp_path_factory.mktemp("method"))
    return checkout, run_section(checkout, "Add a method")


def test_the_method_is_trained_and_compared(with_method: tuple[Checkout, list[str]]) -> None:
    checkout, outputs = with_method
    assert any("batch-mean" in output for output in outputs)
    assert {(run["algorithm"], run["status"]) for run in checkout.aggregated()["runs"]} == {
        ("batch-mean", "ok"),
        ("ippo", "ok"),
    }
    assert "Batch mean" in (checkout.folder / "reports" / "index.html").read_text()


@pytest.mark.slow
def test_its_result_can_be_submitted(with_method: tuple[Checkout, list[str]]) -> None:
    checkout, _ = with_method
    outputs = run_section(checkout, "Submit a result")
    assert "0 of 2 runs to train" in outputs[-2]
    assert checkout.records("reference").keys() == checkout.records().keys()
    assert {run["presence"] for run in checkout.aggregated()["runs"]} == {"reference"}


def test_the_environment_can_be_played_and_trained_on(tmp_path: Path) -> None:
    checkout = fresh(tmp_path)
    simulator, task, _ = blocks("Add an environment")
    assert simulator.text == (EXAMPLE / "creditbench_example" / "environment.py").read_text()
    assert task.text in (EXAMPLE / "creditbench_example" / "__init__.py").read_text()
    outputs = run_section(checkout, "Add an environment")
    assert all('"task": "example/signals"' in output for output in outputs[1:3])
    assert '"episodes": 100' in outputs[-1]


def test_the_study_in_the_text_is_that_of_the_example_package() -> None:
    study, entry, _ = blocks("Add a study")
    assert study.text == (EXAMPLE / "creditbench_example" / "study.py").read_text()
    assert entry.text in (EXAMPLE / "creditbench_example" / "__init__.py").read_text()


def test_the_study_is_listed_and_run(tmp_path: Path) -> None:
    outputs = run_section(fresh(tmp_path), "Add a study")
    assert "signals-random-policy" in outputs[1]
    assert "supported" in outputs[2]
    assert "not supported" not in outputs[2]


def test_the_figure_in_the_text_is_that_of_the_example_package() -> None:
    figure, entry = blocks("Add a figure")
    assert figure.text == (EXAMPLE / "creditbench_example" / "figure.py").read_text()
    assert entry.text in (EXAMPLE / "creditbench_example" / "__init__.py").read_text()


def test_the_records_of_the_text_can_be_read(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (example,) = blocks("Read results")
    names: dict[str, object] = {}
    exec(example.text, names)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 20
    assert all(re.fullmatch(r"\S+ \d+ -?[\d.e-]+", line) for line in lines)
