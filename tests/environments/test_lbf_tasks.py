"""The ids of Level-Based Foraging tasks."""

from __future__ import annotations

import subprocess
import sys

import gymnasium
import lbforaging  # noqa: F401  (registers the ids)
import pytest

from benchmark.environments.tasks.lbf import FAMILY, resolve


def test_every_id_that_the_package_registers_is_a_task_of_both_backends() -> None:
    registered = [name for name in gymnasium.registry if name.startswith("Foraging-") and name.endswith("-v3")]
    assert len(registered) == 1920
    for gym_id in registered:
        board = gym_id.removeprefix("Foraging-").removesuffix("-v3")
        if board.startswith("2s-"):
            board = board.removeprefix("2s-").removesuffix("-coop") + "-2s" + ("-coop" if board.endswith("-coop") else "")
        task = resolve(f"lbf/{board}")
        assert task is not None, gym_id
        assert task.reference is not None
        assert task.reference.parameters == {"gym_id": gym_id}
        assert task.native is not None


@pytest.mark.parametrize(
    "name",
    [
        "lbf/8x8-2p-2f-coop-2s",
        "lbf/8x8-2p-2f-pen-coop",
        "lbf/8x9-2p-2f",
        "lbf/08x08-2p-2f",
        "lbf/4x4-2p-2f",
        "lbf/20x20-2p-2f",
        "lbf/8x8-1p-2f",
        "lbf/8x8-10p-2f",
        "lbf/8x8-2p-0f",
        "lbf/8x8-2p-2f-",
        "lbf/8x8-2p-2f-coop-exclusive",
        "lbf/8x8-2p-2f-winner",
        "lbf/8x8-2p-2f-exclusive-winner",
        "lbf/8x8-2p-2f\n",
        "8x8-2p-2f",
        "mpe/8x8-2p-2f",
    ],
)
def test_a_malformed_id_is_no_task(name: str) -> None:
    assert resolve(name) is None


@pytest.mark.parametrize("name", FAMILY.names)
def test_a_listed_task_is_complete(name: str) -> None:
    task = resolve(name)
    assert task is not None
    assert task.id == name
    assert task.reference_scores is not None
    assert 0 < task.reference_scores.random < task.reference_scores.best == 1.0
    assert (task.reference is None) == name.endswith(("-exclusive", "-winner"))
    assert task.n_agents in (2, 3, 4)


@pytest.mark.parametrize(
    ("name", "native"),
    [
        ("lbf/8x8-2p-2f-2s-coop", {"size": 8, "n_players": 2, "n_foods": 2, "sight": 2, "force_coop": True, "penalty": 0.0}),
        ("lbf/15x15-3p-5f-pen", {"size": 15, "n_players": 3, "n_foods": 5, "sight": None, "penalty": 0.1}),
        ("lbf/10x10-3p-3f-exclusive", {"food_level": "exclusive", "force_coop": False}),
        ("lbf/8x8-2p-4f-coop-winner", {"reward": "winner", "food_cap": 2, "force_coop": True}),
    ],
)
def test_an_id_says_the_rules(name: str, native: dict) -> None:
    task = resolve(name)
    assert task is not None
    assert task.native is not None
    assert native.items() <= task.native.parameters.items()


def test_more_foods_than_registered_and_the_penalty_are_parameters_of_the_package() -> None:
    task = resolve("lbf/15x15-3p-5f-2s-coop-pen")
    assert task is not None
    assert task.reference is not None
    expected = {"gym_id": "Foraging-2s-15x15-3p-4f-coop-v3", "max_num_food": 5, "penalty": 0.1}
    assert task.reference.parameters == expected


def test_two_ids_never_name_the_same_game() -> None:
    games = [repr((task.native, task.reference)) for name in FAMILY.names if (task := resolve(name)) is not None]
    assert len(set(games)) == len(FAMILY.names)


def test_the_catalogue_imports_neither_torch_nor_numba() -> None:
    code = "import sys, benchmark.environments.tasks.lbf; print(sorted({'torch', 'numba', 'lbforaging'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
