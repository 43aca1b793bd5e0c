"""Algorithms by name: what each can do, its settings, and how to build it. Free of torch until one is built.

Other packages add theirs by the entry point group "creditbench.algorithms", whose entries are `AlgorithmEntry` objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from algorithms.plugins import BrokenPlugin, entries
from algorithms.settings.base import Settings
from algorithms.settings.dependence_graph import PAPER as DEPENDENCE_PAPER
from algorithms.settings.dependence_graph import RELEASED as DEPENDENCE_RELEASED
from algorithms.settings.dependence_graph import SCREENING as DEPENDENCE_SCREENING
from algorithms.settings.dependence_graph import (
    DependenceGraphSettings,
    GraphSettings,
    GuidedIPPOSettings,
    GuidedMAPPOSettings,
    GuidedPPOSettings,
    NearestGraphSettings,
    OracleGraphSettings,
    guided_by,
)
from algorithms.settings.policy_gradient import IPPOSettings, MAPPOSettings
from algorithms.settings.redistribution import (
    PAPER,
    SCREENING_COALITIONS,
    SCREENING_LAYERS,
    SCREENING_WIDE,
    ARELSettings,
    IRCRSettings,
    RedistributionSettings,
    STASMLSettings,
    STASSettings,
    TAR2RawSettings,
    TAR2Settings,
    UniformSettings,
    with_redistribution,
)
from algorithms.team import REGIMES, Regime

if TYPE_CHECKING:
    from algorithms.interface import Algorithm, LearnerContext

Sharing = Literal["all", "by_type", "none"]


@dataclass(frozen=True)
class AlgorithmEntry:
    """One algorithm. `factory` ("module:callable") is called with (settings, context) and returns the Algorithm.

    `version`: raised with every change that alters what it learns. `family`: groups methods on pages. `regimes`: the
    reward regimes it can learn under. `sharing`: the parameter sharing it offers. `recurrent`: whether it offers a
    recurrent core. `several_agent_types`: whether teams of unlike agents are supported. `requires`: names of
    privileged data (an oracle graph, say) that the trainer fills in; such variants are flagged and unranked.
    `claims_influence`: whether `Algorithm.influence` says whom an action influences, so that runs measure how right it is.
    `presets`: by name, settings that differ from the defaults and that a suite asks for together.
    """

    name: str
    version: int
    title: str
    family: str
    source: str
    summary: str
    factory: str
    settings: type[Settings]
    regimes: tuple[Regime, ...] = REGIMES
    sharing: tuple[Sharing, ...] = ("all", "by_type", "none")
    recurrent: bool = True
    several_agent_types: bool = True
    requires: tuple[str, ...] = ()
    claims_influence: bool = False
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))

    def build(self, settings: Settings, context: LearnerContext) -> Algorithm:
        """The algorithm, ready to act. Imports torch."""
        module, _, attribute = self.factory.partition(":")
        algorithm: Algorithm = getattr(import_module(module), attribute)(settings, context)
        return algorithm


PPO = (
    AlgorithmEntry(
        name="ippo",
        version=1,
        title="Independent PPO",
        family="policy gradient",
        source="de Witt et al. 2020, arXiv 2011.09533; Schulman et al. 2017",
        summary="Every agent is trained by PPO on its own observation; its critic sees no more than it does.",
        factory="algorithms.advantages.gae:build",
        settings=IPPOSettings,
    ),
    AlgorithmEntry(
        name="mappo",
        version=1,
        title="Multi-agent PPO",
        family="policy gradient",
        source="Yu et al. 2022, arXiv 2103.01955",
        summary="PPO actors on their own observations; one central critic that sees the state.",
        factory="algorithms.advantages.gae:build",
        settings=MAPPOSettings,
    ),
)


@dataclass(frozen=True)
class _Redistribution:
    """A way to redistribute the return, which IPPO and MAPPO can be paid by."""

    name: str
    title: str
    source: str
    summary: str
    settings: type[RedistributionSettings]
    screening: Mapping[str, Any] | None = None


REDISTRIBUTIONS = (
    _Redistribution(
        "uniform",
        "uniform redistribution",
        "baseline of Kapoor et al. 2025, arXiv 2502.04864",
        "The return is paid in equal parts over the steps.",
        UniformSettings,
    ),
    _Redistribution(
        "ircr",
        "IRCR",
        "Gangwani et al. 2020, arXiv 2010.12718",
        "Every step of an episode is worth the episode's return, scaled by the extremes seen.",
        IRCRSettings,
    ),
    _Redistribution(
        "arel",
        "AREL",
        "Xiao et al. 2022, arXiv 2201.04612",
        "Attention over time and agents learns a reward for every step whose sum is the return.",
        ARELSettings,
        SCREENING_WIDE,
    ),
    _Redistribution(
        "stas",
        "STAS",
        "Chen et al. 2024, arXiv 2304.07520",
        "Temporal attention, then agent attention masked by coalitions, learns a reward for every agent and step.",
        STASSettings,
        SCREENING_COALITIONS,
    ),
    _Redistribution(
        "stas-ml",
        "STAS-ML",
        "Chen et al. 2024, arXiv 2304.07520",
        "STAS with several layers of both attentions.",
        STASMLSettings,
        SCREENING_LAYERS,
    ),
    _Redistribution(
        "tar2",
        "TAR²",
        "Kapoor et al. 2025, arXiv 2502.04864",
        "Learned scores and a fixed normaliser split the return over steps and agents; the shares always sum to it.",
        TAR2Settings,
        SCREENING_COALITIONS,
    ),
    _Redistribution(
        "tar2-raw",
        "TAR², first version",
        "Kapoor et al. 2024, arXiv 2412.14779",
        "Scores with the sign of the return, fitted to sum to it and paid as they are.",
        TAR2RawSettings,
        SCREENING_WIDE,
    ),
)


def _under(ppo: AlgorithmEntry, method: _Redistribution) -> AlgorithmEntry:
    """PPO paid by a redistribution of the return."""
    presets = {} if method.screening is None else {"paper": PAPER, "screening": method.screening}
    module = method.name.replace("-", "_")
    return AlgorithmEntry(
        name=f"{ppo.name}+{method.name}",
        version=1,
        title=f"{ppo.name.upper()} + {method.title}",
        family="return redistribution",
        source=method.source,
        summary=method.summary,
        factory=f"algorithms.redistribution.{module}:build",
        settings=with_redistribution(ppo.settings, method.settings),  # type: ignore[arg-type]
        regimes=("episodic",),
        presets=MappingProxyType(presets),
    )


@dataclass(frozen=True)
class _Graph:
    """A dependence graph that IPPO and MAPPO can be guided by."""

    name: str
    title: str
    source: str
    summary: str
    settings: type[GraphSettings]
    requires: tuple[str, ...] = ()
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({"paper": DEPENDENCE_PAPER}))


GRAPHS = (
    _Graph(
        "dg",
        "dependence graph",
        "Le and Ta 2026, arXiv 2601.21523",
        "An action is credited with the advantages of all agents that it can have reached along a learned graph.",
        DependenceGraphSettings,
        presets=MappingProxyType(
            {"paper": DEPENDENCE_PAPER, "released": DEPENDENCE_RELEASED, "screening": DEPENDENCE_SCREENING}
        ),
    ),
    _Graph(
        "dg-oracle",
        "dependence graph by intervention",
        "ours, after Le and Ta 2026, arXiv 2601.21523",
        "The same along the graph of what each action changes, as interventions in the simulator show it.",
        OracleGraphSettings,
        requires=("oracle_graph",),
    ),
    _Graph(
        "dg-knn",
        "graph of the nearest",
        "Le and Ta 2026, arXiv 2601.21523",
        "The same along edges to the nearest agents, whose places the simulator tells.",
        NearestGraphSettings,
        requires=("distance_graph",),
    ),
)


def _guided(ppo: AlgorithmEntry, settings: type[GuidedPPOSettings], graph: _Graph) -> AlgorithmEntry:
    """PPO guided by a dependence graph."""
    return AlgorithmEntry(
        name=f"{ppo.name}+{graph.name}",
        version=1,
        title=f"{ppo.name.upper()} + {graph.title}",
        family="dependence graph",
        source=graph.source,
        summary=graph.summary,
        factory="algorithms.advantages.dependence_graph.estimator:build",
        settings=guided_by(settings, graph.settings),
        regimes=("individual",),
        requires=graph.requires,
        claims_influence=True,
        presets=graph.presets,
    )


_GUIDED_SETTINGS: tuple[type[GuidedPPOSettings], ...] = (GuidedIPPOSettings, GuidedMAPPOSettings)
GUIDED = tuple(_guided(ppo, settings, graph) for graph in GRAPHS for ppo, settings in zip(PPO, _GUIDED_SETTINGS, strict=True))

BUILT_IN = (*PPO, *GUIDED, *(_under(ppo, method) for ppo in PPO for method in REDISTRIBUTIONS))


@cache
def algorithms() -> dict[str, AlgorithmEntry]:
    """Every algorithm by name, those of other packages included. Raises BrokenPlugin, also if two share a name."""
    found: dict[str, AlgorithmEntry] = {}
    for entry in (*BUILT_IN, *entries("creditbench.algorithms", AlgorithmEntry)):
        if entry.name in found:
            raise BrokenPlugin(f"two algorithms are registered as '{entry.name}'")
        found[entry.name] = entry
    return found
