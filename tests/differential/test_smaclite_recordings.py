"""The SMAClite simulator against recordings of the real package (tests/data/smaclite), step by step and episode by episode.

Everything agrees in every recorded step but one: on 2c_vs_64zg a zergling between two others at exactly its own height
cannot satisfy both, and the wall above leaves a whole segment of least bad velocities. Which end of it the linear program
takes hangs on the sign of a rounding error: one velocity is off by 3e-3 for one frame.

Smaller differences remain in velocities, below 1e-4: the package holds lines of walls in float64 and some of those of units
in float32, and where both meet, kernels_programs.py may round in another place (2c_vs_64zg, bane_vs_bane, corridor).

Not compared: hit points and targets of units that are gone (the package keeps healing some of them), what is available after
the last step of an episode, and last actions right after a reset, which the package does not clear.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from benchmark.environments.native.smaclite import constants as c
from benchmark.environments.native.smaclite.environment import SMAClite

HERE = Path(__file__).parent
FILES = sorted((HERE.parent / "data" / "smaclite").glob("*.npz"))
COMPLETE = ("3m", "5m_vs_6m", "10m_vs_11m", "2s3z", "3s_vs_5z", "MMM2", "2s_vs_1sc")

_spec = importlib.util.spec_from_file_location("smaclite_recordings", HERE / "smaclite_recordings.py")
assert _spec is not None
assert _spec.loader is not None
recordings = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(recordings)

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def test_every_recorded_map_is_here() -> None:
    assert len(FILES) == 16


@each_file
def test_one_step_agrees_with_the_package(path: Path) -> None:
    fractions = recordings.compare(recordings.load(path), path.stem)
    assert recordings.below_the_bar(fractions) == [], fractions


@each_file
def test_the_first_observation_of_an_episode_agrees(path: Path) -> None:
    recording = recordings.load(path)
    environment = SMAClite(1, map_name=path.stem)
    environment.reset(np.zeros(1, np.uint64))
    np.testing.assert_allclose(environment.observation[0], recording["first_obs"], atol=1e-6)
    np.testing.assert_array_equal(environment.available[0], recording["first_avail"].astype(bool))
    last_actions = environment.team.n_agents * environment.team.action_size
    np.testing.assert_allclose(environment.state[0, :-last_actions], recording["first_state"][:-last_actions], atol=1e-6)
    assert not environment.state[0, -last_actions:].any()


@pytest.mark.parametrize("name", COMPLETE)
def test_whole_episodes_replayed_without_correction_have_the_same_rewards_and_ends(name: str) -> None:
    recording = recordings.load(next(path for path in FILES if path.stem == name))
    for episode in np.unique(recording["episode"]):
        environment = SMAClite(1, map_name=name, horizon=10**6)
        environment.reset(np.zeros(1, np.uint64))
        for step in np.flatnonzero(recording["episode"] == episode):
            environment.step_in_order(recording["action"][[step]].astype(np.int64), recording["order"][[step]].astype(np.int64))
            np.testing.assert_allclose(environment.team_reward[0], recording["reward"][step], atol=1e-9)
            assert environment.terminated[0] == recording["done"][step]
            np.testing.assert_allclose(environment.state[0], recording["state"][step], atol=1e-4)


def test_the_script_prints_every_fraction_and_fails_on_a_wrong_recording(tmp_path, capsys) -> None:
    good = next(path for path in FILES if path.stem == "3m")
    assert recordings.main([str(good)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["map"] == "3m"
    assert printed["below_the_bar"] == []
    wrong = recordings.load(good)
    wrong["post"][:, :, c.HP] -= 1
    wrong["post_target"][:5] = 0
    np.savez_compressed(tmp_path / "3m.npz", **wrong)
    assert recordings.main([str(tmp_path / "3m.npz")]) == 1
    assert json.loads(capsys.readouterr().out)["below_the_bar"] == ["target", "hp"]
