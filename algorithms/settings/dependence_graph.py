"""Settings of dependence-graph credit assignment (DG): of the graph, and of PPO with it.

The defaults are the published ones without the defects of the released code. `PAPER` is the authors' training schedule,
`RELEASED` adds the graph of the released code.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import create_model

from algorithms.settings.base import MethodDescription, Settings, setting
from algorithms.settings.policy_gradient import IPPOSettings, MAPPOSettings, PPOSettings

DG = "Le and Ta 2026 (DG)"
OURS = "CreditBench"


class GraphSettings(Settings):
    """Settings of all graphs: how the advantages of linked agents are summed."""

    description: ClassVar[MethodDescription]

    floor: float = setting(
        0.05, "weight of the global advantage, independent of the graph; 0: only the graph counts (hard)", DG, ge=0, le=1
    )
    transposed: bool = setting(False, "whether edges are read against their direction, as in the released code", OURS)


class DependenceGraphSettings(GraphSettings):
    """A graph from the episodes alone: learned by reverse world models, or random, full or empty for comparison."""

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

    threshold: float = setting(0.9, "c: there is an edge where the ratio of the entropies is below it", DG, ge=0)
    minimum_entropy: float = setting(
        0.05, "nats; no edges from an actor whose own action has a lower entropy, because the ratio is noise then", OURS, ge=0
    )
    identity: Literal["ids", "published"] = setting(
        "ids", "ids: the models see the indices of actor and receiver, no agent is paired with itself; published: neither", OURS
    )
    multi_head: bool = setting(False, "whether the model of another's action has a head for each actor", DG)
    encoder: bool = setting(True, "whether the models see latents of inverse dynamics; else the observations", DG)
    latent_size: int = setting(64, "of the encoder's output", DG, ge=1)
    encoder_hidden_size: int = setting(64, "units of each of the encoder's two hidden layers", DG, ge=1)
    hidden_size: int = setting(128, "h: the models of actions have hidden layers of 2h, h and h units", DG, ge=1)
    learning_rate: float = setting(5e-4, "of both Adams", DG, gt=0)
    gradient_steps: int = setting(1, "gradient steps of each loss in one update, on the episodes just collected", DG, ge=0)
    batch_steps: int | None = setting(
        None,
        "environment steps drawn for one gradient step, with all their pairs; none: all that were collected",
        OURS,
        ge=1,
    )
    sees_reward: bool = setting(
        False,
        "whether the model of another's action sees the receiver's reward, so that joint rewards give edges",
        OURS,
    )


class OracleGraphSettings(GraphSettings):
    """The graph that interventions in the simulator give, optionally with random errors.

    `watched` defines an edge. Where all agents observe each other, "observation" gives the full graph: on level-based foraging
    the credit is then the team's reward. "state and reward", the default, gives fewer edges; but these edges depend on an
    agent's own actions, and on a small star graph the error of the gradient is as large as the gradient itself (study
    dependence-graph-gradients).
    """

    description = MethodDescription(
        "dependence graph by intervention",
        "ours, after Le and Ta 2026, arXiv 2601.21523",
        "Credit along the graph of what each action changes, measured by interventions in the simulator.",
    )

    watched: Literal["state", "reward", "state and reward", "observation"] = setting(
        "state and reward",
        "what an action must change of another agent for an edge: its next observation except the parts about other agents "
        "(itself, objects, whether it is alive), its reward of the step, either, or any part of its next observation, which "
        "may show just the movement of the acting agent",
        OURS,
    )
    dropped: float = setting(0.0, "probability that an edge to another agent is removed", OURS, ge=0, le=1)
    added: float = setting(0.0, "probability that a missing edge to another agent is added", OURS, ge=0, le=1)
    fixed: bool = setting(False, "whether the errors are the same at every step; else drawn anew", OURS)


class NearestGraphSettings(GraphSettings):
    """Edges to the nearest agents by the simulator's distances; the authors' substitute for an oracle."""

    description = MethodDescription(
        "graph of the nearest",
        "Le and Ta 2026, arXiv 2601.21523",
        "Credit along edges to the nearest agents, whose positions the simulator gives.",
    )


class GuidedPPOSettings(PPOSettings):
    """PPO in which agents are credited with the advantages of the agents they influence."""

    dependence: GraphSettings = setting(GraphSettings(), "the dependence graph", DG)


class GuidedIPPOSettings(GuidedPPOSettings, IPPOSettings):
    """IPPO with a dependence graph."""


class GuidedMAPPOSettings(GuidedPPOSettings, MAPPOSettings):
    """MAPPO with a dependence graph."""

    central_critic: Literal["heads", "identity"] = setting(
        "heads", "heads: one output per agent; identity: one output, with the agent's index as an input", DG
    )
    cross_critic: Literal["own", "local"] = setting(
        "own", "local: the terms of other agents use values of their own observations, not of the state", OURS
    )


def guided_by(base: type[GuidedPPOSettings], graph: type[GraphSettings]) -> type[GuidedPPOSettings]:
    """The settings of `base` with that kind of graph."""
    field: Any = (graph, setting(graph(), "the dependence graph", DG))
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
"""The preset "paper": the authors' schedule on level-based foraging."""

RELEASED: dict[str, Any] = {
    **PAPER,
    "dependence": {"transposed": True, "identity": "published", "minimum_entropy": 0.0},
}
"""The preset "released": the same with the graph as the released code learns and reads it."""

SCREENING: dict[str, Any] = {"dependence": {"gradient_steps": 13, "batch_steps": 500}}
"""The preset "screening": the defaults of our PPO, whose 128 episodes an update are 6,400 steps of level-based foraging, and
world models that take one gradient step of 500 environment steps for every 500 collected, as published."""
