"""A package from outside brings a method and a task, and goes through the whole pipeline without a change in the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checkout import EXAMPLE, Checkout


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The pipeline after a suite file of the author's own, outside the repository."""
    folder = tmp_path_factory.mktemp("plugin")
    checkout = Checkout.fresh(folder, EXAMPLE)
    checkout.write_suite(variants={"reinforce": {"algorithm": "reinforce"}, "ippo": {"algorithm": "ippo"}}, seeds=[0])
    (checkout.folder / "mine.yaml").rename(folder / "mine.yaml")
    result = checkout.pipeline(suites="../mine.yaml")
    assert result.returncode == 0, result.stdout
    return checkout


def test_its_method_and_its_task_are_listed(finished: Checkout) -> None:
    assert "reinforce" in finished.creditbench("list", "algorithms").stdout
    assert "example/signals" in finished.creditbench("list", "tasks").stdout


def test_its_method_learns_its_task_beside_the_built_in_one(finished: Checkout) -> None:
    rows = finished.aggregated()["runs"]
    assert sorted(row["algorithm"] for row in rows) == ["ippo", "reinforce"]
    assert all(row["absolute_return"] > 0.95 for row in rows if row["algorithm"] == "reinforce")


def test_it_is_in_the_report(finished: Checkout) -> None:
    pages = "".join(page.read_text() for page in (finished.folder / "reports").rglob("*.html"))
    assert "example/signals" in pages
    assert "REINFORCE" in pages


def test_no_file_of_the_repository_was_needed_for_it(finished: Checkout) -> None:
    words = ("creditbench_example", "example/signals")
    for part in ("algorithms", "benchmark"):
        for path in (finished.folder / part).rglob("*.py"):
            assert not any(word in path.read_text() for word in words), path
    assert not list(Path(finished.folder).glob("*.yaml"))
