"""Seeds of the parts of a run, derived from the run's seed by name, so that one part's draws never shift another's."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def derived_seed(seed: int, name: str) -> int:
    """A seed in 0..2^63-1 for the part `name` of the run `seed`."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the part that `names` spell, e.g. derive(3, "environment"). Stable across machines and versions."""
    text = "/".join(str(part) for part in ("creditbench", seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def episode_seeds(base: int, first: int, count: int) -> NDArray[np.uint64]:
    """Seeds [count] of the episodes number first, first + 1, … of one stream: 63-bit, independent of how they are batched."""
    value = np.uint64(base) + np.arange(first, first + count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (value ^ (value >> np.uint64(31))) >> np.uint64(1)
