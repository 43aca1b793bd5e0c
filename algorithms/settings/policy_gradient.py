"""Settings of the on-policy learner, and of IPPO and MAPPO."""

from __future__ import annotations

from typing import ClassVar, Literal

from algorithms.settings.base import MethodDescription, Settings, setting
from algorithms.team import TimeLimit

YU = "Yu et al. 2022"
P21 = "Papoudakis et al. 2021"
PPO = "Schulman et al. 2017"
OURS = "CreditBench"


class PolicyGradientSettings(Settings):
    """Settings of every method on the on-policy learner: collection, actors, optimisation."""

    episodes_per_update: int = setting(128, "whole episodes collected between two updates", YU, ge=1)

    sharing: Literal["all", "by_type", "none"] = setting("all", "which agents share one actor", P21)
    agent_id: bool = setting(True, "whether agents that share an actor see their index", P21)
    last_action: bool = setting(False, "whether the actor sees its last action", P21)
    recurrent: bool = setting(False, "whether the actor's last hidden layer is a GRU", P21)
    hidden_size: int = setting(64, "units of each hidden layer", YU, ge=1)
    hidden_layers: int = setting(2, "hidden layers, the GRU included", P21, ge=1)
    activation: Literal["relu", "tanh"] = setting("tanh", "of the hidden layers", YU)

    discount: float = setting(0.99, "gamma", P21, ge=0, le=1)
    epochs: int = setting(4, "passes over the batch in one update", P21, ge=1)
    minibatches: int = setting(4, "minibatches of one pass over the batch", OURS, ge=1)
    learning_rate: float = setting(1e-3, "of the actor's Adam", OURS, gt=0)
    critic_learning_rate: float = setting(1e-3, "of the critic's Adam", OURS, gt=0)
    learning_rate_schedule: Literal["constant", "linear"] = setting(
        "constant", "of actor and critic; linear: falls to 0 at the budget", P21
    )
    adam_epsilon: float = setting(1e-5, "the epsilon of both Adams", YU, gt=0)
    gradient_norm: float = setting(10.0, "each network's gradient is clipped to this norm", YU, gt=0)
    clip_ratio: float = setting(0.2, "clipping range of the ratio of new to old probability", PPO, gt=0)
    entropy_coefficient: float = setting(0.01, "weight of the policy's mean entropy", YU, ge=0)
    advantage_standardisation: bool = setting(True, "whether advantages are standardised over the batch", YU)


class PPOSettings(PolicyGradientSettings):
    """PPO with generalised advantage estimates from a learned value."""

    critic: ClassVar[Literal["local", "central"]]
    description: ClassVar[MethodDescription]

    gae_lambda: float = setting(0.95, "lambda of the advantage estimates", YU, ge=0, le=1)
    critic_sees_time: bool = setting(True, "whether the critic sees the elapsed fraction of the horizon", "Pardo et al. 2018")
    value_normalisation: bool = setting(True, "whether the critic regresses to standardised returns", YU)
    value_clip: float | None = setting(None, "clipping range of the critic's change of output; none: no clipping", PPO, gt=0)
    huber_delta: float | None = setting(None, "the value loss is linear beyond this error; none: squared everywhere", P21, gt=0)

    def refusal(self, n_agents: int, time_limit: TimeLimit) -> str | None:
        # Values are fitted at the steps that happened, whose times are below 1; the state at the time limit has time 1.
        if time_limit == "bootstrap" and self.critic_sees_time:
            return "time_limit 'bootstrap' needs critic_sees_time: false, because no value is ever fitted at the last time"
        return super().refusal(n_agents, time_limit)


class IPPOSettings(PPOSettings):
    """Independent PPO: each agent's critic sees the agent's own observation."""

    critic = "local"
    description = MethodDescription(
        "Independent PPO",
        "de Witt et al. 2020, arXiv 2011.09533; Schulman et al. 2017",
        "Every agent is trained by PPO on its own observation; its critic sees the same observation.",
    )


class MAPPOSettings(PPOSettings):
    """Multi-agent PPO: one critic sees the state and has one output per agent."""

    critic = "central"
    description = MethodDescription(
        "Multi-agent PPO",
        "Yu et al. 2022, arXiv 2103.01955",
        "PPO actors on their own observations; one central critic that sees the state.",
    )
