"""Runs are looked at while they train: when, with what, and without changing anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import algorithms.registry
import benchmark.environments.tasks.registry
import benchmark.training.run
from algorithms.interface import Episodes
from algorithms.seeds import derive
from benchmark.credit.graphs import measure_graph
from benchmark.environments.interface import NotForkable
from benchmark.environments.native.lbf.environment import LevelBasedForaging
from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.credit_measurements import GraphMeasurement, measuring_points
from benchmark.experiments.outcome import EvaluationPoint
from benchmark.experiments.record import read_record
from benchmark.experiments.run_spec import EvaluationSchedule, RunSpec, resolve
from benchmark.training import credit_monitor
from benchmark.training.credit_monitor import EPISODES, observed_episodes
from benchmark.training.run import Run
from tests.fixtures import toys
from tests.fixtures.train_toy import Crash, Quiet, files, same, trained

SMALL = {"hidden_size": 8, "encoder_hidden_size": 8, "latent_size": 4}
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    toys.clear_caches()


def spec(algorithm: str = "ippo+dg", dependence: dict[str, Any] | None = None, **changes: Any) -> RunSpec:
    values: dict[str, Any] = {
        "task": "lbf/5x5-2p-2f-coop",
        "algorithm": algorithm,
        "regime": "individual",
        "seed": 0,
        "budget": 2000,
        "settings": {"episodes_per_update": 8, "hidden_size": 8, "dependence": SMALL if dependence is None else dependence},
        "evaluation": EvaluationSchedule(points=4, episodes=4, absolute_episodes=4),
    }
    return resolve(**(values | changes))


def without_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's claims are looked at any more."""
    silent = tuple(replace(entry, claims_influence=False) for entry in algorithms.registry.BUILT_IN)
    monkeypatch.setattr(algorithms.registry, "BUILT_IN", silent)
    toys.clear_caches()


@pytest.mark.parametrize(
    ("points", "numbers"),
    [(2, {0, 1}), (3, {0, 1, 2}), (4, {0, 1, 2, 3}), (5, {0, 1, 2, 3, 4}), (7, {0, 2, 3, 5, 6}), (41, {0, 10, 20, 30, 40})],
)
def test_a_run_is_measured_at_the_first_evaluation_each_quarter_and_the_last(points: int, numbers: set[int]) -> None:
    schedule = EvaluationSchedule(points=points, episodes=4, absolute_episodes=4)
    assert measuring_points(spec(evaluation=schedule)) == numbers


def test_measurements_are_recorded_with_their_evaluations(tmp_path: Path) -> None:
    trained(tmp_path, spec(evaluation=EvaluationSchedule(points=7, episodes=4, absolute_episodes=4)))
    record = read_record(tmp_path / "out" / "record.json")
    points, found = record.outcome.evaluations, record.outcome.credit
    assert [(entry.step, entry.steps_done) for entry in found] == [
        (points[number].step, points[number].steps_done) for number in (0, 2, 3, 5, 6)
    ]
    assert {entry.episodes for entry in found} == {EPISODES}
    assert [entry.agents_shown for entry in found] == [None, None, None, None, 2]
    assert found[-1].drawn is not None
    assert 0 < record.execution.seconds["credit"] < record.execution.seconds["total"]


def test_a_measured_run_equals_an_unmeasured_one_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = trained(tmp_path / "looked at", spec())
    without_claims(monkeypatch)
    left_alone = trained(tmp_path / "left alone", spec())
    assert len(looked_at.outcome.credit) == 4
    assert left_alone.outcome.credit == ()
    assert looked_at.outcome.model_copy(update={"credit": ()}) == left_alone.outcome
    found, wanted = files(tmp_path / "looked at"), files(tmp_path / "left alone")
    assert {name: found[name] for name in ("policy", "final", "metrics")} == {
        name: wanted[name] for name in ("policy", "final", "metrics")
    }


@pytest.mark.parametrize("dependence", [SMALL, {"source": "random"}], ids=["learned", "random"])
def test_a_resumed_run_has_measured_the_same_as_an_uninterrupted_one(tmp_path: Path, dependence: dict[str, Any]) -> None:
    for updates in (1, 2):
        with pytest.raises(Crash):
            trained(tmp_path / "crashed", spec(dependence=dependence), progress=Quiet(updates))
    resumed = trained(tmp_path / "crashed", spec(dependence=dependence))
    whole = trained(tmp_path / "whole", spec(dependence=dependence))
    assert resumed.execution.resumes == 2
    assert len(whole.outcome.credit) == 4
    assert resumed.outcome_sha256 == whole.outcome_sha256
    assert files(tmp_path / "crashed") == files(tmp_path / "whole")


