"""From the records of runs to everything that the report shows: the parts of benchmark.aggregate."""
