"""Credit measured against what only a simulator knows: probes that look into it, and how near a method's claims come to them.

probes  what a trainer can fill `Episodes.privileged` with: what looks into the simulator, step by step
graphs  who influences whom: what a method claims beside what an intervention shows

The names of the probes are in benchmark/experiments/probe_names.py, the measurements as a record holds them in
benchmark/experiments/credit_measurements.py; benchmark/training/credit_monitor.py says when a run is measured.
"""