@pytest.mark.parametrize(("algorithm", "backend"), [("ippo", "native"), ("ippo+dg", "reference")])
def test_methods_without_a_graph_and_reference_backends_are_not_measured(
    algorithm: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("looked at")

    monkeypatch.setattr(benchmark.training.run, "measure_influence", refuse)
    settings = {"hidden_size": 8}
    chosen = spec(
        algorithm, settings=settings, backend=backend, evaluation=EvaluationSchedule(points=2, episodes=1, absolute_episodes=1)
    )
    assert measuring_points(chosen) == frozenset()
    run = Run(chosen, CPU)
    run.evaluate()
    assert run.credit == []
    assert "credit" not in run.seconds
    run.close()


def run_of(chosen: RunSpec) -> Run:
    """A run after its first update."""
    run = Run(chosen, CPU)
    run.advance()
    return run


def looked_at(run: Run, number: int = 3) -> GraphMeasurement:
    found = credit_monitor.measure_influence(run.spec, run.algorithm, number, run.steps_done, CPU)
    assert found is not None
    return found


def chief(found: GraphMeasurement) -> tuple[float | None, ...]:
    """Density, precision, recall, F1 and area beside the oracle "state and reward"."""
    entry = found.agreement[-1]
    assert entry.oracle == "state and reward"
    return entry.density, entry.precision, entry.recall, entry.f1, entry.auroc


def test_every_edge_and_none_are_measured_as_such() -> None:
    every, none = (looked_at(Run(spec(dependence={"source": source}), CPU)) for source in ("full", "self"))
    density = chief(every)[0]
    assert density is not None
    assert 0 < density < 1
    assert every.density == 1.0
    assert chief(every)[1:3] == (density, 1.0)
    assert none.density == 0.0
    assert chief(none) == (density, None, 0.0, 0.0, None)


def test_the_oracle_graph_as_a_claim_has_full_agreement() -> None:
    found = looked_at(run_of(spec("ippo+dg-oracle", {})))
    assert 0 < found.density < 1
    assert chief(found) == (found.density, 1.0, 1.0, 1.0, None)
    assert found.mean_claimed == found.mean_true


def test_a_graph_of_neighbours_is_measured_too() -> None:
    found = looked_at(run_of(spec("ippo+dg-knn", {})))
    assert 0 < found.density < 1


def test_the_measured_episodes_depend_on_the_policy_and_the_seed_alone() -> None:
    run = run_of(spec())
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, other = looked_at(run, 2), looked_at(run, 1)
    assert torch.equal(torch.get_rng_state(), before)
    assert looked_at(run, 2) == first
    assert other.agreement != first.agreement
    state = run.algorithm.state_dict()
    again = run_of(spec())
    assert same(again.algorithm.state_dict(), state)
    assert looked_at(again, 2) == first


def test_the_claim_is_about_episodes_played_as_evaluation_plays() -> None:
    schedule = EvaluationSchedule(points=4, episodes=4, absolute_episodes=4, policy="sample")
    run = run_of(spec(evaluation=schedule))
    seed = derive(run.spec.seed, "influence", 3)
    sampled, greedy = (
        observed_episodes(get_task(run.spec.task), run.algorithm, mode, ("oracle_graph",), seed, CPU)
        for mode in ("sample", "greedy")
    )
    assert not played_alike(sampled, greedy)
    claim = run.algorithm.influence(sampled)
    assert claim is not None
    wanted = measure_graph(claim, sampled, step=2000, steps_done=run.steps_done, pictures=True)
    assert looked_at(run, 3) == wanted


def played_alike(one: Episodes, other: Episodes) -> bool:
    return one.action.shape == other.action.shape and torch.equal(one.action, other.action)


def test_a_simulator_that_cannot_be_copied_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise NotForkable("of another package")

    monkeypatch.setattr(LevelBasedForaging, "fork", refuse)
    run = run_of(spec())
    point = run.evaluate()
    assert isinstance(point, EvaluationPoint)
    assert run.credit == []


def test_a_method_that_returns_no_influence_graph_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(spec())
    monkeypatch.setattr(run.algorithm, "influence", lambda episodes: None)
    run.evaluate()
    assert run.credit == []


def test_a_failed_run_keeps_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoilt(self: Any, episodes: Episodes) -> dict[str, float]:
        return {"loss": float("nan")}

    monkeypatch.setattr("algorithms.policy_gradient.learner.PolicyGradient.update", spoilt)
    outcome = trained(tmp_path, spec()).outcome
    assert outcome.status == "failed"
    assert [entry.step for entry in outcome.credit] == [0]
    assert read_record(tmp_path / "out" / "record.json").outcome == outcome
