"""The record format: what is written is read back, and nothing else is believed."""

from __future__ import annotations

import errno
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from benchmark.experiments.atomic_write import remove_leftovers, write_atomically
from benchmark.experiments.outcome import EvaluationPoint, Outcome, TrainingInterval, best_evaluation
from benchmark.experiments.record import (
    CorruptRecord,
    Execution,
    Provenance,
    Record,
    SettingsOrigin,
    make_record,
    newer_format,
    printable,
    read_record,
    write_record,
)
from benchmark.experiments.record_size import MAXIMUM_BYTES
from benchmark.experiments.run_spec import EvaluationSchedule, RunSpec, canonical_json
from benchmark.experiments.schemas import FOLDER, MODELS, schema_text
from tests.fixtures.made_up_graphs import made_up_measurement

SPEC = RunSpec(
    task="lbf/8x8-2p-2f-coop",
    task_version=1,
    backend="native",
    package=None,
    algorithm="mappo",
    algorithm_version=1,
    settings={"hidden_size": 32},
    regime="team",
    seed=3,
    budget=1000,
    parallel_episodes=16,
    time_limit="terminal",
    evaluation=EvaluationSchedule(points=2, episodes=2, absolute_episodes=2, policy="greedy"),
    protocol_version=1,
)
PROVENANCE = Provenance(
    commit=None,
    dirty=None,
    lock_sha256="0" * 64,
    python="3.11",
    torch="2",
    numpy="2",
    processor="some",
    threads=1,
    device="cpu",
)
EXECUTION = Execution(seconds={"total": 1.5}, steps_per_second=10.0, peak_memory_bytes=1, resumes=0, provenance=PROVENANCE)
POINT = EvaluationPoint(step=0, steps_done=0, returns=(0.25, 1.0), successes=(False, True), lengths=(50, 7))
OUTCOME = Outcome(
    status="ok",
    reason=None,
    steps_done=1010,
    evaluations=(POINT, POINT.model_copy(update={"step": 1000, "steps_done": 1010})),
    absolute=POINT,
    training=(TrainingInterval(step=1000, episodes=25, mean_return=0.5, success_rate=0.1, mean_length=40.4),),
    monitors={"loss": (0.125,), "late": (None,)},
)


def record(**changes: Any) -> Record:
    return make_record(SPEC, SettingsOrigin(source="defaults"), OUTCOME.model_copy(update=changes), EXECUTION)


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    write_record(tmp_path / "record.json", record())
    assert read_record(tmp_path / "record.json") == record()


def test_equal_records_are_equal_bytes(tmp_path: Path) -> None:
    write_record(tmp_path / "a", record())
    write_record(tmp_path / "b", Record.model_validate_json(record().model_dump_json()))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_execution_takes_no_part_in_the_hash_of_the_outcome() -> None:
    slower = EXECUTION.model_copy(update={"steps_per_second": 1.0, "resumes": 4})
    other = make_record(SPEC, SettingsOrigin(source="elsewhere"), OUTCOME, slower)
    assert other.outcome_sha256 == record().outcome_sha256


def test_every_part_of_the_outcome_takes_part_in_its_hash() -> None:
    changes: dict[str, Any] = {
        "steps_done": 1011,
        "evaluations": (POINT,),
        "absolute": None,
        "training": (),
        "monitors": {"loss": (0.25,), "late": (None,)},
        "reason": "other",
        "greedy_evaluations": (POINT,),
        "greedy_absolute": POINT,
        "credit": (made_up_measurement(0),),
    }
    hashes = {record(**{name: value}).outcome_sha256 for name, value in changes.items()}
    assert len(hashes | {record().outcome_sha256}) == len(changes) + 1


