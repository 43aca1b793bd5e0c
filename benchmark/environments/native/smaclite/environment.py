"""SMAClite as a batched environment."""

from __future__ import annotations

from math import isfinite
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.environments.native.base import NativeEnvironment
from benchmark.environments.native.smaclite import constants as c
from benchmark.environments.native.smaclite.kernels.frame import scratch
from benchmark.environments.native.smaclite.kernels.step import start_rows, step_rows
from benchmark.environments.native.smaclite.maps.map_files import load_map
from benchmark.environments.native.smaclite.maps.scenario import build_rules, substate, team_shape
from benchmark.environments.scene import Box, Disc, Line, Role, Scene

REWARDS = ("damage", "sparse")
ATTRIBUTIONS = ("intended", "released")


class SMAClite(NativeEnvironment):
    """Battles of a team of units against enemies with a fixed behaviour: a native twin of SMAClite 0.0.1.

    map_name: a shipped map, the path of a map file, or a map in the user's folder (data/README.md).
    horizon: outer time limit in steps of 0.5 s, by default the map's; the package has none.
    reward: "damage" rewards damage, kills and the victory: 20 an episode at most, unless enemies regenerate. "sparse" gives +1
    for a victory and -1 for a defeat.
    attribution: of individual rewards. "intended" credits each agent with what its own unit did; "released" reproduces the
    numbering defect of the code released with the dependence graphs (kernels/step.py). Both sum to the team's reward.
    scatter: cells; 0 starts every episode at the places of the map, as the package does. Otherwise each unit of both sides is
    moved from its place by a uniform draw from [-scatter, scatter] in x and in y (kernels/starts.py).

    Success is a battle won: no enemy is left, even if no ally is either. An episode terminates when a team is gone.
    Collisions are avoided as by the package's default (NumPy) version, its defect at walls included (kernels/obstacles.py).
    Random are the order in which living units act, drawn anew in every frame, and scattered starts; nothing else.
    Deviation from the package: the last actions in the state are cleared at reset; the package carries them over from the
    episode before.

    Raises ValueError for an unknown reward or attribution, a horizon below 1 and a scatter that is negative or not finite,
    MapError (a ValueError) for a map that does not exist or cannot be used.
    """

    individual_sums_to_team = True

    def __init__(
        self,
        batch_size: int,
        *,
        map_name: str,
        horizon: int | None = None,
        reward: Literal["damage", "sparse"] = "damage",
        attribution: Literal["intended", "released"] = "intended",
        scatter: float = 0.0,
    ) -> None:
        if reward not in REWARDS:
            raise ValueError(f"reward must be one of {', '.join(REWARDS)}, got {reward!r}")
        if attribution not in ATTRIBUTIONS:
            raise ValueError(f"attribution must be one of {', '.join(ATTRIBUTIONS)}, got {attribution!r}")
        if horizon is not None and horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {horizon}")
        if not (isfinite(scatter) and scatter >= 0):
            raise ValueError(f"scatter must be 0 or more and finite, got {scatter}")
        battle = load_map(map_name)
        self.rules = build_rules(battle, horizon or battle.episode_limit, reward == "sparse", attribution == "released")
        parameters: dict[str, Any] = {"map_name": map_name, "horizon": horizon, "reward": reward, "attribution": attribution}
        parameters["scatter"] = scatter
        super().__init__(batch_size, team_shape(battle, self.rules), parameters)
        self.substate = substate(self.rules, self.team)
        size = self.rules.stats.shape[1]
        self.units = self.simulation_array("units", (c.UNIT_ROWS, size), np.float64)
        """[B, 10, U] what changes of each unit; rows as named in constants.py, units in overall order."""
        self.targets = self.simulation_array("targets", (size,), np.int64)
        """[B, U] the overall number of the unit that each one is after, -1 for none."""
        self._kinds = [entry.type for group in battle.groups for entry in group.units for _ in range(entry.count)]
        self._scatter = float(scatter)
        self._scratch = scratch(size, 4 * len(self.rules.edges))
        self._drawn = np.zeros((batch_size, 0, size), np.int64)
        self._sequence = self._drawn

    def _reset_rows(self, count: int) -> None:
        none = np.full(self.team.n_agents, -1, np.int64)
        start_rows(
            count, self.units, self.targets, self.streams, self._scatter, self.rules, none,
            self.observation, self.state, self.available, self.alive,
        )  # fmt: skip

    def _step_rows(self, actions: NDArray[np.int64]) -> None:
        step_rows(
            actions, self.units, self.targets, self.streams, self.steps, self._sequence, self.rules, self._scratch,
            self.observation, self.state, self.available, self.alive, self.running,
            self.team_reward, self.individual_reward, self.terminated, self.truncated, self.success,
        )  # fmt: skip

    def agent_positions(self) -> NDArray[np.float64]:
        return np.moveaxis(self.units[:, [c.X, c.Y]][:, :, self.rules.allies], 1, 2).copy()

    def scene(self, row: int) -> Scene:
        stats, traits = self.rules.stats, self.rules.traits
        units, targets = self.units[row], self.targets[row]
        shapes: list[Disc | Box | Line] = []
        for edges in self.rules.edges:
            (x, y), (right, top) = edges[0, :2].tolist(), edges[2, :2].tolist()
            shapes.append(Box(x, y, right - x, top - y, "wall"))
        xs, ys, radii = units[c.X].tolist(), units[c.Y].tolist(), stats[c.RADIUS].tolist()
        health = (units[c.HP] + units[c.SHIELD]) / (stats[c.MAX_HP] + stats[c.MAX_SHIELD])
        roles: list[Role] = ["agent" if team == c.ALLY else "enemy" for team in traits[c.TEAM]]
        living = np.flatnonzero(units[c.HP] > 0).tolist()
        for unit in living:
            if targets[unit] >= 0:
                shapes.append(Line(xs[unit], ys[unit], xs[targets[unit]], ys[targets[unit]], roles[unit]))
        for unit in living:
            number = int(traits[c.INDEX, unit]) if roles[unit] == "agent" else None
            label, level = self._kinds[unit][:2], float(health[unit])
            shapes.append(Disc(xs[unit], ys[unit], radii[unit], roles[unit], label, number, level))
        columns, rows = np.nonzero(self.rules.free)
        margin = 1  # of wall around the cells that can be walked on
        bounds = (columns.min() - margin, rows.min() - margin, columns.max() + 1 + margin, rows.max() + 1 + margin)
        return Scene(tuple(float(bound) for bound in bounds), tuple(shapes))  # type: ignore[arg-type]

    def load_state(self, units: NDArray[np.float64], targets: NDArray[np.int64], steps: NDArray[np.int64]) -> None:
        """Puts every row into a given state as if its episode had come there, for tests and hand-made situations.

        units [B, 10, U], rows as named in constants.py, hit points 0 for the dead; targets [B, U], -1 for none; steps [B]:
        made so far. Every action counts as available for the next step. Raises ValueError for other shapes.
        """
        for name, given, own in (
            ("units", units, self.units),
            ("targets", targets, self.targets),
            ("steps", steps, self.steps),
        ):
            if np.shape(given) != own.shape:
                raise ValueError(f"{name} must have shape {own.shape}, got {np.shape(given)}")
            own[:] = given
        self.running[:] = True
        self.available[:] = True

    def step_in_order(self, actions: NDArray[np.int64], sequence: NDArray[np.int64]) -> None:
        """A step whose frames f have the units act in the order sequence [B, 8, U] (padded with -1) instead of a drawn one.

        For tests against recordings. Raises ValueError for another shape.
        """
        shape = (self.batch_size, c.FRAMES_PER_STEP, self.units.shape[2])
        if np.shape(sequence) != shape:
            raise ValueError(f"sequence must have shape {shape}, got {np.shape(sequence)}")
        self._sequence = np.ascontiguousarray(sequence, np.int64)
        try:
            self.step(actions)
        finally:
            self._sequence = self._drawn
