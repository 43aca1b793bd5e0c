"""The base of all native simulators: validation of seeds and actions, forking, re-keying, fingerprints.

A simulator subclasses `NativeEnvironment`, allocates every array of its private state with `simulation_array` (first
dimension B) and implements `_reset_rows(count)` and `_step_rows(actions)`. If all its random numbers come from
`self.streams[row]` (see random.py), then fork, copy_rows, rekey and fingerprint are correct by construction.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from algorithms.team import TeamShape
from benchmark.environments.interface import BatchedEnvironment, UnavailableAction
from benchmark.environments.native.compilation import njit
from benchmark.environments.native.random import seed_stream


class NativeEnvironment(BatchedEnvironment):
    """Base of the native simulators.

    `parameters`: the keyword arguments that build an equal simulator of another batch size.
    """

    backend = "native"
    deterministic = True

    def __init__(self, batch_size: int, team: TeamShape, parameters: dict[str, Any]) -> None:
        self.allocate(batch_size, team)
        self._parameters = parameters
        self._simulation: dict[str, NDArray[Any]] = {}
        self.streams = self.simulation_array("streams", (2,), np.uint64)
        self.steps = self.simulation_array("steps", (), np.int32)

    def simulation_array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Allocates and returns an array of zeros [B, *shape] that is part of the simulation's state."""
        array = np.zeros((self.batch_size, *shape), dtype)
        self._simulation[name] = array
        return array

    @abstractmethod
    def _reset_rows(self, count: int) -> None:
        """Starts rows 0..count-1 and fills the public arrays. Their streams are seeded and their step counters are 0."""

    @abstractmethod
    def _step_rows(self, actions: NDArray[np.int64]) -> None:
        """Advances every running row by valid actions [B, N]; clears the rewards of rows that are frozen."""

    def reset(self, seeds: NDArray[np.uint64]) -> None:
        seeds = np.ascontiguousarray(seeds, np.uint64)
        count = len(seeds)
        if not 1 <= count <= self.batch_size:
            raise ValueError(f"reset takes 1 to {self.batch_size} seeds, got {count}")
        self.available[:] = False
        self.available[:, :, 0] = True
        self.running[:] = False
        for array in (self.terminated, self.truncated, self.success, self.team_reward, self.individual_reward):
            array[:] = 0
        self.steps[:] = 0
        self.alive[:] = False
        self.observation[count:] = 0
        self.state[count:] = 0
        _seed_rows(self.streams, seeds)
        self.running[:count] = True
        self._reset_rows(count)

    def step(self, actions: NDArray[np.int64]) -> None:
        actions = np.ascontiguousarray(actions, np.int64)
        if actions.shape != (self.batch_size, self.team.n_agents):
            raise ValueError(f"actions must have shape {(self.batch_size, self.team.n_agents)}, got {actions.shape}")
        index = _first_unavailable(actions, self.available)
        if index >= 0:
            self._raise_unavailable(*divmod(int(index), self.team.n_agents), actions)
        self._step_rows(actions)

    def _begin_step(self) -> None:
        """Clears all rewards and counts the step of every running row, for simulators whose kernels do neither."""
        self.team_reward[:] = 0
        self.individual_reward[:] = 0
        self.steps += self.running

    def _end_step(self) -> None:
        """Truncates episodes at the horizon and freezes rows that have ended; the counterpart of `_begin_step`."""
        _freeze_ended(self.team.horizon, self.steps, self.running, self.terminated, self.truncated, self.available)

    def _raise_unavailable(self, row: int, agent: int, actions: NDArray[np.int64]) -> None:
        allowed = np.flatnonzero(self.available[row, agent]).tolist()
        raise UnavailableAction(f"row {row}, agent {agent}: action {actions[row, agent]} is not available; allowed: {allowed}")

    def _arrays(self) -> list[NDArray[Any]]:
        """All arrays of the rows' state, public and private, in a fixed order."""
        return [getattr(self, name) for name in self.PUBLIC] + list(self._simulation.values())

    def fork(self, rows: NDArray[np.int64]) -> Self:
        rows = np.asarray(rows, np.int64)
        if rows.ndim != 1 or len(rows) == 0:
            raise ValueError(self._no_such_rows())
        copy = type(self)(batch_size=len(rows), **self._parameters)
        copy.copy_rows(self, rows)
        return copy

    def copy_rows(self, source: Self, rows: NDArray[np.int64]) -> None:
        rows = np.asarray(rows, np.int64)
        if rows.ndim != 1 or len(rows) == 0 or rows.min() < 0 or rows.max() >= source.batch_size:
            raise ValueError(source._no_such_rows())
        if len(rows) > self.batch_size:
            raise ValueError(f"{len(rows)} rows do not fit into {self.batch_size}")
        if source is self or type(source) is not type(self) or source._parameters != self._parameters:
            raise ValueError("rows can only be copied from another simulator of the same game")
        count = len(rows)
        for target, values in zip(self._arrays(), source._arrays(), strict=True):
            np.take(values, rows, axis=0, out=target[:count], mode="clip")  # "clip" writes into `out` at once
        self.alive[count:] = False
        self.running[count:] = False
        self.available[count:] = False
        self.available[count:, :, 0] = True

    def _no_such_rows(self) -> str:
        return f"rows must be a non-empty list of numbers in 0..{self.batch_size - 1}"

    def rekey(self, keys: NDArray[np.uint64]) -> None:
        keys = np.ascontiguousarray(keys, np.uint64)
        if keys.shape != (self.batch_size,):
            raise ValueError(f"keys must have shape {(self.batch_size,)}, got {keys.shape}")
        _seed_rows(self.streams, keys)

    def fingerprint(self) -> NDArray[np.uint64]:
        hashes = np.zeros(self.batch_size, np.uint64)
        arrays = self._arrays()
        for row in range(self.batch_size):
            digest = hashlib.blake2b(digest_size=8)
            for array in arrays:
                digest.update(np.ascontiguousarray(array[row]).tobytes())
            hashes[row] = int.from_bytes(digest.digest(), "little")
        return hashes

    def bytes_per_row(self) -> int:
        """Bytes of one episode: public arrays and simulation state."""
        return sum(array.nbytes for array in self._arrays()) // self.batch_size


@njit(cache=True)
def _freeze_ended(horizon, steps, running, terminated, truncated, available):
    for row in range(len(running)):
        if not running[row]:
            continue
        truncated[row] = not terminated[row] and steps[row] >= horizon
        if terminated[row] or truncated[row]:
            running[row] = False
            available[row] = False
            available[row, :, 0] = True


@njit(cache=True)
def _seed_rows(streams, seeds):
    for row in range(len(seeds)):
        seed_stream(streams[row], seeds[row])


@njit(cache=True)
def _first_unavailable(actions, available):
    """Index row * N + agent of the first action that is not available, -1 if there is none."""
    rows, agents, size = available.shape
    for row in range(rows):
        for agent in range(agents):
            action = actions[row, agent]
            if action < 0 or action >= size or not available[row, agent, action]:
                return row * agents + agent
    return -1
