"""Provenance: what a record says of the machine and the code, and what it must not say."""

from __future__ import annotations

import getpass
import hashlib
import platform
import subprocess
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, version
from pathlib import Path

import pytest
import torch

from benchmark.training.provenance import CheckoutState, continued, deciding_packages, installed, provenance, state_of
from tests.experiments.test_records import PROVENANCE


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *identity, "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    return tmp_path


def test_a_clean_checkout_is_its_commit(checkout: Path) -> None:
    assert state_of(checkout) == CheckoutState(git(checkout, "rev-parse", "HEAD"), False, None)


def test_a_changed_or_removed_file_of_the_commit_makes_a_checkout_dirty(checkout: Path) -> None:
    (checkout / "file").write_text("two")
    assert state_of(checkout).dirty is True
    (checkout / "file").unlink()
    assert state_of(checkout).dirty is True


@pytest.mark.parametrize("name", ["benchmark/new.py", "algorithms/new.yaml", "creditbench/maps/\N{GREEK SMALL LETTER PI}.json"])
def test_a_new_file_that_a_run_may_read_makes_a_checkout_dirty(checkout: Path, name: str) -> None:
    write(checkout / name)
    assert state_of(checkout).dirty is True


@pytest.mark.parametrize(
    "name", ["notes.md", "mine.yaml", "report-of-mine/index.html", "benchmark/new.py~", "benchmark/new.txt.swp"]
)
def test_a_new_file_that_no_run_reads_unnamed_does_not(checkout: Path, name: str) -> None:
    write(checkout / name)
    assert state_of(checkout).dirty is False


def test_what_git_ignores_does_not_make_a_checkout_dirty(checkout: Path) -> None:
    write(checkout / "benchmark" / "__pycache__" / "new.py")
    (checkout / ".gitignore").write_text("__pycache__/\n")
    assert state_of(checkout).dirty is False


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("new")


def test_outside_a_checkout_the_reason_is_said(tmp_path: Path) -> None:
    assert state_of(tmp_path) == CheckoutState(None, None, "no checkout")


def test_a_folder_inside_another_repository_has_no_commit(checkout: Path) -> None:
    (checkout / "inside").mkdir()
    assert state_of(checkout / "inside") == CheckoutState(None, None, "no checkout: the code lies within another repository")


def test_without_git_the_reason_is_said(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert state_of(checkout) == CheckoutState(None, None, "git is not installed")


def test_a_checkout_of_another_owner_is_named_as_such(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    for variable in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):  # without the safe directories of this machine
        monkeypatch.setenv(variable, "/dev/null")
    assert state_of(checkout).commit is None
    assert (state_of(checkout).unknown or "").startswith("git refuses the folder: dubious ownership")


def test_a_checkout_before_its_first_commit_is_named_as_such(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert state_of(tmp_path) == CheckoutState(None, None, "the checkout has no commit yet")


def test_a_git_that_fails_in_another_way_gives_no_path_away(checkout: Path) -> None:
    (checkout / ".git" / "index").write_text("damaged")
    assert state_of(checkout) == CheckoutState(None, None, "git failed")


class Package:
    """An installed package, as importlib.metadata lists it."""

    def __init__(self, name: str | None, version: str | None, *groups: str) -> None:
        self.metadata, self.version = {"Name": name}, version
        self.entry_points = tuple(EntryPoint("it", "its:own", group) for group in groups)


@pytest.fixture
def with_packages(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Sets what is installed."""
    provenance(torch.device("cpu"), threads=1)  # torch reads its own metadata once

    def use(*packages: Package) -> None:
        monkeypatch.setattr("benchmark.training.provenance.distributions", lambda: packages)
        forget()

    def forget() -> None:
        installed.cache_clear()
        deciding_packages.cache_clear()

    yield use
    monkeypatch.undo()
    forget()


def test_the_hash_is_of_what_is_installed_not_of_what_the_checkout_asks_for(with_packages: Callable[..., None]) -> None:
    with_packages(Package("Numpy", "2"), Package("ruamel.yaml", "7"), Package("numpy", "1"), Package(None, None))
    expected = hashlib.sha256(b"numpy==2\nruamel-yaml==7").hexdigest()
    assert provenance(torch.device("cpu"), threads=1).installed_sha256 == expected
    with_packages(Package("numpy", "3"))
    assert provenance(torch.device("cpu"), threads=1).installed_sha256 != expected


def test_packages_that_decide_numbers_are_named_with_their_versions(with_packages: Callable[..., None]) -> None:
    with_packages(Package("numba", "1"), Package("my_tasks", "2", "creditbench.tasks"), Package("rich", "3", "console_scripts"))
    assert provenance(torch.device("cpu"), threads=1).packages == ("my-tasks==2", "numba==1")


def test_a_run_resumed_at_another_commit_is_dirty() -> None:
    clean = PROVENANCE.model_copy(update={"commit": "a", "dirty": False})
    assert continued(clean, clean).dirty is False
    assert continued(clean.model_copy(update={"dirty": True}), clean).dirty is True
    assert continued(clean.model_copy(update={"commit": "b"}), clean).dirty is True


def test_a_run_of_which_one_part_has_no_commit_has_none() -> None:
    known = PROVENANCE.model_copy(update={"commit": "a", "dirty": False})
    unknown = PROVENANCE.model_copy(update={"commit": None, "dirty": None, "commit_unknown": "git is not installed"})
    for parts in ((known, unknown), (unknown, known), (unknown, unknown)):
        found = continued(*parts)
        assert (found.commit, found.dirty, found.commit_unknown) == (None, None, "git is not installed")


def test_a_run_resumed_with_other_packages_names_both_and_has_no_hash_of_them() -> None:
    before = PROVENANCE.model_copy(update={"installed_sha256": "1", "packages": ("mine==1", "numba==1")})
    now = before.model_copy(update={"installed_sha256": "2", "packages": ("mine==2", "numba==1")})
    assert continued(before, before) == before
    found = continued(before, now)
    assert (found.installed_sha256, found.packages) == (None, ("mine==1", "mine==2", "numba==1"))


def test_versions_are_named_and_neither_host_nor_user_is() -> None:
    made_with = provenance(torch.device("cpu"), threads=2)
    assert (made_with.numpy, made_with.python) == (version("numpy"), platform.python_version())
    assert made_with.torch.partition("+")[0] == version("torch").partition("+")[0]
    assert (made_with.threads, made_with.device) == (2, "cpu")
    assert f"numba=={version('numba')}" in (made_with.packages or ())
    text = made_with.model_dump_json().lower()
    for name in (platform.node(), getpass.getuser(), str(Path.home())):
        assert len(name) < 4 or name.lower() not in text
