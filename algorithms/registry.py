"""Algorithms by name: what each can do, its settings, and how to build it. Free of torch until one is built.

Other packages add theirs by the entry point group GROUP, whose entries are `AlgorithmEntry` objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from algorithms.names import validate_name
from algorithms.plugins import load, registered
from algorithms.settings.base import Settings
from algorithms.settings.dependence_graph import PAPER as DEPENDENCE_PAPER
from algorithms.settings.dependence_graph import RELEASED as DEPENDENCE_RELEASED
from algorithms.settings.dependence_graph import SCREENING as DEPENDENCE_SCREENING
from algorithms.settings.dependence_graph import (
    DependenceGraphSettings,
    GraphSettings,
    GuidedIPPOSettings,
    GuidedMAPPOSettings,
    NearestGraphSettings,
    OracleGraphSettings,
    guided_by,
)
from algorithms.settings.policy_gradient import IPPOSettings, MAPPOSettings, PPOSettings
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

GROUP = "creditbench.algorithms"

_GRAPH_PRESETS = MappingProxyType({"paper": DEPENDENCE_PAPER})
_LEARNED_GRAPH_PRESETS = MappingProxyType(
    {"paper": DEPENDENCE_PAPER, "released": DEPENDENCE_RELEASED, "screening": DEPENDENCE_SCREENING}
)


@dataclass(frozen=True)
class AlgorithmEntry:
    """One algorithm.

    `version`: raised with every change that alters what it learns. `family`: groups methods on pages. `factory`:
    "module:callable", called with (settings, context), returns the Algorithm. `regimes`: the reward regimes it can learn
    under. `sharing`: the parameter sharing it offers. `recurrent`: whether it offers a recurrent core.
    `several_agent_types`: whether it supports teams of different agent types. `requires`: names of privileged data (an oracle
    graph, for example) that the trainer provides; variants of such methods are marked and not ranked. `claims_influence`:
    whether `Algorithm.influence` returns a graph, whose accuracy runs then measure. `presets`: named sets of settings that
    differ from the defaults. Raises InvalidName.
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

    def __post_init__(self) -> None:
        validate_name("an algorithm", self.name)

    def build(self, settings: Settings, context: LearnerContext) -> Algorithm:
        """The algorithm, ready to act. Imports torch. Raises BrokenPlugin where the factory cannot be imported."""
        factory = load(self.factory, f"the factory {self.factory} of the algorithm '{self.name}'")
        algorithm: Algorithm = factory(settings, context)
        return algorithm

    @property
    def module(self) -> str:
        """The module that holds the method, e.g. "algorithms.redistribution.arel"."""
        return self.factory.partition(":")[0]


def _ppo(name: str, settings: type[PPOSettings], module: str, version: int = 1) -> AlgorithmEntry:
    """Plain PPO."""
    title, source, summary = settings.description
    return AlgorithmEntry(name, version, title, "policy gradient", source, summary, f"{module}:build", settings)


PPO = (
    _ppo("ippo", IPPOSettings, "algorithms.advantages.gae"),
    _ppo("mappo", MAPPOSettings, "algorithms.advantages.gae"),
)


def _dependence_graph(
    name: str,
    settings: type[GraphSettings],
    module: str,
    version: int = 1,
    requires: tuple[str, ...] = (),
    presets: Mapping[str, Mapping[str, Any]] = _GRAPH_PRESETS,
) -> tuple[AlgorithmEntry, ...]:
    """IPPO and MAPPO with a dependence graph."""
    title, source, summary = settings.description
    return tuple(
        AlgorithmEntry(
            name=f"{ppo}+{name}",
            version=version,
            title=f"{ppo.upper()} + {title}",
            family="dependence graph",
            source=source,
            summary=summary,
            factory=f"{module}:build",
            settings=guided_by(base, settings),
            regimes=("individual",),
            requires=requires,
            claims_influence=True,
            presets=presets,
        )
        for ppo, base in (("ippo", GuidedIPPOSettings), ("mappo", GuidedMAPPOSettings))
    )


_GRAPHS = "algorithms.advantages.dependence_graph.estimator"
DEPENDENCE_GRAPHS = (
    *_dependence_graph("dg", DependenceGraphSettings, _GRAPHS, presets=_LEARNED_GRAPH_PRESETS),
    *_dependence_graph("dg-oracle", OracleGraphSettings, _GRAPHS, requires=("oracle_graph",)),
    *_dependence_graph("dg-knn", NearestGraphSettings, _GRAPHS, requires=("distance_graph",)),
)


def _redistribution(
    ppo: AlgorithmEntry,
    name: str,
    settings: type[RedistributionSettings],
    module: str,
    screening: Mapping[str, Any] | None = None,
    version: int = 1,
) -> AlgorithmEntry:
    """PPO with rewards from a redistribution of the return. `screening`: the preset of that name, of learned models."""
    title, source, summary = settings.description
    return AlgorithmEntry(
        name=f"{ppo.name}+{name}",
        version=version,
        title=f"{ppo.name.upper()} + {title}",
        family="return redistribution",
        source=source,
        summary=summary,
        factory=f"{module}:build",
        settings=with_redistribution(ppo.settings, settings),  # type: ignore[arg-type]
        regimes=("episodic",),
        presets=MappingProxyType({} if screening is None else {"paper": PAPER, "screening": screening}),
    )


def _redistributions(ppo: AlgorithmEntry) -> tuple[AlgorithmEntry, ...]:
    """Every redistribution of the return under IPPO or MAPPO."""
    return (
        _redistribution(ppo, "uniform", UniformSettings, "algorithms.redistribution.uniform"),
        _redistribution(ppo, "ircr", IRCRSettings, "algorithms.redistribution.ircr"),
        _redistribution(ppo, "arel", ARELSettings, "algorithms.redistribution.arel", SCREENING_WIDE),
        _redistribution(ppo, "stas", STASSettings, "algorithms.redistribution.stas", SCREENING_COALITIONS),
        _redistribution(ppo, "stas-ml", STASMLSettings, "algorithms.redistribution.stas_ml", SCREENING_LAYERS),
        _redistribution(ppo, "tar2", TAR2Settings, "algorithms.redistribution.tar2", SCREENING_COALITIONS),
        _redistribution(ppo, "tar2-raw", TAR2RawSettings, "algorithms.redistribution.tar2_raw", SCREENING_WIDE),
    )


BUILT_IN = (*PPO, *DEPENDENCE_GRAPHS, *(entry for ppo in PPO for entry in _redistributions(ppo)))


@cache
def algorithms() -> dict[str, AlgorithmEntry]:
    """Every algorithm by name, those of other packages included; those that cannot be used are left out, with a warning."""
    return registered(GROUP, AlgorithmEntry, BUILT_IN)
