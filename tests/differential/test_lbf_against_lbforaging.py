"""The native twin of Level-Based Foraging against the package lbforaging: the same states, actions and nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, ks_2samp

from benchmark.environments.adapters.rows import RowEnvironment
from benchmark.environments.native.lbf.environment import LevelBasedForaging
from benchmark.environments.native.lbf.kernels import LOAD, food_may_lie_on
from benchmark.environments.tasks.registry import get_task

IDS = [
    "lbf/5x5-2p-1f",
    "lbf/5x5-2p-1f-coop",
    "lbf/5x5-2p-2f-coop",
    "lbf/5x5-2p-2f-2s-coop",
    "lbf/5x5-4p-3f-pen",
    "lbf/5x5-6p-3f-2s-pen",
    "lbf/5x5-9p-4f",
    "lbf/5x5-9p-2f-coop-pen",
    "lbf/6x6-3p-2f",
    "lbf/6x6-5p-2f-2s",
    "lbf/7x7-2p-4f-coop",
    "lbf/7x7-8p-4f-2s-coop",
    "lbf/8x8-2p-2f-coop",
    "lbf/8x8-2p-2f-2s-coop",
    "lbf/8x8-2p-3f",
    "lbf/8x8-3p-3f-pen",
    "lbf/8x8-4p-3f-2s-coop-pen",
    "lbf/8x8-9p-9f",
    "lbf/9x9-7p-4f",
    "lbf/10x10-2p-1f",
    "lbf/10x10-3p-3f",
    "lbf/10x10-3p-3f-2s",
    "lbf/10x10-3p-5f-2s-pen",
    "lbf/10x10-6p-6f-coop",
    "lbf/11x11-4p-4f",
    "lbf/12x12-5p-7f-coop-pen",
    "lbf/13x13-8p-2f-2s",
    "lbf/15x15-3p-5f",
    "lbf/15x15-4p-3f",
    "lbf/15x15-4p-5f",
    "lbf/15x15-9p-4f",
    "lbf/17x17-6p-4f-coop",
    "lbf/18x18-2p-4f-2s-pen",
    "lbf/19x19-9p-9f-2s",
    "lbf/19x19-2p-1f-coop",
]
TRANSITIONS = 300
EPISODES = 6
STATISTICAL_LEVEL = 1e-3


@dataclass
class Situation:
    """A state of a running game: field [S, S], positions [N, 2], levels [N], steps made, sum of the food at the start."""

    field: NDArray[np.int64]
    positions: NDArray[np.int64]
    levels: NDArray[np.int64]
    step: int
    food_total: int


NEIGHBOURS = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])


def crowded(random: np.random.Generator, size: int, n_players: int, n_foods: int) -> Situation:
    """Foods that keep their distance, players mostly beside them and each other, often on one cell or in the last step."""
    field = np.zeros((size, size), np.int64)
    for _ in range(random.integers(1, n_foods + 1)):
        for row, column in random.integers(1, size - 1, (30, 2)):
            if food_may_lie_on(np.pad(field, 1, constant_values=-1), row, column):
                field[row, column] = random.integers(1, 2 * min(n_players, 3) + 1)
                break
    foods, free = np.argwhere(field), np.argwhere(field == 0)
    sharing = random.random() < 0.4
    positions = np.zeros((n_players, 2), np.int64)
    for player in range(n_players):
        earlier = positions[:player]
        while True:
            near = foods if player == 0 or random.random() < 0.4 else earlier
            cell = near[random.integers(len(near))] + NEIGHBOURS[random.integers(4)]
            if random.random() < 0.2:
                cell = free[random.integers(len(free))]
            if sharing and player and random.random() < 0.3:
                cell = earlier[random.integers(player)]
            taken = (earlier == cell).all(axis=1).any()
            if (cell >= 0).all() and (cell < size).all() and not field[tuple(cell)] and (sharing or not taken):
                break
        positions[player] = cell
    step = 49 if random.random() < 0.2 else int(random.integers(50))
    food_total = int(field.sum() + random.integers(0, 7))
    return Situation(field, positions, random.integers(1, 3, n_players), step, food_total)


def inject(game: Any, situation: Situation) -> None:
    """Puts the package's game into a situation."""
    game.field = situation.field.astype(np.int32)
    for player, position, level in zip(game.players, situation.positions.tolist(), situation.levels, strict=True):
        player.position, player.level, player.reward = tuple(position), level, 0
    game.current_step = situation.step
    game._food_spawned = np.int64(situation.food_total)
    game._game_over = False
    game._gen_valid_moves()


