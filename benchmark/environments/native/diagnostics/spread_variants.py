"""Star-, line- and cycle-spread: particles on a square whose reward dependence is known (Le and Ta 2026, toy experiments).

N agents on [-1, 1]^2 move by 0.10 (0.05 for N > 30): 0 stay, 1 +y, 2 -y, 3 -x, 4 +x, clipped at the border. N landmarks lie
on a circle of radius 0.7 at angles 2 pi k / N. Starts are uniform; an episode is cut at the horizon. Gaussian noise is added to
every agent's reward at every step.

star: the hub, agent 0, sees everyone; leaves see themselves. A leaf earns minus its distance to the nearest landmark, the
hub minus the sum over landmarks of the nearest agent's distance. So every leaf's action matters to the hub.
line: agent j sees itself and its predecessor j-1 and earns minus the sum, over landmarks j-1 and j, of the distance to the
nearer of agents j-1 and j; agent 0 has landmark 0 and itself alone. cycle: the same with -1 taken as N-1.
The landmarks of line and cycle stand in a shuffled order that is part of the task (the same in every episode).

Observation [2 + 4N]: own position, all positions (zeros where hidden), all landmarks. State [4N]: positions, landmarks.
Positions do not influence each other: influence goes through observations and rewards.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from algorithms.team import StateField, TeamShape
from benchmark.environments.native.base import NativeEnvironment
from benchmark.environments.native.compilation import njit
from benchmark.environments.native.random import next_normal, next_uniform, seed_stream, shuffle
from benchmark.environments.scene import Disc, Scene

Shape = Literal["star", "line", "cycle"]
_STAR, _LINE, _CYCLE = 0, 1, 2
_SHAPES: dict[str, int] = {"star": _STAR, "line": _LINE, "cycle": _CYCLE}
RADIUS = 0.7
MOVES = np.array([[0, 0], [0, 1], [0, -1], [-1, 0], [1, 0]], np.float64)


def reward_dependence(shape: Shape, n_agents: int) -> NDArray[np.bool_]:
    """The known graph [N, N], row = influencing agent, column = agent with the reward: self loops and the shape's edges."""
    graph = np.eye(n_agents, dtype=np.bool_)
    if shape == "star":
        graph[:, 0] = True
    else:
        first = 0 if shape == "cycle" else 1
        for agent in range(first, n_agents):
            graph[(agent - 1) % n_agents, agent] = True
    return graph


def landmark_positions(shape: Shape, n_agents: int) -> NDArray[np.float64]:
    """The landmarks [N, 2], for line and cycle in the task's shuffled order."""
    order = np.arange(n_agents)
    if shape != "star":
        stream = np.zeros(2, np.uint64)
        seed_stream(stream, np.uint64(n_agents))
        shuffle(stream, order, n_agents)
    angles = 2 * np.pi * order / n_agents
    return RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=1)


class SpreadVariant(NativeEnvironment):
    """B episodes. `noise`: standard deviation of the reward noise (1 in the paper)."""

    individual_sums_to_team = True

    def __init__(self, batch_size: int, shape: Shape, n_agents: int, noise: float = 1.0, horizon: int = 50) -> None:
        if shape not in _SHAPES:
            raise ValueError(f"shape is '{shape}', allowed: {', '.join(_SHAPES)}")
        if n_agents < 2 or horizon < 1 or noise < 0:
            raise ValueError(f"needs n_agents >= 2, horizon >= 1, noise >= 0; got {n_agents}, {horizon}, {noise}")
        self._shape = _SHAPES[shape]
        self._noise = noise
        self._stride = 0.05 if n_agents > 30 else 0.10
        self.landmarks = landmark_positions(shape, n_agents)
        fields = [StateField(f"agent{i}.{axis}", f"agent{i}", i, "position") for i in range(n_agents) for axis in "xy"]
        fields += [
            StateField(f"landmark{i}.{axis}", f"landmark{i}", None, "position") for i in range(n_agents) for axis in "xy"
        ]
        team = TeamShape(
            n_agents=n_agents,
            observation_sizes=(2 + 4 * n_agents,) * n_agents,
            action_sizes=(5,) * n_agents,
            agent_types=(0,) * n_agents,
            state_size=4 * n_agents,
            horizon=horizon,
            state_fields=tuple(fields),
        )
        super().__init__(batch_size, team, {"shape": shape, "n_agents": n_agents, "noise": noise, "horizon": horizon})
        self.positions = self.simulation_array("positions", (n_agents, 2), np.float64)
        # Dimensions 2 .. 2 + 2N are everyone's positions; one's own is among them.
        self.substate[:, 2 : 2 + 2 * n_agents] = np.eye(n_agents, dtype=np.bool_).repeat(2, axis=1)

    def _reset_rows(self, count: int) -> None:
        self.alive[:count] = True
        self.available[:count] = True
        _place(count, self.positions, self.streams)
        self.publish()

    def publish(self) -> None:
        """Writes observations and state from the positions; for tests that set them, too."""
        _publish(self.alive, self._shape, self.positions, self.landmarks, self.observation, self.state)

    def agent_positions(self) -> NDArray[np.float64]:
        return self.positions.copy()

    def scene(self, row: int) -> Scene:
        radius = 0.06
        marks = [Disc(x, y, radius, "goal", str(i)) for i, (x, y) in enumerate(self.landmarks.tolist())]
        agents = [Disc(x, y, 0.8 * radius, "agent", str(i), i) for i, (x, y) in enumerate(self.positions[row].tolist())]
        return Scene((-1.1, -1.1, 1.1, 1.1), (*marks, *agents))

    def _step_rows(self, actions: NDArray[np.int64]) -> None:
        self._begin_step()
        _advance(
            actions,
            self._shape,
            self._stride,
            self._noise,
            self.landmarks,
            self.positions,
            self.streams,
            self.running,
            self.team_reward,
            self.individual_reward,
        )
        self._end_step()
        self.publish()


