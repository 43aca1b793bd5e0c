"""Tabular multi-agent MDPs with all states and joint actions enumerated: values and policy gradients are exact sums.

Agents observe their own substate and follow softmax policies of it. Transitions are deterministic; only policies are random.
Undiscounted; all agents act until the horizon.

Letters: **S** states, **J** joint actions, **L** substates, **K** trajectories, **T** steps, **N** agents, **A** actions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order
from torch import Tensor

Step = Callable[[Any, tuple[int, ...]], tuple[Hashable, list[float]]]
"""The transition function: state and joint action -> next state and the reward of each agent."""

SAME_REWARD = 1e-9
"""Rewards nearer than this are equal."""


@dataclass(frozen=True)
class TabularMDP:
    """A tabular MDP that starts in state 0.

    next_state [S, J] int64, reward [S, J, N] float64, substate [S, N] int64, graph [S, J, N, N] bool: whether agent j (row)
    influences agent i (column) under the joint action, self loops included. Joint actions are in the order of `joint_actions`.
    """

    name: str
    actions: int
    substates: int
    steps: int
    next_state: Tensor
    reward: Tensor
    substate: Tensor
    graph: Tensor

    @property
    def agents(self) -> int:
        """N."""
        return self.substate.shape[1]

    @property
    def action_of(self) -> Tensor:
        """[J, N] the action of each agent in each joint action."""
        return joint_actions(self.agents, self.actions)


def joint_actions(agents: int, actions: int) -> Tensor:
    """[J, N] all joint actions, the last agent's action changing fastest."""
    return torch.tensor(list(itertools.product(range(actions), repeat=agents)))


def enumerate_states(start: Hashable, agents: int, actions: int, step: Step) -> tuple[list[Any], Tensor, Tensor]:
    """All states that are reachable from the start, in the order of their discovery, next_state [S, J] and reward [S, J, N]."""
    joint = [tuple(row) for row in joint_actions(agents, actions).tolist()]
    index: dict[Hashable, int] = {start: 0}
    states, next_states, rewards = [start], [], []
    for state in states:  # the list grows during the loop
        next_row, reward_row = [], []
        for actions_taken in joint:
            after, reward = step(state, actions_taken)
            if after not in index:
                index[after] = len(states)
                states.append(after)
            next_row.append(index[after])
            reward_row.append(reward)
        next_states.append(next_row)
        rewards.append(reward_row)
    return states, torch.tensor(next_states), torch.tensor(rewards, dtype=torch.float64)


def reachable(next_state: Tensor) -> tuple[Tensor, Tensor]:
    """The states that are reachable from state 0 by a table [S, J], in ascending order, and the table restricted to them."""
    count, joint = next_state.shape
    source = np.repeat(np.arange(count), joint)
    graph = csr_array((np.ones(len(source)), (source, next_state.numpy().ravel())), shape=(count, count))
    states = torch.from_numpy(breadth_first_order(graph, 0, return_predecessors=False)).long().sort().values
    index = torch.zeros(count, dtype=torch.int64).index_put((states,), torch.arange(len(states)))
    return states, index[next_state[states]]


def influence_by_intervention(next_state: Tensor, reward: Tensor, substate: Tensor, actions: int) -> Tensor:
    """[S, J, N, N] bool: j -> i if another action of j, all other actions unchanged, would have given i another substate or
    another reward. Self loops included."""
    states, joint, agents = reward.shape
    outcome = torch.stack([substate[next_state].double(), reward], -1).view(states, *[actions] * agents, agents, 2)
    graph = torch.eye(agents, dtype=torch.bool).repeat(states, joint, 1, 1)
    for actor in range(agents):
        spread = outcome.amax(1 + actor, keepdim=True) - outcome.amin(1 + actor, keepdim=True)
        differs = (spread > SAME_REWARD).any(-1).expand(outcome.shape[:-1])
        graph[:, :, actor] |= differs.reshape(states, joint, agents)
    return graph


