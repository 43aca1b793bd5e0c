"""The pipeline in a fresh checkout: what it trains, what it leaves alone, and how each kind of failure ends.

Runs are of a made-up task and take a second, most of which is importing torch.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import EXAMPLE, FAULTY, ROOT, Checkout

PLAIN = {"plain": {"algorithm": "reinforce"}}
MIXED = PLAIN | {fault: {"algorithm": "faulty", "settings": {"fault": fault}} for fault in ("diverge", "raise", "kill", "disk")}


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def presence(checkout: Checkout) -> dict[str, tuple[str, str | None, str | None]]:
    """What the aggregate says of each run, by variant: presence, status, reason."""
    return {
        run["planned"][0]["variant"]: (run["presence"], run["status"], run["reason"]) for run in checkout.aggregated()["runs"]
    }


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A fresh checkout with a suite of two algorithms, both of whose runs have reference records."""
    checkout = Checkout.fresh(tmp_path_factory.mktemp("committed"), EXAMPLE, FAULTY)
    checkout.write_suite(variants=PLAIN | {"other": {"algorithm": "faulty"}}, seeds=[0])
    for variant in ("plain", "other"):
        made = checkout.creditbench("train", "--suite", "mine.yaml", "--task", "example/signals", "--variant", variant)
        assert made.returncode == 0, made.stdout
    (checkout.folder / "results" / "runs").rename(checkout.folder / "results" / "reference")
    shutil.rmtree(checkout.folder / "checkpoints")
    return checkout


@pytest.fixture
def clone(committed: Checkout, tmp_path: Path) -> Checkout:
    """A copy of that checkout to change, its files in arbitrary order of age, as git leaves them."""
    copy = replace(committed, folder=tmp_path / "checkout", site=tmp_path / "site")
    shutil.copytree(committed.folder, copy.folder, copy_function=shutil.copy)
    shutil.copytree(committed.site or Path(), copy.site or Path(), copy_function=shutil.copy)
    return copy


def test_what_has_a_reference_record_is_not_trained(clone: Checkout) -> None:
    assert clone.planned() == []


def test_retrain_trains_it_all_the_same(clone: Checkout) -> None:
    assert clone.planned(retrain=True) == ["other", "plain"]


def test_raising_a_version_plans_exactly_the_runs_of_that_algorithm(clone: Checkout) -> None:
    assert clone.site is not None
    replaced(clone.site / "creditbench_faulty" / "__init__.py", "version=1", "version=2")
    assert clone.planned() == ["other"]


def test_editing_code_plans_nothing(clone: Checkout) -> None:
    assert clone.site is not None
    for path in (clone.site / "creditbench_example" / "environment.py", clone.folder / "benchmark" / "training" / "loop.py"):
        path.write_text(path.read_text() + "\n# A comment.\n")
    replaced(clone.folder / "Snakefile", "{params.creditbench} train", "{params.creditbench}  train")
    assert clone.planned() == []


def test_finished_runs_are_not_trained_again_without_the_folder_of_checkpoints(clone: Checkout) -> None:
    (clone.folder / "results" / "reference").rename(clone.folder / "results" / "runs")
    assert not (clone.folder / "checkpoints").exists()
    assert clone.planned() == []


def test_a_new_seed_plans_its_runs_alone(clone: Checkout) -> None:
    replaced(clone.folder / "mine.yaml", "seeds:\n- 0", "seeds:\n- 0\n- 5")
    assert clone.planned() == ["other", "plain"]


def test_a_typo_ends_before_anything_is_run(clone: Checkout) -> None:
    result = clone.run("snakemake", "--cores", "1", "--config", "suitez=[mine.yaml]")
    assert result.returncode != 0
    assert "suitez: there is no such key. Did you mean suites?" in result.stdout
    replaced(clone.folder / "mine.yaml", "example/signals", "example/signal")
    result = clone.pipeline()
    assert result.returncode != 0
    assert "There is no task 'example/signal'. Did you mean example/signals" in result.stdout
    assert not (clone.folder / "logs").exists()


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, str]:
    """A pipeline whose runs end in every way there is, and what it printed."""
    checkout = Checkout.fresh(tmp_path_factory.mktemp("failing"), EXAMPLE, FAULTY)
    checkout.write_suite(variants=MIXED, seeds=[0])
    result = checkout.pipeline(cores=4)
    assert result.returncode != 0
    return checkout, result.stdout


