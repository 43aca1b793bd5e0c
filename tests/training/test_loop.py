"""One run from start to record: what it computes, how it ends, and what it refuses to start."""

from __future__ import annotations

import errno
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import algorithms.registry
from benchmark.experiments.outcome import best_evaluation
from benchmark.experiments.record import SettingsOrigin, read_record
from benchmark.experiments.run_spec import EvaluationSchedule, ImpossibleRun, resolve
from benchmark.training.metrics import MetricsLog
from benchmark.training.run import Run
from tests.fixtures import toys
from tests.fixtures.known_toys import known_toys  # noqa: F401
from tests.fixtures.train_toy import BUDGET, SCHEDULE, Quiet, files, same, toy_spec, trained

pytestmark = pytest.mark.usefixtures("known_toys")


def test_the_same_seed_gives_the_same_files_and_another_seed_another_outcome(tmp_path: Path) -> None:
    first, second = trained(tmp_path / "a"), trained(tmp_path / "b")
    other = trained(tmp_path / "c", toy_spec(BUDGET, seed=1))
    assert first.outcome_sha256 == second.outcome_sha256 != other.outcome_sha256
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_the_toy_is_learned(tmp_path: Path) -> None:
    outcome = trained(tmp_path, toy_spec(6000)).outcome
    assert outcome.evaluations[-1].success_rate > outcome.evaluations[0].success_rate + 0.2
    assert outcome.status == "ok"
    assert outcome.reason is None


def test_each_point_is_taken_at_the_first_update_boundary_when_it_is_due(tmp_path: Path) -> None:
    outcome = trained(tmp_path).outcome
    lines = [json.loads(line) for line in (tmp_path / "checkpoints" / "metrics.jsonl").read_text().splitlines()]
    boundaries = [0] + [line["step"] for line in lines if line["kind"] == "update"]
    assert [point.step for point in outcome.evaluations] == [0, 300, 600, 900, 1200, 1500]
    for point in outcome.evaluations:
        assert point.steps_done == min(step for step in boundaries if step >= point.step)
        assert len(point.returns) == SCHEDULE.episodes
    assert outcome.steps_done == boundaries[-1] >= BUDGET > boundaries[-2]


def test_both_modes_are_played_from_the_same_starts_and_the_sampled_one_is_the_score(tmp_path: Path) -> None:
    both = EvaluationSchedule(points=6, episodes=8, absolute_episodes=40, policy="both")
    twice = trained(tmp_path / "both", toy_spec(BUDGET, evaluation=both)).outcome
    sampled = trained(tmp_path / "sample").outcome
    assert twice.evaluations == sampled.evaluations
    assert len(twice.greedy_evaluations) == 6
    for greedy, point in zip(twice.greedy_evaluations, twice.evaluations, strict=True):
        assert (greedy.step, greedy.steps_done) == (point.step, point.steps_done)
        assert greedy.lengths == point.lengths  # the toy's lengths depend on its starts alone
        assert greedy.returns != point.returns
    assert twice.absolute is not None
    assert twice.greedy_absolute is not None
    assert twice.greedy_absolute.mean_return > twice.absolute.mean_return
    assert sampled.greedy_evaluations == ()
    assert sampled.greedy_absolute is None
    assert "greedy" not in sampled.canonical


def test_the_policy_that_is_kept_is_the_one_of_the_best_evaluation(tmp_path: Path) -> None:
    both = EvaluationSchedule(points=6, episodes=1, absolute_episodes=40, policy="both")
    spec = toy_spec(BUDGET, evaluation=both)
    run = Run(spec, torch.device("cpu"))
    kept = []
    while len(run.evaluations) < 6:
        while run.evaluation_due():
            run.evaluate()
            kept.append(run.algorithm.policy_state())
            kept[-1] = {name: tensor.clone() for name, tensor in kept[-1].items()}
        run.advance()
    run.close()
    number = best_evaluation(run.evaluations, both, "return")
    trained(tmp_path, spec)
    assert same(load_file(tmp_path / "out" / "policy.safetensors"), kept[number])


def test_two_points_due_at_one_boundary_are_both_taken(tmp_path: Path) -> None:
    dense = EvaluationSchedule(points=31, episodes=4, absolute_episodes=4, policy="sample")
    outcome = trained(tmp_path, toy_spec(BUDGET, evaluation=dense)).outcome
    assert len(outcome.evaluations) == 31
    assert len(outcome.training) == len(outcome.monitors["loss"]) == 30
    together = [k for k in range(1, 31) if outcome.evaluations[k].steps_done == outcome.evaluations[k - 1].steps_done]
    assert together
    for k in together:
        assert outcome.evaluations[k].lengths != outcome.evaluations[k - 1].lengths  # seeds of its own
        interval = outcome.training[k - 1]
        assert (interval.episodes, interval.mean_return, interval.success_rate, interval.mean_length) == (0, None, None, None)
        assert outcome.monitors["loss"][k - 1] is None


