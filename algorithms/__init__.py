"""How agents learn. Knows tensors; imports nothing of `benchmark`."""
