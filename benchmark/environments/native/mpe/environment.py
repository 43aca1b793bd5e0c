"""The multi-particle environments simple_spread and simple_tag, simulated natively: twins of mpe2 1.1.1.

Agents are discs in the plane, pushed by unit forces along an axis (action 0 rest, 1 left, 2 right, 3 down, 4 up), with
damping, soft contacts and, in tag, speed caps. Sources: Lowe et al. 2017 (the scenarios), mpe2 1.1.1 (rules and constants),
Papoudakis et al. 2021 (the unit of the published returns), and the papers named at each setting.

Differences from the package: only its discrete actions and silent agents; starts are drawn by our own generator;
bodies at exactly the same position do not push each other (the package's force is 0/0 there).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algorithms.team import TeamShape
from benchmark.environments.native.base import NativeEnvironment
from benchmark.environments.native.mpe import kernels
from benchmark.environments.native.mpe.observation import ObservationLayout, Order, shown
from benchmark.environments.scene import Disc, Scene

_N_ACTIONS = 5


class ParticleEnvironment(NativeEnvironment):
    """What spread and tag share: the world, its start, and the injection of states.

    `layout`: what the learners observe; the state is all observations one after the other.
    `half_width`: agents start uniformly in the square [-half_width, half_width]^2, landmarks in their own.
    """

    individual_sums_to_team = True

    def __init__(
        self,
        batch_size: int,
        parameters: dict[str, Any],
        *,
        layout: ObservationLayout,
        agent_types: Sequence[int],
        bodies: kernels.Bodies,
        half_width: float,
        landmark_half_width: float,
        landmark_distance: float,
        horizon: int,
    ) -> None:
        if landmark_half_width <= 0:
            raise ValueError(f"half_width {half_width} leaves no room")
        if horizon < 1:
            raise ValueError(f"horizon must be at least 1, got {horizon}")
        sizes, fields, self._view = layout.finish()
        team = TeamShape(
            n_agents=len(sizes),
            observation_sizes=sizes,
            action_sizes=(_N_ACTIONS,) * len(sizes),
            agent_types=tuple(agent_types),
            state_size=len(fields),
            horizon=horizon,
            state_fields=fields,
        )
        super().__init__(batch_size, team, parameters)
        self.substate = layout.substate()
        self.state = self.observation.reshape(batch_size, -1)  # one memory: nothing is written twice
        self.bodies = bodies
        """Sizes, accelerations and speed caps."""
        agents = len(bodies.size)
        self._worlds = self.simulation_array("worlds", (4 * agents + 2 * bodies.landmarks + 1,), np.float64)
        self.positions = self._worlds[:, : 2 * agents].reshape(batch_size, agents, 2)
        """[B, E, 2] of all agents; in tag the predators come first, then the prey."""
        self.velocities = self._worlds[:, 2 * agents : 4 * agents].reshape(batch_size, agents, 2)
        """[B, E, 2], as `positions`."""
        self.landmarks = self._worlds[:, 4 * agents : -1].reshape(batch_size, bodies.landmarks, 2)
        """[B, L, 2]; in tag these are the obstacles."""
        self._start = (float(half_width), float(landmark_half_width), float(landmark_distance))
        self._out = kernels.Outputs(
            self.state,
            self.available,
            self.running,
            self.team_reward,
            self.individual_reward,
            self.terminated,
            self.truncated,
            self.success,
            self.steps,
        )

    def load_state(self, positions: ArrayLike, velocities: ArrayLike, landmarks: ArrayLike) -> None:
        """Puts agents and landmarks of every row where told, for tests and probes; observations and state follow.

        Shapes as of `positions`, `velocities` and `landmarks`. Step counters and random streams stay as they are.
        Raises ValueError for another shape or values that are not finite.
        """
        given = {"positions": positions, "velocities": velocities, "landmarks": landmarks}
        arrays = {name: np.asarray(values, np.float64) for name, values in given.items()}
        for name, array in arrays.items():
            shape = getattr(self, name).shape
            if array.shape != shape or not np.isfinite(array).all():
                raise ValueError(f"{name} must be finite numbers of shape {shape}, got shape {array.shape}")
        for name, array in arrays.items():
            getattr(self, name)[:] = array
        kernels.observe_rows(self.batch_size, self._worlds, self._view, self._out)

    def agent_positions(self) -> NDArray[np.float64]:
        return self.positions[:, : self.team.n_agents].copy()

    def scene(self, row: int) -> Scene:
        sizes, learners = self.bodies.size.tolist(), self.team.n_agents
        obstacle = self.bodies.obstacle_size
        shapes = [
            Disc(x, y, obstacle or kernels.COVER_RADIUS, "wall" if obstacle else "goal")
            for x, y in self.landmarks[row].tolist()
        ]
        for agent, (x, y) in enumerate(self.positions[row].tolist()):
            if agent < learners:
                shapes.append(Disc(x, y, sizes[agent], "agent", str(agent), agent))
            else:
                shapes.append(Disc(x, y, sizes[agent], "goal"))
        edge = 1.25 * self._start[0]
        return Scene((-edge, -edge, edge, edge), tuple(shapes))

    def _reset_rows(self, count: int) -> None:
        self.alive[:count] = True
        kernels.start_rows(count, self.streams, self._worlds, self.bodies, self._view, self._out, *self._start)


def _spread_rules(n: int) -> dict[str, tuple[float, float, float, float]]:
    """Weights of D, C_i, 1 and D_i in agent i's cost, by the name of the reward (see SimpleSpread)."""
    return {
        "pettingzoo": (0.5, 0.5, 0.0, 0.0),
        "epymarl": (1.0, 1.0, 1.0, 0.0),
        "stas": (1.0 / n, 1.0, 0.0, 0.0),
        "seca": (1.0 / n, 0.0, 0.0, 0.0),
        "dependence_graph": (0.0, 1.0, 0.0, float(n)),
    }


