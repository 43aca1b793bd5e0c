"""The random numbers of native simulators: counter-based, one stream per row, 16 bytes of state.

A stream is `stream[2] uint64` = (key, counter). Draw number c of key k is the SplitMix64 finaliser of k + (c + 1) * golden
ratio (Steele, Lea and Flood 2014): any draw can be computed without the ones before it, copying 16 bytes copies the
stream, and rows are independent.
"""

from __future__ import annotations

import math

import numpy as np

from benchmark.environments.native.compilation import njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@njit(cache=True, inline="always")
def mix(value):
    """SplitMix64's finaliser, a bijection of uint64."""
    value = (value ^ (value >> np.uint64(30))) * _MIX_1
    value = (value ^ (value >> np.uint64(27))) * _MIX_2
    return value ^ (value >> np.uint64(31))


@njit(cache=True)
def seed_stream(stream, key):
    """Starts the stream of `key`. Keys are mixed first, so that neighbouring seeds give unrelated streams."""
    stream[0] = mix(key + _GOLDEN)
    stream[1] = np.uint64(0)


@njit(cache=True)
def next_uint64(stream):
    """64 uniform bits."""
    stream[1] += np.uint64(1)
    return mix(stream[0] + stream[1] * _GOLDEN)


@njit(cache=True)
def next_uniform(stream):
    """A float64 in [0, 1), of 53 bits."""
    return np.float64(next_uint64(stream) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True)
def next_below(stream, bound):
    """An int64 uniform on 0..bound-1, for 1 <= bound < 2**31 (unbiased: rejection below the threshold)."""
    wide = np.uint64(bound)
    threshold = (np.uint64(0x100000000) - wide) % wide
    while True:
        product = (next_uint64(stream) >> np.uint64(32)) * wide
        if (product & np.uint64(0xFFFFFFFF)) >= threshold:
            return np.int64(product >> np.uint64(32))


@njit(cache=True)
def shuffle(stream, values, count):
    """Shuffles values[:count] in place (Fisher-Yates)."""
    for last in range(count - 1, 0, -1):
        other = next_below(stream, last + 1)
        values[last], values[other] = values[other], values[last]


@njit(cache=True)
def next_normal(stream):
    """A standard normal float64 (Box and Muller 1958, the cosine half; two draws)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - next_uniform(stream)))
    return radius * math.cos(2.0 * math.pi * next_uniform(stream))
