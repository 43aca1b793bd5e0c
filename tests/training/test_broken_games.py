"""A run whose game breaks the contract ends as a crash with one line, and with no record of a method that diverged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import benchmark.environments.tasks.registry as registry
from benchmark.cli.app import main
from benchmark.workflow.supervisor import reason_of
from tests.fixtures import toys
from tests.fixtures.broken_games import FAULTS


@pytest.fixture
def broken_games(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Makes the broken games known."""
    monkeypatch.setattr(registry, "FAMILIES", ("tests.fixtures.broken_games:FAMILY",))
    toys.clear_caches()
    yield
    monkeypatch.undo()
    toys.clear_caches()


@pytest.mark.usefixtures("broken_games")
def test_a_broken_game_ends_a_run_in_one_line_that_is_the_reason_of_its_crash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["train", "--task", "broken/nan-reward", "--algorithm", "ippo", "--steps", "100", "--out", str(tmp_path)])
    sentence = f"broken/nan-reward: {FAULTS['nan reward'].sentence}"
    said = capsys.readouterr().err
    assert left.value.code == 2
    assert said.splitlines()[-1] == f"creditbench: {sentence}"
    assert "Traceback" not in said
    assert reason_of(2, said.splitlines()) == sentence
    assert not (tmp_path / "record.json").exists()


@pytest.mark.usefixtures("broken_games")
def test_a_sound_game_is_trained(tmp_path: Path) -> None:
    main_arguments = ["train", "--task", "broken/sound", "--algorithm", "ippo", "--steps", "100", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as left:
        main(main_arguments)
    assert left.value.code == 0
    assert (tmp_path / "record.json").exists()