class Exact:
    """Exact policies, values and gradients of the team's return for softmax policies with logits [N, L, A]."""

    def __init__(self, world: TabularMDP, logits: Tensor) -> None:
        self.world = world
        self.policy = logits.softmax(-1)  # [N, L, A]
        agents, taken = torch.arange(world.agents), world.action_of
        self.joint_policy = self.policy[agents, world.substate[:, None], taken].prod(-1)  # [S, J]
        values, visits = [torch.zeros_like(world.reward[:, 0])], [F.one_hot(torch.tensor(0), len(world.substate)).double()]
        for _ in range(world.steps):
            expected = self.joint_policy[..., None] * (world.reward + values[0][world.next_state])
            values.insert(0, expected.sum(1))
            onward = visits[-1][:, None] * self.joint_policy
            visits.append(torch.zeros_like(visits[0]).index_add_(0, world.next_state.flatten(), onward.flatten()))
        self.values = torch.stack(values)  # [T+1, S, N] of each agent's individual reward, given the state
        self.visits = torch.stack(visits)  # [T+1, S] the probability of the state at the step

    def local_values(self, *, timed: bool) -> Tensor:
        """[T+1, S, N] the value of agent i's individual reward given only its substate and, if `timed`, the time; else
        averaged over the times at which i is in that substate. 0 at the end."""
        world = self.world
        local = torch.zeros_like(self.values)
        visits, values = self.visits[:-1], self.values[:-1]
        for agent in range(world.agents):
            there = world.substate[:, agent]
            nothing = torch.zeros(world.steps, world.substates, dtype=torch.float64)
            chance = nothing.index_add(1, there, visits)
            weighted = nothing.index_add(1, there, visits * values[..., agent])
            if not timed:
                chance, weighted = (each.sum(0, keepdim=True) for each in (chance, weighted))
            local[:-1, :, agent] = torch.where(chance > 0, weighted / chance, 0.0)[:, there]
        return local

    def gradient(self) -> Tensor:
        """[N, L, A] of the team's expected return in the logits."""
        everybody = torch.ones_like(self.world.graph)
        return self.credited_gradient(everybody, torch.zeros_like(self.values))

    def credited_gradient(self, graph: Tensor, values: Tensor) -> Tensor:
        """[N, L, A] the expected sum over an agent's actions of score times multi-agent advantage (floor 0) along a graph
        [S, J, N, N], with the TD errors of values [T+1, S, N] (lambda 1), by recursion over states and sets of reached
        agents."""
        world = self.world
        member = (torch.arange(2**world.agents)[:, None] >> torch.arange(world.agents)) & 1  # [sets, N]
        reached = self._sets_after(graph)  # [sets, S, J]
        alone = 2 ** torch.arange(world.agents)
        ahead = torch.zeros(len(world.substate), 2**world.agents, dtype=torch.float64)  # [S, sets]
        worth = torch.zeros(world.agents, *self.joint_policy.shape, dtype=torch.float64)
        for step in range(world.steps - 1, -1, -1):
            error = world.reward + values[step + 1][world.next_state] - values[step][:, None]
            of_set = error @ member.T.double()  # [S, J, sets]
            credit = of_set.movedim(-1, 0).gather(0, reached) + ahead[world.next_state, reached]
            worth += self.visits[step][:, None] * credit[alone]
            ahead = (self.joint_policy * credit).sum(-1).T
        gradient = torch.zeros_like(self.policy)
        for agent in range(world.agents):
            score = F.one_hot(world.action_of[:, agent], world.actions) - self.policy[agent, world.substate[:, agent], None]
            weighted = (self.joint_policy * worth[agent])[..., None] * score
            gradient[agent].index_add_(0, world.substate[:, agent], weighted.sum(1))
        return gradient

    def _sets_after(self, graph: Tensor) -> Tensor:
        """[sets, S, J] the set of agents that a set has reached after one more step along a graph [S, J, N, N]. Sets are bit
        masks."""
        agents = self.world.agents
        influenced = (graph * 2 ** torch.arange(agents)).sum(-1)  # [S, J, N]
        reached = torch.zeros(2**agents, *influenced.shape[:2], dtype=torch.int64)
        for number in range(2**agents):
            for agent in range(agents):
                if number >> agent & 1:
                    reached[number] |= influenced[..., agent]
        return reached


