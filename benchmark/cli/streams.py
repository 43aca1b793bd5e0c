"""Standard output and standard error that are closed, full, or of few characters."""

from __future__ import annotations

import io
import os
import sys

from benchmark.experiments.record import printable
from benchmark.training.progress import silence_stdout

LONGEST_LINE = 1000
"""Characters of an error message, whose middle is left out beyond."""


def prepare_streams() -> None:
    """A stream that is closed takes everything and shows nothing; a character that the encoding does not have becomes "?"."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - until the process ends
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def print_error(message: str) -> None:
    """On stderr; what a user gave may have any characters and any length."""
    for line in f"creditbench: {message}".split("\n"):
        shown = line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE // 2]} … {line[-LONGEST_LINE // 2 :]}"
        print(printable(shown, 2 * LONGEST_LINE), file=sys.stderr)


def flush_stdout() -> None:
    """Writes what is buffered. Raises OSError, and shows nothing more then: Python would try again when it ends."""
    try:
        sys.stdout.flush()
    except OSError as error:
        silence_stdout()
        if isinstance(error, BrokenPipeError):
            raise
        raise OSError(error.errno, error.strerror, "standard output") from error
