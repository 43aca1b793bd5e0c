"""The integer grids of influence scope (ISA): navigation, unlock, shooting.

Agents move on a square grid one after the other, by number, and may share cells; a move over the border is unavailable.
Actions: 0 stay, 1 y-1, 2 y+1, 3 x-1, 4 x+1, and in shooting 5 shoot. An agent that reaches what it is for is frozen:
it can only stay (and shoot).

navigation (7 agents, 20x20, all start at (0, 0)): +1 for each landmark newly occupied; its agent is frozen.
Success: all landmarks occupied.
unlock (7 agents, 20x20): +1 when an agent first stands on its own lock; it is frozen. Success: all locks open.
shooting (3 agents, 10x10, all start at (1, 1)): each shot adds a bullet, allowed where y > 5; an agent that newly occupies
one of three positions is frozen. The reward is 0 always. Success: more than 50 bullets and all positions occupied.

Observation: own (x, y), then all landmarks (navigation), the own lock (unlock) or the number of bullets (shooting).
State: all agents' (x, y), then all landmarks, all locks or the number of bullets. Not normalised.
`individual_reward` goes to the agent whose arrival earned it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from algorithms.team import StateField, TeamShape
from benchmark.environments.native.base import NativeEnvironment
from benchmark.environments.native.compilation import njit
from benchmark.environments.scene import Box, Disc, Line, Scene

Game = Literal["navigation", "unlock", "shooting"]

LANDMARKS = ((12, 5), (12, 14), (13, 5), (6, 1), (11, 13), (12, 8), (2, 6))
SHOOTING_POSITIONS = ((5, 7), (3, 7), (7, 7))
BULLETS_NEEDED = 51
SHOOTING_LINE = 5
# Effects of actions 0..4 on (x, y); action 5, shoot, does not move.
MOVES = np.array([[0, 0], [0, -1], [0, 1], [-1, 0], [1, 0], [0, 0]], np.int64)
SHOOT = 5
_NAVIGATION, _UNLOCK, _SHOOTING = 0, 1, 2
_GAMES: dict[str, int] = {"navigation": _NAVIGATION, "unlock": _UNLOCK, "shooting": _SHOOTING}


class Grid(NativeEnvironment):
    """B games on a grid. `game`: which; `horizon`: 60 in the paper."""

    individual_sums_to_team = True

    def __init__(self, batch_size: int, game: Game, horizon: int = 60) -> None:
        if game not in _GAMES:
            raise ValueError(f"game is '{game}', allowed: {', '.join(_GAMES)}")
        if horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {horizon}")
        self._game = _GAMES[game]
        shooting = game == "shooting"
        self._side = 10 if shooting else 20
        self._start = 1 if shooting else 0
        self.targets = np.array(SHOOTING_POSITIONS if shooting else LANDMARKS, np.int64)
        n = len(self.targets)
        tail = ["bullets"] if shooting else [f"target{i}.{axis}" for i in range(n) for axis in "xy"]
        fields = [StateField(f"agent{i}.{axis}", f"agent{i}", i, "position") for i in range(n) for axis in "xy"]
        fields += [StateField(name, name.partition(".")[0], None, "count" if shooting else "position") for name in tail]
        observation_size = {"navigation": 2 + 2 * n, "unlock": 4, "shooting": 3}[game]
        team = TeamShape(
            n_agents=n,
            observation_sizes=(observation_size,) * n,
            action_sizes=(6 if shooting else 5,) * n,
            agent_types=(0,) * n,
            state_size=len(fields),
            horizon=horizon,
            state_fields=tuple(fields),
        )
        super().__init__(batch_size, team, {"game": game, "horizon": horizon})
        self.positions = self.simulation_array("positions", (n, 2), np.int64)
        self.frozen = self.simulation_array("frozen", (n,), np.bool_)
        self.occupied = self.simulation_array("occupied", (n,), np.bool_)
        self.bullets = self.simulation_array("bullets", (), np.int64)

    def _reset_rows(self, count: int) -> None:
        rows = slice(0, count)
        self.positions[rows] = self._start
        self.frozen[rows] = False
        self.occupied[rows] = False
        self.bullets[rows] = 0
        self.alive[rows] = True
        self._publish()

    def _publish(self) -> None:
        _publish(
            self.alive,
            self._game,
            self._side,
            self.targets,
            self.positions,
            self.frozen,
            self.bullets,
            self.running,
            self.observation,
            self.state,
            self.available,
        )

    def _step_rows(self, actions: NDArray[np.int64]) -> None:
        self._begin_step()
        _advance(
            actions,
            self._game,
            self.targets,
            self.positions,
            self.frozen,
            self.occupied,
            self.bullets,
            self.running,
            self.team_reward,
            self.individual_reward,
            self.terminated,
        )
        self._end_step()
        self.success[:] = self.terminated
        self._publish()

    def agent_positions(self) -> NDArray[np.float64]:
        return self.positions.astype(np.float64)

    def scene(self, row: int) -> Scene:
        shapes: list[Disc | Box | Line] = []
        for target, (x, y) in enumerate(self.targets.tolist()):
            label = str(target) if self._game == _UNLOCK else ""
            shapes.append(Box(x, y, 1, 1, "mark" if self.occupied[row, target] else "goal", label))
        if self._game == _SHOOTING:
            shapes.append(Line(0, SHOOTING_LINE + 1, self._side, SHOOTING_LINE + 1, "wall"))
        for agent, (x, y) in enumerate(self.positions[row].tolist()):
            shapes.append(Disc(x + 0.5, y + 0.5, 0.4, "agent", str(agent), agent))
        return Scene((0, 0, self._side, self._side), tuple(shapes), cells=True)


@njit(cache=True)
def _publish(alive, game, side, targets, positions, frozen, bullets, running, observation, state, available):
    """Observations, state and availability of the rows that have an episode."""
    n = positions.shape[1]
    for row in range(len(alive)):
        if not alive[row, 0]:
            continue
        for agent in range(n):
            x, y = positions[row, agent]
            observation[row, agent, 0] = x
            observation[row, agent, 1] = y
            state[row, 2 * agent] = x
            state[row, 2 * agent + 1] = y
            if game == _NAVIGATION:
                for target in range(n):
                    observation[row, agent, 2 + 2 * target] = targets[target, 0]
                    observation[row, agent, 3 + 2 * target] = targets[target, 1]
            elif game == _UNLOCK:
                observation[row, agent, 2] = targets[agent, 0]
                observation[row, agent, 3] = targets[agent, 1]
            else:
                observation[row, agent, 2] = bullets[row]
            free = running[row] and not frozen[row, agent]
            available[row, agent, 0] = True
            available[row, agent, 1] = free and y > 0
            available[row, agent, 2] = free and y < side - 1
            available[row, agent, 3] = free and x > 0
            available[row, agent, 4] = free and x < side - 1
            if game == _SHOOTING:
                available[row, agent, SHOOT] = running[row] and y > SHOOTING_LINE
        if game == _SHOOTING:
            state[row, 2 * n] = bullets[row]
        else:
            for target in range(n):
                state[row, 2 * n + 2 * target] = targets[target, 0]
                state[row, 2 * n + 2 * target + 1] = targets[target, 1]


@njit(cache=True)
def _advance(
    actions,
    game,
    targets,
    positions,
    frozen,
    occupied,
    bullets,
    running,
    team_reward,
    individual_reward,
    terminated,
):
    n = positions.shape[1]
    for row in range(len(running)):
        if not running[row]:
            continue
        for agent in range(n):
            action = actions[row, agent]
            if action == SHOOT:
                bullets[row] += 1
            positions[row, agent, 0] += MOVES[action, 0]
            positions[row, agent, 1] += MOVES[action, 1]
            if frozen[row, agent]:
                continue
            for target in range(n):
                if game == _UNLOCK and target != agent:
                    continue
                here = positions[row, agent, 0] == targets[target, 0] and positions[row, agent, 1] == targets[target, 1]
                if here and not occupied[row, target]:
                    occupied[row, target] = True
                    frozen[row, agent] = True
                    if game != _SHOOTING:
                        individual_reward[row, agent] += 1.0
                        team_reward[row] += 1.0
        done = occupied[row].all()
        if game == _SHOOTING:
            done = done and bullets[row] >= BULLETS_NEEDED
        terminated[row] = done
