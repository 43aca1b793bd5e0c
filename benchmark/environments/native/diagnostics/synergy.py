"""Synergy: joint work earns more than separate work; credit is known in closed form (experiment E6 of the STAS specification).

n agents, T steps. At each step every agent has a public ability bit z_i ~ Bernoulli(1/2) and chooses 0 idle or 1 work. Effort
e_i = z_i a_i, k = sum of efforts; the team earns f(k) - cost * sum of a_i, f(k) = (k / n)^exponent, or 1[k = n] with
`exponent` infinite. By symmetry and the dummy axiom agent i's Shapley share of a step is e_i f(k) / k - cost * a_i: that is
`individual_reward`.
With `blocks` >= 2 the team earns nothing until the last step and then T times the product over equal blocks of time of
the mean f within each: credit multiplies over time. Individual rewards are then equal shares.

Observation [2]: own ability, t / T. State [n + 1]: all abilities, t / T.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from algorithms.team import StateField, TeamShape
from benchmark.environments.native.base import NativeEnvironment
from benchmark.environments.native.compilation import njit
from benchmark.environments.native.random import next_below


class Synergy(NativeEnvironment):
    """B episodes. `exponent`: 1, 2, 4 … or math.inf (all must work); `blocks`: 1 for a reward at every step."""

    individual_sums_to_team = True

    def __init__(
        self, batch_size: int, n_agents: int, exponent: float, blocks: int = 1, cost: float = 0.05, horizon: int = 20
    ) -> None:
        if n_agents < 1 or horizon < 1 or cost < 0 or exponent <= 0:
            raise ValueError("needs n_agents >= 1, horizon >= 1, cost >= 0 and exponent > 0")
        if blocks < 1 or horizon % blocks:
            raise ValueError(f"blocks must divide the horizon of {horizon}, got {blocks}")
        fields = [StateField(f"agent{i}.ability", f"agent{i}", i, "ability") for i in range(n_agents)]
        fields += [StateField("time", "clock", None, "time")]
        team = TeamShape(
            n_agents=n_agents,
            observation_sizes=(2,) * n_agents,
            action_sizes=(2,) * n_agents,
            agent_types=(0,) * n_agents,
            state_size=n_agents + 1,
            horizon=horizon,
            state_fields=tuple(fields),
        )
        parameters = {"n_agents": n_agents, "exponent": exponent, "blocks": blocks, "cost": cost, "horizon": horizon}
        super().__init__(batch_size, team, parameters)
        self._exponent = exponent
        self._blocks = blocks
        self._cost = cost
        self.ability = self.simulation_array("ability", (n_agents,), np.int64)
        self.block_sums = self.simulation_array("block_sums", (blocks,), np.float64)
        self.costs = self.simulation_array("costs", (), np.float64)

    def _reset_rows(self, count: int) -> None:
        self.alive[:count] = True
        self.available[:count] = True
        self.block_sums[:count] = 0
        self.costs[:count] = 0
        _draw_abilities(count, self.running, self.ability, self.streams)
        self._publish()

    def _publish(self) -> None:
        rows = self.alive[:, 0]
        time = self.steps[rows] / self.team.horizon
        self.observation[rows, :, 0] = self.ability[rows]
        self.observation[rows, :, 1] = time[:, None]
        self.state[rows, :-1] = self.ability[rows]
        self.state[rows, -1] = time

    def _step_rows(self, actions: NDArray[np.int64]) -> None:
        self._begin_step()
        _advance(
            actions,
            self._exponent,
            self._cost,
            self.team.horizon,
            self.ability,
            self.block_sums,
            self.costs,
            self.steps,
            self.running,
            self.team_reward,
            self.individual_reward,
        )
        self._end_step()
        _draw_abilities(self.batch_size, self.running, self.ability, self.streams)
        self._publish()


@njit(cache=True)
def _draw_abilities(count, running, ability, streams):
    for row in range(count):
        if running[row]:
            for agent in range(ability.shape[1]):
                ability[row, agent] = next_below(streams[row], 2)


@njit(cache=True)
def _payoff(effort, n, exponent):
    if math.isinf(exponent):
        return 1.0 if effort == n else 0.0
    return (effort / n) ** exponent


@njit(cache=True)
def _advance(
    actions,
    exponent,
    cost,
    horizon,
    ability,
    block_sums,
    costs,
    steps,
    running,
    team_reward,
    individual_reward,
):
    n = ability.shape[1]
    blocks = block_sums.shape[1]
    for row in range(len(running)):
        if not running[row]:
            continue
        effort = 0
        work = 0
        for agent in range(n):
            work += actions[row, agent]
            effort += actions[row, agent] * ability[row, agent]
        value = _payoff(effort, n, exponent)
        if blocks == 1:
            team_reward[row] = value - cost * work
            for agent in range(n):
                share = value / effort if actions[row, agent] * ability[row, agent] else 0.0
                individual_reward[row, agent] = share - cost * actions[row, agent]
        else:
            length = horizon // blocks
            block_sums[row, (steps[row] - 1) // length] += value / length
            costs[row] += cost * work
            if steps[row] == horizon:
                product = float(horizon)
                for block in range(blocks):
                    product *= block_sums[row, block]
                team_reward[row] = product - costs[row]
                individual_reward[row] = team_reward[row] / n
