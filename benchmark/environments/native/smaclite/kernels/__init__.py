"""The numba kernels of SMAClite, one file a part of a step."""
