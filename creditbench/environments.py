"""What the code of a simulator is written with (numba): its base class and the random draws of its kernels."""

from benchmark.environments.native.base import NativeEnvironment
from benchmark.environments.native.random import next_below, next_normal, next_uint64, next_uniform, shuffle

__all__ = [
    "NativeEnvironment",
    "next_below",
    "next_normal",
    "next_uint64",
    "next_uniform",
    "shuffle",
]
