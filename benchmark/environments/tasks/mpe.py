"""Multi-agent particle environments: spread (cover the landmarks) and tag (catch the prey), by the settings of several papers.

simple_spread-3, -6, -15          mpe2's scenario in the unit of the returns published in 2021
simple_spread-3-pettingzoo        the same in the package's own unit
simple_spread-3-nearest           the same with each landmark's distance charged to its nearest agent
simple_tag-3                      three predators, one scripted prey
stas-spread-3, -6, -15            cooperative navigation as in STAS
stas-tag-3, -6, -15               predator-prey as in STAS, with scripted prey
seca-predator-prey, -navigation   the two games of SeCA
"""

from __future__ import annotations

from typing import Any

from benchmark.environments.tasks.registry import ReferenceScores, Simulator, Task, TaskFamily

VERSION = 1
SPREAD = "benchmark.environments.native.mpe.environment:SimpleSpread"
TAG = "benchmark.environments.native.mpe.environment:SimpleTag"

PAPOUDAKIS = "Papoudakis et al. 2021, arXiv 2006.07869"
STAS = "STAS (Chen et al. 2024, arXiv 2304.07520)"
SECA = "SeCA (Cooperative MARL with Sequential Credit Assignment)"
COVERED = "every landmark has an agent nearer than 0.1 at the last step"
CAUGHT = "a prey was touched at some step"

EPYMARL_NOTE = (
    "Returns are in the unit of the 2021 tables: the team's reward per step is -(N D + C + N), where D sums the distances from "
    "the landmarks to their nearest agents and C counts ordered pairs of touching agents. It is twice mpe2's reward, minus N."
)
STAS_NOTE = (
    "In the paper every agent gets the team's reward, and the sum over agents is reported: N times ours. The split is ours. "
    "Quirks of its code (one contact distance for all pairs, a charge for touching oneself) are left out."
)
SECA_NOTE = (
    "The paper gives few details: sizes and speeds are mpe2's, the horizon is ours. How the reward is shared out is ours."
)
PREY_NOTE = (
    "The prey follows our own script where the paper used a trained network: returns do not compare with published ones."
)

RANDOM_EPISODES = 100_000
SCRIPTED_EPISODES = 2_000
RANDOM_RETURNS = {
    "mpe/simple_spread-3": -233.72,
    "mpe/simple_spread-6": -622.54,
    "mpe/simple_spread-15": -2596.82,
    "mpe/simple_spread-3-pettingzoo": -79.36,
    "mpe/simple_spread-3-nearest": -158.72,
    "mpe/simple_tag-3": 1.043,
    "mpe/stas-spread-3": -146.20,
    "mpe/stas-spread-6": -112.10,
    "mpe/stas-spread-15": -265.32,
    "mpe/stas-tag-3": -9.240,
    "mpe/stas-tag-6": -20.56,
    "mpe/stas-tag-15": -21.46,
    "mpe/seca-predator-prey": 2.584,
    "mpe/seca-navigation": -52.07,
}
"""Mean return of the uniformly random policy, by `creditbench random --task T --episodes 100000 --seed 0`."""
SCRIPTED_RETURNS = {
    "mpe/simple_spread-6": -284.00,
    "mpe/simple_spread-15": -1282.86,
    "mpe/simple_tag-3": 37.88,
    "mpe/stas-spread-3": -72.04,
    "mpe/stas-spread-6": -33.96,
    "mpe/stas-spread-15": -80.61,
    "mpe/stas-tag-3": 32.38,
    "mpe/stas-tag-6": 46.55,
    "mpe/stas-tag-15": 29.31,
    "mpe/seca-navigation": -13.56,
}
"""Mean return of a scripted policy, by
`python -m benchmark.environments.reference_scores.scripted_policy --task T --episodes 2000 --seed 0`."""
KNOWN_BEST: dict[str, tuple[float, str]] = {
    "mpe/simple_spread-3": (-126.62, f"QMIX, {PAPOUDAKIS}, maximum returns with shared parameters"),
    "mpe/simple_spread-3-pettingzoo": (-25.81, f"(-126.62 + 75) / 2, the published return of QMIX, {PAPOUDAKIS}, in this unit"),
    "mpe/simple_spread-3-nearest": (-51.62, f"-126.62 + 75, the published return of QMIX, {PAPOUDAKIS}, in this unit"),
    "mpe/seca-predator-prey": (10.0, "the prey is caught in every episode; nothing is higher"),
}


def _scores(name: str) -> ReferenceScores:
    module = "benchmark.environments.reference_scores.scripted_policy"
    scripted = f"python -m {module} --task {name} --episodes {SCRIPTED_EPISODES} --seed 0"
    best, source = KNOWN_BEST.get(name) or (SCRIPTED_RETURNS[name], f"a scripted policy, not an optimum: `{scripted}`")
    return ReferenceScores(
        random=RANDOM_RETURNS[name],
        random_source=f"creditbench random --task {name} --episodes {RANDOM_EPISODES} --seed 0",
        best=best,
        best_source=source,
    )


def _task(
    name: str, title: str, description: str, source: str, success: str, note: str, native: Simulator, **more: Any
) -> Task:
    parameters = native.parameters
    return Task(
        id=name,
        version=VERSION,
        title=title,
        description=description,
        source=source,
        n_agents=parameters.get("n_agents") or parameters["n_predators"],
        n_agent_types=1,
        horizon=parameters["horizon"],
        success=success,
        random_starts=True,
        random_dynamics=parameters.get("prey") in ("evade", "random"),  # scripted prey err at random
        native=native,
        reference_scores=_scores(name),
        note=note,
        has_positions=True,
        **more,
    )


