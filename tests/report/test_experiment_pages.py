"""The pages of ablations and studies, and where other pages speak of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from benchmark.report import formatting
from tests.fixtures.made_up_aggregate import made_up_aggregate
from tests.fixtures.made_up_experiments import made_up_study
from tests.fixtures.read_site import Reader, one_page, rows, site_of


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks, four variants, ten seeds, and every kind of trouble."""
    content = made_up_aggregate(2, 4, 10)
    content["studies"].append(made_up_study("second", quick=True))
    content["suites"][0]["preset"] = "screening"
    return site_of(tmp_path_factory.mktemp("report"), content)


def page(site: Path, name: str) -> Reader:
    return Reader(site / f"{name}.html")


# Ablations


def test_each_ablation_stands_with_question_expectation_and_finding(site: Path) -> None:
    text = page(site, "ablations").text
    assert "What does each part add? The base is method-a." in text
    assert text.count("Every part helps & the normaliser most. (Nobody et al. 2021, section 9)") == 2
    assert "best mean: method-a (0.95); better than the base: method-d; worse: …; undecided: …." in text
    assert text.count("On the first task alone") == 3  # the list, the heading, its table


def test_the_table_of_an_ablation_has_base_and_variants_with_all_their_numbers(site: Path) -> None:
    found = rows(site / "data" / "made-up-parts-lbf-8x8-2p-1f.csv")
    assert [row["variant"] for row in found] == ["method-a", "method-b", "method-c", "method-d"]
    base, undecided, worse, better = found
    assert [row["comparison"] for row in found] == ["base", "undecided: 3 of 20 runs are not there", "worse", "better"]
    assert (base["differs"], base["difference"], base["p_better"]) == ("", "", "")
    assert (undecided["differs"], undecided["runs"]) == ("coalitions = exact", "7/10, 0 diverged")
    assert (worse["difference"], worse["difference_low"], worse["difference_high"]) == ("-0.22", "-0.27", "-0.17")
    assert (better["p_better"], better["p_better_low"], better["p_better_high"]) == ("0.2", "0.1", "0.3")
    assert (base["return_r2"], undecided["return_r2"], worse["return_r2"]) == ("0.8", "", "0.4")
    assert (base["reward_model_share"], undecided["reward_model_share"]) == ("0.31", "")
    assert float(base["area"]) < float(base["final"])


def test_missing_and_diverged_runs_are_said_where_the_numbers_stand(site: Path) -> None:
    text = page(site, "ablations").text
    assert "7/103 absent" in text
    assert "10/101 diverged" in text
    assert "1 run diverged and is scored as the random policy" in text


def test_small_errors_are_not_rounded_to_nothing(site: Path) -> None:
    assert "3.2e−07" in page(site, "ablations").text


def test_few_seeds_are_preliminary_on_the_page_of_ablations_too(tmp_path: Path) -> None:
    _, found = one_page(tmp_path, made_up_aggregate(1, 2, 3), "ablations.html")
    assert found.text.count("preliminary") == 4  # two rows in two tables


def test_a_smoke_suite_is_no_evidence_in_ablations(tmp_path: Path) -> None:
    _, found = one_page(tmp_path, made_up_aggregate(1, 2, 3, smoke=True), "ablations.html")
    assert "Smoke, not evidence." in found.text
    assert "preliminary" not in found.text


def test_the_figure_of_an_ablation_has_every_mean_with_its_interval(site: Path) -> None:
    content = made_up_aggregate(2, 4, 10)
    found = rows(site / "data" / "made-up-parts-ablation.csv")
    assert len(found) == 2 * 4
    mean = content["suites"][0]["tasks"][0]["table"][1]["final_return"]["mean"]
    assert (found[1]["variant"], found[1]["runs"]) == ("method-b", "7")
    assert float(found[1]["mean_final"]) == pytest.approx(mean["value"], rel=1e-6)
    assert float(found[1]["high"]) == pytest.approx(mean["interval"]["high"], rel=1e-6)


def test_an_ablation_by_area_shows_areas(site: Path) -> None:
    found = rows(site / "data" / "made-up-first-only-ablation.csv")
    table = rows(site / "data" / "made-up-first-only-lbf-8x8-2p-1f.csv")
    assert [row["mean_area"] for row in found] == [row["area"] for row in table]
    text = page(site, "ablations").text
    assert "Compared by areas under the learning curve." in text
    assert "Areas under the learning curve beside the base." in text


