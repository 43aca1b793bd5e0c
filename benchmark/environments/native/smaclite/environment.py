"""SMAClite as a batched environment."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.environments.native.base import NativeEnvironment
from benchmark.environments.native.smaclite.constants import FRAMES_PER_STEP, UNIT_ROWS
from benchmark.environments.native.smaclite.kernels_frame import scratch
from benchmark.environments.native.smaclite.kernels_step import start_rows, step_rows
from benchmark.environments.native.smaclite.maps import load_map
from benchmark.environments.native.smaclite.scenario import build_rules, team_shape


class SMAClite(NativeEnvironment):
    """Micro-management of a team of units against enemies with a fixed behaviour; a native twin of SMAClite 0.0.1.

    `map_name`: a shipped map, the path of a map file, or one in the user's folder (data/README.md). `horizon`: outer time limit in steps
    of 0.5 s, by default the map's; the package has none. `reward`: "damage" pays damage, kills and the victory, at most 20 an episode
    unless enemies regenerate; "sparse" pays +1 for a victory and -1 for a defeat.
    `attribution` of individual rewards: "intended" credits each agent with what its own unit did, "released" reproduces the
    numbering defect of the dependence-graph authors' code (kernels_step.pay). Both sum to the team's reward.

    Success is a battle won: no enemy is left, even if no ally is either. An episode terminates when a team is gone.
    The only randomness is the order in which living units act, drawn anew in every frame.
    Deviation from the package: the last actions in the state are cleared at reset; the package carries them over.

    Raises MapError (a ValueError) for a map that does not exist or cannot be used.
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
    ) -> None:
        for name, value, allowed in (
            ("reward", reward, ("damage", "sparse")),
            ("attribution", attribution, ("intended", "released")),
        ):
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        if horizon is not None and horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {horizon}")
        battle = load_map(map_name)
        self.rules = build_rules(battle, horizon or battle.episode_limit, reward == "sparse", attribution == "released")
        parameters = {"map_name": map_name, "horizon": horizon, "reward": reward, "attribution": attribution}
        super().__init__(batch_size, team_shape(battle, self.rules), parameters)
        size = self.rules.stats.shape[1]
        self.units = self.simulation_array("units", (UNIT_ROWS, size), np.float64)
        self.targets = self.simulation_array("targets", (size,), np.int64)
        self._scratch = scratch(size, 4 * len(self.rules.edges))
        self._no_orders = np.zeros((batch_size, 0, size), np.int64)
        self._imposed = self._no_orders

    def _reset_rows(self, count: int) -> None:
        none = np.full(self.team.n_agents, -1, np.int64)
        start_rows(count, self.units, self.targets, self.rules, none, self.observation, self.state, self.available, self.alive)

    def _step_rows(self, actions: NDArray[np.int64]) -> None:
        step_rows(
            actions, self.units, self.targets, self.streams, self.steps, self._imposed, self.rules, self._scratch,
            self.observation, self.state, self.available, self.alive, self.running,
            self.team_reward, self.individual_reward, self.terminated, self.truncated, self.success,
        )  # fmt: skip

    def put(self, units: NDArray[np.float64], targets: NDArray[np.int64]) -> None:
        """Puts every row into a given state, for tests: units [B, 10, U] (rows named in constants.py), targets [B, U] or -1."""
        self.units[:] = units
        self.targets[:] = targets
        self.running[:] = True
        self.available[:] = True

    def step_in_order(self, actions: NDArray[np.int64], sequence: NDArray[np.int64]) -> None:
        """A step in which the units of frame f act in the order sequence [B, 8, U], padded with -1, for tests."""
        if sequence.shape != (self.batch_size, FRAMES_PER_STEP, self.units.shape[2]):
            raise ValueError(f"sequence must have shape [B, {FRAMES_PER_STEP}, U], got {sequence.shape}")
        self._imposed = np.ascontiguousarray(sequence, np.int64)
        try:
            self.step(actions)
        finally:
            self._imposed = self._no_orders
