"""The tasks that come with CreditBench, one file a family, and their registry. Free of torch and numba."""
