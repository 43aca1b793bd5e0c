"""Where compiled kernels are kept: beside the sources, and elsewhere where nobody can write there."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from algorithms.plugins import UserError
from benchmark.environments.native.compilation import cache_folder, sources_digest

ROOT = Path(__file__).parents[2]
UNWRITABLE = "/proc/no-home"
"""Nobody can make a folder below /proc, not even an administrator, whom permissions do not bind."""


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources of kernels; home, cache and temporary folder are those of the test."""
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "kernel.py").write_text("pass\n")
    for variable in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return folder


def block(folder: Path) -> None:
    """A file where a folder is needed: nothing can be made below it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("")


def test_kernels_are_kept_beside_their_sources(sources: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cache_folder(sources) == sources / "__pycache__" / f"numba-{sources_digest(sources)}"
    assert capsys.readouterr().err == ""


def test_the_folder_that_a_user_names_comes_first(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "mine"))
    assert cache_folder(sources).parent == tmp_path / "mine"


def test_an_edit_of_any_source_gives_another_folder(sources: Path) -> None:
    before = cache_folder(sources)
    (sources / "other.py").write_text("pass\n")
    assert cache_folder(sources) != before


def test_without_a_folder_to_write_beside_the_sources_it_is_the_users(
    sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    block(sources / "__pycache__")
    assert cache_folder(sources).parent == tmp_path / "home" / ".cache" / "creditbench"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder(sources).parent == tmp_path / "cache" / "creditbench"
    assert capsys.readouterr().err == ""


def test_without_that_either_it_is_a_temporary_folder_and_a_line_says_so(
    sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    block(sources / "__pycache__")
    monkeypatch.setenv("HOME", UNWRITABLE)
    monkeypatch.setenv("NUMBA_CACHE_DIR", UNWRITABLE)
    folder = cache_folder(sources)
    assert folder.parent == tmp_path / f"creditbench-{os.getuid()}"
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"creditbench: warning: compiled kernels are kept in {folder}: none of {UNWRITABLE}")
    assert cache_folder(sources) == folder


@pytest.mark.parametrize("trap", ["a link", "open to all", "a file"])
def test_a_temporary_folder_that_others_may_have_made_is_not_used(
    trap: str, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block(sources / "__pycache__")
    monkeypatch.setenv("HOME", UNWRITABLE)
    shared = tmp_path / f"creditbench-{os.getuid()}"
    if trap == "a link":
        (tmp_path / "theirs").mkdir(mode=0o700)
        shared.symlink_to(tmp_path / "theirs")
    elif trap == "open to all":
        shared.mkdir()
        shared.chmod(0o777)
    else:
        shared.write_text("")
    folder = cache_folder(sources).parent
    assert folder != shared
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_where_nothing_can_be_written_a_line_says_what_to_do(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block(sources / "__pycache__")
    monkeypatch.setenv("HOME", UNWRITABLE)
    monkeypatch.setattr("tempfile.gettempdir", lambda: (_ for _ in ()).throw(FileNotFoundError(2, "nothing usable")))
    with pytest.raises(UserError, match="TMPDIR can name one"):
        cache_folder(sources)


PLAYED = ["-m", "benchmark.cli", "random", "--task", "matrix/climbing", "--episodes", "2"]


@pytest.mark.parametrize(
    "command",
    [["-c", "import benchmark.environments.native.random_actions"], pytest.param(PLAYED, marks=pytest.mark.slow)],
    ids=["kernels are declared", "a task is played"],
)
def test_neither_the_installation_nor_the_home_has_to_be_writable(command: list[str], tmp_path: Path) -> None:
    """The installation is a copy in which a file stands where Python and numba would make __pycache__."""
    for package in ("algorithms", "benchmark"):
        shutil.copytree(ROOT / package, tmp_path / "site" / package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in [path for path in (tmp_path / "site").rglob("*") if path.is_dir()]:
        block(folder / "__pycache__")
    inherited = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    made = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path / "site",
        env={**inherited, "HOME": UNWRITABLE, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert made.returncode == 0, made.stderr
    (line,) = made.stderr.splitlines()
    assert f"compiled kernels are kept in {tmp_path}/creditbench-" in line
