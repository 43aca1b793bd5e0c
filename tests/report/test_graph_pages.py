"""The section on who influences whom: on the page of a method that says so, and of no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from benchmark.analysis.schema import SuiteReport
from benchmark.report.figure_style import Plot, rc_style, save
from benchmark.report.figures.episode_graph import KINDS, MOST_ARROWS, MOST_STEPS, ROW, busiest, drawn_graph, sorted_edges
from benchmark.report.figures.graph_quality import mean_graphs, over_training
from benchmark.report.palette import styles
from benchmark.report.tables import graph_rows
from tests.fixtures.made_up_aggregate import made_up_aggregate
from tests.fixtures.made_up_graphs import made_up_graph_reports
from tests.fixtures.read_site import Reader, files, one_page, report_context, rows

NOTHING = {"n": 0, "mean": None, "lowest": None, "highest": None}


def made_up(tasks: int = 1, seeds: int = 4, agents: int = 2, variants: int = 1) -> dict[str, Any]:
    """The first variant has graphs; a second one would have none."""
    content = made_up_aggregate(tasks, variants, seeds)
    suite = content["suites"][0]
    for task in suite["tasks"]:
        task["n_agents"] = agents
    suite["graphs"] = made_up_graph_reports(suite["tasks"], seeds)
    return content


def graphs_of(content: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = content["suites"][0]["graphs"]
    return found


def suite_of(folder: Path, content: dict[str, Any]) -> SuiteReport:
    return report_context(folder, content).aggregate.suites[0]


def table_of(folder: Path, content: dict[str, Any]) -> list[list[str]]:
    """The texts of the cells of the table, row by row."""
    context = report_context(folder, content)
    table = graph_rows.agreement(context, context.aggregate.suites[0], "method-a")
    assert table is not None
    return [[cell.html.striptags() for cell in row] for row in table.groups[0].rows]


def plot_of(suite: SuiteReport, name: str) -> Plot:
    """One of the figures of the first variant."""
    with rc_style():
        if name == "over training":
            plot = over_training(suite, "method-a", styles(["method-a"]))
        elif name == "mean":
            plot = mean_graphs(suite, "method-a")
        else:
            plot = drawn_graph(suite, suite.tasks[0], suite.graphs[0])
    assert plot is not None
    return plot


def values(plot: Plot, measure: str) -> list[Any]:
    """Those of a measure over training."""
    return [row[4] for row in plot.data.rows if row[1] == measure]


def rendered(folder: Path, content: dict[str, Any]) -> tuple[Path, Reader]:
    """The site's folder and the page of the variant that has graphs."""
    site, _ = one_page(folder, content, "methods.html")
    return site, Reader(site / "method-method-a.html")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, _ = rendered(tmp_path_factory.mktemp("graphs"), made_up(tasks=2, agents=3, variants=2))
    return folder


def test_only_a_method_that_claims_a_graph_has_the_section(site: Path) -> None:
    assert "Who influences whom" in Reader(site / "method-method-a.html").text
    other = Reader(site / "method-method-b.html")
    assert "Who influences whom" not in other.text
    assert "intervention" not in other.text


def test_the_oracles_are_explained_in_plain_words(site: Path) -> None:
    text = Reader(site / "method-method-a.html").text
    for sentence in ("anything that agent i observes next", "agent i's own reward of that step", "either of the last two"):
        assert sentence in text


def test_the_table_has_a_row_for_each_task_and_oracle_with_all_numbers(site: Path) -> None:
    found = rows(site / "data" / "made-up-method-a-graph-agreement.csv")
    assert [(row["task"], row["oracle"]) for row in found[2:5]] == [
        ("lbf/8x8-2p-1f", "reward"),
        ("lbf/8x8-2p-1f", "state and reward"),
        ("lbf/9x9-3p-2f", "observation"),
    ]
    row = found[3]
    assert (row["density"], row["true_density"], row["precision"], row["f1"]) == ("0.6", "0.4", "0.6", "0.65")
    assert (row["recall_lowest"], row["recall_highest"], row["recall_runs"]) == ("0.65", "0.75", "3")


