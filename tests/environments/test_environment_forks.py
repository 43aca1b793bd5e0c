"""Copies of simulator states, new random streams and fingerprints: what every native environment must do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.environments.interface import BatchedEnvironment, NotForkable
from benchmark.environments.tasks.registry import get_task
from tests.fixtures.environment_cases import (
    Case,
    assert_same,
    each_native,
    each_reference,
    play,
    randomly,
    rows_of,
    seeds,
    snapshot,
)


@each_reference
def test_a_package_whose_state_cannot_be_copied_says_so(case: Case) -> None:
    environment = case.build(1)
    environment.reset(seeds(1))
    with pytest.raises(NotForkable):
        environment.fork(np.array([0]))
    with pytest.raises(NotForkable):
        environment.copy_rows(environment, np.array([0]))
    with pytest.raises(NotForkable):
        environment.rekey(seeds(1))
    with pytest.raises(NotForkable):
        environment.fingerprint()
    environment.close()


def advanced(case: Case, rows: int, steps: int) -> BatchedEnvironment:
    """An environment some random steps after its reset."""
    environment = case.build(rows)
    play(environment, seeds(rows), steps)
    return environment


@each_native
@given(chosen=st.lists(st.integers(0, 5), min_size=1, max_size=8), steps=st.integers(0, 30))
@settings(max_examples=15, deadline=None)
def test_a_fork_goes_on_as_the_uninterrupted_episode_does(case: Case, chosen: list[int], steps: int) -> None:
    environment = advanced(case, 6, steps)
    fork = environment.fork(np.array(chosen))
    assert_same(snapshot(fork), rows_of(snapshot(environment), chosen))
    for actions in randomly(environment, seeds(6, first=90), 20):
        fork.step(actions[chosen])
        assert_same(snapshot(fork), rows_of(snapshot(environment), chosen))
    np.testing.assert_array_equal(fork.fingerprint(), environment.fingerprint()[chosen])


@each_native
def test_playing_a_fork_leaves_its_origin_alone(case: Case) -> None:
    environment = advanced(case, 4, 3)
    before, marks = snapshot(environment), environment.fingerprint()
    fork = environment.fork(np.array([0, 0, 1, 3]))
    for _ in randomly(fork, seeds(4, first=90), None):
        pass
    assert_same(snapshot(environment), before)
    np.testing.assert_array_equal(environment.fingerprint(), marks)


@each_native
@pytest.mark.parametrize("rows", [[], [-1], [4], [[0]]])
def test_a_fork_of_rows_that_do_not_exist_is_refused(case: Case, rows: list) -> None:
    with pytest.raises(ValueError, match="rows must be"):
        advanced(case, 4, 1).fork(np.array(rows, np.int64))


@each_native
def test_copy_rows_equals_fork(case: Case) -> None:
    environment, used = advanced(case, 6, 3), advanced(case, 5, 7)
    chosen = [4, 0, 4]
    marks = environment.fingerprint()
    used.copy_rows(environment, np.array(chosen))
    np.testing.assert_array_equal(environment.fingerprint(), marks)
    np.testing.assert_array_equal(used.fingerprint()[:3], marks[chosen])
    fork = environment.fork(np.array(chosen))
    for actions in randomly(fork, seeds(3, first=90), None):
        used.step(np.concatenate([actions, np.zeros_like(actions)])[:5])
        assert_same(rows_of(snapshot(used), [0, 1, 2]), snapshot(fork))
    np.testing.assert_array_equal(used.fingerprint()[:3], fork.fingerprint())


@each_native
def test_rows_that_nothing_was_copied_into_are_frozen(case: Case) -> None:
    environment, used = advanced(case, 2, 1), advanced(case, 4, 1)
    used.copy_rows(environment, np.array([1]))
    for _ in range(2):
        assert not used.running[1:].any()
        assert not used.alive[1:].any()
        assert used.available[1:, :, 0].all()
        assert not used.available[1:, :, 1:].any()
        used.step(np.where(np.arange(4)[:, None] == 0, used.available[:1].argmax(2), 0))
    used.reset(seeds(4))
    fresh = case.build(4)
    fresh.reset(seeds(4))
    np.testing.assert_array_equal(used.fingerprint(), fresh.fingerprint())


@each_native
@pytest.mark.parametrize(
    ("rows", "message"),
    [([], "rows must be"), ([4], r"numbers in 0\.\.3"), ([-1], "rows must be"), ([0] * 3, "3 rows do not fit")],
)
def test_rows_that_do_not_exist_or_do_not_fit_are_not_copied(case: Case, rows: list[int], message: str) -> None:
    environment, used = advanced(case, 4, 1), advanced(case, 2, 1)
    marks = used.fingerprint()
    with pytest.raises(ValueError, match=message):
        used.copy_rows(environment, np.array(rows, np.int64))
    np.testing.assert_array_equal(used.fingerprint(), marks)


def test_rows_of_another_game_and_of_oneself_are_not_copied() -> None:
    environment, other = get_task("dg/star-3").build(2), get_task("dg/line-5").build(2)
    for source in (other, environment, get_task("dg/star-5").build(2)):
        with pytest.raises(ValueError, match="another simulator of the same game"):
            environment.copy_rows(source, np.array([0]))


@each_native
def test_new_keys_change_nothing_that_has_happened_and_equal_keys_give_equal_futures(case: Case) -> None:
    environment = advanced(case, 4, 3)
    one, other, third = (environment.fork(np.arange(4)) for _ in range(3))
    before = snapshot(one)
    one.rekey(seeds(4, first=500))
    other.rekey(seeds(4, first=500))
    third.rekey(seeds(4, first=900))
    assert_same(snapshot(one), before)
    np.testing.assert_array_equal(one.fingerprint(), other.fingerprint())
    assert (one.fingerprint() != third.fingerprint()).all()
    assert (one.fingerprint() != environment.fingerprint()).all()
    for actions in randomly(one, seeds(4, first=90), None):
        other.step(actions)
        assert_same(snapshot(one), snapshot(other))


@each_native
def test_keys_for_another_number_of_rows_are_refused(case: Case) -> None:
    with pytest.raises(ValueError, match="keys must have shape"):
        advanced(case, 4, 1).rekey(seeds(3))


@each_native
def test_fingerprints_are_equal_exactly_for_equal_rows(case: Case) -> None:
    environment, twin = case.build(4), case.build(4)
    for one in (environment, twin):
        one.reset(np.array([1, 2, 3, 1], np.uint64))
    start = environment.fingerprint()
    np.testing.assert_array_equal(start, twin.fingerprint())
    assert len(set(start.tolist())) == 3
    assert start[0] == start[3]
    for _ in randomly(environment, seeds(4), 1):
        pass
    moved = environment.fingerprint()
    assert (moved != start).all()
    np.testing.assert_array_equal(environment.fork(np.array([2, 2])).fingerprint(), moved[[2, 2]])
