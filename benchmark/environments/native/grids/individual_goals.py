"""Individual goals: agents on a square grid, each of which must stand on its own goal, all at the same time (ours).

After experiment E-1 of the TAR2 specification, which has 5x5 cells, two agents and 25 steps. All starts and goals are drawn
anew for every episode, 2 N different cells. Agents may share cells, and walk through each other.

Actions: 0 stay, 1 y-1, 2 y+1, 3 x-1, 4 x+1; a move over the border is unavailable.
Observation [4 N]: position (x, y) and goal minus position of the agent itself, then of the others in circular order.
State [4 N]: the same of agents 0..N-1. All divided by the side minus 1.
Reward: each agent that does not stand on its goal after the step costs 0.01. When all stand on theirs the team earns 1, in
equal shares, and the episode ends with success. With `positive`, each agent gets 0.01 more for each of the T steps; a success
adds at once what the remaining steps would have given. Every return is larger by the constant 0.01 N T, and none is negative.
Nothing else differs: comparing the two shows how a method depends on the sign of the return.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from algorithms.team import StateField, TeamShape
from benchmark.environments.native.base import NativeEnvironment
from benchmark.environments.native.compilation import njit
from benchmark.environments.native.random import next_below
from benchmark.environments.scene import Box, Disc, Line, Scene

AWAY = -0.01
PRIZE = 1.0
# Effects of actions 0..4 on (x, y).
MOVES = np.array([[0, 0], [0, -1], [0, 1], [-1, 0], [1, 0]], np.int64)


class IndividualGoals(NativeEnvironment):
    """B episodes of `n_agents` on `side` x `side` cells; `horizon`: steps until an episode is cut; `positive`: see above."""

    individual_sums_to_team = True

    def __init__(self, batch_size: int, side: int, n_agents: int, horizon: int, positive: bool = False) -> None:
        if horizon < 1 or n_agents < 2 or side < 2 or 2 * n_agents > side**2:
            raise ValueError(
                "needs horizon >= 1, side >= 2, n_agents >= 2 and at most half as many agents as cells; "
                f"got horizon {horizon}, side {side}, n_agents {n_agents}"
            )
        fields = [
            StateField(f"agent{i}.{name}", f"agent{i}", i, kind)
            for i in range(n_agents)
            for name, kind in (("x", "position"), ("y", "position"), ("goal_x", "offset"), ("goal_y", "offset"))
        ]
        team = TeamShape(
            n_agents=n_agents,
            observation_sizes=(len(fields),) * n_agents,
            action_sizes=(len(MOVES),) * n_agents,
            agent_types=(0,) * n_agents,
            state_size=len(fields),
            horizon=horizon,
            state_fields=tuple(fields),
        )
        settings = {"side": side, "n_agents": n_agents, "horizon": horizon, "positive": positive}
        super().__init__(batch_size, team, settings)
        self._side = side
        self._positive = positive
        self.positions = self.simulation_array("positions", (n_agents, 2), np.int64)
        self.goals = self.simulation_array("goals", (n_agents, 2), np.int64)
        self.substate[:, 4:] = False  # oneself comes first

    def _reset_rows(self, count: int) -> None:
        self.alive[:count] = True
        _place(count, self._side, self.positions, self.goals, self.streams)
        self._publish()

    def _publish(self) -> None:
        _publish(
            self._side,
            self.alive,
            self.running,
            self.positions,
            self.goals,
            self.observation,
            self.state,
            self.available,
        )

    def _step_rows(self, actions: NDArray[np.int64]) -> None:
        self._begin_step()
        _advance(actions, self.positions, self.goals, self.running, self.team_reward, self.individual_reward, self.terminated)
        if self._positive:
            self._pay_every_step()
        self._end_step()
        self.success[:] = self.terminated
        self._publish()

    def _pay_every_step(self) -> None:
        """Adds what makes returns positive: for this step, and at success for those that will not be taken."""
        steps = self.running * np.where(self.terminated, self.team.horizon - self.steps + 1, 1)
        self.individual_reward -= AWAY * steps[:, None]
        self.team_reward -= AWAY * self.team.n_agents * steps

    def load_state(self, positions: NDArray[np.int64], goals: NDArray[np.int64]) -> None:
        """Puts every row into a state, for tests: positions and goals [B, N, 2] (x, y)."""
        self.positions[:] = positions
        self.goals[:] = goals
        self._publish()

    def agent_positions(self) -> NDArray[np.float64]:
        return self.positions.astype(np.float64)

    def scene(self, row: int) -> Scene:
        shapes: list[Disc | Box | Line] = []
        reached = (self.positions[row] == self.goals[row]).all(1)
        for agent, (x, y) in enumerate(self.goals[row].tolist()):
            shapes.append(Box(x, y, 1, 1, "mark" if reached[agent] else "goal", "" if reached[agent] else str(agent)))
        for agent, (x, y) in enumerate(self.positions[row].tolist()):
            shapes.append(Disc(x + 0.5, y + 0.5, 0.3, "agent", str(agent), agent))
        return Scene((0, 0, self._side, self._side), tuple(shapes), cells=True)


@njit(cache=True)
def _place(count, side, positions, goals, streams):
    """Different cells for all things of each of rows 0..count-1: the starts, then the goals."""
    n = positions.shape[1]
    taken = np.empty(2 * n, np.int64)
    for row in range(count):
        for thing in range(2 * n):
            cell = next_below(streams[row], side * side)
            while (taken[:thing] == cell).any():
                cell = next_below(streams[row], side * side)
            taken[thing] = cell
            cells = positions if thing < n else goals
            cells[row, thing % n, 0] = cell % side
            cells[row, thing % n, 1] = cell // side


@njit(cache=True)
def _publish(side, alive, running, positions, goals, observation, state, available):
    """Observations, state and availability of the rows that have an episode."""
    n = positions.shape[1]
    for row in range(len(alive)):
        if not alive[row, 0]:
            continue
        for agent in range(n):
            available[row, agent, 0] = True
            for axis in range(2):
                coordinate = positions[row, agent, axis]
                offset = goals[row, agent, axis] - coordinate
                state[row, 4 * agent + axis] = coordinate / (side - 1)
                state[row, 4 * agent + 2 + axis] = offset / (side - 1)
                back = 3 - 2 * axis
                available[row, agent, back] = running[row] and coordinate > 0
                available[row, agent, back + 1] = running[row] and coordinate < side - 1
        for agent in range(n):
            for other in range(n):
                source = 4 * ((agent + other) % n)
                for field in range(4):
                    observation[row, agent, 4 * other + field] = state[row, source + field]


@njit(cache=True)
def _advance(actions, positions, goals, running, team_reward, individual_reward, terminated):
    n = positions.shape[1]
    for row in range(len(running)):
        if not running[row]:
            continue
        away = 0
        for agent in range(n):
            at_goal = True
            for axis in range(2):
                positions[row, agent, axis] += MOVES[actions[row, agent], axis]
                at_goal &= positions[row, agent, axis] == goals[row, agent, axis]
            if not at_goal:
                individual_reward[row, agent] = AWAY
                away += 1
        team_reward[row] = AWAY * away
        if away == 0:
            team_reward[row] = PRIZE
            individual_reward[row, :] = PRIZE / n
            terminated[row] = True
