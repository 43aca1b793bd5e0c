"""TAR2, the later version: learned scores that a fixed normaliser turns into shares (Kapoor et al. 2025, arXiv 2502.04864).

Tokens of observation, action and step [B, T, N, E], without the agent's index, pass through D = `depth` layers: causal
attention over the steps of each agent (heads share the width; feed-forward E -> E -> E with GELU; LayerNorm after each), then
attention over the agents of each step, masked by coalitions and without residual (`coalition_layer`, as in STAS). The outputs
x_{t,i} of all layers, of size DE, are concatenated with the outcome z, the mean of the agents' x at the last step at which each
acted, detached from the gradient:
    c_{t,i} = head([x_{t,i}; z]),   head: 2DE -> E -> E -> 1 with GELU (DE -> E -> E -> 1 without `outcome`)
    loss = mean huber(sum c - R) + inverse_dynamics * mean cross-entropy of the actions
    r_{t,i} = w_t(c) w_{t,i}(c) R,   see `normaliser`
The regression does not contain the normaliser. Inverse dynamics, (D+2)E -> E -> E -> A, predicts a_{t,i} from the team's mean
state embedding (a token without its action) at t and at t+1 (0 after the end) and x_{t-1,i} (0 at the first step).

Properties: shares are 0 where an agent did not act, never have the opposite sign of R, and sum to R for any scores. With
`payment` "team", every agent's reward of a step is the sum of its shares, and no policy's undiscounted return changes. With
"agent" (the default, as released), agent i's rewards sum to W_i R, where W_i differs between episodes, and returns do change.
And since R, the normaliser and the outcome depend on the whole episode, the policy gradient with reward-to-go does not keep its
direction in general.

Read from the abstracts and the authors' code of 2025. Not reproduced of that code: its normaliser loses part of the return
(available as `normaliser` "coded"); its product of shares and returns is broadcast over the wrong dimension; actions and masks
are transposed against each other in the cross-entropy; coalitions and the permutation of the agent embedding are drawn anew at
reward time (here from a re-seeded generator, and averaged over rotations); the policy is updated on an emptied buffer during
the model's warm-up. Differs: an agent sees its own observation, and there is no stream of enemies (their SMAClite reads unit
states, which a general environment does not have; their football has the agents' observations, as here); returns are divided by
their standard deviation before the regression. Initial weights are theirs: Kaiming-normal times sqrt(2/D) from three layers on,
maps of the attentions times 0.5 sqrt(2/D), the head times 0.05, tables N(0, 0.01^2); biases 0.

`scores` (ours) replaces the scores that are normalised: "inverted" is -c; "stale" the scores of the untrained network; "random"
noise, independent for every entry of a batch; "attention" the product of the attention that the step receives and that the
agent receives at it, weights that need no normaliser (`attention_weights`). Shares still sum to the return, and the model is
trained in the same way; only the monitor `return_r2` is that of the replacement.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from algorithms.interface import LearnerContext, TeamShape
from algorithms.networks.attention import EncoderLayer, EncoderShape, causal_mask
from algorithms.networks.gelu_network import GELUNetwork
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.redistribution.models.attention_weights import by_agents, by_steps, product_of_parts
from algorithms.redistribution.models.coalition_layer import CoalitionLayer
from algorithms.redistribution.models.inverse_dynamics import action_loss, next_step, previous_step, team_state
from algorithms.redistribution.models.normaliser import normalised_rewards
from algorithms.redistribution.models.outcome import outcome, with_outcome
from algorithms.redistribution.models.reward_model import RewardModel, ppo_with_reward_model
from algorithms.redistribution.models.tokens import TokenEmbedding
from algorithms.redistribution.models.trajectories import Trajectories
from algorithms.seeds import learner_seed
from algorithms.settings.redistribution import RedistributedPPOSettings, TAR2Settings

TABLE_SCALE = 0.01
HEAD_SCALE = 0.05


def build(settings: RedistributedPPOSettings, context: LearnerContext) -> PolicyGradient:
    """PPO with TAR2's rewards."""
    assert isinstance(settings.redistribution, TAR2Settings)
    generator = torch.Generator().manual_seed(learner_seed(context.seed, "reward model"))
    return ppo_with_reward_model(settings, context, TAR2(settings.redistribution, context.team, generator))


