"""A game that ignores its seed is noticed when a run of it starts, and the run's record says so."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from algorithms.seeds import derive
from benchmark.environments.repetition import repeats_itself
from benchmark.environments.tasks.registry import Simulator
from benchmark.experiments.record import read_record
from tests.fixtures import toys
from tests.fixtures.broken_games import SoundGame
from tests.fixtures.environment_cases import Case, each_case
from tests.fixtures.known_toys import known_toys  # noqa: F401
from tests.fixtures.toys import SIGNS, SignGame
from tests.fixtures.train_toy import Quiet, toy_spec, trained


class IgnoresItsSeed(SoundGame):
    """Shows a number of its own generator, which is seeded once, when the game is built."""

    def __init__(self, batch_size: int) -> None:
        super().__init__(batch_size)
        self.generator = np.random.default_rng(0)

    def _show(self) -> None:
        super()._show()
        self.observation[:, 0, 0] = self.generator.random()


class LateDifference(SoundGame):
    """Rows of one seed end in different states."""

    def _show(self) -> None:
        super()._show()
        self.state[:, 0] += (self.time == 4) * np.arange(self.batch_size)


@each_case
def test_every_simulator_repeats_itself_as_it_declares(case: Case) -> None:
    environment = case.build(2)
    assert repeats_itself(environment) == environment.deterministic
    environment.close()


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_game_that_ignores_its_seed_is_noticed_with_any_number_of_rows(rows: int) -> None:
    assert repeats_itself(SoundGame(rows))
    assert not repeats_itself(IgnoresItsSeed(rows))


def test_rows_of_one_seed_that_differ_in_a_later_step_are_noticed() -> None:
    assert not repeats_itself(LateDifference(2))


def test_a_game_that_declares_itself_random_is_believed() -> None:
    game = SoundGame(2)
    game.deterministic = False
    assert not repeats_itself(game)


class ForgetfulSigns(SignGame):
    """Signs whose episodes depend on how many were played before."""

    def _reset_rows(self, count: int) -> None:
        self.played = getattr(self, "played", 0) + 1
        self.streams[:count, 0] += np.uint64(derive(self.played, "forgetful") & 0xFFFF)
        super()._reset_rows(count)


@pytest.mark.usefixtures("known_toys")
def test_a_record_says_whether_the_game_repeats_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = toy_spec(100)
    quiet = Quiet()
    assert trained(tmp_path / "sound", spec, progress=quiet).execution.deterministic is True
    assert quiet.said == []
    forgetful = dataclasses.replace(SIGNS, native=Simulator("tests.environments.test_repetition:ForgetfulSigns"))
    monkeypatch.setattr(toys, "FAMILY", dataclasses.replace(toys.FAMILY, resolve={SIGNS.id: forgetful}.get))
    toys.clear_caches()
    warned = Quiet()
    trained(tmp_path / "forgetful", spec, progress=warned)
    assert read_record(tmp_path / "forgetful" / "out" / "record.json").execution.deterministic is False
    assert warned.said == ["episodes of one seed differ in toy/signs: another run of this seed will end otherwise"]
