"""A package from outside adds methods, a task and a study, and its author a suite, without a change in the repository."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.checkout import EXAMPLE, Checkout

VARIANTS = {
    "reinforce": {"algorithm": "reinforce", "settings": {"episodes": 16}},
    "ippo": {"algorithm": "ippo"},
    "linear-reward": {"algorithm": "ippo+linear-reward", "regime": "episodic"},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The pipeline after a suite file of the author's own, outside the repository."""
    folder = tmp_path_factory.mktemp("plugin")
    checkout = Checkout.fresh(folder, EXAMPLE)
    checkout.write_suite(variants=VARIANTS, seeds=[0])
    (checkout.folder / "mine.yaml").rename(folder / "mine.yaml")
    result = checkout.pipeline(suites="../mine.yaml")
    assert result.returncode == 0, result.stdout
    return checkout


def test_its_methods_and_its_task_are_listed(finished: Checkout) -> None:
    algorithms = finished.creditbench("list", "algorithms").stdout
    assert "reinforce" in algorithms
    assert "ippo+linear-reward" in algorithms
    assert "example/signals" in finished.creditbench("list", "tasks").stdout


def test_its_suite_is_planned(finished: Checkout) -> None:
    plan = json.loads(finished.creditbench("plan", "../mine.yaml", "--json").stdout)
    assert sorted(run["variant"] for run in plan["runs"]) == sorted(VARIANTS)
    assert {run["presence"] for run in plan["runs"]} == {"own"}


def test_its_study_is_listed(finished: Checkout) -> None:
    assert "signals-random-policy" in finished.creditbench("study", "list").stdout


def test_its_methods_learn_its_task_beside_the_built_in_one(finished: Checkout) -> None:
    rows = finished.aggregated()["runs"]
    assert sorted(row["algorithm"] for row in rows) == ["ippo", "ippo+linear-reward", "reinforce"]
    assert all(row["status"] == "ok" for row in rows)
    assert all(row["absolute_return"] > 0.95 for row in rows if row["algorithm"] == "reinforce")


def test_its_reward_model_is_fitted_to_the_return(finished: Checkout) -> None:
    (record,) = (record for path, record in finished.records().items() if "linear-reward" in path)
    assert record["outcome"]["monitors"]["return_r2"][-1] > 0.9


def test_it_is_in_the_report(finished: Checkout) -> None:
    pages = "".join(page.read_text() for page in (finished.folder / "reports").rglob("*.html"))
    assert "example/signals" in pages
    assert "REINFORCE" in pages


def test_its_figure_is_in_the_leaderboard_with_its_data(finished: Checkout) -> None:
    report = finished.folder / "reports"
    (drawing,) = (report / "figures").glob("*-seeds-per-variant.svg")
    assert f'src="figures/{drawing.name}"' in (report / "leaderboard.html").read_text()
    assert (report / "data" / f"{drawing.stem}.csv").read_text().startswith("variant,seeds\n")


def test_no_file_of_the_repository_was_needed_for_it(finished: Checkout) -> None:
    words = ("creditbench_example", "example/signals")
    for part in ("algorithms", "benchmark", "creditbench"):
        for path in (finished.folder / part).rglob("*.py"):
            assert not any(word in path.read_text() for word in words), path
    assert not list(Path(finished.folder).glob("*.yaml"))