def valid(game: Any) -> NDArray[np.bool_]:
    """[N, 6] what the package's players can do."""
    table = np.zeros((len(game.players), 6), np.bool_)
    for player, actions in zip(table, game._valid_actions.values(), strict=True):
        player[[action.value for action in actions]] = True
    return table


def mostly_loading(random: np.random.Generator, available: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Random available actions [..., N], loading more often than not where that is possible."""
    chosen = np.where(available, random.random(available.shape), -1).argmax(axis=-1)
    eager = available[..., LOAD] & (random.random(chosen.shape) < 0.6)
    return np.where(eager, LOAD, chosen)


def build(task_id: str, rows: int, real_rows: int = 1) -> tuple[LevelBasedForaging, RowEnvironment, list[Any]]:
    """The twin with `rows`, the package with `real_rows`, and the package's own instances."""
    task = get_task(task_id)
    native, reference = task.build(rows, "native"), task.build(real_rows, "reference")
    assert isinstance(native, LevelBasedForaging)
    assert isinstance(reference, RowEnvironment)
    assert reference.block is not None
    games = [simulator.game for simulator in reference.block.simulators]  # type: ignore[attr-defined]
    reference.reset(np.arange(real_rows, dtype=np.uint64))
    return native, reference, games


def same_transitions(task_id: str, number: int) -> Counter[str]:
    """Checks single transitions from injected states; counts what happened in them."""
    random = np.random.default_rng(number)
    native, _, (game,) = build(task_id, TRANSITIONS)
    size, n_players, n_foods = native.fields.shape[1], native.team.n_agents, game.max_num_food
    situations = [crowded(random, size, n_players, n_foods) for _ in range(TRANSITIONS)]
    native.reset(np.zeros(TRANSITIONS, np.uint64))
    for row, one in enumerate(situations):
        native.load_state(row, one.field, one.positions, one.levels, one.step, one.food_total)
    before, available = native.observation.copy(), native.available.copy()
    actions = mostly_loading(random, available)
    native.step(actions)

    seen: Counter[str] = Counter(transitions=TRANSITIONS)
    for row, situation in enumerate(situations):
        inject(game, situation)
        np.testing.assert_array_equal(before[row], game._make_gym_obs())
        np.testing.assert_array_equal(available[row], valid(game))
        observations, rewards, done, truncated, _ = game.step(actions[row].tolist())
        np.testing.assert_array_equal(native.observation[row], observations)
        np.testing.assert_array_equal(native.individual_reward[row], np.array(rewards, np.float64))
        np.testing.assert_array_equal(native.fields[row], game.field)
        np.testing.assert_array_equal(native.positions[row], [player.position for player in game.players])
        assert native.steps[row] == game.current_step
        assert done == (not native.running[row]) == (native.terminated[row] or native.truncated[row])
        assert not truncated
        assert native.terminated[row] == native.success[row] == (not game.field.any())
        if native.running[row]:
            np.testing.assert_array_equal(native.available[row], valid(game))
        seen["loads"] += bool(max(rewards) > 0)
        seen["penalties"] += bool(min(rewards) < 0)
        seen["loads by several"] += sum(reward > 0 for reward in rewards) > 1
        seen["failed loads"] += bool((actions[row] == LOAD).any() and max(rewards) == 0)
        seen["timeouts"] += bool(native.truncated[row])
        seen["true ends"] += bool(native.terminated[row])
        seen["ends at the last step"] += bool(native.terminated[row] and situation.step == 49)
        shared = len(np.unique(situation.positions, axis=0)) < n_players
        seen["shared cells"] += shared
        seen["cells newly shared"] += not shared and len(np.unique(native.positions[row], axis=0)) < n_players
    return seen


def test_ten_thousand_transitions_from_injected_states_are_bit_identical() -> None:
    seen: Counter[str] = Counter()
    for number, task_id in enumerate(IDS):
        seen += same_transitions(task_id, number)
    assert len(IDS) >= 30
    assert seen["transitions"] >= 10_000
    for happening in (
        "loads",
        "penalties",
        "loads by several",
        "failed loads",
        "timeouts",
        "true ends",
        "ends at the last step",
        "shared cells",
        "cells newly shared",
    ):
        assert seen[happening] >= 50, (happening, seen)


@pytest.mark.parametrize("task_id", IDS)
def test_whole_episodes_are_bit_identical_without_resynchronising(task_id: str) -> None:
    native, reference, games = build(task_id, EPISODES, EPISODES)
    native.reset(np.arange(EPISODES, dtype=np.uint64))
    for row, game in enumerate(games):
        positions, levels = [player.position for player in game.players], [player.level for player in game.players]
        native.load_state(row, game.field, positions, levels, 0, game._food_spawned)
    random = np.random.default_rng(len(task_id))
    while True:
        for name in native.PUBLIC:
            np.testing.assert_array_equal(getattr(native, name), getattr(reference, name), err_msg=name)
        if not native.running.any():
            break
        actions = mostly_loading(random, native.available)
        native.step(actions)
        reference.step(actions)


def starts(task_id: str, count: int) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    """Statistics [count] of independent starts, of the twin and of the package."""
    native, reference, (game,) = build(task_id, count)
    native.reset(np.arange(count, dtype=np.uint64))
    ours = statistics(native.fields, native.positions, native.levels)
    fields, positions, levels = [], [], []
    for seed in range(count):
        reference.reset(np.array([seed], np.uint64))
        fields.append(game.field.copy())
        positions.append([player.position for player in game.players])
        levels.append([player.level for player in game.players])
    return ours, statistics(np.array(fields), np.array(positions), np.array(levels))


def statistics(fields: NDArray, positions: NDArray, levels: NDArray) -> dict[str, NDArray]:
    """One number per start [B] each, so that starts are the independent units."""
    size = fields.shape[1]
    flat = fields.reshape(len(fields), -1).astype(np.int64)
    first = (flat > 0).argmax(axis=1)
    apart = np.abs(positions[:, 0] - positions[:, -1]).sum(axis=1)
    nearest = np.array(
        [np.abs(np.argwhere(field) - at[0]).sum(axis=1).min() for field, at in zip(fields, positions, strict=True)]
    )
    return {
        "number of foods": (flat > 0).sum(axis=1),
        "sum of food levels": flat.sum(axis=1),
        "level of the first food": flat[np.arange(len(flat)), first],
        "row of the first food": first // size,
        "column of the first food": first % size,
        "cell of the first player": positions[:, 0, 0] * size + positions[:, 0, 1],
        "cell of the last player": positions[:, -1, 0] * size + positions[:, -1, 1],
        "level of the last player": levels[:, -1],
        "sum of player levels": levels.sum(axis=1),
        "levels against food": flat[np.arange(len(flat)), first] * 100 + levels.sum(axis=1),
        "distance of two players": apart,
        "distance to the nearest food": nearest,
    }


def probability_of_equal_distributions(one: NDArray, other: NDArray) -> float:
    """The p-value of a chi-square test of homogeneity; values seen fewer than 20 times are taken together."""
    values = np.union1d(one, other)
    table = np.array([[(sample == value).sum() for value in values] for sample in (one, other)])
    rare = table.sum(axis=0) < 20
    table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)]) if rare.any() else table
    table = table[:, table.sum(axis=0) > 0]
    return 1.0 if table.shape[1] == 1 else float(chi2_contingency(table).pvalue)


