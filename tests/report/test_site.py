"""The report as files: what it says, that it is whole and self-contained, and that equal input gives equal bytes."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urldefrag

import numpy as np
import pytest

from benchmark.analysis.aggregate import aggregate
from benchmark.analysis.schema import Estimate, Interval
from benchmark.experiments.store import Store
from benchmark.report import formatting
from benchmark.report.figure_style import rc_style, subplots
from benchmark.report.figures.comparison import improvement
from benchmark.report.freshness import report_made_of, site_inputs
from benchmark.report.palette import COLOURS, MARK_PATHS, MARKS, shortened, styles
from benchmark.report.site import ReportError, render
from benchmark.report.table import Column, plain_column, table, text
from tests.fixtures.made_up_aggregate import made_up_aggregate, write_aggregate
from tests.fixtures.read_site import Reader, files, links, report_context, rows, site_of
from tests.fixtures.synthetic_records import synthetic_registry, synthetic_results


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks, four variants, ten seeds, and every kind of trouble."""
    folder = tmp_path_factory.mktemp("report")
    render(write_aggregate(folder / "aggregate", made_up_aggregate(2, 4, 10, graphs=True)), folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Reader]:
    return {page.name: Reader(page) for page in sorted(site.glob("*.html"))}


def test_every_page_is_well_formed_with_one_heading_one_main_and_a_skip_link(pages: dict[str, Reader]) -> None:
    assert len(pages) > 10
    for name, reader in pages.items():
        assert len(reader.all("h1")) == len(reader.all("main")) == 1, name
        assert reader.all("a")[0]["href"] == "#main", name
        identities = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
        assert len(identities) == len(set(identities)), name


def test_every_link_and_image_is_a_file_of_the_site_and_every_anchor_is_there(site: Path, pages: dict[str, Reader]) -> None:
    for name, reader in pages.items():
        for target in links(reader):
            if target == "data:,":
                continue
            path, fragment = urldefrag(unquote(target))
            assert (site / (path or name)).is_file(), f"{name}: {target}"
            if fragment:
                anchors = {attributes.get("id") for _, attributes in pages[path or name].tags}
                assert fragment in anchors, f"{name}: {target}"


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[str, Reader]) -> None:
    for name, reader in pages.items():
        assert not [target for target in links(reader) if re.match(r"[a-z]+:", target) and target != "data:,"], name
    for style in site.glob("assets/*.css"):
        assert "url(" not in style.read_text()
        assert "@import" not in style.read_text()
    for drawing in site.glob("figures/*.svg"):
        assert not re.search(r'(href|src)="(?!#)', drawing.read_text()), drawing.name


def test_every_figure_has_alternative_text_with_numbers_a_caption_and_its_data(site: Path, pages: dict[str, Reader]) -> None:
    shown = set()
    for name, reader in pages.items():
        for image in reader.all("img"):
            stem = Path(image["src"]).stem
            shown.add(stem)
            assert re.search(r"\d", image["alt"]), f"{name}: {stem}"
            assert len(rows(site / "data" / f"{stem}.csv")) > 0, stem
    assert shown == {path.stem for path in site.glob("figures/*.svg")}, "a figure that no page shows"
    assert len(shown) >= 15


def test_figures_have_pdf_twins_on_request_alone(site: Path, tmp_path: Path) -> None:
    assert not list(site.rglob("*.pdf"))
    content = made_up_aggregate(1, 1, 2)
    twins = render(write_aggregate(tmp_path / "aggregate", content), tmp_path / "site", pdf=True).parent
    drawings = {path.stem for path in twins.glob("figures/*.svg")}
    assert {path.stem for path in twins.glob("figures/*.pdf")} == drawings
    assert all(path.read_bytes().startswith(b"%PDF") for path in twins.glob("figures/*.pdf"))
    assert 'href="figures/made-up-headline.pdf"' in (twins / "index.html").read_text()


def test_kept_figures_are_used_until_something_changes(tmp_path: Path) -> None:
    content, cache = made_up_aggregate(1, 2, 2), tmp_path / "cache"
    kept = cache / "made-up" / "figures" / "figures" / "made-up-headline.svg"

    def drawn_at() -> int:
        render(write_aggregate(tmp_path / "aggregate", content), tmp_path / "site", cache=cache)
        return kept.stat().st_mtime_ns

    first = drawn_at()
    assert drawn_at() == first
    assert files(site_of(tmp_path / "without", content)) == files(tmp_path / "site")
    content["suites"][0]["title"] = "Another title"
    assert drawn_at() != first


