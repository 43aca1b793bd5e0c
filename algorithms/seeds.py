"""Seeds of the parts of a run, derived from the run's seed by name: the draws of one part do not affect those of another."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def derive(seed: int, *names: str | int) -> int:
    """The seed, in 0..2^63-1, of the part of a run that `names` spell, e.g. derive(3, "environment").

    The same on all machines and versions. Everything outside a learner uses it: environments, acting, evaluation, studies, and
    the seed of the learner itself, derive(seed, "network").
    """
    return _hashed("/".join(str(part) for part in ("creditbench", seed, *names)))


def learner_seed(seed: int, part: str) -> int:
    """The seed, in 0..2^63-1, of one part of a learner: a network's initial weights, its minibatches, its random draws.

    `seed` is `LearnerContext.seed`. Only algorithms/ uses it. The formula differs from `derive` and may not change: recorded
    runs depend on it.
    """
    return _hashed(f"{seed}:{part}")


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def episode_seeds(base: int, first: int, count: int) -> NDArray[np.uint64]:
    """Seeds [count], in 0..2^63-1, of the episodes number first, first + 1, … of the stream `base` (SplitMix64's mixing).

    A seed depends only on the base and the number of the episode, not on how episodes are batched.
    """
    value = np.uint64(base) + np.arange(first, first + count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (value ^ (value >> np.uint64(31))) >> np.uint64(1)
