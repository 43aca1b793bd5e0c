"""Checkpoints of a run: one file with everything that the rest of the run depends on, written between updates.

A file is a torch archive (read with `weights_only`, which executes no code) followed by its SHA-256. It is written
atomically, and the one before is kept: a corrupt file costs the work since the one before. A lock admits one writer.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

import torch
from filelock import FileLock, Timeout

from benchmark.experiments.atomic_write import atomic_file, remove_leftovers

FORMAT = 2
NAME = "checkpoint.pt"
PREVIOUS = "checkpoint.previous.pt"
_DIGEST_BYTES = hashlib.sha256().digest_size


class RefusedCheckpoint(RuntimeError):
    """An intact checkpoint that must not be continued here. The message gives the reason and the remedy."""


class Checkpoints:
    """The checkpoint folder of one run.

    `conditions`: by name, what else decides the bits of the outcome (versions, threads, device); must be equal on resuming.
    `say`: prints a message to the user.
    """

    def __init__(self, folder: Path, fingerprint: str, conditions: dict[str, Any], say: Callable[[str], None]) -> None:
        self._folder = folder
        self._fingerprint = fingerprint
        self._conditions = conditions
        self._say = say
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / "lock")
        self._verified = False

    def acquire(self, give_up: Callable[[], bool]) -> None:
        """Waits until no other process trains this run, with one message. Returns without the lock once `give_up()`."""
        waiting = False
        while not give_up():
            try:
                self._lock.acquire(timeout=0)
                break
            except Timeout:
                if not waiting:
                    self._say(f"another process is training this run (it holds {self._folder / 'lock'}); waiting for it")
                waiting = True
                time.sleep(0.2)

    def release(self) -> None:
        """Releases the lock."""
        self._lock.release()

    def save(self, state: dict[str, Any], *, finished: bool = False) -> None:
        """Writes a checkpoint and keeps the one before as the previous one. Raises OSError, with both unchanged."""
        content = {
            "format": FORMAT,
            "fingerprint": self._fingerprint,
            "conditions": self._conditions,
            "finished": finished,
            "state": state,
        }
        with atomic_file(self._folder / NAME, previous=self._folder / PREVIOUS) as file:
            writer = _HashingWriter(file)
            torch.save(content, cast(IO[bytes], writer))
            file.write(writer.digest())
            if not self._verified:
                file.flush()
                self._verify(Path(file.name))
        if finished:
            (self._folder / PREVIOUS).unlink(missing_ok=True)

    def _verify(self, path: Path) -> None:
        """Reads the first checkpoint back: a method whose state cannot be read fails now instead of after a kill."""
        try:
            _read(path)
        except _Unreadable as error:
            raise TypeError(f"state_dict gave more than tensors, numbers, strings, lists and dictionaries: {error}") from error
        self._verified = True

    def load(self) -> dict[str, Any] | None:
        """The state of the newest intact checkpoint. None to start from scratch, with a message if there were damaged ones.

        Raises RefusedCheckpoint for an intact one of another run, format or (unless the run is finished) other conditions.
        """
        remove_leftovers(self._folder / NAME)
        damaged = False
        for name in (NAME, PREVIOUS):
            path = self._folder / name
            if not path.exists():
                continue
            try:
                content = _read(path)
            except _Damaged as error:
                damaged = True
                self._say(f"{path} is damaged ({error})")
                continue
            except _Unreadable as error:
                raise RefusedCheckpoint(f"{path} is whole but cannot be read: {error}") from error
            self._check(path, content)
            if name == PREVIOUS:
                self._say(f"continuing from {path}, the checkpoint before")
            state: dict[str, Any] = content["state"]
            return state
        if damaged:
            self._say("no intact checkpoint is left: starting from scratch")
        return None

    def _check(self, path: Path, content: dict[str, Any]) -> None:
        advice = f"Delete {self._folder} to train from scratch"
        if content["format"] != FORMAT:
            raise RefusedCheckpoint(f"{path} is of checkpoint format {content['format']}, here it is {FORMAT}. {advice}.")
        if content["fingerprint"] != self._fingerprint:
            raise RefusedCheckpoint(
                f"{path} belongs to the run {content['fingerprint'][:12]}, not to {self._fingerprint[:12]}. {advice}."
            )
        if content["finished"]:
            return
        then, now = content["conditions"], self._conditions
        differing = [f"{name} {then.get(name)} (now {now.get(name)})" for name in now if then.get(name) != now[name]]
        if differing:
            raise RefusedCheckpoint(
                f"{path} was taken with {', '.join(differing)}: the result would not be that of an uninterrupted run. "
                f"{advice}, or continue under the former conditions."
            )


class _Damaged(ValueError):
    """A file whose checksum is wrong."""


class _Unreadable(ValueError):
    """An intact file that torch refuses to read as plain data."""


class _HashingWriter:
    """Writes to a file and hashes what it writes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, content: bytes) -> int:
        self._hash.update(content)
        return self._file.write(content)

    def flush(self) -> None:
        self._file.flush()

    def digest(self) -> bytes:
        return self._hash.digest()


def _read(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    archive = memoryview(content)[:-_DIGEST_BYTES]
    if hashlib.sha256(archive).digest() != content[-_DIGEST_BYTES:]:
        raise _Damaged("its checksum does not fit")
    try:
        loaded: dict[str, Any] = torch.load(io.BytesIO(archive), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise _Unreadable(str(error)) from error
    return loaded
