"""Measures the fixed scores that the returns of a task are normalised by."""
