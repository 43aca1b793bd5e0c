"""Ablations: what differs, what it did, what reward models watched, and the finding in words."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.analysis.aggregate import aggregate
from benchmark.analysis.findings.ablations import differences
from benchmark.analysis.findings.cost import reward_model_share
from benchmark.analysis.schema import AblationTask, SuiteReport
from benchmark.experiments.statements import Ablation
from benchmark.experiments.store import Store
from benchmark.experiments.suite import Override, Suite, Variant
from tests.fixtures.synthetic_records import (
    FEW_RESAMPLES,
    RETURNS,
    SUCCESSES,
    UNSCORED,
    made_up_record,
    synthetic_registry,
    synthetic_suite,
    write,
    write_constant,
)

NAN = float("nan")
FIVE = [5.0, 6.0, 4.0, 5.5, 4.5]


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    with synthetic_registry(), FEW_RESAMPLES:
        yield


def ablation(*variants: str, base: str = "base", task: str | None = RETURNS, measure: str = "final") -> Ablation:
    fields = {"title": "Parts", "question": "?", "expected": "All help.", "source": "made up", "measure": measure}
    return Ablation(id="parts", base=base, variants=variants, task=task, **fields)


def suite_of(settings: Mapping[str, dict[str, Any]], seeds: int = 5, **changes: Any) -> Suite:
    """Variants of `strong` with these settings; the first is the base of an ablation with all the others."""
    base, *others = settings
    variants = {name: Variant(algorithm="strong", settings=values) for name, values in settings.items()}
    changes = {"tasks": (RETURNS,), "ablations": (ablation(*others, base=base),)} | changes
    return synthetic_suite(variants=variants, seeds=range(seeds), **changes)


def report_of(suite: Suite, root: Path) -> SuiteReport:
    return aggregate([suite], Store(root), root / "out").suites[0]


def found_of(root: Path, finals: Mapping[str, Sequence[float]], **changes: Any) -> AblationTask:
    """Of variants with these final scores; the first is the base."""
    widths = {name: {"model": {"width": 10 + place}} if place else {} for place, name in enumerate(finals)}
    suite = suite_of(widths, len(next(iter(finals.values()))), **changes)
    write_constant(Store(root), suite, {(RETURNS, name): values for name, values in finals.items()})
    return report_of(suite, root).ablations[0].tasks[0]


# What differs


def differing(
    base: dict[str, Any],
    other: dict[str, Any],
    algorithm: str = "strong",
    regime: str = "team",
    base_algorithm: str = "strong",
    **changes: Any,
) -> list[str]:
    variants = {
        "base": Variant(algorithm=base_algorithm, settings=base),
        "other": Variant(algorithm=algorithm, settings=other, regime=regime),
    }
    suite = synthetic_suite(variants=variants, **changes)
    return list(differences(suite.run(RETURNS, "other", 0).spec, suite.run(RETURNS, "base", 0).spec, other))


def test_settings_that_differ_are_named_with_the_value_of_the_variant() -> None:
    assert differing({}, {"model": {"coalitions": "exact", "width": 32}}) == ["width = 32", "coalitions = exact"]
    assert differing({"model": {"coalitions": "exact"}}, {}) == ["coalitions = random"]
    assert differing({"model": {"width": 32}}, {"model": {"width": 32}}) == []


def test_a_name_that_stands_at_two_places_is_told_with_its_place() -> None:
    assert differing({}, {"rate": 0.5, "model": {"rate": 0.7}}) == ["rate = 0.5", "model.rate = 0.7"]


def test_another_algorithm_and_regime_are_differences() -> None:
    found = differing({"rate": 0.5}, {"model": {"width": 32}}, "weak", "episodic")
    assert found == ["algorithm = weak", "regime = episodic", "rate = 0.1", "width = 32"]


def test_of_settings_that_the_base_does_not_have_those_of_the_variant_itself_are_told() -> None:
    """`plain` has no reward model; the preset's settings of the other's come with the algorithm."""
    found = differing({}, {"model": {"coalitions": "exact"}}, base_algorithm="plain", preset="small")
    assert found == ["algorithm = strong", "rate = 0.01", "coalitions = exact"]


def test_what_preset_and_overrides_change_for_both_is_no_difference() -> None:
    overrides = (Override(settings={"rate": 0.9}),)
    assert differing({}, {"model": {"rate": 0.7}}, preset="small", overrides=overrides) == ["model.rate = 0.7"]


def test_settings_of_one_task_alone_are_shown_by_their_dotted_names(tmp_path: Path) -> None:
    suite = suite_of(
        {"base": {"model": {"width": 32}}, "other": {}},
        tasks=(RETURNS, SUCCESSES),
        overrides=(Override(task=SUCCESSES, settings={"model": {"rate": 0.7}}),),
    )
    base = report_of(suite, tmp_path).variants[0]
    assert (base.settings, base.settings_by_task) == ({"model.width": 32}, {SUCCESSES: {"model.rate": 0.7}})


# What it did


def test_each_variant_is_compared_with_the_base(tmp_path: Path) -> None:
    finals = {"base": FIVE, "more": [x + 4 for x in FIVE], "less": [x - 3 for x in FIVE], "same": [x + 0.1 for x in FIVE]}
    found = found_of(tmp_path, finals)
    rows = {row.variant: row for row in found.rows}
    assert list(rows) == ["base", "more", "less", "same"]
    assert [row.comparison for row in found.rows] == ["base", "better", "worse", "undecided"]
    more = rows["more"]
    assert more.differs == ("width = 11",)
    assert more.final.mean is not None
    assert (more.final.mean.value, more.final.n) == pytest.approx((9.0, 5))
    assert more.difference is not None
    assert more.difference.value == pytest.approx(4.0)
    assert more.difference.interval is not None
    assert 2.5 < more.difference.interval.low < 4 < more.difference.interval.high < 5.5
    assert more.improvement is not None
    assert more.improvement.value == 1.0
    assert (rows["base"].difference, rows["base"].improvement, rows["base"].differs) == (None, None, ())
    assert "holds 0.5" in rows["same"].reason
    assert found.found == "best mean: more (9); better than the base: more; worse: less; undecided: same."


def test_the_area_is_the_mean_over_the_evaluation_points(tmp_path: Path) -> None:
    suite = suite_of({"base": {}, "other": {"rate": 0.2}}, seeds=2)
    curves = {"base": ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0.0] * 6), "other": ([5.0] * 6, [0.0, 0.0, 0.0, 0.0, 0.0, 6.0])}
    for name, found in curves.items():
        for seed, returns in enumerate(found):
            write(Store(tmp_path), made_up_record(suite.run(RETURNS, name, seed).spec, returns))
    report = report_of(suite, tmp_path)
    rows = report.ablations[0].tasks[0].rows
    assert [row.area.mean.value for row in rows if row.area.mean] == pytest.approx([1.25, 3.0])
    assert [row.area for row in rows] == [row.area for row in report.tasks[0].table]


def test_an_ablation_by_area_tells_apart_what_ends_alike(tmp_path: Path) -> None:
    parts = ablation("other", measure="area")
    suite = suite_of({"base": {}, "other": {"rate": 0.2}}, seeds=10, ablations=(parts,))
    for name, returns in (("base", [0.0] * 5 + [6.0]), ("other", [0.0] + [6.0] * 5)):
        for seed in range(10):
            write(Store(tmp_path), made_up_record(suite.run(RETURNS, name, seed).spec, returns))
    (found,) = report_of(suite, tmp_path).ablations
    row = found.tasks[0].rows[1]
    assert (found.measure, row.comparison) == ("area", "better")
    assert row.difference is not None
    assert row.difference.value == pytest.approx(4.0)
    assert found.tasks[0].found == "best mean area: other (5); better than the base: other; worse: none; undecided: none."
    by_final = suite.model_copy(update={"ablations": (ablation("other"),)})
    assert report_of(by_final, tmp_path).ablations[0].tasks[0].rows[1].comparison == "undecided"


def test_comparisons_with_one_base_are_corrected_for_their_number(tmp_path: Path) -> None:
    """A difference that one test sees, p = 0.03, is not seen among five: 0.03 * 5 = 0.15."""
    base = [5.0, 5.1, 5.2, 5.3, 5.4]
    alone = found_of(tmp_path / "one", {"base": base, "more": [x + 0.35 for x in base]})
    assert alone.rows[1].comparison == "better"
    others = {f"same-{k}": [x + 0.01 * k for x in base] for k in range(4)}
    among = found_of(tmp_path / "five", {"base": base, "more": [x + 0.35 for x in base], **others})
    row = next(row for row in among.rows if row.variant == "more")
    assert (row.comparison, row.improvement) == ("undecided", alone.rows[1].improvement)
    assert row.reason.startswith("the interval [")
    assert row.reason.endswith("after Holm's correction for 5 comparisons")


@pytest.mark.parametrize(
    ("finals", "changes", "reason"),
    [
        ({"base": FIVE, "other": [9.0, 9.0, 9.0, 9.0, NAN]}, {}, "1 of 10 runs are not there"),
        ({"base": [NAN, *FIVE[1:]], "other": [9.0] * 5}, {}, "1 of 10 runs are not there"),
        ({"base": [1.0, 2.0, 3.0, 4.0], "other": [9.0] * 4}, {}, "4 seeds a side cannot decide it; 5 can"),
        ({"base": FIVE, "other": [9.0] * 5}, {"smoke": True}, "smoke suite, not evidence"),
    ],
)
def test_what_keeps_a_comparison_undecided(
    tmp_path: Path, finals: dict[str, list[float]], changes: dict[str, Any], reason: str
) -> None:
    row = found_of(tmp_path, finals, **changes).rows[1]
    assert (row.comparison, row.reason) == ("undecided", reason)
    assert row.difference is not None
    assert row.difference.value > 0


def test_missing_and_diverged_runs_stand_beside_the_numbers(tmp_path: Path) -> None:
    suite = suite_of({"base": {}, "other": {"rate": 0.2}}, seeds=4)
    write_constant(Store(tmp_path), suite, {(RETURNS, "base"): [5.0] * 4, (RETURNS, "other"): [9.0, 9.0, NAN, NAN]})
    spec = suite.run(RETURNS, "other", 2).spec
    write(Store(tmp_path), made_up_record(spec, [9.0] * 6, failed_at=500))
    row = report_of(suite, tmp_path).ablations[0].tasks[0].rows[1]
    assert (row.n_planned, row.n_found, row.n_failed) == (4, 3, 1)
    assert row.final.minimum == 0
    assert any("1 of 4 runs missing: seed 3" in note for note in row.notes)
    assert any("scored as the random policy" in note for note in row.notes)


def test_without_any_run_there_is_nothing_found(tmp_path: Path) -> None:
    found = found_of(tmp_path, {"base": [NAN, NAN], "other": [NAN, NAN]})
    assert found.found == "no scores yet."
    assert [row.final.mean for row in found.rows] == [None, None]
    assert (found.rows[1].difference, found.rows[1].improvement) == (None, None)


def test_a_diverged_run_without_a_score_leaves_no_difference(tmp_path: Path) -> None:
    suite = suite_of({"base": {}, "other": {"rate": 0.2}}, tasks=(UNSCORED,), ablations=(ablation("other", task=None),))
    write_constant(Store(tmp_path), suite, {(UNSCORED, "base"): FIVE, (UNSCORED, "other"): FIVE})
    write(Store(tmp_path), made_up_record(suite.run(UNSCORED, "other", 0).spec, [1.0] * 6, failed_at=500))
    row = report_of(suite, tmp_path).ablations[0].tasks[0].rows[1]
    assert (row.difference, row.improvement, row.comparison) == (None, None, "undecided")


def test_without_a_task_the_ablation_is_on_every_task(tmp_path: Path) -> None:
    both = (RETURNS, SUCCESSES)
    suite = suite_of({"base": {}, "other": {"rate": 0.2}}, tasks=both, ablations=(ablation("other", task=None),))
    assert [task.task for task in report_of(suite, tmp_path).ablations[0].tasks] == [RETURNS, SUCCESSES]
    one = suite.model_copy(update={"ablations": (ablation("other", task=SUCCESSES),)})
    assert [task.task for task in report_of(one, tmp_path).ablations[0].tasks] == [SUCCESSES]


# What reward models watched


def watched(
    root: Path, runs: Sequence[Mapping[str, Sequence[float | None]]], reward_model_seconds: float | None = None
) -> SuiteReport:
    """One seed of `other` for each of the runs' monitors; the base has none."""
    suite = suite_of({"base": {}, "other": {"rate": 0.2}}, seeds=len(runs))
    for seed, monitors in enumerate(runs):
        write(Store(root), made_up_record(suite.run(RETURNS, "base", seed).spec, [5.0] * 6))
        spec = suite.run(RETURNS, "other", seed).spec
        write(
            Store(root),
            made_up_record(spec, [5.0] * 6, monitors=monitors, reward_model_seconds=reward_model_seconds),
        )
    return report_of(suite, root)


