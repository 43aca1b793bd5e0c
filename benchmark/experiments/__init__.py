"""Suites, run specifications, records and study results. Imports neither torch nor numba."""
