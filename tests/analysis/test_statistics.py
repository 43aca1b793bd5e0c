"""Aggregates and intervals: hand-computed cases, rliable's own values, brute force, and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rliable import library, metrics
from scipy import stats

from benchmark.analysis import statistics
from benchmark.analysis.statistics import (
    PROFILE_THRESHOLDS,
    RESAMPLES,
    VariantScores,
    improvement,
    interquartile_mean,
    over_tasks,
    resample_counts,
    scalars,
)

unit = st.floats(-0.5, 1.5, allow_nan=False, width=32)
many = hypothesis_settings(max_examples=50, deadline=None)
few = hypothesis_settings(max_examples=8, deadline=None)
"""For what takes a whole bootstrap."""


def variant(*final: list[float] | np.ndarray, name: str = "v", points: int = 3, seed: int = 0) -> VariantScores:
    """Scores of a variant from its final ones per task; the other numbers are drawn."""
    random = np.random.default_rng(seed)
    tasks = [np.asarray(task, np.float64) for task in final]
    return VariantScores(
        final=tuple(tasks),
        absolute=tuple(random.random(len(task)) for task in tasks),
        curves=tuple(random.random((len(task), points)) for task in tasks),
        counts=tuple(resample_counts(len(task), name, str(k)) for k, task in enumerate(tasks)),
    )


def points(scores: VariantScores) -> np.ndarray:
    """The point values of our own estimators, in one row: 4 final, 4 absolute, profile, efficiency."""
    sizes = [len(task) for task in scores.final]
    share = np.concatenate([np.full(n, 1 / (n * len(sizes))) for n in sizes])
    return statistics._weighted(scores, share[None], sizes)[0]


def test_the_t_interval_of_a_mean_is_the_textbook_one() -> None:
    band = statistics.mean_over_runs(np.array([1.0, 2.0, 3.0]))
    assert band.value == 2.0
    assert band.low == pytest.approx(2 - 4.302653 / np.sqrt(3), abs=1e-5)
    assert band.high == pytest.approx(2 + 4.302653 / np.sqrt(3), abs=1e-5)


def test_the_prediction_interval_of_one_more_run_is_the_textbook_one() -> None:
    interval = statistics.prediction_interval(np.array([1.0, 2.0, 3.0]), 1)
    assert interval == pytest.approx((2 - 4.302653 * np.sqrt(4 / 3), 2 + 4.302653 * np.sqrt(4 / 3)), abs=1e-5)


def test_one_run_has_no_interval_of_any_kind() -> None:
    one = np.array([[0.4, 0.6]])
    for band in (statistics.mean_over_runs(one), statistics.iqm_over_runs(one, resample_counts(1, "v", "t"))):
        assert (band.low, band.high) == (None, None)
        np.testing.assert_array_equal(band.value, one[0])
    assert statistics.prediction_interval(one[:, 0], 3) is None
    for scores in (variant([0.4], [0.7]), variant([0.4], [0.7, 0.8])):
        found = over_tasks(scores)
        assert all(band.low is None and band.high is None for band in (found.final, found.profile, found.efficiency))
    both = variant([0.1, 0.2])
    assert improvement(variant([0.4]).final, both.final, variant([0.4]).counts, both.counts) == (1.0, None)


def test_the_resamples_draw_as_many_runs_as_there_are_each_as_often() -> None:
    counts = resample_counts(7, "variant", "task")
    assert counts.shape == (RESAMPLES, 7)
    assert (counts.sum(axis=1) == 7).all()
    # The standard error of a mean count is sqrt(6 / 7 / 2000) = 0.02.
    assert np.abs(counts.mean(axis=0) - 1).max() < 0.1


def test_two_runs_are_resampled_as_a_fair_coin_would() -> None:
    means = resample_counts(2, "variant", "task") @ np.array([0.0, 1.0]) / 2
    shares = [(means == value).mean() for value in (0.0, 0.5, 1.0)]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.05)


def test_variants_and_tasks_are_resampled_independently() -> None:
    one, *others = (resample_counts(5, *names) for names in (("a", "t"), ("b", "t"), ("a", "u")))
    for other in others:
        correlation = np.corrcoef(one[:, 0], other[:, 0])[0, 1]
        assert abs(correlation) < 0.1


@many
@given(arrays(np.float64, st.tuples(st.integers(1, 13), st.just(3)), elements=unit))
def test_the_iqm_under_equal_weights_is_the_trimmed_mean(values: np.ndarray) -> None:
    n = len(values)
    found = statistics.weighted_iqm(values, np.full((1, n), 1 / n))[0]
    np.testing.assert_allclose(found, stats.trim_mean(values, 0.25, axis=0), atol=1e-12)


@many
@given(arrays(np.float64, 9, elements=unit), st.lists(st.integers(0, 8), min_size=9, max_size=9))
def test_the_iqm_under_counts_is_the_trimmed_mean_of_the_resample(values: np.ndarray, drawn: list[int]) -> None:
    counts = np.bincount(drawn, minlength=9)
    found = statistics.weighted_iqm(values[:, None], counts[None] / 9)[0, 0]
    assert found == pytest.approx(stats.trim_mean(values[drawn], 0.25), abs=1e-12)


def test_a_value_that_a_run_does_not_have_makes_the_iqm_unknown() -> None:
    values = np.array([[0.1, 0.1], [0.2, np.nan], [0.3, 0.3], [0.4, 0.4], [0.5, 0.5]])
    found = statistics.iqm_over_runs(values, resample_counts(5, "v", "t"))
    assert np.isnan(found.value).tolist() == np.isnan(found.low).tolist() == [False, True]


@many
@given(arrays(np.float64, st.tuples(st.integers(2, 6), st.integers(1, 4)), elements=unit))
def test_point_values_are_those_of_rliable(matrix: np.ndarray) -> None:
    scores = variant(*matrix.T)
    expected = [
        metrics.aggregate_iqm(matrix),
        metrics.aggregate_median(matrix),
        metrics.aggregate_mean(matrix),
        metrics.aggregate_optimality_gap(matrix),
    ]
    profile = library.score_distributions(matrix, np.array(PROFILE_THRESHOLDS))
    curves = np.stack(scores.curves, axis=1)
    efficiency = [metrics.aggregate_iqm(curves[:, :, k]) for k in range(curves.shape[2])]
    point = points(scores)
    np.testing.assert_allclose(point[:4], expected, atol=1e-12)
    np.testing.assert_allclose(point[8 : 8 + len(profile)], profile, atol=1e-12)
    np.testing.assert_allclose(point[8 + len(profile) :], efficiency, atol=1e-12)


def test_where_the_matrix_is_full_the_numbers_are_rliables_to_the_last_bit() -> None:
    matrix = np.random.default_rng(1).random((5, 3))
    found = over_tasks(variant(*matrix.T))
    assert found.method == "rliable"
    assert found.final.value.tolist() == [
        metrics.aggregate_iqm(matrix),
        metrics.aggregate_median(matrix),
        metrics.aggregate_mean(matrix),
        metrics.aggregate_optimality_gap(matrix),
    ]


def test_our_own_intervals_are_rliables_but_for_the_draw() -> None:
    scores = variant(*np.random.default_rng(2).random((3, 6)), points=5)
    _, low, high = statistics._by_rliable(scores)
    _, own_low, own_high = statistics._by_weights(scores)
    # Standard error of a 2.5 % quantile of 2000 draws: sqrt(0.025 * 0.975 / 2000) / density, 3 % of the width for a bell.
    width = np.maximum(high - low, 0.02)
    assert (np.abs(own_low - low) / width).max() < 0.15
    assert (np.abs(own_high - high) / width).max() < 0.15


def test_with_unequal_seeds_each_task_weighs_the_same() -> None:
    found = over_tasks(variant([0.0, 0.2], [0.6] * 8))
    assert found.method == "own"
    iqm, median, mean, gap = found.final.value
    assert mean == pytest.approx((0.1 + 0.6) / 2)
    assert median == pytest.approx((0.1 + 0.6) / 2)
    assert gap == pytest.approx(1 - (0.1 + 0.6) / 2)
    # Ten runs: 2 / 10 of the weight is cut at either end; 0.05 of 0.2's quarter is left, and 0.3 of 0.6's half.
    assert iqm == pytest.approx((0.05 * 0.0 + 0.25 * 0.2 + 0.3 * 0.6) / 0.6)
    assert found.profile.value[PROFILE_THRESHOLDS.index(0.5)] == pytest.approx(0.5)


def test_unequal_seeds_that_happen_to_be_equal_are_the_full_matrix() -> None:
    scores = variant(*np.random.default_rng(3).random((2, 5)))
    point, *_ = statistics._by_weights(scores)
    expected, *_ = statistics._by_rliable(scores)
    np.testing.assert_allclose(point, expected, atol=1e-12)


ragged = st.lists(st.lists(unit, min_size=2, max_size=6), min_size=1, max_size=3)


@few
@given(ragged)
def test_aggregates_lie_within_the_scores_and_intervals_are_in_order(final: list[list[float]]) -> None:
    found = over_tasks(variant(*final))
    every = np.concatenate(final)
    for band in (found.final, found.absolute, found.profile, found.efficiency):
        assert (band.low <= band.high).all()
    for band in (found.final.value, found.final.low, found.final.high):
        assert every.min() - 1e-9 <= band[:3].min()
        assert band[:3].max() <= every.max() + 1e-9
        assert 1 - min(every.max(), 1) - 1e-9 <= band[3] <= 1 - min(every.min(), 1) + 1e-9
    assert found.profile.low.min() >= 0
    assert found.profile.high.max() <= 1


@few
@given(ragged)
def test_a_profile_never_rises(final: list[list[float]]) -> None:
    found = over_tasks(variant(*final)).profile
    for edge in (found.value, found.low, found.high):
        assert (np.diff(edge) <= 1e-12).all()


@many
@given(ragged, st.randoms(use_true_random=False))
def test_the_order_of_runs_and_tasks_changes_no_point_value(final: list[list[float]], random) -> None:
    shuffled = [random.sample(task, len(task)) for task in random.sample(final, len(final))]
    one, other = points(variant(*final)), points(variant(*shuffled))
    end = 8 + len(PROFILE_THRESHOLDS)
    np.testing.assert_allclose(one[:4], other[:4], atol=1e-9)
    np.testing.assert_allclose(one[8:end], other[8:end], atol=1e-9)


def test_the_same_scores_give_the_same_bits_and_leave_numpys_generator_alone() -> None:
    scores = variant(*np.random.default_rng(4).random((2, 4)))
    np.random.seed(11)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    one = over_tasks(scores)
    np.random.random(3)  # noqa: NPY002
    other = over_tasks(scores)
    np.random.seed(11)  # noqa: NPY002
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    over_tasks(scores)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    for name in ("final", "absolute", "profile", "efficiency"):
        np.testing.assert_array_equal(getattr(one, name).low, getattr(other, name).low)
        np.testing.assert_array_equal(getattr(one, name).high, getattr(other, name).high)


def test_a_runs_final_score_and_curve_are_resampled_together() -> None:
    """Curves that equal the final score at every point have its interval at every point."""
    final = np.random.default_rng(5).random((2, 6))
    for tasks in ([final[0], final[1]], [final[0], final[1][:4]]):
        scores = variant(*tasks)
        scores = VariantScores(scores.final, scores.final, tuple(np.repeat(t[:, None], 2, 1) for t in tasks), scores.counts)
        found = over_tasks(scores)
        np.testing.assert_allclose(found.efficiency.low, found.final.low[0], atol=1e-12)
        np.testing.assert_allclose(found.efficiency.high, found.final.high[0], atol=1e-12)


# Pairs and ranks


def pair(xs: list[list[float]], ys: list[list[float]]) -> tuple[float, tuple[float, float] | None]:
    x, y = variant(*xs, name="x"), variant(*ys, name="y")
    return improvement(x.final, y.final, x.counts, y.counts)


def test_the_probability_of_improvement_of_a_hand_counted_case() -> None:
    # Task 1: of 2 x 3 pairs 3 > 1, 3 > 2, 2 > 1 are won, 3 = 3 and 2 = 2 tied, 2 < 3 lost: (3 + 1) / 6. Task 2: all lost.
    probability, _ = pair([[3.0, 2.0], [0.0, 0.0]], [[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]])
    assert probability == pytest.approx((4 / 6 + 0) / 2)


grid = st.sampled_from([0.0, 0.25, 0.5, 1.0])


@many
@given(arrays(np.float64, (4, 2), elements=grid), arrays(np.float64, (3, 2), elements=grid))
def test_the_probability_of_improvement_is_rliables(x: np.ndarray, y: np.ndarray) -> None:
    probability, _ = pair(list(x.T), list(y.T))
    assert probability == pytest.approx(metrics.probability_of_improvement(x, y), abs=1e-12)


def test_its_interval_is_rliables_but_for_the_draw() -> None:
    random = np.random.default_rng(6)
    x, y = random.random((6, 2)) + 0.2, random.random((5, 2))
    np.random.seed(0)  # noqa: NPY002
    _, intervals = library.get_interval_estimates({"": [x, y]}, metrics.probability_of_improvement, reps=500)
    _, interval = pair(list(x.T), list(y.T))
    assert interval is not None
    assert interval == pytest.approx(intervals[""].ravel().tolist(), abs=0.06)


@few
@given(
    st.lists(st.tuples(st.lists(grid, min_size=2, max_size=5), st.lists(grid, min_size=2, max_size=5)), min_size=1, max_size=3)
)
def test_the_two_probabilities_of_a_pair_sum_to_one(tasks: list[tuple[list[float], list[float]]]) -> None:
    x, y = variant(*(t[0] for t in tasks), name="x"), variant(*(t[1] for t in tasks), name="y")
    probability, interval = improvement(x.final, y.final, x.counts, y.counts)
    reverse, mirrored = improvement(y.final, x.final, y.counts, x.counts)
    assert probability + reverse == pytest.approx(1)
    assert 0 <= probability <= 1
    assert 0 <= interval[0] <= interval[1] <= 1 + 1e-12
    assert interval[0] + mirrored[1] == pytest.approx(1)


def samples(*variants: VariantScores) -> np.ndarray:
    return np.stack([statistics.iqm_samples(scores.final, scores.counts) for scores in variants])


def test_the_resampled_iqms_have_the_interval_of_the_iqm() -> None:
    scores = variant(*np.random.default_rng(7).random((3, 6)))
    _, low, high = statistics._by_weights(scores)
    np.testing.assert_allclose(np.quantile(samples(scores)[0], [0.025, 0.975]), [low[0], high[0]], atol=1e-12)


def test_the_iqm_over_tasks_gives_each_task_the_same_weight_and_one_run_no_interval() -> None:
    scores = variant([0.0, 0.0], [1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    value, interval = statistics.iqm_over_tasks(scores.final, scores.counts)
    assert value == pytest.approx(0.5)  # by runs it would be 1
    assert interval == pytest.approx((0.5, 0.5))
    single = variant([0.25])
    assert statistics.iqm_over_tasks(single.final, single.counts) == (0.25, None)


def test_variants_that_never_overlap_have_certain_ranks() -> None:
    low, high = variant([0.1, 0.2, 0.15], name="low"), variant([0.8, 0.9, 0.85], name="high")
    found = statistics.ranks(np.array([0.15, 0.85]), samples(low, high))
    assert found.rank.tolist() == found.low.tolist() == found.high.tolist() == [2, 1]
    np.testing.assert_array_equal(found.distribution, [[0, 1], [1, 0]])
    assert not found.tied[0, 1]


def test_variants_alike_share_their_ranks() -> None:
    values = [0.1, 0.5, 0.9, 0.3]
    found = statistics.ranks(np.array([0.4, 0.4]), samples(variant(values, name="a"), variant(values, name="b")))
    assert found.rank.tolist() == [1, 1]
    assert found.low.tolist() == [1, 1]
    assert found.high.tolist() == [2, 2]
    assert found.tied.all()


def test_equal_scores_share_a_place_whatever_their_last_digits() -> None:
    drawn = np.array([[1.0, 1.0], [1.0 - 1e-15, 1.0 + 1e-15], [0.5, 0.5]])
    found = statistics.ranks(drawn[:, 0], drawn)
    assert found.rank.tolist() == [1, 1, 3]
    np.testing.assert_array_equal(found.distribution, [[1, 0, 0], [1, 0, 0], [0, 0, 1]])


@many
@given(arrays(np.float64, (4, 50), elements=unit))
def test_a_rank_distribution_sums_to_one_and_somebody_is_first(drawn: np.ndarray) -> None:
    found = statistics.ranks(drawn.mean(axis=1), drawn)
    np.testing.assert_allclose(found.distribution.sum(axis=1), 1)
    assert found.distribution[:, 0].sum() >= 1 - 1e-9
    assert ((found.low >= 1) & (found.low <= found.high) & (found.high <= 4)).all()
    assert (found.tied == found.tied.T).all()


# Differences and ratios of means


def resampled(values: np.ndarray, counts: np.ndarray) -> list[float]:
    """The mean of each resample, run by run."""
    return [float(np.mean(np.repeat(values, drawn))) for drawn in counts]


def test_differences_and_ratios_of_means_are_those_of_each_resample() -> None:
    x, y = np.array([1.0, 2.0, 4.0]), np.array([3.0, 5.0])
    own, theirs = resample_counts(3, "x", "t"), resample_counts(2, "y", "t")
    pairs = list(zip(resampled(x, own), resampled(y, theirs), strict=True))
    difference = statistics.difference_of_means(x, y, own, theirs)
    ratio = statistics.ratio_of_means(x, y, own, theirs)
    assert ratio is not None
    assert (difference[0], ratio[0]) == pytest.approx((7 / 3 - 4, 7 / 12))
    assert difference[1] == pytest.approx(tuple(np.quantile([a - b for a, b in pairs], [0.025, 0.975])))
    assert ratio[1] == pytest.approx(tuple(np.quantile([a / b for a, b in pairs], [0.025, 0.975])))


def test_a_single_run_has_a_difference_and_a_ratio_without_interval() -> None:
    one, two = np.array([3.0]), np.array([1.0, 2.0])
    counts = resample_counts(1, "x", "t"), resample_counts(2, "y", "t")
    assert statistics.difference_of_means(one, two, *counts) == (1.5, None)
    assert statistics.ratio_of_means(one, two, *counts) == (2.0, None)


@pytest.mark.parametrize("below", [[0.0, 0.0, 0.0], [-1.0, -2.0, -3.0], [1.0, 1.0, -0.5]])
def test_there_is_no_ratio_to_what_may_not_be_above_zero(below: list[float]) -> None:
    counts = resample_counts(3, "x", "t"), resample_counts(3, "y", "t")
    assert statistics.ratio_of_means(np.ones(3), np.array(below), *counts) is None


@pytest.mark.parametrize(("seeds", "missed"), [(3, 1 / 5), (10, 1 / 13)])
def test_the_interval_of_a_ratio_misses_as_often_as_is_said(seeds: int, missed: float) -> None:
    """Normal scores of means 0.5 and 1, each with a deviation of a fifth of its mean."""
    random, misses = np.random.default_rng(0), []
    counts = resample_counts(seeds, "x", "t"), resample_counts(seeds, "y", "t")
    for _ in range(1000):
        found = statistics.ratio_of_means(random.normal(0.5, 0.1, seeds), random.normal(1, 0.2, seeds), *counts)
        assert found is not None
        assert found[1] is not None
        misses.append(not found[1][0] <= 0.5 <= found[1][1])
    assert np.mean(misses) == pytest.approx(missed, abs=0.03)


@given(arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 6)), elements=st.floats(-2, 3)))
@hypothesis_settings(max_examples=200, deadline=None)
def test_the_aggregates_of_a_resample_are_those_of_rliable_bit_for_bit(matrix) -> None:
    expected = (
        metrics.aggregate_iqm(matrix),
        metrics.aggregate_median(matrix),
        metrics.aggregate_mean(matrix),
        metrics.aggregate_optimality_gap(matrix),
    )
    assert tuple(scalars(matrix)) == expected


@given(arrays(np.float64, st.tuples(st.integers(1, 40), st.integers(1, 5)), elements=st.floats(-2, 3)))
@hypothesis_settings(max_examples=200, deadline=None)
def test_the_interquartile_mean_of_a_curve_is_scipys_trimmed_mean_bit_for_bit(curves) -> None:
    np.testing.assert_array_equal(interquartile_mean(curves), stats.trim_mean(curves, proportiontocut=0.25, axis=0))
