"""What is run and what came of it: suites, run specifications, records, study results. Free of torch and numba."""
