"""Atomic writes: a file exists complete or not at all, whenever the process is killed or the disk is full."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def atomic_file(path: Path, previous: Path | None = None) -> Iterator[IO[bytes]]:
    """A temporary file beside `path`, renamed to it when the block ends; removed, with `path` unchanged, where it raises.

    `previous`: the name that the file before is kept under. Raises OSError that names `path`, for a full disk, say.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            if previous is not None and path.exists():
                os.replace(path, previous)
            os.replace(file.name, path)
        except BaseException as error:
            Path(file.name).unlink(missing_ok=True)
            if isinstance(error, OSError):
                problem = f"{error.strerror}; it was not written, what was there before is whole"
                raise type(error)(error.errno, problem, str(path)) from error
            raise


def write_atomically(path: Path, content: bytes) -> None:
    """Writes the whole file. Raises OSError, with what was there before unchanged."""
    with atomic_file(path) as file:
        file.write(content)


def remove_leftovers(path: Path) -> None:
    """Removes the temporary files of killed writers of `path`. No other process may be writing it."""
    for leftover in path.parent.glob(f".{path.name}.*"):
        leftover.unlink(missing_ok=True)
