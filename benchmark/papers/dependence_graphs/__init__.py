"""Dependence graphs (Le and Ta 2026, arXiv 2601.21523): suites and studies; README.md lists the claims and our results."""
