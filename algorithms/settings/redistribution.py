"""Settings of the methods that redistribute the return of an episode, and of PPO with each of them.

The defaults of a learned model are its published schedule, as far as it is known, without the defects of the released code;
settings that differ by environment are in the suites. The preset "screening" is the same small budget for all of them.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import create_model, model_validator

from algorithms.settings.base import MethodDescription, Settings, setting
from algorithms.settings.policy_gradient import PPOSettings
from algorithms.team import TimeLimit

TAR2 = "Kapoor et al. 2025 (TAR2)"
STAS = "Chen et al. 2024 (STAS)"
AREL = "Xiao et al. 2022 (AREL)"
OURS = "CreditBench"

CoalitionLaw = Literal["banzhaf_masks", "permutation", "owen", "all", "exact"]
"""The law of the coalitions in the agent attention of STAS and TAR2, see algorithms.redistribution.models.shapley."""

MOST_ENUMERATED_AGENTS = 8
"""Largest number of agents N for which attention over all 2^(N-1) coalitions of each agent is possible."""


class RedistributionSettings(Settings):
    """Settings of all redistribution methods: how shares of the return become rewards."""

    description: ClassVar[MethodDescription]

    payment: Literal["agent", "team"] = setting(
        "agent",
        "agent: each agent's reward is its share; team: every agent's is the sum of all shares of the step",
        TAR2,
    )


class UniformSettings(RedistributionSettings):
    """The return in equal parts over the steps."""

    description = MethodDescription(
        "uniform redistribution",
        "baseline of Kapoor et al. 2025, arXiv 2502.04864",
        "The return is split into equal parts over the steps.",
    )

    share: Literal["full", "split"] = setting("full", "full: R / L for every agent; split: all shares sum to R", TAR2)


class IRCRSettings(RedistributionSettings):
    """The reward of every step is the episode's return, scaled by the smallest and largest return so far."""

    description = MethodDescription(
        "IRCR",
        "Gangwani et al. 2020, arXiv 2010.12718",
        "The reward of every step is the episode's return, scaled by the smallest and largest return seen.",
    )


class RewardModelSettings(RedistributionSettings):
    """Settings of the learned reward models: network, episode buffer, schedule, regression."""

    width: int = setting(64, "E, of tokens and attention", TAR2, ge=1)
    heads: int = setting(4, "attention heads; they divide the width, or in some methods each has the full width", TAR2, ge=1)
    depth: int = setting(3, "layers", TAR2, ge=1)

    buffer_episodes: int = setting(5000, "size of the buffer of the newest episodes", TAR2, ge=1)
    warm_up_episodes: int = setting(200, "episodes collected before the policy learns", TAR2, ge=0)
    batch_episodes: int = setting(64, "episodes of one gradient step, drawn without replacement", TAR2, ge=1)
    gradient_steps_per_episode: float = setting(2.0, "gradient steps for every episode collected", TAR2, gt=0)
    fit_interval: int = setting(100, "episodes to collect between two fits", TAR2, ge=1)

    learning_rate: float = setting(1e-4, "of the model's Adam", TAR2, gt=0)
    weight_decay: float = setting(0.0, "L2 penalty inside Adam", TAR2, ge=0)
    gradient_norm: float = setting(0.5, "the model's gradient is clipped to this norm", TAR2, gt=0)
    loss: Literal["huber", "squared"] = setting("huber", "of the predicted return; Huber with delta 1", TAR2)

    @model_validator(mode="after")
    def _batch_fits_the_buffer(self) -> RewardModelSettings:
        if self.batch_episodes > self.buffer_episodes:
            raise ValueError(
                f"batch_episodes ({self.batch_episodes}) may not exceed buffer_episodes ({self.buffer_episodes}): "
                "the model would never be fitted, and the policy would never learn"
            )
        return self

    @property
    def layer_multiplications(self) -> int:
        """Multiplications of one layer for one token, forward pass: attention over time and agents, heads of the full width."""
        return 2 * (4 * self.heads + 8) * self.width**2

    def model_work(self, n_agents: int, horizon: int, episodes: float) -> float:
        tokens = episodes * self.gradient_steps_per_episode * self.batch_episodes * n_agents * horizon
        return 3 * tokens * self.depth * self.layer_multiplications  # the backward pass takes twice the forward pass


