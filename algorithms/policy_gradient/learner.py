"""The on-policy learner: it owns the actors and updates them with the advantages of an AdvantageEstimator.

With generalised advantage estimates it is IPPO (de Witt et al. 2020, arXiv 2011.09533) and MAPPO (Yu et al. 2022, arXiv
2103.01955). Every actor maximises, over the samples in which one of its agents was alive to act,
    mean of min(rho A, clip(rho, 1 - eps, 1 + eps) A) + c H(pi),   rho = pi(a | o) / pi_old(a | o).
With one epoch and one minibatch rho is 1 and this is the plain policy gradient that COMA and SeCA use.

A `Redistributor` can replace the reward. A method whose actors see more than the observation (a goal, for example) wraps
this learner and passes it the extended observations.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from algorithms.interface import Algorithm, Collection, Credit, Episodes, Influence, LearnerContext, Memory, Mode, Step
from algorithms.networks.perceptrons import NetworkShape, TeamNetworks, masked_logits
from algorithms.optimisation.minibatches import minibatches
from algorithms.optimisation.optimiser import Optimiser
from algorithms.policy_gradient.actor_samples import ActorSamples, EpisodeSamples, StepSamples, previous_actions
from algorithms.policy_gradient.advantage_estimator import AdvantageEstimator
from algorithms.policy_gradient.redistributor import Redistribution, Redistributor
from algorithms.returns import standardised
from algorithms.seeds import learner_seed
from algorithms.settings.policy_gradient import PolicyGradientSettings


class PolicyGradient(Algorithm):
    """Actors trained on whole episodes, with the advantages of `estimator` and the rewards of `redistributor` if there is one,
    else of the context's regime."""

    def __init__(
        self,
        settings: PolicyGradientSettings,
        context: LearnerContext,
        estimator: AdvantageEstimator,
        redistributor: Redistributor | None = None,
    ) -> None:
        self._settings = settings
        self._context = context
        self._device = context.device
        self.estimator = estimator
        self.redistributor = redistributor
        self._reward_model_seconds = 0.0
        self._phase = "training"
        shape = NetworkShape(settings.hidden_size, settings.hidden_layers, settings.activation, settings.recurrent)
        self.actor = TeamNetworks(
            context.team,
            settings.sharing,
            context.team.action_size,
            shape,
            0.01,
            torch.Generator().manual_seed(learner_seed(context.seed, "actor")),
            agent_id=settings.agent_id,
            last_action=settings.last_action,
        ).to(context.device)
        self._optimiser = Optimiser(
            [network.parameters() for network in self.actor.networks],
            settings.learning_rate,
            gradient_norm=settings.gradient_norm,
            epsilon=settings.adam_epsilon,
            schedule=settings.learning_rate_schedule,
            context=context,
        )
        self._generator = torch.Generator().manual_seed(learner_seed(context.seed, "actor minibatches"))

    def begin(self, rows: int, mode: Mode, generator: torch.Generator) -> Memory:
        agents = self._context.team.n_agents
        memory = {}
        if self._settings.recurrent:
            memory["hidden"] = torch.zeros(rows, agents, self._settings.hidden_size, device=self._device)
        if self._settings.last_action:
            memory["last_action"] = torch.full((rows, agents), -1, dtype=torch.int64, device=self._device)
        return memory

    @torch.no_grad()
    def act(
        self,
        observation: Tensor,
        available: Tensor,
        alive: Tensor,
        memory: Memory,
        mode: Mode,
        generator: torch.Generator,
    ) -> Step:
        observation, available = observation.to(self._device), available.to(self._device)
        logits, hidden = self.actor.step(observation, memory.get("last_action"), memory.get("hidden"))
        log_policy = masked_logits(logits, available).log_softmax(-1)
        if mode == "greedy":
            action = log_policy.argmax(-1)
        else:
            # For E_a ~ Exp(1), argmax_a p_a / E_a is distributed as p, and never has probability 0.
            exponentials = torch.empty(log_policy.shape, device=generator.device).exponential_(generator=generator)
            action = (log_policy.exp() / exponentials.to(self._device)).argmax(-1)
        next_memory = {}
        if hidden is not None:
            next_memory["hidden"] = hidden
        if self._settings.last_action:
            next_memory["last_action"] = action
        return Step(action, log_policy.gather(-1, action[..., None])[..., 0], next_memory)

    def next_collection(self) -> Collection:
        return Collection(self._settings.episodes_per_update)

    def update(self, episodes: Episodes) -> dict[str, float]:
        episodes = episodes.to(self._device)
        if self.redistributor is None:
            return _floats(self._learn(episodes, episodes.reward(self._context.regime)))
        redistribution = None
        with self._reward_model_clock():
            self.redistributor.observe(episodes)
            if self.redistributor.ready():
                redistribution = self._redistribute(episodes)
        monitors: dict[str, Tensor | float] = {}
        self._phase = "warm-up" if redistribution is None else "training"
        if redistribution is not None:
            monitors = redistribution.monitors | self._learn(episodes, redistribution.reward)
        with self._reward_model_clock():
            return _floats(monitors | self.redistributor.fit())

    def credit(self, episodes: Episodes) -> Credit | None:
        """The shares of the return if there is a redistributor, else the advantage before standardisation."""
        episodes = episodes.to(self._device)
        if self.redistributor is not None:
            return Credit(self._redistribute(episodes).shares, "reward")
        with torch.no_grad():
            advantage = self._estimate(episodes, episodes.reward(self._context.regime), self._policy(episodes))
        return Credit(advantage.masked_fill(~episodes.acting, 0.0), "advantage")

    @torch.no_grad()
    def influence(self, episodes: Episodes) -> Influence | None:
        return self.estimator.influence(episodes.to(self._device))

    def phase(self) -> str:
        return self._phase

    def seconds(self) -> dict[str, float]:
        return {"reward model": self._reward_model_seconds} if self.redistributor is not None else {}

    def policy_state(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.actor.state_dict().items()}

    def load_policy_state(self, tensors: dict[str, Tensor]) -> None:
        try:
            self.actor.load_state_dict(tensors)
        except RuntimeError as error:
            raise ValueError(f"this policy does not fit these actors: {error}") from None

    def state_dict(self) -> dict[str, Any]:
        state = {
            "actor": self.actor.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "generator": self._generator.get_state(),
            "estimator": self.estimator.state_dict(),
        }
        if self.redistributor is not None:
            state["redistributor"] = self.redistributor.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.actor.load_state_dict(state["actor"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._generator.set_state(state["generator"].cpu())
        self.estimator.load_state_dict(state["estimator"])
        if self.redistributor is not None:
            self.redistributor.load_state_dict(state["redistributor"])

    @torch.no_grad()
    def _redistribute(self, episodes: Episodes) -> Redistribution:
        assert self.redistributor is not None
        return self.redistributor.redistribute(episodes)

    @contextlib.contextmanager
    def _reward_model_clock(self) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self._reward_model_seconds += time.perf_counter() - start

    def _learn(self, episodes: Episodes, reward: Tensor) -> dict[str, Tensor | float]:
        policy = self._policy(episodes)
        if self.estimator.critic_before_actor:
            losses = self.estimator.fit(episodes, reward, policy)
            return losses | self._improve(episodes, self._estimate(episodes, reward, policy))
        monitors = self._improve(episodes, self._estimate(episodes, reward, policy))
        return monitors | self.estimator.fit(episodes, reward, policy)

    def _estimate(self, episodes: Episodes, reward: Tensor, policy: Tensor | None) -> Tensor:
        with torch.no_grad():
            return self.estimator.estimate(episodes, reward, policy)

    def _policy(self, episodes: Episodes) -> Tensor | None:
        """The actors' probabilities [B, T, N, A], or None if the estimator does not need them."""
        if not self.estimator.needs_policy:
            return None
        with torch.no_grad():
            logits = self.actor.sequence(episodes.observation[:, :-1], self._last_actions(episodes))
            return masked_logits(logits, episodes.available[:, :-1]).softmax(-1)

    def _last_actions(self, episodes: Episodes) -> Tensor | None:
        return previous_actions(episodes.action) if self._settings.last_action else None

    def _improve(self, episodes: Episodes, advantage: Tensor) -> dict[str, Tensor | float]:
        """Several epochs of the clipped objective for every group of actors."""
        settings = self._settings
        acting = episodes.acting
        taken = advantage[acting]
        if len(taken) == 0:
            return {}
        if settings.advantage_standardisation:
            advantage = standardised(advantage, acting)
        samples_of = EpisodeSamples if settings.recurrent else StepSamples
        last_action = self._last_actions(episodes)
        groups: list[ActorSamples] = [
            samples_of(self.actor, group, episodes, advantage, last_action) for group in range(len(self.actor.groups))
        ]
        count = min(settings.minibatches, max(group.rows for group in groups))
        sums, norms = [], []
        for _ in range(settings.epochs):
            parts = [minibatches(group.rows, count, self._generator, self._device) for group in groups]
            for rows in zip(*parts, strict=True):
                loss = torch.zeros((), device=self._device)
                for group, group_rows in zip(groups, rows, strict=True):
                    group_loss, group_sums = policy_loss(
                        *group.minibatch(group_rows), settings.clip_ratio, settings.entropy_coefficient
                    )
                    loss = loss + group_loss
                    sums.append(group_sums)
                norms.append(self._optimiser.minimise(loss))
        total = torch.stack(sums).sum(0)
        objective, entropy, divergence, clipped, samples = total.unbind()
        return {
            "advantage_mean": taken.mean(),
            "advantage_std": taken.std(correction=0),
            "policy_loss": -objective / samples,
            "entropy": entropy / samples,
            "approx_kl": divergence / samples,
            "clip_fraction": clipped / samples,
            "actor_gradient_norm": torch.stack(norms).mean(),
        }


def policy_loss(
    logits: Tensor,
    action: Tensor,
    log_probability: Tensor,
    advantage: Tensor,
    clip_ratio: float,
    entropy_coefficient: float,
) -> tuple[Tensor, Tensor]:
    """The loss of M samples: minus the mean clipped objective, minus `entropy_coefficient` times the mean entropy.

    logits [M, A] (masked), action [M] int64, log_probability [M] of it when it was chosen, advantage [M].
    Also returns sums over the samples, without gradients: objective, entropy, approximate divergence from the old policy
    (the mean of rho - 1 - log rho), clipped samples, number of samples.
    """
    log_policy = logits.log_softmax(-1)
    log_ratio = log_policy.gather(1, action[:, None])[:, 0] - log_probability
    ratio = log_ratio.exp()
    objective = torch.minimum(ratio * advantage, ratio.clamp(1 - clip_ratio, 1 + clip_ratio) * advantage).sum()
    entropy = -(log_policy.exp() * log_policy).sum()
    samples = max(len(action), 1)
    loss = -(objective + entropy_coefficient * entropy) / samples
    with torch.no_grad():
        divergence = (ratio - 1 - log_ratio).sum()
        clipped = ((ratio - 1).abs() > clip_ratio).sum()
        sums = torch.stack([objective, entropy, divergence, clipped, torch.full_like(objective, len(action))])
    return loss, sums


def _floats(monitors: dict[str, Tensor | float]) -> dict[str, float]:
    """Monitors as numbers; all tensors are moved from the device in one transfer."""
    tensors = {name: value.detach().float() for name, value in monitors.items() if isinstance(value, Tensor)}
    numbers = dict(zip(tensors, torch.stack(list(tensors.values())).tolist(), strict=True)) if tensors else {}
    return {name: numbers[name] if name in numbers else float(value) for name, value in monitors.items()}