@pytest.mark.parametrize(
    ("task_id", "count"),
    [
        ("lbf/5x5-2p-2f-coop", 3000),
        ("lbf/8x8-2p-3f", 3000),
        ("lbf/10x10-3p-3f", 3000),
        ("lbf/8x8-4p-4f-2s", 3000),
        ("lbf/6x6-6p-3f-coop", 2000),
        ("lbf/5x5-9p-4f", 300),
    ],
)
def test_starts_have_the_same_distribution(task_id: str, count: int) -> None:
    ours, theirs = starts(task_id, count)
    for name, sample in ours.items():
        assert probability_of_equal_distributions(sample, theirs[name]) > STATISTICAL_LEVEL, name
    for name in ("distance of two players", "distance to the nearest food"):
        assert ks_2samp(ours[name], theirs[name]).pvalue > STATISTICAL_LEVEL, name


def test_the_comparison_of_starts_notices_other_food_levels() -> None:
    inclusive, exclusive = (
        LevelBasedForaging(3000, size=8, n_players=2, n_foods=3, food_level=rule)  # type: ignore[arg-type]
        for rule in ("inclusive", "exclusive")
    )
    for environment in (inclusive, exclusive):
        environment.reset(np.arange(3000, dtype=np.uint64))
    ours, theirs = (statistics(one.fields, one.positions, one.levels) for one in (inclusive, exclusive))
    assert probability_of_equal_distributions(ours["sum of food levels"], theirs["sum of food levels"]) < 1e-9
