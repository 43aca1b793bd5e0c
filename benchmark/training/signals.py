"""SIGINT and SIGTERM as a request to stop at the next boundary between updates, instead of an immediate end."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(SystemExit):
    """Leaves the process with code 128 + signal. The checkpoint has been taken; no record has been written."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


class StopRequest:
    """A context in which SIGINT and SIGTERM only set `signal`. Does nothing outside the main thread."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._request) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.signal = number

    @property
    def requested(self) -> bool:
        """Whether a stop has been requested."""
        return self.signal is not None

    def raise_if_requested(self) -> None:
        """Raises Interrupted if a stop has been requested."""
        if self.signal is not None:
            raise Interrupted(self.signal)
