"""TAR2 (Kapoor et al. 2024, 2025): its suites and studies; README.md lists its claims and our results."""