def test_a_number_that_is_not_there_is_a_dash_with_its_reason(site: Path) -> None:
    text = Reader(site / "method-method-a.html").text
    assert "– no score, or all pairs alike" in text
    assert "0.70 [0.65, 0.75] 3 of 4 runs" in text
    row = rows(site / "data" / "made-up-method-a-graph-agreement.csv")[0]
    assert (row["auroc"], row["auroc_runs"]) == ("", "0")


@pytest.mark.parametrize(
    ("number", "column", "reason"),
    [("precision", 4, "nothing claimed"), ("recall", 5, "nothing true"), ("f1", 6, "nothing claimed, nothing true")],
)
def test_every_number_has_a_reason_of_its_own(tmp_path: Path, number: str, column: int, reason: str) -> None:
    content = made_up()
    graphs_of(content)[0]["oracles"][0][number] = NOTHING
    assert table_of(tmp_path, content)[0][column] == f"– {reason}"


def test_one_run_has_a_number_and_no_range(tmp_path: Path) -> None:
    assert table_of(tmp_path, made_up(seeds=1))[3][2:7] == ["0.600", "0.400", "0.60", "0.70", "0.65"]


def test_runs_that_lack_measurements_or_diverged_are_said(tmp_path: Path) -> None:
    content = made_up()
    graphs_of(content)[0] |= {"n_found": 5, "n_measured": 4, "n_failed": 1}
    assert list(graph_rows.notes(suite_of(tmp_path, content).graphs)) == [
        "lbf/8x8-2p-1f: 4 of 5 runs have measurements.",
        "lbf/8x8-2p-1f: 1 run diverged, measured last before that.",
    ]


def test_the_curves_have_the_numbers_of_the_aggregate_and_gaps_where_there_is_none(site: Path) -> None:
    found = rows(site / "data" / "made-up-method-a-graphs.csv")
    task = [row for row in found if row["task"] == "lbf/8x8-2p-1f"]
    assert [row["value"] for row in task if row["measure"] == "density"] == ["0.2", "0.3", "0.4", "0.5", "0.6"]
    assert [(row["step"], row["value"], row["runs"]) for row in task if row["measure"] == "f1"][:2] == [
        ("0", "", "0"),
        ("50000", "0.4", "4"),
    ]


def test_monitors_of_training_are_drawn_where_there_are_any(tmp_path: Path) -> None:
    content = made_up()
    suite = content["suites"][0]
    monitor = suite["monitor_curves"][0]
    suite["monitor_curves"] = [monitor | {"monitor": name} for name in ("graph_density", "graph_entropy_ratio")]
    plot = plot_of(suite_of(tmp_path, content), "over training")
    for name in ("graph_density", "graph_entropy_ratio"):
        assert values(plot, f"{name}_in_training") == monitor["median"]
    assert [axes.get_title(loc="left") for axes in plot.figure.axes] == [
        "lbf/8x8-2p-1f: density",
        "F1",
        "Entropy ratio in training",
    ]
    assert "Entropy ratio" in plot.caption


@pytest.mark.parametrize(
    ("asked", "reason"), [(True, "no F1: nothing is claimed, nothing is true"), (False, "no F1: its oracle was not asked")]
)
def test_without_any_f1_its_panel_says_why(tmp_path: Path, asked: bool, reason: str) -> None:
    content = made_up()
    for point in graphs_of(content)[0]["points"]:
        point |= {"f1": NOTHING} if asked else {"f1": NOTHING, "true_density": NOTHING}
    plot = plot_of(suite_of(tmp_path, content), "over training")
    assert values(plot, "f1") == [None] * 5
    assert [text.get_text() for text in plot.figure.axes[1].texts] == [reason]


