"""Records of strangers, made to break what reads them: each is shown as corrupt with its reason, and nothing falls over."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.analysis.aggregate import aggregate
from benchmark.experiments.record import make_record, read_record
from benchmark.experiments.record_size import MAXIMUM_BYTES
from benchmark.experiments.run_spec import canonical_json
from benchmark.experiments.store import Store
from benchmark.experiments.suite import Suite
from benchmark.report.site import render
from benchmark.workflow.plan import plan
from tests.fixtures.made_up_graphs import made_up_measurement
from tests.fixtures.synthetic_records import (
    FEW_RESAMPLES,
    RETURNS,
    made_up_record,
    synthetic_registry,
    synthetic_suite,
    write,
)

MARKUP = "<script>alert(1)</script>"
Spoil = Callable[[Path], None]


def edited(change: Callable[[dict[str, Any]], object], *, honest: bool = False) -> Spoil:
    """A change of the parsed record; `honest`: without hashing the outcome anew."""

    def spoil(path: Path) -> None:
        content = json.loads(path.read_text())
        change(content)
        if not honest:
            content["outcome_sha256"] = hashlib.sha256(canonical_json(content["outcome"]).encode()).hexdigest()
        path.write_text(json.dumps(content))

    return spoil


def text(content: str | bytes) -> Spoil:
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode())


def in_its_place(make: Callable[[Path], object]) -> Spoil:
    def spoil(path: Path) -> None:
        path.unlink()
        make(path)

    return spoil


def first(content: dict[str, Any]) -> dict[str, Any]:
    point: dict[str, Any] = content["outcome"]["evaluations"][0]
    return point


def measuring(**change: Any) -> Spoil:
    """Measurements of who influences whom as the run may give them, the last with pictures of two agents and the change."""

    def add(content: dict[str, Any]) -> None:
        square = [[1.0, 0.5], [0.0, 1.0]]
        pictures = {"mean_claimed": square, "mean_true": square, "drawn": {"claimed": [[1], [2]], "true": [[], [1, 2]]}}
        points = content["outcome"]["evaluations"]
        steps = [points[number]["step"] for number in (0, 2, 3, 4, 5)]
        measured = [made_up_measurement(step).model_dump(mode="json") for step in steps[:-1]]
        last = made_up_measurement(steps[-1], **pictures).model_dump(mode="json")
        content["outcome"]["credit"] = [*measured, last | change]

    return edited(add)


LARGE = [[1.0] * 3] * 3

SPOILT: dict[str, tuple[Spoil, str]] = {
    "empty": (text(""), "EOF"),
    "cut": (lambda path: path.write_text(path.read_text()[:-200]) and None, "EOF"),
    "not text": (text(b"\xff\xfe\x00"), "Invalid JSON"),
    "too large": (text(" " * (MAXIMUM_BYTES + 2)), "larger than"),
    "nested": (text("[" * 70_000), "recursion limit"),
    "nested settings": (
        lambda path: (
            path.write_text(path.read_text().replace('"settings":{}', f'"settings":{{"a":{"[" * 9000}{"]" * 9000}}}')) and None
        ),
        "recursion limit",
    ),
    "a folder": (in_its_place(Path.mkdir), "not a file"),
    "a device": (in_its_place(lambda path: path.symlink_to("/dev/zero")), "not a file"),
    "a pipe": (in_its_place(os.mkfifo), "not a file"),
    "markup in a name": (edited(lambda content: content.update({MARKUP: 1}), honest=True), "Extra inputs"),
    "escapes in a name": (edited(lambda content: content.update({"\x1b[2J\n": 1}), honest=True), "Extra inputs"),
    "a long name": (edited(lambda content: content.update({"x" * 50_000: 1}), honest=True), "…"),
    "not a number": (edited(lambda content: content["execution"].update(steps_per_second=float("nan"))), "finite"),
    "huge return": (edited(lambda content: first(content).update(returns=[1e300] * 4)), "less than or equal to 1"),
    "huge integer": (edited(lambda content: content["execution"].update(peak_memory_bytes=10**400)), "less than or equal"),
    "huge time": (edited(lambda content: content["execution"].update(seconds={"total": 1e308})), "less than or equal"),
    "negative steps": (edited(lambda content: content["outcome"].update(steps_done=-1)), "greater than or equal to 0"),
    "no episodes": (
        edited(lambda content: first(content).update(returns=[], successes=[], lengths=[])),
        "one entry per episode",
    ),
    "fewer episodes": (
        edited(lambda content: first(content).update(returns=[9.0], successes=[True], lengths=[1])),
        "has not the 4 episodes",
    ),
    "fewer absolute episodes": (
        edited(lambda content: content["outcome"].update(absolute=first(content))),
        "has not the 8 episodes",
    ),
    "out of order": (edited(lambda content: content["outcome"]["evaluations"].reverse()), "out of order"),
    "the same twice": (
        edited(lambda content: content["outcome"]["evaluations"].append(first(content))),
        "it has 7 evaluations",
    ),
    "after the end": (
        edited(lambda content: content["outcome"]["evaluations"][-1].update(steps_done=5000)),
        "not after the last of its 1000 steps",
    ),
    "too short": (
        edited(lambda content: content["outcome"].update(steps_done=1, evaluations=[first(content)])),
        "not evaluated at step 200",
    ),
    "no evaluations": (edited(lambda content: content["outcome"].update(evaluations=[])), "not even at step 0"),
    "credit of no kind": (measuring(kind=MARKUP), "outcome.credit.4.kind"),
    "credit with a surplus": (measuring(**{MARKUP: 1}), "Extra inputs"),
    "credit that is no share": (measuring(density=1e300), "less than or equal to 1"),
    "credit without agreement": (measuring(agreement=[]), "at least 1 item"),
    "credit of many measurements": (
        edited(lambda content: content["outcome"].update(credit=[made_up_measurement(0).model_dump(mode="json")] * 42)),
        "at most 5 items",
    ),
    "credit of another time": (measuring(step=7), "measurements of credit are not those of the steps 0, 400, 600, 800, 1000"),
    "credit of another team": (
        measuring(mean_claimed=LARGE, mean_true=LARGE, drawn=None),
        "not of the 2 agents of synthetic/returns",
    ),
    "credit of half a team": (measuring(mean_true=[[1.0]]), "of the same agents"),
    "credit that is not square": (measuring(mean_claimed=[[1.0], [1.0]]), "must be square"),
    "credit of a vast team": (measuring(mean_claimed=[[1.0] * 4000]), "must be square"),
    "credit of no agents": (measuring(drawn={"claimed": [[2**53]], "true": [[]]}), "none between different agents of 2"),
    "credit without end": (measuring(drawn={"claimed": [[]] * 5000, "true": [[]] * 5000}), "at most 200 items"),
    "edited": (edited(lambda content: first(content).update(returns=[9.0] * 4), honest=True), "outcome_sha256"),
    "of another run": (lambda path: None, "the record of another run"),
}


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    with synthetic_registry(), FEW_RESAMPLES:
        yield


@pytest.fixture
def suite() -> Suite:
    """A run for each kind of trouble, and one that is whole."""
    return synthetic_suite((RETURNS,), ("strong",), range(len(SPOILT) + 1))


@pytest.fixture
def store(tmp_path: Path, suite: Suite) -> Store:
    store = Store(tmp_path)
    specs = [run.spec for run in suite.runs()]
    for spec, (spoil, _) in zip(specs, SPOILT.values(), strict=False):
        spoil(write(store, made_up_record(spec, [5.0] * 6)))
    write(store, made_up_record(specs[-1], [5.0] * 6))
    other = dict(zip(SPOILT, specs, strict=False))["of another run"]
    store.own(other).write_bytes(store.own(specs[-1]).read_bytes())
    return store


def test_hostile_records_are_shown_with_their_reasons_and_break_nothing(store: Store, suite: Suite, tmp_path: Path) -> None:
    result = aggregate([suite], store, tmp_path / "out", retrain=True)
    *spoilt, whole = result.runs
    assert whole.presence == "own"
    for (name, (_, expected)), run in zip(SPOILT.items(), spoilt, strict=True):
        assert run.presence == "corrupt", name
        assert expected in (run.reason or ""), name
        assert (run.reason or "").isprintable(), name
        assert len(run.reason or "") < 1000, name
    site = render(tmp_path / "out", tmp_path / "site").parent
    pages = {page.name: page.read_text() for page in site.glob("*.html")}
    assert not [name for name, page in pages.items() if MARKUP in page]
    assert "&lt;script&gt;alert" in pages["provenance.html"]
    found = plan(suite, store)
    assert found.count("corrupt") == len(SPOILT)
    assert not found.to_train


def test_measurements_that_a_run_can_have_produced_are_accepted(store: Store, suite: Suite) -> None:
    path = store.own(list(suite.runs())[-1].spec)
    measuring()(path)
    assert [found.step for found in read_record(path).outcome.credit] == [0, 400, 600, 800, 1000]


def test_a_record_of_older_versions_that_cannot_be_read_does_not_stop_the_plan(store: Store, suite: Suite) -> None:
    spec = next(iter(suite.runs())).spec
    old = make_record(spec.model_copy(update={"task_version": 0}), *_parts(store, suite))
    path = write(store, old)
    assert [entry.path for entry in plan(suite, store).stale] == [path.relative_to(store.root)]
    path.write_text('{"spec": ' + "[" * 70_000)
    assert not plan(suite, store).stale


def _parts(store: Store, suite: Suite) -> tuple[Any, ...]:
    record = store.find(list(suite.runs())[-1].spec).record
    assert record is not None
    return record.origin, record.outcome, record.execution
