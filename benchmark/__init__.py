"""How methods are compared: environments, tasks, runs, records, statistics, the report."""