class ARELSettings(RewardModelSettings):
    """AREL: temporal and agent attention, one reward a step for the team or for each agent."""

    description = MethodDescription(
        "AREL",
        "Xiao et al. 2022, arXiv 2201.04612",
        "Attention over time and agents learns a reward for every step; the rewards of an episode sum to its return.",
    )

    payment: Literal["agent", "team"] = setting(
        "team", "team: every agent's reward is the sum of all shares of the step, as in AREL; agent: its own share", AREL
    )
    readout: Literal["team", "agent"] = setting("team", "team: one reward per step for the team; agent: one for each", AREL)
    variance_weight: float = setting(20.0, "weight of the variance over time of the predicted rewards", AREL, ge=0)

    heads: int = setting(3, "of every attention, each of the full width", AREL, ge=1)
    buffer_episodes: int = setting(20_000, "size of the buffer of the newest episodes", AREL, ge=1)
    warm_up_episodes: int = setting(4000, "episodes collected before the policy learns", AREL, ge=0)
    batch_episodes: int = setting(256, "episodes of one gradient step, drawn without replacement", AREL, ge=1)
    gradient_steps_per_episode: float = setting(1.0, "gradient steps for every episode collected", AREL, gt=0)
    fit_interval: int = setting(1000, "episodes to collect between two fits", AREL, ge=1)
    weight_decay: float = setting(1e-5, "L2 penalty inside Adam", AREL, ge=0)
    gradient_norm: float = setting(10.0, "the model's gradient is clipped to this norm", OURS, gt=0)
    loss: Literal["huber", "squared"] = setting("squared", "of the predicted return; Huber with delta 1", AREL)


class CoalitionSettings(RewardModelSettings):
    """Settings common to STAS and TAR2: agent attention masked by random coalitions."""

    shapley: CoalitionLaw = setting(
        "banzhaf_masks",
        "coalitions of the agent attention: independent masks as published (their mean is the Banzhaf value), random orders, "
        "Owen's sampling, the whole team (all), or all coalitions with Shapley weights (exact)",
        STAS,
    )
    coalitions: int = setting(5, "coalitions drawn in each forward pass; not used by all and exact", STAS, ge=1)

    @property
    def layer_multiplications(self) -> int:
        """Multiplications of one layer for one token, forward pass: attention over time and agents, feed-forward net."""
        return 10 * self.width**2

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> CoalitionSettings:
        if self.width % self.heads:
            raise ValueError(f"{self.heads} heads cannot share a width of {self.width} evenly")
        return self

    def refusal(self, n_agents: int, time_limit: TimeLimit) -> str | None:
        if self.shapley == "exact" and n_agents > MOST_ENUMERATED_AGENTS:
            return f"the law 'exact' enumerates coalitions of at most {MOST_ENUMERATED_AGENTS} agents, not {n_agents}"
        return None


class STASSettings(CoalitionSettings):
    """STAS: temporal attention, then agent attention masked by coalitions."""

    description = MethodDescription(
        "STAS",
        "Chen et al. 2024, arXiv 2304.07520",
        "Temporal attention, then agent attention masked by coalitions, learns a reward for every agent and step.",
    )

    residual: Literal["textbook", "doubled"] = setting(
        "textbook", "doubled: the released code adds the attention twice and leaves its input out", OURS
    )
    dropout: float = setting(
        0.0, "in the temporal layers and after the agent attention; the released code has 0.5", TAR2, ge=0, lt=1
    )

    width: int = setting(128, "E, of tokens and attention", STAS, ge=1)
    buffer_episodes: int = setting(15_000, "size of the buffer of the newest episodes", STAS, ge=1)
    warm_up_episodes: int = setting(4000, "episodes collected before the policy learns", STAS, ge=0)
    batch_episodes: int = setting(256, "episodes of one gradient step, drawn without replacement", STAS, ge=1)
    gradient_steps_per_episode: float = setting(0.061, "gradient steps for every episode collected: 50 for 820", STAS, gt=0)
    fit_interval: int = setting(820, "episodes to collect between two fits", STAS, ge=1)
    learning_rate: float = setting(5e-4, "of the model's Adam", STAS, gt=0)
    weight_decay: float = setting(1e-5, "L2 penalty inside Adam", STAS, ge=0)
    gradient_norm: float = setting(10.0, "the model's gradient is clipped to this norm", TAR2, gt=0)
    loss: Literal["huber", "squared"] = setting("squared", "of the predicted return; Huber with delta 1", STAS)


class STASMLSettings(STASSettings):
    """STAS-ML: several layers of both attentions; the head reads all of them."""

    description = MethodDescription(
        "STAS-ML",
        "Chen et al. 2024, arXiv 2304.07520",
        "STAS with several layers of both attentions.",
    )


