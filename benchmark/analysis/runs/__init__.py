"""The runs of a suite: what is there of each, what it scored, and whether its variant may be ranked."""