class TAR2(RewardModel):
    """The reward model of TAR2: the scoring network, the auxiliary task, and the replacements of `settings.scores`."""

    def __init__(self, settings: TAR2Settings, team: TeamShape, generator: torch.Generator) -> None:
        super().__init__(settings)
        self._settings = settings
        self.network = TAR2Network(settings, team, generator)
        self.untrained: TAR2Network | None = (
            copy.deepcopy(self.network).requires_grad_(False) if settings.scores == "stale" else None
        )
        self.inverse_dynamics: GELUNetwork | None = None
        if settings.inverse_dynamics > 0:
            sizes = [(settings.depth + 2) * settings.width, settings.width, settings.width, team.action_size]
            self.inverse_dynamics = GELUNetwork(sizes, generator)
            kaiming(self.inverse_dynamics, depth_scale(settings.depth), generator)

    def scores(self, trajectories: Trajectories, generator: torch.Generator, training: bool) -> Tensor:
        source, acting = self._settings.scores, trajectories.acting
        if source == "random":
            return torch.randn(acting.shape, generator=generator).to(acting.device).masked_fill(~acting, 0.0)
        if source == "attention":
            return self.network.attention_weights(trajectories, generator)
        network = self.network if self.untrained is None else self.untrained
        scores: Tensor = network(trajectories, generator, training)
        return -scores if source == "inverted" else scores

    def loss(self, trajectories: Trajectories, target: Tensor, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        network = self.network
        states = network.tokens.states(trajectories)
        features = network.features(
            states + network.tokens.actions(trajectories), trajectories.acting, generator, training=True
        )
        loss = self.regression(network.read(features, trajectories.acting).sum((1, 2)), target)
        monitors = {"reward_model_loss": loss.detach()}
        if self.inverse_dynamics is not None:
            now = team_state(states, trajectories.acting)
            team = torch.cat([now, next_step(now)], -1).expand(-1, -1, states.shape[2], -1)
            actions = action_loss(self.inverse_dynamics(torch.cat([team, previous_step(features)], -1)), trajectories)
            loss = loss + self._settings.inverse_dynamics * actions
            monitors["inverse_dynamics_loss"] = actions.detach()
        return loss, monitors

    def shares(self, scores: Tensor, trajectories: Trajectories, scale: Tensor) -> Tensor:
        settings = self._settings
        if settings.scores == "attention":
            return scores * trajectories.returns[:, None, None]
        if settings.normaliser == "none":
            return scores * scale
        return normalised_rewards(scores, trajectories.acting, trajectories.returns, settings.normaliser, settings.shares)


class TAR2Network(nn.Module):
    """The scoring network of TAR2: episodes to scores c [B, T, N]."""

    def __init__(self, settings: TAR2Settings, team: TeamShape, generator: torch.Generator) -> None:
        super().__init__()
        self._outcome = settings.outcome
        width, depth = settings.width, settings.depth
        shape = EncoderShape(width, settings.heads, feed_forward=width)
        self.tokens = TokenEmbedding(team, width, generator, table_scale=TABLE_SCALE)
        temporal = [EncoderLayer(shape, generator) for _ in range(depth)]
        agents = [CoalitionLayer(settings, team.n_agents, generator, table_scale=TABLE_SCALE) for _ in range(depth)]
        self.head = GELUNetwork([depth * width * (1 + settings.outcome), width, width, 1], generator)
        scale = depth_scale(depth)
        kaiming(self.tokens, scale, generator)
        for over_time, over_agents in zip(temporal, agents, strict=True):
            kaiming(over_time, scale, generator)
            for attention in (over_time.queries_keys_values, over_time.attention_output, over_agents.attention):
                kaiming(attention, 0.5 * math.sqrt(2 / depth), generator)
        kaiming(self.head, HEAD_SCALE * scale, generator)
        self.temporal, self.agents = nn.ModuleList(temporal), nn.ModuleList(agents)

    def forward(self, trajectories: Trajectories, generator: torch.Generator, training: bool) -> Tensor:
        """c [B, T, N], 0 where an agent did not act."""
        features = self.features(self.tokens(trajectories), trajectories.acting, generator, training)
        return self.read(features, trajectories.acting)

    def features(self, x: Tensor, acting: Tensor, generator: torch.Generator, training: bool) -> Tensor:
        """x [B, T, N, DE] of tokens [B, T, N, E]."""
        # Padding and deaths come after the steps at which an agent acts, so the causal mask excludes them.
        earlier = causal_mask(acting.new_ones(1, acting.shape[1]))
        features = []
        for over_time, over_agents in self._layers():
            x = over_agents(over_time(x, earlier), acting, generator, training)
            features.append(x)
        return torch.cat(features, -1)

    def read(self, features: Tensor, acting: Tensor) -> Tensor:
        """c [B, T, N] of features [B, T, N, DE]."""
        if self._outcome:
            features = with_outcome(features, outcome(features, acting).detach())
        scores: Tensor = self.head(features)
        return scores.squeeze(-1) * acting

    def attention_weights(self, trajectories: Trajectories, generator: torch.Generator) -> Tensor:
        """Weights [B, T, N] that sum to 1: attention received by steps and agents at reward time, averaged over the layers."""
        acting = trajectories.acting
        x, earlier = self.tokens(trajectories), causal_mask(acting.new_ones(1, acting.shape[1]))
        steps, agents = [], []
        for over_time, over_agents in self._layers():
            steps.append(by_steps(over_time.weights(x, earlier), acting))
            x = over_time(x, earlier)
            same_coalitions = generator.clone_state()
            agents.append(by_agents(over_agents.weights(x, acting, same_coalitions), acting))
            x = over_agents(x, acting, generator, training=False)
        return product_of_parts(torch.stack(steps).mean(0), torch.stack(agents).mean(0))

    def _layers(self) -> Iterable[tuple[EncoderLayer, CoalitionLayer]]:
        """Attention over time and over agents, layer by layer."""
        return cast(Iterable[tuple[EncoderLayer, CoalitionLayer]], zip(self.temporal, self.agents, strict=True))


def depth_scale(depth: int) -> float:
    """The factor of the initial weights of a network with `depth` layers."""
    return math.sqrt(2 / depth) if depth > 2 else 1.0


def kaiming(module: nn.Module, scale: float, generator: torch.Generator) -> None:
    """Sets all linear layers of a module to Kaiming-normal weights times `scale` and zero biases."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, generator=generator)
            with torch.no_grad():
                layer.weight *= scale
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
