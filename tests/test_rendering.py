"""Frames and episodes are written whole, in the format that their name says."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from benchmark.environments.interface import NothingToShow
from benchmark.environments.native.alice_and_bob import AliceAndBob
from benchmark.environments.native.beacon import Beacon
from benchmark.rendering import save_episode, save_frame


@pytest.fixture
def environment() -> AliceAndBob:
    environment = AliceAndBob(1)
    environment.reset(np.zeros(1, np.uint64))
    return environment


def test_a_frame_shows_every_agent_in_its_own_colour(environment: AliceAndBob, tmp_path) -> None:
    save_frame(environment.scene(0), tmp_path / "frame.png")
    pixels = np.asarray(Image.open(tmp_path / "frame.png").convert("RGB")).reshape(-1, 3).astype(int)
    for colour in ((0x00, 0x72, 0xB2), (0xE6, 0x9F, 0x00)):
        # 0.92 of the colour over the light background, as discs are drawn
        blend = 0.92 * np.array(colour) + 0.08 * np.array((0xFA, 0xFA, 0xF7))
        assert (np.abs(pixels - blend).max(1) < 6).sum() > 100


def test_the_same_scene_gives_the_same_bytes(environment: AliceAndBob, tmp_path) -> None:
    for name in ("a", "b"):
        save_frame(environment.scene(0), tmp_path / f"{name}.png", "step 0")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_an_episode_has_a_frame_per_scene(environment: AliceAndBob, tmp_path) -> None:
    frames = [(environment.scene(0), "step 0")]
    for step in range(3):
        environment.step(np.array([[3, 3]]))
        frames.append((environment.scene(0), f"step {step + 1}"))
    save_episode(frames, tmp_path / "episode.gif")
    assert Image.open(tmp_path / "episode.gif").n_frames >= 3  # a blocked move gives an equal picture but for its caption
    assert [path.name for path in tmp_path.iterdir()] == ["episode.gif"]


def test_an_unknown_format_is_refused_with_the_known_ones(environment: AliceAndBob, tmp_path) -> None:
    with pytest.raises(ValueError, match=r"\.png or \.svg"):
        save_frame(environment.scene(0), tmp_path / "frame.bmp")
    with pytest.raises(ValueError, match=r"\.gif"):
        save_episode([(environment.scene(0), "")], tmp_path / "episode.mp4")
    with pytest.raises(ValueError, match="at least one frame"):
        save_episode([], tmp_path / "episode.gif")


def test_a_simulator_without_a_picture_says_so() -> None:
    with pytest.raises(NothingToShow, match="Beacon has nothing to show"):
        Beacon(1, action_gain=1.0).scene(0)
