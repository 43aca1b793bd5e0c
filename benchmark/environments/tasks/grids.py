"""Small grids: `grid/navigation`, `grid/unlock`, `grid/shooting` of influence scope; `grid/{two,four,five}-goals`, ours."""

from __future__ import annotations

from benchmark.environments.tasks.registry import ReferenceScores, Simulator, Task, TaskFamily

_MEASURED = "`creditbench random --task grid/{} --episodes 100000 --seed 0`"


def _grid(game: str, n_agents: int, description: str, success: str, random: float, best: float) -> Task:
    return Task(
        id=f"grid/{game}",
        version=1,
        title=f"Grid {game}",
        description=description,
        source="Influence scope of agents (ISA; Han et al. 2025)",
        n_agents=n_agents,
        n_agent_types=1,
        horizon=60,
        success=success,
        random_starts=False,
        random_dynamics=False,
        score="success" if game == "shooting" else "return",
        native=Simulator("benchmark.environments.native.grids.influence_scope:Grid", {"game": game}),
        reference_scores=ReferenceScores(
            random=random,
            random_source=_MEASURED.format(game),
            best=best,
            best_source="all targets reached; the shortest plans are in tests/environments/test_grids.py",
        ),
        note="A twin made from the published rules; the original has no package.",
        has_positions=True,
        return_bounds=(0.0, 0.0 if game == "shooting" else float(n_agents)),
        success_bounds=(0.0, 0.0) if game == "shooting" else (float(n_agents), float(n_agents)),
    )


TASKS = {
    task.id: task
    for task in (
        _grid(
            "navigation",
            7,
            "Seven agents occupy seven landmarks; arrived agents stay.",
            "all landmarks occupied",
            1.59463,
            7.0,
        ),
        _grid("unlock", 7, "Seven agents each find their own lock; arrived agents stay.", "all locks open", 0.40267, 7.0),
        _grid(
            "shooting",
            3,
            "Three agents shoot more than fifty times and take three positions; there is no reward on the way.",
            "more than 50 bullets and the three positions occupied",
            0.00003,
            1.0,
        ),
    )
}

# Number of agents: side of the grid, horizon, exact expected return of the random policy
# (tests/environments/test_individual_goals.py).
INDIVIDUAL_GOALS = {2: (5, 25, -0.44390042), 4: (8, 40, -1.57598), 5: (10, 50, -2.47585)}


def _individual_goals(word: str, n_agents: int, positive: bool) -> Task:
    side, horizon, random = INDIVIDUAL_GOALS[n_agents]
    shift = 0.01 * n_agents * horizon if positive else 0.0
    return Task(
        id=f"grid/{word}-goals{'-positive' if positive else ''}",
        version=1,
        title=f"Grid {word}-goals{', positive' if positive else ''}",
        description=f"{word.capitalize()} agents on {side} x {side} cells must all stand on their own goals at the same time.",
        source="experiment E-1 of the TAR2 specification" if n_agents == 2 else "ours, a larger grid/two-goals",
        n_agents=n_agents,
        n_agent_types=1,
        horizon=horizon,
        success="all agents stand on their goals",
        random_starts=True,
        random_dynamics=False,
        native=Simulator(
            "benchmark.environments.native.grids.individual_goals:IndividualGoals",
            {"side": side, "n_agents": n_agents, "horizon": horizon, "positive": positive},
        ),
        reference_scores=ReferenceScores(
            random=random + shift,
            random_source="exact dynamic programming (tests/environments/test_individual_goals.py)",
            # Two different cells are 2/3 of the side apart in the mean; the step that arrives costs nothing.
            best=1.0 - 0.01 * n_agents * (2 * side / 3 - 1) + shift,
            best_source="shortest paths, a mean over all starts and goals (tests/environments/test_individual_goals.py)",
        ),
        note=f"Every return is that of grid/{word}-goals plus {shift:g}: the same game, without a negative return."
        if positive
        else "",
        has_positions=True,
        return_bounds=(shift - 0.01 * n_agents * horizon, shift + 1.0),
        success_bounds=(shift + 1.0 - 0.01 * n_agents * horizon, shift + 1.0),
    )


TASKS |= {
    task.id: task
    for positive in (False, True)
    for task in (
        _individual_goals("two", 2, positive),
        _individual_goals("four", 4, positive),
        _individual_goals("five", 5, positive),
    )
}

FAMILY = TaskFamily(name="grid", title="Small grids", names=tuple(TASKS), resolve=TASKS.get)
