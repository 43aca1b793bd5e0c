"""The adapter of the real SMAClite, played a recorded episode: the package itself is not installed with CreditBench."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest

MODULE = "benchmark.environments.adapters.smaclite"
RECORDING = Path(__file__).parents[1] / "data" / "smaclite" / "2s3z.npz"


class Playback:
    """What the adapter knows of the package's environment, answered from the first recorded episode of a map."""

    def __init__(self) -> None:
        with np.load(RECORDING) as file:
            self.recording = dict(file)
        self.length = int((self.recording["episode"] == self.recording["episode"][0]).sum())
        self.place = -1
        self.seeds: list[int] = []

    @property
    def unwrapped(self) -> Playback:
        return self

    def _now(self, first: str, later: str) -> Any:
        return self.recording[first] if self.place < 0 else self.recording[later][self.place]

    def get_obs(self) -> list[np.ndarray]:
        return list(self._now("first_obs", "obs"))

    def get_state(self) -> np.ndarray:
        return self._now("first_state", "state")

    def get_avail_actions(self) -> list[list[int]]:
        return self._now("first_avail", "avail").tolist()

    def reset(self, seed: int) -> tuple[list[np.ndarray], dict]:
        self.place = -1
        self.seeds.append(seed)
        return self.get_obs(), {}

    def step(self, actions: list[int]) -> tuple[list[np.ndarray], float, bool, bool, dict]:
        self.place += 1
        assert all(type(action) is int for action in actions)  # the package takes nothing else
        assert actions == self.recording["action"][self.place].tolist()
        done, won = (bool(self.recording[name][self.place]) for name in ("done", "won"))
        return self.get_obs(), float(self.recording["reward"][self.place]), done, False, {"battle_won": won}

    def close(self) -> None:
        pass


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setitem(sys.modules, "smaclite", ModuleType("smaclite"))
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    made: list[str] = []

    def make(gym_id: str, **_: Any) -> Playback:
        made.append(gym_id)
        return Playback()

    monkeypatch.setattr(gymnasium, "make", make)
    module = importlib.import_module(MODULE)
    module.made = made  # type: ignore[attr-defined]
    yield module
    sys.modules.pop(MODULE, None)


def test_a_recorded_episode_comes_through_unchanged(adapter: Any) -> None:
    environment = adapter.make(1, map_name="2s3z", horizon=120)
    played = environment.block.simulators[0].battle
    assert adapter.made == ["smaclite/2s3z-v0"]
    environment.reset(np.array([7], np.uint64))
    assert played.seeds == [7]
    last_actions = environment.team.n_agents * environment.team.action_size
    assert played.recording["first_state"][-last_actions:].any()
    assert not environment.state[0, -last_actions:].any()
    np.testing.assert_array_equal(environment.state[0, :-last_actions], played.recording["first_state"][:-last_actions])
    for step in range(played.length):
        environment.step(played.recording["action"][[step]].astype(np.int64))
        np.testing.assert_array_equal(environment.observation[0], played.recording["obs"][step])
        np.testing.assert_array_equal(environment.state[0], played.recording["state"][step])
        assert environment.team_reward[0] == played.recording["reward"][step]
        np.testing.assert_allclose(environment.individual_reward[0], played.recording["reward"][step] / 5)
        dead = played.recording["avail"][step][:, 0].astype(bool)
        np.testing.assert_array_equal(environment.alive[0], ~dead)
    assert environment.terminated[0]
    assert not environment.success[0]
    assert not environment.running[0]


def test_the_time_limit_cuts_an_episode(adapter: Any) -> None:
    environment = adapter.make(1, map_name="2s3z", horizon=3)
    environment.reset(np.array([0], np.uint64))
    for step in range(3):
        environment.step(environment.block.simulators[0].battle.recording["action"][[step]].astype(np.int64))
    assert environment.truncated[0]
    assert not environment.terminated[0]


def test_a_victory_is_the_packages_own_word(adapter: Any) -> None:
    row = adapter.BattleRow("2s3z", 10)
    row.battle.recording["done"][0] = row.battle.recording["won"][0] = True
    target = SimpleNamespace(
        observation=np.zeros((5, 80), np.float32),
        state=np.zeros(120, np.float32),
        available=np.zeros((5, 11), np.bool_),
        alive=np.zeros(5, np.bool_),
        individual_reward=np.zeros(5),
    )
    row.reset(0, target)
    assert not row.success()
    _, ending = row.step(row.battle.recording["action"][0].tolist(), target)
    assert ending == "terminated"
    assert row.success()


@pytest.mark.skipif(importlib.util.find_spec("smaclite") is not None, reason="the package smaclite is installed")
def test_without_the_package_the_error_says_how_to_install_it() -> None:
    with pytest.raises(ImportError, match=r"'smaclite' is not installed.*--no-deps"):
        importlib.import_module(MODULE)
