"""What the adapter of PettingZoo environments has to be told about the package mpe2."""

from __future__ import annotations

from typing import Any

import numpy as np

COVER_RADIUS = 0.1


def landmarks_covered(environment: Any, infos: dict[str, Any]) -> bool:
    """Whether every landmark of simple_spread has an agent nearer than 0.1: the package's own measure of success."""
    world = environment.unwrapped.world
    agents = np.array([agent.state.p_pos for agent in world.agents])
    landmarks = np.array([landmark.state.p_pos for landmark in world.landmarks])
    distances = np.linalg.norm(agents[:, None] - landmarks[None], axis=-1)
    return bool((distances.min(axis=0) < COVER_RADIUS).all())
