"""Worker processes that step blocks of rows in shared memory; independent of environments.

Why not a library: gymnasium's AsyncVectorEnv takes single-agent environments only, and the vectorisers of other packages
restart ended rows by themselves, where here they freeze.
The memory has no name (an unlinked file, mapped by all): the system frees it with the last process, however that ends.
Processes are spawned, not forked: forking a process that has threads (numba, torch) can hang.
"""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Callable
from itertools import pairwise
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from algorithms.plugins import UserError

_SPAWN = multiprocessing.get_context("spawn")
_ALIGNMENT = 64
_PATIENCE_S = 5.0


class WorkerFailed(RuntimeError):
    """A worker died or raised. The message names the worker, its rows and, if known, the reason."""


class Block(Protocol):
    """The object in a worker, whose methods without arguments are the commands."""

    def close(self) -> None: ...


class Memory:
    """Shared arrays with the shapes and types of `arrays`, zero at first. Can be sent to spawned workers."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._layout: dict[str, tuple[int, tuple[int, ...], str]] = {}
        size = 0
        for name, array in arrays.items():
            self._layout[name] = (size, array.shape, array.dtype.str)
            size += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
        self._bytes = _SPAWN.RawArray("c", max(size, 1))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays, all on the one memory."""
        return {
            name: np.ndarray(shape, dtype, buffer=self._bytes, offset=offset)
            for name, (offset, shape, dtype) in self._layout.items()
        }


Build = Callable[[Any, dict[str, NDArray[Any]], int, int], Block]
"""build(recipe, arrays, first, last): the block of rows first..last-1, made inside the worker."""


class Workers:
    """`workers` processes, never more than rows; each holds the block of its share of the rows.

    Returns when all blocks are built. Raises WorkerFailed; no process is left then.
    """

    def __init__(self, build: Build, recipe: Any, memory: Memory, rows: int, workers: int) -> None:
        workers = min(workers, rows)
        bounds = [rows * k // workers for k in range(workers + 1)]
        self._ranges = list(pairwise(bounds))
        self._processes: list[BaseProcess] = []
        self._connections: list[Connection] = []
        try:
            for first, last in self._ranges:
                ours, theirs = _SPAWN.Pipe()
                process = _SPAWN.Process(target=_work, args=(theirs, build, recipe, memory, first, last), daemon=True)
                self._connections.append(ours)
                process.start()
                self._processes.append(process)
                theirs.close()  # so that reading ends when the worker does
            self._gather()
        except BaseException:
            self.close()
            raise

    def do(self, command: str) -> None:
        """Runs the method `command` of every block; returns when all are done. Raises WorkerFailed."""
        for k, connection in enumerate(self._connections):
            try:
                connection.send(command)
            except OSError as error:
                raise self._failure(k) from error
        self._gather()

    def _gather(self) -> None:
        """Waits for one answer of every worker: None, or what went wrong: a traceback, or a UserError, which is raised here."""
        for k, connection in enumerate(self._connections):
            try:
                trouble = connection.recv()
            except (EOFError, OSError) as error:
                raise self._failure(k) from error
            if isinstance(trouble, UserError):
                raise trouble
            if trouble is not None:
                raise WorkerFailed(f"{self._name(k)} failed:\n{trouble}")

    def _name(self, k: int) -> str:
        first, last = self._ranges[k]
        return f"Worker {k} (rows {first} to {last - 1})"

    def _failure(self, k: int) -> WorkerFailed:
        process = self._processes[k]
        process.join(_PATIENCE_S)
        return WorkerFailed(f"{self._name(k)} died with exit code {process.exitcode}; its episodes are lost")

    def close(self) -> None:
        """Ends all workers: closes their connections, then kills those that remain. Safe to call twice."""
        for connection in self._connections:
            connection.close()  # a worker that reads from it now leaves by itself
        for process in self._processes:
            process.join(_PATIENCE_S)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()
        self._connections.clear()
        self._processes.clear()


def _work(connection: Connection, build: Build, recipe: Any, memory: Memory, first: int, last: int) -> None:
    """The main function of a worker: builds its block, then runs commands until the connection is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the trainer handles interrupts from the keyboard
    block: Block | None = None
    command: str | None = None
    while True:
        trouble: str | UserError | None = None
        try:
            if block is None:
                block = build(recipe, memory.arrays(), first, last)
            elif command is not None:
                getattr(block, command)()
        except UserError as error:
            trouble = error
        except Exception:
            trouble = traceback.format_exc()
        try:
            connection.send(trouble)
            command = connection.recv()
        except (EOFError, OSError):
            break
    if block is not None:
        block.close()
