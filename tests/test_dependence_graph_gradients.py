"""What dependence graphs do to the policy gradient, exactly: worlds whose trajectories are all written down."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from algorithms.advantages.dependence_graph.graph import multi_agent_advantage, with_self_loops
from algorithms.returns import gae
from tests.fixtures.enumerated_worlds import Enumeration, Relay, Star, Switch


@pytest.fixture(scope="module")
def star() -> Enumeration:
    return Enumeration(Star())


@pytest.fixture(scope="module")
def relay() -> Enumeration:
    return Enumeration(Relay())


def gradients(world: Enumeration, graph: Tensor, value: Tensor | None = None, floor: float = 0.0) -> Tensor:
    """Of every trajectory, with Monte-Carlo advantages above the value [K, T+1, N], or above nothing."""
    if value is None:
        value = torch.nn.functional.pad(torch.zeros_like(world.reward), (0, 0, 0, 1))
    never = torch.zeros_like(world.running)
    advantage = gae(world.reward, value, world.running, never, 1.0, 1.0)
    return world.gradients(multi_agent_advantage(graph, advantage, 1.0, floor))


def alone(world: Enumeration) -> Tensor:
    return with_self_loops(torch.zeros_like(world.graph))


def error(world: Enumeration, found: Tensor) -> list[float]:
    """How far each agent's expected gradient is from the team's, relative to the latter."""
    exact = world.exact_gradient()
    return ((world.mean(found) - exact).flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)).tolist()


@pytest.mark.parametrize("kind", ["star", "relay"])
@pytest.mark.parametrize("floor", [0.0, 0.05])
def test_the_true_graph_keeps_the_gradient_without_and_with_a_local_critic(
    kind: str, floor: float, request: pytest.FixtureRequest
) -> None:
    world: Enumeration = request.getfixturevalue(kind)
    for value in (None, world.local_value()):
        assert max(error(world, gradients(world, world.graph, value, floor))) < 1e-10


@pytest.mark.parametrize("kind", ["star", "relay"])
def test_the_true_graph_has_less_variance_than_the_full_one(kind: str, request: pytest.FixtureRequest) -> None:
    world: Enumeration = request.getfixturevalue(kind)
    full = gradients(world, torch.ones_like(world.graph))
    assert max(error(world, full)) < 1e-10
    assert (world.variance(gradients(world, world.graph)) < world.variance(full)).all()


def test_self_loops_alone_are_right_for_who_influences_nobody_and_wrong_for_the_others(star: Enumeration) -> None:
    hub, *leaves = error(star, gradients(star, alone(star)))
    assert hub < 1e-10
    assert min(leaves) > 0.1


def test_the_transposed_graph_leaves_the_leaves_with_their_local_gradient(star: Enumeration) -> None:
    transposed = gradients(star, star.graph.transpose(-1, -2))
    local = gradients(star, alone(star))
    assert torch.allclose(star.mean(transposed), star.mean(local), atol=1e-10)
    assert min(error(star, transposed)[1:]) > 0.1
    assert star.variance(transposed)[0] > star.variance(gradients(star, star.graph))[0]


def test_an_exact_central_critic_loses_credit_that_the_graph_delays(relay: Enumeration) -> None:
    first, second, third = error(relay, gradients(relay, relay.graph, relay.central_value()))
    assert first > 0.3
    assert max(second, third) < 1e-10
    full = gradients(relay, torch.ones_like(relay.graph), relay.central_value())
    assert max(error(relay, full)) < 1e-10


def test_the_way_to_a_switch_is_credited_if_a_closed_door_pays_nothing() -> None:
    world = Enumeration(Switch(closed=0.0))
    assert max(error(world, gradients(world, world.graph))) < 1e-10
    assert error(world, gradients(world, alone(world)))[1] == pytest.approx(1.0)


def test_a_graph_that_ones_own_steps_change_costs_a_bias() -> None:
    """Not in the paper: which errors are left out then tells of the action."""
    world = Enumeration(Switch(closed=-0.5))
    unguided = error(world, gradients(world, world.graph))[1]
    by_local_value = error(world, gradients(world, world.graph, world.local_value()))[1]
    assert 0.05 < unguided < by_local_value < 0.25
    assert max(error(world, gradients(world, torch.ones_like(world.graph), world.local_value()))) < 1e-10
