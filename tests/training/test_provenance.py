"""Provenance: what a record says of the machine and the code, and what it must not say."""

from __future__ import annotations

import getpass
import hashlib
import platform
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from benchmark.training.provenance import CHECKOUT, commit_of, continued, lock_sha256, provenance
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
    assert commit_of(checkout) == (git(checkout, "rev-parse", "HEAD"), False)


def test_a_changed_or_a_new_file_makes_a_checkout_dirty(checkout: Path) -> None:
    (checkout / "new").write_text("two")
    assert commit_of(checkout)[1] is True
    (checkout / "new").unlink()
    (checkout / "file").write_text("two")
    assert commit_of(checkout)[1] is True


def test_a_folder_inside_another_repository_has_no_commit(checkout: Path) -> None:
    (checkout / "inside").mkdir()
    assert commit_of(checkout / "inside") == (None, None)


def test_without_git_there_is_no_commit(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert commit_of(checkout) == (None, None)


def test_the_lock_hash_is_that_of_the_sorted_pins(tmp_path: Path) -> None:
    pins = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["uv"]["constraint-dependencies"]
    assert lock_sha256(CHECKOUT) == hashlib.sha256("\n".join(sorted(pins)).encode()).hexdigest()
    (tmp_path / "pyproject.toml").write_text('[tool.uv]\nconstraint-dependencies = ["b==2", "a==1"]\n')
    assert lock_sha256(tmp_path) == hashlib.sha256(b"a==1\nb==2").hexdigest()


def test_outside_a_checkout_the_lock_hash_is_of_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Installed:
        def __init__(self, name: str, version: str) -> None:
            self.metadata, self.version = {"Name": name}, version

    monkeypatch.setattr(
        "benchmark.training.provenance.distributions", lambda: [Installed("Numpy", "2"), Installed("Arch", "7")]
    )
    assert lock_sha256(tmp_path) == hashlib.sha256(b"arch==7\nnumpy==2").hexdigest()


def test_a_run_resumed_at_another_commit_is_dirty() -> None:
    clean = PROVENANCE.model_copy(update={"commit": "a", "dirty": False})
    assert continued(clean, clean).dirty is False
    assert continued(clean.model_copy(update={"dirty": True}), clean).dirty is True
    assert continued(clean.model_copy(update={"commit": "b"}), clean).dirty is True
    assert continued(PROVENANCE, PROVENANCE).dirty is None


def test_versions_are_named_and_neither_host_nor_user_is() -> None:
    made_with = provenance(torch.device("cpu"), threads=2)
    assert (made_with.numpy, made_with.python) == (version("numpy"), platform.python_version())
    assert made_with.torch.partition("+")[0] == version("torch").partition("+")[0]
    assert (made_with.threads, made_with.device) == (2, "cpu")
    text = made_with.model_dump_json().lower()
    for name in (platform.node(), getpass.getuser(), str(Path.home())):
        assert len(name) < 4 or name.lower() not in text
