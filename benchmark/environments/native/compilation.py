"""Numba's compiler with a cache that is invalidated by every edit of a native simulator.

Numba's own cache checks the file of the cached function alone: a kernel would keep calling an old version of a kernel in
another file. So the name of the cache folder is a hash of all sources of the native simulators. Kernels import `njit` from
here, never from numba.

The cache lies in the folder that NUMBA_CACHE_DIR names, else beside the sources, else in the user's cache folder, else in a
temporary folder: the first of them that can be written.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from numba import config, njit

from algorithms.plugins import UserError, warn

__all__ = ["njit"]

_SOURCES = Path(__file__).parent


def sources_digest(folder: Path) -> str:
    """Sixteen hexadecimal digits over the names and contents of all Python files below the folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def cache_folder(sources: Path) -> Path:
    """The folder for compiled kernels, which can be written. A line on stderr says so where it is a temporary one.

    Raises UserError where not even that can be written.
    """
    given = os.environ.get("NUMBA_CACHE_DIR")
    name = f"numba-{sources_digest(sources)}"
    permanent = [*([Path(given) / name] if given else []), sources / "__pycache__" / name]
    permanent += [folder / name for folder in _user_caches()]
    for folder in permanent:
        if _can_be_written(folder):
            return folder
    temporary = _temporary_folder() / name
    tried = ", ".join(map(str, permanent))
    warn(f"compiled kernels are kept in {temporary}: none of {tried} can be written; NUMBA_CACHE_DIR can name another folder")
    return temporary


def _user_caches() -> list[Path]:
    """The user's cache folder; none where the user has no home."""
    given = os.environ.get("XDG_CACHE_HOME")
    if given:
        return [Path(given) / "creditbench"]
    try:
        return [Path.home() / ".cache" / "creditbench"]
    except RuntimeError:
        return []


def _can_be_written(folder: Path) -> bool:
    """Whether a file can be made there; permissions alone do not tell (an administrator, a file system that is read-only)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _temporary_folder() -> Path:
    """A folder that only this user can write, the same for all processes: what lies in it is executed."""
    try:
        shared = Path(tempfile.gettempdir()) / f"creditbench-{os.getuid()}"
    except OSError as error:
        raise UserError(f"no folder can be written for compiled kernels: {error.strerror}; TMPDIR can name one") from error
    try:
        shared.mkdir(mode=0o700, exist_ok=True)
        state = shared.lstat()
        if (
            stat.S_ISDIR(state.st_mode)
            and state.st_uid == os.getuid()
            and not state.st_mode & 0o022
            and _can_be_written(shared)
        ):
            return shared
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="creditbench-"))


config.CACHE_DIR = str(cache_folder(_SOURCES))  # type: ignore[attr-defined]
