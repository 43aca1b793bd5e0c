"""A second start while Slurm still has jobs of the first: nothing is submitted twice, and nothing is asked without Slurm."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmark.experiments.store import Store
from benchmark.workflow.pipeline import Pipeline
from benchmark.workflow.slurm_jobs import NoAnswer, SlurmJobs, UnfinishedJobs, require_no_unfinished_jobs, unfinished_jobs
from tests.checkout import EXAMPLE, Checkout
from tests.workflow.test_plan import SUITE, put_record

FIRST = "creditbench_6eb22be5-ad56-4ffc-a13f-222acdb55ee5"
SECOND = "0b9e3b1c-1a6f-4a8e-9d1c-6f0a3f1f7d55"  # without the prefix of profiles/slurm


def command(folder: Path, name: str, script: str) -> Path:
    """An executable of that name in `folder`, which is to be put in PATH."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in PATH, beside that of `cat` and `sleep`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("cat", "sleep"):
        (folder / name).symlink_to(next(Path(part) / name for part in ("/bin", "/usr/bin") if (Path(part) / name).exists()))
    monkeypatch.setenv("PATH", str(folder))
    return folder


def queue(commands: Path, *lines: str) -> None:
    """A squeue that shows these lines and writes down its arguments."""
    (commands.parent / "queue").write_text("".join(line + "\n" for line in lines))
    command(commands, "squeue", f'echo "$@" "$SQUEUE_STATES" >> {commands.parent}/asked\ncat {commands.parent}/queue')


def test_without_slurm_nothing_is_asked(commands: Path, tmp_path: Path) -> None:
    assert unfinished_jobs(tmp_path) == SlurmJobs()
    require_no_unfinished_jobs(tmp_path, submits=True)


def test_jobs_of_this_folder_are_told_from_those_of_others(commands: Path, tmp_path: Path) -> None:
    folder, link = tmp_path / "here", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    queue(
        commands,
        f"11|{FIRST}|{folder}",
        f"12|{FIRST}|{link}",
        f"12|{FIRST}|{folder}",  # the second job of an array
        f"13|{SECOND}|{folder}",
        f"14|{FIRST}|{tmp_path}/elsewhere",
        f"15|{FIRST}|{folder}/below",
        f"16|bash|{folder}",  # for example the job in which this snakemake runs
        f"17|my_{FIRST}_job|{folder}",
    )
    assert unfinished_jobs(folder) == SlurmJobs(("11", "12", "13"), (FIRST, SECOND))
    assert unfinished_jobs(link) == unfinished_jobs(folder)


def test_only_own_unfinished_jobs_are_asked_for(commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUEUE_STATES", "all")
    queue(commands)
    assert unfinished_jobs(tmp_path) == SlurmJobs()
    assert (tmp_path / "asked").read_text().split() == ["--me", "--noheader", "--format=%F|%j|%Z"]


def test_the_refusal_is_one_line_with_the_command_that_cancels(commands: Path, tmp_path: Path) -> None:
    queue(commands, f"11|{FIRST}|{tmp_path}", f"12|{FIRST}|{tmp_path}", f"13|{SECOND}|{tmp_path}")
    for submits in (False, True):
        with pytest.raises(UnfinishedJobs) as refused:
            require_no_unfinished_jobs(tmp_path, submits=submits)
        assert str(refused.value) == (
            "3 Slurm jobs of an earlier snakemake in this folder would be trained twice; let them end (squeue --me) or cancel "
            f"them (scancel --name={FIRST} && scancel --name={SECOND}), then give the same command again"
        )


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo first >&2; echo 'Unable to contact slurm controller' >&2; exit 1", "Unable to contact slurm controller"),
        ("exit 3", "exit code 3"),
        ("exec sleep 60", "timed out after 0.2 seconds"),
    ],
)
def test_a_slurm_that_does_not_answer_matters_only_where_runs_are_submitted(
    commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    monkeypatch.setattr("benchmark.workflow.slurm_jobs.ANSWER_SECONDS", 0.2)
    command(commands, "squeue", script)
    require_no_unfinished_jobs(tmp_path, submits=False)
    with pytest.raises(NoAnswer) as refused:
        require_no_unfinished_jobs(tmp_path, submits=True)
    assert str(refused.value).startswith("squeue does not answer: ")
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_jobs_matter_only_to_a_start_that_trains(commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.experiments.suite.load_suite", lambda name: SUITE)
    queue(commands, f"11|{FIRST}|{tmp_path}")
    with pytest.raises(UnfinishedJobs):
        Pipeline({"suites": "mine"}, tmp_path).claim_folder(submits=True)
    (tmp_path / "asked").unlink()
    for run in SUITE.runs():
        put_record(Store(tmp_path).own(run.spec), run.spec)
    Pipeline({"suites": "mine"}, tmp_path).claim_folder(submits=True)
    assert not (tmp_path / "asked").exists()


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = Checkout.fresh(tmp_path_factory.mktemp("fresh"), EXAMPLE)
    checkout.write_suite(seeds=[0])
    return checkout


def test_a_second_start_submits_nothing_and_leaves_the_log_folders_of_queued_jobs(fresh: Checkout) -> None:
    commands = fresh.folder.parent / "bin"
    submitted = commands.parent / "submitted"
    command(commands, "squeue", f"echo '11|{FIRST}|{fresh.folder}'")
    command(commands, "sbatch", f"echo called >> {submitted}; exit 1")
    command(commands, "sinfo", "echo 'main*'")
    for name in ("scontrol", "sacct", "scancel"):
        command(commands, name, "exit 1")
    fresh.environment = {"PATH": f"{commands}:{os.environ['PATH']}"}
    queued = fresh.folder / "logs" / "slurm" / "rule_train" / "example_signals_reinforce"
    queued.mkdir(parents=True)
    second = fresh.run("snakemake", "--workflow-profile", "profiles/slurm", "--config", "suites=[mine.yaml]")
    assert second.returncode != 0
    assert (
        f"1 Slurm job of an earlier snakemake in this folder would be trained twice; let them end (squeue --me) or cancel "
        f"them (scancel --name={FIRST})" in second.stdout
    )
    assert not submitted.exists()
    assert queued.is_dir()


def test_the_profile_needs_no_number_of_cores(fresh: Checkout) -> None:
    planned = fresh.run("snakemake", "-n", "--workflow-profile", "profiles/slurm", "--config", "suites=[mine.yaml]")
    assert planned.returncode == 0, planned.stdout
    assert "train plain on example/signals" in planned.stdout