def test_a_row_of_a_mean_graph_is_who_influences(tmp_path: Path) -> None:
    content = made_up()
    graphs_of(content)[0]["mean"] = {"n": 4, "claimed": [[1, 0.75], [0.25, 1]], "true": [[1, 0.5], [0, 1]]}
    plot = plot_of(suite_of(tmp_path, content), "mean")
    assert plot.data.columns[2:] == ("influences", "is_influenced", "claimed", "true")
    assert [row[2:] for row in plot.data.rows] == [(0, 1, 0.75, 0.5), (1, 0, 0.25, 0.0)]
    assert "most often claimed is 0 to 1, 75.0\u00a0% of the steps, true 50.0\u00a0%" in plot.alt
    claimed, _ = plot.figure.axes
    assert {text.get_position(): text.get_text() for text in claimed.texts} == {(1, 0): "75", (0, 1): "25"}
    assert (claimed.get_ylabel(), claimed.get_xlabel()) == ("who influences", "who is influenced")
    assert claimed.yaxis_inverted()


@pytest.mark.parametrize("agents", [2, 9, 32])
def test_teams_of_any_size_are_drawn(tmp_path: Path, agents: int) -> None:
    content = made_up(agents=min(agents, 9))
    content["suites"][0]["tasks"][0]["n_agents"] = agents
    graph = np.full((agents, agents), 0.5).tolist()
    graphs_of(content)[0] |= {"mean": {"n": 4, "claimed": graph, "true": graph}}
    graphs_of(content)[0]["drawn"] = {"claimed": [list(range(1, agents)), []], "true": [[], []]}
    suite = suite_of(tmp_path, content)
    assert len(plot_of(suite, "mean").data.rows) == agents * (agents - 1)
    assert len(plot_of(suite, "episode").data.rows) == agents - 1


def test_pictures_that_no_run_kept_are_missing_with_the_reason(tmp_path: Path) -> None:
    content = made_up(tasks=3)
    first, second, third = graphs_of(content)
    first |= {"mean": None, "drawn": None, "drawn_seed": None}
    second |= {"drawn": None, "drawn_seed": None}
    third["drawn"] = {"claimed": [[], []], "true": [[], []]}
    suite = suite_of(tmp_path, content)
    assert list(graph_rows.notes(suite.graphs)) == [
        "lbf/8x8-2p-1f: no mean graphs and no episode; runs keep them from their end, of teams of at most 32, where their "
        "record has room.",
        "lbf/9x9-3p-2f: no episode is drawn; runs keep one of at most 200 steps with at most 4,000 edges.",
        "lbf/10x10-4p-3f: no episode is drawn; in the one that was kept nothing is claimed and nothing true.",
    ]
    assert [drawn_graph(suite, *pair) for pair in zip(suite.tasks, suite.graphs, strict=True)] == [None] * 3
    assert {row[0] for row in plot_of(suite, "mean").data.rows} == {"lbf/9x9-3p-2f", "lbf/10x10-4p-3f"}


# The drawn episode


def test_edges_are_told_apart_as_right_wrong_and_missed() -> None:
    """Two steps of three agents: j * 3 + i."""
    found = sorted_edges(claimed=[[1, 5], []], true=[[1, 6], [3]], n_agents=3)
    assert found == {"right": [(0, 0, 1)], "wrong": [(0, 1, 2)], "missed": [(0, 2, 0), (1, 1, 0)]}


@pytest.mark.parametrize(
    ("counts", "window"),
    [
        ([1, 1, 1], (0, 3)),
        ([0] * 40 + [1] + [0] * 40, (16, 41)),
        ([0] * 10 + [1] * 30, (10, 35)),
        ([50] * 30, (0, 2)),
        ([10, 500, 10], (1, 2)),
    ],
    ids=["all of a short one", "the earliest of equals", "the densest", "fewer steps of many edges", "one at least"],
)
def test_the_window_has_most_edges_and_is_readable(counts: list[int], window: tuple[int, int]) -> None:
    first, end = busiest(counts)
    assert (first, end) == window
    assert end - first <= MOST_STEPS
    assert end - first == 1 or sum(counts[first:end]) <= MOST_ARROWS


