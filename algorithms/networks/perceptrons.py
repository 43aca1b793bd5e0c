"""Multilayer perceptrons and recurrent networks of a team, with parameter sharing.

Nothing here uses torch's global random state: layers are created on the meta device, which skips their initialisation, and
all weights are drawn from the generator that is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from algorithms.registry import Sharing
from algorithms.team import TeamShape

Activation = Literal["relu", "tanh"]


def fast_tanh(x: Tensor) -> Tensor:
    """tanh x = 2 sigmoid(2x) - 1, to a few 1e-7: on a CPU six times faster than `torch.tanh` (measured: 61 us against
    378 us for 2400 x 64 numbers), which would take the largest part of the time of a small network."""
    return torch.sigmoid(x + x).mul(2).sub_(1)


_ACTIVATIONS = {"relu": torch.relu_, "tanh": fast_tanh}
_MASKED = -1e10
"""Logit of an unavailable action: its probability is exactly 0, and float32 sums with it stay finite."""


@dataclass(frozen=True)
class NetworkShape:
    """`hidden_layers` layers of `hidden_size`; in a recurrent network the last of them is a GRU."""

    hidden_size: int
    hidden_layers: int = 2
    activation: Activation = "relu"
    recurrent: bool = False


class Network(nn.Module):
    """inputs -> hidden layers (the last one a GRU if recurrent) -> outputs. Orthogonal weights, zero biases.

    `head_gain`: the gain of the output layer; 0.01 gives an almost uniform first policy (Yu et al. 2022).
    """

    def __init__(self, inputs: int, outputs: int, shape: NetworkShape, head_gain: float, generator: torch.Generator) -> None:
        super().__init__()
        self.hidden_size = shape.hidden_size
        self._activation = _ACTIVATIONS[shape.activation]
        gain = nn.init.calculate_gain(shape.activation)
        plain = shape.hidden_layers - int(shape.recurrent)
        sizes = [inputs] + [shape.hidden_size] * plain
        self.layers = nn.ModuleList(orthogonal_linear(size, shape.hidden_size, gain, generator) for size in sizes[:plain])
        self.core = orthogonal_gru(sizes[plain], shape.hidden_size, generator) if shape.recurrent else None
        self.head = orthogonal_linear(shape.hidden_size, outputs, head_gain, generator)

    def forward(self, inputs: Tensor) -> Tensor:
        """[…, inputs] -> […, outputs], of a feed-forward network."""
        outputs: Tensor = self.head(self._encode(inputs))
        return outputs

    def step(self, inputs: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """One step of a recurrent network: […, inputs], the state before […, H] -> […, outputs], the state after."""
        assert self.core is not None, "a feed-forward network has no state"
        features = self._encode(inputs).reshape(1, -1, self.core.input_size)
        _, after = self.core(features, hidden.reshape(1, -1, self.hidden_size))
        after = after.view(hidden.shape)
        return self.head(after), after

    def unroll(self, inputs: Tensor) -> Tensor:
        """Whole episodes of a recurrent network, from a state of zeros: [T, …, inputs] -> features [T, …, H].

        The head is not applied: callers apply it to the steps that they need.
        """
        assert self.core is not None, "a feed-forward network has no state"
        encoded = self._encode(inputs)
        features: Tensor = self.core(encoded.flatten(1, -2))[0]
        return features.view(*encoded.shape[:-1], self.hidden_size)

    def _encode(self, inputs: Tensor) -> Tensor:
        for layer in self.layers:
            inputs = self._activation(layer(inputs))
        return inputs


class TeamNetworks(nn.Module):
    """One network per group of agents that share parameters; outputs [N, outputs] for a team.

    `sharing`: all agents share one network ("all"), agents of one type share one ("by_type"), or each has its own ("none").
    Input of an agent: its observation [O], followed by `extra_inputs` numbers that the caller appends, then the one-hot of its
    last action [A] if `last_action`, then, if `agent_id` and its group is larger than one, its one-hot position in the group.
    """

    def __init__(
        self,
        team: TeamShape,
        sharing: Sharing,
        outputs: int,
        shape: NetworkShape,
        head_gain: float,
        generator: torch.Generator,
        *,
        agent_id: bool = True,
        last_action: bool = False,
        extra_inputs: int = 0,
    ) -> None:
        super().__init__()
        self.groups = agent_groups(team, sharing)
        self.recurrent = shape.recurrent
        self.hidden_size = shape.hidden_size
        self._actions = team.action_size if last_action else 0
        self._agents: list[slice | list[int]] = [_as_slice(group) for group in self.groups]
        grouped = [agent for group in self.groups for agent in group]
        self._order = None if grouped == sorted(grouped) else [grouped.index(agent) for agent in range(team.n_agents)]
        networks = []
        for index, group in enumerate(self.groups):
            identities = len(group) if agent_id and len(group) > 1 else 0
            self.register_buffer(f"_identity{index}", torch.eye(len(group))[:, :identities], persistent=False)
            size = team.observation_size + extra_inputs + self._actions + identities
            networks.append(Network(size, outputs, shape, head_gain, generator))
        self.networks = nn.ModuleList(networks)

    def network(self, group: int) -> Network:
        """The network of a group."""
        network = self.networks[group]
        assert isinstance(network, Network)
        return network

    def agents_of(self, group: int) -> slice | list[int]:
        """The index of a group's agents into a dimension of size N."""
        return self._agents[group]

    def inputs(self, group: int, observation: Tensor, last_action: Tensor | None) -> Tensor:
        """Inputs of one group's agents: observation […, N, O], last_action […, N] int64 (-1: none) -> […, G, inputs]."""
        agents = self._agents[group]
        parts = [observation[..., agents, :]]
        if self._actions:
            assert last_action is not None, "these networks take the last action as input"
            parts.append(F.one_hot(last_action[..., agents] + 1, self._actions + 1)[..., 1:].to(observation.dtype))
        identity: Tensor = getattr(self, f"_identity{group}")
        if identity.shape[1]:
            parts.append(identity.expand(*parts[0].shape[:-1], -1))
        return torch.cat(parts, -1) if len(parts) > 1 else parts[0]

    def step(self, observation: Tensor, last_action: Tensor | None, hidden: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """One step of R teams: observation [R, N, O], last_action [R, N] or None, hidden [R, N, H] or None
        -> outputs [R, N, outputs], the next hidden state."""
        outputs, states = [], []
        for group, agents in enumerate(self._agents):
            inputs = self.inputs(group, observation, last_action)
            if hidden is None:
                outputs.append(self.network(group)(inputs))
            else:
                output, state = self.network(group).step(inputs, hidden[:, agents])
                outputs.append(output)
                states.append(state)
        return self._joined(outputs), self._joined(states) if states else None

    def sequence(self, observation: Tensor, last_action: Tensor | None) -> Tensor:
        """All steps of whole episodes: observation [B, T, N, O], last_action [B, T, N] or None -> [B, T, N, outputs]."""
        outputs = []
        for group in range(len(self.groups)):
            network, inputs = self.network(group), self.inputs(group, observation, last_action)
            if self.recurrent:
                outputs.append(network.head(network.unroll(inputs.transpose(0, 1))).transpose(0, 1))
            else:
                outputs.append(network(inputs))
        return self._joined(outputs)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Feed-forward outputs of all agents: `inputs` of every group, each [M, G, inputs] -> [M, N, outputs]."""
        return self._joined([network(each) for network, each in zip(self.networks, inputs, strict=True)])

    def _joined(self, parts: list[Tensor]) -> Tensor:
        """The groups' […, G, K] as one […, N, K], in the agents' order."""
        if len(parts) == 1:
            return parts[0]
        joined = torch.cat(parts, -2)
        return joined if self._order is None else joined[..., self._order, :]


def agent_groups(team: TeamShape, sharing: Sharing) -> tuple[tuple[int, ...], ...]:
    """The agents that share one network, in order of each group's first agent."""
    agents = range(team.n_agents)
    if sharing == "all":
        return (tuple(agents),)
    if sharing == "none":
        return tuple((agent,) for agent in agents)
    types = dict.fromkeys(team.agent_types)
    return tuple(tuple(agent for agent in agents if team.agent_types[agent] == kind) for kind in types)


def masked_logits(logits: Tensor, available: Tensor) -> Tensor:
    """Logits in which those of unavailable actions are so low that their probability is exactly 0."""
    return logits.masked_fill(~available, _MASKED)


def orthogonal_linear(inputs: int, outputs: int, gain: float, generator: torch.Generator) -> nn.Linear:
    """A linear layer with orthogonal weights and zero biases."""
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    nn.init.orthogonal_(layer.weight, gain, generator)
    nn.init.zeros_(layer.bias)
    return layer


def orthogonal_gru(inputs: int, hidden: int, generator: torch.Generator) -> nn.GRU:
    """A GRU layer whose gates each have orthogonal weights; zero biases."""
    core = nn.GRU(inputs, hidden, device="meta").to_empty(device="cpu")
    for name, parameter in core.named_parameters():
        if name.startswith("weight"):
            for gate in parameter.detach().split(hidden):
                nn.init.orthogonal_(gate, 1.0, generator)
        else:
            nn.init.zeros_(parameter)
    return core


def _as_slice(group: tuple[int, ...]) -> slice | list[int]:
    """A slice if the group's agents are consecutive (indexing gives a view), else a list (indexing copies)."""
    if group == tuple(range(group[0], group[-1] + 1)):
        return slice(group[0], group[-1] + 1)
    return list(group)