def test_the_curves_of_reward_models_are_drawn_where_there_are_any(site: Path, tmp_path: Path) -> None:
    found = rows(site / "data" / "made-up-return-r2.csv")
    assert {row["variant"] for row in found} == {"method-a", "method-c"}
    assert (found[0]["step"], found[0]["return_r2"], found[2]["step"]) == ("5000", "", "15000")
    assert "How well the reward models predict returns" in page(site, "ablations").text
    content = made_up_aggregate(1, 2, 2)
    content["suites"][0]["monitor_curves"] = []
    without, _ = one_page(tmp_path, content, "ablations.html")
    assert not list((without / "data").glob("*return-r2*"))


def test_ablations_without_any_run_are_rendered(tmp_path: Path) -> None:
    content = made_up_aggregate(1, 2, 2)
    nothing = {"n": 0, "mean": None, "sd": None, "iqm": None, "minimum": None, "maximum": None}
    empty = {"final": nothing, "area": nothing, "difference": None, "improvement": None, "n_found": 0, "monitors": {}}
    for ablation in content["suites"][0]["ablations"]:
        for row in ablation["tasks"][0]["rows"]:
            row |= empty | {"reward_model_share": None}
    content["suites"][0]["monitor_curves"] = []
    site, found = one_page(tmp_path, content, "ablations.html")
    assert "2 absent" in found.text
    assert not (site / "figures").exists()


def test_one_variant_without_runs_leaves_a_gap_in_the_figure(tmp_path: Path) -> None:
    content = made_up_aggregate(1, 2, 2)
    row = content["suites"][0]["ablations"][0]["tasks"][0]["rows"][1]
    row["final"] = row["final"] | {"n": 0, "mean": None, "iqm": None}
    site, _ = one_page(tmp_path, content, "ablations.html")
    found = rows(site / "data" / "made-up-parts-ablation.csv")
    assert [row["mean_final"] == "" for row in found] == [False, True]


def test_ids_that_are_alike_get_anchors_of_their_own(tmp_path: Path) -> None:
    content = made_up_aggregate(1, 2, 2)
    first, second = content["suites"][0]["ablations"]
    first["id"], second["id"] = "First Only", "first only"
    _, reader = one_page(tmp_path, content, "ablations.html")
    anchors = [attributes["id"] for tag, attributes in reader.tags if tag == "h3"]
    assert len(set(anchors)) == 2


def test_the_page_of_a_method_leads_to_its_ablations(site: Path) -> None:
    reader = page(site, "method-method-b")
    targets = {link["href"] for link in reader.all("a") if link["href"].startswith("ablations.html#")}
    assert len(targets) == 2
    assert "Part of the ablations The parts of the reward model, On the first task alone." in reader.text


def test_names_cannot_break_out_of_the_pages_of_experiments(tmp_path: Path) -> None:
    content: dict[str, Any] = made_up_aggregate(1, 2, 2)
    text = "<script>alert('$x_1$')</script> & \"more\""
    for ablation in content["suites"][0]["ablations"]:
        ablation |= {"title": text, "question": text, "expected": text, "source": text}
        ablation["tasks"][0]["found"] = text
        ablation["tasks"][0]["rows"][1] |= {"differs": [text], "reason": text, "notes": [text]}
    content["studies"] = [made_up_study(title=text, question=text, design=text, source=text)]
    content["studies_refused"] = [text]
    for name in ("ablations", "studies", "claims", "index"):
        _, reader = one_page(tmp_path / name, content, f"{name}.html")
        assert len(reader.all("script")) == 1, name
        assert "<script>alert('$x_1$')</script>" in reader.text
    site, _ = one_page(tmp_path, content, "methods.html")
    assert len(page(site, "method-method-a").all("script")) == 1


# Studies


def test_a_study_stands_with_its_tables_its_command_and_its_provenance(site: Path) -> None:
    text = page(site, "studies").text
    assert "Whether the sums are right not supported" in text
    assert re.search(r"Every sum is the return\. ?The largest error is 3e-7\. ?supported", text)
    assert "uv run creditbench study made-up-study" in text
    assert "1.25 min on 1 thread of made-up processor (cpu)" in text
    assert "commit 0123456789ab with changes, Python 3.11.2, torch 2.13.0" in text
    assert "<b>worst</b> and mean" in text


