"""Networks of a team, minibatches and the optimiser."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from algorithms.networks.perceptrons import Network, NetworkShape, TeamNetworks, agent_groups, fast_tanh, masked_logits
from algorithms.optimisation.minibatches import flat_step_indices, minibatches, take
from algorithms.optimisation.optimiser import Optimiser
from algorithms.seeds import learner_seed
from tests.fixtures.toy_team import toy_context, toy_team

CPU = torch.device("cpu")
MIXED = toy_team(n_agents=4, agent_types=(0, 1, 0, 1))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def team_networks(sharing: str, *, recurrent: bool = False, **options: bool) -> TeamNetworks:
    shape = NetworkShape(8, 2, "tanh", recurrent)
    return TeamNetworks(MIXED, sharing, 3, shape, 1.0, generator(), **options)


def parameters(inputs: int) -> int:
    """Of inputs -> 8 -> 8 -> 3."""
    return (inputs + 1) * 8 + 9 * 8 + 9 * 3


@pytest.mark.parametrize(
    ("sharing", "groups", "count"),
    [
        ("all", ((0, 1, 2, 3),), parameters(4 + 4)),
        ("by_type", ((0, 2), (1, 3)), 2 * parameters(4 + 2)),
        ("none", ((0,), (1,), (2,), (3,)), 4 * parameters(4)),
    ],
)
def test_sharing_determines_the_networks_and_the_one_hot_agent_indices(sharing: str, groups: tuple, count: int) -> None:
    networks = team_networks(sharing)
    assert networks.groups == groups == agent_groups(MIXED, sharing)
    assert sum(parameter.numel() for parameter in networks.parameters()) == count


def test_identities_and_last_actions_can_be_left_out_or_added() -> None:
    bare = team_networks("all", agent_id=False)
    full = team_networks("all", last_action=True)
    assert sum(parameter.numel() for parameter in bare.parameters()) == parameters(4)
    assert sum(parameter.numel() for parameter in full.parameters()) == parameters(4 + 3 + 4)


def test_inputs_are_observation_then_last_action_then_position_in_the_group() -> None:
    networks = team_networks("by_type", last_action=True)
    observation = torch.arange(16.0).view(1, 4, 4)
    last = torch.tensor([[-1, 0, 1, 2]])
    actual = networks.inputs(1, observation, last)
    assert actual.tolist() == [[[4, 5, 6, 7, 1, 0, 0, 1, 0], [12, 13, 14, 15, 0, 0, 1, 0, 1]]]
    assert networks.inputs(0, observation, last)[0, 0, 4:7].tolist() == [0, 0, 0]


@pytest.mark.parametrize("recurrent", [False, True])
def test_every_agent_gets_the_output_of_its_own_network(recurrent: bool) -> None:
    networks = team_networks("by_type", recurrent=recurrent)
    observation = torch.randn(5, 4, 4, generator=generator(1))
    hidden = torch.randn(5, 4, 8, generator=generator(2)) if recurrent else None
    outputs, after = networks.step(observation, None, hidden)
    identity = torch.eye(2)
    for agent, (group, position) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        inputs = torch.cat([observation[:, agent], identity[position].expand(5, -1)], 1)
        if hidden is None:
            expected = networks.network(group)(inputs)
        else:
            expected, state = networks.network(group).step(inputs, hidden[:, agent])
            assert torch.allclose(after[:, agent], state, atol=1e-6)
        assert torch.allclose(outputs[:, agent], expected, atol=1e-6)


@pytest.mark.parametrize("sharing", ["all", "by_type", "none"])
def test_stepping_a_recurrent_team_equals_its_whole_sequence(sharing: str) -> None:
    networks = team_networks(sharing, recurrent=True)
    observation = torch.randn(3, 7, 4, 4, generator=generator(1))
    hidden = torch.zeros(3, 4, 8)
    steps = []
    for time in range(7):
        outputs, hidden = networks.step(observation[:, time], None, hidden)
        steps.append(outputs)
    assert torch.allclose(torch.stack(steps, 1), networks.sequence(observation, None), atol=1e-6)


def test_a_multilayer_perceptron_equals_its_definition() -> None:
    network = Network(3, 2, NetworkShape(5, 2, "relu"), 1.0, generator())
    inputs = torch.randn(6, 3, generator=generator(1))
    hidden = inputs
    for layer in network.layers:
        hidden = (hidden @ layer.weight.T + layer.bias).clamp(min=0)
    assert torch.allclose(network(inputs), hidden @ network.head.weight.T + network.head.bias, atol=1e-6)


def test_the_fast_tanh_is_the_tanh_and_so_is_its_gradient() -> None:
    x = torch.linspace(-30, 30, 6001, requires_grad=True)
    assert (fast_tanh(x) - x.tanh()).abs().max() < 5e-7
    actual, expected = (torch.autograd.grad(f(x).sum(), x)[0] for f in (fast_tanh, torch.tanh))
    assert (actual - expected).abs().max() < 5e-7


def test_weights_are_orthogonal_with_the_gain_of_the_activation_and_biases_zero() -> None:
    network = Network(8, 4, NetworkShape(8, 2, "tanh", recurrent=True), 0.01, generator())
    weights = [(network.layers[0].weight, 5 / 3), (network.head.weight, 0.01)]
    weights += [(gate, 1.0) for gate in network.core.weight_hh_l0.split(8)]
    for weight, gain in weights:
        assert torch.allclose(weight @ weight.T, gain**2 * torch.eye(len(weight)), atol=1e-5)
    assert not any(value.any() for name, value in network.named_parameters() if "bias" in name)


def test_weights_depend_on_the_generator_alone() -> None:
    before = torch.get_rng_state()
    first = Network(3, 2, NetworkShape(5, recurrent=True), 1.0, generator(7))
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(1)
    second = Network(3, 2, NetworkShape(5, recurrent=True), 1.0, generator(7))
    other = Network(3, 2, NetworkShape(5, recurrent=True), 1.0, generator(8))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.head.weight, other.head.weight)


def test_an_unavailable_action_has_probability_zero() -> None:
    logits = torch.tensor([[50.0, -3.0, 2.0]])
    policy = masked_logits(logits, torch.tensor([[False, True, True]])).softmax(-1)
    assert policy[0, 0] == 0
    assert float(policy[0, 2]) == pytest.approx(1 / (1 + math.exp(-5)))


def test_an_epoch_visits_every_row_once_in_parts_of_equal_size() -> None:
    parts = list(minibatches(11, 3, generator(), CPU))
    assert sorted(torch.cat(parts).tolist()) == list(range(11))
    assert [len(part) for part in parts] == [4, 4, 3]
    assert torch.cat(parts).tolist() != list(range(11))


def test_a_single_minibatch_is_everything() -> None:
    values = torch.arange(6).view(3, 2)
    (rows,) = minibatches(3, 1, generator(), CPU)
    assert torch.equal(take(values, rows), values)
    assert torch.equal(take(values, torch.tensor([2, 0])), values[[2, 0]])


def test_flat_step_indices_equal_a_loop() -> None:
    mask = torch.rand(3, 4, 2, generator=generator()) < 0.5
    indices, indices_with_final = flat_step_indices(mask)
    steps = [(b, t, n) for b in range(3) for t in range(4) for n in range(2) if mask[b, t, n]]
    assert indices.tolist() == [(b * 4 + t) * 2 + n for b, t, n in steps]
    assert indices_with_final.tolist() == [(b * 5 + t) * 2 + n for b, t, n in steps]


def optimiser(networks: list[list[nn.Parameter]], **changes: object) -> Optimiser:
    options = {"gradient_norm": 1.0, "epsilon": 1e-8, "schedule": "constant", "context": toy_context(MIXED)} | changes
    return Optimiser(networks, 0.1, **options)


def test_each_network_is_clipped_by_its_own_norm() -> None:
    small, large = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
    norm = optimiser([[small], [large]]).minimise((small * torch.tensor([0.3, 0.4]) + large * torch.tensor([30.0, 40.0])).sum())
    assert small.grad.tolist() == pytest.approx([0.3, 0.4])
    assert large.grad.tolist() == pytest.approx([0.6, 0.8], rel=1e-4)
    assert float(norm) == pytest.approx(50)


def test_the_linear_schedule_falls_to_zero_at_the_budget() -> None:
    context = toy_context(MIXED, budget=100)
    weight = nn.Parameter(torch.zeros(1))
    linear = optimiser([[weight]], schedule="linear", context=context)
    rates = []
    for _ in range(5):
        rates.append(linear.learning_rate)
        context.progress.steps_done += 30
    assert rates == pytest.approx([0.1, 0.07, 0.04, 0.01, 0.0])


def test_a_gradient_step_has_the_rate_of_the_steps_done() -> None:
    """The first step of Adam moves a weight by the rate, whatever the gradient."""
    weight = nn.Parameter(torch.zeros(1))
    context = toy_context(MIXED, budget=100)
    context.progress.steps_done = 75
    optimiser([[weight]], schedule="linear", context=context).minimise(weight.sum())
    assert weight.item() == pytest.approx(-0.025)


def test_a_step_equals_adam_by_hand() -> None:
    weight = nn.Parameter(torch.tensor([1.0]))
    adam = optimiser([[weight]], gradient_norm=10.0)
    value, first, second = 1.0, 0.0, 0.0
    for step in range(1, 4):
        adam.minimise((weight**2).sum())
        gradient = 2 * value
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        value -= 0.1 * (first / (1 - 0.9**step)) / (math.sqrt(second / (1 - 0.999**step)) + 1e-8)
        assert weight.item() == pytest.approx(value, rel=1e-5)


def test_learner_seeds_differ_by_part_and_run() -> None:
    seeds = {learner_seed(run, name) for run in (0, 1) for name in ("actor", "critic")}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert learner_seed(0, "actor") == learner_seed(0, "actor")
