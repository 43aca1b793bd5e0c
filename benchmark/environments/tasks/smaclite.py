"""SMAClite: ids `smaclite/{map}`, `smaclite/{map}-sparse` and `smaclite/{map}-released`, each also with `-scattered` behind.

    {map}        a map that comes with CreditBench, one of the user's folder, or the path of a map file (the data folder of
                 the simulator has a README); reward for damage, kills and the victory, 20 an episode at most
    -sparse      +1 for a victory, -1 for a defeat, nothing else: the task of influence scope (ISA)
    -released    individual rewards with the numbering defect of the code released with the dependence graphs; only where that
                 makes a difference: on maps that create enemies first
    -scattered   (ours) at the start each unit of both sides is moved from its place of the map by a uniform draw from
                 [-0.5, 0.5] cells in x and in y; a draw counts if it leads to walkable ground and touches no other unit on the
                 same plane, and after 20 that fail the unit keeps its place

The starts of a map are fixed and its battles nearly deterministic, so that a greedy policy repeats one battle: methods are
better compared on scattered starts.

Time limits: 150 steps on the maps of the dependence-graph experiments, as their authors set it; 120 elsewhere, as in the
package's example. The package has none of its own.

The score is the success rate, the field's measure for these battles. Mean returns of the random policy are noted beside it.
"""

from __future__ import annotations

import hashlib
from typing import Any

from benchmark.environments.native.smaclite.maps.map_files import Map, agent_types, find_map, load_map, shipped_maps
from benchmark.environments.tasks.registry import ReferenceScores, Simulator, Task, TaskFamily

VERSION = 1
SPARSE, RELEASED, SCATTERED = "-sparse", "-released", "-scattered"
SCATTER = 0.5
"""Half the width, in cells, of the square from which a scattered start draws a unit's move."""
PACKAGED = (
    "10m_vs_11m", "27m_vs_30m", "2c_vs_64zg", "2s3z", "2s_vs_1sc", "3s5z", "3s5z_vs_3s6z", "3s_vs_5z", "MMM", "MMM2",
    "bane_vs_bane", "corridor",
)  # fmt: skip
"""The maps that the package knows by the same name."""

RANDOM_EPISODES = 10_000
RANDOM_SCORES: dict[str, tuple[float, float]] = {
    "3m": (0.0, 1.47),
    "8m": (0.0, 2.108),
    "5m_vs_6m": (0.0, 1.56),
    "8m_vs_9m": (0.0, 1.886),
    "10m_vs_11m": (0.0, 2.042),
    "25m_vs_30m": (0.0, 2.356),
    "27m_vs_30m": (0.0, 2.551),
    "2s3z": (0.0, 3.923),
    "3s5z": (0.0, 4.105),
    "3s5z_vs_3s6z": (0.0, 3.63),
    "1c3s5z": (0.0, 6.353),
    "3s_vs_5z": (0.0, 3.311),
    "MMM": (0.0, 2.44),
    "MMM2": (0.0, 1.905),
    "2s_vs_1sc": (0.0, 1.221),
    "corridor": (0.0, 2.65),
    "bane_vs_bane": (0.4808, 14.211),
    "2c_vs_64zg": (0.9618, 20.818),
}
"""Success rate and mean return of the uniformly random policy, by `creditbench random --task T --episodes 10000 --seed 0`.

The standard error of a mean return is at most 0.065 (bane_vs_bane), below 0.015 everywhere else."""

SCATTERED_RANDOM_SCORES: dict[str, tuple[float, float]] = {
    "3m": (0.0, 1.494),
    "8m": (0.0, 2.119),
    "5m_vs_6m": (0.0, 1.565),
    "8m_vs_9m": (0.0, 1.883),
    "10m_vs_11m": (0.0, 2.034),
    "25m_vs_30m": (0.0, 2.332),
    "27m_vs_30m": (0.0, 2.534),
    "2s3z": (0.0, 3.88),
    "3s5z": (0.0, 4.083),
    "3s5z_vs_3s6z": (0.0, 3.61),
    "1c3s5z": (0.0, 6.266),
    "3s_vs_5z": (0.0, 3.301),
    "MMM": (0.0, 2.434),
    "MMM2": (0.0, 1.902),
    "2s_vs_1sc": (0.0, 1.206),
    "corridor": (0.0, 2.636),
    "bane_vs_bane": (0.4821, 14.194),
    "2c_vs_64zg": (0.9619, 20.829),
}
"""The same of the maps with scattered starts: task smaclite/{map}-scattered.

The standard error of a mean return is at most 0.066 (bane_vs_bane), below 0.015 everywhere else."""

