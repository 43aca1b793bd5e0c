"""Numbers over the runs of one task, the correction for few runs, and the floor: textbook values, scipy's, plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import optimize, stats

from benchmark.analysis.statistics.one_task import (
    difference_of_means,
    iqm_over_runs,
    mean_over_runs,
    prediction_interval,
    ratio_of_means,
)
from benchmark.analysis.statistics.resampling import (
    RESAMPLES,
    SMALLEST_SAMPLE,
    counts_of,
    degrees_of_freedom,
    equal_shares,
    jackknife_shares,
    jackknife_variances,
    resample,
    resampled_shares,
    stretch,
    stretched,
    weighted_iqm,
)
from benchmark.analysis.statistics.resolution import Scale, equal, unresolved, widened, wilson
from tests.oracles import statistics as oracles

unit = st.floats(-0.5, 1.5, allow_nan=False, width=32)
many = hypothesis_settings(max_examples=50, deadline=None)
RATE = Scale(32, 0.0, 1.0, rate=True)
RETURN = Scale(32, 0.25, 0.05, rate=False)
"""Returns whose random policy scores -5 and whose best is 15."""
FIVE = np.array([0.2, 0.5, 0.4, 0.9, 0.3])


# Resampling


def test_the_resamples_draw_as_many_runs_as_there_are_each_as_often() -> None:
    counts = counts_of(resample(7, "variant", "task"))
    assert counts.shape == (RESAMPLES, 7)
    assert (counts.sum(axis=1) == 7).all()
    # The standard error of a mean count is sqrt(6 / 7 / 2000) = 0.02.
    assert np.abs(counts.mean(axis=0) - 1).max() < 0.1


def test_counts_are_how_often_each_run_is_drawn() -> None:
    assert counts_of(np.array([[0, 0, 2], [1, 2, 0]])).tolist() == [[2, 0, 1], [1, 1, 1]]


def test_two_runs_are_resampled_as_a_fair_coin_would() -> None:
    means = resample(2, "variant", "task").mean(axis=1)
    shares = [(means == value).mean() for value in (0.0, 0.5, 1.0)]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.05)


def test_variants_and_tasks_are_resampled_independently_and_alike_each_time() -> None:
    one, *others = (resample(5, *names) for names in (("a", "t"), ("b", "t"), ("a", "u")))
    np.testing.assert_array_equal(one, resample(5, "a", "t"))
    for other in others:
        correlation = np.corrcoef(counts_of(one)[:, 0], counts_of(other)[:, 0])[0, 1]
        assert abs(correlation) < 0.1


def test_no_runs_have_empty_resamples() -> None:
    assert resample(0, "a", "t").shape == (RESAMPLES, 0)


def test_each_task_has_the_same_weight_in_every_resample() -> None:
    draws = [resample(2, "v", "t"), resample(3, "v", "u")]
    shares = resampled_shares(draws)
    np.testing.assert_allclose(equal_shares([2, 3]), [0.25, 0.25, 1 / 6, 1 / 6, 1 / 6])
    np.testing.assert_allclose(shares[:, :2].sum(axis=1), 0.5)
    np.testing.assert_allclose(shares[0, :2], np.bincount(draws[0][0], minlength=2) / 4)
    np.testing.assert_allclose(shares[0, 2:], np.bincount(draws[1][0], minlength=3) / 6)


def test_the_jackknife_leaves_out_one_run_and_keeps_the_weight_of_its_task() -> None:
    shares = jackknife_shares([2, 3])
    np.testing.assert_allclose(shares[0], [0, 0.5, 1 / 6, 1 / 6, 1 / 6])
    np.testing.assert_allclose(shares[3], [0.25, 0.25, 0.25, 0, 0.25])
    np.testing.assert_allclose(shares.sum(axis=1), 1)


@many
@given(arrays(np.float64, (2, 5), elements=unit))
def test_the_parts_of_the_jackknife_variance_of_an_iqm_are_those_of_plain_loops(tasks: np.ndarray) -> None:
    left_out = weighted_iqm(tasks.reshape(-1, 1), jackknife_shares([5, 5]))[:, 0]
    expected = oracles.jackknife_parts(tasks.tolist(), oracles.iqm_without)
    np.testing.assert_allclose(jackknife_variances(left_out, [5, 5]), expected, atol=1e-9)


def test_the_jackknife_variance_of_a_mean_is_the_textbook_one() -> None:
    means = jackknife_shares([5]) @ FIVE
    assert jackknife_variances(means, [5]) == pytest.approx([FIVE.var(ddof=1) / 5])


def test_the_degrees_of_freedom_are_welch_and_satterthwaites() -> None:
    assert degrees_of_freedom(np.array([0.3, 0.1, 0.0]), [5, 9, 5]) == pytest.approx(0.16 / (0.09 / 4 + 0.01 / 8))
    assert degrees_of_freedom(np.array([2e-200, 2e-200]), [5, 5]) == pytest.approx(8)
    assert degrees_of_freedom(np.zeros(2), [7, 5]) == 4


def test_the_sides_of_an_interval_of_five_runs_are_stretched_by_one_and_a_half() -> None:
    assert stretch(4, 5) == pytest.approx(2.776445 / 1.959964 * np.sqrt(5 / 4))
    assert stretch(1e9, 10**9) == pytest.approx(1)
    low, high = stretched(np.array(0.5), np.array(0.4), np.array(0.7), 4, 5)
    assert (low, high) == pytest.approx((0.5 - 0.1 * stretch(4, 5), 0.5 + 0.2 * stretch(4, 5)))


@many
@given(arrays(np.float64, st.tuples(st.integers(1, 13), st.just(3)), elements=unit))
def test_the_iqm_under_equal_weights_is_the_trimmed_mean(values: np.ndarray) -> None:
    n = len(values)
    found = weighted_iqm(values, np.full((1, n), 1 / n))[0]
    np.testing.assert_allclose(found, stats.trim_mean(values, 0.25, axis=0), atol=1e-12)


@many
@given(arrays(np.float64, 9, elements=unit), st.lists(st.integers(0, 8), min_size=9, max_size=9))
def test_the_iqm_under_counts_is_the_trimmed_mean_of_the_resample(values: np.ndarray, drawn: list[int]) -> None:
    counts = np.bincount(drawn, minlength=9)
    found = weighted_iqm(values[:, None], counts[None] / 9)[0, 0]
    assert found == pytest.approx(stats.trim_mean(values[drawn], 0.25), abs=1e-12)


# The floor of what episodes can resolve


@many
@given(st.integers(1, 400), st.floats(0, 1))
def test_the_interval_of_a_share_is_scipys_wilson_interval(n: int, part: float) -> None:
    won = round(part * n)
    expected = stats.binomtest(won, n).proportion_ci(0.95, method="wilson")
    assert [float(end) for end in wilson(won / n, n)] == pytest.approx([expected.low, expected.high], abs=1e-12)


def test_the_floor_of_a_rate_is_wilsons_over_the_episodes_of_all_runs() -> None:
    point = np.array([0.0, 0.5, 1.0])
    below, above = unresolved(point, 5, np.array([True, False, True]), RATE)
    low, high = wilson(point, 160)
    np.testing.assert_allclose([below, above], [point - low, high - point])


def test_returns_have_the_floor_where_all_runs_are_equal_on_the_scale_from_random_to_best() -> None:
    low, high = (float(end) for end in wilson(0.5, 160))
    below, above = unresolved(np.array([5.0, 5.0]), 5, np.array([True, False]), RETURN)
    assert below == pytest.approx([20 * (0.5 - low), 0])
    assert above == pytest.approx([20 * (high - 0.5), 0])
    beyond, _ = unresolved(np.array(99.0), 5, np.array(True), RETURN)
    assert beyond == pytest.approx(20 * (1 - float(wilson(1.0, 160)[0])))


def test_without_a_scale_there_is_no_floor() -> None:
    assert unresolved(np.array([1.0]), 5, np.array([True]), None) == (np.array([0.0]), np.array([0.0]))


def test_a_rate_ends_where_its_shares_do_and_a_return_nowhere() -> None:
    assert Scale(32, 0.1, 0.8, rate=True).ends == pytest.approx((-0.125, 1.125))
    assert RETURN.ends == (-np.inf, np.inf)


def test_an_interval_is_widened_on_each_side_that_is_below_its_floor_and_cut_at_the_bounds() -> None:
    point = np.array([0.5, 0.5, 0.9, 0.4])
    ends = np.array([0.48, 0.3, 0.6, 0.4]), np.array([0.9, 0.52, 1.3, 0.4])
    low, high = widened(point, ends, (np.array([0.1, 0.1, 0.1, 0.0]), np.array([0.1, 0.1, 0.1, 0.0])), (0.0, 1.0))
    np.testing.assert_allclose(low, [0.4, 0.3, 0.6, np.nan])
    np.testing.assert_allclose(high, [0.9, 0.6, 1.0, np.nan])


def test_runs_are_equal_where_all_of_them_are() -> None:
    assert equal(np.array([[1.0, 2.0], [1.0, 2.5]])).tolist() == [True, False]


# Means and interquartile means


def test_the_t_interval_of_a_mean_is_the_textbook_one() -> None:
    band = mean_over_runs(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    half = 2.776445 * np.sqrt(2.5 / 5)
    assert (band.value, band.low, band.high) == pytest.approx((3.0, 3 - half, 3 + half), abs=1e-5)


def test_fewer_than_five_runs_have_no_interval_of_any_kind() -> None:
    values = np.array([[0.4, 0.6], [0.5, 0.7], [0.2, 0.1], [0.3, 0.3]])
    assert len(values) == SMALLEST_SAMPLE - 1
    for band in (mean_over_runs(values, RATE), iqm_over_runs(values, resample(4, "v", "t"), RATE)):
        assert (band.low, band.high) == (None, None)
    assert mean_over_runs(values).value == pytest.approx([0.35, 0.425])
    assert iqm_over_runs(values, resample(4, "v", "t")).value == pytest.approx([0.35, 0.45])
    assert prediction_interval(values[:, 0], 3, RATE) is None
    assert difference_of_means(values[:, 0], FIVE) == (pytest.approx(0.35 - 0.46), None)
    assert difference_of_means(FIVE, values[:, 0])[1] is None
    assert ratio_of_means(FIVE, values[:, 0]) == (pytest.approx(0.46 / 0.35), None)


def test_the_iqm_of_one_task_has_the_stretched_interval_of_its_resamples() -> None:
    draws = resample(5, "v", "t")
    band = iqm_over_runs(FIVE[:, None], draws)
    assert band.value[0] == pytest.approx(oracles.iqm([FIVE.tolist()]))
    assert (band.low[0], band.high[0]) == pytest.approx(oracles.stretched_iqm([FIVE.tolist()], [draws]))


def test_a_value_that_a_run_does_not_have_makes_the_numbers_unknown() -> None:
    values = np.array([[0.1, 0.1], [0.2, np.nan], [0.3, 0.3], [0.4, 0.4], [0.5, 0.5]])
    for band in (iqm_over_runs(values, resample(5, "v", "t"), RATE), mean_over_runs(values, RATE)):
        assert np.isnan(band.value).tolist() == np.isnan(band.low).tolist() == np.isnan(band.high).tolist() == [False, True]


def test_rates_without_spread_are_known_as_well_as_their_episodes_tell() -> None:
    ones = np.ones((10, 1))
    low = float(wilson(1.0, 320)[0])
    for band in (mean_over_runs(ones, RATE), iqm_over_runs(ones, resample(10, "v", "t"), RATE)):
        assert (band.low[0], band.high[0]) == pytest.approx((low, 1.0))
        assert band.low[0] < 0.99


def test_a_mean_of_rates_is_no_surer_than_its_episodes() -> None:
    """The runs scatter by less than 160 independent episodes could."""
    band = mean_over_runs(np.array([0.5, 0.5, 0.5, 0.5, 0.5 + 1 / 32]), RATE)
    low, high = (float(end) for end in wilson(0.50625, 160))
    assert (band.low, band.high) == pytest.approx((low, high))


def test_returns_without_spread_have_the_floor_of_their_scale_or_no_interval() -> None:
    band = mean_over_runs(np.full((5, 1), 15.0), RETURN)
    below = 20 * (1 - float(wilson(1.0, 160)[0]))
    assert band.low[0] == pytest.approx(15 - below)
    unknown = mean_over_runs(np.full((5, 1), 15.0))
    assert np.isnan(unknown.low).all()
    assert np.isnan(unknown.high).all()


# Predictions


def test_the_prediction_interval_of_one_more_run_is_the_textbook_one() -> None:
    interval = prediction_interval(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 1)
    half = 2.776445 * np.sqrt(2.5) * np.sqrt(1 / 5 + 1)
    assert interval == pytest.approx((3 - half, 3 + half), abs=1e-5)
    three = prediction_interval(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 3)
    assert three == pytest.approx((3 - half * np.sqrt(8 / 18), 3 + half * np.sqrt(8 / 18)), abs=1e-5)


def test_after_ten_runs_that_won_everything_another_may_lose_an_episode() -> None:
    interval = prediction_interval(np.ones(10), 1, RATE)
    assert interval is not None
    known, further = 1 - float(wilson(1.0, 320)[0]), 1 - float(wilson(1.0, 32)[0])
    assert interval == pytest.approx((1 - np.hypot(known, further), 1.0))
    assert interval[0] < 31 / 32


def test_returns_with_a_spread_are_predicted_by_it_alone_and_without_one_by_their_scale() -> None:
    values = np.array([4.0, 5.0, 6.0, 5.0, 5.0])
    assert prediction_interval(values, 2, RETURN) == pytest.approx(prediction_interval(values, 2))
    low, high = (
        5 - 20 * np.hypot(*(0.5 - wilson(0.5, n)[0] for n in (160, 64))),
        5 + 20 * np.hypot(*(wilson(0.5, n)[1] - 0.5 for n in (160, 64))),
    )
    assert prediction_interval(np.full(5, 5.0), 2, RETURN) == pytest.approx((low, high))
    assert prediction_interval(np.full(5, 5.0), 2) is None


# Differences and ratios of means


@many
@given(arrays(np.float64, 5, elements=unit, unique=True), arrays(np.float64, 8, elements=unit, unique=True))
def test_the_difference_of_means_has_welchs_interval(x: np.ndarray, y: np.ndarray) -> None:
    difference, interval = difference_of_means(x, y)
    expected = stats.ttest_ind(x, y, equal_var=False).confidence_interval(0.95)
    assert difference == pytest.approx(x.mean() - y.mean())
    assert interval == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_a_difference_of_rates_without_spread_has_both_floors_in_squares() -> None:
    ones, halves = np.ones(5), np.full(5, 0.5)
    difference, interval = difference_of_means(ones, halves, RATE)
    (one_low, _), (half_low, half_high) = wilson(1.0, 160), wilson(0.5, 160)
    assert difference == 0.5
    assert interval == pytest.approx((0.5 - np.hypot(1 - one_low, half_high - 0.5), 0.5 + (0.5 - half_low)))
    assert difference_of_means(ones, halves) == (0.5, None)


@many
@given(st.lists(st.floats(0.1, 2), min_size=5, max_size=6, unique=True), st.integers(0, 99))
def test_the_ratio_of_means_has_fiellers_interval(x: list[float], seed: int) -> None:
    own, theirs = np.array(x), np.random.default_rng(seed).normal(2, 0.5, 7)
    errors = own.var(ddof=1) / len(own), theirs.var(ddof=1) / 7
    degrees = oracles.satterthwaite(errors, (len(own), 7))
    t = stats.t.ppf(0.975, degrees)

    def distance(ratio: float) -> float:
        return (own.mean() - ratio * theirs.mean()) ** 2 - t**2 * (errors[0] + ratio**2 * errors[1])

    found = ratio_of_means(own, theirs)
    assert found is not None
    ratio, interval = found
    assert ratio == pytest.approx(own.mean() / theirs.mean())
    assert interval is not None
    assert interval[0] == pytest.approx(optimize.brentq(distance, ratio - 50, ratio), abs=1e-8)
    assert interval[1] == pytest.approx(optimize.brentq(distance, ratio, ratio + 50), abs=1e-8)


@pytest.mark.parametrize("below", [[0.0] * 5, [-1.0, -2.0, -3.0, -1.0, -2.0], [1.0, 1.0, -0.5, 1.0, -0.8]])
def test_there_is_no_ratio_to_what_may_not_be_above_zero(below: list[float]) -> None:
    assert ratio_of_means(np.ones(5), np.array(below)) is None


def test_a_ratio_of_equal_rates_has_the_errors_of_their_episodes() -> None:
    found = ratio_of_means(np.full(5, 0.4), np.full(5, 0.8), RATE)
    assert found is not None
    assert found[0] == pytest.approx(0.5)
    assert found[1] is not None
    assert found[1][0] < 0.45 < 0.55 < found[1][1]
    assert ratio_of_means(np.full(5, 0.4), np.full(5, 0.8)) == (pytest.approx(0.5), None)


@pytest.mark.parametrize("seeds", [5, 10])
def test_the_interval_of_a_ratio_misses_one_time_in_twenty(seeds: int) -> None:
    """Normal scores of means 0.5 and 1, each with a deviation of a fifth of its mean."""
    random, misses = np.random.default_rng(0), 0
    for _ in range(1000):
        found = ratio_of_means(random.normal(0.5, 0.1, seeds), random.normal(1, 0.2, seeds))
        assert found is not None
        assert found[1] is not None
        misses += not found[1][0] <= 0.5 <= found[1][1]
    assert misses / 1000 == pytest.approx(0.05, abs=0.02)
