"""The contract of every environment: B independent episodes of one team, stepped at once in shared arrays.

Shapes: B rows (episodes), N agents, O observation size, S state size, A actions. A caller resets with one seed per episode,
then steps with actions [B, N] until no row is running; `BatchedEnvironment` lists the arrays to read after each call.

* An episode is a function of its seed and its actions: not of B, of other rows, or of wall-clock time. (`deterministic` is
  False for packages that do not keep this promise.)
* Rewards are `team_reward` [B] and `individual_reward` [B, N], undiscounted, in the units of the game.
* Two backends have this contract: "native", our simulators, whose complete state can be copied; and "reference", adapters of
  the original packages, which cannot be copied.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from algorithms.team import TeamShape
from benchmark.environments.scene import Scene

Backend = Literal["native", "reference"]


class UnavailableAction(ValueError):
    """An action outside 0..A-1 or not available to its agent. The message names row, agent, action and what is allowed."""


class BatchedEnvironment(ABC):
    """Steps B independent episodes. Results are in preallocated arrays, which `torch.from_numpy` may share.

    The arrays are overwritten in place: a caller that keeps values across steps copies them.
    Each row depends only on its own seed and actions, never on B or on other rows.

    After `reset` and `step`:
        observation [B, N, O] float32   padded with zeros
        state [B, S] float32
        available [B, N, A] bool        the actions that each agent can take next
        alive [B, N] bool
        running [B] bool                the episode has not ended
    After `step` also (all zero / false after `reset`):
        team_reward [B] float64
        individual_reward [B, N] float64  (sums to `team_reward` if `individual_sums_to_team`)
        terminated [B] bool             ended in a terminal state
        truncated [B] bool              ended by the time limit alone, also where the package merges the two
        success [B] bool                as the task defines it; false while running

    A row whose episode has ended is frozen: observation and state keep their final values, terminated, truncated and
    success stay, rewards are 0, and stepping it costs nothing. For frozen rows and dead agents action 0 is the only one
    available, and a caller must send it. Actions beyond an agent's own number of actions are never available.
    Environments append no agent ids and no last actions to observations; algorithms do.

    Constants of the game, equal in all rows:
        substate [N, O] bool            the entries of an observation that are not about another agent: the agent itself,
                                        food, doors, enemies … (all true where the simulator does not distinguish them, as in
                                        adapters of packages)
    """

    team: TeamShape
    batch_size: int
    backend: Backend
    individual_sums_to_team: bool
    deterministic: bool
    """Whether the same seeds and actions always give the same episodes, bit for bit."""
    task: str = ""
    """The id of the task that it was built for; empty where it was built by hand."""
    unchecked: bool = True
    """Whether no whole batch of episodes has been checked yet (benchmark/environments/checks.py)."""
    reach: float | None = None
    """The Manhattan distance (in units of `agent_positions`) beyond which agents are never neighbours; None: no limit."""

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
        """Allocates the public arrays. Every row is frozen (without an episode) at first."""
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
        """Starts one new episode per seed, in rows 0..len(seeds)-1; further rows are frozen.

        Raises ValueError if there are more seeds than rows, or none.
        """

    @abstractmethod
    def step(self, actions: NDArray[np.int64]) -> None:
        """Advances every running row by actions [B, N]. Raises UnavailableAction, with no row advanced."""

    def fork(self, rows: NDArray[np.int64]) -> Self:
        """A new environment whose row k is a complete copy of row rows[k], random state included; rows may repeat."""
        raise NotForkable(f"{type(self).__name__} cannot copy simulator states; use the task's native backend")

    def copy_rows(self, source: Self, rows: NDArray[np.int64]) -> None:
        """Makes row k a complete copy of row rows[k] of `source`: `fork` without allocating an environment. Further rows are
        frozen, and their observations and states are undefined.

        Raises ValueError for rows that do not exist, for more rows than this environment has, and for a source of another
        game.
        """
        raise NotForkable(f"{type(self).__name__} cannot copy simulator states; use the task's native backend")

    def rekey(self, keys: NDArray[np.uint64]) -> None:
        """Replaces the random stream of row b by that of keys[b]; nothing else changes."""
        raise NotForkable(f"{type(self).__name__} cannot replace its random streams; use the task's native backend")

    def fingerprint(self) -> NDArray[np.uint64]:
        """[B] a hash of each row's complete state, random state included: equal hashes mean equal futures."""
        raise NotForkable(f"{type(self).__name__} cannot see its complete state; use the task's native backend")

    def agent_positions(self) -> NDArray[np.float64]:
        """[B, N, 2] the position of each agent in the units of the game, of a dead agent the last one; a copy.

        Raises NoPositions in a game without space, and where the simulator does not give positions.
        """
        raise NoPositions(f"{type(self).__name__} does not give the positions of agents")

    def scene(self, row: int) -> Scene:
        """The row's current state as shapes for a picture. Raises NothingToShow where the environment draws none."""
        raise NothingToShow(f"{type(self).__name__} has nothing to show")

    def close(self) -> None:  # noqa: B027 - most simulators hold nothing to free
        """Ends worker processes and frees resources. Safe to call twice."""


class NothingToShow(RuntimeError):
    """This environment draws no pictures."""


class NoPositions(RuntimeError):
    """The agents of this environment have no positions, or the simulator does not give them."""


class NotForkable(RuntimeError):
    """This environment wraps a package whose state cannot be copied."""
