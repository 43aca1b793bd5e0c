"""Worlds of finitely many states whose every joint action is written down: values and policy gradients are then exact sums.

Agents see their own substate (a place) and follow softmax policies of it; the rules are deterministic, so that all chance lies
in the policies. Nothing is discounted and everybody lives to the horizon.

Letters: **S** states, **J** joint actions, **L** places, **K** trajectories, **T** steps, **N** agents, **A** actions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Step = Callable[[Any, tuple[int, ...]], tuple[Hashable, list[float]]]
"""The rules: state and joint action -> next state and everybody's reward."""

SAME_REWARD = 1e-9
"""Rewards nearer than this are equal."""


@dataclass(frozen=True)
class FiniteWorld:
    """The rules of a world that starts in state 0.

    following [S, J] int64, reward [S, J, N] float64, place [S, N] int64, graph [S, J, N, N] bool: who (row) influences whom
    (column) where this joint action is taken, self loops included. Joint actions are in the order of `joint_actions`.
    """

    name: str
    actions: int
    places: int
    steps: int
    following: Tensor
    reward: Tensor
    place: Tensor
    graph: Tensor

    @property
    def agents(self) -> int:
        """N."""
        return self.place.shape[1]

    @property
    def action_of(self) -> Tensor:
        """[J, N] what each agent does in each joint action."""
        return joint_actions(self.agents, self.actions)


def joint_actions(agents: int, actions: int) -> Tensor:
    """[J, N], the last agent's action changing fastest."""
    return torch.tensor(list(itertools.product(range(actions), repeat=agents)))


def explored(start: Hashable, agents: int, actions: int, step: Step) -> tuple[list[Any], Tensor, Tensor]:
    """Every state that can be reached from the start: the states in the order of their discovery, following [S, J] and reward
    [S, J, N]."""
    joint = [tuple(row) for row in joint_actions(agents, actions).tolist()]
    number: dict[Hashable, int] = {start: 0}
    states, following, rewards = [start], [], []
    for state in states:  # grows on the way
        row, paid = [], []
        for chosen in joint:
            after, reward = step(state, chosen)
            if after not in number:
                number[after] = len(states)
                states.append(after)
            row.append(number[after])
            paid.append(reward)
        following.append(row)
        rewards.append(paid)
    return states, torch.tensor(following), torch.tensor(rewards, dtype=torch.float64)


def reachable(following: Tensor) -> tuple[Tensor, Tensor]:
    """Of a table [S, J] the states that can be reached from state 0, in ascending order, and the table of these alone."""
    found, before = torch.zeros(1, dtype=torch.int64), 0
    while len(found) > before:
        before = len(found)
        found = torch.cat([found, following[found].flatten()]).unique()
    number = torch.zeros(len(following), dtype=torch.int64).index_put((found,), torch.arange(len(found)))
    return found, number[following[found]]


def influence_by_intervention(following: Tensor, reward: Tensor, place: Tensor, actions: int) -> Tensor:
    """[S, J, N, N] bool: j -> i where another action of j alone, in the place of its own, would have led i to another place or
    paid it another reward. Self loops included."""
    states, joint, agents = reward.shape
    outcome = torch.stack([place[following].double(), reward], -1).view(states, *[actions] * agents, agents, 2)
    graph = torch.eye(agents, dtype=torch.bool).repeat(states, joint, 1, 1)
    for actor in range(agents):
        spread = outcome.amax(1 + actor, keepdim=True) - outcome.amin(1 + actor, keepdim=True)
        differs = (spread > SAME_REWARD).any(-1).expand(outcome.shape[:-1])
        graph[:, :, actor] |= differs.reshape(states, joint, agents)
    return graph