def test_monitors_are_the_mean_over_runs_of_the_last_value_of_each(tmp_path: Path) -> None:
    runs = [
        {"return_r2": [None, 0.1, 0.5, 0.8, None], "sum_error_mean": [0.5] * 5, "loss": [1.0] * 5},
        {"return_r2": [None, None, 0.3, 0.4, 0.6]},
        {"return_r2": [None] * 5},
    ]
    base, other = watched(tmp_path, runs).ablations[0].tasks[0].rows
    assert base.monitors == {}
    assert set(other.monitors) == {"return_r2", "sum_error_mean"}
    r2 = other.monitors["return_r2"]
    assert r2.value == pytest.approx(0.7)
    assert (r2.interval, r2.runs) == (None, pytest.approx((0.8, 0.6)))
    assert other.monitors["sum_error_mean"].interval is None


def test_the_last_values_of_five_runs_have_an_interval(tmp_path: Path) -> None:
    runs = [{"return_r2": [0.1] * 4 + [last]} for last in (0.5, 0.6, 0.7, 0.8, 0.9)]
    r2 = watched(tmp_path, runs).ablations[0].tasks[0].rows[1].monitors["return_r2"]
    assert r2.interval is not None
    assert r2.interval.high == pytest.approx(0.7 + 2.776445 * np.sqrt(0.025 / 5), abs=1e-5)