def test_a_damaged_index_of_kept_figures_draws_them_again(tmp_path: Path) -> None:
    content, cache = made_up_aggregate(1, 1, 2), tmp_path / "cache"
    aggregate = write_aggregate(tmp_path / "aggregate", content)
    before = files(render(aggregate, tmp_path / "site", cache=cache).parent)
    (cache / "made-up" / "figures" / "figures.json").write_text("{")
    assert files(render(aggregate, tmp_path / "site", cache=cache).parent) == before


def test_kept_figures_of_which_one_is_missing_are_drawn_again(tmp_path: Path) -> None:
    content, cache = made_up_aggregate(1, 1, 2), tmp_path / "cache"
    aggregate = write_aggregate(tmp_path / "aggregate", content)
    before = files(render(aggregate, tmp_path / "site", cache=cache).parent)
    (cache / "made-up" / "figures" / "figures" / "made-up-headline.svg").unlink()
    assert files(render(aggregate, tmp_path / "site", cache=cache).parent) == before


def test_a_report_that_lacks_a_file_does_not_count_as_made(tmp_path: Path) -> None:
    site = site_of(tmp_path, made_up_aggregate(1, 1, 1))
    assert report_made_of(site) == site_inputs(tmp_path / "aggregate", pdf=False)
    (site / "leaderboard.html").unlink()
    assert report_made_of(site) is None


def test_every_table_has_a_caption_scoped_headers_and_its_csv(site: Path, pages: dict[str, Reader]) -> None:
    for name, reader in pages.items():
        tables = len(reader.all("table"))
        assert tables == len(reader.all("caption")), name
        assert all("scope" in header for header in reader.all("th")), name
    board = rows(site / "data" / "made-up-leaderboard.csv")
    assert [row["variant"] for row in board] == ["method-a", "method-c", "method-d", "method-b"]
    assert board[0]["iqm_final"] == "0.93"
    assert (board[0]["iqm_final_low"], board[0]["iqm_final_high"]) == ("0.89", "0.97")
    assert (board[0]["rank"], board[0]["rank_low"], board[0]["rank_high"]) == ("1", "1", "2")


def test_no_figure_or_table_shares_its_csv_with_another(pages: dict[str, Reader]) -> None:
    for name, reader in pages.items():
        links = [link["href"] for link in reader.all("a") if link.get("href", "").endswith(".csv")]
        assert len(links) == len(set(links)), name


def test_the_data_of_a_figure_are_the_numbers_of_the_aggregate(site: Path) -> None:
    content = made_up_aggregate(2, 4, 10)
    task = content["suites"][0]["tasks"][1]
    curve = task["curves"][0]["returns"]
    name = f"made-up-{formatting.slug(task['task'])}"
    seeds = rows(site / "data" / f"{name}-seeds.csv")
    first = next(row for row in seeds if (row["variant"], row["seed"]) == ("method-a", "0"))
    found = [float(first[f"score_{k}_of_40"]) for k in range(41)]
    np.testing.assert_allclose(found, curve["seeds"][0]["values"], rtol=1e-6)
    means = [
        row for row in rows(site / "data" / f"{name}-curves.csv") if (row["variant"], row["measure"]) == ("method-a", "return")
    ]
    np.testing.assert_allclose([float(row["mean"]) for row in means], curve["mean"], rtol=1e-6)


def test_two_renderings_have_equal_bytes(tmp_path: Path) -> None:
    content = made_up_aggregate(1, 3, 4)
    first, second = site_of(tmp_path / "a", content), site_of(tmp_path / "b", content)
    assert files(first) == files(second)


def test_what_is_wrong_is_said_where_the_numbers_stand(pages: dict[str, Reader]) -> None:
    board = pages["leaderboard.html"].text
    assert "3 of its runs are missing, crashed or corrupt" in board
    assert "not significantly different from method-d" in board
    task = pages["task-lbf-8x8-2p-1f.html"].text
    assert "1 diverged" in task
    assert "3 absent" in task
    assert "killed by signal 9: out of memory" in task
    for word in ("missing", "crashed", "corrupt", "diverged"):
        assert f"1 {word}" in pages["index.html"].text
    faulty = pages["provenance.html"].text
    assert "outcome_sha256 does not belong to the outcome" in faulty


def test_published_values_stand_beside_what_was_found(site: Path, pages: dict[str, Reader]) -> None:
    assert "Nobody et al. 2021, Table 9" in pages["task-lbf-8x8-2p-1f.html"].text
    table = rows(site / "data" / "made-up-lbf-8x8-2p-1f-results.csv")
    found = {row["variant"]: row for row in table}
    assert float(found["method-a"]["published"]) > 0.5
    assert found["method-b"]["published"] == ""


