"""What the Snakefile asks, the plan of a suite, and the parent process of a training run. Free of torch and numba."""
