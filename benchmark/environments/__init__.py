"""Batched environments: native simulators and adapters of the real packages, behind one contract."""