class SimpleSpread(ParticleEnvironment):
    """simple_spread: N agents of size 0.15 cover N landmarks and keep from touching each other; no true end.

    With D = sum over landmarks of the distance to the nearest agent, C_i = how many others agent i touches, and
    D_i = the part of D over the landmarks that agent i is nearest to, agent i's reward per step is, by `reward`:

        pettingzoo        -(D + C_i) / 2     mpe2's simple_spread_v3, local_ratio 0.5
        epymarl           -(D + C_i + 1)     Papoudakis et al. 2021: every agent also touches itself; with N = 3 the team's
                                             reward -(3D + C + 3) is the unit of their tables (their sum over agents / N)
        stas              -(D/N + C_i)       Chen et al. 2024: the team's reward is -(D + C); how it is shared out is ours
        seca              -D/N               the SeCA paper: the team's reward is -D; how it is shared out is ours
        dependence_graph  -(N * D_i + C_i)   a variant in the code of the dependence-graph paper; D_i: nearest agent only

    The team's reward is always their sum. `success`: every landmark has an agent nearer than 0.1 at the last step.

    `landmark_distance`: least distance between landmarks (0: independent), drawn by rejection from the uniform law.
    `landmark_order`, `agent_order`: "index", "nearest" (first) or "x" (by relative x), and `observed_landmarks`,
    `observed_agents`: how many of them (None: all); "index" shows all. `messages`: zeros for the others' messages.

    Observation: own velocity 2, own position 2, landmarks 2 each, other agents 2 each, both relative, messages 2 each.
    """

    def __init__(
        self,
        batch_size: int,
        *,
        n_agents: int = 3,
        reward: str = "epymarl",
        half_width: float = 1.0,
        landmark_distance: float = 0.0,
        landmark_order: Order = "index",
        observed_landmarks: int | None = None,
        agent_order: Order = "index",
        observed_agents: int | None = None,
        messages: bool = True,
        horizon: int = 25,
    ) -> None:
        if n_agents < 1:
            raise ValueError(f"n_agents must be at least 1, got {n_agents}")
        disc, room = np.pi * landmark_distance**2 / 4, (2 * half_width + landmark_distance) ** 2
        if n_agents * disc > 0.4 * room:
            raise ValueError(f"{n_agents} landmarks {landmark_distance} apart do not fit into half_width {half_width}")
        landmarks = shown("landmarks", n_agents, landmark_order, observed_landmarks)
        others = shown("agents", n_agents - 1, agent_order, observed_agents)
        layout = ObservationLayout([f"agent{i}" for i in range(n_agents)], n_agents, n_agents)
        for i in range(n_agents):
            layout.begin(i)
            layout.landmarks(landmark_order, landmarks)
            layout.agents(0, n_agents, agent_order, others)
            layout.messages(others if messages else 0)
        parameters = {
            "n_agents": n_agents,
            "reward": reward,
            "half_width": half_width,
            "landmark_distance": landmark_distance,
            "landmark_order": landmark_order,
            "observed_landmarks": observed_landmarks,
            "agent_order": agent_order,
            "observed_agents": observed_agents,
            "messages": messages,
            "horizon": horizon,
        }
        self._weights = np.array(_known("reward", reward, _spread_rules(n_agents)))
        super().__init__(
            batch_size,
            parameters,
            layout=layout,
            agent_types=[0] * n_agents,
            bodies=kernels.Bodies(np.full(n_agents, 0.15), np.full(n_agents, 5.0), np.full(n_agents, np.inf), n_agents, 0.0),
            half_width=half_width,
            landmark_half_width=half_width,
            landmark_distance=landmark_distance,
            horizon=horizon,
        )

    def _step_rows(self, actions: NDArray[np.int64]) -> None:
        kernels.step_spread(actions, self._worlds, self.bodies, self._view, self._out, self._weights, self.team.horizon)


