"""The optimiser and minibatches."""
