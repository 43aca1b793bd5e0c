"""The tasks that come with CreditBench, one module a family. Free of torch and numba: planning reads them."""
