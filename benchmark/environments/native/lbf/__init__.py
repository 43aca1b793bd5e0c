"""Level-Based Foraging."""
