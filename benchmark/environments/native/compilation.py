"""Numba's compiler with a cache that is invalidated by every edit of a native simulator.

Numba's own cache checks the file of the cached function alone: a kernel would keep calling an old version of a kernel in
another file. So the name of the cache folder is a hash of all sources of the native simulators. Kernels import `njit` from
here, never from numba.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from numba import config, njit

__all__ = ["njit"]

_SOURCES = Path(__file__).parent


def sources_digest(folder: Path) -> str:
    """Sixteen hexadecimal digits over the names and contents of all Python files below the folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


# A NUMBA_CACHE_DIR set by the user has priority; in a read-only installation numba chooses a folder itself.
if "NUMBA_CACHE_DIR" not in os.environ and os.access(_SOURCES, os.W_OK):
    _FOLDER = _SOURCES / "__pycache__" / f"numba-{sources_digest(_SOURCES)}"
    config.CACHE_DIR = str(_FOLDER)  # type: ignore[attr-defined]
