"""The effect of dependence graphs on the policy gradient, exactly, in worlds whose trajectories are enumerated."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from algorithms.advantages.dependence_graph.graph import multi_agent_advantage, with_self_loops
from algorithms.returns import gae
from benchmark.papers.dependence_graphs.influence_worlds import relay, star, switch
from benchmark.papers.dependence_graphs.tabular_mdp import (
    Exact,
    TabularMDP,
    Trajectories,
    all_trajectories,
    enumerate_states,
    influence_by_intervention,
)


class World:
    """All trajectories of a finite world under softmax policies with random logits."""

    def __init__(self, world: TabularMDP) -> None:
        shape = (world.agents, world.substates, world.actions)
        self.exact = Exact(world, torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
        self.all: Trajectories = all_trajectories(self.exact)
        self.graph, self.local_value = self.all.graph, self.all.along(self.exact.local_values(timed=True))
        self.central_value = self.all.along(self.exact.values)

    def gradients(self, graph: Tensor, value: Tensor | None = None, floor: float = 0.0) -> Tensor:
        """[K, N, L, A] with Monte-Carlo advantages above the value [K, T+1, N], or above nothing."""
        running = torch.ones(self.all.joint.shape, dtype=torch.bool)
        value = torch.zeros_like(self.central_value) if value is None else value
        advantage = gae(self.all.reward, value, running, torch.zeros_like(running), 1.0, 1.0)
        return self.all.gradients(multi_agent_advantage(graph, advantage, 1.0, floor))

    def mean(self, gradients: Tensor) -> Tensor:
        """The expectation over trajectories."""
        return torch.einsum("k,knla->nla", self.all.weight, gradients)

    def variance(self, gradients: Tensor) -> Tensor:
        """[N] the total variance of each agent's gradient."""
        return torch.einsum("k,knla->n", self.all.weight, gradients.square()) - self.mean(gradients).square().sum((1, 2))

    def error(self, gradients: Tensor) -> list[float]:
        """How far each agent's expected gradient is from the team's, relative to the latter."""
        exact = self.exact.gradient().flatten(1)
        return ((self.mean(gradients).flatten(1) - exact).norm(dim=1) / exact.norm(dim=1)).tolist()


@pytest.fixture(scope="module")
def star_of_three() -> World:
    return World(star(3))


@pytest.fixture(scope="module")
def a_relay() -> World:
    return World(relay())


def alone(world: World) -> Tensor:
    return with_self_loops(torch.zeros_like(world.graph))


@pytest.mark.parametrize("kind", ["star_of_three", "a_relay"])
@pytest.mark.parametrize("floor", [0.0, 0.05])
def test_the_true_graph_keeps_the_gradient_without_and_with_a_local_critic(
    kind: str, floor: float, request: pytest.FixtureRequest
) -> None:
    world: World = request.getfixturevalue(kind)
    for value in (None, world.local_value):
        assert max(world.error(world.gradients(world.graph, value, floor))) < 1e-10


@pytest.mark.parametrize("kind", ["star_of_three", "a_relay"])
def test_the_true_graph_has_less_variance_than_the_full_one(kind: str, request: pytest.FixtureRequest) -> None:
    world: World = request.getfixturevalue(kind)
    full = world.gradients(torch.ones_like(world.graph))
    assert max(world.error(full)) < 1e-10
    assert (world.variance(world.gradients(world.graph)) < world.variance(full)).all()


def test_self_loops_alone_are_unbiased_only_for_agents_that_influence_no_other(star_of_three: World) -> None:
    hub, *leaves = star_of_three.error(star_of_three.gradients(alone(star_of_three)))
    assert hub < 1e-10
    assert min(leaves) > 0.1


def test_the_transposed_graph_leaves_the_leaves_with_their_local_gradient(star_of_three: World) -> None:
    world = star_of_three
    transposed, local = world.gradients(world.graph.transpose(-1, -2)), world.gradients(alone(world))
    assert torch.allclose(world.mean(transposed)[1:], world.mean(local)[1:], atol=1e-10)
    assert min(world.error(transposed)[1:]) > 0.1
    assert world.variance(transposed)[0] > world.variance(world.gradients(world.graph))[0]


def test_an_exact_central_critic_loses_credit_that_the_graph_delays(a_relay: World) -> None:
    first, second, third = a_relay.error(a_relay.gradients(a_relay.graph, a_relay.central_value))
    assert first > 0.3
    assert max(second, third) < 1e-10
    full = a_relay.gradients(torch.ones_like(a_relay.graph), a_relay.central_value)
    assert max(a_relay.error(full)) < 1e-10


def test_the_path_to_a_switch_is_credited_if_a_closed_door_gives_no_reward() -> None:
    world = World(switch(closed=0.0))
    assert max(world.error(world.gradients(world.graph))) < 1e-10
    assert world.error(world.gradients(alone(world)))[1] == pytest.approx(1.0)


def test_a_graph_that_depends_on_the_agents_own_actions_gives_a_bias() -> None:
    """Not in the paper: which errors are left out then tells of the action."""
    world = World(switch(closed=-0.5))
    unguided = world.error(world.gradients(world.graph))[1]
    by_local_value = world.error(world.gradients(world.graph, world.local_value))[1]
    assert 0.05 < unguided < by_local_value < 0.25
    assert max(world.error(world.gradients(torch.ones_like(world.graph), world.local_value))) < 1e-10


def test_credit_of_influence_through_states_alone_is_lost() -> None:
    """Agent 0's lamp shows the cell that agent 1 has just left, which gives a reward: no action of agent 1 ever makes an edge,
    yet its walking is all that counts."""

    def step(state: tuple[int, int], chosen: tuple[int, ...]) -> tuple[tuple[int, int], list[float]]:
        _, cell = state
        return (cell, cell ^ chosen[1]), [float(cell), 0.0]

    states, next_state, reward = enumerate_states((0, 0), 2, 2, step)
    substate = torch.tensor(states)
    graph = influence_by_intervention(next_state, reward, substate, 2)
    assert torch.equal(graph, torch.eye(2, dtype=torch.bool).expand_as(graph))
    world = World(TabularMDP("beacon", 2, 2, 4, next_state, reward, substate, graph))
    for value in (None, world.local_value):
        assert world.error(world.gradients(world.graph, value))[1] == pytest.approx(1.0)
        assert world.error(world.gradients(torch.ones_like(world.graph), value))[1] < 1e-10


def test_interventions_on_reward_alone_miss_influence_that_comes_later() -> None:
    """A leaf that does not change the hub's reward by this step may have brought itself nearer to doing so by the next: its
    edges hang on its own steps."""
    world = World(star(3, known=False))
    hub, *leaves = world.error(world.gradients(world.graph))
    assert hub < 1e-10
    assert min(leaves) > 0.04


@pytest.mark.parametrize("made", [lambda: star(3), lambda: star(3, known=False), relay, lambda: switch(-0.5)])
def test_the_recursion_over_reached_agents_is_the_sum_over_trajectories(made: Callable[[], TabularMDP]) -> None:
    world = World(made())
    graphs = world.exact.world.graph, world.exact.world.graph.transpose(-1, -2)
    for values in (torch.zeros_like(world.exact.values), world.exact.local_values(timed=False), world.exact.values):
        for graph in graphs:
            along = graph[world.all.state[:, :-1], world.all.joint]
            summed = world.mean(world.gradients(along, world.all.along(values)))
            torch.testing.assert_close(world.exact.credited_gradient(graph, values), summed, atol=1e-12, rtol=1e-9)