def test_training_intervals_are_means_over_the_updates_between_two_points(tmp_path: Path) -> None:
    outcome = trained(tmp_path).outcome
    lines = [json.loads(line) for line in (tmp_path / "checkpoints" / "metrics.jsonl").read_text().splitlines()]
    updates = [line for line in lines if line["kind"] == "update"]
    for k in range(1, 6):
        first, last = outcome.evaluations[k - 1].steps_done, outcome.evaluations[k].steps_done
        inside = [line for line in updates if first < line["step"] <= last]
        interval = outcome.training[k - 1]
        assert interval.step == outcome.evaluations[k].step
        assert interval.episodes == sum(line["episodes"] for line in inside) == 20 * len(inside)
        for name in ("mean_return", "success_rate", "mean_length"):
            assert getattr(interval, name) == pytest.approx(sum(line[name] for line in inside) / len(inside)), name
        assert outcome.monitors["loss"][k - 1] == pytest.approx(sum(line["loss"] for line in inside) / len(inside))


def test_training_is_the_same_with_evaluation_on_off_or_other() -> None:
    states, updates = [], []
    for schedule, evaluates in ((SCHEDULE, True), (SCHEDULE, False), (EvaluationSchedule(points=3, episodes=5), True)):
        run = Run(toy_spec(BUDGET, evaluation=schedule), torch.device("cpu"))
        made = []
        while run.steps_done < BUDGET:
            while evaluates and run.evaluation_due():
                run.evaluate()
            made.append(run.advance())
        states.append(run.algorithm.state_dict())
        updates.append(made)
        run.close()
    assert updates[0] == updates[1] == updates[2]
    assert same(states[0], states[1])
    assert same(states[0], states[2])


def test_the_absolute_score_is_of_the_earliest_best_policy_and_training_ends_with_the_final_one(tmp_path: Path) -> None:
    record = trained(tmp_path)
    means = [point.mean_return for point in record.outcome.evaluations]
    best = means.index(max(means))
    run, policies = Run(record.spec, torch.device("cpu")), []
    while run.steps_done < BUDGET:
        while run.evaluation_due():
            run.evaluate()
            policies.append({name: value.clone() for name, value in run.algorithm.policy_state().items()})
        run.advance()
    run.evaluate()
    assert same(
        load_file(tmp_path / "out" / "policy.safetensors"), policies[best] if best < 5 else run.algorithm.policy_state()
    )
    run.evaluate_best()
    assert run.absolute == record.outcome.absolute
    assert len(record.outcome.absolute.returns) == SCHEDULE.absolute_episodes
    assert record.outcome.absolute.step == record.outcome.evaluations[best].step
    assert same(load_file(tmp_path / "out" / "final.safetensors"), run.algorithm.policy_state())


def test_equally_good_policies_the_earliest_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(toy_spec(BUDGET), torch.device("cpu"))
    point = run.evaluate()
    first = {name: value.clone() for name, value in run.algorithm.policy_state().items()}
    run.advance()
    monkeypatch.setattr(run._evaluator, "evaluate", lambda *arguments: point)
    run.evaluate()
    assert same(run._best, first)
    assert not same(first, run.algorithm.policy_state())


@pytest.mark.parametrize(
    ("fault", "reason"), [("monitor", "diverged: loss at step "), ("parameters", "diverged: policy parameters at step ")]
)
def test_a_diverged_run_is_a_failed_record_that_is_final(tmp_path: Path, fault: str, reason: str) -> None:
    spec = toy_spec(BUDGET, fault=fault, at_update=6)
    outcome = trained(tmp_path, spec).outcome
    assert outcome.status == "failed"
    assert outcome.reason == f"{reason}{outcome.steps_done}"
    assert outcome.absolute is None
    assert [point.step for point in outcome.evaluations] == [0, 300]
    assert len(outcome.training) == len(outcome.monitors["loss"]) == 1
    assert read_record(tmp_path / "out" / "record.json").outcome == outcome
    (tmp_path / "out" / "record.json").unlink()
    assert trained(tmp_path, spec).outcome == outcome


def test_a_run_in_both_modes_that_diverges_has_as_many_greedy_evaluations(tmp_path: Path) -> None:
    both = EvaluationSchedule(points=6, episodes=8, absolute_episodes=40, policy="both")
    trained(tmp_path, toy_spec(BUDGET, evaluation=both, fault="monitor", at_update=6))
    outcome = read_record(tmp_path / "out" / "record.json").outcome
    assert outcome.status == "failed"
    assert [point.step for point in outcome.greedy_evaluations] == [point.step for point in outcome.evaluations] == [0, 300]
    assert (outcome.absolute, outcome.greedy_absolute) == (None, None)


