"""Diagnostic tasks with known solutions: matrix games, synergy, and the toys of the dependence-graph paper.

    matrix/climbing, matrix/penalty-{k}, matrix/two-step     k 0, 25, 50, 75 or 100: the penalty game with -k
    synergy/{n}-b{exponent}, synergy/{n}-and                 n agents; with -x{blocks}: episodic reward, a product
    dg/star-{N}, dg/line-{N}, dg/cycle-{N}                   particles with a known reward dependence
    dg/rooms-{n}                                             switch-door rooms
    dg/beacon-{gain}                                         influence by action (1) or by state (0)

Where a score is exact it is computed here; measured ones stand as data with their command.
"""

from __future__ import annotations

import itertools
import math
import re

from benchmark.environments.tasks.registry import ReferenceScores, Simulator, Task, TaskFamily

EXACT = "exact enumeration (benchmark/environments/tasks/diagnostics.py)"
# Mean return of the random policy by `creditbench random --task T --episodes 100000 --seed 0`.
RANDOM_RETURNS = {
    "dg/star-3": -138.0735,
    "dg/star-5": -189.2012,
    "dg/star-7": -233.3608,
    "dg/star-10": -295.0918,
    "dg/star-20": -484.9903,
    "dg/line-5": -339.7749,
    "dg/cycle-5": -362.8787,
    "dg/cycle-10": -725.0450,
    "dg/rooms-3": -3.6103,
    "dg/rooms-5": -6.5214,
}
PENALTIES = (0, 25, 50, 75, 100)
PAYOFFS = {"climbing": ((11, -30, 0), (-30, 7, 6), (0, 0, 5))}


def _matrix(name: str) -> Task | None:
    game, _, number = name.removeprefix("matrix/").partition("-")
    if name == "matrix/two-step":
        parameters: dict[str, object] = {"game": "two_step"}
        random, best, horizon = (7 + 2.5) / 2, 8.0, 2
        worst = 0.0
        text = "The first action chooses between a safe game with reward 7 and one with reward up to 8 if both agree."
    elif name == "matrix/climbing" or (game == "penalty" and number in map(str, PENALTIES)):
        k = -int(number or 0)
        payoff = PAYOFFS.get(game, ((k, 0, 10), (0, 2, 0), (10, 0, k)))
        parameters = {"game": game} if game == "climbing" else {"game": game, "penalty": float(k)}
        horizon = 25
        cells = list(itertools.chain.from_iterable(payoff))
        random, best = horizon * sum(cells) / 9, horizon * float(max(cells))
        worst = horizon * float(min(cells))
        text = f"Two agents, three actions each, one shared payoff matrix {payoff}, played 25 times."
    else:
        return None
    return Task(
        id=name,
        version=1,
        title=f"Matrix game {name.removeprefix('matrix/')}",
        description=text,
        source="Claus and Boutilier 1998" if horizon == 25 else "QMIX (Rashid et al. 2018)",
        n_agents=2,
        n_agent_types=1,
        horizon=horizon,
        success="not defined (always 0)",
        random_starts=False,
        random_dynamics=False,
        native=Simulator("benchmark.environments.native.diagnostics.matrix:MatrixGame", parameters),
        reference_scores=ReferenceScores(random, EXACT, best, EXACT),
        return_bounds=(worst, best),
    )


MATRIX = TaskFamily(
    name="matrix",
    title="Matrix games",
    names=("matrix/climbing", *(f"matrix/penalty-{k}" for k in PENALTIES), "matrix/two-step"),
    resolve=_matrix,
)

_SYNERGY = re.compile(r"synergy/(?P<n>[1-9])-(?:b(?P<exponent>[1-9])|and)(?:-x(?P<blocks>[2-9]))?")
SYNERGY_HORIZON, SYNERGY_COST = 20, 0.05


def _synergy_scores(n: int, exponent: float) -> tuple[float, float]:
    """Expected return of the random policy, and of the best joint action given all abilities, with dense reward."""

    def payoff(effort: int) -> float:
        return float(effort == n) if math.isinf(exponent) else (effort / n) ** exponent

    bits = list(itertools.product((0, 1), repeat=n))
    random = best = 0.0
    for ability in bits:
        values = [payoff(sum(z * a for z, a in zip(ability, work, strict=True))) - SYNERGY_COST * sum(work) for work in bits]
        random += sum(values) / len(bits) ** 2
        best += max(values) / len(bits)
    return SYNERGY_HORIZON * random, SYNERGY_HORIZON * best