WON_BY_CHANCE = 0.9
"""Where the random policy wins more than this part of the battles a task has no anchors: it does not separate methods."""
NOTES = {
    "1c3s5z": "A map of our own after the SMAC map of that name: its units on the ground of SMAClite's mirror battles.",
}
FIXED_STARTS = (
    "Starts are fixed and battles nearly deterministic, so that the success rate of a greedy policy is mostly near 0 or 1: "
    "compare methods on the scattered starts, the same id with -scattered behind it."
)


def resolve(name: str) -> Task | None:
    """The task of an id of the form above, None if there is no such map. Raises MapError for a map that cannot be used."""
    prefix, _, rest = name.partition("/")
    if prefix != "smaclite" or not rest:
        return None
    scattered = rest.endswith(SCATTERED)
    rest = rest.removesuffix(SCATTERED)
    variant = next((suffix for suffix in (SPARSE, RELEASED) if rest.endswith(suffix)), "")
    map_name = rest.removesuffix(variant)
    path = find_map(map_name)
    if path is None:
        return None
    battle = load_map(map_name)
    if variant == RELEASED and battle.groups[0].team == "ally":
        return None
    parameters: dict[str, Any] = {"map_name": map_name}
    if variant == SPARSE:
        parameters["reward"] = "sparse"
    if variant == RELEASED:
        parameters["attribution"] = "released"
    if scattered:
        parameters["scatter"] = SCATTER
    return Task(
        id=name,
        version=VERSION,
        title=f"SMAClite {battle.name}{variant}" + (", scattered starts" if scattered else ""),
        description=_description(battle, variant, scattered),
        source="SMAClite 0.0.1; Michalski, Christianos and Albrecht 2023",
        n_agents=len(battle.units("ally")),
        n_agent_types=len(set(agent_types(battle))),
        horizon=battle.episode_limit,
        success="battle won: no enemy is left",
        random_starts=scattered,
        random_dynamics=True,
        native=Simulator("benchmark.environments.native.smaclite.environment:SMAClite", parameters),
        reference=None if variant or scattered else _reference(map_name, battle.episode_limit),
        score="success",
        reference_scores=_scores(map_name, scattered),
        note=_note(map_name, variant, scattered),
        has_positions=True,
        return_bounds=(-1.0, 1.0) if variant == SPARSE else None,
        success_bounds=(1.0, 1.0) if variant == SPARSE else None,
    )


def _reference(map_name: str, horizon: int) -> Simulator | None:
    if map_name not in PACKAGED:
        return None
    parameters = {"map_name": map_name, "horizon": horizon}
    factory = "benchmark.environments.adapters.smaclite:make"
    return Simulator(factory, parameters, package="smaclite", deterministic=False)


def _description(battle: Map, variant: str, scattered: bool) -> str:
    reward = "+1 for a victory, -1 for a defeat" if variant == SPARSE else "reward for damage, kills and the victory"
    starts = f"; every unit starts up to {SCATTER} cells off its place in x and in y" if scattered else ""
    return f"{battle.description}; {reward}{starts}."


def _random_scores(scattered: bool) -> dict[str, tuple[float, float]]:
    return SCATTERED_RANDOM_SCORES if scattered else RANDOM_SCORES


def _scores(map_name: str, scattered: bool) -> ReferenceScores | None:
    random = _random_scores(scattered)
    if map_name not in random or random[map_name][0] > WON_BY_CHANCE:
        return None
    task = f"smaclite/{map_name}{SCATTERED if scattered else ''}"
    return ReferenceScores(
        random=random[map_name][0],
        random_source=f"success rate of creditbench random --task {task} --episodes {RANDOM_EPISODES} --seed 0",
        best=1.0,
        best_source="every battle won",
    )


def _note(map_name: str, variant: str, scattered: bool) -> str:
    parts = [NOTES[map_name]] if map_name in NOTES else []
    success, mean = _random_scores(scattered).get(map_name, (0.0, None))
    if success > WON_BY_CHANCE:
        parts.append(
            f"A random policy wins {100 * success:.0f} % of these battles: they do not separate methods and have no anchors."
        )
    if mean is not None and variant != SPARSE:
        parts.append(f"Returns: {mean:.2f} by a random policy, 20 at most (a little more where enemies regenerate).")
    if map_name not in shipped_maps():
        parts.append(f"A user's map; the sha256 of its file begins with {_digest(map_name)}.")
    if not scattered:
        parts.append(FIXED_STARTS)
    return " ".join(parts)


def _digest(map_name: str) -> str:
    path = find_map(map_name)
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path is not None else ""


NAMES = tuple(f"smaclite/{name}{variant}" for name in shipped_maps() for variant in ("", SPARSE, SCATTERED, SPARSE + SCATTERED))

FAMILY = TaskFamily("smaclite", "SMAClite", NAMES, resolve)
