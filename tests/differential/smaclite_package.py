"""Plays the real SMAClite and records it, in the format of tests/data/smaclite, to compare our simulator with it live.

    python -m tests.differential.smaclite_package MAP ... --steps 300 --seed 0

For each map the real battle is played, a third of the steps by each policy of smaclite_policies.py; the order in which its
units act is taken down. Then our simulator is put into the state before every step, given the same actions and orders, and
compared. Prints one JSON object a map, as smaclite_recordings.py does, and exits with 1 if a fraction is below its bar.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.environments.native.smaclite.constants import BOARD, FRAMES_PER_STEP
from benchmark.environments.native.smaclite.maps.map_files import FREE, WALL, Map, load_map, shipped_maps
from benchmark.environments.native.smaclite.maps.scenario import build_rules
from tests.differential.smaclite_policies import POLICIES, Sight
from tests.differential.smaclite_recordings import Recording, below_the_bar, compare

FIELDS = ("x", "y", "hp", "shield", "energy", "healing_available", "cooldown", "shield_cooldown", "vx", "vy")
NO_LIMIT = 10**6


def package_map(battle: Map) -> dict[str, Any]:
    """Our map in the words of the package's map files."""
    rules = build_rules(battle, 1, sparse=False, released=False)
    types = battle.observed_types
    cells = str.maketrans({FREE: "_", WALL: "X"})
    content = {
        "name": battle.name,
        "num_allied_units": len(rules.allies),
        "num_enemy_units": len(rules.enemies),
        "groups": [
            {
                "x": group.position[0],
                "y": group.position[1],
                "faction": group.team.upper(),
                "units": {entry.type.upper(): entry.count for entry in group.units},
            }
            for group in battle.groups
        ],
        "attack_point": list(battle.attack_point),
        "terrain": [row.translate(cells) for row in reversed(battle.walls)],
        "num_unit_types": len(types),
        "ally_has_shields": rules.ally_shields,
        "enemy_has_shields": rules.enemy_shields,
        "width": BOARD,
        "height": BOARD,
    }
    return content | ({"unit_type_ids": {name.upper(): number for number, name in enumerate(types)}} if types else {})


def read_by_package(battle: Map) -> Any:
    """The package's MapInfo of our map."""
    from smaclite.env.maps.map import MapInfo

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.json"
        path.write_text(json.dumps(package_map(battle)), encoding="utf-8")
        return MapInfo.from_file(str(path))


def register_own_maps() -> None:
    """Makes our maps that the package does not come with known to it, by the same form of id."""
    import gymnasium
    import smaclite  # noqa: F401  (registers the package's own)

    for name in shipped_maps():
        gym_id = f"smaclite/{name}-v0"
        if gym_id not in gymnasium.registry:
            info = {"map_info": read_by_package(load_map(name))}
            gymnasium.register(gym_id, entry_point="smaclite.env:SMACliteEnv", kwargs=info)


class OrderRecorder:
    """Stands in for a battle's generator: shuffles as that does and takes down who acts when."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator
        self.orders: list[list[int]] = []

    def shuffle(self, units: list[Any]) -> None:
        self._generator.shuffle(units)
        self.orders.append([unit.id for unit in units])

    def taken(self, units: int) -> NDArray[np.int64]:
        """[8, U] the orders since the last call, padded with -1."""
        padded = np.full((FRAMES_PER_STEP, units), -1, np.int64)
        for row, order in zip(padded, self.orders, strict=True):
            row[: len(order)] = order
        self.orders = []
        return padded


def unit_values(units: list[Any]) -> NDArray[np.float64]:
    """[U, 10] of the package's units; columns as in FIELDS."""
    plain = [[getattr(unit, name) for name in FIELDS[2:8]] for unit in units]
    return np.array([[*unit.pos, *values, *unit.velocity] for unit, values in zip(units, plain, strict=True)], np.float64)


def target_numbers(units: list[Any]) -> NDArray[np.int64]:
    """[U] whom each unit is after, -1 for nobody."""
    return np.array([-1 if unit.target is None else unit.target.id for unit in units], np.int64)


def record(map_name: str, steps: int, seed: int) -> Recording:
    """At least `steps` steps of the real package, divided among the policies: the arrays of tests/data/smaclite/README.md."""
    from benchmark.environments.adapters.smaclite import make

    environment = make(1, map_name=map_name, horizon=NO_LIMIT)
    assert environment.block is not None
    battle: Any = environment.block.simulators[0].battle  # type: ignore[attr-defined]
    sight, generator = Sight(environment.team), np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for policy in POLICIES.values():
        left = -(-steps // len(POLICIES))
        while left > 0:
            if not environment.running[0]:
                environment.reset(generator.integers(2**32, size=1, dtype=np.uint64))
                units = list(battle.all_units.values())
                battle._np_random = orders = OrderRecorder(battle._np_random)
            before = {"pre": unit_values(units), "pre_target": target_numbers(units)}
            action = policy(environment, sight, generator)
            environment.step(action)
            seen = {"obs": environment.observation, "state": environment.state, "reward": environment.team_reward}
            ended = {"done": environment.terminated, "won": environment.success}
            after = {name: array[0].copy() for name, array in (seen | ended).items()}
            after |= {"action": action[0], "avail": np.array(battle.get_avail_actions(), np.bool_)}
            after |= {"order": orders.taken(len(units)), "post": unit_values(units), "post_target": target_numbers(units)}
            rows.append(before | after)
            left -= 1
        environment.running[:] = False
    environment.close()
    return {name: np.array([row[name] for row in rows]) for name in rows[0]} | {"fields": np.array(FIELDS)}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Compares our SMAClite simulator with the real package, step by step.")
    parser.add_argument("maps", nargs="+", metavar="MAP", choices=shipped_maps())
    parser.add_argument("--steps", type=int, default=300, help="on each map")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    register_own_maps()
    failed = False
    for name in chosen.maps:
        recording = record(name, chosen.steps, chosen.seed)
        fractions = compare(recording, name)
        below = below_the_bar(fractions)
        failed = failed or bool(below)
        line = {"map": name, "steps": len(recording["done"]), "below_the_bar": below, "fractions": fractions}
        print(json.dumps(line), flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
