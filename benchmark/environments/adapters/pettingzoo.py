"""Any PettingZoo ParallelEnv behind `BatchedEnvironment`.

Observations (Box) are flattened and padded to the largest, actions (Discrete) likewise. Action masks are taken from dict
observations {"observation", "action_mask"} or from an agent's info. Agents that leave `agents` are dead from then on.
Terminations and truncations are kept apart: an episode is truncated if some remaining agent ended by truncation alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from algorithms.plugins import load
from algorithms.team import StateField, TeamShape
from benchmark.environments.adapters.rows import Ending, Row, RowEnvironment, RowSimulator
from benchmark.environments.checks import BrokenGame

TeamReward = Literal["sum", "mean", "shared"]
StateSource = Literal["observations", "environment"]
NUMERIC = "biuf"
"""The kinds of numpy's types that are numbers here: booleans, integers and floats."""


def make(
    batch_size: int,
    *,
    constructor: str,
    horizon: int,
    constructor_arguments: Mapping[str, Any] | None = None,
    workers: int = 0,
    reward_scale: float = 1.0,
    reward_offset: float = 0.0,
    team: TeamReward = "sum",
    state: StateSource = "observations",
    success: str | None = None,
    agent_types: Sequence[int] | None = None,
    deterministic: bool = True,
) -> RowEnvironment:
    """B instances of `constructor` ("package.module:callable"), called with `constructor_arguments`.

    `horizon`: the package's own limit, or an earlier one. `workers`: processes to step in (0: this one).
    The reward of every agent that acted is reward_scale * reward + reward_offset; the team's is their `team`: "sum", "mean"
    or "shared" (all must be equal, and it is that). `state`: "observations" one after the other, or the "environment"'s
    own `state()`. `success`: "module:function" of (environment, infos by agent), called when an episode has ended; without
    it, no episode is a success. `agent_types` [N]: by default, agents with equal spaces are of one type.

    Seeds are cut to their low 32 bits. Raises ValueError for spaces and settings that do not fit.
    """
    if team not in ("sum", "mean", "shared"):
        raise ValueError(f"team must be sum, mean or shared, got '{team}'")
    if state not in ("observations", "environment"):
        raise ValueError(f"state must be observations or environment, got '{state}'")
    recipe = partial(
        ParallelEnvRow,
        constructor,
        dict(constructor_arguments or {}),
        horizon,
        (reward_scale, reward_offset),
        team,
        state,
        success,
        None if agent_types is None else tuple(agent_types),
    )
    return RowEnvironment(
        batch_size, recipe, workers=workers, individual_sums_to_team=team == "sum", deterministic=deterministic
    )


class ParallelEnvRow(RowSimulator):
    """One ParallelEnv; the settings are those of `make`."""

    def __init__(
        self,
        constructor: str,
        arguments: dict[str, Any],
        horizon: int,
        transform: tuple[float, float],
        team_reward: TeamReward,
        state: StateSource,
        success: str | None,
        agent_types: tuple[int, ...] | None,
    ) -> None:
        self.environment: Any = load(constructor)(**arguments)
        self.agents = _distinct("possible_agents", self.environment.possible_agents)
        self._scale, self._offset = transform
        self._team_reward = team_reward
        self._own_state = state == "environment"
        self._success: Callable[[Any, dict[str, Any]], bool] | None = None if success is None else load(success)
        self._infos: dict[str, Any] = {}
        self._shapes = [_observation_shape(self.environment, agent) for agent in self.agents]
        observation_sizes = tuple(math.prod(shape) for shape in self._shapes)
        actions = [_action_space(self.environment, agent) for agent in self.agents]
        self._first_actions = [int(space.start) for space in actions]
        action_sizes = tuple(int(space.n) for space in actions)
        fields = _state_fields(self.environment, observation_sizes, self._own_state)
        self.team = TeamShape(
            n_agents=len(self.agents),
            observation_sizes=observation_sizes,
            action_sizes=action_sizes,
            agent_types=agent_types or _types(observation_sizes, action_sizes),
            state_size=len(fields),
            horizon=horizon,
            state_fields=fields,
        )

    def reset(self, seed: int, row: Row) -> None:
        observations, self._infos = self.environment.reset(seed=seed)
        self._write(observations, set(self._present()), row)

    def step(self, actions: list[int], row: Row) -> tuple[float, Ending | None]:
        acting = self._present()
        joint = {agent: actions[i] + self._first_actions[i] for i, agent in enumerate(self.agents) if agent in acting}
        observations, rewards, terminations, truncations, self._infos = self.environment.step(joint)
        indices = [i for i, agent in enumerate(self.agents) if agent in acting]
        for i in indices:
            row.individual_reward[i] = self._scale * _reward(rewards, self.agents[i]) + self._offset
        reward = self._team(row.individual_reward[indices])

        cut = {agent for agent in acting if truncations.get(agent) and not terminations.get(agent)}
        remaining = _distinct("agents", self.environment.agents, self.agents) if self.environment.agents else []
        left = {agent for agent in remaining if not (terminations.get(agent) or truncations.get(agent))}
        # The last observation of an ended episode is that of the agents present until the end.
        self._write(observations, left or cut or set(acting), row)
        if left:
            return reward, None
        return reward, "truncated" if cut else "terminated"

    def success(self) -> bool:
        return self._success is not None and bool(self._success(self.environment, self._infos))

    def close(self) -> None:
        self.environment.close()

    def _present(self) -> list[str]:
        return _distinct("agents", self.environment.agents, self.agents)

    def _team(self, rewards: NDArray[np.float64]) -> float:
        if self._team_reward == "sum":
            return float(rewards.sum())
        if self._team_reward == "mean":
            return float(rewards.mean())
        if np.ptp(rewards) > 1e-9 * max(1.0, float(np.abs(rewards).max())):
            raise BrokenGame(f"team='shared' needs equal rewards, got {rewards.tolist()}")
        return float(rewards[0])

    def _write(self, observations: dict[str, Any], present: set[str], row: Row) -> None:
        """Writes observations and available actions of the agents that are present; zeros for the others."""
        row.observation[:] = 0
        row.alive[:] = False
        row.available[:] = False
        row.available[:, 0] = True
        at = 0
        for i, agent in enumerate(self.agents):
            size = self.team.observation_sizes[i]
            if agent in present:
                row.alive[i] = True
                row.observation[i, :size] = self._vector(i, agent, observations)
                row.available[i, : self.team.action_sizes[i]] = self._mask(i, agent, observations[agent])
            if not self._own_state:
                row.state[at : at + size] = row.observation[i, :size]
                at += size
        if self._own_state:
            row.state[:] = _numbers("the state", self.environment.state(), self.environment.state_space.shape)

    def _vector(self, i: int, agent: str, observations: Any) -> NDArray[np.float32]:
        if agent not in observations:
            raise BrokenGame(f"there is no observation of {agent}, who is among the agents")
        given = observations[agent]
        inner = given["observation"] if isinstance(given, Mapping) else given
        return _numbers(f"the observation of {agent}", inner, self._shapes[i])

    def _mask(self, i: int, agent: str, observation: Any) -> NDArray[np.bool_] | bool:
        mask = observation.get("action_mask") if isinstance(observation, Mapping) else None
        if mask is None:
            mask = self._infos.get(agent, {}).get("action_mask")
        if mask is None:
            return True
        array, size = np.asarray(mask), self.team.action_sizes[i]
        if array.shape != (size,) or not np.isin(array, (0, 1)).all() or not array.any():
            raise BrokenGame(f"the action mask of {agent} must allow one of {size} actions by 0 and 1, got {mask}")
        return array.astype(bool)