def test_pages_without_content_do_not_appear(tmp_path: Path) -> None:
    content = made_up_aggregate(1, 1, 1)
    for part in ("claims", "reproduction", "ablations"):
        content["suites"][0][part] = []
    content |= {"cost": [], "studies": []}
    site = site_of(tmp_path, content)
    empty = {"claims.html", "reproduction.html", "speed.html", "ablations.html", "studies.html"}
    assert not {path.name for path in site.glob("*.html")} & empty
    assert not {target for page in site.glob("*.html") for target in links(Reader(page))} & empty


def test_a_smoke_suite_is_never_ranked(tmp_path: Path) -> None:
    site = site_of(tmp_path, made_up_aggregate(1, 2, 3, smoke=True))
    board = Reader(site / "leaderboard.html").text
    assert "Smoke, not evidence." in board
    assert "Place" not in board
    assert "beats the leader" not in board
    assert not list(site.glob("figures/*-ranks.svg"))
    assert not list(site.glob("figures/*-headline.svg"))
    assert "rank" not in rows(site / "data" / "made-up-leaderboard.csv")[0]


def test_one_run_has_no_interval_and_says_so(tmp_path: Path) -> None:
    site = site_of(tmp_path, made_up_aggregate(1, 1, 1))
    board = Reader(site / "leaderboard.html").text
    assert "no interval" in board
    assert "no intervals, for they need 5 runs of each; the single runs are shown." in board
    assert "says nothing about other tasks" in board
    assert "0.93 (no interval)" in Reader(site / "index.html").text
    assert rows(site / "data" / "made-up-intervals.csv")[0]["low"] == ""


def test_an_aggregate_without_suites_gives_a_report_that_says_so(tmp_path: Path) -> None:
    content = made_up_aggregate(1, 1, 1) | {"suites": [], "runs": [], "cost": [], "studies": []}
    site = site_of(tmp_path, content)
    assert "there is nothing to show yet" in Reader(site / "index.html").text
    assert {path.name for path in site.glob("*.html")} == {"index.html", "provenance.html"}


def test_a_suite_without_any_run_is_rendered(tmp_path: Path) -> None:
    content = made_up_aggregate(1, 2, 2)
    suite = content["suites"][0]
    for run in content["runs"]:
        run |= {key: None for key in run if key.startswith(("final", "absolute", "normalised", "outcome"))}
        run |= {"presence": "missing", "path": None, "status": None, "steps_done": None, "steps_per_second": None}
        run |= {"seconds": {}, "total_seconds": None, "provenance": None, "peak_memory_bytes": None, "resumes": None}
    nothing = {"n": 0, "mean": None, "sd": None, "iqm": None, "minimum": None, "maximum": None}
    for task in suite["tasks"]:
        task |= {"curves": [], "improvement": []}
        for row in task["table"]:
            row |= {key: nothing for key, value in row.items() if isinstance(value, dict)} | {"n_found": 0}
    for entry in (*suite["overall"]["final"], *suite["overall"]["absolute"]):
        entry |= {"method": None, "reason": "no runs", "iqm": None, "median": None, "mean": None, "optimality_gap": None}
    suite["overall"] |= {"profiles": [], "efficiency": [], "improvement": [], "ranks": []}
    content["cost"] = []
    site = site_of(tmp_path, content)
    assert "No run of this task is here yet." in Reader(site / "task-lbf-8x8-2p-1f.html").text
    assert "No variant can be placed yet" in Reader(site / "index.html").text


def test_names_cannot_break_out_of_a_page_or_a_figure(tmp_path: Path) -> None:
    content = made_up_aggregate(1, 2, 2)
    text = "<script>alert('$x_1$')</script> & \"more\""
    suite = content["suites"][0]
    suite |= {"title": text, "description": text, "notes": [text]}
    suite["tasks"][0]["note"] = text
    site = site_of(tmp_path, content)
    for name in ("leaderboard.html", "index.html", "task-lbf-8x8-2p-1f.html"):
        reader = Reader(site / name)
        assert len(reader.all("script")) == 1, name
        assert "<script>alert('$x_1$')</script>" in reader.text


