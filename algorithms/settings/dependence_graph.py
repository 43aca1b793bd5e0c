"""Settings of dependence-graph credit assignment (DG): of the graph, and of PPO guided by it.

The defaults are the published ones without the defects of the released code. `PAPER` is the authors' training schedule,
`RELEASED` their graph as the released code has it.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import create_model

from algorithms.settings.base import MethodDescription, Settings, setting
from algorithms.settings.policy_gradient import IPPOSettings, MAPPOSettings, PPOSettings

DG = "Le and Ta 2026 (DG)"
OURS = "CreditBench"


class GraphSettings(Settings):
    """What all graphs share: how the advantages of the agents that they link are added up."""

    description: ClassVar[MethodDescription]

    floor: float = setting(
        0.05, "weight of the global advantage, whatever the graph says; 0: the graph alone decides (hard)", DG, ge=0, le=1
    )
    transposed: bool = setting(False, "whether edges are read against their direction, as in the released code", OURS)


class DependenceGraphSettings(GraphSettings):
    """A graph that needs nothing but the episodes: learned by reverse world models, or made up for comparison."""

    description = MethodDescription(
        "dependence graph",
        "Le and Ta 2026, arXiv 2601.21523",
        "An action is credited with the advantages of all agents that it can have reached along a learned graph.",
    )

    source: Literal["learned", "random", "full", "self"] = setting(
        "learned",
        "random: each edge with probability 0.7, drawn anew for each step; full: every edge (global credit); self: self loops "
        "only (local credit)",
        DG,
    )

    threshold: float = setting(0.9, "c: an edge is where the ratio of the entropies is below it", DG, ge=0)
    minimum_entropy: float = setting(
        0.05, "nats; an actor whose own action is surer than this influences nobody, for the ratio is noise then", OURS, ge=0
    )
    identity: Literal["ids", "published"] = setting(
        "ids", "ids: the models see who acts and who receives, no agent is paired with itself; published: neither", OURS
    )
    multi_head: bool = setting(False, "whether the model of another's action has a head for each actor", DG)
    encoder: bool = setting(True, "whether the models see latents of inverse dynamics; else the observations", DG)
    latent_size: int = setting(64, "of the encoder's output", DG, ge=1)
    encoder_hidden_size: int = setting(64, "units of each of the encoder's two hidden layers", DG, ge=1)
    hidden_size: int = setting(128, "h: the models of actions have hidden layers of 2h, h and h units", DG, ge=1)
    learning_rate: float = setting(5e-4, "of both Adams", DG, gt=0)
    gradient_steps: int = setting(1, "steps of each loss in one update, on the episodes just collected", DG, ge=0)
    batch_steps: int | None = setting(
        None,
        "environment steps drawn for one gradient step, with all their pairs; none: all that were collected",
        OURS,
        ge=1,
    )
    sees_reward: bool = setting(
        False,
        "whether the model of another's action sees the receiver's reward, so that joint rewards make edges",
        OURS,
    )


class OracleGraphSettings(GraphSettings):
    """The graph that an intervention in the simulator shows, or what random mistakes make of it.

    `watched` decides what it is worth. Where everybody sees everybody, "observation" links all: on level-based foraging it is
    the team's reward. "state and reward", the default, leaves there what matters; but such edges come and go with an agent's
    own steps, and by them the gradient of a small star is off by as much as itself (study dependence-graph-gradients).
    """

    description = MethodDescription(
        "dependence graph by intervention",
        "ours, after Le and Ta 2026, arXiv 2601.21523",
        "Credit along the graph of what each action changes, measured by interventions in the simulator.",
    )

    watched: Literal["state", "reward", "state and reward", "observation"] = setting(
        "state and reward",
        "what an action must change of another agent to make an edge: what it next observes that is not about other agents "
        "(itself, things, whether it lives), its reward of the step, either, or anything that it next observes, where it may "
        "just see the first one move",
        OURS,
    )
    dropped: float = setting(0.0, "probability that an edge to another agent is taken away", OURS, ge=0, le=1)
    added: float = setting(0.0, "probability that an edge to another agent is put where none was", OURS, ge=0, le=1)
    fixed: bool = setting(False, "whether the same mistakes are made at every step; else drawn anew", OURS)


class NearestGraphSettings(GraphSettings):
    """Edges between near agents, which the simulator measures; the authors' stand-in for an oracle."""

    description = MethodDescription(
        "graph of the nearest",
        "Le and Ta 2026, arXiv 2601.21523",
        "Credit along edges to the nearest agents, whose positions the simulator gives.",
    )


class GuidedPPOSettings(PPOSettings):
    """PPO whose agents are credited with the advantages of those they influence."""

    dependence: GraphSettings = setting(GraphSettings(), "who influences whom", DG)


class GuidedIPPOSettings(GuidedPPOSettings, IPPOSettings):
    """IPPO guided by a dependence graph."""


class GuidedMAPPOSettings(GuidedPPOSettings, MAPPOSettings):
    """MAPPO guided by a dependence graph."""

    central_critic: Literal["heads", "identity"] = setting(
        "heads", "heads: one output per agent; identity: one output, the network sees whose value is asked", DG
    )
    cross_critic: Literal["own", "local"] = setting(
        "own", "local: what an agent does to others is judged by values of their observations, not of the state", OURS
    )


def guided_by(base: type[GuidedPPOSettings], graph: type[GraphSettings]) -> type[GuidedPPOSettings]:
    """The settings of `base` with that kind of graph."""
    field: Any = (graph, setting(graph(), "who influences whom", DG))
    return create_model(
        f"{base.__name__}By{graph.__name__}", __base__=base, __doc__=f"{base.__doc__} {graph.__doc__}", dependence=field
    )


PAPER: dict[str, Any] = {
    "episodes_per_update": 10,
    "hidden_size": 128,
    "activation": "relu",
    "epochs": 4,
    "minibatches": 1,
    "learning_rate": 5e-4,
    "critic_learning_rate": 5e-4,
    "adam_epsilon": 1e-8,
    "entropy_coefficient": 0.001,
    "advantage_standardisation": False,
    "critic_sees_time": False,
    "value_normalisation": False,
}
"""The preset of that name: the authors' schedule on level-based foraging."""

RELEASED: dict[str, Any] = {
    **PAPER,
    "dependence": {"transposed": True, "identity": "published", "minimum_entropy": 0.0},
}
"""The preset of that name: the same with the graph as the released code learns and reads it."""

SCREENING: dict[str, Any] = {"dependence": {"gradient_steps": 13, "batch_steps": 500}}
"""The preset of that name: our PPO's defaults, whose 128 episodes an update are 6,400 steps of level-based foraging, and world
models that take one gradient step of 500 environment steps for every 500 collected, as published."""
