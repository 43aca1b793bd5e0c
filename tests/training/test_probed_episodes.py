"""What probes see while episodes are played: recorded with them, changing nothing, asked for when planning."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from algorithms.interface import Episodes, LearnerContext
from algorithms.registry import algorithms
from benchmark.credit.probes import build_probes
from benchmark.environments.tasks.registry import Task, get_task
from benchmark.experiments.probe_names import PROBES
from benchmark.experiments.record import read_record
from benchmark.experiments.run_spec import EvaluationSchedule, ImpossibleRun, RunSpec, resolve, validate_combination
from benchmark.training.components import build_algorithm
from benchmark.training.rollout import Collector
from benchmark.training.run import Run
from tests.fixtures.toys import SIGNS, TEAM, Learner, LearnerSettings
from tests.fixtures.train_toy import same, trained

EVERY = tuple(PROBES)
CPU = torch.device("cpu")


def run_of(task: str, algorithm: str = "ippo+dg-oracle", budget: int = 1000, **changes: object) -> RunSpec:
    values = {
        "task": task,
        "algorithm": algorithm,
        "regime": "individual",
        "seed": 0,
        "budget": budget,
        "settings": {"episodes_per_update": 12, "hidden_size": 8, "minibatches": 1},
        "evaluation": EvaluationSchedule(points=2, episodes=4, absolute_episodes=4),
    }
    return resolve(**(values | changes))  # type: ignore[arg-type]


def collected(task: Task, probes: tuple[str, ...], episodes: int = 20, parallel: int = 12) -> Episodes:
    """Two batches of episodes of an untrained method."""
    team = task.build(1, "native").team
    if task is SIGNS:
        method = Learner(LearnerSettings(), LearnerContext(team=TEAM, regime="team", budget=1000, seed=3))
    else:
        method = build_algorithm(run_of(task.id, "ippo"), team, CPU)  # type: ignore[assignment]
    collector = Collector(task, "native", parallel, probes)
    try:
        return collector.collect(method, episodes, 0, 11, torch.Generator().manual_seed(5))
    finally:
        collector.close()


@pytest.mark.parametrize("task", ["lbf/8x8-2p-4f-coop-winner", "mpe/seca-predator-prey", "smaclite/3m"])
def test_episodes_are_the_same_bit_for_bit_with_and_without_probes(task: str) -> None:
    with_probes, without = collected(get_task(task), EVERY), collected(get_task(task), ())
    assert without.privileged == {}
    for entry in fields(Episodes):
        if entry.name != "privileged":
            assert same(getattr(with_probes, entry.name), getattr(without, entry.name)), entry.name


@pytest.mark.parametrize("task", [SIGNS, get_task("mpe/seca-predator-prey"), get_task("smaclite/3m")], ids=lambda task: task.id)
def test_what_is_recorded_is_what_the_probes_see_in_a_replay(task: Task) -> None:
    names = EVERY if task.has_positions else ("oracle_graph",)
    episodes = collected(task, names)
    assert len(set(episodes.length.tolist())) > 3  # rows leave at several times, so acting is asked for fewer and fewer
    assert set(episodes.privileged) == {name for probe in names for name in PROBES[probe].fills}
    for row in range(0, 20, 3):
        environment, probes = task.build(1, "native"), build_probes(names)
        environment.reset(episodes.seed[row : row + 1].numpy().astype(np.uint64))
        for time in range(episodes.running.shape[1]):
            actions = episodes.action[row : row + 1, time].numpy()
            for probe in probes if episodes.running[row, time] else ():
                for name, graph in probe.look(environment, actions, np.array([0])).items():
                    np.testing.assert_array_equal(episodes.privileged[name][row, time], graph[0], err_msg=name)
            environment.step(actions)


def test_graphs_are_empty_after_the_end_and_have_all_self_loops_before() -> None:
    episodes = collected(get_task("smaclite/3m"), EVERY)
    assert (~episodes.running).any()
    for name, graph in episodes.privileged.items():
        assert (graph.shape, graph.dtype) == ((*episodes.action.shape, 3), torch.bool), name
        assert not graph[~episodes.running].any(), name
        assert graph[episodes.running].diagonal(dim1=1, dim2=2).all(), name


def test_recorded_graphs_of_earlier_episodes_are_not_overwritten() -> None:
    task = get_task("lbf/8x8-2p-4f-coop-winner")
    method = build_algorithm(run_of(task.id, "ippo"), task.build(1).team, CPU)
    collector, generator = Collector(task, "native", 8, EVERY), torch.Generator().manual_seed(0)
    first = collector.collect(method, 8, 0, 1, generator)
    kept = {name: graph.clone() for name, graph in first.privileged.items()}
    collector.collect(method, 8, 8, 1, generator)
    assert same(first.privileged, kept)


def test_a_run_records_the_probes_that_its_algorithm_requires(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict] = []
    for algorithm in ("ippo+dg-oracle", "ippo+dg-knn", "ippo+dg"):
        run = Run(run_of("dg/star-3", algorithm), CPU)
        monkeypatch.setattr(run.algorithm, "update", lambda episodes: given.append(episodes.privileged) or {})
        run.advance()
        run.close()
    assert [sorted(privileged) for privileged in given] == [
        ["observation_graph", "reward_graph", "state_graph"],
        ["distance_graph"],
        [],
    ]


@pytest.mark.parametrize("algorithm", ["ippo+dg-oracle", "mappo+dg-oracle", "ippo+dg-knn"])
def test_an_oracle_trains_from_start_to_record(tmp_path: Path, algorithm: str) -> None:
    spec = run_of("dg/star-3", algorithm, budget=2000)
    trained(tmp_path, spec)
    outcome = read_record(tmp_path / "out" / "record.json").outcome
    assert outcome.status == "ok"
    assert outcome.steps_done >= 2000
    density = [value for value in outcome.monitors["graph_density"] if value is not None]
    assert density
    if "oracle" in algorithm:
        # Both leaves influence the hub wherever one of their moves is nearest to a landmark: two pairs of six at the most.
        assert all(0.1 < value <= 1 / 3 for value in density)
    else:
        assert density == pytest.approx([1.0] * len(density))


def test_an_oracle_method_is_measured_with_the_graph_that_it_is_trained_with() -> None:
    densities = {}
    for watched in ("state", "reward", "state and reward", "observation"):
        settings = {"episodes_per_update": 12, "hidden_size": 8, "dependence": {"watched": watched}}
        run = Run(run_of("dg/star-3", settings=settings), CPU)
        densities[watched] = run.advance().monitors["graph_density"]
        run.close()
    assert densities["state"] == 0
    assert 0 < densities["reward"] == densities["state and reward"] < densities["observation"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("task", "algorithm", "message"),
    [
        ("dg/beacon-0.5", "ippo+dg-knn", "requires distance_graph, but the agents of dg/beacon-0.5 have no positions"),
        ("matrix/climbing", "mappo+dg-knn", "the agents of matrix/climbing have no positions"),
    ],
)
def test_the_distance_graph_is_refused_when_planning_a_task_without_positions(task: str, algorithm: str, message: str) -> None:
    with pytest.raises(ImpossibleRun, match=message):
        run_of(task, algorithm)
    run_of(task, algorithm.replace("knn", "oracle"))


@pytest.mark.parametrize("algorithm", ["ippo+dg-oracle", "ippo+dg-knn"])
def test_a_package_that_cannot_be_copied_is_refused_when_planning(algorithm: str) -> None:
    task, entry = get_task("lbf/5x5-2p-1f-coop"), algorithms()[algorithm]
    message = (
        f"{entry.requires[0]}, which needs copies of the simulator's state: .* native backend .* {task.id} .* reference backend"
    )
    with pytest.raises(ImpossibleRun, match=message):
        validate_combination(task, entry, entry.settings(), "individual", "reference")
    validate_combination(task, entry, entry.settings(), "individual", "native")


def test_an_unknown_probe_is_refused_when_planning_with_those_that_are_known() -> None:
    entry = replace(algorithms()["ippo"], requires=("crystal_ball",))
    with pytest.raises(ImpossibleRun, match=r"requires crystal_ball, .* there are: oracle_graph, distance_graph\."):
        validate_combination(get_task("dg/star-3"), entry, entry.settings(), "individual", "native")


def test_the_paper_s_schedule_is_offered_with_every_graph() -> None:
    for name in ("dg", "dg-oracle", "dg-knn"):
        for ppo in ("ippo", "mappo"):
            entry = algorithms()[f"{ppo}+{name}"]
            assert (
                entry.settings(**entry.presets["paper"]).changed()
                == algorithms()[f"{ppo}+dg"].settings(**entry.presets["paper"]).changed()
            )