def test_an_older_report_is_replaced_whole(tmp_path: Path) -> None:
    site = site_of(tmp_path, made_up_aggregate(1, 1, 1))
    (site / "stray.html").write_text("from an older report")
    site_of(tmp_path, made_up_aggregate(1, 1, 1))
    assert not (site / "stray.html").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_failed_rendering_leaves_the_older_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = site_of(tmp_path, made_up_aggregate(1, 1, 1))
    before = files(site)
    monkeypatch.setattr("benchmark.report.site.PAGES", {})
    with pytest.raises(KeyError):
        site_of(tmp_path, made_up_aggregate(1, 1, 1))
    assert files(site) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["aggregate", "site"]


def test_a_folder_with_other_things_in_it_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "thesis.tex").write_text("mine")
    with pytest.raises(ReportError, match="not a report"):
        site_of(tmp_path, made_up_aggregate(1, 1, 1))
    assert (tmp_path / "site" / "thesis.tex").read_text() == "mine"


@pytest.mark.parametrize(("text", "said"), [(None, "creditbench aggregate"), ("{", "aggregate.json"), ("{}", "Field required")])
def test_an_aggregate_that_cannot_be_read_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "aggregate.json").write_text(text)
    with pytest.raises(ReportError, match=said):
        render(tmp_path, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_the_aggregate_of_synthetic_records_renders_with_all_its_troubles(tmp_path: Path) -> None:
    with synthetic_registry():
        aggregate(synthetic_results(tmp_path), Store(tmp_path), tmp_path / "aggregate")
        site = render(tmp_path / "aggregate", tmp_path / "site").parent
    index = Reader(site / "index.html").text
    assert "87 of 90 runs are here; 1 missing, 1 crashed, 1 corrupt; 1 diverged" in index
    board = Reader(site / "leaderboard.html").text
    assert "Smoke, not evidence." in board
    weak = Reader(site / "method-weak.html")
    assert "killed by signal 9" in weak.text
    assert "undecided" in Reader(site / "claims.html").text
    ablations = Reader(site / "ablations.html").text
    assert "1 of 20 runs are not there" in ablations
    assert "algorithm = strong" in ablations
    for page in site.glob("*.html"):
        for target in links(Reader(page)):
            path, _ = urldefrag(target)
            assert target == "data:," or (site / (path or page.name)).is_file(), f"{page.name}: {target}"


def test_a_variant_with_privileged_data_is_marked(tmp_path: Path) -> None:
    content = made_up_aggregate(1, 1, 2)
    entry = content["suites"][0]["variants"][0]
    entry |= {"privileged": ["oracle_graph"], "status": "unranked", "reasons": ["uses privileged data: oracle_graph"]}
    content["suites"][0]["overall"]["ranks"] = []
    site = site_of(tmp_path, content)
    board = Reader(site / "leaderboard.html").text
    assert "unranked privileged" in board
    assert "uses privileged data: oracle_graph" in board
    assert "data that no rival has" in Reader(site / "method-method-a.html").text


def test_a_task_that_is_scored_by_success_shows_success_rates(tmp_path: Path) -> None:
    content = made_up_aggregate(1, 1, 2)
    task = content["suites"][0]["tasks"][0]
    task["score"] = "success"
    for seed in task["curves"][0]["successes"]["seeds"]:
        seed["values"] = [0.25] * 41
    for run in content["runs"]:
        run["final_success"] = 0.25
    site = site_of(tmp_path, content)
    seeds = rows(site / "data" / "made-up-lbf-8x8-2p-1f-seeds.csv")
    assert {row["score_40_of_40"] for row in seeds} == {"0.25"}
    dots = [row for row in rows(site / "data" / "made-up-lbf-8x8-2p-1f-finals.csv") if row["what"] == "run"]
    assert [row["value"] for row in dots] == ["0.25", "0.25"]
    assert "Final success rate of every run" in Reader(site / "task-lbf-8x8-2p-1f.html").text


def test_names_that_are_put_together_alike_get_files_of_their_own(tmp_path: Path) -> None:
    context = report_context(tmp_path, made_up_aggregate(1, 1, 1))
    names = [context.table(table("a-b-c", "One", "", [plain_column("x", "x")], [[text(value)]])).name for value in "12"]
    assert names == ["a-b-c", "a-b-c-2"]
    assert [(tmp_path / "site" / "data" / f"{name}.csv").read_text() for name in names] == ["x\n1\n", "x\n2\n"]


def test_of_very_many_variants_the_pairs_of_the_best_are_drawn(tmp_path: Path) -> None:
    context = report_context(tmp_path, made_up_aggregate(1, 20, 2, long=True))
    (suite,) = context.aggregate.suites
    with rc_style():
        plot = improvement(suite, context.style, context.aggregate.methods)
        assert plot is not None
        boxes = [axes.get_position() for axes in plot.figure.axes]
    assert boxes[0].x1 < boxes[1].x0
    assert boxes[0].width * plot.figure.get_size_inches()[0] > 1.2
    assert re.search(r"The best \d+ of 20 variants are shown", plot.caption)
    assert len(plot.data.rows) == 20 * 19


def test_styles_depend_on_the_set_of_names_alone_and_are_all_distinct() -> None:
    names = [f"variant-{k:02d}" for k in range(3 * len(COLOURS))]
    found = styles(names)
    assert found == styles(reversed(names))
    assert len(set(found.values())) == len(names)
    assert len({(style.mark, style.dashes) for style in list(found.values())[: len(MARKS)]}) == len(MARKS), "in grey print"
    assert set(MARK_PATHS) == set(MARKS)


def test_a_long_name_keeps_both_ends() -> None:
    assert shortened("short") == "short"
    assert shortened("mappo-with-a-very-long-name-individual", 24) == "mappo-with-a…-individual"
    assert all(len(shortened("x" * 60, most)) == most for most in (5, 12, 24))


def test_numbers_in_words() -> None:
    assert formatting.number(-0.001) == "0.00"
    assert formatting.number(-1.5, 1) == "−1.5"
    assert formatting.number(None) == "–"
    assert formatting.estimated(Estimate(value=0.5, interval=Interval(low=0.25, high=0.75))) == "0.50 [0.25, 0.75]"
    assert formatting.between([3, 10, 10], "seed") == "3 to 10 seeds"
    assert formatting.listed(["a", "b", "c", "d"], 2) == "a, b and 2 more"
    assert formatting.duration(5400) == "1.5 h"
    assert [formatting.digits_for([value]) for value in (0.5, 12.0, -130.0, 4000.0)] == [3, 2, 1, 0]


def test_file_names_are_no_longer_than_a_file_system_allows_and_still_differ() -> None:
    found = formatting.slugs(["x" * 5000 + end for end in "abc"])
    assert len(set(found.values())) == 3
    assert max(map(len, found.values())) <= 60


def test_file_names_differ_on_file_systems_that_ignore_case() -> None:
    found = formatting.slugs(["lbf/8x8", "LBF/8x8", "lbf 8x8", "../x"])
    assert len({name.lower() for name in found.values()}) == 4
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name) for name in found.values())


