"""The contract of every environment: B independent episodes stepped at once through shared arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from algorithms.team import TeamShape
from benchmark.environments.scene import Scene

Backend = Literal["native", "reference"]


class UnavailableAction(ValueError):
    """An action outside 0..A-1, or one that its agent could not take now. The message names row, agent, action, allowed."""


class BatchedEnvironment(ABC):
    """Steps B independent episodes; results lie in preallocated arrays that `torch.from_numpy` may share.

    A caller that keeps values across steps copies them: the arrays are overwritten in place.
    Each row depends only on its own seed and actions, never on B or on its neighbours.

    After `reset` and `step`:
        observation [B, N, O] float32   padded with zeros
        state [B, S] float32
        available [B, N, A] bool        what each agent can do next
        alive [B, N] bool
        running [B] bool                the episode goes on
    After `step` also (all zero / false after `reset`):
        team_reward [B] float64
        individual_reward [B, N] float64  (`individual_sums_to_team` says whether the two agree)
        terminated [B] bool             ended truly
        truncated [B] bool              ended by the time limit alone, also where the package merges the two
        success [B] bool                as the task defines it; false while running

    An episode that has ended is frozen: observation and state keep the final values, terminated, truncated and success
    stay, rewards are 0, and it costs nothing. In frozen, dead and padded places action 0 is the one available;
    a caller must send it there.
    Identities and last actions are appended by algorithms, never here.

    Constants of the game, which are no part of any row:
        substate [N, O] bool            where an observation is not about another agent: itself, food, doors, enemies …
                                        (all true unless the simulator says more; adapters of packages do not)
    """

    team: TeamShape
    batch_size: int
    backend: Backend
    individual_sums_to_team: bool
    deterministic: bool
    """Whether the same seeds and actions always give the same episodes, bit for bit."""
    reach: float | None = None
    """The distance along both axes added up (in units of `places`) beyond which agents are never near; None: no limit."""

    substate: NDArray[np.bool_]
    observation: NDArray[np.float32]
    state: NDArray[np.float32]
    available: NDArray[np.bool_]
    alive: NDArray[np.bool_]
    running: NDArray[np.bool_]
    team_reward: NDArray[np.float64]
    individual_reward: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    success: NDArray[np.bool_]

    def allocate(self, batch_size: int, team: TeamShape) -> None:
        """Creates the public arrays; every row starts frozen (no episode)."""
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        n, o, a, s = team.n_agents, team.observation_size, team.action_size, team.state_size
        self.team = team
        self.batch_size = batch_size
        self.substate = np.ones((n, o), np.bool_)
        self.observation = np.zeros((batch_size, n, o), np.float32)
        self.state = np.zeros((batch_size, s), np.float32)
        self.available = np.zeros((batch_size, n, a), np.bool_)
        self.available[:, :, 0] = True
        self.alive = np.zeros((batch_size, n), np.bool_)
        self.running = np.zeros(batch_size, np.bool_)
        self.team_reward = np.zeros(batch_size, np.float64)
        self.individual_reward = np.zeros((batch_size, n), np.float64)
        self.terminated = np.zeros(batch_size, np.bool_)
        self.truncated = np.zeros(batch_size, np.bool_)
        self.success = np.zeros(batch_size, np.bool_)

    PUBLIC = (
        "observation",
        "state",
        "available",
        "alive",
        "running",
        "team_reward",
        "individual_reward",
        "terminated",
        "truncated",
        "success",
    )

    @abstractmethod
    def reset(self, seeds: NDArray[np.uint64]) -> None:
        """Starts one new episode per seed, in rows 0..len(seeds)-1; further rows are left frozen.

        Raises ValueError if there are more seeds than rows, or none.
        """

    @abstractmethod
    def step(self, actions: NDArray[np.int64]) -> None:
        """Advances every running row by actions [B, N]. Raises UnavailableAction; nothing has moved then."""

    def fork(self, rows: NDArray[np.int64]) -> Self:
        """A new environment whose row k is a whole copy of row rows[k], random state included; repeats allowed."""
        raise NotForkable(f"{type(self).__name__} cannot copy simulator states; use the task's native backend")

    def copy_rows(self, source: Self, rows: NDArray[np.int64]) -> None:
        """Makes row k a whole copy of row rows[k] of `source`, as in `fork` but without a new environment; further rows are
        left frozen, and what they show means nothing.

        Raises ValueError for rows that do not exist, more than there is room for, and a source that simulates another game.
        """
        raise NotForkable(f"{type(self).__name__} cannot copy simulator states; use the task's native backend")

    def rekey(self, keys: NDArray[np.uint64]) -> None:
        """Replaces the random stream of every row by the one of keys [B]; nothing else changes."""
        raise NotForkable(f"{type(self).__name__} cannot replace its random streams; use the task's native backend")

    def fingerprint(self) -> NDArray[np.uint64]:
        """[B] a hash of each row's complete state, random state included: equal rows behave equally ever after."""
        raise NotForkable(f"{type(self).__name__} cannot see its complete state; use the task's native backend")

    def agent_positions(self) -> NDArray[np.float64]:
        """[B, N, 2] where each agent stands, dead ones where they fell, in the units of the game; a copy.

        Raises NoPlaces in a game without space, and where the simulator does not say.
        """
        raise NoPlaces(f"{type(self).__name__} does not say where agents stand")

    def scene(self, row: int) -> Scene:
        """What the row looks like now, for people. Raises NothingToShow where nobody has drawn it."""
        raise NothingToShow(f"{type(self).__name__} has nothing to show; use the task's native backend")

    def close(self) -> None:  # noqa: B027 - most simulators hold nothing to free
        """Ends worker processes and frees what the environment holds. Safe to call twice."""


class NothingToShow(RuntimeError):
    """This environment has no picture of itself."""


class NoPlaces(RuntimeError):
    """The agents of this environment stand nowhere, or nobody can see where."""


class NotForkable(RuntimeError):
    """This environment wraps a package whose state cannot be copied."""