def test_the_hash_of_records_that_measured_no_credit_is_as_it_was_before_there_was_any() -> None:
    """Those that are committed say so themselves; their hash is checked as they are read."""
    found = sorted((Path(__file__).parents[2] / "results" / "reference").rglob("record.json"))
    assert found
    for path in found[:: max(1, len(found) // 10)]:
        assert read_record(path).outcome_sha256 == json.loads(path.read_text())["outcome_sha256"]
    assert OUTCOME.canonical.startswith('{"absolute":{"lengths":[50,7],')
    assert '"credit":[],' in OUTCOME.canonical


def test_a_record_without_the_newer_fields_of_provenance_is_written_back_as_it_was(tmp_path: Path) -> None:
    older = make_record(SPEC, SettingsOrigin(source="defaults"), OUTCOME, EXECUTION)
    assert older.model_dump(mode="json")["execution"]["provenance"].keys() == {
        *("commit", "dirty", "lock_sha256", "python", "torch", "numpy", "processor", "threads", "device")
    }
    for path in sorted((Path(__file__).parents[2] / "results" / "reference").rglob("record.json"))[::100]:
        write_record(tmp_path / "again.json", read_record(path))
        assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def content() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(record().model_dump_json())
    return value


def forge(value: dict[str, Any], *places: Any, to: Any) -> dict[str, Any]:
    target: Any = value
    for place in places[:-1]:
        target = target[place]
    target[places[-1]] = to
    return value


@pytest.mark.parametrize(
    ("places", "value", "message"),
    [
        (("outcome", "evaluations", 0, "returns", 0), 0.75, "outcome_sha256 does not belong"),
        (("spec", "seed"), 4, "fingerprint does not belong"),
        (("outcome", "evaluations", 0, "returns"), [0.25], "one entry per episode"),
        (("outcome", "status"), "splendid", "status"),
        (("schema_version",), 0, "schema_version"),
        (("schema_version",), 2, r"json: written by a newer version \(format 2; this one reads 1\)$"),
        (("surplus",), 1, "surplus"),
        (("execution", "steps_per_second"), float("inf"), "finite"),
    ],
)
def test_an_altered_record_is_refused_with_the_reason(tmp_path: Path, places: Any, value: Any, message: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps(forge(content(), *places, to=value)))
    with pytest.raises(CorruptRecord, match=message):
        read_record(path)


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", b"[]"])
def test_what_is_no_record_is_refused(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(damage)
    with pytest.raises(CorruptRecord, match=r"record\.json"):
        read_record(path)


def test_a_file_larger_than_a_record_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(b" " * (MAXIMUM_BYTES + 2))
    with pytest.raises(CorruptRecord, match=r"json: larger than 200000 bytes$"):
        read_record(path)
    os.truncate(path, 100 * MAXIMUM_BYTES)
    tracemalloc.start()
    try:
        with pytest.raises(CorruptRecord, match="larger than"):
            read_record(path)
        assert tracemalloc.get_traced_memory()[1] < 10 * MAXIMUM_BYTES
    finally:
        tracemalloc.stop()


def test_a_record_of_exactly_the_maximum_is_written_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    write_record(path, record())
    size = path.stat().st_size - len("\n")
    monkeypatch.setattr("benchmark.experiments.record.MAXIMUM_BYTES", size)
    write_record(path, record())
    assert read_record(path) == record()
    monkeypatch.setattr("benchmark.experiments.record.MAXIMUM_BYTES", size - 1)
    with pytest.raises(ValueError, match=f"a record may have {size - 1} bytes, this one has {size}$"):
        write_record(path, record())
    with pytest.raises(CorruptRecord, match=f"larger than {size - 1} bytes"):
        read_record(path)


def test_a_record_is_canonical_json(tmp_path: Path) -> None:
    execution = EXECUTION.model_copy(update={"seconds": {"total": 2.0, "acting": 1.5}})
    unsorted = make_record(SPEC, SettingsOrigin(source="defaults"), OUTCOME, execution)
    write_record(tmp_path / "record.json", unsorted)
    assert (tmp_path / "record.json").read_text() == canonical_json(unsorted.model_dump(mode="json")) + "\n"


def test_a_record_with_what_is_not_a_number_is_not_written(tmp_path: Path) -> None:
    execution = EXECUTION.model_copy(update={"steps_per_second": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_record(tmp_path / "record.json", make_record(SPEC, SettingsOrigin(source="defaults"), OUTCOME, execution))
    assert list(tmp_path.iterdir()) == []


def test_five_problems_of_a_record_are_named_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps(content() | {f"surplus{number}": number for number in range(6)}))
    said = "; ".join(f"surplus{number}: Extra inputs are not permitted" for number in range(5))
    with pytest.raises(CorruptRecord) as refused:
        read_record(path)
    assert str(refused.value) == f"{path}: {said}"
    path.write_text("[]")
    with pytest.raises(CorruptRecord, match=r"json: record: Input should be"):
        read_record(path)


@pytest.mark.parametrize(("version", "newer"), [(2, True), (999, True), (1000, False), (1, False), (True, False), ("2", False)])
def test_a_later_format_is_a_small_whole_number(version: object, newer: bool) -> None:
    said = newer_format(json.dumps({"schema_version": version}).encode(), reads=1)
    assert said == (f"written by a newer version (format {version}; this one reads 1)" if newer else None)


def test_untrusted_text_is_cut_and_has_no_control_characters() -> None:
    assert printable("x" * 500) == "x" * 500
    assert printable("x" * 501) == "x" * 500 + " …"
    assert printable("a\x1b[2J\nb é") == "a\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}b é"


def test_a_missing_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptRecord, match="No such file"):
        read_record(tmp_path / "record.json")


def test_an_oversized_record_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="may have"):
        write_record(tmp_path / "record.json", record(monitors={"loss": (0.123456789,) * 20000}))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_what_was_there_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    write_atomically(path, b"before")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device.*record\.json"):
        write_atomically(path, b"after")
    assert path.read_bytes() == b"before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]


def test_leftovers_of_killed_writers_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".record.json.ab12", "record.json", ".other.json.ab12"):
        (tmp_path / name).write_text("")
    remove_leftovers(tmp_path / "record.json")
    assert {entry.name for entry in tmp_path.iterdir()} == {"record.json", ".other.json.ab12"}


@pytest.mark.parametrize("name", MODELS)
def test_the_schema_files_are_current(name: str) -> None:
    assert (FOLDER / name).read_text() == schema_text(MODELS[name]), "run `python -m benchmark.experiments.schemas`"


def test_the_schema_accepts_a_record_and_refuses_a_wrong_one() -> None:
    schema = json.loads((FOLDER / "record.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(content(), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(forge(content(), "outcome", "status", to="splendid"), schema)


@pytest.mark.parametrize(
    ("policy", "measure", "best"),
    [("sample", "return", 1), ("greedy", "success", 1), ("both", "return", 3), ("both", "success", 4)],
)
def test_of_equally_good_evaluations_protocol_1_takes_the_earliest_and_protocol_2_the_latest(
    policy: Any, measure: Any, best: int
) -> None:
    scores = [(1.0, True), (3.0, False), (2.0, True), (3.0, False), (2.0, True), (2.5, False)]
    points = [
        EvaluationPoint(step=k, steps_done=k, returns=(value,), successes=(success,), lengths=(1,))
        for k, (value, success) in enumerate(scores)
    ]
    assert best_evaluation(points, EvaluationSchedule(policy=policy), measure) == best


def test_greedy_evaluations_belong_to_runs_that_are_evaluated_in_both_modes(tmp_path: Path) -> None:
    write_record(tmp_path / "record.json", record(greedy_evaluations=OUTCOME.evaluations))
    with pytest.raises(CorruptRecord, match="greedy evaluations beside those of its policy, 'greedy'"):
        read_record(tmp_path / "record.json")