@dataclass(frozen=True)
class Trajectories:
    """K trajectories of a policy: state [K, T+1], joint [K, T] int64, and weights [K] with which sums over them are means."""

    exact: Exact
    state: Tensor
    joint: Tensor
    weight: Tensor

    @property
    def reward(self) -> Tensor:
        """[K, T, N] of each agent."""
        return self.exact.world.reward[self.state[:, :-1], self.joint]

    @property
    def graph(self) -> Tensor:
        """[K, T, N, N] of the MDP."""
        return self.exact.world.graph[self.state[:, :-1], self.joint]

    def along(self, values: Tensor) -> Tensor:
        """[K, T+1, N] values [T+1, S, N] at the visited states."""
        return values[torch.arange(self.exact.world.steps + 1), self.state]

    def gradients(self, advantage: Tensor) -> Tensor:
        """[K, N, L, A] the gradient estimate of each trajectory: the sum over its actions of advantage [K, T, N] times
        score."""
        world, (rows, score) = self.exact.world, self._scores
        gradients = torch.zeros(len(self.joint) * world.agents * world.substates, world.actions, dtype=torch.float64)
        gradients.index_add_(0, rows, advantage.reshape(-1, 1) * score)
        return gradients.view(-1, world.agents, world.substates, world.actions)

    @cached_property
    def _scores(self) -> tuple[Tensor, Tensor]:
        """For each action: its row [K T N] among the flattened trajectories, agents and substates, and its score [K T N, A]."""
        world, agents = self.exact.world, torch.arange(self.exact.world.agents)
        substate, action = world.substate[self.state[:, :-1]], world.action_of[self.joint]
        score = F.one_hot(action, world.actions) - self.exact.policy[agents, substate]
        rows = (torch.arange(len(substate))[:, None, None] * world.agents + agents) * world.substates + substate
        return rows.flatten(), score.flatten(0, 2)


def all_trajectories(exact: Exact) -> Trajectories:
    """All J^T trajectories, weighted by their probabilities."""
    world = exact.world
    joint = torch.cartesian_prod(*[torch.arange(world.next_state.shape[1])] * world.steps).view(-1, world.steps)
    state, weight = _followed(exact, joint)
    return Trajectories(exact, state, joint, weight)


def sampled_trajectories(exact: Exact, count: int, generator: torch.Generator) -> Trajectories:
    """`count` independent trajectories, equally weighted."""
    world = exact.world
    ends = exact.joint_policy.cumsum(1)
    state = torch.zeros(count, world.steps + 1, dtype=torch.int64)
    joint = torch.zeros(count, world.steps, dtype=torch.int64)
    for step in range(world.steps):
        draws = torch.rand(count, 1, generator=generator, dtype=torch.float64)
        chosen = torch.searchsorted(ends[state[:, step]], draws, right=True)[:, 0].clamp(max=ends.shape[1] - 1)
        joint[:, step] = chosen
        state[:, step + 1] = world.next_state[state[:, step], chosen]
    return Trajectories(exact, state, joint, torch.full((count,), 1 / count, dtype=torch.float64))


def _followed(exact: Exact, joint: Tensor) -> tuple[Tensor, Tensor]:
    """State [K, T+1] and probability [K] of sequences of joint actions [K, T]."""
    state = torch.zeros(len(joint), joint.shape[1] + 1, dtype=torch.int64)
    probability = torch.ones(len(joint), dtype=torch.float64)
    for step in range(joint.shape[1]):
        probability *= exact.joint_policy[state[:, step], joint[:, step]]
        state[:, step + 1] = exact.world.next_state[state[:, step], joint[:, step]]
    return state, probability