@njit(cache=True)
def _place(count, positions, streams):
    for row in range(count):
        for agent in range(positions.shape[1]):
            for axis in range(2):
                positions[row, agent, axis] = 2.0 * next_uniform(streams[row]) - 1.0


@njit(cache=True)
def _sees(shape, viewer, other, n):
    if viewer == other:
        return True
    if shape == _STAR:
        return viewer == 0
    return other == viewer - 1 or (shape == _CYCLE and viewer == 0 and other == n - 1)


@njit(cache=True)
def _publish(alive, shape, positions, landmarks, observation, state):
    n = positions.shape[1]
    for row in range(len(alive)):
        if not alive[row, 0]:
            continue
        for agent in range(n):
            for axis in range(2):
                observation[row, agent, axis] = positions[row, agent, axis]
                state[row, 2 * agent + axis] = positions[row, agent, axis]
                state[row, 2 * n + 2 * agent + axis] = landmarks[agent, axis]
                for other in range(n):
                    seen = _sees(shape, agent, other, n)
                    observation[row, agent, 2 + 2 * other + axis] = positions[row, other, axis] if seen else 0.0
                    observation[row, agent, 2 + 2 * n + 2 * other + axis] = landmarks[other, axis]


@njit(cache=True)
def _distance(a, b):
    return math.sqrt((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2)


@njit(cache=True)
def _nearest(point, candidates):
    best = np.inf
    for candidate in candidates:
        best = min(best, _distance(point, candidate))
    return best


@njit(cache=True)
def _reward(shape, agent, positions, landmarks):
    """The noiseless reward of one agent."""
    n = len(positions)
    total = 0.0
    if shape == _STAR:
        if agent > 0:
            return -_nearest(positions[agent], landmarks)
        for landmark in landmarks:
            total -= _nearest(landmark, positions)
        return total
    if shape == _LINE and agent == 0:
        return -_distance(positions[0], landmarks[0])
    previous = (agent - 1) % n
    for landmark in (previous, agent):
        mine = _distance(positions[agent], landmarks[landmark])
        total -= min(mine, _distance(positions[previous], landmarks[landmark]))
    return total


@njit(cache=True)
def _advance(
    actions,
    shape,
    stride,
    noise,
    landmarks,
    positions,
    streams,
    running,
    team_reward,
    individual_reward,
):
    n = positions.shape[1]
    for row in range(len(running)):
        if not running[row]:
            continue
        for agent in range(n):
            for axis in range(2):
                moved = positions[row, agent, axis] + stride * MOVES[actions[row, agent], axis]
                positions[row, agent, axis] = min(1.0, max(-1.0, moved))
        for agent in range(n):
            reward = _reward(shape, agent, positions[row], landmarks)
            if noise > 0.0:
                reward += noise * next_normal(streams[row])
            individual_reward[row, agent] = reward
            team_reward[row] += reward
