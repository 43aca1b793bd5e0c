"""The speed measurement counts what was really stepped."""

from __future__ import annotations

import pytest

from benchmark.training.speed import measure_speed, speed_lines
from tests.fixtures.known_toys import known_toys  # noqa: F401
from tests.fixtures.toys import SIGNS

pytestmark = pytest.mark.usefixtures("known_toys")


def test_a_simulator_alone_is_measured() -> None:
    line = measure_speed(SIGNS, seconds=0.05)
    assert (line["task"], line["backend"], line["algorithm"]) == ("toy/signs", "native", None)
    assert (line["threads"], line["device"]) == (1, "cpu")
    assert line["seconds"]["collect"] >= 0.05
    assert line["env_steps_per_s"] > 0


def test_training_is_measured_with_its_phases() -> None:
    simulator, training = speed_lines(SIGNS, "toy", seconds=0.05)
    assert simulator["algorithm"] is None
    assert training["algorithm"] == "toy"
    assert set(training["seconds"]) == {"collect", "update"}
    assert min(training["seconds"].values()) > 0
    assert training["env_steps_per_s"] > 0


def test_the_share_of_the_reward_model_is_named_where_there_is_one() -> None:
    line = measure_speed(SIGNS, "ippo+uniform", settings={"episodes_per_update": 8, "hidden_size": 4}, seconds=0.05)
    assert set(line["share"]) == {"reward model"}
    assert 0 < line["share"]["reward model"] < 1
    assert "share" not in measure_speed(SIGNS, "toy", seconds=0.05)


def test_training_is_measured_after_its_warm_up() -> None:
    model = {
        "width": 4,
        "heads": 1,
        "batch_episodes": 4,
        "warm_up_episodes": 40,
        "gradient_steps_per_episode": 0.1,
        "fit_interval": 1,
    }
    settings = {"episodes_per_update": 8, "hidden_size": 4, "redistribution": model}
    line = measure_speed(SIGNS, "ippo+stas", settings=settings, seconds=0.01)
    assert line["seconds"]["update"] > 0


def test_steps_count_once_for_a_team_and_only_while_an_episode_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    import benchmark.training.speed
    from tests.fixtures.toys import SignGame

    running = []
    step = SignGame.step

    def counted(self: SignGame, actions: object) -> None:
        running.append(int(self.running.sum()))
        step(self, actions)  # type: ignore[arg-type]

    monkeypatch.setattr(SignGame, "step", counted)
    monkeypatch.setitem(benchmark.training.speed.ROWS, "native", 4)
    result = benchmark.training.speed._simulation(SIGNS, "native", 0.02)
    warm_up = 0
    for count, following in zip(running, [*running[1:], 4], strict=True):
        warm_up += count
        if following > count:
            break
    assert result["steps"] == sum(running) - warm_up