def test_failures_stop_no_other_run_and_the_report_is_built(failing: tuple[Checkout, str]) -> None:
    checkout, output = failing
    found = presence(checkout)
    assert found["plain"] == ("own", "ok", None)
    assert found["diverge"][:2] == ("own", "failed")
    assert "diverged: loss at step" in str(found["diverge"][2])
    assert found["raise"] == ("crashed", None, "exit code 1: RuntimeError: a fault, as asked for")
    assert found["kill"][::2] == ("crashed", "killed by SIGKILL: out of memory, or by hand")
    assert found["disk"][0] == "crashed"
    assert "File too large" in str(found["disk"][2])
    pages = "".join(page.read_text() for page in (checkout.folder / "reports").rglob("*.html"))
    for reason in ("diverged: loss", "RuntimeError: a fault", "killed by SIGKILL", "File too large"):
        assert reason in pages
    assert "a fault, as asked for" in output


def test_a_crash_leaves_no_record_and_no_half_of_one(failing: tuple[Checkout, str]) -> None:
    checkout, _ = failing
    records = checkout.records()
    assert len(records) == 2
    assert not [path for path in (checkout.folder / "results" / "runs").rglob("*") if path.name.startswith(".")]


def test_nothing_that_the_pipeline_writes_makes_a_checkout_dirty(failing: tuple[Checkout, str]) -> None:
    checkout, _ = failing
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    known = {*listing.stdout.split("\0"), "mine.yaml"}
    written = {path.relative_to(checkout.folder).as_posix() for path in checkout.folder.rglob("*") if path.is_file()} - known
    for place in ("results/runs/", "results/suites/", "results/aggregate/", "checkpoints/", "logs/", "reports/"):
        assert any(name.startswith(place) for name in written), place
    killed = {f"{Path(name).parent}/.{Path(name).name}.ab12cd" for name in written}  # what killed writers leave behind
    written |= killed | {".reports.ab12cd/index.html", "results/studies/mine.json"}
    found = subprocess.run(
        ["git", "check-ignore", "-z", "--stdin"], cwd=ROOT, input="\0".join(written), capture_output=True, text=True, check=True
    )
    assert written - set(found.stdout.split("\0")) == set()


def test_the_next_command_trains_exactly_what_crashed(failing: tuple[Checkout, str], tmp_path: Path) -> None:
    before, _ = failing
    checkout = replace(before, folder=tmp_path / "checkout", environment={"FAULTS": "off"})
    shutil.copytree(before.folder, checkout.folder)
    kept = {path: record["outcome_sha256"] for path, record in checkout.records().items()}
    assert checkout.planned() == ["disk", "kill", "raise"]
    result = checkout.pipeline(cores=4)
    assert result.returncode == 0, result.stdout
    found = presence(checkout)
    assert found.pop("diverge")[:2] == ("own", "failed")
    assert set(found.values()) == {("own", "ok", None)}
    records = checkout.records()
    assert {path: records[path]["outcome_sha256"] for path in kept} == kept
    assert not list((checkout.folder / "checkpoints").rglob("crash.json"))
    assert checkout.planned() == []


def test_a_corrupt_record_is_shown_and_kept(failing: tuple[Checkout, str], tmp_path: Path) -> None:
    before, _ = failing
    checkout = replace(before, folder=tmp_path / "checkout")
    shutil.copytree(before.folder, checkout.folder)
    checkout.write_suite(variants=PLAIN, seeds=[0])
    (path,) = (checkout.folder / "results" / "runs").glob("**/reinforce-*/record.json")
    path.write_text(path.read_text().replace('"returns":[', '"returns":[9.5,', 1))
    damaged = path.read_bytes()
    result = checkout.pipeline()
    assert result.returncode == 0, result.stdout
    assert presence(checkout)["plain"][0] == "corrupt"
    assert path.read_bytes() == damaged


