"""The registry of probes (benchmark/credit/probes.py). Imports neither torch nor numba, so that planning is fast."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProbeEntry:
    """One probe. `name`: as in an algorithm's `requires`.

    `fills`: the names of its graphs in `Episodes.privileged`. `factory` ("module:callable") is called without arguments.
    `needs_positions`: whether the agents must have positions (`Task.has_positions`).
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
