"""STAS (Chen et al. 2024, arXiv 2304.07520): its suites and studies; README.md lists its claims and our results."""