@pytest.mark.slow
def test_after_a_killed_snakemake_the_same_command_finishes_and_trains_nothing_twice(tmp_path: Path) -> None:
    checkout = Checkout.fresh(tmp_path, EXAMPLE)
    checkout.write_suite(tasks=[{"task": "example/signals", "budget": 2_000_000}], seeds=[0, 1, 2])
    process = checkout.start("snakemake", "--cores", "2", "--config", "suites=[mine.yaml]")
    deadline = time.monotonic() + 300
    while len(list((checkout.folder / "checkpoints").glob("example/**/metrics.jsonl"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert checkout.records() == {}
    started = {path.parent.name for path in (checkout.folder / "checkpoints").glob("example/**/metrics.jsonl")}
    result = checkout.pipeline()
    assert result.returncode == 0, result.stdout
    assert len(checkout.records()) == 3
    for name in started:
        # The first process went on as an orphan; the second waited for it and wrote what it had computed.
        log = (checkout.folder / "logs" / "example" / "signals" / f"{name}.log").read_text()
        assert "training from the start" not in log, log
    assert checkout.planned() == []


@pytest.mark.slow
def test_two_pipelines_in_one_folder_do_not_mix(tmp_path: Path) -> None:
    checkout = Checkout.fresh(tmp_path, EXAMPLE)
    checkout.write_suite(tasks=[{"task": "example/signals", "budget": 2_000_000}], seeds=[0])
    first = checkout.start("snakemake", "--cores", "2", "--config", "suites=[mine.yaml]")
    deadline = time.monotonic() + 300
    while not list((checkout.folder / "checkpoints").glob("example/**/metrics.jsonl")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    second = checkout.pipeline()
    assert second.returncode != 0
    assert "another snakemake is at work in this folder" in second.stdout
    output, _ = first.communicate(timeout=600)
    assert first.returncode == 0, output


@pytest.mark.slow
def test_sigterm_lets_runs_finish_and_starts_no_new_ones(tmp_path: Path) -> None:
    checkout = Checkout.fresh(tmp_path, EXAMPLE)
    checkout.write_suite(tasks=[{"task": "example/signals", "budget": 2_000_000}], seeds=[0, 1])
    process = checkout.start("snakemake", "--cores", "1", "--config", "suites=[mine.yaml]")
    deadline = time.monotonic() + 300
    while not list((checkout.folder / "checkpoints").glob("example/**/metrics.jsonl")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=600)
    assert len(checkout.records()) == 1
    assert len(checkout.planned()) == 1


@pytest.mark.slow
def test_the_number_of_cores_changes_no_outcome(tmp_path: Path) -> None:
    outcomes: list[dict[str, Any]] = []
    for cores in (1, 4):
        checkout = Checkout.fresh(tmp_path / str(cores), EXAMPLE)
        settings = {"settings": {"episodes_per_update": 8}}
        checkout.write_suite(
            tasks=[{"task": "lbf/5x5-2p-1f-coop", "budget": 5000}],
            variants={name: {"algorithm": name} | settings for name in ("ippo", "mappo")},
        )
        result = checkout.pipeline(cores=cores)
        assert result.returncode == 0, result.stdout
        outcomes.append({path: record["outcome_sha256"] for path, record in checkout.records().items()})
    assert len(outcomes[0]) == 4
    assert outcomes[0] == outcomes[1]


@pytest.mark.slow
def test_retrained_runs_are_compared_with_the_committed_ones(clone: Checkout) -> None:
    result = clone.run("snakemake", "--cores", "2", "--config", "suites=[mine.yaml]", "retrain=true")
    assert result.returncode == 0, result.stdout
    assert clone.records().keys() == clone.records("reference").keys()
    (suite,) = clone.aggregated()["suites"]
    assert {row["variant"]: row["verdict"] for row in suite["reproduction"]} == {"plain": "identical", "other": "identical"}


@pytest.mark.slow
def test_committed_records_are_reported_before_others_are_trained_and_each_suite_is_made_again_by_its_own(
    clone: Checkout,
) -> None:
    clone.write_suite("theirs", seeds=[1])
    both = "mine.yaml,theirs.yaml"
    result = clone.pipeline(suites=both)
    assert result.returncode == 0, result.stdout
    assert (clone.folder / "logs" / "evidence.log").exists()
    assert [record["spec"]["seed"] for record in clone.records().values()] == [1]
    again = clone.pipeline(suites=both)
    assert again.returncode == 0, again.stdout
    assert "Nothing to be done" in again.stdout

    def inputs() -> dict[str, str]:
        return {path.parent.name: path.read_text() for path in (clone.folder / "results" / "suites").glob("*/inputs.sha256")}

    before = inputs()
    path = next((clone.folder / "results" / "reference").rglob("record.json"))
    content = path.read_bytes()
    assert content.endswith(b"\n")
    path.write_bytes(content[:-1] + b" ")
    changed = clone.pipeline(suites=both)
    assert changed.returncode == 0, changed.stdout
    after = inputs()
    assert before.keys() == after.keys() == {"mine", "theirs"}
    assert {name for name in before if before[name] != after[name]} == {"mine"}


def test_the_cluster_profile_can_plan(clone: Checkout) -> None:
    assert clone.planned("--workflow-profile", "profiles/slurm", retrain=True) == ["other", "plain"]
