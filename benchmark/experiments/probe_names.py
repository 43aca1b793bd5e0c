"""Probes by name: what each fills and what it needs. Free of torch and numba, for planning; the probes are in probes.py."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProbeEntry:
    """One probe, by the name that an algorithm's `requires` holds.

    `fills`: the names of what it puts into `Episodes.privileged`. `factory` ("module:callable") is called without
    arguments. `needs_positions`: whether the agents must stand somewhere (`Task.has_positions`).
    """

    name: str
    fills: tuple[str, ...]
    factory: str
    needs_positions: bool = False


PROBES = {
    probe.name: probe
    for probe in (
        ProbeEntry(
            name="oracle_graph",
            fills=("observation_graph", "state_graph", "reward_graph"),
            factory="benchmark.credit.probes:OracleGraph",
        ),
        ProbeEntry(
            name="distance_graph",
            fills=("distance_graph",),
            factory="benchmark.credit.probes:DistanceGraph",
            needs_positions=True,
        ),
    )
}
