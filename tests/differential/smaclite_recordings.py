"""Compares the SMAClite simulator with recordings of the real package, one step at a time.

    python tests/differential/smaclite_recordings.py FILE.npz ...

Each file is named after its map (tests/data/smaclite/README.md says what is in it). The simulator is put into the recorded
state, given the recorded actions and orders, stepped once and compared. Prints one JSON object a file: the fraction of units,
agents or steps that are equal (alive, target, available, done, won) or near (all else, to 1e-4; an observation or a state
counts as near if all of it is). Exits with 1 if a fraction is below the bar: 0.999 for what is equal, 0.995 for what is near.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.environments.native.smaclite import constants as c
from benchmark.environments.native.smaclite.environment import SMAClite

NEAR = 1e-4
EQUAL_BAR, NEAR_BAR = 0.999, 0.995
EQUAL = ("alive", "target", "available", "done", "won")

Recording = dict[str, NDArray]


def load(path: Path) -> Recording:
    """The arrays of a recording."""
    with np.load(path) as file:
        return dict(file)


def listed(order: NDArray, units: int) -> NDArray[np.bool_]:
    """[K, U] who stands in an order [K, U] of numbers padded with -1."""
    return np.array([np.isin(np.arange(units), row) for row in order])


def battles(recording: Recording, map_name: str) -> SMAClite:
    """One row for each recorded step, in the state before it."""
    rows, units = recording["pre_target"].shape
    environment = SMAClite(rows, map_name=map_name, horizon=10**6)
    living = listed(recording["order"][:, 0], units)
    pre = recording["pre"].transpose(0, 2, 1).copy()
    pre[:, c.HP] *= living
    starts = environment.rules.stats[[c.START_X, c.START_Y]]
    at_start = (pre[:, [c.X, c.Y]] == starts).all((1, 2)) & (pre[:, [c.VX, c.VY]] == 0).all((1, 2))
    environment.load_state(pre, np.where(living, recording["pre_target"], -1), np.where(at_start, 0, 1))
    return environment


def compare(recording: Recording, map_name: str) -> dict[str, float]:
    """The fraction of every field that agrees after one step."""
    post, done = recording["post"].transpose(0, 2, 1), recording["done"]
    environment = battles(recording, map_name)
    environment.step_in_order(recording["action"].astype(np.int64), recording["order"].astype(np.int64))
    alive = listed(recording["order"][:, -1], post.shape[2]) & (post[:, c.HP] > 0)
    own_alive = environment.units[:, c.HP] > 0
    both = alive & own_alive
    fractions = {
        "alive": (alive == own_alive).mean(),
        "target": (environment.targets == recording["post_target"])[both].mean(),
        "available": (environment.available == recording["avail"].astype(bool)).all(2)[~done].mean(),
        "done": (environment.terminated == done).mean(),
        "won": (environment.success == recording["won"]).mean(),
    }
    near = np.abs(environment.units - post) <= NEAR
    for row, name in enumerate(recording["fields"].tolist()):
        fractions[name] = near[:, row][both].mean()
    fractions["observation"] = (np.abs(environment.observation - recording["obs"]) <= NEAR).all(2).mean()
    fractions["state"] = (np.abs(environment.state - recording["state"]) <= NEAR).all(1).mean()
    fractions["reward"] = (np.abs(environment.team_reward - recording["reward"]) <= NEAR).mean()
    return {name: round(float(value), 6) for name, value in fractions.items()}


def below_the_bar(fractions: dict[str, float]) -> list[str]:
    """The fields that agree too seldom."""
    return [name for name, value in fractions.items() if value < (EQUAL_BAR if name in EQUAL else NEAR_BAR)]


def main(paths: list[str]) -> int:
    failed = False
    for path in map(Path, paths):
        recording = load(path)
        fractions = compare(recording, path.stem)
        below = below_the_bar(fractions)
        failed = failed or bool(below)
        line = {"map": path.stem, "steps": len(recording["done"]), "below_the_bar": below, "fractions": fractions}
        print(json.dumps(line), flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
