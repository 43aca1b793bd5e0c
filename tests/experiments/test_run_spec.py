"""What `resolve` refuses before anything is trained."""

from __future__ import annotations

import pytest

from benchmark.environments.tasks.registry import get_task, task_names
from benchmark.experiments.run_spec import EvaluationSchedule, ImpossibleRun, RunSpec, resolve


def planned(task: str, policy: str) -> RunSpec:
    schedule = EvaluationSchedule(points=2, episodes=2, absolute_episodes=2, policy=policy)
    return resolve(task=task, algorithm="ippo", regime="team", seed=0, budget=1000, evaluation=schedule)


@pytest.mark.parametrize("task", ["alice_and_bob", "grid/navigation", "matrix/climbing", "dg/rooms-3"])
def test_a_greedy_policy_is_not_scored_where_it_would_repeat_one_episode(task: str) -> None:
    with pytest.raises(ImpossibleRun) as refused:
        planned(task, "greedy")
    assert str(refused.value) == (
        f"evaluation.policy: greedy would repeat one episode, since neither starts nor dynamics of {task} are random: every "
        "success rate would be 0 or 1; allowed: sample, both."
    )
    for allowed in ("sample", "both"):
        assert planned(task, allowed).evaluation.policy == allowed


def test_a_greedy_policy_is_scored_where_starts_or_dynamics_are_random() -> None:
    tasks = [task for task in map(get_task, task_names()) if task.random_starts or task.random_dynamics]
    assert {(task.random_starts, task.random_dynamics) for task in tasks} == {(True, False), (False, True), (True, True)}
    for task in tasks:
        if task.n_agent_types == 1:
            assert planned(task.id, "greedy").evaluation.scored == "greedy"