def _package_spread(n: int, scale: float, offset: float) -> Simulator:
    """mpe2's simple_spread_v3, every agent's reward transformed by scale and offset."""
    parameters = {
        "constructor": "mpe2.simple_spread_v3:parallel_env",
        "constructor_arguments": {"N": n, "max_cycles": 25},
        "horizon": 25,
        "reward_scale": scale,
        "reward_offset": offset,
        "success": "benchmark.environments.adapters.mpe2:landmarks_covered",
    }
    return Simulator("benchmark.environments.adapters.pettingzoo:make", parameters, package="mpe2")


def _spread(n: int, suffix: str, reward: str, note: str, reference: Simulator | None) -> Task:
    return _task(
        f"mpe/simple_spread-{n}{suffix}",
        f"Simple spread, {n} agents{', ' + suffix[1:] if suffix else ''}",
        f"{n} agents spread over {n} landmarks and keep from touching each other.",
        f"mpe2 1.1.1; {PAPOUDAKIS}",
        COVERED,
        note,
        Simulator(SPREAD, {"n_agents": n, "reward": reward, "horizon": 25}),
        reference=reference,
    )


def _stas_spread(n: int, half_width: float, sees: str, view: dict[str, Any]) -> Task:
    parameters = {"n_agents": n, "reward": "stas", "half_width": half_width, "messages": False, "horizon": 25}
    return _task(
        f"mpe/stas-spread-{n}",
        f"STAS cooperative navigation, {n} agents",
        f"{n} agents spread over {n} landmarks in a square of half-width {half_width} and see {sees}.",
        STAS,
        COVERED,
        STAS_NOTE,
        Simulator(SPREAD, parameters | view),
    )


def _stas_tag(n: int, prey: int, obstacles: int, half_width: float, view: dict[str, Any]) -> Task:
    parameters = {"n_predators": n, "n_prey": prey, "n_obstacles": obstacles, "reward": "stas", "half_width": half_width}
    return _task(
        f"mpe/stas-tag-{n}",
        f"STAS predator-prey, {n} predators",
        f"{n} predators hunt {prey} faster prey among {obstacles} obstacles; being near is rewarded, touching more so.",
        STAS,
        CAUGHT,
        f"{STAS_NOTE} {PREY_NOTE}",
        Simulator(TAG, parameters | view | {"prey": "evade", "horizon": 25}),
    )


def _tasks() -> tuple[Task, ...]:
    apart = {"landmark_distance": 0.675, "landmark_order": "nearest", "agent_order": "nearest"}
    crowd = {"observed_landmarks": 6, "observed_agents": 5}
    small = {"predator_size": 0.02, "prey_size": 0.01, "obstacle_size": 0.1}
    few = {"observed_obstacles": 3, "observed_predators": 6, "observed_prey": 3}
    return (
        *(_spread(n, "", "epymarl", EPYMARL_NOTE, _package_spread(n, 2.0, -1.0)) for n in (3, 6, 15)),
        _spread(
            3, "-pettingzoo", "pettingzoo", "Returns are in mpe2's own unit, summed over agents.", _package_spread(3, 1.0, 0.0)
        ),
        _spread(
            3,
            "-nearest",
            "dependence_graph",
            "Individual rewards as in the code of the dependence-graph paper: only the agent nearest to a landmark bears "
            "its distance, N times. The team's reward is that of mpe/simple_spread-3 plus N per step.",
            None,
        ),
        _task(
            "mpe/simple_tag-3",
            "Simple tag, 3 predators",
            "Three predators catch one faster prey among two obstacles.",
            f"mpe2 1.1.1; {PAPOUDAKIS}",
            CAUGHT,
            "Every touching pair earns the team 10 per step, the unit of the 2021 tables; a predator's own reward is for what "
            f"it touches itself. {PREY_NOTE}",
            Simulator(TAG, {"n_predators": 3, "reward": "epymarl", "prey": "evade", "horizon": 25}),
        ),
        _stas_spread(3, 3.0, "everything, nearest first", apart),
        _stas_spread(6, 1.5, "everything, the others from left to right", {"agent_order": "x"}),
        _stas_spread(15, 2.2, "the 6 nearest landmarks and 5 nearest others", apart | crowd),
        _stas_tag(3, 1, 2, 1.0, {}),
        _stas_tag(6, 2, 3, 1.5, {}),
        _stas_tag(15, 5, 5, 1.0, small | few),
        _task(
            "mpe/seca-predator-prey",
            "SeCA predator-prey",
            "Three predators catch one faster prey that moves at random among two obstacles; the first touch ends it.",
            SECA,
            "the prey was caught",
            SECA_NOTE,
            Simulator(TAG, {"n_predators": 3, "reward": "seca", "prey": "random", "end_on_capture": True, "horizon": 50}),
        ),
        _task(
            "mpe/seca-navigation",
            "SeCA cooperative navigation",
            "Three agents spread over three landmarks; touching each other costs nothing.",
            SECA,
            COVERED,
            SECA_NOTE,
            Simulator(SPREAD, {"n_agents": 3, "reward": "seca", "horizon": 25}),
        ),
    )


TASKS = {task.id: task for task in _tasks()}
FAMILY = TaskFamily("mpe", "Multi-agent particle environments", tuple(TASKS), TASKS.get)
