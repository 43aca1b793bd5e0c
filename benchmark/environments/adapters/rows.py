"""Packages with one episode per instance as a `BatchedEnvironment`: stepped row by row, here or in worker processes.

An adapter implements `RowSimulator` (one instance, one row) and passes a picklable recipe of it to `RowEnvironment`, which
does the rest: validation of actions, time limit, freezing, distribution over workers. The same code computes a row in every
process, so results do not depend on the number of workers.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from algorithms.team import TeamShape
from benchmark.environments.adapters.workers import Memory, Workers
from benchmark.environments.checks import BrokenGame, named
from benchmark.environments.interface import BatchedEnvironment, UnavailableAction

Ending = Literal["terminated", "truncated"]


@dataclass(frozen=True)
class Row:
    """One row of the public arrays, for a simulator to write: observation [N, O], state [S], available [N, A], alive [N],
    individual_reward [N]. All but `available` are zero before a reset, rewards are zero before each step."""

    observation: NDArray[np.float32]
    state: NDArray[np.float32]
    available: NDArray[np.bool_]
    alive: NDArray[np.bool_]
    individual_reward: NDArray[np.float64]


class RowSimulator(ABC):
    """One instance of a package. `team` is the same for all instances of one recipe.

    `reset` and `step` raise BrokenGame for what the package cannot mean; `RowBlock` adds row and step, `RowEnvironment`
    the task.
    """

    team: TeamShape

    @abstractmethod
    def reset(self, seed: int, row: Row) -> None:
        """Starts the episode of `seed` (0..2^32-1); writes observations, state, living agents and available actions."""

    @abstractmethod
    def step(self, actions: list[int], row: Row) -> tuple[float, Ending | None]:
        """Takes the joint action [N]; writes as `reset` does, and rewards. Returns the team reward and the ending, if any."""

    @abstractmethod
    def success(self) -> bool:
        """Whether the episode that has just ended was a success."""

    @abstractmethod
    def close(self) -> None:
        """Frees the instance."""


Recipe = Callable[[], RowSimulator]


class RowBlock:
    """The simulators of consecutive rows, in the process that steps them."""

    def __init__(self, simulators: list[RowSimulator], arrays: dict[str, NDArray[Any]], first: int) -> None:
        self.simulators = simulators
        self._arrays = arrays
        self._first = first
        self._rows = [
            Row(*(arrays[name][row] for name in Row.__dataclass_fields__)) for row in range(first, first + len(simulators))
        ]
        self._steps = [0] * len(simulators)

    def reset(self) -> None:
        """Starts an episode in every running row. The arrays are cleared before."""
        for k, simulator in enumerate(self.simulators):
            if self._arrays["running"][self._first + k]:
                self._steps[k] = 0
                # Packages that seed numpy's old generator take 32 bits and no more.
                seed = int(self._arrays["seeds"][self._first + k]) & 0xFFFFFFFF
                with self._place(k):
                    simulator.reset(seed, self._rows[k])

    def step(self) -> None:
        """Steps every running row. Rewards are cleared before."""
        arrays = self._arrays
        for k, simulator in enumerate(self.simulators):
            row = self._first + k
            if not arrays["running"][row]:
                continue
            self._steps[k] += 1
            horizon = simulator.team.horizon
            with self._place(k):
                reward, ending = simulator.step(arrays["actions"][row].tolist(), self._rows[k])
                if ending == "truncated" and self._steps[k] < horizon:
                    raise BrokenGame(f"the package cut an episode after {self._steps[k]} steps, but the horizon is {horizon}")
            arrays["team_reward"][row] = reward
            if ending is None and self._steps[k] >= horizon:
                ending = "truncated"
            if ending is not None:
                arrays[ending][row] = True
                arrays["success"][row] = simulator.success()
                arrays["running"][row] = False
                arrays["available"][row] = False
                arrays["available"][row, :, 0] = True

    @contextlib.contextmanager
    def _place(self, k: int) -> Iterator[None]:
        """Adds row and step (0: the reset) to a BrokenGame."""
        try:
            yield
        except BrokenGame as error:
            raise BrokenGame(f"row {self._first + k}, step {self._steps[k]}: {error}") from None

    def close(self) -> None:
        for simulator in self.simulators:
            simulator.close()


def build_block(recipe: Recipe, arrays: dict[str, NDArray[Any]], first: int, last: int) -> RowBlock:
    """Fresh simulators for rows first..last-1; called inside the workers."""
    return RowBlock([recipe() for _ in range(first, last)], arrays, first)


class RowEnvironment(BatchedEnvironment):
    """B instances of a package; rows are spread evenly over `workers` processes (0: stepped in this process).

    `recipe`: builds one simulator; picklable if there are workers. `individual_sums_to_team`, `deterministic`: as declared
    by the adapter. Raises ValueError for a batch size below 1 and a negative number of workers.
    """

    backend = "reference"

    def __init__(
        self,
        batch_size: int,
        recipe: Recipe,
        *,
        workers: int = 0,
        individual_sums_to_team: bool = True,
        deterministic: bool = True,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if workers < 0:
            raise ValueError(f"workers must be 0 or more, got {workers}")
        self.individual_sums_to_team = individual_sums_to_team
        self.deterministic = deterministic
        probe = recipe()
        self.allocate(batch_size, probe.team)
        arrays: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in self.PUBLIC}
        arrays["actions"] = np.zeros((batch_size, probe.team.n_agents), np.int64)
        arrays["seeds"] = np.zeros(batch_size, np.uint64)
        self._workers: Workers | None = None
        self.block: RowBlock | None = None
        """The simulators, if there are no workers."""
        if workers == 0:
            self.block = RowBlock([probe] + [recipe() for _ in range(batch_size - 1)], arrays, 0)
        else:
            probe.close()
            memory = Memory(arrays)
            arrays = memory.arrays()
            for name in self.PUBLIC:
                setattr(self, name, arrays[name])
            self._workers = Workers(build_block, recipe, memory, batch_size, workers)
        self._arrays = arrays
        self._closed = False

    def reset(self, seeds: NDArray[np.uint64]) -> None:
        seeds = np.ascontiguousarray(seeds, np.uint64)
        count = len(seeds)
        if not 1 <= count <= self.batch_size:
            raise ValueError(f"reset takes 1 to {self.batch_size} seeds, got {count}")
        for name in self.PUBLIC:
            getattr(self, name)[:] = 0
        self.available[:, :, 0] = True
        self.running[:count] = True
        self._arrays["seeds"][:count] = seeds
        self._do("reset")

    def step(self, actions: NDArray[np.int64]) -> None:
        actions = np.ascontiguousarray(actions, np.int64)
        if actions.shape != self.available.shape[:2]:
            raise ValueError(f"actions must have shape {self.available.shape[:2]}, got {actions.shape}")
        validate_available(actions, self.available)
        self.team_reward[:] = 0
        self.individual_reward[:] = 0
        self._arrays["actions"][:] = actions
        self._do("step")

    def _do(self, command: str) -> None:
        if self._closed:
            raise RuntimeError("this environment is closed")
        try:
            if self._workers is None:
                getattr(self.block, command)()
            else:
                self._workers.do(command)
        except BrokenGame as error:
            self.close()
            raise BrokenGame(f"{named(self)}: {error}") from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._workers is not None:
            self._workers.close()
        elif self.block is not None:
            self.block.close()


def validate_available(actions: NDArray[np.int64], available: NDArray[np.bool_]) -> None:
    """Raises UnavailableAction for the first of actions [B, N] that available [B, N, A] does not allow."""
    inside = (actions >= 0) & (actions < available.shape[2])
    allowed = inside & np.take_along_axis(available, np.where(inside, actions, 0)[:, :, None], axis=2)[:, :, 0]
    for row, agent in np.argwhere(~allowed)[:1]:
        choices = np.flatnonzero(available[row, agent]).tolist()
        raise UnavailableAction(f"row {row}, agent {agent}: action {actions[row, agent]} is not available; allowed: {choices}")