def test_the_curve_of_a_monitor_is_the_median_of_the_runs_that_have_a_value(tmp_path: Path) -> None:
    runs = [
        {"return_r2": [None, 0.2, 0.4, 0.6, 0.8]},
        {"return_r2": [None, None, 0.6, 0.8, None]},
        {"return_r2": [*[-9.0] * 4, None]},
    ]
    (curve,) = watched(tmp_path, runs).monitor_curves
    assert (curve.task, curve.variant, curve.monitor) == (RETURNS, "other", "return_r2")
    assert curve.n == (1, 2, 3, 3, 1)
    assert curve.median == pytest.approx((-9, -4.4, 0.4, 0.6, 0.8))
    assert curve.lowest == (-9, -9, -9, -9, 0.8)
    assert curve.highest == (-9, 0.2, 0.6, 0.8, 0.8)
    with (tmp_path / "out" / "csv" / "synthetic" / "monitor_curves.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["step"] for line in lines] == ["200", "400", "600", "800", "1000"]
    assert (lines[1]["median"], lines[1]["lowest"], lines[1]["n"]) == ("-4.4", "-9.0", "2")


def test_where_no_run_has_a_value_the_curve_has_a_gap(tmp_path: Path) -> None:
    (curve,) = watched(tmp_path, [{"return_r2": [None, 0.5, None, 0.6, 0.7]}]).monitor_curves
    assert curve.n == (0, 1, 0, 1, 1)
    assert curve.median == curve.lowest == curve.highest == (None, 0.5, None, 0.6, 0.7)


def test_monitors_too_large_to_be_a_number_are_left_out(tmp_path: Path) -> None:
    runs = [{"return_r2": [0.5, -1e300, 0.25, 1e308, -1e308]}, {"return_r2": [0.5] * 5}]
    report = watched(tmp_path, runs)
    assert report.ablations[0].tasks[0].rows[1].monitors["return_r2"].value == pytest.approx(0.375)
    assert report.monitor_curves[0].n == (2, 1, 2, 1, 1)


def test_the_share_of_the_reward_model_is_of_all_seconds(tmp_path: Path) -> None:
    report = watched(tmp_path, [{}] * 3, reward_model_seconds=9.0)
    base, other = report.ablations[0].tasks[0].rows
    assert (base.reward_model_share, other.reward_model_share) == (None, pytest.approx(9 / 36))


def test_runs_without_a_reward_model_do_not_thin_its_share() -> None:
    runs = [({"reward model": 5.0}, 20.0), ({"update": 3.0}, 100.0), ({"reward model": 10.0}, 30.0)]
    assert reward_model_share(runs) == pytest.approx(15 / 50)
    assert reward_model_share(runs[1:2]) is None
    assert reward_model_share([({"reward model": 0.0}, 0.0)]) is None


def test_the_table_of_costs_has_the_share_of_the_reward_model(tmp_path: Path) -> None:
    suite = synthetic_suite((RETURNS,), ("strong", "weak"), range(2))
    for seed in range(2):
        spec = suite.run(RETURNS, "strong", seed).spec
        write(Store(tmp_path), made_up_record(spec, [5.0] * 6, reward_model_seconds=6.0 + 6 * seed))
    write_constant(Store(tmp_path), suite, {(RETURNS, "weak"): [1.0, 1.0]})
    result = aggregate([suite], Store(tmp_path), tmp_path / "out")
    assert [cost.reward_model_share for cost in result.cost] == [pytest.approx(18 / 72), None]
    assert result.suites[0].core_hours == pytest.approx(result.core_hours) == pytest.approx(4 * 36 * 2 / 3600)


def test_the_table_of_ablations_holds_the_numbers_of_the_model(tmp_path: Path) -> None:
    found = found_of(tmp_path, {"base": FIVE, "other": [x + 4 for x in FIVE]})
    with (tmp_path / "out" / "csv" / "synthetic" / "ablations.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(line["ablation"], line["variant"], line["comparison"]) for line in lines] == [
        ("parts", "base", "base"),
        ("parts", "other", "better"),
    ]
    difference = found.rows[1].difference
    assert difference is not None
    assert difference.interval is not None
    numbers = [float(lines[1][name]) for name in ("difference", "difference_low", "difference_high")]
    np.testing.assert_allclose(numbers, [difference.value, difference.interval.low, difference.interval.high])
    assert (lines[1]["differs"], lines[1]["return_r2"]) == ("width = 11", "")
