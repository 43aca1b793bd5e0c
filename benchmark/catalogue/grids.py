"""The grids of influence scope: `grid/navigation`, `grid/unlock`, `grid/shooting`."""

from __future__ import annotations

from benchmark.tasks import ReferenceScores, Simulator, Task, TaskFamily

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
        score="success" if game == "shooting" else "return",
        native=Simulator("benchmark.environments.native.grids:Grid", {"game": game}),
        reference_scores=ReferenceScores(
            random=random,
            random_source=_MEASURED.format(game),
            best=best,
            best_source="all targets reached; the shortest plans are in tests/test_grids.py",
        ),
        note="A twin made from the published rules; the original has no package.",
    )


TASKS = {
    task.id: task
    for task in (
        _grid(
            "navigation", 7, "Seven agents occupy seven landmarks; who arrives stays.", "all landmarks occupied", 1.59463, 7.0
        ),
        _grid("unlock", 7, "Seven agents each find their own lock; who arrives stays.", "all locks open", 0.40267, 7.0),
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

FAMILY = TaskFamily(name="grid", title="Grids of influence scope", names=tuple(TASKS), resolve=TASKS.get)
