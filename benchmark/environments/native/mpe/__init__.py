"""Multi-agent particle environments: spread and tag."""
