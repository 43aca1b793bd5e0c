"""A run that is killed, interrupted or damaged ends as if nothing had happened."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.experiments.record import read_record
from benchmark.experiments.run_spec import EvaluationSchedule, resolve
from benchmark.training.checkpoints import RefusedCheckpoint
from benchmark.training.run import Run
from benchmark.training.signals import Interrupted
from tests.fixtures import toys
from tests.fixtures.known_toys import known_toys  # noqa: F401
from tests.fixtures.train_toy import BUDGET, Crash, Quiet, files, toy_spec, train_toy_process, trained

pytestmark = pytest.mark.usefixtures("known_toys")
ROOT = Path(__file__).parents[2]
BOTH_MODES = EvaluationSchedule(points=6, episodes=8, absolute_episodes=40, policy="both")


@pytest.mark.parametrize("crashes", [[1], [0], [3, 4, 2]])
def test_a_run_resumed_after_crashes_equals_an_uninterrupted_one(tmp_path: Path, crashes: list[int]) -> None:
    for updates in crashes:
        with pytest.raises(Crash):
            trained(tmp_path / "crashed", progress=Quiet(updates))
    assert not (tmp_path / "crashed" / "out").exists()
    resumed, whole = trained(tmp_path / "crashed"), trained(tmp_path / "whole")
    assert resumed.outcome_sha256 == whole.outcome_sha256
    assert files(tmp_path / "crashed") == files(tmp_path / "whole")
    assert resumed.execution.resumes == len(crashes)


def test_a_run_in_both_modes_resumes_with_its_greedy_evaluations(tmp_path: Path) -> None:
    spec = toy_spec(BUDGET, evaluation=BOTH_MODES)
    for updates in (3, 4):
        with pytest.raises(Crash):
            trained(tmp_path / "crashed", spec, progress=Quiet(updates))
    resumed = trained(tmp_path / "crashed", spec)
    trained(tmp_path / "whole", spec)
    assert len(resumed.outcome.greedy_evaluations) == BOTH_MODES.points
    assert files(tmp_path / "crashed") == files(tmp_path / "whole")


def test_work_since_the_last_checkpoint_is_done_again(tmp_path: Path) -> None:
    with pytest.raises(Crash):
        trained(tmp_path / "crashed", progress=Quiet(5), checkpoint_seconds=3600.0)
    assert not (tmp_path / "crashed" / "checkpoints" / "checkpoint.pt").exists()
    assert (tmp_path / "crashed" / "checkpoints" / "metrics.jsonl").stat().st_size > 0
    trained(tmp_path / "crashed")
    trained(tmp_path / "whole")
    assert files(tmp_path / "crashed") == files(tmp_path / "whole")


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path: Path) -> None:
    with pytest.raises(Crash):
        trained(tmp_path / "crashed", progress=Quiet(4))
    path, progress = tmp_path / "crashed" / "checkpoints" / "checkpoint.pt", Quiet()
    path.write_bytes(path.read_bytes()[:-100])
    trained(tmp_path / "crashed", progress=progress)
    trained(tmp_path / "whole")
    assert files(tmp_path / "crashed") == files(tmp_path / "whole")
    assert any("damaged" in message for message in progress.said)
    assert any("the checkpoint before" in message for message in progress.said)


def test_a_finished_run_writes_the_same_files_again_without_training(tmp_path: Path) -> None:
    trained(tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    for path in (tmp_path / "out").iterdir():
        path.unlink()
    trained(tmp_path, progress=Quiet(updates=0))
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_seconds_add_up_over_resumes(tmp_path: Path) -> None:
    with pytest.raises(Crash):
        trained(tmp_path, progress=Quiet(4))
    run = Run(toy_spec(BUDGET), torch.device("cpu"))
    state = torch.load(tmp_path / "checkpoints" / "checkpoint.pt", weights_only=True)["state"]
    run.load_state_dict(state["run"])
    assert run.seconds["collect"] == state["run"]["seconds"]["collect"] > 0
    assert run.seconds["total"] > state["run"]["seconds"]["total"] > 0


@pytest.mark.parametrize("settings", [{}, {"recurrent": True}])
def test_the_real_learner_resumes_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    import benchmark.environments.tasks.registry

    monkeypatch.setattr(benchmark.environments.tasks.registry, "FAMILIES", ("benchmark.environments.tasks.lbf:FAMILY",))
    toys.clear_caches()
    spec = resolve(
        task="lbf/5x5-2p-1f-coop",
        algorithm="mappo",
        regime="team",
        seed=0,
        budget=4000,
        settings={"episodes_per_update": 16, **settings},
        evaluation=EvaluationSchedule(points=3, episodes=4, absolute_episodes=4),
    )
    with pytest.raises(Crash):
        trained(tmp_path / "crashed", spec, progress=Quiet(2))
    trained(tmp_path / "crashed", spec)
    trained(tmp_path / "whole", spec)
    assert files(tmp_path / "crashed") == files(tmp_path / "whole")


def test_another_runs_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Crash):
        trained(tmp_path, progress=Quiet(2))
    with pytest.raises(RefusedCheckpoint, match="belongs to the run"):
        trained(tmp_path, toy_spec(BUDGET, seed=1))


# --- signals


class Signalled(Quiet):
    """Sends a signal to this very process after so many updates."""

    def __init__(self, number: int, updates: int) -> None:
        super().__init__()
        self.number, self.until = number, updates

    def advanced(self, steps_done: int, steps_per_second: float, mean_return: float) -> None:
        self.until -= 1
        if self.until == 0:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_with_a_checkpoint_and_no_record(tmp_path: Path, number: int) -> None:
    handler = signal.getsignal(number)
    with pytest.raises(Interrupted) as leaving:
        trained(tmp_path / "stopped", progress=Signalled(number, updates=3), checkpoint_seconds=3600.0)
    assert leaving.value.code == 128 + number
    assert signal.getsignal(number) is handler
    assert not (tmp_path / "stopped" / "out").exists()
    state = torch.load(tmp_path / "stopped" / "checkpoints" / "checkpoint.pt", weights_only=True)["state"]
    assert state["run"]["episodes_done"] == 3 * 20
    trained(tmp_path / "stopped")
    trained(tmp_path / "whole")
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")


def start(folder: Path, budget: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.fixtures.train_toy", str(folder), str(budget)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_a_process_leaves_with_the_code_of_the_signal(tmp_path: Path) -> None:
    process = start(tmp_path, 10**9)
    wait_for(tmp_path / "checkpoints" / "checkpoint.pt", process)
    process.terminate()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, output
    assert "Traceback" not in output


def modified(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


@pytest.mark.slow
def test_a_run_killed_at_twenty_random_moments_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    budget, kills, moments = 150_000, 20, random.Random(7)
    trained(tmp_path / "whole", toy_spec(budget))
    processes = multiprocessing.get_context("forkserver")  # imports torch once, not twenty times
    processes.set_forkserver_preload(["tests.fixtures.train_toy"])
    checkpoint = tmp_path / "killed" / "checkpoints" / "checkpoint.pt"
    for _ in range(kills):
        before = modified(checkpoint)
        process = processes.Process(target=train_toy_process, args=(str(tmp_path / "killed"), budget))
        process.start()
        deadline = time.monotonic() + 120
        while modified(checkpoint) == before:  # until it has come further than the one before it
            assert process.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(moments.uniform(0.0, 0.2))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    trained(tmp_path / "killed", toy_spec(budget))
    assert read_record(tmp_path / "killed" / "out" / "record.json").execution.resumes == kills
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


@pytest.mark.slow
def test_a_second_process_waits_for_the_first_and_stops_on_a_signal(tmp_path: Path) -> None:
    first = start(tmp_path, 10**9)
    wait_for(tmp_path / "checkpoints" / "checkpoint.pt", first)
    second = start(tmp_path, 10**9)
    try:
        assert second.stdout is not None
        assert "another process is training this run" in second.stdout.readline()
        second.terminate()
        assert second.wait(timeout=60) == 128 + signal.SIGTERM
        assert first.poll() is None
    finally:
        first.kill()
        second.kill()
        first.communicate()
        second.communicate()
