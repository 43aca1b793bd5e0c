"""Which suites the pipeline chooses, and what it takes for out of date; without Snakemake, on records that were made up."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from benchmark.cli.app import main
from benchmark.experiments.store import Store
from benchmark.experiments.suite import SUITE_FOLDER, Suite, load_suite
from benchmark.workflow.pipeline import ConfigError, Pipeline
from tests.fixtures.synthetic_records import (
    FEW_RESAMPLES,
    RETURNS,
    SUCCESSES,
    made_up_record,
    synthetic_registry,
    synthetic_suite,
    write,
    write_constant,
)

# The choice of suites: only whether a record is there is asked, so empty files do.


def commit(root: Path, *suites: str) -> None:
    """Files in the places of the committed records of suites."""
    for name in suites:
        for planned in load_suite(name).runs():
            path = Store(root).reference(planned.spec)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


def test_without_config_the_committed_suites_are_chosen_the_largest_first_and_quick_last(tmp_path: Path) -> None:
    commit(tmp_path, "alice-and-bob", "lbf-baselines", "stas-coalitions")
    sizes = {name: len(list(load_suite(name).runs())) for name in ("alice-and-bob", "lbf-baselines", "stas-coalitions")}
    assert len(set(sizes.values())) == 3
    assert list(Pipeline({}, tmp_path).suites) == [*sorted(sizes, key=lambda name: -sizes[name]), "quick"]


def test_a_suite_of_which_one_record_is_not_committed_is_no_evidence(tmp_path: Path) -> None:
    commit(tmp_path, "alice-and-bob", "lbf-baselines")
    Store(tmp_path).reference(list(load_suite("lbf-baselines").runs())[-1].spec).unlink()
    assert list(Pipeline({}, tmp_path).suites) == ["alice-and-bob", "quick"]


def test_a_suite_that_has_lost_a_record_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commit(tmp_path, "lbf-baselines")
    lost = Store(tmp_path).reference(list(load_suite("lbf-baselines").runs())[-1].spec)
    lost.unlink()
    assert list(Pipeline({}, tmp_path).suites) == ["quick"]
    said = capsys.readouterr().err
    assert f"lbf-baselines is left out of the report: 39 of 40 records are committed; not there: {lost}" in said


@pytest.mark.parametrize("name", ["reports", "logs", "results/suites"])
def test_a_file_in_the_place_of_a_folder_is_one_clear_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match=f"{name} is a file, where a folder is needed"):
        Pipeline({"suites": "quick"}, tmp_path)
    assert (tmp_path / name).read_text() == "mine"


def test_a_suite_that_always_trains_is_no_evidence_even_with_committed_records(tmp_path: Path) -> None:
    commit(tmp_path, "quick", "alice-and-bob")
    assert load_suite("quick").always_train
    assert list(Pipeline({"suites": "evidence"}, tmp_path).suites) == ["alice-and-bob"]


def test_without_any_committed_record_quick_is_chosen_alone(tmp_path: Path) -> None:
    assert list(Pipeline({}, tmp_path).suites) == ["quick"]


def test_evidence_stands_in_a_list_beside_the_path_of_a_suite_file(tmp_path: Path) -> None:
    commit(tmp_path, "alice-and-bob")
    path = tmp_path / "mine.yaml"
    path.write_text((SUITE_FOLDER / "quick.yaml").read_text().replace("name: quick", "name: mine"))
    pipeline = Pipeline({"suites": [str(path), "evidence"]}, tmp_path)
    assert list(pipeline.suites) == ["mine", "alice-and-bob"]
    assert pipeline.aggregate_arguments == shlex.join(["--suite", str(path), "--suite", "alice-and-bob"])


def test_a_committed_suite_that_is_named_as_well_is_there_once(tmp_path: Path) -> None:
    commit(tmp_path, "alice-and-bob")
    assert list(Pipeline({"suites": ["alice-and-bob", "evidence"]}, tmp_path).suites) == ["alice-and-bob"]


# What is out of date


@pytest.fixture(autouse=True)
def _few_resamples() -> Iterator[None]:
    with FEW_RESAMPLES:
        yield


FIRST = synthetic_suite((RETURNS,), ("strong",), (0,), name="first", smoke=True)
SECOND = synthetic_suite((SUCCESSES,), ("weak",), (0,), name="second", smoke=True)
BOTH = {"suites": ["first.yaml", "second.yaml"]}


def write_suite(suite: Suite) -> None:
    Path(f"{suite.name}.yaml").write_text(yaml.safe_dump(suite.model_dump(mode="json", exclude_none=True)))


def finish(pipeline: Pipeline) -> None:
    """Does what the rules of the Snakefile do after training."""
    for command, arguments in (
        ("prepare", pipeline.prepare_arguments(pipeline.suites)),
        ("aggregate", pipeline.aggregate_arguments),
        ("report", pipeline.report_arguments),
    ):
        with pytest.raises(SystemExit) as ended:
            main([command, *shlex.split(arguments)])
        assert not ended.value.code


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two suites, their committed records, and a finished report."""
    root = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch, synthetic_registry(), FEW_RESAMPLES:
        patch.chdir(root)
        write_suite(FIRST)
        write_suite(SECOND)
        write_constant(Store(), FIRST, {(RETURNS, "strong"): [5.0]}, reference=True)
        write_constant(Store(), SECOND, {(SUCCESSES, "weak"): [0.5]}, reference=True)
        finish(Pipeline(BOTH))
    return root


