"""Small team problems whose every joint history is written down, so that values, optima and gradients are exact sums.

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
    """Every joint history of a problem that its rules allow, whatever the policies.

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
        """[K, T, N]: nobody dies here."""
        result: Booleans = np.broadcast_to(self.running[:, :, None], self.action.shape)
        return result

    def deterministic_policies(self) -> Integers:
        """[P, T, S] every policy of one agent that sees state and time, at the places that some history visits; else 0."""
        places = sorted({(t, s) for t in range(self.state.shape[1]) for s in self.state[self.running[:, t], t].tolist()})
        policies: Integers = np.zeros((self.actions ** len(places), self.state.shape[1], self.states), np.int64)
        for policy, choices in zip(policies, itertools.product(range(self.actions), repeat=len(places)), strict=True):
            for (t, s), choice in zip(places, choices, strict=True):
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
        """[N, T, S, A] the exact score-function gradient with regard to the logits of `policy` [N, T, S, A].

        `worth` [K, T, N] is what each agent's action is weighed with: E[sum over t of worth_{t, i} grad log pi_i(a_t)].
        """
        steps, agents = self.action.shape[1:]
        weighed = self.probabilities(policy)[:, None, None] * worth * self.running[:, :, None]
        gradient = np.zeros_like(policy)
        for agent, t in itertools.product(range(agents), range(steps)):
            state, action, weight = self.state[:, t], self.action[:, t, agent], weighed[:, t, agent]
            np.add.at(gradient[agent, t], (state, action), weight)
            np.add.at(gradient[agent, t], state, -weight[:, None] * policy[agent, t, state])
        return gradient


def histories_of(
    transitions: Array, reward: Array, start: int = 0, horizon: int = 3, most: int | None = MOST_HISTORIES
) -> Histories | None:
    """Writes all joint histories down, or returns None where there are more than `most`.

    transitions [T, S, A, …, A, S + 1]: probabilities of the next state under the joint action, the last being the end;
    reward [T, S, A, …, A] of the team. Every history ends at the horizon if it has not before.
    """
    states, actions, agents = transitions.shape[-1] - 1, transitions.shape[2], transitions.ndim - 3
    found: list[tuple[list[int], list[tuple[int, ...]], float, float]] = []
    open_ones: list[tuple[list[int], list[tuple[int, ...]], float, float]] = [([start], [], 1.0, 0.0)]
    while open_ones:
        path, taken, chance, total = open_ones.pop()
        t, state = len(taken), path[-1]
        for joint in itertools.product(range(actions), repeat=agents):
            paid = total + float(reward[(t, state, *joint)])
            onward = transitions[(t, state, *joint)] if t + 1 < horizon else np.eye(states + 1)[-1]
            for following in np.flatnonzero(onward).tolist():
                here = (path, [*taken, joint], chance * float(onward[following]), paid)
                if following == states:
                    found.append(here)
                else:
                    open_ones.append(([*path, following], *here[1:]))
        if most is not None and len(found) + len(open_ones) > most:
            return None
    states_of = np.zeros((len(found), horizon), np.int64)
    actions_of = np.zeros((len(found), horizon, agents), np.int64)
    running = np.zeros((len(found), horizon), np.bool_)
    for row, (path, taken, _, _) in enumerate(found):
        states_of[row, : len(path)], actions_of[row, : len(taken)], running[row, : len(taken)] = path, taken, True
    chances, totals = (np.array([entry[column] for entry in found], np.float64) for column in (2, 3))
    return Histories(states_of, actions_of, running, chances, totals, states, actions)


def random_problem(generator: np.random.Generator, *, variable_length: bool) -> Histories:
    """A problem of two agents with two actions each, two states and three steps, of at most 200 joint histories.

    From every state and joint action lead one or two equally random transitions; with `variable_length` the end is among
    what they may lead to. The team's reward of each is standard normal.
    """
    states, actions, horizon, agents = 2, 2, 3, 2
    shape = (horizon, states, *[actions] * agents)
    while True:
        targets = states + 1 if variable_length else states
        transitions = np.zeros((*shape, states + 1))
        for place in np.ndindex(shape):
            chosen = generator.choice(targets, size=int(generator.integers(1, 3)), replace=False)
            transitions[(*place, chosen)] = generator.dirichlet(np.ones(len(chosen)))
        found = histories_of(transitions, generator.standard_normal(shape), horizon=horizon)
        if found is not None:
            return found


def optima(values: Array) -> Booleans:
    """Which joint policies attain the largest of `values`, to rounding."""
    result: Booleans = values >= values.max() - TOLERANCE * max(1.0, float(np.abs(values).max()))
    return result


def equilibria(first: Array, second: Array) -> Booleans:
    """[P, P] which joint policies neither agent can leave to its own gain; `first`, `second` [P, P] their values."""
    scale = TOLERANCE * max(1.0, float(np.abs(first).max()), float(np.abs(second).max()))
    kept: Booleans = (first >= first.max(0, keepdims=True) - scale) & (second >= second.max(1, keepdims=True) - scale)
    return kept


def softmax_policy(logits: Array) -> Array:
    """Probabilities along the last dimension."""
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    result: Array = raised / raised.sum(-1, keepdims=True)
    return result
