"""The hashes of what an aggregate is made of, and the parts that are kept by them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from benchmark.analysis.aggregate import AGGREGATE_FILE, Part, aggregate, suite_part
from benchmark.analysis.inputs import INPUTS_FILE, aggregate_inputs, made_of, suite_inputs
from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.statements import Claim
from benchmark.experiments.store import Store
from benchmark.experiments.suite import Suite
from tests.fixtures.read_site import files
from tests.fixtures.synthetic_records import (
    ALGORITHMS,
    FEW_RESAMPLES,
    RETURNS,
    TASKS,
    made_up_record,
    synthetic_registry,
    synthetic_suite,
    write,
    write_constant,
)

SCORES = {(RETURNS, "strong"): [5.0, 6.0], (RETURNS, "weak"): [3.0, 2.0]}


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    with synthetic_registry(), FEW_RESAMPLES:
        yield


@pytest.fixture
def suite() -> Suite:
    return synthetic_suite((RETURNS,), seeds=(0, 1))


@pytest.fixture
def store(suite: Suite, tmp_path: Path) -> Store:
    """All four runs of the suite have committed records."""
    store = Store(tmp_path)
    write_constant(store, suite, SCORES, reference=True)
    return store


def reference(suite: Suite, store: Store) -> Path:
    """The committed record of one run."""
    return store.reference(suite.run(RETURNS, "weak", 1).spec)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the suites that are aggregated, as they are."""
    module = import_module("benchmark.analysis.aggregate")
    names: list[str] = []
    original = module.aggregate_suite

    def counting(suite: Suite, store: Store, *, retrain: bool = False) -> Part:
        names.append(suite.name)
        part: Part = original(suite, store, retrain=retrain)
        return part

    monkeypatch.setattr(module, "aggregate_suite", counting)
    return names


# The hash of one suite


def test_equal_content_gives_equal_inputs_whatever_the_times_of_the_files(suite: Suite, store: Store, tmp_path: Path) -> None:
    before = suite_inputs(suite, store)
    for path in (tmp_path / "results").rglob("record.json"):
        os.utime(path, (1, 1))
    assert suite_inputs(suite, store) == before


def test_equal_content_in_another_folder_gives_equal_inputs(suite: Suite, store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "elsewhere")
    write_constant(other, suite, SCORES, reference=True)
    assert suite_inputs(suite, other) == suite_inputs(suite, store)


def test_the_runs_at_hand_give_the_inputs_of_the_suite(suite: Suite, store: Store) -> None:
    assert suite_inputs(suite, store, runs=list(suite.runs())) == suite_inputs(suite, store)


def test_one_byte_of_a_record_changes_the_inputs(suite: Suite, store: Store) -> None:
    before, path = suite_inputs(suite, store), reference(suite, store)
    path.write_bytes(path.read_bytes() + b" ")
    assert suite_inputs(suite, store) != before


def test_a_record_that_vanishes_changes_the_inputs(suite: Suite, store: Store) -> None:
    before = suite_inputs(suite, store)
    reference(suite, store).unlink()
    assert suite_inputs(suite, store) != before


def test_a_record_that_appears_changes_the_inputs(suite: Suite, store: Store) -> None:
    reference(suite, store).unlink()
    before = suite_inputs(suite, store)
    write(store, made_up_record(suite.run(RETURNS, "weak", 1).spec, [1.0] * 6))
    assert suite_inputs(suite, store) != before


def test_a_crash_note_that_appears_changes_the_inputs(suite: Suite, store: Store) -> None:
    reference(suite, store).unlink()
    before = suite_inputs(suite, store)
    note = store.crash_note(suite.run(RETURNS, "weak", 1).spec)
    note.parent.mkdir(parents=True)
    note.write_text('{"reason": "out of memory"}')
    assert suite_inputs(suite, store) != before


def test_the_same_record_among_the_own_ones_has_other_inputs_than_among_the_committed_ones(suite: Suite, store: Store) -> None:
    before, committed = suite_inputs(suite, store), reference(suite, store)
    own = store.own(suite.run(RETURNS, "weak", 1).spec)
    own.parent.mkdir(parents=True)
    committed.rename(own)
    assert suite_inputs(suite, store) != before


def test_an_own_record_behind_a_committed_one_matters_with_retrain_alone(suite: Suite, store: Store) -> None:
    before = {retrain: suite_inputs(suite, store, retrain=retrain) for retrain in (False, True)}
    write(store, made_up_record(suite.run(RETURNS, "weak", 1).spec, [1.0] * 6))
    assert suite_inputs(suite, store, retrain=False) == before[False]
    assert suite_inputs(suite, store, retrain=True) != before[True]