@pytest.mark.parametrize("count", [1, 5, 8])
def test_panels_lie_inside_the_sheet_and_do_not_overlap(count: int) -> None:
    with rc_style():
        columns = min(4, count)
        figure, panels = subplots(-(-count // columns), columns, height=1.5)
        boxes = [panel.get_position() for panel in panels]
        assert all(box.x0 >= 0 and box.x1 <= 1 and box.y0 >= 0 and box.y1 <= 1 for box in boxes)
        pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]]
        assert not any(a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1 for a, b in pairs)
        assert figure.get_size_inches()[0] == pytest.approx(9.4)


def test_published_values_over_the_tasks_stand_beside_what_was_found(tmp_path: Path) -> None:
    content = made_up_aggregate(1, 2, 2)
    assert "IQM, published" not in Reader(site_of(tmp_path, content) / "leaderboard.html").text
    content["suites"][0]["variants"][0] |= {"published_iqm": 0.853}
    content["suites"][0] |= {"published_source": "a paper"}
    name = content["suites"][0]["variants"][0]["variant"]
    found = {"value": 0.742, "interval": {"low": 0.7, "high": 0.8}}
    content["suites"][0]["overall"]["before_normalisation"] = [{"variant": name, "estimate": found}]
    board = Reader(site_of(tmp_path / "published", content) / "leaderboard.html").text
    assert "IQM, published" in board
    assert "0.85" in board
    assert "0.74" in board
    assert "Published: a paper." in board


def test_in_the_csv_of_the_leaderboard_the_leader_has_no_probability_and_all_else_in_its_place(site: Path) -> None:
    (path,) = (site / "data").glob("*-leaderboard.csv")
    found = rows(path)
    leaders = [row for row in found if row["rank"] == "1"]
    assert leaders
    for row in leaders:
        assert row["p_better"] == row["p_better_low"] == row["p_better_high"] == ""
        assert 0 <= float(row["optimality_gap"]) <= 1
        assert row["group"] == "Ranked and preliminary"


def test_a_cell_that_does_not_fit_its_column_in_the_csv_is_refused() -> None:
    with pytest.raises(ValueError, match="table t, column A"):
        table("t", "T", "", [Column("A", ("a", "a_low"))], [[text("alone")]])
