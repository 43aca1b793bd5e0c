"""The policy files of a finished run, and evaluating it again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from algorithms.seeds import derive
from benchmark.training.evaluation import MAXIMUM_ROWS, Evaluator, evaluate_run
from benchmark.training.policy_files import CorruptPolicy, write_policy
from benchmark.training.trained_policy import load_trained
from tests.fixtures.known_toys import known_toys  # noqa: F401
from tests.fixtures.train_toy import toy_spec, trained

pytestmark = pytest.mark.usefixtures("known_toys")


def test_a_finished_run_can_be_evaluated_on_fresh_episodes(tmp_path: Path) -> None:
    trained(tmp_path, toy_spec(6000))
    run = load_trained(tmp_path / "out")
    first = evaluate_run(run, 50, seed=1, mode="sample")
    assert evaluate_run(run, 50, seed=1, mode="sample") == first
    assert evaluate_run(run, 50, seed=2, mode="sample").lengths != first.lengths
    greedy = evaluate_run(run, 50, seed=1, mode="greedy")
    assert greedy.lengths == first.lengths
    assert greedy.mean_return > first.mean_return
    untrained = trained(tmp_path / "untrained", toy_spec(5)).outcome.evaluations[0]
    assert first.mean_return > untrained.mean_return


def test_evaluating_a_run_is_evaluating_its_policy_on_seeds_of_its_own(tmp_path: Path) -> None:
    record = trained(tmp_path)
    run, told = load_trained(tmp_path / "out"), list[int]()
    evaluated = evaluate_run(run, MAXIMUM_ROWS + 2, seed=1, mode="sample", played=told.append)
    assert told == [MAXIMUM_ROWS, MAXIMUM_ROWS + 2]
    assert (evaluated.step, evaluated.steps_done) == (record.outcome.steps_done, record.outcome.steps_done)
    evaluator = Evaluator(run.task, "native", MAXIMUM_ROWS + 2, torch.device("cpu"))
    algorithm = run.algorithm(evaluator.team, torch.device("cpu"), "best")
    again = evaluator.evaluate(algorithm, "sample", derive(1, "evaluate"), 0, 0)
    assert (evaluated.returns, evaluated.successes) == (again.returns, again.successes)


def test_the_final_policy_can_be_evaluated_too(tmp_path: Path) -> None:
    trained(tmp_path)
    run = load_trained(tmp_path / "out")
    best, final = (evaluate_run(run, 50, 1, "sample", policy_file) for policy_file in ("best", "final"))
    assert best != final
    (tmp_path / "out" / "final.safetensors").replace(tmp_path / "out" / "policy.safetensors")
    assert evaluate_run(run, 50, 1, "sample", "best") == final


def test_policy_files_hold_the_fingerprint_and_foreign_ones_are_refused(tmp_path: Path) -> None:
    record = trained(tmp_path)
    path = tmp_path / "out" / "policy.safetensors"
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"fingerprint": record.fingerprint}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    wrong: list[tuple[dict[str, torch.Tensor], str, str]] = [
        (tensors, "0" * 64, "the policy of another run"),
        (tensors | {"more": torch.zeros(1)}, record.fingerprint, "unknown tensors.*more"),
        ({"weight": tensors["weight"]}, record.fingerprint, "missing tensors.*bias"),
        (tensors | {"bias": torch.zeros(3)}, record.fingerprint, r"bias is torch.float32 \[3\]"),
        (tensors | {"bias": tensors["bias"].double()}, record.fingerprint, "bias is torch.float64"),
        (tensors | {"bias": torch.full_like(tensors["bias"], float("nan"))}, record.fingerprint, "not all of its numbers"),
        (tensors | {"bias": torch.zeros(1_000_000)}, record.fingerprint, "bytes, where this policy takes"),
    ]
    for content, fingerprint, match in wrong:
        write_policy(path, content, fingerprint)
        with pytest.raises(CorruptPolicy, match=match):
            evaluate_run(load_trained(tmp_path / "out"), 4, 0, "sample")
    path.write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(CorruptPolicy, match=r"policy\.safetensors"):
        evaluate_run(load_trained(tmp_path / "out"), 4, 0, "sample")
    path.unlink()
    with pytest.raises(CorruptPolicy, match="No such file"):
        evaluate_run(load_trained(tmp_path / "out"), 4, 0, "sample")
