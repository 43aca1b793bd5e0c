"""Optimiser, minibatches, and the samples that actors learn from."""
