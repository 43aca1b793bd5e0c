"""Algorithms by name: what each can do, its settings, and how to build it. Free of torch until one is built.

Other packages add theirs by the entry point group "creditbench.algorithms", whose entries are `AlgorithmEntry` objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from algorithms.entry_points import BrokenPlugin, entries
from algorithms.settings.base import Settings
from algorithms.settings.policy_gradient import IPPOSettings, MAPPOSettings
from algorithms.team import REGIMES, Regime

if TYPE_CHECKING:
    from algorithms.interface import Algorithm, Problem

Sharing = Literal["all", "by_type", "none"]


@dataclass(frozen=True)
class AlgorithmEntry:
    """One algorithm. `factory` ("module:callable") is called with (settings, problem) and returns the Algorithm.

    `version`: raised with every change that alters what it learns. `family`: groups methods on pages. `regimes`: the
    reward regimes it can learn under. `sharing`: the parameter sharing it offers. `recurrent`: whether it offers a
    recurrent core. `several_agent_types`: whether teams of unlike agents are supported. `requires`: names of
    privileged data (an oracle graph, say) that the trainer fills in; such variants are flagged and unranked.
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

    def build(self, settings: Settings, problem: Problem) -> Algorithm:
        """The algorithm, ready to act. Imports torch."""
        module, _, attribute = self.factory.partition(":")
        algorithm: Algorithm = getattr(import_module(module), attribute)(settings, problem)
        return algorithm


BUILT_IN = (
    AlgorithmEntry(
        name="ippo",
        version=1,
        title="Independent PPO",
        family="policy gradient",
        source="de Witt et al. 2020, arXiv 2011.09533; Schulman et al. 2017",
        summary="Every agent is trained by PPO on its own observation; its critic sees no more than it does.",
        factory="algorithms.policy_gradient:build",
        settings=IPPOSettings,
    ),
    AlgorithmEntry(
        name="mappo",
        version=1,
        title="Multi-agent PPO",
        family="policy gradient",
        source="Yu et al. 2022, arXiv 2103.01955",
        summary="PPO actors on their own observations; one central critic that sees the state.",
        factory="algorithms.policy_gradient:build",
        settings=MAPPOSettings,
    ),
)


@cache
def algorithms() -> dict[str, AlgorithmEntry]:
    """Every algorithm by name, those of other packages included. Raises BrokenPlugin, also if two share a name."""
    found: dict[str, AlgorithmEntry] = {}
    for entry in (*BUILT_IN, *entries("creditbench.algorithms", AlgorithmEntry)):
        if entry.name in found:
            raise BrokenPlugin(f"two algorithms are registered as '{entry.name}'")
        found[entry.name] = entry
    return found
