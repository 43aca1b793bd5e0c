"""Commands find the results of the checkout that they are called in, and say where they are called in none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.experiments.store import Store, find_checkout
from benchmark.workflow.pipeline import ConfigError, Pipeline
from tests.fixtures.command_line import call

ROOT = Path(__file__).parents[2]
SUITE = (
    "{name: mine, title: M, description: d, tasks: [{task: matrix/climbing, budget: 100}], seeds: [0],"
    " variants: {small: {algorithm: ippo, settings: {episodes_per_update: 4, epochs: 1}}},"
    " evaluation: {points: 2, episodes: 2, absolute_episodes: 2}}"
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The outer form of a checkout, with a subfolder `docs`."""
    for folder in ("benchmark/experiments", "docs"):
        (tmp_path / "checkout" / folder).mkdir(parents=True)
    (tmp_path / "checkout" / "Snakefile").write_text("")
    return tmp_path / "checkout"


def test_the_committed_records_count_in_every_folder_of_the_checkout(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = []
    for folder in (ROOT, ROOT / "docs", ROOT / "benchmark" / "cli"):
        monkeypatch.chdir(folder)
        assert call("plan", "lbf-baselines", "--json") == 0
        output = capsys.readouterr()
        assert output.err == ""
        plans.append(json.loads(output.out))
    assert plans[0] == plans[1] == plans[2]
    assert plans[0]["reference"] == plans[0]["planned"]


def test_outside_of_any_checkout_a_line_says_that_committed_records_are_not_seen(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("plan", "lbf-baselines", "--json") == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["reference"] == 0
    (line,) = output.err.splitlines()
    assert "there is no checkout here or above: committed records are not seen" in line
    assert str(ROOT) in line
    assert not list(tmp_path.iterdir())


def test_it_says_nothing_of_a_suite_that_has_no_committed_records(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(SUITE)
    assert call("plan", "mine.yaml") == 0
    assert call("plan", "quick") == 0  # trains always
    assert capsys.readouterr().err == ""


def test_a_run_of_a_suite_is_kept_where_the_pipeline_of_the_checkout_looks(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "docs" / "mine.yaml").write_text(SUITE)
    monkeypatch.chdir(checkout / "docs")
    assert call("train", "--suite", "mine.yaml", "--task", "matrix/climbing", "--variant", "small") == 0
    assert len(list((checkout / "results" / "runs").rglob("record.json"))) == 1
    assert [path.name for path in (checkout / "docs").iterdir()] == ["mine.yaml"]


def test_aggregate_and_report_are_made_in_the_checkout(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout / "docs")
    assert call("aggregate", "--suite", "quick") == 0
    assert call("report") == 0
    assert (checkout / "results" / "aggregate" / "aggregate.json").is_file()
    assert (checkout / "reports" / "index.html").is_file()
    assert not list((checkout / "docs").iterdir())


def test_a_folder_that_is_given_is_taken_as_it_is_given(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout / "docs")
    assert call("aggregate", "--suite", "quick", "--out", "mine") == 0
    assert (checkout / "docs" / "mine" / "aggregate.json").is_file()


def test_the_nearest_checkout_is_taken(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)
    assert Store().root == Path(".")
    monkeypatch.chdir(checkout / "docs")
    assert Store().root == checkout
    (checkout / "docs" / "results" / "reference").mkdir(parents=True)
    assert Store().root == Path(".")


def test_a_snakefile_of_another_project_is_no_checkout(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text("")
    assert find_checkout(tmp_path) is None


def test_the_pipeline_is_refused_in_a_subfolder_where_it_would_see_no_record(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkout / "docs")
    with pytest.raises(ConfigError, match=f"run snakemake there, or with --directory {checkout}"):
        Pipeline({"suites": ["quick"]})
    monkeypatch.chdir(checkout)
    assert Pipeline({"suites": ["quick"]}).suites


def test_the_pipeline_outside_of_any_checkout_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Pipeline({})
    assert "there is no checkout here or above" in capsys.readouterr().err