class TAR2Settings(CoalitionSettings):
    """TAR2, the later version: scores that a fixed normaliser turns into shares of the return."""

    description = MethodDescription(
        "TAR²",
        "Kapoor et al. 2025, arXiv 2502.04864",
        "Learned scores and a fixed normaliser split the return over steps and agents; the shares always sum to it.",
    )

    normaliser: Literal["fixed", "signed", "coded", "softmax", "none"] = setting(
        "fixed",
        "from scores to shares; signed: the lowest scores get the largest part of a negative return; coded: as released, which "
        "loses part of the return; none: the scores themselves",
        OURS,
    )
    outcome: bool = setting(True, "whether the scores see how the episode ended", TAR2)
    inverse_dynamics: float = setting(0.05, "weight of the loss of predicting the actions; 0: no such head", TAR2, ge=0)
    shares: Literal["both", "time", "agents", "neither"] = setting(
        "both", "which weights are learned; the others are uniform", OURS
    )
    scores: Literal["learned", "attention", "random", "stale", "inverted"] = setting(
        "learned",
        "what is normalised: the model's scores, the attention received, noise, the scores of the untrained model, or minus "
        "the scores; the optimal policies do not depend on it, learning does",
        OURS,
    )

    @model_validator(mode="after")
    def _agree(self) -> TAR2Settings:
        if self.normaliser == "none" and self.shares != "both":
            raise ValueError(f"without a normaliser there are no weights: shares must be 'both', not '{self.shares}'")
        if self.scores == "attention" and (self.normaliser, self.shares) != ("fixed", "both"):
            raise ValueError("scores 'attention' are weights already: leave normaliser 'fixed' and shares 'both'")
        return self


class TAR2RawSettings(RewardModelSettings):
    """TAR2, the first version: scores with the sign of the return are the rewards."""

    description = MethodDescription(
        "TAR², first version",
        "Kapoor et al. 2024, arXiv 2412.14779",
        "Learned scores with the sign of the return are the rewards; they are fitted to sum to it.",
    )

    outcome: bool = setting(True, "whether the scores see how the episode ended", TAR2)
    inverse_dynamics: float = setting(0.05, "weight of the loss of predicting the actions; 0: no such head", TAR2, ge=0)
    loss: Literal["huber", "squared"] = setting("squared", "of the predicted return; Huber with delta 1", TAR2)


class RedistributedPPOSettings(PPOSettings):
    """PPO with the reward replaced by a redistribution of the return."""

    redistribution: RedistributionSettings = setting(RedistributionSettings(), "how the return is redistributed", OURS)

    def model_work(self, n_agents: int, horizon: int, episodes: float) -> float:
        return self.redistribution.model_work(n_agents, horizon, episodes)

    def refusal(self, n_agents: int, time_limit: TimeLimit) -> str | None:
        return super().refusal(n_agents, time_limit) or self.redistribution.refusal(n_agents, time_limit)


def with_redistribution(base: type[PPOSettings], method: type[RedistributionSettings]) -> type[RedistributedPPOSettings]:
    """The settings of `base` (IPPO or MAPPO) with those of a redistribution method."""
    field: Any = (method, setting(method(), "how the return is redistributed", OURS))
    combined = create_model(
        f"{base.__name__}With{method.__name__}",
        __base__=RedistributedPPOSettings,
        __doc__=f"{base.__doc__} Rewards: {method.__doc__}",
        redistribution=field,
    )
    combined.critic = base.critic
    return combined


PAPER: dict[str, Any] = {}
"""The preset "paper": the defaults, which are the published schedules."""

_SCREENING: dict[str, Any] = {
    "width": 64,
    "depth": 1,
    "buffer_episodes": 2000,
    "warm_up_episodes": 1000,
    "batch_episodes": 64,
    "gradient_steps_per_episode": 0.1,
    "fit_interval": 10,
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "gradient_norm": 10.0,
    "loss": "huber",
}

SCREENING_WIDE: dict[str, Any] = {"redistribution": {**_SCREENING, "heads": 1}}
"""The preset "screening", a small budget that is the same for all learned models; one head of the full width."""

SCREENING_COALITIONS: dict[str, Any] = {"redistribution": {**_SCREENING, "heads": 4, "coalitions": 3}}
"""The same for models with coalitions, whose heads divide the width."""

SCREENING_LAYERS: dict[str, Any] = {"redistribution": {**SCREENING_COALITIONS["redistribution"], "depth": 2}}
"""The same for STAS-ML with two layers: with one layer it is STAS."""