def episode_of(folder: Path, drawn: dict[str, Any], agents: int) -> Plot:
    content = made_up(agents=agents)
    graphs_of(content)[0]["drawn"] = drawn
    return plot_of(suite_of(folder, content), "episode")


def test_an_arrow_leads_from_who_influences_to_who_is_influenced_one_step_later(tmp_path: Path) -> None:
    plot = episode_of(tmp_path, {"claimed": [[2], []], "true": [[], []]}, agents=3)
    assert plot.data.rows == ((0, 0, 2, "wrong"),)
    (axes,) = plot.figure.axes
    (arrow,) = [found for found in axes.collections if isinstance(found, LineCollection)]
    (start, end) = arrow.get_segments()[0]
    np.testing.assert_allclose(start, (0, 0), atol=0.2, err_msg="step 0, agent 0")
    np.testing.assert_allclose(end, (1, 2), atol=0.2, err_msg="step 1, agent 2")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["agent 0", "agent 1", "agent 2"]


def test_right_wrong_and_missed_edges_differ_without_colour_too() -> None:
    assert len({str(kind.dashes) for kind in KINDS.values()}) == 3
    assert len({(kind.filled, kind.triangle) for kind in KINDS.values()}) == 3


def test_the_caption_says_which_steps_are_shown_and_of_which_run(tmp_path: Path) -> None:
    steps = [[] for _ in range(40)] + [[1], [1, 2]]
    plot = episode_of(tmp_path, {"claimed": steps, "true": [[1]] * 42}, agents=2)
    assert "Shown are steps 17 to 41, those of its 42 steps with most edges, of the first of the episodes that" in plot.caption
    assert "the run with seed 0: 2 edges are claimed and true, 1 claimed and not true, 23 missed" in plot.caption
    assert "steps 17 to 41" in plot.alt
    assert len(plot.data.rows) == 26


def test_every_agent_has_its_line(tmp_path: Path) -> None:
    plot = episode_of(tmp_path, {"claimed": [[1]], "true": [[1]]}, agents=5)
    lines = [line for line in plot.figure.axes[0].lines if len(line.get_xdata()) == 2 and line.get_linestyle() == "-"]
    assert [line.get_ydata()[0] for line in lines] == [0, 1, 2, 3, 4]
    height = plot.figure.get_size_inches()[1]
    assert height == pytest.approx(5 * ROW + 0.83)


def test_equal_graphs_give_equal_bytes(tmp_path: Path) -> None:
    suite, written = suite_of(tmp_path, made_up(agents=4)), []
    for folder in (tmp_path / "a", tmp_path / "b"):
        with rc_style():
            for name in ("over training", "mean", "episode"):
                plot = plot_of(suite, name)
                save(plot, folder, plot.name, pdf=False)
        written.append(files(folder))
    assert written[0] == written[1]
    assert len(written[0]) == 6


def test_names_of_strangers_cannot_break_out(tmp_path: Path) -> None:
    text = "<script>alert('$x_1$')</script>"
    content = made_up()
    suite = content["suites"][0]
    for entry in (
        suite["tasks"][0],
        *suite["graphs"],
        *content["runs"],
        *(row for a in suite["ablations"] for row in a["tasks"]),
    ):
        entry["task"] = text
    suite["ablations"], suite["claims"], suite["reproduction"], content["cost"] = [], [], [], []
    site, page = rendered(tmp_path, content)
    assert len(page.all("script")) == 1
    assert f"One episode of {text}." in page.text
    assert not [path for path in site.rglob("*.svg") if "<script" in path.read_text()]
    assert all(re.fullmatch(r"[a-z0-9._-]+", path.name) for path in (site / "data").iterdir())
