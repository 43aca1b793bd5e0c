"""Uniformly random available actions, compiled: fast enough not to dominate a measurement of a simulator's speed."""

from __future__ import annotations

import numpy as np

from benchmark.environments.native.compilation import njit
from benchmark.environments.native.random import next_below, seed_stream


@njit(cache=True)
def action_streams(seeds):
    """The random streams [B, 2] uint64 of `seeds` [B] uint64 that `random_available_actions` draws from.

    The seeds must differ from those of the environment's reset: equal seeds are equal streams, and the actions would depend on
    the start of the episode.
    """
    streams = np.empty((len(seeds), 2), np.uint64)
    for row in range(len(seeds)):
        seed_stream(streams[row], seeds[row])
    return streams


@njit(cache=True)
def random_available_actions(available, streams, out):
    """Fills out [B, N] int64 with uniformly random available actions.

    `available` [B, N, A] bool, at least one true for every agent; `streams` [B, 2] of `action_streams`. Row b draws from
    streams[b] alone, so an episode's actions do not depend on B. Nothing is drawn where only one action is available.
    """
    rows, agents, size = available.shape
    for row in range(rows):
        for agent in range(agents):
            count = 0
            last = 0
            for action in range(size):
                if available[row, agent, action]:
                    count += 1
                    last = action
            if count > 1:
                skip = next_below(streams[row], count)
                last = -1
                while skip >= 0:
                    last += 1
                    if available[row, agent, last]:
                        skip -= 1
            out[row, agent] = last
