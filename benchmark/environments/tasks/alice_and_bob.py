"""Alice & Bob: `alice_and_bob` (two rooms, 40 steps, as published), `alice_and_bob/h{steps}` with another time limit,
and `alice_and_bob/three-rooms`, ours.
"""

from __future__ import annotations

import re

from benchmark.environments.tasks.registry import ReferenceScores, Simulator, Task, TaskFamily

PUBLISHED_HORIZON = 40
BUMP, PRIZE = 0.1, 100.0
"""What a blocked move costs, and what the treasure earns."""
SHORTEST_PLAN = 12
THREE_ROOMS_HORIZON = 70
# Exact expected return of the uniformly random policy, by dynamic programming over all 1978 states
# (tests/environments/test_alice_and_bob.py).
RANDOM_RETURNS = {40: -2.572699, 25: -1.691288, 15: -1.040765}
_ID = re.compile(r"alice_and_bob(?:/h(?P<horizon>[1-9]\d{0,3}))?")
_SIMULATOR = "benchmark.environments.native.alice_and_bob.environment:AliceAndBob"
_EXACT = "exact dynamic programming (tests/environments/test_alice_and_bob.py)"
_BEST = "the shortest plan of {} steps, which has one deliberate bump (tests/environments/test_alice_and_bob.py)"

THREE_ROOMS = Task(
    id="alice_and_bob/three-rooms",
    version=1,
    title="Alice & Bob, three rooms",
    description="A longer chain: two agents open doors for each other in turn, three in all; the last hides the treasure.",
    source="ours, after STAS (Chen et al. 2024, arXiv 2304.07520); the paper has two rooms",
    n_agents=2,
    n_agent_types=1,
    horizon=THREE_ROOMS_HORIZON,
    success="the treasure is reached with both agents out of their rooms",
    random_starts=False,
    random_dynamics=False,
    native=Simulator(_SIMULATOR, {"horizon": THREE_ROOMS_HORIZON, "layout": "three-rooms"}),
    reference_scores=ReferenceScores(random=-4.617521, random_source=_EXACT, best=99.9, best_source=_BEST.format(17)),
    has_positions=True,
    return_bounds=(-2 * BUMP * THREE_ROOMS_HORIZON, PRIZE),
    success_bounds=(PRIZE - 2 * BUMP * THREE_ROOMS_HORIZON, PRIZE),
)


def resolve(name: str) -> Task | None:
    """The task of an id of the forms above; None for any other, and where no plan fits the time limit."""
    if name == THREE_ROOMS.id:
        return THREE_ROOMS
    match = _ID.fullmatch(name)
    horizon = PUBLISHED_HORIZON if match is None or match["horizon"] is None else int(match["horizon"])
    if match is None or horizon < SHORTEST_PLAN or (match["horizon"] and horizon == PUBLISHED_HORIZON):
        return None
    random = RANDOM_RETURNS.get(horizon)
    return Task(
        id=name,
        version=1,
        title=f"Alice & Bob{'' if horizon == PUBLISHED_HORIZON else f', {horizon} steps'}",
        description="Two agents in locked rooms: each needs a key that the other's freedom depends on; then one treasure.",
        source="STAS (Chen et al. 2024, arXiv 2304.07520)",
        n_agents=2,
        n_agent_types=1,
        horizon=horizon,
        success="the treasure is reached with both agents out of their rooms",
        random_starts=False,
        random_dynamics=False,
        native=Simulator(_SIMULATOR, {"horizon": horizon}),
        reference_scores=None
        if random is None
        else ReferenceScores(random=random, random_source=_EXACT, best=99.9, best_source=_BEST.format(SHORTEST_PLAN)),
        note="A twin made from the published rules; the original has no package. STAS reports twice our team return.",
        has_positions=True,
        return_bounds=(-2 * BUMP * horizon, PRIZE),
        success_bounds=(PRIZE - 2 * BUMP * horizon, PRIZE),
    )


FAMILY = TaskFamily(
    name="alice_and_bob",
    title="Alice & Bob",
    names=("alice_and_bob", "alice_and_bob/h25", "alice_and_bob/h15", THREE_ROOMS.id),
    resolve=resolve,
)
