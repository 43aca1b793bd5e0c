"""Credit measured against what only a simulator knows: probes that look into it, and how near a method's claims come to them.

probe_names  what a trainer can fill `Episodes.privileged` with, for planning
probes       the same: what looks into the simulator, step by step
model        the measurements that stand in a record
graphs       who influences whom: what a method claims beside what an intervention shows
observing    when a run is looked at, and the episodes that are played for it
"""