_PREY_MOVERS = {"controlled": kernels.CONTROLLED, "random": kernels.RANDOM, "evade": kernels.EVADE}
_TAG_RULES = {
    "pettingzoo": (1.0, 0.0, 0.0, 0.0),
    "epymarl": (0.0, 1.0, 0.0, 0.0),
    "stas": (0.0, 1.0, 0.0, 0.1),
    "seca": (0.0, 0.0, 1.0, 0.0),
}


class SimpleTag(ParticleEnvironment):
    """simple_tag: predators (acceleration 3, speed at most 1.0) hunt faster prey (4, 1.3) among obstacles.

    The learners are the predators; the prey belong to the environment, by `prey`:

        evade       our script: accelerate along the axis that leads away from the predators (each counts 1/distance) and,
                    beyond 0.9 half-widths, back inside; one move in ten is random. Stands in for the trained prey networks
                    of Papoudakis et al. 2021 and Chen et al. 2024, so returns are not comparable with theirs.
        random      uniform over the five moves at every step (the prey of the SeCA paper)
        controlled  the prey are agents of the team, after the predators, as in mpe2: for comparison with the package. They
                    are rewarded by its rule; the team's reward is the predators' sum.

    With T = touching pairs of predator and prey and T_i = those of predator i, its reward per step is, by `reward`:

        pettingzoo  10 T                 mpe2's simple_tag_v3, no shaping
        epymarl     10 T_i               the team's 10 T is the unit of Papoudakis et al. 2021 (their sum over agents / N,
                                         where each predator got the whole); the split among predators is ours
        stas        10 T_i - 0.1 d_i     Chen et al. 2024, d_i the distance to the nearest prey; split by us
        seca        10 T_i / T           the SeCA paper's one reward at capture, split by us (10 is the scenario's)

    The team's reward is the sum over predators. `end_on_capture`: the first touch terminates the episode.
    `success`: some prey was touched at some step.

    `observed_obstacles`, `observed_predators`, `observed_prey`: how many of the nearest are seen, nearest first
    (None: all, in their order). Agents start within `half_width`, obstacles 0.1 further in.

    Observation: own velocity 2, own position 2; relative positions of obstacles, other predators and prey; prey velocities.
    """

    def __init__(
        self,
        batch_size: int,
        *,
        n_predators: int = 3,
        n_prey: int = 1,
        n_obstacles: int = 2,
        reward: str = "epymarl",
        prey: str = "evade",
        end_on_capture: bool = False,
        half_width: float = 1.0,
        predator_size: float = 0.075,
        prey_size: float = 0.05,
        obstacle_size: float = 0.2,
        observed_obstacles: int | None = None,
        observed_predators: int | None = None,
        observed_prey: int | None = None,
        horizon: int = 25,
    ) -> None:
        if n_predators < 1 or n_prey < 1 or n_obstacles < 0:
            raise ValueError(f"needs predators, prey and obstacles, got {n_predators}, {n_prey} and {n_obstacles}")
        mover = _known("prey", prey, _PREY_MOVERS)
        controlled = mover == kernels.CONTROLLED
        limits = (observed_obstacles, observed_predators, observed_prey)
        if controlled and limits != (None, None, None):
            raise ValueError("controlled prey see and are seen as in mpe2: observed_* cannot be set")
        orders: list[Order] = ["index" if limit is None else "nearest" for limit in limits]
        obstacles = shown("obstacles", n_obstacles, orders[0], observed_obstacles)
        mates = shown("predators", n_predators - 1, orders[1], observed_predators)
        quarry = shown("prey", n_prey, orders[2], observed_prey)
        agents = n_predators + n_prey
        learners = agents if controlled else n_predators
        words = [f"agent{i}" if i < n_predators else f"prey{i}" for i in range(agents)]
        layout = ObservationLayout(words, learners, n_obstacles)
        for i in range(learners):
            layout.begin(i)
            layout.landmarks(orders[0], obstacles)
            layout.agents(0, n_predators, orders[1], mates)
            layout.agents(n_predators, agents, orders[2], quarry, velocities=True)
        parameters = {
            "n_predators": n_predators,
            "n_prey": n_prey,
            "n_obstacles": n_obstacles,
            "reward": reward,
            "prey": prey,
            "end_on_capture": end_on_capture,
            "half_width": half_width,
            "predator_size": predator_size,
            "prey_size": prey_size,
            "obstacle_size": obstacle_size,
            "observed_obstacles": observed_obstacles,
            "observed_predators": observed_predators,
            "observed_prey": observed_prey,
            "horizon": horizon,
        }
        self._weights = np.array(_known("reward", reward, _TAG_RULES))
        self._n_predators, self._mover, self._capture_ends = n_predators, mover, end_on_capture
        self.individual_sums_to_team = not controlled
        super().__init__(
            batch_size,
            parameters,
            layout=layout,
            agent_types=[int(i >= n_predators) for i in range(learners)],
            bodies=kernels.Bodies(
                np.repeat([predator_size, prey_size], [n_predators, n_prey]),
                np.repeat([3.0, 4.0], [n_predators, n_prey]),
                np.repeat([1.0, 1.3], [n_predators, n_prey]),
                n_obstacles,
                float(obstacle_size),
            ),
            half_width=half_width,
            landmark_half_width=half_width - 0.1,
            landmark_distance=0.0,
            horizon=horizon,
        )
        self._caught = self.simulation_array("caught", (), np.bool_)

    def _reset_rows(self, count: int) -> None:
        self._caught[:] = False
        super()._reset_rows(count)

    def _step_rows(self, actions: NDArray[np.int64]) -> None:
        kernels.step_tag(
            actions,
            self.streams,
            self._worlds,
            self.bodies,
            self._view,
            self._out,
            self._caught,
            self._n_predators,
            self._weights,
            self.team.horizon,
            self._mover,
            self._capture_ends,
            self._start[0],
        )


def _known(setting: str, name: str, choices: Mapping[str, Any]) -> Any:
    """The choice of that name. Raises ValueError with all of them."""
    if name not in choices:
        raise ValueError(f"{setting} must be one of {', '.join(choices)}, got '{name}'")
    return choices[name]
