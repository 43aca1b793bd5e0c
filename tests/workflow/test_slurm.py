"""profiles/slurm on a real Slurm of one node: what a user sees of each way in which a run ends, and which records there are.

    uv run pytest -n0 -m slow tests/workflow/test_slurm.py

Takes about ten minutes on two cores. Skipped where Slurm is not installed (Debian: apt-get install slurm-wlm munge).
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import EXAMPLE, FAULTY, Checkout
from tests.workflow.one_node_slurm import OneNodeSlurm, absent_programs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(absent_programs()), reason=f"Slurm is not installed: no {', '.join(absent_programs())}"),
]

SNAKEMAKE = ("snakemake", "--workflow-profile", "profiles/slurm", "--config", "suites=[mine.yaml]")
RESOURCES = ("--set-resources", "train:slurm_partition=main", "train:mem_mb=2000")
PLAIN = [f"plain{k}" for k in range(4)]
FAULTS = {"crash": "raise", "memory": "memory", "cut": "wait", "cancelled": "wait"}
VARIANTS = {name: {"algorithm": "reinforce", "settings": {"learning_rate": 0.1 * (k + 1)}} for k, name in enumerate(PLAIN)} | {
    name: {"algorithm": "faulty", "settings": {"fault": fault, "learning_rate": 0.1 * (k + 1)}}
    for k, (name, fault) in enumerate(FAULTS.items())
}


@pytest.fixture(scope="module")
def slurm() -> Iterator[OneNodeSlurm]:
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, OneNodeSlurm(Path(folder)) as running:
        yield running


@pytest.fixture
def checkout(slurm: OneNodeSlurm, tmp_path: Path) -> Iterator[Checkout]:
    """Every test leaves an empty queue."""
    made = Checkout.fresh(tmp_path, EXAMPLE, FAULTY)
    made.environment = slurm.environment
    yield made
    slurm.run("scancel", "--partition=main")
    wait_for(lambda: not jobs(slurm))


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None, process.communicate()[0]
        time.sleep(0.2)


def jobs(slurm: OneNodeSlurm, form: str = "%i") -> list[str]:
    """The queued and running jobs."""
    return slurm.run("squeue", "--noheader", "--sort=i", f"--format={form}").stdout.splitlines()


def logs(checkout: Checkout) -> dict[str, tuple[str, str]]:
    """The folder of the run below results/runs and the text of the log, by variant, of what was started so far."""
    root = checkout.folder / "logs"
    found = {}
    for path in root.glob("example/**/*.log"):
        text = path.read_text()
        started = re.search(r" --variant (\S+) ", text)
        if started:
            found[started[1]] = (path.relative_to(root).with_suffix("").as_posix(), text)
    return found


def variants_with_record(checkout: Checkout) -> list[str]:
    runs = {run: variant for variant, (run, _) in logs(checkout).items()}
    return sorted(runs[run] for run in checkout.records())


def in_the_loop(checkout: Checkout, variant: str) -> str | None:
    """The id of the Slurm job that trains the variant, once it learns."""
    _, text = logs(checkout).get(variant, ("", ""))
    job = re.search(r", Slurm job (\d+): ", text)
    return job[1] if job and "evaluation 0/" in text else None


def failures(output: str) -> Counter[tuple[str, str]]:
    """How often snakemake reported a job of the variant with the status of Slurm."""
    pattern = r"SLURM-job '\d+' failed, SLURM status is: '(\w+)'.*? --variant (\S+) "
    return Counter((variant, status) for status, variant in re.findall(pattern, output, re.S))


def test_a_crash_a_time_limit_a_memory_limit_and_a_cancelled_job_among_eight_runs(
    checkout: Checkout, slurm: OneNodeSlurm
) -> None:
    checkout.write_suite(variants=VARIANTS, seeds=[0])
    process = checkout.start(*SNAKEMAKE, *RESOURCES, "train:runtime=20", "--retries", "1")
    for variant, command in (("cut", "scontrol update TimeLimit=1 JobId="), ("cancelled", "scancel ")):
        wait_for(partial(in_the_loop, checkout, variant), process)
        assert slurm.run(*shlex.split(f"{command}{in_the_loop(checkout, variant)}")).returncode == 0
    output, _ = process.communicate(timeout=900)
    print(output)
    assert process.returncode != 0
    assert failures(output) == {
        ("crash", "FAILED"): 2,
        ("memory", "FAILED"): 2,
        ("cut", "TIMEOUT"): 1,
        ("cancelled", "CANCELLED"): 1,
    }
    assert output.count("\nRuntimeError: a fault, as asked for\n") == 2
    assert "Exceeded job memory limit" in output
    assert "DUE TO TIME LIMIT" in output
    assert variants_with_record(checkout) == sorted([*PLAIN, "cut", "cancelled"])
    for variant in ("cut", "cancelled"):
        _, text = logs(checkout)[variant]
        assert re.search("training from step [1-9]", text), text
    crashes = {path.parent.relative_to(checkout.folder / "checkpoints") for path in checkout.folder.rglob("crash.json")}
    assert crashes == {Path(logs(checkout)["crash"][0])}
    runs: list[dict[str, Any]] = checkout.aggregated()["runs"]
    presence = {run["planned"][0]["variant"]: (run["presence"], run["reason"]) for run in runs}
    assert presence == dict.fromkeys(VARIANTS, ("own", None)) | {
        "crash": ("crashed", "exit code 1: RuntimeError: a fault, as asked for"),
        "memory": ("missing", None),
    }
    assert (checkout.folder / "reports" / "index.html").exists()


def killed(checkout: Checkout, slurm: OneNodeSlurm) -> list[str]:
    """The jobs, two running and two queued, of a snakemake that was killed with SIGKILL."""
    process = checkout.start(*SNAKEMAKE, *RESOURCES)
    wait_for(lambda: sorted(jobs(slurm, "%t")) == ["PD", "PD", "R", "R"], process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return jobs(slurm)


def refused(checkout: Checkout) -> str:
    """What the second start said of the jobs of the first: the command that cancels them."""
    second = checkout.run(*SNAKEMAKE, *RESOURCES)
    print(second.stdout)
    assert second.returncode != 0
    assert "has been submitted" not in second.stdout
    said = re.search(
        r"\d Slurm jobs? of an earlier snakemake in this folder .* cancel them \((scancel --name=\S+)\)", second.stdout
    )
    assert said, second.stdout
    return said[1]


def test_a_second_start_is_refused_and_the_queued_jobs_of_the_first_still_end_well(
    checkout: Checkout, slurm: OneNodeSlurm
) -> None:
    checkout.write_suite(variants={name: VARIANTS[name] for name in PLAIN}, seeds=[0])
    submitted = killed(checkout, slurm)
    refused(checkout)
    assert set(jobs(slurm)) <= set(submitted)
    wait_for(lambda: not jobs(slurm))
    assert variants_with_record(checkout) == PLAIN
    third = checkout.run(*SNAKEMAKE, *RESOURCES)
    assert third.returncode == 0, third.stdout
    assert "has been submitted" not in third.stdout


def test_the_named_command_cancels_the_jobs_and_the_next_start_goes_on_from_their_checkpoints(
    checkout: Checkout, slurm: OneNodeSlurm
) -> None:
    waiting = {
        name: {"algorithm": "faulty", "settings": {"fault": "wait", "learning_rate": 0.1 * (k + 1)}}
        for k, name in enumerate("abcd")
    }
    checkout.write_suite(variants=waiting, seeds=[0])
    killed(checkout, slurm)
    wait_for(lambda: sum(in_the_loop(checkout, name) is not None for name in waiting) == 2)
    begun = list(logs(checkout))
    assert slurm.run(*shlex.split(refused(checkout))).returncode == 0
    wait_for(lambda: not jobs(slurm))
    checkout.environment = slurm.environment | {"FAULTS": "off"}
    third = checkout.run(*SNAKEMAKE, *RESOURCES)
    assert third.returncode == 0, third.stdout
    assert variants_with_record(checkout) == list(waiting)
    assert sorted(name for name, (_, text) in logs(checkout).items() if "training from step " in text) == sorted(begun)


def test_short_runs_share_a_job_and_a_cancelled_one_costs_no_training(checkout: Checkout, slurm: OneNodeSlurm) -> None:
    checkout.write_suite(variants={name: VARIANTS[name] for name in PLAIN}, seeds=[0])
    group = ("--cores", "1", "--groups", "train=runs", "--group-components", "runs=4")
    process = checkout.start(*SNAKEMAKE, *RESOURCES, "train:runtime=10", *group)
    wait_for(lambda: jobs(slurm), process)
    assert jobs(slurm, "%C %m %l") == ["1 2000M 40:00"]  # processors, memory and time of the job
    wait_for(lambda: len(checkout.records()) == 2, process)  # the first member has ended, the second perhaps not quite
    (job,) = jobs(slurm)
    slurm.run("scancel", job)
    first = variants_with_record(checkout)
    wait_for(lambda: not checkout.records(), process)  # snakemake removes what a failed job has made
    output, _ = process.communicate(timeout=900)
    print(output)
    assert process.returncode == 0
    assert output.count("has been submitted") == 2
    assert variants_with_record(checkout) == PLAIN
    for variant in first:
        assert "training from the start" not in logs(checkout)[variant][1]
