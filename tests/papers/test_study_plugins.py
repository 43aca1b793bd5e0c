"""Studies of installed packages: listed and run by name, and refused in one line where they cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.experiments.study_result import read_study
from benchmark.papers.study import Study
from tests.checkout import ROOT, install

PYPROJECT = """
[project]
name = "creditbench-studies"
version = "1.0"

[project.entry-points."creditbench.studies"]
coin = "creditbench_studies:{entry}"
"""
MODULE = """
from benchmark.experiments.study_result import Findings, Prediction
from benchmark.papers.study import Study

def study(quick, progress):
    progress(0, 1, "counting")
    return Findings("counts heads", (Prediction(expected="one", found="one head", verdict="supported"),), ())

COIN = Study("coin-toss", "A coin", "Which side?", "ours", 0.01, "creditbench_studies:study")
TAKEN = Study("policy-preservation", "A coin", "Which side?", "ours", 0.01, "creditbench_studies:study")
LOST = Study("coin-toss", "A coin", "Which side?", "ours", 0.01, "creditbench_studies:nowhere")
OTHER = "a text"
"""


def installed(tmp_path: Path, entry: str) -> Path:
    """A folder with an installed package that offers the object `entry` of MODULE as a study."""
    package = tmp_path / "package"
    (package / "creditbench_studies").mkdir(parents=True)
    (package / "pyproject.toml").write_text(PYPROJECT.format(entry=entry))
    (package / "creditbench_studies" / "__init__.py").write_text(MODULE)
    return install(tmp_path / "site", package)


def call(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`creditbench study …` with the packages of `site` installed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(site)]), "COLUMNS": "200"}
    command = [sys.executable, "-m", "benchmark.cli", "study", *arguments]
    return subprocess.run(command, cwd=site.parent, env=environment, capture_output=True, text=True, check=False)


def test_a_study_of_an_installed_package_is_listed_and_run(tmp_path: Path) -> None:
    site = installed(tmp_path, "COIN")
    listing = call(site, "list")
    assert listing.returncode == 0, listing.stderr
    assert "coin-toss" in listing.stdout
    assert "policy-preservation" in listing.stdout
    result = call(site, "coin-toss", "--out", str(tmp_path / "out"))
    assert result.returncode == 0, result.stderr
    assert "found: one head [supported]" in result.stdout
    assert read_study(tmp_path / "out" / "coin-toss.json").title == "A coin"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("TAKEN", "is called 'policy-preservation', as another one is"),
        ("LOST", "the function creditbench_studies:nowhere of the study 'coin-toss' cannot be imported"),
        ("OTHER", "is no Study, but 'a text'"),
        ("ABSENT", "cannot be loaded"),
    ],
)
def test_a_study_that_cannot_be_used_is_refused_in_one_line(entry: str, message: str, tmp_path: Path) -> None:
    result = call(installed(tmp_path, entry), "coin-toss", "--out", str(tmp_path / "out"))
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["list", "", "Upper", "../escape", "a b", "x" * 62])
def test_a_name_that_no_result_could_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a study cannot be named"):
        Study(name, "Title", "Question?", "ours", 1, "module:function")
