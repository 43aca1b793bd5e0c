"""One outcome under several seeds is named, not ranked, and decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.analysis.aggregate import aggregate
from benchmark.analysis.schema import SuiteReport
from benchmark.experiments.record import make_record
from benchmark.experiments.statements import Claim
from benchmark.experiments.store import Store
from tests.fixtures.synthetic_records import (
    FEW_RESAMPLES,
    RETURNS,
    made_up_record,
    synthetic_registry,
    synthetic_suite,
    write,
    write_constant,
)


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    with synthetic_registry(), FEW_RESAMPLES:
        yield


def report_of(root: Path, copies: int, failed_at: int | None = None) -> SuiteReport:
    """Ten seeds of two variants. The first `copies` of the strong one have the outcome of seed 0."""
    claim = Claim(id="wins", statement="It wins.", source="made up", kind="better", variant="strong", than="weak")
    suite, store = synthetic_suite((RETURNS,), claims=(claim,)), Store(root)
    scores = [5.0 + 0.1 * seed for seed in range(10)]
    write_constant(store, suite, {(RETURNS, "strong"): scores, (RETURNS, "weak"): [score / 2 for score in scores]})
    first = made_up_record(suite.run(RETURNS, "strong", 0).spec, [5.0] * 6, failed_at=failed_at)
    for seed in range(copies):
        spec = suite.run(RETURNS, "strong", seed).spec
        write(store, make_record(spec, first.origin, first.outcome, first.execution))
    return aggregate([suite], store, root / "out").suites[0]


def test_seeds_with_one_outcome_are_named_and_their_variant_is_not_ranked(tmp_path: Path) -> None:
    report = report_of(tmp_path, copies=3)
    strong, weak = report.variants
    assert (strong.status, strong.reasons) == ("unranked", ("2 of 10 runs have the outcome of another seed",))
    assert weak.status == "ranked"
    assert [row.variant for row in report.overall.ranks] == ["weak"]
    said = "strong: seeds 0, 1, 2 have one outcome, to the last digit: 3 runs that are no independent ones."
    assert report.notes == (f"{RETURNS}, {said}",)


def test_seeds_with_one_outcome_decide_no_claim(tmp_path: Path) -> None:
    (claim,) = report_of(tmp_path, copies=2).claims
    assert (claim.verdict, claim.reason) == ("undecided", "1 of 20 runs have the outcome of another seed")


def test_ten_different_outcomes_are_ranked(tmp_path: Path) -> None:
    report = report_of(tmp_path, copies=1)
    assert report.variants[0].status == "ranked"
    assert report.claims[0].verdict == "supported"
    assert report.notes == ()


def test_runs_that_failed_alike_are_no_copies(tmp_path: Path) -> None:
    """Before its first update a run may have nothing that depends on its seed."""
    report = report_of(tmp_path, copies=2, failed_at=100)
    assert report.variants[0].status == "ranked"