@pytest.fixture
def folder(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of that folder, which is the working directory."""
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    monkeypatch.chdir(copy)
    with synthetic_registry():
        yield copy


def stale(**config: object) -> dict[str, bool]:
    """What a pipeline that starts now would make anew."""
    pipeline = Pipeline(BOTH | config)
    found = {name: bool(pipeline.stale_suites(name)) for name in pipeline.suites}
    return found | {"report": bool(pipeline.stale_report())}


FRESH = {"first": False, "second": False, "report": False}
STALE = {"first": True, "second": True, "report": True}


@pytest.mark.usefixtures("folder")
def test_what_has_just_been_made_is_up_to_date() -> None:
    assert stale() == FRESH
    assert Pipeline(BOTH).stale_suites("first", "second") == []


@pytest.mark.usefixtures("folder")
def test_times_of_files_do_not_put_anything_out_of_date() -> None:
    Store().reference(FIRST.run(RETURNS, "strong", 0).spec).touch()
    Path("first.yaml").touch()
    assert stale() == FRESH


@pytest.mark.usefixtures("folder")
def test_a_record_that_has_changed_puts_its_suite_and_the_report_out_of_date() -> None:
    write_constant(Store(), FIRST, {(RETURNS, "strong"): [6.0]}, reference=True)
    assert stale() == FRESH | {"first": True, "report": True}
    assert Pipeline(BOTH).stale_suites("first", "second") != []


@pytest.mark.usefixtures("folder")
def test_what_was_out_of_date_is_not_after_it_was_made_again() -> None:
    write_constant(Store(), FIRST, {(RETURNS, "strong"): [6.0]}, reference=True)
    finish(Pipeline(BOTH))
    assert stale() == FRESH


@pytest.mark.usefixtures("folder")
def test_a_record_that_is_gone_puts_its_suite_and_the_report_out_of_date() -> None:
    Store().reference(SECOND.run(SUCCESSES, "weak", 0).spec).unlink()
    assert stale() == FRESH | {"second": True, "report": True}
    assert Pipeline(BOTH).ready == ["first"]


@pytest.mark.usefixtures("folder")
def test_a_report_of_what_is_there_is_out_of_date_while_something_has_to_be_trained() -> None:
    Store().reference(SECOND.run(SUCCESSES, "weak", 0).spec).unlink()
    finish(Pipeline(BOTH))
    assert stale() == FRESH | {"second": True, "report": True}


@pytest.mark.usefixtures("folder")
def test_a_record_that_moves_from_the_own_ones_to_the_committed_ones_puts_its_suite_out_of_date() -> None:
    spec = FIRST.run(RETURNS, "strong", 0).spec
    Store().own(spec).parent.mkdir(parents=True)
    Store().reference(spec).rename(Store().own(spec))
    assert stale() == FRESH | {"first": True, "report": True}


@pytest.mark.usefixtures("folder")
def test_a_suite_whose_text_has_changed_is_out_of_date() -> None:
    write_suite(FIRST.model_copy(update={"title": "Another title"}))
    assert stale() == FRESH | {"first": True, "report": True}


@pytest.mark.usefixtures("folder")
def test_a_study_that_appears_puts_the_report_alone_out_of_date() -> None:
    path = Path("results/reference/studies/cost.json")
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    assert stale() == FRESH | {"report": True}


@pytest.mark.parametrize("gone", ["reports", "reports/index.html"])
def test_without_the_pages_the_report_alone_is_out_of_date(folder: Path, gone: str) -> None:
    path = folder / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert stale() == FRESH | {"report": True}


@pytest.mark.usefixtures("folder")
def test_without_what_was_prepared_of_a_suite_that_suite_alone_is_out_of_date() -> None:
    shutil.rmtree("results/suites/second")
    assert stale() == FRESH | {"second": True}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("option", ["pdf", "retrain"])
def test_other_options_put_everything_out_of_date(option: str) -> None:
    assert stale(**{option: True}) == STALE


@pytest.mark.usefixtures("folder")
def test_a_report_with_pdf_twins_is_up_to_date_with_them_alone() -> None:
    finish(Pipeline(BOTH | {"pdf": True}))
    assert stale(pdf=True) == FRESH
    assert stale() == STALE


@pytest.mark.usefixtures("folder")
def test_fewer_suites_are_drawn_again_in_their_colours_and_reported() -> None:
    assert stale(suites=["second.yaml"]) == {"second": True, "report": True}


@pytest.mark.usefixtures("folder")
def test_another_order_of_the_suites_puts_the_report_alone_out_of_date() -> None:
    assert stale(suites=["second.yaml", "first.yaml"]) == FRESH | {"report": True}


@pytest.mark.usefixtures("folder")
def test_the_file_that_stands_for_what_is_out_of_date_has_other_content_each_time() -> None:
    shutil.rmtree("reports")
    contents = set()
    for _ in range(3):
        (path,) = Pipeline(BOTH).stale_report()
        contents.add(Path(path).read_text())
    assert len(contents) == 3


@pytest.mark.usefixtures("folder")
def test_suites_that_are_out_of_date_have_a_file_of_their_own_each() -> None:
    pipeline = Pipeline(BOTH | {"pdf": True})
    paths = [*pipeline.stale_suites("first"), *pipeline.stale_suites("second"), *pipeline.stale_report()]
    assert len(set(paths)) == 3
    assert all(Path(path).is_file() for path in paths)


# What is shown before anything is trained


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("missing", "report", "first"),
    [
        ([SECOND], False, True),
        ([SECOND], True, False),
        ([], False, False),
        ([FIRST, SECOND], False, False),
    ],
    ids=["one suite is ready", "there is a report", "nothing to train", "no suite is ready"],
)
def test_a_report_before_training_is_made_where_it_shows_something_and_there_is_none(
    missing: list[Suite], report: bool, first: bool
) -> None:
    for suite in missing:
        for planned in suite.runs():
            Store().reference(planned.spec).unlink()
    if not report:
        shutil.rmtree("reports")
    assert Pipeline(BOTH).evidence_first == (["results/aggregate/.evidence"] if first else [])


@pytest.mark.usefixtures("folder")
def test_a_run_that_is_trained_makes_its_suite_ready() -> None:
    spec = SECOND.run(SUCCESSES, "weak", 0).spec
    Store().reference(spec).unlink()
    assert Pipeline(BOTH).ready == ["first"]
    write(Store(), made_up_record(spec, [0.0] * 6, [0.5] * 6))
    assert Pipeline(BOTH).ready == ["first", "second"]
