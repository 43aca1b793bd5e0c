"""Small team problems with all joint histories enumerated: values, optima and gradients are exact sums.

Letters: **K** joint histories, **T** steps, **N** agents, **S** states, **A** actions, **P** policies of one agent.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]

MOST_HISTORIES = 200
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Histories:
    """All joint histories that are possible in a problem.

    state [K, T], action [K, T, N], running [K, T] (the step happened), chance [K]: the product of the probabilities of
    the transitions, returns [K]: the team's undiscounted return. `states` S and `actions` A. State and action are 0 after
    the end.
    """

    state: Integers
    action: Integers
    running: Booleans
    chance: Array
    returns: Array
    states: int
    actions: int

    @property
    def length(self) -> Integers:
        """[K] steps."""
        result: Integers = self.running.sum(1)
        return result

    @property
    def acting(self) -> Booleans:
        """[K, T, N] all agents act while the episode runs."""
        result: Booleans = np.broadcast_to(self.running[:, :, None], self.action.shape)
        return result

    def deterministic_policies(self) -> Integers:
        """[P, T, S] all policies of one agent of time and state; the action is 0 where no history comes."""
        visited = sorted({(t, s) for t in range(self.state.shape[1]) for s in self.state[self.running[:, t], t].tolist()})
        policies: Integers = np.zeros((self.actions ** len(visited), self.state.shape[1], self.states), np.int64)
        for policy, choices in zip(policies, itertools.product(range(self.actions), repeat=len(visited)), strict=True):
            for (t, s), choice in zip(visited, choices, strict=True):
                policy[t, s] = choice
        return policies

    def follows(self, policies: Integers, agent: int) -> Booleans:
        """[P, K] whether each of policies [P, T, S], played by `agent`, takes the actions of each history."""
        time = np.arange(self.state.shape[1])
        taken = policies[:, time, self.state] == self.action[:, :, agent]
        result: Booleans = (taken | ~self.running).all(2)
        return result

    def values(self, worth: Array) -> Array:
        """[P, …, P] the expected `worth` [K] of a history under every joint deterministic policy of two agents."""
        policies = self.deterministic_policies()
        first, second = (self.follows(policies, agent).astype(float) for agent in range(2))
        result: Array = np.einsum("ak,bk,k->ab", first, second, self.chance * worth)
        return result

    def probabilities(self, policy: Array) -> Array:
        """[K] of each history under the stochastic policies [N, T, S, A]."""
        time = np.arange(self.state.shape[1])
        agents = np.arange(self.action.shape[2])[:, None, None]
        taken = policy[agents, time, self.state, np.moveaxis(self.action, 2, 0)]
        result: Array = self.chance * np.where(self.running, taken, 1.0).prod((0, 2))
        return result

    def gradient(self, policy: Array, worth: Array) -> Array:
        """[N, T, S, A] the exact score-function gradient in the logits of `policy` [N, T, S, A],

        E[sum over t of worth_{t, i} grad log pi_i(a_t)], with weights `worth` [K, T, N].
        """
        steps, agents = self.action.shape[1:]
        weighted = self.probabilities(policy)[:, None, None] * worth * self.running[:, :, None]
        gradient = np.zeros_like(policy)
        for agent, t in itertools.product(range(agents), range(steps)):
            state, action, weight = self.state[:, t], self.action[:, t, agent], weighted[:, t, agent]
            np.add.at(gradient[agent, t], (state, action), weight)
            np.add.at(gradient[agent, t], state, -weight[:, None] * policy[agent, t, state])
        return gradient


def histories_of(
    transitions: Array, reward: Array, start: int = 0, horizon: int = 3, most: int | None = MOST_HISTORIES
) -> Histories | None:
    """All joint histories, or None if there are more than `most`.

    transitions [T, S, A, …, A, S + 1]: probabilities of the next state under the joint action, the last being the end;
    reward [T, S, A, …, A] of the team. Every history ends at the horizon at the latest.
    """
    states, actions, agents = transitions.shape[-1] - 1, transitions.shape[2], transitions.ndim - 3
    complete: list[tuple[list[int], list[tuple[int, ...]], float, float]] = []
    unfinished: list[tuple[list[int], list[tuple[int, ...]], float, float]] = [([start], [], 1.0, 0.0)]
    while unfinished:
        path, taken, chance, total = unfinished.pop()
        t, state = len(taken), path[-1]
        for joint in itertools.product(range(actions), repeat=agents):
            reward_so_far = total + float(reward[(t, state, *joint)])
            onward = transitions[(t, state, *joint)] if t + 1 < horizon else np.eye(states + 1)[-1]
            for following in np.flatnonzero(onward).tolist():
                history = (path, [*taken, joint], chance * float(onward[following]), reward_so_far)
                if following == states:
                    complete.append(history)
                else:
                    unfinished.append(([*path, following], *history[1:]))
        if most is not None and len(complete) + len(unfinished) > most:
            return None
    states_of = np.zeros((len(complete), horizon), np.int64)
    actions_of = np.zeros((len(complete), horizon, agents), np.int64)
    running = np.zeros((len(complete), horizon), np.bool_)
    for row, (path, taken, _, _) in enumerate(complete):
        states_of[row, : len(path)], actions_of[row, : len(taken)], running[row, : len(taken)] = path, taken, True
    chances, totals = (np.array([entry[column] for entry in complete], np.float64) for column in (2, 3))
    return Histories(states_of, actions_of, running, chances, totals, states, actions)


def random_problem(generator: np.random.Generator, *, variable_length: bool) -> Histories:
    """A problem of two agents with two actions each, two states and three steps, of at most 200 joint histories.

    Each state and joint action has one or two possible next states with random probabilities; with `variable_length` one of
    them can be the end. The team reward of each is standard normal.
    """
    states, actions, horizon, agents = 2, 2, 3, 2
    shape = (horizon, states, *[actions] * agents)
    while True:
        targets = states + 1 if variable_length else states
        transitions = np.zeros((*shape, states + 1))
        for index in np.ndindex(shape):
            chosen = generator.choice(targets, size=int(generator.integers(1, 3)), replace=False)
            transitions[(*index, chosen)] = generator.dirichlet(np.ones(len(chosen)))
        problem = histories_of(transitions, generator.standard_normal(shape), horizon=horizon)
        if problem is not None:
            return problem


def optima(values: Array) -> Booleans:
    """Which joint policies attain the maximum of `values`, up to rounding."""
    result: Booleans = values >= values.max() - TOLERANCE * max(1.0, float(np.abs(values).max()))
    return result


def equilibria(first: Array, second: Array) -> Booleans:
    """[P, P] which joint policies are Nash equilibria of two agents with the values `first` and `second` [P, P]."""
    scale = TOLERANCE * max(1.0, float(np.abs(first).max()), float(np.abs(second).max()))
    kept: Booleans = (first >= first.max(0, keepdims=True) - scale) & (second >= second.max(1, keepdims=True) - scale)
    return kept
