"""Pairs of variants: probability of improvement, tests of differences, Holm's correction and places."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rliable import metrics
from scipy import stats

from benchmark.analysis.statistics.pairs import Sample, difference_p, holm, improvement, places, ranks
from benchmark.analysis.statistics.resampling import resample
from benchmark.analysis.statistics.resolution import Scale
from tests.oracles import statistics as oracles

many = hypothesis_settings(max_examples=50, deadline=None)
grid = st.sampled_from([0.0, 0.25, 0.5, 1.0])
RATE = Scale(32, 0.0, 1.0, rate=True)


def tasks_of(values: np.ndarray) -> tuple[np.ndarray, ...]:
    """Scores [n, T] by task."""
    return tuple(values.T)


def sample(*tasks: list[float] | np.ndarray, name: str = "v", scale: Scale | None = None) -> Sample:
    values = tuple(np.asarray(task, np.float64) for task in tasks)
    draws = tuple(resample(len(task), name, str(k)) for k, task in enumerate(values))
    return Sample(values, draws, (scale,) * len(values))


# Probability of improvement


def test_the_probability_of_improvement_of_a_hand_counted_case() -> None:
    # Task 1: of 2 x 3 pairs 3 > 1, 3 > 2, 2 > 1 are won, 3 = 3 and 2 = 2 tied, 2 < 3 lost: (3 + 1) / 6. Task 2: all lost.
    found = improvement([np.array([3.0, 2.0]), np.array([0.0, 0.0])], [np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 1.0])])
    assert found.value == pytest.approx((4 / 6 + 0) / 2)


@many
@given(arrays(np.float64, (4, 2), elements=grid), arrays(np.float64, (3, 2), elements=grid))
def test_the_probability_of_improvement_is_rliables(x: np.ndarray, y: np.ndarray) -> None:
    found = improvement(tasks_of(x), tasks_of(y))
    assert found.value == pytest.approx(metrics.probability_of_improvement(x, y), abs=1e-12)


@many
@given(
    arrays(np.float64, (5, 2), elements=grid), arrays(np.float64, (7, 2), elements=grid), arrays(np.float64, 6, elements=grid)
)
def test_its_interval_is_the_root_of_the_score_equation(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> None:
    better, than = (*tasks_of(x), z), (*tasks_of(y), z[:5])
    found = improvement(better, than)
    assert found.interval is not None
    assert found.interval == pytest.approx(oracles.score_interval(found.value, [(5, 7), (5, 7), (6, 5)]), abs=1e-9)


@pytest.mark.parametrize(("n", "expected"), [(5, (0.642703, 1.0)), (10, (0.800214, 1.0))], ids=["five a side", "ten a side"])
def test_one_who_wins_every_comparison_is_not_certain_to_win(n: int, expected: tuple[float, float]) -> None:
    found = improvement([np.arange(n) + 100.0], [np.arange(n) * 1.0])
    assert found.value == 1.0
    assert found.interval == pytest.approx(expected, abs=1e-5)


@many
@given(st.permutations(list(range(12))))
def test_the_p_value_of_one_half_is_mann_and_whitneys(order: list[int]) -> None:
    x, y = np.array(order[:5], float), np.array(order[5:], float)
    found = improvement([x], [y])
    expected = stats.mannwhitneyu(x, y, method="asymptotic", use_continuity=False).pvalue
    assert found.p == pytest.approx(expected, abs=1e-12)


@many
@given(arrays(np.float64, (5, 2), elements=grid), arrays(np.float64, (6, 2), elements=grid))
def test_the_interval_excludes_one_half_where_the_p_value_is_below_a_twentieth(x: np.ndarray, y: np.ndarray) -> None:
    found = improvement(tasks_of(x), tasks_of(y))
    assert found.interval is not None
    assert found.p is not None
    assert (found.p < 0.05) == (found.interval[0] > 0.5 or found.interval[1] < 0.5)


@many
@given(arrays(np.float64, (5, 2), elements=grid), arrays(np.float64, (6, 2), elements=grid))
def test_the_two_probabilities_of_a_pair_are_mirrored(x: np.ndarray, y: np.ndarray) -> None:
    one, other = improvement(tasks_of(x), tasks_of(y)), improvement(tasks_of(y), tasks_of(x))
    assert one.value + other.value == pytest.approx(1)
    assert one.interval is not None
    assert other.interval is not None
    assert 0 <= one.interval[0] <= one.value <= one.interval[1] <= 1
    assert (one.interval[0] + other.interval[1], one.interval[1] + other.interval[0]) == pytest.approx((1, 1))
    assert one.p == pytest.approx(other.p)


def test_four_runs_of_either_on_some_task_have_neither_interval_nor_p_value() -> None:
    five, four = np.arange(5.0), np.arange(4.0)
    for better, than in (([four], [five]), ([five], [four]), ([five, four], [five, five])):
        found = improvement(better, than)
        assert (found.interval, found.p) == (None, None)
    assert improvement([five], [five]).interval is not None


# Holm's correction


def test_holms_correction_of_a_worked_case() -> None:
    # Holm 1979: 0.01 * 4, then 0.02 * 3, then 0.03 * 2 = 0.06 is no less, then 0.04.
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([0.2]) == pytest.approx([0.2])
    assert holm([]) == []


@many
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_as_long_as_every_smaller_one_is_rejected(p: list[float]) -> None:
    """The step-down procedure itself, at the level 0.05."""
    rejected, going = [False] * len(p), True
    for step, index in enumerate(sorted(range(len(p)), key=lambda k: p[k])):
        going = going and p[index] * (len(p) - step) <= 0.05
        rejected[index] = going
    assert [value <= 0.05 for value in holm(p)] == rejected


# Differences


def test_the_test_of_means_is_welchs_where_the_iqm_is_more_certain() -> None:
    """The middle halves are 1 and 0 whatever is drawn but for a few resamples; the means are 0.8 and 0.1."""
    x, y = [1.0] * 8 + [0.0] * 2, [0.0] * 9 + [1.0]
    p = difference_p(sample(x, name="x"), sample(y, name="y"))
    assert p == pytest.approx(stats.ttest_ind(x, y, equal_var=False).pvalue, rel=1e-9)


def test_the_test_of_iqms_has_the_variance_of_the_bootstrap_where_it_is_less_certain() -> None:
    random = np.random.default_rng(3)
    levels = np.array([[0.1], [0.5], [0.9]])  # the runs of the middle task weigh most
    one, other = levels + random.normal(0, 0.1, (3, 5)), levels + random.normal(0.1, 0.1, (3, 5))
    x, y = sample(*one, name="x"), sample(*other, name="y")
    variances, parts = [], []
    for tasks, side in ((one, x), (other, y)):
        drawn = oracles.resampled(tasks.tolist(), side.draws, oracles.iqm)
        variances.append(np.var(drawn) * 5 / 4)
        parts += oracles.jackknife_parts(tasks.tolist(), oracles.iqm_without)
    t = (oracles.iqm(one) - oracles.iqm(other)) / np.sqrt(sum(variances))
    by_iqm = 2 * stats.t.sf(abs(t), oracles.satterthwaite(parts, [5] * 6))
    spreads = [task.var(ddof=1) / 5 / 9 for task in (*one, *other)]
    by_mean = 2 * stats.t.sf(abs(one.mean() - other.mean()) / np.sqrt(sum(spreads)), oracles.satterthwaite(spreads, [5] * 6))
    assert by_iqm > by_mean
    assert difference_p(x, y) == pytest.approx(by_iqm, rel=1e-6)


def test_equal_scores_do_not_differ_and_too_few_runs_never_do() -> None:
    values = [0.1, 0.5, 0.9, 0.3, 0.4]
    assert difference_p(sample(values, name="a"), sample(values, name="b")) == 1
    assert difference_p(sample([0.0, 0.01, 0.02, 0.03]), sample([1.0, 1.01, 1.02, 1.03, 1.04])) == 1


def test_runs_without_any_spread_differ_only_by_more_than_their_episodes_can_resolve() -> None:
    ones = sample([1.0] * 5, name="a", scale=RATE)
    assert difference_p(ones, sample([0.97] * 5, name="b", scale=RATE)) > 0.05
    assert difference_p(ones, sample([0.5] * 5, name="b", scale=RATE)) < 0.001
    # Returns without a scale: nothing says how sure they are.
    assert difference_p(sample([1.0] * 5, name="a"), sample([0.5] * 5, name="b")) == 1


@pytest.mark.parametrize("runs", [5, 10])
def test_of_equal_variants_that_solve_or_fail_few_seem_to_differ(runs: int) -> None:
    """Eight variants, half of whose runs solve the one task: in 100 worlds, at most 5 and a chance deviation."""
    random, wrong = np.random.default_rng(runs), 0
    draws = (resample(runs, "v", "t")[:200],)
    for _ in range(100):
        variants = [Sample(((random.random(runs) < 0.5).astype(float),), draws, (RATE,)) for _ in range(8)]
        wrong += not ranks(variants, [0.5] * 8).tied.all()
    assert wrong <= stats.binom.ppf(0.999, 100, 0.05)


# Places


def test_variants_that_never_overlap_have_certain_places() -> None:
    low = sample([0.1, 0.2, 0.15, 0.12, 0.18], name="low")
    high = sample([0.8, 0.9, 0.85, 0.82, 0.88], name="high")
    found = ranks([low, high], [0.15, 0.85])
    assert found.rank.tolist() == found.low.tolist() == found.high.tolist() == [2, 1]
    assert not found.tied[0, 1]
    assert found.tied[0, 0]


def test_the_places_are_those_that_the_significant_differences_leave() -> None:
    """Two alike on top, one between that is not surely worse than either, one far below."""
    shape = np.array([-2.0, -1, 0, 1, 2])
    levels = (0.50, 0.49, 0.44, 0.10)
    found = ranks([sample(level + 0.02 * shape, name=str(level)) for level in levels], levels)
    assert found.rank.tolist() == [1, 2, 3, 4]
    assert found.low.tolist() == [1, 1, 1, 4]
    assert found.high.tolist() == [3, 3, 3, 4]
    assert found.tied.tolist() == [[True, True, True, False]] * 3 + [[False, False, False, True]]


def test_no_place_is_certain_where_the_mean_of_one_is_higher_and_the_iqm_of_the_other() -> None:
    """Of ten tasks the first variant fails three, which the IQM cuts away: 0.81 against 0.75, but in the mean 0.63."""
    noise = np.random.default_rng(0).normal(0, 0.01, (2, 10, 10))
    first = sample(*(level + noise[0, task] for task, level in enumerate([0.9] * 7 + [0.0] * 3)), name="first")
    second = sample(*(0.75 + noise[1]), name="second")
    assert difference_p(first, second) == 1
    found = ranks([first, second], [0.81, 0.75])
    assert (found.rank.tolist(), found.low.tolist(), found.high.tolist()) == ([1, 2], [1, 1], [2, 2])


def test_places_are_corrected_for_the_number_of_pairs() -> None:
    """A difference that a single test sees is not seen among the 28 pairs of eight variants."""
    shape = np.array([-2.0, -1, 0, 1, 2])
    one, other = sample(0.5 + 0.02 * shape, name="one"), sample(0.57 + 0.02 * shape, name="other")
    assert 0.05 / 28 < difference_p(one, other) < 0.05
    assert not ranks([one, other], [0.5, 0.57]).tied[0, 1]
    between = [sample(0.535 + 0.02 * shape, name=str(k)) for k in range(6)]
    found = ranks([one, other, *between], [0.5, 0.57, *[0.535] * 6])
    assert found.tied.all()
    assert (found.low.tolist(), found.high.tolist()) == ([1] * 8, [8] * 8)


def test_variants_alike_share_their_places() -> None:
    values = [0.1, 0.5, 0.9, 0.3, 0.4]
    found = ranks([sample(values, name="a"), sample(values, name="b")], [0.4, 0.4])
    assert (found.rank.tolist(), found.low.tolist(), found.high.tolist()) == ([1, 1], [1, 1], [2, 2])
    assert found.tied.all()


def test_equal_scores_share_a_place_whatever_their_last_digits() -> None:
    assert places(np.array([1.0, 1.0 - 1e-15, 0.5])).tolist() == [1, 1, 3]
