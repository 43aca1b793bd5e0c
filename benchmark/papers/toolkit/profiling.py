"""What the studies of cost measure with: the processor's time, and the peak of torch's memory.

The time that the processor spends on this process, not the time that passes: other work on the machine takes away caches and
clock rate, but is not counted itself.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch.profiler import ProfilerActivity, profile

MEBIBYTE = 2**20
os.environ.setdefault("KINETO_LOG_LEVEL", "99")
"""Keeps torch's profiler from writing every start and stop to standard error."""


def readings(
    call: Callable[[], object],
    least: int,
    most: int = 0,
    enough: float = 0.0,
    before: Callable[[], object] = lambda: None,
) -> list[float]:
    """Seconds of each of `least` calls, and of more, up to `most`, until all together have taken `enough`.

    Each call comes after `before`, which is not counted.
    """
    taken: list[float] = []
    while len(taken) < least or (len(taken) < most and sum(taken) < enough):
        before()
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return taken


def peak_bytes(call: Callable[[], object], before: Callable[[], object] = lambda: None) -> int:
    """The most memory that torch held during one call beyond what it held before."""
    before()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = [event for event in json.loads(trace.read_text())["traceEvents"] if event["name"] == "[memory]"]
    changes = [event["args"]["Bytes"] for event in sorted(events, key=lambda event: event["ts"])]
    return int(max(np.cumsum([0, *changes])))
