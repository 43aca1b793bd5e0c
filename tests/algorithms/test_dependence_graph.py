"""Earliest arrival and the multi-agent advantage against their definitions and known answers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from algorithms.advantages.dependence_graph.graph import earliest_arrival, multi_agent_advantage, with_self_loops
from algorithms.returns import discounted_sums
from tests.oracles.dependence_graph import advantage_by_double_sum, arrival_by_walk


def random_graphs(batch: int, steps: int, agents: int, seed: int) -> Tensor:
    """Graphs [B, T, N, N] of all densities, self loops included."""
    draws = torch.Generator().manual_seed(seed)
    density = torch.rand(batch, 1, 1, 1, generator=draws)
    return with_self_loops(torch.rand(batch, steps, agents, agents, generator=draws) < density)


def random_errors(batch: int, steps: int, agents: int, seed: int) -> tuple[Tensor, Tensor]:
    """TD errors [B, T, N], zero from each episode's end on, and the lengths [B]."""
    draws = torch.Generator().manual_seed(seed)
    length = torch.randint(1, steps + 1, (batch,), generator=draws)
    running = torch.arange(steps) < length[:, None]
    return torch.randn(batch, steps, agents, generator=draws) * running[:, :, None], length


def test_earliest_arrivals_equal_a_walk_along_the_edges() -> None:
    graph = random_graphs(30, 5, 4, seed=0)
    arrival = earliest_arrival(graph)
    for row in range(30):
        for step in range(5):
            for actor in range(4):
                assert arrival[row, step, actor].tolist() == arrival_by_walk(graph[row], step, actor)


def test_influence_passes_one_link_of_a_chain_per_step() -> None:
    links = torch.eye(4, dtype=torch.bool) | torch.eye(4, dtype=torch.bool).roll(1, 1)
    links[3, 0] = False
    arrival = earliest_arrival(links.expand(1, 3, 4, 4))[0]
    never = 3
    assert arrival[0].tolist() == [[0, 0, 1, 2], [never, 0, 0, 1], [never, never, 0, 0], [never, never, never, 0]]
    assert arrival[2].tolist() == [[2, 2, 3, 3], [3, 2, 2, 3], [3, 3, 2, 2], [3, 3, 3, 2]]


def test_an_edge_counts_only_after_its_source_is_reached() -> None:
    graph = with_self_loops(torch.zeros(1, 3, 3, 3, dtype=torch.bool))
    graph[0, 0, 1, 2] = True
    graph[0, 1, 0, 1] = True
    arrival = earliest_arrival(graph)[0, 0]
    assert arrival[0].tolist() == [0, 1, 3]
    graph[0, 2, 1, 2] = True
    assert earliest_arrival(graph)[0, 0, 0].tolist() == [0, 1, 2]


def test_every_agent_reaches_itself_at_once() -> None:
    arrival = earliest_arrival(random_graphs(20, 6, 5, seed=1))
    assert torch.equal(arrival.diagonal(dim1=-2, dim2=-1), torch.arange(6)[None, :, None].expand(20, 6, 5))


@pytest.mark.parametrize("floor", [0.0, 0.05, 0.6], ids=["hard", "noisy", "mixed"])
def test_the_closed_form_is_the_double_sum_on_a_thousand_graphs(floor: float) -> None:
    decay = 0.94
    for agents, seed in ((1, 0), (2, 1), (3, 2), (5, 3)):
        graph = random_graphs(250, 7, agents, seed)
        error, length = random_errors(250, 7, agents, seed + 10)
        advantages = multi_agent_advantage(graph, discounted_sums(error, decay), decay, floor)
        for row in range(250):
            expected = advantage_by_double_sum(graph[row], error[row], int(length[row]), decay, floor)
            assert (advantages[row].double() - expected).abs().max() < 1e-5


@pytest.mark.parametrize("floor", [0.0, 0.05])
def test_the_full_graph_gives_every_agent_the_sum_of_advantages(floor: float) -> None:
    advantage = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    full = torch.ones(3, 4, 5, 5, dtype=torch.bool)
    advantages = multi_agent_advantage(full, advantage, 0.9, floor)
    assert torch.allclose(advantages, advantage.sum(-1, keepdim=True).expand_as(advantages), atol=1e-6)


def test_self_loops_alone_give_every_agent_its_own_advantage() -> None:
    advantage = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    alone = with_self_loops(torch.zeros(3, 4, 5, 5, dtype=torch.bool))
    assert torch.equal(multi_agent_advantage(alone, advantage, 0.9, 0.0), advantage)


def test_self_loops_and_a_floor_mix_the_own_advantage_with_the_sum() -> None:
    advantage = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    alone = with_self_loops(torch.zeros(3, 4, 5, 5, dtype=torch.bool))
    advantages = multi_agent_advantage(alone, advantage, 0.9, 0.05)
    assert torch.allclose(advantages, 0.05 * advantage.sum(-1, keepdim=True) + 0.95 * advantage, atol=1e-6)


def test_with_zero_decay_only_agents_reached_at_once_count() -> None:
    graph = random_graphs(8, 5, 4, seed=2)
    advantage = torch.randn(8, 5, 4, generator=torch.Generator().manual_seed(0))
    advantages = multi_agent_advantage(graph, advantage, 0.0, 0.0)
    assert torch.allclose(advantages, (graph * advantage[:, :, None]).sum(-1), atol=1e-6)


def test_edges_after_an_episodes_end_change_nothing() -> None:
    graph, other = random_graphs(40, 7, 4, seed=3), random_graphs(40, 7, 4, seed=4)
    error, length = random_errors(40, 7, 4, seed=5)
    running = (torch.arange(7) < length[:, None])[:, :, None]
    advantage = discounted_sums(error, 0.9)
    changed = torch.where(running[..., None], graph, other)
    assert not torch.equal(graph, changed)
    first, second = (multi_agent_advantage(each, advantage, 0.9, 0.0) for each in (graph, changed))
    assert torch.equal(first * running, second * running)


def test_a_graph_without_a_self_loop_is_refused() -> None:
    graph = random_graphs(2, 3, 4, seed=0)
    graph[1, 2, 3, 3] = False
    with pytest.raises(ValueError, match="self loop"):
        multi_agent_advantage(graph, torch.zeros(2, 3, 4), 0.9, 0.0)
