"""The learned dependence graph: reverse world models (Le and Ta 2026, section on the approximate graph, and their code).

There is an edge j -> i where the next state of agent i is informative about the action of agent j:
    H(q_psi(a_j | z_i, z_i', z_j)) / (H(q_phi(a_j | z_j)) + 1e-8) < threshold,
z an encoder's latent of one agent's observation, ' the next step, H the entropy in nats of one prediction. Three models, shared
by all agents and pairs, are trained by cross-entropy: the encoder with a head that predicts the agent's own action from two
successive latents, and q_phi and q_psi from detached latents. So the encoder keeps what an agent's own actions control.
Shapes: M steps that happened, D latent size, P pairs of agents at a step.

Differences. `identity`: in the published form pairs of an agent with itself are in the loss, and where two agents have similar
observations the models cannot distinguish such a pair from two agents, which gives false edges (an entropy ratio of 0.86
between agents that never meet). By default these pairs are left out, and the models see the agents' indices (q_phi that of the
actor, because otherwise a policy that depends on the index would appear as influence). Steps at which the actor is dead, or
after which the receiver is dead, are used neither for training nor for inference; where the entropy of the actor's own action
is at most `minimum_entropy` there is no edge. No gradient clipping, Adam's defaults and unmasked actions, as in the code.
`batch_steps` draws a subset of the steps for each gradient step, for batches far larger than the published ten episodes.
`sees_reward` adds the receiver's reward to the inputs of q_psi: from observations alone, an action that changes only another
agent's reward gives no edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from algorithms.advantages.dependence_graph.sources import GraphSource, Inferred
from algorithms.interface import Episodes, LearnerContext
from algorithms.networks.fast_linear import fast_linear
from algorithms.networks.perceptrons import orthogonal_linear
from algorithms.optimisation.minibatches import flat_step_indices
from algorithms.seeds import learner_seed
from algorithms.settings.dependence_graph import DependenceGraphSettings

PAIRS_AT_ONCE = 4096
"""Largest number of pairs in one forward pass of q_psi, but at least those of one step. It bounds the memory (25 MB of
activations for h = 128) and is faster on a CPU: a fit of 28,000 pairs took 0.21 s in chunks, 0.50 s in one pass."""


class NormalisedNetwork(nn.Module):
    """inputs -> (linear, ReLU, LayerNorm) for each hidden size -> linear outputs. Orthogonal weights, zero biases.

    `head_gain`: the gain of the output layer. With a small gain all predictions start almost uniform, and all ratios of
    entropies near 1.
    """

    def __init__(
        self, inputs: int, hidden: tuple[int, ...], outputs: int, generator: torch.Generator, head_gain: float = 0.01
    ) -> None:
        super().__init__()
        gain = nn.init.calculate_gain("relu")
        self.first = orthogonal_linear(inputs, hidden[0], gain, generator)
        self.layers = nn.ModuleList(orthogonal_linear(*sizes, gain, generator) for sizes in pairwise(hidden))
        self.norms = nn.ModuleList(nn.LayerNorm(size) for size in hidden)
        self.head = orthogonal_linear(hidden[-1], outputs, head_gain, generator)

    def forward(self, inputs: Tensor) -> Tensor:
        """[…, inputs] -> […, outputs]."""
        return fast_linear(self.head, self.features(fast_linear(self.first, inputs)))

    def features(self, first: Tensor) -> Tensor:
        """The output of the first layer before its activation, overwritten in place -> the last hidden layer."""
        features: Tensor = self.norms[0](torch.relu_(first))
        for layer, norm in zip(self.layers, self.norms[1:], strict=True):
            features = norm(torch.relu_(fast_linear(layer, features)))
        return features


class OthersAction(NormalisedNetwork):
    """q_psi: logits of actor j's action from receiver i's two latents and the actor's. `multi_head`: a head for each actor.

    `receiver_size`, `actor_size`: numbers of inputs of each. The first layer is a sum of a linear map of each, so these maps
    are computed once for each agent, not for each pair.
    """

    def __init__(
        self,
        receiver_size: int,
        actor_size: int,
        hidden: tuple[int, ...],
        agents: int,
        actions: int,
        multi_head: bool,
        generator: torch.Generator,
    ) -> None:
        outputs = agents * actions if multi_head else actions
        super().__init__(receiver_size + actor_size, hidden, outputs, generator)
        self._receiver_size = receiver_size
        self._actions = actions
        self._multi_head = multi_head

    def pairs(self, receivers: Tensor, actors: Tensor, pairs: Tensor) -> Tensor:
        """receivers [m, N, receiver_size], actors [m, N, actor_size], pairs [P, 3] int64 of (step, j, i) -> logits [P, A]."""
        agents = receivers.shape[1]
        step, actor, receiver = pairs.unbind(1)
        weight_of_receiver, weight_of_actor = self.first.weight.tensor_split([self._receiver_size], 1)
        of_receiver = F.linear(receivers, weight_of_receiver, self.first.bias).flatten(0, 1)
        of_actor = F.linear(actors, weight_of_actor).flatten(0, 1)
        about_receiver = of_receiver.index_select(0, step * agents + receiver)
        features = self.features(about_receiver.add_(of_actor.index_select(0, step * agents + actor)))
        if not self._multi_head:
            return fast_linear(self.head, features)
        # Pairs are grouped by actor, [N, largest group, h], and only the actor's head is applied: applying all heads to all
        # pairs would give N times as many numbers.
        position = F.one_hot(actor, agents).cumsum(0).gather(1, actor[:, None])[:, 0] - 1
        of_actors = features.new_zeros(agents, int(position.max()) + 1, features.shape[1])
        of_actors = of_actors.index_put((actor, position), features)
        weight, bias = self.head.weight.view(agents, self._actions, -1), self.head.bias.view(agents, 1, self._actions)
        return torch.baddbmm(bias, of_actors, weight.transpose(1, 2))[actor, position]


@dataclass(frozen=True)
class Transitions:
    """M steps that happened: observations or latents before and after [M, N, O or D], the reward as an input of the models
    [M, N, 1] (or [M, N, 0] without it), action [M, N], and masks of the actors [M, N] and of the receivers [M, N].

    An agent is a possible receiver (`arriving`) if it acted itself and is alive after the step.
    """

    before: Tensor
    after: Tensor
    reward: Tensor
    action: Tensor
    acting: Tensor
    arriving: Tensor

    @property
    def influences(self) -> Tensor:
        """[M, N, N] bool: pairs of actor j and receiver i, j != i."""
        agents = self.acting.shape[1]
        others = ~torch.eye(agents, dtype=torch.bool, device=self.acting.device)
        return self.acting[:, :, None] & self.arriving[:, None, :] & others

    def rows(self, steps: Tensor) -> Transitions:
        """The transitions of these steps."""
        return Transitions(**{entry.name: getattr(self, entry.name).index_select(0, steps) for entry in fields(self)})


class WorldModel(GraphSource):
    """Encoder and inverse head, q_phi, q_psi, their two Adams."""

    def __init__(self, settings: DependenceGraphSettings, context: LearnerContext) -> None:
        self._settings = settings
        generator = torch.Generator().manual_seed(learner_seed(context.seed, "world model"))
        self._generator = torch.Generator().manual_seed(learner_seed(context.seed, "steps for the world model"))
        team, h = context.team, settings.hidden_size
        agents, actions = team.n_agents, team.action_size
        hidden = (2 * h, h, h)
        size = settings.latent_size if settings.encoder else team.observation_size
        identity_size = agents if settings.identity == "ids" else 0
        self._identities = torch.eye(agents, device=context.device)[:, :identity_size]
        self.encoder = self.inverse = None
        if settings.encoder:
            widths = (settings.encoder_hidden_size,) * 2
            self.encoder = NormalisedNetwork(team.observation_size, widths, size, generator, head_gain=1.0).to(context.device)
            self.inverse = NormalisedNetwork(2 * size, hidden, actions, generator).to(context.device)
        self.own_action = NormalisedNetwork(size + identity_size, hidden, actions, generator).to(context.device)
        self.others_action = OthersAction(
            receiver_size=2 * size + identity_size + settings.sees_reward,
            actor_size=size + identity_size,
            hidden=hidden,
            agents=agents,
            actions=actions,
            multi_head=settings.multi_head,
            generator=generator,
        ).to(context.device)
        self._networks = {
            name: network
            for name, network in (
                ("encoder", self.encoder),
                ("inverse", self.inverse),
                ("own_action", self.own_action),
                ("others_action", self.others_action),
            )
            if network is not None
        }
        self._optimisers = {"actions": self._adam(self.own_action, self.others_action)}
        if self.encoder is not None and self.inverse is not None:
            self._optimisers["encoder"] = self._adam(self.encoder, self.inverse)

    @torch.no_grad()
    def infer(self, episodes: Episodes) -> Inferred:
        """The graph, its score, and the mean ratio of the entropies over all evaluated pairs (0 if there are none).

        The score is minus the ratio, where the entropy of the actor's own action is above `minimum_entropy`.
        """
        ratio, own = self.entropy_ratio(episodes)
        settings = self._settings
        uncertain = (own > settings.minimum_entropy)[..., None]
        graph = (ratio < settings.threshold) & uncertain
        evaluated = ratio.isfinite()
        mean = ratio.masked_fill(~evaluated, 0.0).sum() / evaluated.sum().clamp(min=1)
        score = ratio.neg().masked_fill(~(evaluated & uncertain), torch.nan)
        return Inferred(graph, score, {"graph_entropy_ratio": mean})

    @torch.no_grad()
    def entropy_ratio(self, episodes: Episodes) -> tuple[Tensor, Tensor]:
        """The ratio [B, T, N, N] for actor j and receiver i, and the entropy [B, T, N] of j's own action in nats.

        The ratio is infinite where it is not defined: j = i, or either agent is dead, or the step did not happen.
        """
        batch, steps, agents = episodes.action.shape
        transitions = self._encoded(self._transitions(episodes))
        own = entropy(self.own_action(self._with_identity(transitions.before)))
        ratio = own.new_full((len(own), agents, agents), torch.inf)
        for start, pairs, logits in self._pairs(transitions, transitions.influences):
            step, actor, receiver = pairs.unbind(1)
            step = step + start
            ratio[step, actor, receiver] = entropy(logits) / (own[step, actor] + 1e-8)
        indices, _ = flat_step_indices(episodes.running)
        ratios = own.new_full((batch * steps, agents, agents), torch.inf).index_copy_(0, indices, ratio)
        entropies = own.new_zeros(batch * steps, agents).index_copy_(0, indices, own)
        return ratios.view(batch, steps, agents, agents), entropies.view(batch, steps, agents)

    def fit(self, episodes: Episodes) -> dict[str, Tensor | float]:
        """`gradient_steps` times: one gradient step of the encoder's loss, then one of the action models' loss.

        Returns the losses before the last step. With one step, these are losses on episodes that the models were not trained
        on; their quotient estimates the ratio of entropies without assuming calibrated models.
        """
        transitions = self._transitions(episodes)
        losses: dict[str, Tensor | float] = {}
        for _ in range(self._settings.gradient_steps):
            drawn = self._drawn(transitions)
            if self.encoder is not None:
                losses |= self._fit_encoder(drawn)
            losses |= self._fit_actions(drawn)
        return losses

    def _drawn(self, transitions: Transitions) -> Transitions:
        """The steps of one gradient step: all of them, or `batch_steps` drawn without replacement."""
        steps, batch_steps = len(transitions.action), self._settings.batch_steps
        if batch_steps is None or batch_steps >= steps:
            return transitions
        sampled = torch.randperm(steps, generator=self._generator)[:batch_steps]
        return transitions.rows(sampled.to(transitions.action.device))

    def state_dict(self) -> dict[str, Any]:
        return {
            "networks": {name: network.state_dict() for name, network in self._networks.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self._optimisers.items()},
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, network in self._networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimiser in self._optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self._generator.set_state(state["generator"])

    def _adam(self, *networks: nn.Module) -> torch.optim.Adam:
        parameters = [parameter for network in networks for parameter in network.parameters()]
        return torch.optim.Adam(parameters, lr=self._settings.learning_rate, fused=True)

    def _transitions(self, episodes: Episodes) -> Transitions:
        """All steps that happened, the last one of each episode included: its next observation is the final one."""
        indices, indices_before = flat_step_indices(episodes.running)
        observation, alive = episodes.observation.flatten(0, 1), episodes.alive.flatten(0, 1)
        acting = alive.index_select(0, indices_before)
        reward = episodes.individual_reward.flatten(0, 1).index_select(0, indices)[..., None]
        return Transitions(
            before=observation.index_select(0, indices_before),
            after=observation.index_select(0, indices_before + 1),
            reward=reward if self._settings.sees_reward else reward[..., :0],
            action=episodes.action.flatten(0, 1).index_select(0, indices),
            acting=acting,
            arriving=acting & alive.index_select(0, indices_before + 1),
        )

    @torch.no_grad()
    def _encoded(self, transitions: Transitions) -> Transitions:
        """The same with latents, without gradients, instead of observations."""
        if self.encoder is None:
            return transitions
        return replace(transitions, before=self.encoder(transitions.before), after=self.encoder(transitions.after))

    def _with_identity(self, *parts: Tensor) -> Tensor:
        """Parts [m, N, …] concatenated, followed by each agent's one-hot index if the models see it."""
        return torch.cat([*parts, self._identities.expand(len(parts[0]), -1, -1)], -1)

    def _pairs(self, transitions: Transitions, mask: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
        """The pairs of mask [M, N, N] in chunks of steps: yields the first step of a chunk, pairs [P, 3] of (step - first, j,
        i), and
        q_psi's logits [P, A]."""
        chunk_size = max(1, PAIRS_AT_ONCE // mask[0].numel()) if len(mask) else 1
        for start in range(0, len(mask), chunk_size):
            chunk = slice(start, start + chunk_size)
            pairs = mask[chunk].nonzero()
            if len(pairs):
                receivers = self._with_identity(transitions.before[chunk], transitions.after[chunk], transitions.reward[chunk])
                actors = self._with_identity(transitions.before[chunk])
                yield start, pairs, self.others_action.pairs(receivers, actors, pairs)

    def _fit_encoder(self, transitions: Transitions) -> dict[str, Tensor]:
        """One gradient step of predicting every agent's action from its two latents."""
        assert self.encoder is not None
        assert self.inverse is not None
        mask = transitions.arriving
        if not mask.any():
            return {}
        latents = [self.encoder(observation[mask]) for observation in (transitions.before, transitions.after)]
        loss = F.cross_entropy(self.inverse(torch.cat(latents, -1)), transitions.action[mask])
        optimiser = self._optimisers["encoder"]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return {"encoder_loss": loss.detach()}

    def _fit_actions(self, transitions: Transitions) -> dict[str, Tensor]:
        """One gradient step of q_phi and q_psi together, on the sum of their mean losses."""
        transitions = self._encoded(transitions)
        acting, action = transitions.acting, transitions.action
        mask = transitions.influences
        if self._settings.identity == "published":
            mask = mask | torch.diag_embed(transitions.arriving)
        count = int(mask.sum())
        if not acting.any():
            return {}
        optimiser = self._optimisers["actions"]
        optimiser.zero_grad(set_to_none=True)
        own = F.cross_entropy(self.own_action(self._with_identity(transitions.before)[acting]), action[acting])
        own.backward()
        others = torch.zeros_like(own)
        for start, pairs, logits in self._pairs(transitions, mask):
            target = action[pairs[:, 0] + start, pairs[:, 1]]
            loss = F.cross_entropy(logits, target, reduction="sum") / count
            # Backward pass per chunk, so that only one chunk's activations are in memory.
            loss.backward()
            others += loss.detach()
        optimiser.step()
        return {"own_action_loss": own.detach(), "others_action_loss": others}


def entropy(logits: Tensor) -> Tensor:
    """Entropy in nats of the categorical distributions with logits […, A]: […]."""
    log_probability = logits.log_softmax(-1)
    return -(log_probability.exp() * log_probability).sum(-1)
