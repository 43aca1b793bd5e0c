"""Refuses what a game gives that cannot be right, where it is given: before it is recorded, learned from or evaluated.

A wrong number that got through would look like a method that diverged. Every game is checked after its reset and each of its
steps, by comparisons of whole arrays, which cost two to three times the step of our fastest simulators. Our own simulators,
which the tests of the contract cover, are checked so in the first batch of every environment only; after that their last
observations and states, and the sums of their rewards, are checked once a batch: at most 0.4 % of the time of simulation
(`uv run python -m tests.environments.cost_of_checks`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from algorithms.plugins import UserError
from benchmark.environments.interface import BatchedEnvironment

LARGEST = float(np.finfo(np.float32).max)
"""Episodes are stored in float32, where a larger number would be infinite."""
SUM_TOLERANCE = 1e-6
AGENT_FIELDS = ("observation", "available", "alive", "individual_reward")
OURS = "benchmark.environments.native."


class BrokenGame(UserError):
    """A game that breaks the contract of BatchedEnvironment, or is not the one its task declares.

    The message names task, field, row, agent, step (0: after the reset) and value.
    """


class GameChecks:
    """The checks of one batch of episodes: `reset` after the environment's reset, `step` after each step, `end` after all.

    All raise BrokenGame. `count`: the episodes are in rows 0..count-1. `everything`: whether all is checked after every step;
    if not, `reset` and `step` do nothing, and callers may leave out `step`.
    """

    def __init__(self, environment: BatchedEnvironment, count: int) -> None:
        self._environment = environment
        self._count = count
        self._time = 0
        self.everything = environment.unchecked or not type(environment).__module__.startswith(OURS)
        if self.everything:
            self._known: dict[str, NDArray[Any]] = {}
            team = environment.team
            self._beyond = np.greater_equal.outer(np.arange(team.action_size), np.array(team.action_sizes)).T

    def reset(self) -> None:
        """Episodes run in the rows of this batch, with somebody alive, nothing paid and no end."""
        if not self.everything:
            return
        self._arrays()
        self._refuse_where("running", ~self._of("running"), "false: the episode is over before it began")
        for name in ("terminated", "truncated", "success"):
            self._refuse_where(name, self._of(name), "true after the reset")
        for name in ("team_reward", "individual_reward"):
            self._refuse_where(name, self._of(name) != 0, "{}, but nothing has been done yet")
        self._values()
        self._remember()

    def step(self) -> None:
        """Numbers, masks, ends and deaths after one more step are possible, and follow from those before."""
        if not self.everything:
            return
        self._time += 1
        for name, array in self._known.items():
            if getattr(self._environment, name) is not array:
                self._refuse(name, (), "another array than before: a game writes into its arrays")
        ran, horizon = self._ran, self._environment.team.horizon
        running, terminated, truncated = self._of("running"), self._of("terminated"), self._of("truncated")
        self._refuse_where("running", running & ~ran, "true again after the episode's end")
        if self._time >= horizon:
            self._refuse_where("running", running, f"true: the game goes on past its horizon of {horizon}")
        else:
            self._refuse_where("truncated", truncated & ran, f"true before the horizon of {horizon}")
        self._refuse_where("terminated", terminated & truncated, "true, and truncated too")
        for name in ("terminated", "truncated", "success"):
            self._refuse_where(name, self._of(name) & running, "true in an episode that goes on")
        self._refuse_where("terminated", ~(running | terminated | truncated), "false, and truncated too, of an ended episode")
        self._refuse_where("team_reward", (self._of("team_reward") != 0) & ~ran, "{} after the episode's end")
        self._refuse_where("alive", self._of("alive") & ~self._lived & running[:, None], "true again after the agent's death")
        self._values()
        self._remember()

    def end(self, steps: int) -> None:
        """After the last step, number `steps`: the final observations and states, where they are not yet checked."""
        if self.everything:
            self._environment.unchecked = False
            return
        self._time = steps
        for name in ("observation", "state"):
            numbers = self._of(name).ravel()
            if not math.isfinite(numbers @ numbers):  # cheap; what it finds may be a large square
                self._numbers((name,))

    def _of(self, name: str) -> NDArray[Any]:
        """The rows of this batch."""
        rows: NDArray[Any] = getattr(self._environment, name)[: self._count]
        return rows

    def _remember(self) -> None:
        self._ran, self._lived = self._of("running").copy(), self._of("alive").copy()

    def _arrays(self) -> None:
        """The public arrays have the shapes and types of the contract."""
        game, team, rows = self._environment, self._environment.team, self._environment.batch_size
        sizes = {"observation": team.observation_size, "state": team.state_size, "available": team.action_size}
        for name in game.PUBLIC:
            array: Any = getattr(game, name)
            agents = (team.n_agents,) if name in AGENT_FIELDS else ()
            shape = (rows, *agents, *((sizes[name],) if name in sizes else ()))
            dtype = "float32" if name in ("observation", "state") else "float64" if name.endswith("reward") else "bool"
            found = f"{getattr(array, 'dtype', type(array).__name__)} {list(getattr(array, 'shape', ()))}"
            if found != f"{dtype} {list(shape)}":
                self._refuse(name, (), f"{found} instead of {dtype} {list(shape)}")
            self._known[name] = array

    def _values(self) -> None:
        """Numbers are finite, every mask allows something, and a dead agent nothing but action 0."""
        self._numbers(("observation", "state", "team_reward", "individual_reward"))
        alive, running, available = self._of("alive"), self._of("running"), self._of("available")
        self._refuse_where("alive", running & ~alive.any(1), "false of every agent in an episode that goes on")
        self._refuse_where("available", available.sum(-1) == 0, "empty: it allows no action")
        self._refuse_where("available", available & self._beyond, "{} of action {last}, which the agent does not have")
        others: NDArray[np.bool_] = available & ~(alive & running[:, None])[:, :, None]
        others[:, :, 0] = False
        self._refuse_where("available", others, "{} of action {last}, but the agent is dead or its episode over")
        if self._environment.individual_sums_to_team:
            paid, parts = self._of("team_reward"), self._of("individual_reward").sum(1)
            differs = np.abs(paid - parts) > SUM_TOLERANCE * np.maximum(1.0, np.abs(paid))
            self._refuse_where("team_reward", differs, "{}, which is not the sum of the individual rewards")

    def _numbers(self, names: tuple[str, ...]) -> None:
        for name in names:
            finite = np.abs(self._of(name)) <= LARGEST
            self._refuse_where(name, ~finite, "{}; every number must be finite in float32")

    def _refuse_where(self, name: str, wrong: NDArray[np.bool_], problem: str) -> None:
        """Refuses the first of the wrong entries [B, …]. In `problem`, {} stands for its value, {last} for its last index."""
        if wrong.any():
            index = tuple(int(k) for k in np.argwhere(wrong)[0])
            self._refuse(name, index, problem.format(getattr(self._environment, name)[index], last=index[-1]))

    def _refuse(self, name: str, index: tuple[int, ...], problem: str) -> NoReturn:
        place = [f"row {index[0]}"] if index else []
        if len(index) > 1 and name in AGENT_FIELDS:
            place.append(f"agent {index[1]}")
        raise BrokenGame(f"{named(self._environment)}: {name} of {', '.join([*place, f'step {self._time}'])} is {problem}")


def named(environment: BatchedEnvironment) -> str:
    """The task that the environment was built for; its class where it was built by hand."""
    return environment.task or type(environment).__name__


def validate_declared(environment: object, task: str, declared: Mapping[str, object]) -> None:
    """Raises BrokenGame for a game that is no BatchedEnvironment, or whose team is not the one that its task declares.

    `declared`: n_agents, n_agent_types and horizon.
    """
    if not isinstance(environment, BatchedEnvironment):
        raise BrokenGame(f"{task}: the simulator gave {environment!r}, which is no BatchedEnvironment")
    team = environment.team
    found = {"n_agents": team.n_agents, "n_agent_types": len(set(team.agent_types)), "horizon": team.horizon}
    for name, value in declared.items():
        if found[name] != value:
            environment.close()
            raise BrokenGame(f"{task}: the task declares {name} {value}, but its game has {found[name]}")


def validate_returns(environment: BatchedEnvironment, returns: NDArray[Any]) -> None:
    """Raises BrokenGame for a sum of team rewards [B] that is not finite."""
    for row in np.flatnonzero(~(np.abs(returns) <= LARGEST))[:1]:
        raise BrokenGame(f"{named(environment)}: the team rewards of row {row} sum to {returns[row]} over the episode")