def test_the_numbers_of_a_study_are_shown_to_four_digits_and_kept_whole_in_the_csv(site: Path) -> None:
    text = page(site, "studies").text
    for shown in ("3.25e−07", "1,235", "−0.5", "123,456", "much & more"):
        assert shown in text
    found = rows(site / "data" / "study-made-up-study-1.csv")
    assert [row["worst"] for row in found] == ["3.25e-07", "1234.568", ""]
    assert rows(site / "data" / "study-made-up-study-2.csv") == []


def test_the_studies_page_begins_with_a_link_to_each_of_them(site: Path) -> None:
    shown = page(site, "studies")
    wanted = [f"#{heading['id']}" for heading in shown.all("h2") if heading.get("id", "").startswith("study-")]
    assert len(wanted) > 1
    assert [link["href"] for link in shown.all("a") if link["href"].startswith("#study-")] == wanted
    assert "Whether the sums are right 1 supported 1 not supported" in shown.text


def test_a_quick_study_says_that_it_is_one(site: Path) -> None:
    assert page(site, "studies").text.count("A quick try.") == 1
    assert "a quick try" in page(site, "claims").text


def test_the_claims_page_has_a_row_for_each_prediction(site: Path) -> None:
    found = rows(site / "data" / "studies.csv")
    assert [(row["study"], row["expected"], row["verdict"]) for row in found[:2]] == [
        ("Whether the sums are right", "Every sum is the return.", "supported"),
        ("Whether the sums are right", "The ratio is below 1.", "not supported"),
    ]
    links = {link["href"] for link in page(site, "claims").all("a")}
    assert "studies.html#study-second" in links
    assert "2 supported 1 not supported 1 undecided" in page(site, "claims").text  # the quick one does not count


def test_claims_stand_without_studies_and_studies_without_claims(tmp_path: Path) -> None:
    content = made_up_aggregate(1, 1, 2)
    content["studies"] = []
    _, without = one_page(tmp_path / "a", content, "claims.html")
    assert "studies.html" not in {link["href"] for link in without.all("a")}
    assert "Measured experiments" not in without.text
    content = made_up_aggregate(1, 1, 2)
    content["suites"][0]["claims"] = []
    _, with_them = one_page(tmp_path / "b", content, "claims.html")
    assert "Measured experiments" in with_them.text


# Costs


def test_the_cost_table_says_what_the_reward_model_took(site: Path) -> None:
    found = {row["algorithm"]: row["reward_model_share"] for row in rows(site / "data" / "cost.csv")}
    assert (found["method-a v1"], found["method-b v1"]) == ("0.25", "")
    assert "25.0 %" in page(site, "speed").text


def test_the_reward_model_is_taken_out_of_the_update(tmp_path: Path) -> None:
    content = made_up_aggregate(1, 1, 1)
    content["runs"][0]["seconds"] = {"collect": 40.0, "update": 55.0, "reward model": 15.0, "total": 100.0}
    content["runs"][0]["total_seconds"] = 100.0
    site, _ = one_page(tmp_path, content, "speed.html")
    found = {row["phase"]: row["mean_seconds"] for row in rows(site / "data" / "phases.csv")}
    assert found == {"collect": "40", "update": "40", "reward model": "15", "other": "5"}


def test_declared_and_spent_core_hours_and_the_preset_are_on_the_pages(site: Path) -> None:
    assert "the runs that are here took 2.31 core-hours; declared for all: 1.5 core-hours" in page(site, "index").text
    text = page(site, "provenance").text
    assert "presetscreening" in text
    assert "declared cost1.5 core-hours" in text


def test_numbers_of_any_size_in_words() -> None:
    assert [formatting.significant(value) for value in (None, 0.0, 5, -0.12345, 1234.5, 1e20, 3.2e-7)] == [
        "–",
        "0",
        "5",
        "−0.1235",
        "1,234",
        "1e+20",
        "3.2e−07",
    ]
    assert [formatting.percent(share) for share in (None, 0.0, 0.005, 0.3141)] == [
        "–",
        "0.0\u00a0%",
        "0.5\u00a0%",
        "31.4\u00a0%",
    ]
    assert [formatting.core_hours(hours) for hours in (0.0148, 2.5, 1234.5)] == [
        "0.0148 core-hours",
        "2.5 core-hours",
        "1,234 core-hours",
    ]