def _synergy(name: str) -> Task | None:
    match = _SYNERGY.fullmatch(name)
    blocks = int(match["blocks"] or 1) if match else 1
    if match is None or SYNERGY_HORIZON % blocks:
        return None
    n, exponent = int(match["n"]), float(match["exponent"] or math.inf)
    random, best = _synergy_scores(n, exponent)
    reward = "dense reward" if blocks == 1 else f"episodic reward, a product over {blocks} blocks of time"
    return Task(
        id=name,
        version=1,
        title=f"Synergy {name.removeprefix('synergy/')}",
        description=f"{n} agents work or idle; joint work earns more, with {reward}. Shapley credit is known in closed form.",
        source="ours, after experiment E6 of the STAS specification",
        n_agents=n,
        n_agent_types=1,
        horizon=SYNERGY_HORIZON,
        success="not defined (always 0)",
        random_starts=True,
        random_dynamics=True,
        native=Simulator(
            "benchmark.environments.native.diagnostics.synergy:Synergy",
            {"n_agents": n, "exponent": exponent, "blocks": blocks, "cost": SYNERGY_COST, "horizon": SYNERGY_HORIZON},
        ),
        reference_scores=None if blocks > 1 else ReferenceScores(random, EXACT, best, EXACT),
        return_bounds=None if blocks > 1 else (-SYNERGY_HORIZON * SYNERGY_COST * n, float(SYNERGY_HORIZON)),
        note="The best score knows everybody's ability, which an agent does not see: it may be out of reach.",
    )


SYNERGY = TaskFamily(
    name="synergy",
    title="Synergy with known credit",
    names=("synergy/2-b2", "synergy/3-b1", "synergy/3-b2", "synergy/3-and", "synergy/5-b4", "synergy/3-b2-x4"),
    resolve=_synergy,
)

_TOY = re.compile(r"dg/(?:(?P<shape>star|line|cycle)-(?P<n>\d{1,3})|rooms-(?P<rooms>\d{1,2})|beacon-(?P<gain>0|0\.\d{1,2}|1))")
BEACON_HORIZON = 25


def _beacon_scores(gain: float) -> tuple[float, float]:
    """Expected return of the random and of the best policy, by dynamic programming over the keeper's cells."""
    cells, moves = 6, (0, 1, -1)
    random, best = [0.0] * cells, [0.0] * cells
    for _ in range(BEACON_HORIZON):
        rewards = [[gain * (a == 1) + (1 - gain) * (cell % 3 == 1) - 0.1 * (a != 0) for a in range(3)] for cell in range(cells)]
        random, best = (
            [choose([rewards[cell][a] + later[(cell + moves[a]) % cells] for a in range(3)]) for cell in range(cells)]
            for choose, later in ((lambda values: sum(values) / 3, random), (max, best))
        )
    return sum(random) / cells, sum(best) / cells


def _toy(name: str) -> Task | None:
    match = _TOY.fullmatch(name)
    if match is None:
        return None
    scores: ReferenceScores | None = None
    note, types = "", 1
    random_starts = random_dynamics = True
    if match["shape"]:
        n = int(match["n"])
        simulator = Simulator(
            "benchmark.environments.native.diagnostics.spread_variants:SpreadVariant", {"shape": match["shape"], "n_agents": n}
        )
        horizon, best, best_source = 50, 0.0, "an upper bound: every landmark occupied from the start"
        text = f"{n} particles spread over landmarks; the reward dependence is known ({match['shape']})."
        success = "not defined (always 0)"
        note = "Rewards carry Gaussian noise of standard deviation 1. The best score is a bound, not reachable."
    elif match["rooms"]:
        n = int(match["rooms"])
        simulator = Simulator("benchmark.environments.native.diagnostics.rooms:SwitchDoorRooms", {"n_agents": n})
        random_starts = random_dynamics = False
        horizon, best, best_source = 200, 10.0, "the goal reached without a bump"
        text = f"Agent 0 passes a door that one of {n - 1} others must hold open."
        success = "agent 0 reached the end of its corridor"
    else:
        n, horizon, types = 2, BEACON_HORIZON, 2
        gain = float(match["gain"])
        random_dynamics = 0 < gain < 1  # the lamp takes the action with probability `gain`, else the cell's colour
        simulator = Simulator("benchmark.environments.native.diagnostics.beacon:Beacon", {"action_gain": gain})
        random, best = _beacon_scores(gain)
        best_source = "exact dynamic programming (benchmark/environments/tasks/diagnostics.py)"
        scores = ReferenceScores(random, best_source, best, best_source)
        text = "A keeper's walk lights a ship's lamp, through its action or through where it stands."
        success = "not defined (always 0)"
    if n < 2:
        return None
    if name in RANDOM_RETURNS:
        measured = f"`creditbench random --task {name} --episodes 100000 --seed 0`"
        scores = ReferenceScores(RANDOM_RETURNS[name], measured, best, best_source)
    return Task(
        id=name,
        version=1,
        title=f"Dependence toy {name.removeprefix('dg/')}",
        description=text,
        source="Le and Ta 2026, arXiv 2601.21523" if types == 1 else "ours, for state- against action-driven influence",
        n_agents=n,
        n_agent_types=types,
        horizon=horizon,
        success=success,
        random_starts=random_starts,
        random_dynamics=random_dynamics,
        native=simulator,
        reference_scores=scores,
        note=note,
        has_positions=match["gain"] is None,
    )


TOYS = TaskFamily(
    name="dg",
    title="Toys with a known dependence graph",
    names=(
        *(f"dg/star-{n}" for n in (3, 5, 7, 10, 20)),
        "dg/line-5",
        "dg/cycle-5",
        "dg/cycle-10",
        "dg/rooms-3",
        "dg/rooms-5",
        "dg/beacon-0",
        "dg/beacon-0.5",
        "dg/beacon-1",
    ),
    resolve=_toy,
)
