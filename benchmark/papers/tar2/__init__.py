"""TAR2 (Kapoor et al. 2024, 2025): its suites and studies; README.md says what it claims."""