def _distinct(name: str, agents: Sequence[str], known: Sequence[str] | None = None) -> list[str]:
    """The agents of a list of the package; somebody, nobody twice, and no others than the `known` ones."""
    if len(agents) == 0:
        raise BrokenGame(f"{name} is empty: nobody plays")
    for agent in agents:
        if list(agents).count(agent) > 1:
            raise BrokenGame(f"{name} has '{agent}' twice")
        if known is not None and agent not in known:
            raise BrokenGame(f"{name} has '{agent}', who is none of possible_agents: {', '.join(known)}")
    return list(agents)


def _numbers(name: str, values: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    array = np.asarray(values)
    if array.shape != shape or array.dtype.kind not in NUMERIC:
        raise BrokenGame(f"{name} is {array.dtype} {list(array.shape)}; its space has numbers of shape {list(shape)}")
    with np.errstate(over="ignore"):  # an infinity is refused where all games are checked
        return array.astype(np.float32).ravel()


def _reward(rewards: Mapping[str, Any], agent: str) -> float:
    array = np.asarray(rewards.get(agent))
    if array.size != 1 or array.dtype.kind not in NUMERIC:
        raise BrokenGame(f"the reward of {agent} is {rewards.get(agent)!r}; it must be one number")
    return float(array.item())


def _observation_shape(environment: Any, agent: str) -> tuple[int, ...]:
    space = environment.observation_space(agent)
    if isinstance(space, spaces.Dict) and "observation" in space.spaces:
        space = space["observation"]
    if not isinstance(space, spaces.Box):
        raise BrokenGame(f"{agent} observes {space}; only Box, alone or as 'observation' beside 'action_mask', is supported")
    return space.shape


def _action_space(environment: Any, agent: str) -> spaces.Discrete:
    space = environment.action_space(agent)
    if not isinstance(space, spaces.Discrete):
        raise BrokenGame(f"{agent} acts in {space}; only Discrete is supported")
    return space


def _types(observation_sizes: Sequence[int], action_sizes: Sequence[int]) -> tuple[int, ...]:
    """Equal spaces, equal type; types are numbered as they appear."""
    pairs = list(zip(observation_sizes, action_sizes, strict=True))
    seen = list(dict.fromkeys(pairs))
    return tuple(seen.index(pair) for pair in pairs)


def _state_fields(environment: Any, observation_sizes: Sequence[int], own_state: bool) -> tuple[StateField, ...]:
    if not own_state:
        return tuple(
            StateField(f"agent{i}.observation{k}", f"agent{i}", i, "observation")
            for i, size in enumerate(observation_sizes)
            for k in range(size)
        )
    space = getattr(environment, "state_space", None)
    if not isinstance(space, spaces.Box):
        raise ValueError(f"state='environment' needs an environment whose state_space is a Box, got {space}")
    return tuple(StateField(f"state{k}", "environment", None, "state") for k in range(int(np.prod(space.shape))))
