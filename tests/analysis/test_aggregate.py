"""From records to aggregate.json: what is there, what is not, and that nothing is dropped in silence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rliable import metrics

from benchmark.analysis.aggregate import aggregate, read_aggregate
from benchmark.analysis.schema import Aggregate, SuiteReport, TableRow, TaskReport, VariantSummary
from benchmark.experiments.store import Store
from benchmark.experiments.suite import Override, Suite, Variant
from tests.fixtures.synthetic_records import (
    FEW_RESAMPLES,
    RETURNS,
    SUCCESSES,
    UNSCORED,
    made_up_record,
    synthetic_registry,
    synthetic_results,
    synthetic_suite,
    write,
    write_constant,
)

NAN = float("nan")
TEN = [5.0, 6.0, 4.0, 5.5, 4.5, 5.2, 4.8, 6.1, 3.9, 5.0]


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    with synthetic_registry(), FEW_RESAMPLES:
        yield


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Aggregate]:
    """Every kind of trouble, aggregated once: the folder and the result."""
    root = tmp_path_factory.mktemp("troubled")
    with synthetic_registry(), FEW_RESAMPLES:
        return root, aggregate(synthetic_results(root), Store(root), root / "out", retrain=True)


def report_of(suite: Suite, root: Path, **options: bool) -> SuiteReport:
    return aggregate([suite], Store(root), root / "out", **options).suites[0]


def standing(report: SuiteReport, name: str) -> VariantSummary:
    return next(variant for variant in report.variants if variant.variant == name)


def row(report: SuiteReport, task: str, variant: str) -> TableRow:
    return next(row for row in task_of(report, task).table if row.variant == variant)


def task_of(report: SuiteReport, name: str) -> TaskReport:
    return next(task for task in report.tasks if task.task == name)


# What is there


def test_every_planned_run_has_one_row_and_says_whether_it_is_there(troubled: tuple[Path, Aggregate]) -> None:
    _, result = troubled
    presences = [run.presence for run in result.runs]
    assert len(result.runs) == 3 * 3 * 10
    assert {name: presences.count(name) for name in ("missing", "crashed", "corrupt")} == dict.fromkeys(
        ("missing", "crashed", "corrupt"), 1
    )
    assert presences.count("reference") == 45 - 1  # seed 8 of weak, an even one, crashed
    coverage = result.suites[0].coverage
    assert (coverage.planned, coverage.found, coverage.failed) == (90, 87, 1)


def test_the_reason_of_a_crash_is_told_and_no_path_of_this_machine(troubled: tuple[Path, Aggregate]) -> None:
    root, result = troubled
    reasons = {run.presence: run.reason for run in result.runs if run.reason}
    assert reasons["crashed"] == "killed by signal 9"
    assert "outcome_sha256 does not belong to the outcome" in reasons["corrupt"]
    for path in (root / "out").rglob("*.*"):
        assert str(root) not in path.read_text()


def test_two_suites_that_plan_the_same_run_share_its_row(troubled: tuple[Path, Aggregate]) -> None:
    _, result = troubled
    shared = [run for run in result.runs if len(run.planned) == 2]
    assert len(shared) == 2 * 2
    assert {name.suite for run in shared for name in run.planned} == {"synthetic", "synthetic-smoke"}


def test_equal_records_give_equal_bytes(troubled: tuple[Path, Aggregate], tmp_path: Path) -> None:
    root, _ = troubled
    aggregate(synthetic_results(tmp_path), Store(tmp_path), tmp_path / "elsewhere", retrain=True)
    for path in (root / "out").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "elsewhere" / path.relative_to(root / "out")).read_bytes(), path


def test_what_was_written_reads_back_the_same(troubled: tuple[Path, Aggregate]) -> None:
    root, result = troubled
    assert read_aggregate(root / "out") == result


def test_the_manifest_names_every_record_with_the_hash_of_its_file(troubled: tuple[Path, Aggregate]) -> None:
    root, result = troubled
    entries = json.loads((root / "out" / "manifest.json").read_text())["records"]
    assert {entry["path"] for entry in entries} == {run.path for run in result.runs if run.status}
    for entry in entries:
        assert entry["file_sha256"] == hashlib.sha256((root / entry["path"]).read_bytes()).hexdigest()
        assert entry["fingerprint"][:12] in entry["path"]


def test_a_suite_that_always_trains_takes_no_committed_record(tmp_path: Path) -> None:
    suite = synthetic_suite((RETURNS,), ("strong",), range(2))
    write_constant(Store(tmp_path), suite, {(RETURNS, "strong"): [5.0, 5.0]}, reference=True)
    assert report_of(suite, tmp_path).coverage.found == 2
    assert report_of(suite.model_copy(update={"always_train": True}), tmp_path).coverage.missing == 2


def test_a_run_that_one_suite_trains_and_another_takes_has_two_rows(tmp_path: Path) -> None:
    suite = synthetic_suite((RETURNS,), ("strong",), (0,))
    write_constant(Store(tmp_path), suite, {(RETURNS, "strong"): [5.0]}, reference=True)
    write_constant(Store(tmp_path), suite, {(RETURNS, "strong"): [6.0]})
    training = suite.model_copy(update={"name": "training", "always_train": True})
    result = aggregate([suite, training], Store(tmp_path), tmp_path / "out")
    assert [(run.presence, run.planned[0].suite) for run in result.runs] == [("reference", "synthetic"), ("own", "training")]
    assert [row(report, RETURNS, "strong").final_return.minimum for report in result.suites] == pytest.approx([5, 6])


# Scores


def test_a_diverged_run_scores_as_the_random_policy_from_there_on(tmp_path: Path) -> None:
    suite = synthetic_suite((RETURNS, SUCCESSES), ("strong",), (0,))
    for task in (RETURNS, SUCCESSES):
        spec = suite.run(task, "strong", 0).spec
        write(Store(tmp_path), made_up_record(spec, [1, 2, 3, 4, 5, 6], [0.25, 0.5, 0.75, 1, 1, 1], failed_at=500))
    result = aggregate([suite], Store(tmp_path), tmp_path / "out")
    report = result.suites[0]
    curve = task_of(report, RETURNS).curves[0].returns.seeds[0]
    assert curve.values == pytest.approx((1, 2, 3, 0, 0, 0))
    assert curve.failed_at == 500
    assert task_of(report, SUCCESSES).curves[0].successes.seeds[0].values == (0.25, 0.5, 0.75, 0.1, 0.1, 0.1)
    # The random policy's return is not known where successes are scored; at worst it never succeeds.
    assert task_of(report, SUCCESSES).curves[0].returns.mean == pytest.approx((1, 2, 3, None, None, None))
    assert task_of(report, RETURNS).curves[0].successes.mean == (0.25, 0.5, 0.75, 0, 0, 0)
    first, second = result.runs
    assert (first.final_return, first.absolute_return, first.normalised_final, first.scored_as_random) == (0, 0, 0, True)
    assert (second.final_success, second.absolute_success, second.normalised_absolute) == (0.1, 0.1, 0)
    assert second.final_return is None
    assert "scored as the random policy" in row(report, RETURNS, "strong").notes[0]


def test_a_run_that_fails_in_its_last_update_ends_as_the_random_policy_too(tmp_path: Path) -> None:
    suite = synthetic_suite((RETURNS,), ("strong",), (0,))
    write(Store(tmp_path), made_up_record(suite.run(RETURNS, "strong", 0).spec, [1, 2, 3, 4, 5, 6], failed_at=1000))
    assert task_of(report_of(suite, tmp_path), RETURNS).curves[0].returns.seeds[0].values == pytest.approx((1, 2, 3, 4, 5, 0))


def test_a_diverged_run_without_a_random_score_leaves_no_mean_and_no_rank(tmp_path: Path) -> None:
    suite = synthetic_suite((RETURNS, UNSCORED), ("strong",))
    write_constant(Store(tmp_path), suite, {(task, "strong"): TEN for task in (RETURNS, UNSCORED)})
    spec = suite.run(UNSCORED, "strong", 4).spec
    write(Store(tmp_path), made_up_record(spec, [1.0] * 6, failed_at=500))
    report = report_of(suite, tmp_path)
    found = row(report, UNSCORED, "strong")
    assert (found.final_return.n, found.final_return.mean) == (10, None)
    assert "without a score" in found.notes[0]
    assert standing(report, "strong").status == "unranked"
    assert task_of(report, UNSCORED).curves[0].returns.mean[-1] is None
    assert report.overall.final[0].iqm is not None


def test_a_diverged_run_counts_and_does_not_keep_a_variant_from_being_ranked(troubled: tuple[Path, Aggregate]) -> None:
    _, result = troubled
    strong = standing(result.suites[0], "strong")
    assert (strong.status, strong.coverage.failed) == ("ranked", 1)
    assert row(result.suites[0], RETURNS, "strong").final_return.minimum == 0


def test_episodes_are_averaged_before_runs_are(tmp_path: Path) -> None:
    """Five runs give an interval of five values, however many episodes they played."""
    suite = synthetic_suite((RETURNS,), ("strong",), range(5))
    write_constant(Store(tmp_path), suite, {(RETURNS, "strong"): [3.0, 4.0, 5.0, 6.0, 7.0]})
    found = row(report_of(suite, tmp_path), RETURNS, "strong").final_return
    assert found.mean is not None
    assert found.mean.interval is not None
    assert (found.n, found.mean.value, found.sd) == pytest.approx((5, 5, np.sqrt(2.5)))
    assert found.mean.interval.high == pytest.approx(5 + 2.776445 * np.sqrt(2.5 / 5), abs=1e-4)
    assert found.mean.runs == ()


def test_final_is_the_last_evaluation_and_absolute_the_best_policy(tmp_path: Path) -> None:
    suite = synthetic_suite((RETURNS,), ("strong",), (0,), published={"strong": 9.5})
    spec = suite.run(RETURNS, "strong", 0).spec
    write(Store(tmp_path), made_up_record(spec, [1, 2, 8, 4, 5, 3], absolute=7.5))
    found = row(report_of(suite, tmp_path), RETURNS, "strong")
    values = [summary.mean.value for summary in (found.final_return, found.absolute_return) if summary.mean]
    assert values == pytest.approx([3, 7.5])
    normalised = [
        summary.mean.value for summary in (found.normalised_final, found.normalised_absolute) if summary and summary.mean
    ]
    assert normalised == pytest.approx([0.3, 0.75])
    assert (found.published, found.published_source) == (9.5, "made up")


def test_aggregates_over_tasks_are_rliables_of_the_fixed_normalisation(tmp_path: Path) -> None:
    suite = synthetic_suite((RETURNS, SUCCESSES, UNSCORED), ("strong",), range(4))
    returns, successes = [2.0, 4.0, 6.0, 8.0], [0.25, 0.5, 0.75, 1.0]
    finals = {(RETURNS, "strong"): returns, (SUCCESSES, "strong"): successes, (UNSCORED, "strong"): [9.0] * 4}
    write_constant(Store(tmp_path), suite, finals)
    overall = report_of(suite, tmp_path).overall
    matrix = np.array([np.array(returns) / 10, (np.array(successes) - 0.1) / 0.8]).T
    found = overall.final[0]
    assert found.method == "rliable"
    values = [estimate.value for estimate in (found.iqm, found.median, found.mean, found.optimality_gap) if estimate]
    assert values == pytest.approx(
        [
            metrics.aggregate_iqm(matrix),
            metrics.aggregate_median(matrix),
            metrics.aggregate_mean(matrix),
            metrics.aggregate_optimality_gap(matrix),
        ],
        abs=1e-6,
    )
    assert (overall.tasks, overall.left_out) == ((RETURNS, SUCCESSES), (UNSCORED,))
    # A constant curve is as good at each point as at the last.
    assert overall.efficiency[0].values == pytest.approx([metrics.aggregate_iqm(matrix)] * 6, abs=1e-6)
    assert overall.profiles[0].values[50] == pytest.approx((matrix > 0.5).mean())


def test_only_beside_published_ones_are_iqms_given_before_normalisation(tmp_path: Path) -> None:
    variants = {"strong": Variant(algorithm="strong", published_iqm=9.5)}
    suite = synthetic_suite((RETURNS,), variants, range(5), published_source="a paper")
    write_constant(Store(tmp_path), suite, {(RETURNS, "strong"): [2.0, 4.0, 5.0, 6.0, 8.0]})
    found = report_of(suite, tmp_path).overall
    assert found.before_normalisation[0].estimate.value == pytest.approx(5)  # of [4, 5, 6]
    wanted, ours = found.final[0].iqm, found.before_normalisation[0].estimate.interval
    assert wanted is not None
    assert wanted.interval is not None
    assert ours is not None
    # The scores are normalised by a factor of ten; rliable's bootstrap and ours read the same resamples.
    assert (ours.low, ours.high) == pytest.approx((10 * wanted.interval.low, 10 * wanted.interval.high), abs=1e-6)
    unpublished = synthetic_suite((RETURNS,), ("strong",), range(5), published_source="a paper")
    assert not report_of(unpublished, tmp_path).overall.before_normalisation


def test_a_rival_moves_nobodys_numbers(tmp_path: Path) -> None:
    both = synthetic_suite((RETURNS,), ("strong", "weak"))
    write_constant(Store(tmp_path), both, {(RETURNS, "strong"): TEN, (RETURNS, "weak"): [x - 3 for x in TEN]})
    alone = report_of(synthetic_suite((RETURNS,), ("strong",)), tmp_path)
    together = report_of(both, tmp_path)
    assert alone.overall.final[0] == together.overall.final[0]
    assert alone.overall.profiles[0] == together.overall.profiles[0]
    assert alone.tasks[0].table[0] == together.tasks[0].table[0]
    assert alone.tasks[0].curves[0] == together.tasks[0].curves[0]


def test_unequal_seeds_are_aggregated_and_four_seeds_have_no_interval(tmp_path: Path) -> None:
    suite = synthetic_suite((RETURNS, SUCCESSES), ("strong", "weak"), range(6))
    finals = {
        (RETURNS, "strong"): [4.0, 6.0, 5.0, 4.5, 5.5, NAN],
        (SUCCESSES, "strong"): [0.5, 0.75, 1.0, 0.5, 0.75, 1.0],
        (RETURNS, "weak"): [5.0, 4.0, 3.0, 2.0, NAN, NAN],
        (SUCCESSES, "weak"): [0.5, 0.5, 0.25, 0.5, 0.5, 0.25],
    }
    write_constant(Store(tmp_path), suite, finals)
    report = report_of(suite, tmp_path)
    strong, weak = report.overall.final
    assert strong.method == weak.method == "own"
    assert strong.mean is not None
    assert weak.mean is not None
    assert strong.mean.value == pytest.approx((0.5 + (0.75 - 0.1) / 0.8) / 2)
    assert strong.mean.interval is not None
    assert (weak.mean.interval, weak.reason) == (None, "fewer than 5 runs on some task, so no interval")
    assert report.overall.profiles[1].low is None
    assert row(report, RETURNS, "weak").final_return.mean is not None
    assert task_of(report, RETURNS).curves[1].returns.mean_low == (None,) * 6
    assert [variant.status for variant in report.variants] == ["unranked", "unranked"]
    assert standing(report, "weak").reasons[0] == "2 of 12 runs missing"
    assert all(pair.probability.interval is None for pair in report.overall.improvement)


def test_a_variant_without_runs_on_a_task_has_no_aggregate_and_says_why(tmp_path: Path) -> None:
    suite = synthetic_suite((RETURNS, SUCCESSES), ("strong", "weak"), range(2))
    write_constant(Store(tmp_path), suite, {(RETURNS, "strong"): [4.0, 6.0], (RETURNS, "weak"): [1.0, 2.0]})
    report = report_of(suite, tmp_path)
    assert all(found.iqm is None for found in report.overall.final)
    assert report.overall.final[0].reason == f"no runs to score on {SUCCESSES}"
    assert row(report, SUCCESSES, "strong").final_success.mean is None
    assert report.overall.improvement[0].n_tasks == 1
    assert report.overall.ranks == ()


def test_scores_that_differ_by_rounding_alone_are_ties(tmp_path: Path) -> None:
    suite = synthetic_suite((RETURNS,), ("strong", "weak"))
    write_constant(Store(tmp_path), suite, {(RETURNS, "strong"): [1.0000001] * 10, (RETURNS, "weak"): [1.0] * 10})
    report = report_of(suite, tmp_path)
    assert report.overall.improvement[0].probability.value == 0.5
    assert [(rank.rank, rank.tied_with) for rank in report.overall.ranks] == [(1, ("weak",)), (1, ("strong",))]


def test_every_ordered_pair_is_there_and_mirrors_its_reverse(troubled: tuple[Path, Aggregate]) -> None:
    _, result = troubled
    for pairs in (result.suites[0].overall.improvement, task_of(result.suites[0], RETURNS).improvement):
        found = {(pair.better, pair.than): pair.probability for pair in pairs}
        assert len(found) == 6
        for (one, other), probability in found.items():
            reverse = found[other, one]
            assert probability.interval is not None
            assert reverse.interval is not None
            assert probability.value + reverse.value == pytest.approx(1)
            assert probability.interval.low + reverse.interval.high == pytest.approx(1)
            assert probability.interval.low <= probability.value <= probability.interval.high


# Standing


def test_ten_seeds_on_all_tasks_rank(tmp_path: Path) -> None:
    suite = synthetic_suite((RETURNS,), ("strong", "weak"))
    write_constant(Store(tmp_path), suite, {(RETURNS, "strong"): TEN, (RETURNS, "weak"): [x - 3 for x in TEN]})
    report = report_of(suite, tmp_path)
    assert [(variant.status, variant.reasons) for variant in report.variants] == [("ranked", ())] * 2
    assert [(rank.variant, rank.rank, rank.low, rank.high, rank.tied_with) for rank in report.overall.ranks] == [
        ("strong", 1, 1, 1, ()),
        ("weak", 2, 2, 2, ()),
    ]
    assert report.notes == ()


def test_fewer_seeds_are_preliminary(tmp_path: Path) -> None:
    suite = synthetic_suite((RETURNS,), ("strong",), range(9))
    write_constant(Store(tmp_path), suite, {(RETURNS, "strong"): TEN[:9]})
    report = report_of(suite, tmp_path)
    found = standing(report, "strong")
    assert (found.status, found.reasons) == ("preliminary", ("9 seeds of the 10 that a ranking needs",))
    assert report.overall.ranks[0].status == "preliminary"


@pytest.mark.parametrize(
    ("variant", "changes", "reason"),
    [
        ("strong", {"smoke": True}, "smoke, not evidence"),
        ("oracle", {}, "uses privileged data: oracle_graph"),
        ("strong", {"seeds": (*range(9), 1000)}, "seeds that do not rank (only 0-99 do): 1000"),
    ],
)
def test_what_keeps_a_variant_from_being_ranked(tmp_path: Path, variant: str, changes: dict, reason: str) -> None:
    suite = synthetic_suite((RETURNS,), (variant,), **changes)
    write_constant(Store(tmp_path), suite, {(RETURNS, variant): TEN})
    report = report_of(suite, tmp_path)
    assert (standing(report, variant).status, standing(report, variant).reasons) == ("unranked", (reason,))
    assert report.overall.ranks == ()
    assert report.overall.final[0].iqm is not None


def test_runs_that_are_not_there_are_named_and_keep_a_variant_from_being_ranked(troubled: tuple[Path, Aggregate]) -> None:
    _, result = troubled
    report = result.suites[0]
    weak = standing(report, "weak")
    assert weak.status == "unranked"
    assert weak.reasons == ("1 of 30 runs missing", "1 of 30 runs crashed", "1 of 30 runs corrupt")
    assert f"{RETURNS}, weak: 1 of 10 runs crashed: seed 8 (killed by signal 9)." in report.notes
    assert any(note.startswith(f"{SUCCESSES}, weak: 1 of 10 runs missing: seed 9") for note in report.notes)
    assert (row(report, SUCCESSES, "weak").n_planned, row(report, SUCCESSES, "weak").n_found) == (10, 8)


def test_settings_that_a_suite_overrides_stand_under_their_task(tmp_path: Path) -> None:
    overrides = (Override(settings={"rate": 0.2}), Override(task=SUCCESSES, settings={"rate": 0.3}))
    one = report_of(synthetic_suite(variants=("strong",), overrides=overrides[:1]), tmp_path).variants[0]
    assert (one.settings, one.settings_by_task) == ({"rate": 0.2}, {})
    two = report_of(synthetic_suite(variants=("strong",), overrides=overrides), tmp_path).variants[0]
    assert (two.settings, two.settings_by_task) == ({}, {RETURNS: {"rate": 0.2}, SUCCESSES: {"rate": 0.3}})


# Cost


def test_cost_counts_failed_runs_and_owns_up_to_untimed_ones(troubled: tuple[Path, Aggregate]) -> None:
    _, result = troubled
    by_name = {(cost.task, cost.algorithm): cost for cost in result.cost}
    strong, weak = by_name[RETURNS, "strong"], by_name[RETURNS, "weak"]
    assert (strong.runs, strong.failed, strong.untimed) == (10, 1, 0)
    assert (weak.runs, weak.untimed) == (9, 1)
    # 36 seconds in all (not 10 + 20 + 36), on 2 threads.
    assert strong.core_hours == pytest.approx(10 * 36 * 2 / 3600)
    assert (strong.seconds, strong.steps_per_second, strong.peak_memory_bytes) == (36, 1004.5, 10**8 + 9)
    assert result.core_hours == pytest.approx(87 * 36 * 2 / 3600)
