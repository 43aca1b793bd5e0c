"""Processor time and peak torch memory of a call.

Times are processor time of this process, not wall-clock time. Other processes are not counted; they can still slow it down
through shared caches and the clock rate.
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
"""Silences the start and stop messages of torch's profiler on standard error."""


def processor_seconds(
    call: Callable[[], object],
    least: int,
    most: int = 0,
    enough: float = 0.0,
    before: Callable[[], object] = lambda: None,
) -> list[float]:
    """Processor seconds of each of `least` calls, then of further ones, up to `most`, until their sum reaches `enough`.

    `before` runs before each call and is not counted.
    """
    seconds: list[float] = []
    while len(seconds) < least or (len(seconds) < most and sum(seconds) < enough):
        before()
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return seconds


def peak_bytes(call: Callable[[], object], before: Callable[[], object] = lambda: None) -> int:
    """Peak bytes that torch allocated during one call, beyond what was allocated before it."""
    before()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = [event for event in json.loads(trace.read_text())["traceEvents"] if event["name"] == "[memory]"]
    changes = [event["args"]["Bytes"] for event in sorted(events, key=lambda event: event["ts"])]
    return int(max(np.cumsum([0, *changes])))