def test_a_committed_record_does_not_matter_to_a_suite_that_always_trains(suite: Suite, store: Store) -> None:
    training = suite.model_copy(update={"always_train": True})
    before = suite_inputs(training, store)
    reference(suite, store).unlink()
    assert suite_inputs(training, store) == before


CLAIM = Claim(id="wins", statement="It wins.", kind="better", variant="strong", than="weak", source="made up")


@pytest.mark.parametrize("changes", [{"title": "Another"}, {"claims": (CLAIM,)}, {"seeds": (0, 2)}])
def test_the_text_of_the_suite_changes_the_inputs(suite: Suite, store: Store, changes: dict[str, object]) -> None:
    assert suite_inputs(suite.model_copy(update=changes), store) != suite_inputs(suite, store)


def test_retrain_changes_the_inputs(suite: Suite, store: Store) -> None:
    assert suite_inputs(suite, store, retrain=True) != suite_inputs(suite, store)


@pytest.mark.parametrize("changes", [{"title": "Another"}, {"requires": ("oracle_graph",)}])
def test_what_is_said_of_an_algorithm_changes_the_inputs(
    suite: Suite, store: Store, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    before = suite_inputs(suite, store)
    changed: dict[str, Any] = ALGORITHMS | {"weak": replace(ALGORITHMS["weak"], **changes)}  # type: ignore[arg-type]
    monkeypatch.setattr("benchmark.experiments.run_spec.algorithms", lambda: changed)
    assert suite_inputs(suite, store) != before


def test_the_reference_scores_of_a_task_change_the_inputs(suite: Suite, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = suite_inputs(suite, store)
    monkeypatch.setitem(TASKS, RETURNS, replace(TASKS[RETURNS], reference_scores=None))
    get_task.cache_clear()
    assert suite_inputs(suite, store) != before


def put_in_place(path: Path, what: str) -> None:
    """Something that is no record, instead of a file."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    else:
        with path.open("wb") as file:
            file.truncate(20_000_000)


@pytest.fixture
def _nothing_odd_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where a FIFO, on which a reader would wait for ever, or a large file is read."""
    original = Path.read_bytes

    def guarded(self: Path) -> bytes:
        assert not self.is_fifo(), f"{self} would be waited for"
        assert self.stat().st_size < 2**24, f"{self} is too large to be read"
        return original(self)

    monkeypatch.setattr(Path, "read_bytes", guarded)


@pytest.mark.usefixtures("_nothing_odd_is_read")
@pytest.mark.parametrize("what", ["folder", "pipe", "20 MB"])
def test_what_is_no_record_is_not_read_and_changes_the_inputs(suite: Suite, store: Store, what: str) -> None:
    before = suite_inputs(suite, store)
    put_in_place(reference(suite, store), what)
    assert suite_inputs(suite, store) != before


@pytest.mark.usefixtures("_nothing_odd_is_read")
@pytest.mark.parametrize("what", ["folder", "pipe", "20 MB"])
def test_what_is_no_study_is_not_read_and_changes_the_inputs(store: Store, tmp_path: Path, what: str) -> None:
    before = aggregate_inputs({"one": "a"}, store)
    put_in_place(tmp_path / "results" / "reference" / "studies" / "cost.json", what)
    assert aggregate_inputs({"one": "a"}, store) != before


# The hash of several suites


def test_the_order_of_suites_changes_the_inputs_of_the_aggregate(store: Store) -> None:
    assert aggregate_inputs({"one": "a", "two": "b"}, store) != aggregate_inputs({"two": "b", "one": "a"}, store)


def test_the_content_of_a_study_changes_the_inputs_of_the_aggregate(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "results" / "reference" / "studies" / "cost.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    before = aggregate_inputs({"one": "a"}, store)
    path.write_text("[]")
    assert aggregate_inputs({"one": "a"}, store) != before


def test_the_name_of_a_study_changes_the_inputs_of_the_aggregate(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "results" / "reference" / "studies" / "cost.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    before = aggregate_inputs({"one": "a"}, store)
    path.rename(path.with_name("price.json"))
    assert aggregate_inputs({"one": "a"}, store) != before


def test_a_folder_without_a_hash_was_made_of_nothing_known(tmp_path: Path) -> None:
    assert made_of(tmp_path) is None


def test_a_hash_that_is_no_text_was_made_of_nothing_known(tmp_path: Path) -> None:
    (tmp_path / INPUTS_FILE).write_bytes(b"\xff\xfe\x00\x9c")
    assert made_of(tmp_path) is None


# What is kept of each suite


def test_a_kept_part_is_used_again(suite: Suite, store: Store, tmp_path: Path, computed: list[str]) -> None:
    first = suite_part(suite, store, tmp_path / "cache")
    assert suite_part(suite, store, tmp_path / "cache") == first
    assert computed == ["synthetic"]


def test_a_part_is_computed_again_after_a_record_has_changed(
    suite: Suite, store: Store, tmp_path: Path, computed: list[str]
) -> None:
    suite_part(suite, store, tmp_path / "cache")
    write_constant(store, suite, {(RETURNS, "weak"): [3.0, 9.0]}, reference=True)
    again = suite_part(suite, store, tmp_path / "cache")
    assert computed == ["synthetic"] * 2
    assert max(run.final_return for run in again.aggregate.runs if run.final_return is not None) == pytest.approx(9)


@pytest.mark.parametrize("name", [AGGREGATE_FILE, "manifest.json"])
def test_a_part_that_was_cut_in_half_is_computed_again(
    suite: Suite, store: Store, tmp_path: Path, computed: list[str], name: str
) -> None:
    first = suite_part(suite, store, tmp_path / "cache")
    path = tmp_path / "cache" / suite.name / name
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert suite_part(suite, store, tmp_path / "cache") == first
    assert computed == ["synthetic"] * 2
    assert path.read_bytes() == whole


def test_a_part_of_which_a_file_is_gone_is_computed_again(
    suite: Suite, store: Store, tmp_path: Path, computed: list[str]
) -> None:
    first = suite_part(suite, store, tmp_path / "cache")
    (tmp_path / "cache" / suite.name / AGGREGATE_FILE).unlink()
    assert suite_part(suite, store, tmp_path / "cache") == first
    assert computed == ["synthetic"] * 2


def test_a_computation_that_ends_in_an_error_leaves_no_hash_behind(
    suite: Suite, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module("benchmark.analysis.aggregate")

    def full(path: Path, content: bytes) -> None:
        raise OSError("no space left on device")

    suite_part(suite, store, tmp_path / "cache")
    reference(suite, store).unlink()
    monkeypatch.setattr(module, "write_atomically", full)
    with pytest.raises(OSError, match="no space left"):
        suite_part(suite, store, tmp_path / "cache")
    assert made_of(tmp_path / "cache" / suite.name) is None


@pytest.fixture
def pair(suite: Suite) -> list[Suite]:
    """Two suites; `strong` with seed 0 is a run of both."""
    return [suite, synthetic_suite((RETURNS,), ("strong",), (0, 5), name="second", title="Second")]


def test_an_aggregate_has_equal_bytes_with_and_without_kept_parts(pair: list[Suite], store: Store, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    shared = aggregate(pair, store, tmp_path / "plain")
    aggregate(pair, store, tmp_path / "computed", cache=cache)
    aggregate(pair, store, tmp_path / "kept", cache=cache)
    plain = files(tmp_path / "plain")
    assert {"aggregate.json", "manifest.json", "csv/runs.csv", "csv/second/table.csv"} <= plain.keys()
    assert files(tmp_path / "computed") == plain
    assert files(tmp_path / "kept") == plain
    assert len([run for run in shared.runs if len(run.planned) == 2]) == 1


def test_an_aggregate_names_the_inputs_that_it_was_made_of(pair: list[Suite], store: Store, tmp_path: Path) -> None:
    aggregate(pair, store, tmp_path / "out", cache=tmp_path / "cache")
    inputs = {suite.name: suite_inputs(suite, store) for suite in pair}
    assert made_of(tmp_path / "out") == aggregate_inputs(inputs, store)
    assert {suite.name: made_of(tmp_path / "cache" / suite.name) for suite in pair} == inputs


def test_a_record_that_arrives_while_the_others_are_aggregated_is_not_taken_for_one_of_them(
    suite: Suite, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module("benchmark.analysis.aggregate")
    original = module.aggregate_suite
    reference(suite, store).unlink()

    def slow(*arguments: object, **options: object) -> object:
        part = original(*arguments, **options)
        write(store, made_up_record(suite.run(RETURNS, "weak", 1).spec, [1.0] * 6))
        return part

    monkeypatch.setattr(module, "aggregate_suite", slow)
    assert aggregate([suite], store, tmp_path / "out").suites[0].coverage.missing == 1
    assert made_of(tmp_path / "out") != aggregate_inputs({suite.name: suite_inputs(suite, store)}, store)
