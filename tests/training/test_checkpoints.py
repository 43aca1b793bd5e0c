"""Checkpoints: whole or not at all, of the right run, one writer at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from benchmark.training.checkpoints import NAME, PREVIOUS, Checkpoints, RefusedCheckpoint

CONDITIONS = {"torch": "2.0", "threads": 1}


class Folder:
    """A checkpoint folder and what was said about it."""

    def __init__(self, path: Path, fingerprint: str = "a" * 64, conditions: dict[str, Any] = CONDITIONS) -> None:
        self.path = path
        self.said: list[str] = []
        self.checkpoints = Checkpoints(path, fingerprint, conditions, self.said.append)

    def save(self, number: int, **options: Any) -> None:
        self.checkpoints.save({"number": number, "tensor": torch.full((50,), float(number))}, **options)

    def number(self) -> int | None:
        state = self.checkpoints.load()
        if state is None:
            return None
        assert torch.equal(state["tensor"], torch.full((50,), float(state["number"])))
        return int(state["number"])


def test_the_newest_checkpoint_is_loaded_and_the_one_before_is_kept(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.number() is None
    for number in (1, 2, 3):
        folder.save(number)
        assert folder.number() == number
    (tmp_path / NAME).unlink()
    assert folder.number() == 2
    assert "continuing from" in folder.said[-1]


def test_a_finished_run_keeps_one_checkpoint_only(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.save(1)
    folder.save(2, finished=True)
    assert folder.number() == 2
    assert not (tmp_path / PREVIOUS).exists()


@pytest.mark.parametrize("keep", [0, 10, 40, -33, -1])
def test_a_truncated_checkpoint_falls_back_to_the_one_before(tmp_path: Path, keep: int) -> None:
    folder = Folder(tmp_path)
    folder.save(1)
    folder.save(2)
    (tmp_path / NAME).write_bytes((tmp_path / NAME).read_bytes()[:keep])
    assert folder.number() == 1
    assert "damaged" in folder.said[0]


def test_one_wrong_bit_anywhere_is_found(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.save(1)
    folder.save(2)
    content = (tmp_path / NAME).read_bytes()
    for place in range(0, len(content), len(content) // 25):
        damaged = bytearray(content)
        damaged[place] ^= 1
        (tmp_path / NAME).write_bytes(damaged)
        assert folder.number() == 1, place


def test_without_any_intact_checkpoint_the_run_starts_from_scratch_and_says_why(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.save(1)
    folder.save(2)
    for name in (NAME, PREVIOUS):
        (tmp_path / name).write_bytes(b"nothing of the kind")
    assert folder.number() is None
    assert [("damaged" in message) for message in folder.said] == [True, True, False]
    assert "starting from scratch" in folder.said[-1]


def test_a_state_that_could_not_be_read_back_is_refused_at_once(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with pytest.raises(TypeError, match="more than tensors"):
        folder.checkpoints.save({"path": tmp_path})
    assert folder.number() is None


def test_a_checkpoint_holding_code_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "touched",))

    folder = Folder(tmp_path)
    monkeypatch.setattr(Checkpoints, "_verify", lambda *arguments: None)
    folder.checkpoints.save({"evil": Evil()})
    with pytest.raises(RefusedCheckpoint, match="whole but cannot be read"):
        folder.number()
    assert not (tmp_path / "touched").exists()


def test_the_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    Folder(tmp_path).save(1)
    with pytest.raises(RefusedCheckpoint, match=r"belongs to the run aaaaaaaaaaaa, not to bbbbbbbbbbbb.*Delete"):
        Folder(tmp_path, fingerprint="b" * 64).number()


def test_other_versions_are_refused_by_name(tmp_path: Path) -> None:
    Folder(tmp_path).save(1)
    with pytest.raises(RefusedCheckpoint, match=r"torch 2\.0 \(now 2\.1\)") as refused:
        Folder(tmp_path, conditions={"torch": "2.1", "threads": 1}).number()
    assert "threads" not in str(refused.value)


def test_a_finished_run_may_be_read_under_other_versions(tmp_path: Path) -> None:
    Folder(tmp_path).save(1, finished=True)
    assert Folder(tmp_path, conditions={"torch": "2.1", "threads": 1}).number() == 1


def test_a_failed_save_leaves_the_checkpoint_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(tmp_path)
    folder.save(1)

    def interrupted(*arguments: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(OSError, match=r"No space left on device; it was not written.*checkpoint\.pt"):
        folder.save(2)
    assert folder.number() == 1
    assert {path.name for path in tmp_path.iterdir()} <= {NAME, "lock"}


def test_leftovers_of_a_killed_writer_are_removed(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    (tmp_path / f".{NAME}.new").write_bytes(b"half")
    assert folder.number() is None
    assert list(tmp_path.glob(".*")) == []


def test_a_second_writer_waits_says_so_once_and_comes_in_when_the_first_leaves(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), Folder(tmp_path)
    first.acquire()
    asked = 0

    def first_leaves_in_time() -> bool:
        nonlocal asked
        asked += 1
        if asked == 4:
            first.release()
        return False

    second.checkpoints.acquire(first_leaves_in_time)
    assert asked == 4
    assert len(second.said) == 1
    assert "another process is training this run" in second.said[0]
    second.checkpoints.release()


def test_waiting_for_another_writer_can_be_given_up(tmp_path: Path) -> None:
    with FileLock(tmp_path / "lock"):
        Folder(tmp_path).checkpoints.acquire(iter([False, False, True]).__next__)
