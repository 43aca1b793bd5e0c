"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Writes to a temporary file beside `path`, then renames: the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unwritten(error, path) from error
        raise


def unwritten(error: OSError, path: Path) -> OSError:
    """The error of an atomic write that failed (a full disk, say), with the file and what became of it."""
    return type(error)(error.errno, f"{error.strerror}; it was not written, what was there before is whole", str(path))


def remove_leftovers(path: Path) -> None:
    """Removes what killed writers of `path` left beside it. Nobody else may be writing it now."""
    for leftover in path.parent.glob(f".{path.name}.*"):
        leftover.unlink(missing_ok=True)
