"""The SMAClite simulator and the adapter against the real package itself, where it is installed (README, optional packages).

    uv run pytest -m slow tests/differential/test_smaclite_live.py

is the long comparison: every map step by step, then whole battles. CREDITBENCH_SMACLITE_STEPS (300) are recorded on each map;
CREDITBENCH_SMACLITE_EPISODES (100, and no fewer) are played for each map and policy, ten times as many by our simulator.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmark.environments.native.smaclite.constants import X, Y
from benchmark.environments.native.smaclite.environment import SMAClite
from benchmark.environments.native.smaclite.maps.map_files import load_map, shipped_maps
from benchmark.environments.tasks.smaclite import PACKAGED
from tests.differential import smaclite_episodes as episodes
from tests.differential.smaclite_package import read_by_package, record, register_own_maps
from tests.differential.smaclite_policies import at_random, nearest_first
from tests.differential.smaclite_recordings import below_the_bar, compare

STEPS = int(os.environ.get("CREDITBENCH_SMACLITE_STEPS", "300"))
EPISODES = int(os.environ.get("CREDITBENCH_SMACLITE_EPISODES", "100"))
WHOLE_BATTLES = ("3m", "2s_vs_1sc", "2s3z", "5m_vs_6m", "bane_vs_bane", "MMM")


@pytest.fixture(scope="module")
def package() -> Any:
    """The adapter, with our own maps known to the package."""
    pytest.importorskip("smaclite", reason="the package smaclite is not installed: see the README's optional packages")
    register_own_maps()
    from benchmark.environments.adapters import smaclite

    return smaclite


@pytest.mark.parametrize("name", PACKAGED)
def test_our_map_file_says_what_the_packages_says(package: Any, name: str) -> None:
    import gymnasium

    theirs, ours = gymnasium.spec(f"smaclite/{name}-v0").kwargs["map_info"], read_by_package(load_map(name))
    for info in (ours, theirs):
        info.unit_type_ids = info.unit_type_ids if info.num_unit_types else None
    assert ours == theirs


@pytest.mark.parametrize("name", ["3m", "2s3z", "2s_vs_1sc", "MMM"])
def test_one_step_agrees_with_the_package(package: Any, name: str) -> None:
    fractions = compare(record(name, steps=60, seed=0), name)
    assert below_the_bar(fractions) == [], fractions


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_maps())
def test_one_step_agrees_on_every_map(package: Any, name: str) -> None:
    fractions = compare(record(name, STEPS, seed=1), name)
    assert below_the_bar(fractions) == [], fractions


def test_another_order_of_acting_would_be_noticed(package: Any) -> None:
    recording = record("MMM", steps=60, seed=0)
    order = recording["order"]
    for acting in order.reshape(-1, order.shape[2]):
        living = (acting >= 0).sum()
        acting[:living] = acting[:living][::-1]
    assert {"hp", "state", "reward"} <= set(below_the_bar(compare(recording, "MMM")))


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["random", "focus-fire"])
@pytest.mark.parametrize("name", WHOLE_BATTLES)
def test_whole_battles_have_the_same_success_rate_mean_return_and_mean_length(package: Any, name: str, policy: str) -> None:
    real, native, broken = episodes.play_both(name, policy, EPISODES, seed=0)
    found = episodes.differences(real, native)
    assert broken == 0
    assert all(difference.agrees for difference in found.values()), found


def played_to_the_end(package: Any, horizon: int) -> tuple[Any, int]:
    """One real battle on 3m, everyone attacking the nearest: its environment and how many steps it took."""
    environment = package.make(1, map_name="3m", horizon=horizon)
    environment.reset(np.zeros(1, np.uint64))
    sight, steps = episodes.Sight(environment.team), 0
    while environment.running.any():
        environment.step(nearest_first(environment, sight, np.random.default_rng(0)))
        steps += 1
    environment.close()
    return environment, steps


def test_the_adapter_distinguishes_termination_and_time_limit(package: Any) -> None:
    unhurried, length = played_to_the_end(package, horizon=1000)
    assert unhurried.terminated[0]
    assert unhurried.success[0]
    in_time, steps = played_to_the_end(package, horizon=length)
    assert (steps, in_time.terminated[0], in_time.truncated[0], in_time.success[0]) == (length, True, False, True)
    cut, steps = played_to_the_end(package, horizon=length - 1)
    assert (steps, cut.terminated[0], cut.truncated[0], cut.success[0]) == (length - 1, False, True, False)


def test_the_adapter_gives_the_same_battles_in_workers(package: Any) -> None:
    here, there = (package.make(2, map_name="2s3z", horizon=20, workers=workers) for workers in (0, 2))
    generators = [np.random.default_rng(0) for _ in range(2)]
    for one in (here, there):
        one.reset(np.arange(2, dtype=np.uint64))
    for _ in range(20):
        for one, generator in zip((here, there), generators, strict=True):
            one.step(at_random(one, episodes.Sight(one.team), generator))
        for name in here.PUBLIC:
            np.testing.assert_array_equal(getattr(here, name), getattr(there, name), err_msg=name)
    assert here.truncated.all()
    for one in (here, there):
        one.close()


def test_the_adapter_suppresses_the_output_of_the_package(package: Any, capsys: pytest.CaptureFixture[str]) -> None:
    package.make(1, map_name="2s3z", horizon=1).close()
    assert capsys.readouterr().out == ""


def test_attacking_the_nearest_wins_where_acting_at_random_loses() -> None:
    fought, muddled = (
        episodes.play(SMAClite(50, map_name="3m"), policy, 50, seed=0)[0] for policy in (nearest_first, at_random)
    )
    assert fought["success"].all()
    assert not muddled["success"].any()
    assert fought["return"].mean() > 5 * muddled["return"].mean()


def test_starts_are_moved_in_every_battle_by_the_given_distance() -> None:
    environment = SMAClite(50, map_name="3m")
    environment.reset(np.arange(50, dtype=np.uint64))
    before = environment.units[:, [X, Y]].copy()
    episodes.move_starts(environment, 0.01, np.random.default_rng(0))
    moved = environment.units[:, [X, Y]] - before
    assert moved.std() == pytest.approx(0.01, rel=0.1)
    assert (moved[0] != moved[1]).all()


class Beamed(SMAClite):
    """Breaks off two battles as the real package does, in the middle."""

    backend = "reference"
    left = 2

    def step(self, actions: Any) -> None:
        super().step(actions)
        if self.left and self.steps[0] == 5:
            self.left -= 1
            raise ValueError(f"{episodes.EMPTY_BEAM}: 0 (dim 0) != 2 (dim 0)")


def test_battles_that_the_package_cannot_finish_are_counted_and_others_played() -> None:
    whole, none = episodes.play(SMAClite(1, map_name="3m"), at_random, 5, seed=0)
    played, broken = episodes.play(Beamed(1, map_name="3m"), at_random, 5, seed=0)
    assert (none, broken) == (0, 2)
    assert len(played["length"]) == len(whole["length"]) == 5
    assert (played["length"] > 5).all()


def test_any_other_error_of_the_package_is_raised() -> None:
    class Broken(Beamed):
        def step(self, actions: Any) -> None:
            raise ValueError("something else")

    with pytest.raises(ValueError, match="something else"):
        episodes.play(Broken(1, map_name="3m"), at_random, 5, seed=0)


def test_the_interval_of_a_difference_is_welchs_for_means_and_newcombes_for_rates() -> None:
    generator = np.random.default_rng(0)
    one, other = generator.normal(0, 1, 50), generator.normal(0.2, 2, 400)
    expected = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.99)
    found = episodes.of_means(one, other, 0.99)
    np.testing.assert_allclose([found.low, found.high], [expected.low, expected.high], atol=1e-8)
    # Newcombe (1998), table II, example (a), method 10: 56/70 against 48/80.
    found = episodes.of_rates(np.arange(70) < 56, np.arange(80) < 48, 0.95)
    np.testing.assert_allclose([found.low, found.high], [0.0524, 0.3339], atol=1e-4)


def test_too_few_battles_for_an_interval_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 100 episodes, got 99"):
        episodes.play_both("3m", "random", 99, seed=0)


def test_the_comparison_accepts_equal_battles_and_rejects_different_ones() -> None:
    generator = np.random.default_rng(0)
    real, native, other = (
        {"success": (values := generator.normal(mean, 1, 300)) > 0, "return": values, "length": np.full(300, length)}
        for mean, length in ((0, 17), (0, 17), (1, 18))
    )
    assert all(difference.agrees for difference in episodes.differences(real, native).values())
    assert not any(difference.agrees for difference in episodes.differences(real, other).values())
