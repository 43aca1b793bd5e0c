"""Credit compared with information that only a simulator has.

probes  graphs computed inside the simulator at every step, for `Episodes.privileged`: interventions, distances
graphs  agreement of a method's influence graph with the graph of interventions

The registry of probes is benchmark/experiments/probe_names.py, the format of the measurements in a record
benchmark/experiments/credit_measurements.py, and their schedule benchmark/training/credit_monitor.py.
"""
