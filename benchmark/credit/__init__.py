"""Credit measured against what only a simulator knows: probes that look into it, and how near a method's claims come to them.

probes   what a trainer can fill `Episodes.privileged` with
model    the measurements that stand in a record
graphs   who influences whom: what a method claims beside what an intervention shows
"""
