"""Probes: graphs computed inside the simulator before each step, recorded as `Episodes.privileged`. The simulator is unchanged.

A graph is [N, N] bool: row = influencing agent, column = influenced agent. While an episode runs, every agent influences
itself; after its end all graphs are empty. Dead agents influence no others, but may be rewarded for what others do.

Shape letters: R rows of the environment, K of them running, M copies, B, N, A, O as everywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from algorithms.plugins import load
from benchmark.environments.interface import BatchedEnvironment
from benchmark.environments.native.compilation import njit
from benchmark.experiments.probe_names import PROBES

NEAREST = 3
"""Neighbours of an agent in the distance graph (k of Le and Ta 2026)."""

SCRATCH_BYTES = 8 * 2**20
"""Approximate memory of the copies that are stepped together."""

SAME_REWARD = 1e-9
"""Relative tolerance (absolute below 1) of equal rewards: sums over agents may be rounded differently."""

Graphs = dict[str, NDArray[np.bool_]]


class Probe(ABC):
    """Computes graphs of an environment before each of its steps."""

    @abstractmethod
    def look(self, environment: BatchedEnvironment, actions: NDArray[np.int64], rows: NDArray[np.int64]) -> Graphs:
        """Graphs [K, N, N] by name, of the running rows [K] before they take their actions in actions [R, N].

        Raises NotForkable or NoPositions where the simulator does not give what the probe needs.
        """


def build_probes(names: Iterable[str]) -> list[Probe]:
    """The probes of these names. Raises KeyError for an unknown one."""
    return [load(PROBES[name].factory)() for name in names]


class OracleGraph(Probe):
    """Influence by intervention: does the outcome for agent i change if agent j alone takes another action?

    For each agent j and each other action that was available to it, a copy of the simulator takes one step from the same state
    with the same random stream and the same actions of the others. There is an edge j -> i if for any of these actions, beside
    the copy that takes the actions chosen,
        observation_graph   agent i's next observation differs
        state_graph         its part that is not about other agents (`BatchedEnvironment.substate`) differs, or `alive` does
        reward_graph        agent i's individual reward of this step differs
    With full observation every move of j changes what i observes of j: the observation graph is full then, the state graph is
    not.

    Costs at most 1 + N (A - 1) simulator steps per step. The random stream is that of the coming step: where an action changes
    how many numbers a step draws, later draws of that step differ too.
    """

    def __init__(self) -> None:
        self._scratch: BatchedEnvironment | None = None

    def look(self, environment: BatchedEnvironment, actions: NDArray[np.int64], rows: NDArray[np.int64]) -> Graphs:
        agents = environment.team.n_agents
        graphs = np.zeros((3, len(rows), agents, agents), np.bool_)
        graphs[:] = np.eye(agents, dtype=np.bool_)
        origin, actor, joint = _interventions(environment.available[rows], actions[rows])
        scratch = self._copies(environment)
        taken = np.zeros((scratch.batch_size, agents), np.int64)
        for start in range(0, len(origin), scratch.batch_size):
            some = slice(start, start + scratch.batch_size)
            count = len(origin[some])
            scratch.copy_rows(environment, rows[origin[some]])
            taken[:count] = joint[some]
            taken[count:] = 0
            scratch.step(taken)
            if start == 0:
                observation, alive, reward = (array[: len(rows)].copy() for array in _outcome(scratch))
            _compare(origin[some], actor[some], scratch.substate, (observation, alive, reward), _outcome(scratch), graphs)
        return dict(zip(PROBES["oracle_graph"].fills, graphs, strict=True))

    def _copies(self, environment: BatchedEnvironment) -> BatchedEnvironment:
        """An environment of the same game, with rows for all copies of a step or for SCRATCH_BYTES, and at least R rows."""
        if self._scratch is None:
            rows, agents, actions = environment.available.shape
            bytes_per_row = sum(getattr(environment, name).nbytes for name in environment.PUBLIC) // rows
            most = rows * (1 + agents * (actions - 1))
            self._scratch = environment.fork(np.zeros(min(most, max(rows, SCRATCH_BYTES // bytes_per_row)), np.int64))
        return self._scratch


class DistanceGraph(Probe):
    """Edges to the k nearest: j -> i if i is one of the NEAREST agents nearest to j, both alive, and within `reach` where the
    environment has one. The authors use it in place of an oracle; it is not causal.

    Distances are those before the step: Euclidean, or Manhattan where the environment has a `reach`. Of two agents at the same
    distance the one with the lower number is nearer.
    """

    def look(self, environment: BatchedEnvironment, actions: NDArray[np.int64], rows: NDArray[np.int64]) -> Graphs:
        positions, alive, reach = environment.agent_positions()[rows], environment.alive[rows], environment.reach
        agents = alive.shape[1]
        difference = np.abs(positions[:, :, None] - positions[:, None])
        distance = (difference**2).sum(-1) if reach is None else difference.sum(-1)
        self_loops = np.eye(agents, dtype=np.bool_)
        distance[np.broadcast_to(self_loops, distance.shape) | ~alive[:, None]] = np.inf
        nearest = np.argsort(distance, axis=-1, kind="stable")[..., :NEAREST]
        graph = np.zeros(distance.shape, np.bool_)
        np.put_along_axis(graph, nearest, True, axis=-1)
        graph &= alive[:, :, None] & (np.isfinite(distance) if reach is None else distance <= reach)
        return {"distance_graph": graph | self_loops}


def _interventions(
    available: NDArray[np.bool_], actions: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The M copies to step: index of the row among the K [M], the agent with another action [M], and the actions of all agents
    [M, N]. The first K copies take the chosen actions; their agent is -1."""
    rows = len(actions)
    others = available.copy()
    np.put_along_axis(others, actions[:, :, None], False, axis=2)
    index, agent, action = np.nonzero(others)
    origin = np.concatenate([np.arange(rows), index])
    joint = actions[origin]
    joint[np.arange(rows, len(joint)), agent] = action
    return origin, np.concatenate([np.full(rows, -1), agent]), joint


def _outcome(
    environment: BatchedEnvironment,
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float64]]:
    return environment.observation, environment.alive, environment.individual_reward


@njit(cache=True)
def _compare(origin, actor, substate, chosen, otherwise, graphs):
    """Adds the edges of the copies 0..len(origin)-1 to graphs [3, K, N, N] (of observation, state, reward).

    `chosen`: the outcome of the chosen actions, by index among the K; `otherwise`: that of the copies.
    """
    chosen_observation, chosen_alive, chosen_reward = chosen
    observation, alive, reward = otherwise
    by_observation, by_state, by_reward = graphs[0], graphs[1], graphs[2]
    agents, size = substate.shape
    for copy in range(len(origin)):
        row, j = origin[copy], actor[copy]
        for i in range(agents):
            if j < 0 or i == j:
                continue
            if alive[copy, i] != chosen_alive[row, i]:
                by_state[row, j, i] = True
            difference = abs(reward[copy, i] - chosen_reward[row, i])
            if difference > SAME_REWARD * max(1.0, abs(chosen_reward[row, i])):
                by_reward[row, j, i] = True
            if by_observation[row, j, i] and by_state[row, j, i]:
                continue
            for dimension in range(size):
                if observation[copy, i, dimension] != chosen_observation[row, i, dimension]:
                    by_observation[row, j, i] = True
                    if substate[i, dimension]:
                        by_state[row, j, i] = True
                        break