def test_an_exception_leaves_no_record(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="a fault, as asked for"):
        trained(tmp_path, toy_spec(BUDGET, fault="raise"))
    assert not (tmp_path / "out").exists()


def test_the_record_holds_how_it_was_computed(tmp_path: Path) -> None:
    record = trained(tmp_path)
    seconds = record.execution.seconds
    assert set(seconds) == {"collect", "update", "evaluate", "checkpoint", "total"}
    assert min(seconds["collect"], seconds["update"], seconds["evaluate"], seconds["checkpoint"]) > 0
    assert seconds["total"] >= sum(value for name, value in seconds.items() if name != "total") - 0.01
    assert record.execution.peak_memory_bytes > 10**7
    assert record.execution.resumes == 0
    assert (record.execution.provenance.threads, record.execution.provenance.device) == (1, "cpu")
    assert len(record.execution.provenance.installed_sha256 or "") == 64
    assert record.origin == SettingsOrigin(source="the tests")


def test_runs_that_must_not_start_are_refused(tmp_path: Path) -> None:
    spec = toy_spec(BUDGET)
    for field, match in (
        ("task_version", "version 2 of the task toy/signs; here it has version 1"),
        ("algorithm_version", "version 2 of the algorithm toy"),
        ("protocol_version", "version 2 of the protocol"),
    ):
        with pytest.raises(ImpossibleRun, match=match):
            trained(tmp_path, spec.model_copy(update={field: 2}))
    for options, match in (
        ({"threads": 0}, "threads must be at least 1"),
        ({"device": "tpu"}, "device"),
    ):
        with pytest.raises((ValueError, RuntimeError), match=match):
            trained(tmp_path, spec, **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("requires", "message"),
    [("crystal_ball", "toy requires crystal_ball, which no probe provides"), ("distance_graph", "toy/signs have no positions")],
)
def test_an_algorithm_that_requires_what_no_probe_sees_is_refused_when_planning(
    monkeypatch: pytest.MonkeyPatch, requires: str, message: str
) -> None:
    demanding = replace(toys.LEARNER, requires=("oracle_graph", requires))
    monkeypatch.setattr(algorithms.registry, "BUILT_IN", (demanding,))
    toys.clear_caches()
    with pytest.raises(ImpossibleRun, match=message):
        toy_spec(BUDGET)


@pytest.mark.parametrize("name", ["checkpoint.pt", "policy.safetensors", "record.json"])
def test_a_full_disk_ends_the_run_with_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    replace = os.replace

    def full(source: Any, target: Any) -> None:
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match=f"No space left on device.*{name}"):
            trained(tmp_path / "full")
    assert not (tmp_path / "full" / "out" / "record.json").exists()
    assert not [path for path in (tmp_path / "full").rglob(".*") if path.is_file()]
    trained(tmp_path / "full")
    trained(tmp_path / "whole")
    assert files(tmp_path / "full") == files(tmp_path / "whole")


def test_curves_are_written_to_tensorboard_on_request(tmp_path: Path) -> None:
    accumulators = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    outcome = trained(tmp_path, tensorboard=tmp_path / "board").outcome
    events = accumulators.EventAccumulator(str(tmp_path / "board"))
    events.Reload()
    shown = [(event.step, event.value) for event in events.Scalars("evaluation/mean_return")]
    expected = [(point.steps_done, pytest.approx(point.mean_return, rel=1e-5)) for point in outcome.evaluations]
    assert shown == expected
    assert {"training/mean_return", "training/loss"} <= set(events.Tags()["scalars"])


def test_tensorboard_without_its_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ModuleNotFoundError, match=r"creditbench\[tensorboard\]"):
        MetricsLog(tmp_path / "metrics.jsonl", tmp_path / "board").open(0, 0)


@pytest.mark.parametrize(("warm_up", "learns"), [(32, True), (10_000, False)])
def test_a_run_that_was_all_warm_up_says_so(tmp_path: Path, warm_up: int, learns: bool) -> None:
    redistribution = {"width": 4, "heads": 1, "depth": 1, "batch_episodes": 8, "fit_interval": 1, "warm_up_episodes": warm_up}
    spec = resolve(
        task="toy/signs",
        algorithm="ippo+arel",
        regime="episodic",
        seed=0,
        budget=BUDGET,
        settings={"episodes_per_update": 16, "redistribution": {**redistribution, "gradient_steps_per_episode": 0.1}},
        evaluation=EvaluationSchedule(points=2, episodes=2, absolute_episodes=2),
    )
    progress = Quiet()
    trained(tmp_path, spec, progress=progress)
    assert any("the policy never learned" in message for message in progress.said) == (not learns)
