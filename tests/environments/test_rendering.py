"""Frames and episodes of a simulator as pictures."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from benchmark.environments.interface import NothingToShow
from benchmark.environments.native.alice_and_bob.environment import AliceAndBob
from benchmark.environments.native.diagnostics.beacon import Beacon
from benchmark.environments.rendering import draw_frame, episode_gif
from benchmark.environments.scene import Scene


@pytest.fixture
def environment() -> AliceAndBob:
    environment = AliceAndBob(1)
    environment.reset(np.zeros(1, np.uint64))
    return environment


def png(scene: Scene, caption: str = "") -> bytes:
    file = BytesIO()
    draw_frame(scene, caption).savefig(file)
    return file.getvalue()


def test_a_frame_shows_every_agent_in_its_own_colour(environment: AliceAndBob) -> None:
    frame = Image.open(BytesIO(png(environment.scene(0))))
    pixels = np.asarray(frame.convert("RGB")).reshape(-1, 3).astype(int)
    for colour in ((0x00, 0x72, 0xB2), (0xE6, 0x9F, 0x00)):
        # 0.92 of the colour over the light background, as discs are drawn
        blend = 0.92 * np.array(colour) + 0.08 * np.array((0xFA, 0xFA, 0xF7))
        assert (np.abs(pixels - blend).max(1) < 6).sum() > 100


def test_the_same_scene_gives_the_same_bytes(environment: AliceAndBob) -> None:
    assert png(environment.scene(0), "step 0") == png(environment.scene(0), "step 0")


def test_an_episode_has_a_frame_per_scene(environment: AliceAndBob) -> None:
    frames = [(environment.scene(0), "step 0")]
    for step in range(3):
        environment.step(np.array([[3, 3]]))
        frames.append((environment.scene(0), f"step {step + 1}"))
    episode = Image.open(BytesIO(episode_gif(frames)))
    assert episode.n_frames >= 3  # a blocked move gives an equal picture but for its caption


def test_an_episode_without_a_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        episode_gif([])


def test_a_simulator_without_a_picture_says_so() -> None:
    with pytest.raises(NothingToShow, match="Beacon has nothing to show"):
        Beacon(1, action_gain=1.0).scene(0)