class Exact:
    """What a world holds for agents with these logits [N, L, A]: policies, values, and the gradient of the team's return."""

    def __init__(self, world: FiniteWorld, logits: Tensor) -> None:
        self.world = world
        self.policy = logits.softmax(-1)  # [N, L, A]
        agents, taken = torch.arange(world.agents), world.action_of
        self.joint_policy = self.policy[agents, world.place[:, None], taken].prod(-1)  # [S, J]
        values, visits = [torch.zeros_like(world.reward[:, 0])], [F.one_hot(torch.tensor(0), len(world.place)).double()]
        for _ in range(world.steps):
            expected = self.joint_policy[..., None] * (world.reward + values[0][world.following])
            values.insert(0, expected.sum(1))
            onward = visits[-1][:, None] * self.joint_policy
            visits.append(torch.zeros_like(visits[0]).index_add_(0, world.following.flatten(), onward.flatten()))
        self.values = torch.stack(values)  # [T+1, S, N] of each agent's own reward, given the state
        self.visits = torch.stack(visits)  # [T+1, S] the probability of being there

    def local_values(self, *, timed: bool) -> Tensor:
        """[T+1, S, N] the value of agent i's own reward given no more of the state than the place of i; `timed`: and the time,
        else averaged over the times at which i is there. 0 at the end."""
        world = self.world
        found = torch.zeros_like(self.values)
        visits, values = self.visits[:-1], self.values[:-1]
        for agent in range(world.agents):
            there = world.place[:, agent]
            nothing = torch.zeros(world.steps, world.places, dtype=torch.float64)
            chance = nothing.index_add(1, there, visits)
            weighed = nothing.index_add(1, there, visits * values[..., agent])
            if not timed:
                chance, weighed = (each.sum(0, keepdim=True) for each in (chance, weighed))
            found[:-1, :, agent] = torch.where(chance > 0, weighed / chance, 0.0)[:, there]
        return found

    def gradient(self) -> Tensor:
        """[N, L, A] of the team's expected return in the logits."""
        everybody = torch.ones_like(self.world.graph)
        return self.credited_gradient(everybody, torch.zeros_like(self.values))

    def credited_gradient(self, graph: Tensor, values: Tensor) -> Tensor:
        """[N, L, A] the expected sum over an agent's actions of score times multi-agent advantage (floor 0) by a graph
        [S, J, N, N], with the TD errors of values [T+1, S, N] (lambda 1): by recursion over state and set of agents reached."""
        world = self.world
        member = (torch.arange(2**world.agents)[:, None] >> torch.arange(world.agents)) & 1  # [sets, N]
        reached = self._sets_after(graph)  # [sets, S, J]
        alone = 2 ** torch.arange(world.agents)
        ahead = torch.zeros(len(world.place), 2**world.agents, dtype=torch.float64)  # [S, sets]
        worth = torch.zeros(world.agents, *self.joint_policy.shape, dtype=torch.float64)
        for step in range(world.steps - 1, -1, -1):
            error = world.reward + values[step + 1][world.following] - values[step][:, None]
            of_set = error @ member.T.double()  # [S, J, sets]
            credit = of_set.movedim(-1, 0).gather(0, reached) + ahead[world.following, reached]
            worth += self.visits[step][:, None] * credit[alone]
            ahead = (self.joint_policy * credit).sum(-1).T
        gradient = torch.zeros_like(self.policy)
        for agent in range(world.agents):
            score = F.one_hot(world.action_of[:, agent], world.actions) - self.policy[agent, world.place[:, agent], None]
            weighed = (self.joint_policy * worth[agent])[..., None] * score
            gradient[agent].index_add_(0, world.place[:, agent], weighed.sum(1))
        return gradient

    def _sets_after(self, graph: Tensor) -> Tensor:
        """[sets, S, J] whom a set of agents, as the bits of a number, has reached after one more step by graph [S, J, N, N]."""
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
    """K trajectories under a policy: state [K, T+1], joint [K, T] int64, and the weights [K] that make sums over them means."""

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
        """[K, T, N, N] the world's."""
        return self.exact.world.graph[self.state[:, :-1], self.joint]

    def along(self, values: Tensor) -> Tensor:
        """[K, T+1, N] values [T+1, S, N] of the states that were visited."""
        return values[torch.arange(self.exact.world.steps + 1), self.state]

    def gradients(self, advantage: Tensor) -> Tensor:
        """[K, N, L, A] what each trajectory gives: the sum over its actions of advantage [K, T, N] times the score."""
        world, (rows, score) = self.exact.world, self._scores
        found = torch.zeros(len(self.joint) * world.agents * world.places, world.actions, dtype=torch.float64)
        found.index_add_(0, rows, advantage.reshape(-1, 1) * score)
        return found.view(-1, world.agents, world.places, world.actions)

    @cached_property
    def _scores(self) -> tuple[Tensor, Tensor]:
        """Of every action: its row [K T N] among the flattened trajectories, agents and places, and its score [K T N, A]."""
        world, agents = self.exact.world, torch.arange(self.exact.world.agents)
        place, action = world.place[self.state[:, :-1]], world.action_of[self.joint]
        score = F.one_hot(action, world.actions) - self.exact.policy[agents, place]
        rows = (torch.arange(len(place))[:, None, None] * world.agents + agents) * world.places + place
        return rows.flatten(), score.flatten(0, 2)


def all_trajectories(exact: Exact) -> Trajectories:
    """All J^T of them, weighed by their probabilities."""
    world = exact.world
    joint = torch.cartesian_prod(*[torch.arange(world.following.shape[1])] * world.steps).view(-1, world.steps)
    state, weight = _followed(exact, joint)
    return Trajectories(exact, state, joint, weight)


def sampled_trajectories(exact: Exact, count: int, generator: torch.Generator) -> Trajectories:
    """So many independent ones, weighed equally."""
    world = exact.world
    ends = exact.joint_policy.cumsum(1)
    state = torch.zeros(count, world.steps + 1, dtype=torch.int64)
    joint = torch.zeros(count, world.steps, dtype=torch.int64)
    for step in range(world.steps):
        draws = torch.rand(count, 1, generator=generator, dtype=torch.float64)
        chosen = torch.searchsorted(ends[state[:, step]], draws, right=True)[:, 0].clamp(max=ends.shape[1] - 1)
        joint[:, step] = chosen
        state[:, step + 1] = world.following[state[:, step], chosen]
    return Trajectories(exact, state, joint, torch.full((count,), 1 / count, dtype=torch.float64))


def _followed(exact: Exact, joint: Tensor) -> tuple[Tensor, Tensor]:
    """State [K, T+1] and probability [K] of sequences of joint actions [K, T]."""
    state = torch.zeros(len(joint), joint.shape[1] + 1, dtype=torch.int64)
    probability = torch.ones(len(joint), dtype=torch.float64)
    for step in range(joint.shape[1]):
        probability *= exact.joint_policy[state[:, step], joint[:, step]]
        state[:, step + 1] = exact.world.following[state[:, step], joint[:, step]]
    return state, probability
