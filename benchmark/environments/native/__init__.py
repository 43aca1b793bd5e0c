"""Simulators of our own: numba kernels over one episode's arrays, looped over B."""
