"""Aggregates over tasks: hand-computed cases, rliable's own values, plain loops, and properties."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rliable import library, metrics
from scipy import stats

from benchmark.analysis.statistics.over_tasks import (
    PROFILE_THRESHOLDS,
    VariantScores,
    _aggregates,
    _weighted,
    floor_over_tasks,
    interquartile_mean,
    iqm_over_tasks,
    over_tasks,
    resampled_iqm,
    scalars,
)
from benchmark.analysis.statistics.resampling import RESAMPLES, equal_shares, percentiles, resample, resampled_shares
from benchmark.analysis.statistics.resolution import Scale, wilson
from benchmark.analysis.statistics.rliable_bootstrap import GivenDraws, percentile_interval
from tests.oracles import statistics as oracles

unit = st.floats(-0.5, 1.5, allow_nan=False, width=32)
many = hypothesis_settings(max_examples=50, deadline=None)
few = hypothesis_settings(max_examples=8, deadline=None)
"""For what takes a whole bootstrap."""
RATE = Scale(32, 0.0, 1.0, rate=True)


def variant(
    *final: list[float] | np.ndarray, name: str = "v", points: int = 3, seed: int = 0, scale: Scale | None = None
) -> VariantScores:
    """Scores of a variant from its final ones per task; the other numbers are drawn."""
    random = np.random.default_rng(seed)
    tasks = [np.asarray(task, np.float64) for task in final]
    return VariantScores(
        final=tuple(tasks),
        absolute=tuple(random.random(len(task)) for task in tasks),
        curves=tuple(random.random((len(task), points)) for task in tasks),
        draws=tuple(resample(len(task), name, str(k)) for k, task in enumerate(tasks)),
        scales=(scale,) * len(tasks),
        absolute_scales=(scale,) * len(tasks),
    )


def points(scores: VariantScores) -> np.ndarray:
    """The point values of our own estimators, in one row: 4 final, 4 absolute, profile, efficiency."""
    return _weighted(scores, equal_shares(scores.sizes)[None])[0]


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


def test_rliables_interval_is_our_own_on_the_same_resamples() -> None:
    scores = variant(*np.random.default_rng(2).random((3, 6)), points=5)
    low, high = percentile_interval(_aggregates(scores), np.stack(scores.draws, axis=2))
    own_low, own_high = percentiles(_weighted(scores, resampled_shares(scores.draws)))
    np.testing.assert_allclose(own_low, low, atol=1e-12)
    np.testing.assert_allclose(own_high, high, atol=1e-12)


def test_our_resamples_have_the_interval_of_rliables_own_draws() -> None:
    matrix = np.random.default_rng(2).random((6, 3))
    np.random.seed(0)  # noqa: NPY002
    _, intervals = library.get_interval_estimates({"": matrix}, lambda m: np.array([metrics.aggregate_iqm(m)]), reps=RESAMPLES)
    low, high = percentiles(resampled_iqm(matrix.T, [resample(6, "v", str(k)) for k in range(3)]).samples)
    # Standard error of a 2.5 % quantile of 2000 draws: sqrt(0.025 * 0.975 / 2000) / density, 3 % of the width for a bell.
    assert np.array([low, high]) == pytest.approx(intervals[""].ravel(), abs=0.15 * (high - low))


def test_the_bootstrap_of_rliable_takes_the_given_resamples_in_their_order() -> None:
    draws = np.array([[[0, 1], [1, 1]], [[1, 0], [0, 0]]])
    taken = [data[0][0].tolist() for data in GivenDraws(draws).bootstrap(2)]
    assert taken == draws.tolist()


def test_the_interval_of_the_iqm_is_the_percentile_interval_stretched_for_few_runs() -> None:
    tasks = (np.array([[0.2], [0.5], [0.8]]) + np.random.default_rng(8).normal(0, [[0.02], [0.1], [0.2]], (3, 5))).tolist()
    scores = variant(*tasks)
    expected = oracles.stretched_iqm(tasks, scores.draws)
    found = over_tasks(scores)
    assert found.method == "rliable"
    assert (found.final.low[0], found.final.high[0]) == pytest.approx(expected, abs=1e-9)
    assert iqm_over_tasks(scores.final, scores.draws, scores.scales)[1] == pytest.approx(expected, abs=1e-9)


def test_the_mean_has_the_degrees_of_freedom_of_its_own_variances() -> None:
    tasks = np.random.default_rng(9).normal(0.5, [[0.01], [0.2]], (2, 5))
    scores = variant(*tasks)
    spreads = [task.var(ddof=1) / 5 / 4 for task in tasks]
    k = stats.t.ppf(0.975, oracles.satterthwaite(spreads, [5, 5])) / oracles.Z * np.sqrt(5 / 4)
    drawn = [np.mean(task) for task in oracles.resampled(tasks.tolist(), scores.draws, list)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    mean = tasks.mean()
    found = over_tasks(scores).final
    assert found.low[2] == pytest.approx(mean - k * (mean - low))
    assert found.high[2] == pytest.approx(mean + k * (high - mean))


@pytest.mark.parametrize("tasks", [([0.4],), ([0.4, 0.5, 0.6, 0.7],), ([0.4, 0.5, 0.6, 0.7, 0.8], [0.1, 0.2, 0.3, 0.4])])
def test_fewer_than_five_runs_on_some_task_have_no_interval(tasks: tuple[list[float], ...]) -> None:
    scores = variant(*tasks)
    found = over_tasks(scores)
    assert all(
        band.low is None and band.high is None for band in (found.final, found.absolute, found.profile, found.efficiency)
    )
    assert iqm_over_tasks(scores.final, scores.draws, scores.scales)[1] is None


def test_where_there_is_no_interval_there_is_the_aggregate_of_every_seed() -> None:
    matrix = np.random.default_rng(4).random((3, 5))  # seeds x tasks
    scores = variant(*matrix.T)
    found = over_tasks(scores)
    np.testing.assert_array_equal(found.final_by_seed, [scalars(seed[None]) for seed in matrix])
    np.testing.assert_array_equal(found.absolute_by_seed, [scalars(seed[None]) for seed in np.stack(scores.absolute, axis=1)])
    np.testing.assert_array_equal(
        found.efficiency_by_seed, [interquartile_mean(seed) for seed in np.stack(scores.curves, axis=1)]
    )
    of_five = over_tasks(variant(*np.random.default_rng(4).random((2, 5))))
    assert of_five.final_by_seed.size == of_five.efficiency_by_seed.size == 0


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


def test_unequal_seeds_that_happen_to_be_equal_have_the_interval_of_the_full_matrix() -> None:
    scores = variant(*np.random.default_rng(3).random((2, 6)))
    ragged = replace(scores, **{name: (getattr(scores, name)[0], getattr(scores, name)[1]) for name in ("final", "curves")})
    np.testing.assert_allclose(points(ragged), _aggregates(scores)(np.repeat(np.arange(6)[:, None], 2, axis=1)), atol=1e-12)


# The floor of what episodes can resolve


def test_rates_without_any_spread_have_wilsons_interval_of_their_episodes() -> None:
    found = over_tasks(variant([1.0] * 10, scale=RATE))
    low = float(wilson(1.0, 320)[0])
    assert (found.final.low[0], found.final.high[0]) == pytest.approx((low, 1.0))
    assert (found.final.low[2], found.final.high[2]) == pytest.approx((low, 1.0))
    assert (found.final.low[3], found.final.high[3]) == pytest.approx((0.0, 1 - low))


def test_over_tasks_the_floors_are_added_in_squares() -> None:
    scores = variant([1.0] * 5, [1.0] * 5, [1.0] * 5, scale=RATE)
    below = 1 - float(wilson(1.0, 160)[0])
    assert over_tasks(scores).final.low[0] == pytest.approx(1 - below * np.sqrt(3) / 3)
    one = floor_over_tasks(scores.final, (RATE, None, None))
    assert [float(side) for side in one] == pytest.approx([below / 3, 0.0])


def test_scores_without_any_spread_and_scale_have_no_interval() -> None:
    found = over_tasks(variant([0.7] * 6, [0.7] * 6)).final
    assert np.isnan(found.low).all()
    assert np.isnan(found.high).all()
    assert iqm_over_tasks((np.full(6, 0.7),), (resample(6, "v", "t"),), (None,)) == (pytest.approx(0.7), None)


def test_the_interval_of_rates_ends_where_rates_end() -> None:
    found = over_tasks(variant([1.0, 1.0, 0.9, 0.4, 1.0], [0.0, 0.0, 0.1, 0.7, 0.0], scale=RATE)).final
    assert found.low.min() >= 0
    assert found.high.max() <= 1


def test_a_share_of_runs_is_known_no_better_than_wilson_says() -> None:
    profile = over_tasks(variant([0.9] * 5, [0.8] * 5)).profile
    least, most = wilson(1.0, 10)
    k = PROFILE_THRESHOLDS.index(0.5)
    assert (profile.low[k], profile.high[k]) == pytest.approx((float(least), float(most)))
    assert (profile.low[-1], profile.high[-1]) == pytest.approx((0.0, float(wilson(0.0, 10)[1])))


def test_curves_have_the_floor_at_every_point() -> None:
    ones = replace(variant([1.0] * 5, scale=RATE), curves=(np.repeat([[0.0, 1.0, 1.0]], 5, axis=0),))
    found = over_tasks(ones).efficiency
    least, most = float(wilson(1.0, 160)[0]), float(wilson(0.0, 160)[1])
    assert found.low == pytest.approx([0.0, least, least])
    assert found.high == pytest.approx([most, 1.0, 1.0])


ragged = st.lists(st.lists(unit, min_size=5, max_size=7), min_size=1, max_size=3)


@few
@given(ragged)
def test_aggregates_lie_within_the_scores_and_within_their_intervals(final: list[list[float]]) -> None:
    found = over_tasks(variant(*final))
    every, value = np.concatenate(final), found.final.value
    assert every.min() - 1e-9 <= value[:3].min()
    assert value[:3].max() <= every.max() + 1e-9
    assert 1 - min(every.max(), 1) - 1e-9 <= value[3] <= 1 - min(every.min(), 1) + 1e-9
    for band in (found.final, found.absolute, found.profile, found.efficiency):
        known = np.isfinite(band.low)
        assert (band.low <= band.value + 1e-12)[known].all()
        assert (band.value <= band.high + 1e-12)[known].all()
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
    scores = variant(*np.random.default_rng(4).random((2, 5)))
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
    for tasks in ([final[0], final[1]], [final[0], final[1][:5]]):
        scores = variant(*tasks)
        scores = replace(scores, absolute=scores.final, curves=tuple(np.repeat(t[:, None], 2, 1) for t in tasks))
        found = over_tasks(scores)
        np.testing.assert_allclose(found.efficiency.low, found.final.low[0], atol=1e-12)
        np.testing.assert_allclose(found.efficiency.high, found.final.high[0], atol=1e-12)


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
