"""Adapters of the real packages, imported only by the tasks that use them."""
