"""Generalised advantage estimation with a learned value: the estimator of IPPO and MAPPO.

Schulman et al. 2016 (arXiv 1506.02438) for the estimates, de Witt et al. 2020 for the local value, Yu et al. 2022
(arXiv 2103.01955) for the central one. Every agent has its own rewards and its own value of them:
delta_t^i = r_t^i + gamma V^i_{t+1} - V^i_t, A_t^i = sum_k (gamma lambda)^k delta_{t+k}^i; targets A + V.

Choices. The central value is one network of the state with N outputs, one per agent's rewards: one forward pass a step, where
an identity-conditioned network needs N. When all agents have the same reward, all N outputs regress to the same return.
Values are learned on every step that happened, for dead agents too: rewards after an agent's death belong to the return of its
earlier actions. Critics are feed-forward.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from algorithms.interface import Episodes, LearnerContext
from algorithms.networks.perceptrons import Network, NetworkShape, TeamNetworks
from algorithms.optimisation.minibatches import flat_step_indices, minibatches, take
from algorithms.optimisation.optimiser import Optimiser
from algorithms.policy_gradient.advantage_estimator import AdvantageEstimator
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.returns import RunningNormaliser, explained_variance, gae
from algorithms.seeds import learner_seed
from algorithms.settings.policy_gradient import PPOSettings

VALUE_NORMALISATION_DECAY = 0.99
"""Weight of the past in the running mean and deviation of value targets, per update (ours)."""


class LocalCritic(nn.Module):
    """V^i of agent i's own observation (with the time, and with the agent's index if agents share the network)."""

    def __init__(self, context: LearnerContext, settings: PPOSettings, generator: torch.Generator) -> None:
        super().__init__()
        self._horizon = context.team.horizon if settings.critic_sees_time else None
        self.networks = TeamNetworks(
            context.team,
            settings.sharing,
            1,
            _shape(settings),
            1.0,
            generator,
            agent_id=settings.agent_id,
            extra_inputs=int(settings.critic_sees_time),
        )

    def inputs(self, episodes: Episodes, indices: Tensor) -> tuple[Tensor, ...]:
        """Inputs at flat indices [M] into [B, T+1]: one tensor [M, G, inputs] for every group of agents."""
        observation = _inputs_at(episodes.observation, indices, self._horizon)
        return tuple(self.networks.inputs(group, observation, None) for group in range(len(self.networks.groups)))

    def forward(self, *inputs: Tensor) -> Tensor:
        """Values [M, N]."""
        values: Tensor = self.networks(*inputs)
        return values[:, :, 0]

    def separate_networks(self) -> list[nn.Module]:
        """Networks without common parameters; each gradient is clipped on its own."""
        return list(self.networks.networks)


class CentralCritic(nn.Module):
    """V^1 … V^N of the state (with the time): one network with N outputs."""

    def __init__(self, context: LearnerContext, settings: PPOSettings, generator: torch.Generator) -> None:
        super().__init__()
        team = context.team
        self._horizon = team.horizon if settings.critic_sees_time else None
        inputs = team.state_size + int(settings.critic_sees_time)
        self.network = Network(inputs, team.n_agents, _shape(settings), 1.0, generator)

    def inputs(self, episodes: Episodes, indices: Tensor) -> tuple[Tensor, ...]:
        """Inputs at flat indices [M] into [B, T+1]: states [M, S], or [M, S+1] with the time."""
        return (_inputs_at(episodes.state, indices, self._horizon),)

    def forward(self, state: Tensor) -> Tensor:
        """Values [M, N]."""
        values: Tensor = self.network(state)
        return values

    def separate_networks(self) -> list[nn.Module]:
        """Networks without common parameters; each gradient is clipped on its own."""
        return [self.network]


class IdentityCritic(nn.Module):
    """V^i of the state, the time and the one-hot index of agent i: one network with one output, evaluated for each agent."""

    def __init__(self, context: LearnerContext, settings: PPOSettings, generator: torch.Generator) -> None:
        super().__init__()
        team = context.team
        self._horizon = team.horizon if settings.critic_sees_time else None
        self.register_buffer("_identities", torch.eye(team.n_agents), persistent=False)
        inputs = team.state_size + int(settings.critic_sees_time) + team.n_agents
        self.network = Network(inputs, 1, _shape(settings), 1.0, generator)

    def inputs(self, episodes: Episodes, indices: Tensor) -> tuple[Tensor, ...]:
        """Inputs at flat indices [M] into [B, T+1]: states [M, S], or [M, S+1] with the time."""
        return (_inputs_at(episodes.state, indices, self._horizon),)

    def forward(self, state: Tensor) -> Tensor:
        """Values [M, N]."""
        identities = self.get_buffer("_identities")
        rows, agents = len(state), len(identities)
        query = torch.cat([state[:, None].expand(-1, agents, -1), identities.expand(rows, -1, -1)], -1)
        values: Tensor = self.network(query)
        return values[:, :, 0]

    def separate_networks(self) -> list[nn.Module]:
        """Networks without common parameters; each gradient is clipped on its own."""
        return [self.network]


Critic = LocalCritic | CentralCritic | IdentityCritic


def _inputs_at(values: Tensor, indices: Tensor, horizon: int | None) -> Tensor:
    """values [B, T+1, …, K] at flat indices [M] into the first two dimensions: [M, …, K]; with a horizon [M, …, K+1], where the
    last entry is t / horizon."""
    selected = values.flatten(0, 1).index_select(0, indices)
    if horizon is None:
        return selected
    time = (indices % values.shape[1]).to(values.dtype) / horizon
    return torch.cat([selected, time.view(-1, *[1] * (selected.ndim - 1)).expand(*selected.shape[:-1], 1)], -1)


class GAE(AdvantageEstimator):
    """Advantages from a learned value function. `critic`: its class; by default the one that `settings.critic` names.

    `name`: gives two estimators of one learner different random numbers.
    """

    def __init__(
        self, settings: PPOSettings, context: LearnerContext, critic: type[Critic] | None = None, name: str = "critic"
    ) -> None:
        self._settings = settings
        self._bootstraps = context.time_limit == "bootstrap"
        self._device = context.device
        generator = torch.Generator().manual_seed(learner_seed(context.seed, name))
        critic_class = critic or (LocalCritic if settings.critic == "local" else CentralCritic)
        self.critic = critic_class(context, settings, generator).to(context.device)
        self._optimiser = Optimiser(
            [part.parameters() for part in self.critic.separate_networks()],
            settings.critic_learning_rate,
            gradient_norm=settings.gradient_norm,
            epsilon=settings.adam_epsilon,
            schedule=settings.learning_rate_schedule,
            context=context,
        )
        self._normaliser = RunningNormaliser(VALUE_NORMALISATION_DECAY, context.device)
        self._generator = torch.Generator().manual_seed(learner_seed(context.seed, f"{name} minibatches"))
        self._estimated: tuple[Episodes, Tensor, Tensor, Tensor] | None = None

    def values(self, episodes: Episodes) -> Tensor:
        """V [B, T+1, N] at every step that happened and, if it is bootstrapped, at the state of the time limit; else 0."""
        return self._values_and_outputs(episodes)[0]

    def _values_and_outputs(self, episodes: Episodes) -> tuple[Tensor, Tensor]:
        """V [B, T+1, N], and the outputs of the network [B, T+1, N] that it was restored from: equal without a normaliser."""
        batch, steps, agents = episodes.individual_reward.shape
        needed = F.pad(episodes.running, (0, 1))
        if self._bootstraps:
            needed[:, 1:] |= episodes.truncated
        indices = needed.flatten().nonzero()[:, 0]
        evaluated: Tensor = self.critic(*self.critic.inputs(episodes, indices))

        def padded(numbers: Tensor) -> Tensor:
            zeros = numbers.new_zeros(batch * (steps + 1), agents)
            return zeros.index_copy_(0, indices, numbers).view(batch, steps + 1, agents)

        outputs = padded(evaluated)
        if not self._settings.value_normalisation:
            return outputs, outputs
        return padded(self._normaliser.restore(evaluated)), outputs

    @torch.no_grad()
    def estimate(self, episodes: Episodes, reward: Tensor, policy: Tensor | None = None) -> Tensor:
        settings = self._settings
        values, outputs = self._values_and_outputs(episodes)
        terminal = episodes.terminated if self._bootstraps else episodes.ended
        advantage = gae(reward, values, episodes.running, terminal, settings.discount, settings.gae_lambda)
        self._estimated = (episodes, values[:, :-1], outputs[:, :-1], advantage)
        return advantage

    def fit(self, episodes: Episodes, reward: Tensor, policy: Tensor | None = None) -> dict[str, Tensor | float]:
        """Regresses the values to the targets A + V, with A and V from before this update.

        With a normaliser, the network regresses to the normalised targets. Clipping is about the outputs that the network had
        before this update, as in the code of Yu et al. 2022, and not about normalised values: the normaliser has changed.
        """
        if self._estimated is None or self._estimated[0] is not episodes:
            self.estimate(episodes, reward)
        assert self._estimated is not None
        _, values, outputs, advantage = self._estimated
        self._estimated = None
        indices, indices_with_final = flat_step_indices(episodes.running)
        before, gain, output = (take(each.reshape(-1, each.shape[-1]), indices) for each in (values, advantage, outputs))
        target = before + gain
        explained = explained_variance(before, target)
        monitors: dict[str, Tensor | float] = {"explained_variance": explained, "return_mean": target.mean()}
        if self._settings.value_normalisation:
            self._normaliser.update(target)
            target = self._normaliser.normalise(target)
        monitors |= self._regress(self.critic.inputs(episodes, indices_with_final), output, target)
        return monitors

    def _regress(self, inputs: tuple[Tensor, ...], before: Tensor, target: Tensor) -> dict[str, Tensor | float]:
        settings = self._settings
        count = min(settings.minibatches, len(target))
        losses, norms = [], []
        for _ in range(settings.epochs):
            for rows in minibatches(len(target), count, self._generator, self._device):
                value = self.critic(*(take(each, rows) for each in inputs))
                loss = value_loss(value, take(before, rows), take(target, rows), settings.value_clip, settings.huber_delta)
                norms.append(self._optimiser.minimise(loss))
                losses.append(loss.detach())
        return {"value_loss": torch.stack(losses).mean(), "critic_gradient_norm": torch.stack(norms).mean()}

    def state_dict(self) -> dict[str, Any]:
        return {
            "critic": self.critic.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "normaliser": self._normaliser.state_dict(),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.critic.load_state_dict(state["critic"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._normaliser.load_state_dict(state["normaliser"])
        self._generator.set_state(state["generator"].cpu())
        self._estimated = None


def value_loss(value: Tensor, before: Tensor, target: Tensor, clip: float | None, huber_delta: float | None) -> Tensor:
    """Mean over value [M, N] of error(v), half the squared error or the Huber error to `target`.

    With `clip`: max(error(v), error(before + clamp(v - before, -clip, clip))), where `before` is the network's output before
    the update, in the units of `value` and `target`.
    """

    def error(prediction: Tensor) -> Tensor:
        if huber_delta is None:
            return 0.5 * (prediction - target).square()
        return F.huber_loss(prediction, target, reduction="none", delta=huber_delta)

    losses = error(value)
    if clip is not None:
        losses = torch.maximum(losses, error(before + (value - before).clamp(-clip, clip)))
    return losses.mean()


def _shape(settings: PPOSettings) -> NetworkShape:
    return NetworkShape(settings.hidden_size, settings.hidden_layers, settings.activation)


def build(settings: PPOSettings, context: LearnerContext) -> PolicyGradient:
    """IPPO or MAPPO, as the settings say."""
    return PolicyGradient(settings, context, GAE(settings, context))
