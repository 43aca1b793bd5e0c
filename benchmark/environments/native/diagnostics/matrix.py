"""Matrix games with known solutions: climbing, penalty (Claus and Boutilier 1998) and the two-step game (Rashid et al. 2018).

climbing and penalty: two agents choose one of three rows and columns, 25 times; everyone sees the constant 1. The best repeated
joint action gives 275 (climbing) and 250 (penalty); the climbing game's safe ones give 175 and 125, penalty's safe one 50.
two-step: agent 0's first action chooses between a constant payoff of 7 and the payoffs [[0, 1], [1, 8]]; optimum 8.
The reward is shared; individual rewards are equal shares of it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from algorithms.team import StateField, TeamShape
from benchmark.environments.native.base import NativeEnvironment

Game = Literal["climbing", "penalty", "two_step"]
CLIMBING = ((11.0, -30.0, 0.0), (-30.0, 7.0, 6.0), (0.0, 0.0, 5.0))
TWO_STEP = (((0.0, 0.0), (0.0, 0.0)), ((7.0, 7.0), (7.0, 7.0)), ((0.0, 1.0), (1.0, 8.0)))


def penalty_matrix(penalty: float) -> tuple[tuple[float, ...], ...]:
    """The payoff of the penalty game; `penalty` <= 0 is the reward for miscoordination."""
    return ((penalty, 0.0, 10.0), (0.0, 2.0, 0.0), (10.0, 0.0, penalty))


class MatrixGame(NativeEnvironment):
    """B repeated games. `penalty`: k of the penalty game, <= 0; ignored by no other game, so refused there."""

    individual_sums_to_team = True

    def __init__(self, batch_size: int, game: Game, penalty: float | None = None, horizon: int = 25) -> None:
        if game not in ("climbing", "penalty", "two_step"):
            raise ValueError(f"game is '{game}', allowed: climbing, penalty, two_step")
        if (penalty is not None) != (game == "penalty"):
            raise ValueError("the penalty game, and no other, needs `penalty`")
        if penalty is not None and penalty > 0:
            raise ValueError(f"penalty must be at most 0, got {penalty}")
        if game == "two_step":
            horizon = 2
            self._payoff = np.array(TWO_STEP)
        else:
            matrix = CLIMBING if penalty is None else penalty_matrix(penalty)
            self._payoff = np.array([matrix])
        stages, actions, _ = self._payoff.shape
        fields = tuple(StateField(f"stage{i}", "game", None, "stage") for i in range(stages))
        team = TeamShape(
            n_agents=2,
            observation_sizes=(stages, stages),
            action_sizes=(actions, actions),
            agent_types=(0, 0),
            state_size=stages,
            horizon=horizon,
            state_fields=fields,
        )
        super().__init__(batch_size, team, {"game": game, "penalty": penalty, "horizon": horizon})
        self._two_step = game == "two_step"
        self.stage = self.simulation_array("stage", (), np.int64)

    def _reset_rows(self, count: int) -> None:
        self.alive[:count] = True
        self.available[:count] = True
        self.stage[:count] = 0
        self._publish()

    def _publish(self) -> None:
        rows = np.flatnonzero(self.alive[:, 0])
        self.state[rows] = 0
        self.state[rows, self.stage[rows]] = 1
        self.observation[rows] = self.state[rows, None]

    def _step_rows(self, actions: NDArray[np.int64]) -> None:
        self._begin_step()
        self._pay(actions)
        if self._two_step:
            # A true end; a repeated game is only cut.
            self.terminated |= self.running & (self.steps == 2)
            self.stage[self.running & (self.steps == 1)] += 1 + actions[self.running & (self.steps == 1), 0]
        self._end_step()
        if self._two_step:
            self._publish()

    def _pay(self, actions: NDArray[np.int64]) -> None:
        rows = self.running
        self.team_reward[rows] = self._payoff[self.stage[rows], actions[rows, 0], actions[rows, 1]]
        self.individual_reward[rows] = self.team_reward[rows, None] / 2
