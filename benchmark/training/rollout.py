"""Rollouts: plays whole episodes with an algorithm and records them as `Episodes`.

    play              the loop begin / act / step, shared by training, evaluation and animation
    Recorder          what is kept of each step; EpisodeRecorder keeps everything, for learning
    Collector         training episodes, in batches of at most `parallel_episodes`

The contract:
* Episodes start at reset and end by termination or by the horizon; none is cut or restarted, and each row is one episode.
* An episode's randomness in the environment comes from its own seed alone. What acting draws comes from `generator`, in one
  order: it depends on how many episodes are played at once, so `parallel_episodes` is part of a run's identity.
* Nothing depends on wall-clock time.

Shapes, with the letters of algorithms.interface: observation [B, N, O], available actions [B, N, A], actions [B, N], rewards
[B, T] (team) and [B, T, N] (individual). R is the number of rows of the environment, of which the first B play; K ≤ B of
them are still acting. `Episodes` are zero after an episode's end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from algorithms.interface import CONTEXT_PREFIX, Algorithm, Episodes, Memory, Mode, Step, TeamShape
from algorithms.seeds import episode_seeds
from benchmark.credit.probes import build_probes
from benchmark.environments.checks import BrokenGame, GameChecks, named, validate_returns
from benchmark.environments.interface import Backend, BatchedEnvironment
from benchmark.environments.tasks.registry import Task
from benchmark.experiments.probe_names import PROBES


class Recorder(Protocol):
    """Keeps what its user needs of a batch of episodes. Calls: `begin` once, then `before` and `after` each step."""

    def begin(self, environment: BatchedEnvironment, count: int, memory: Memory) -> None:
        """Episodes start in rows 0..count-1."""

    def before(self, time: int, environment: BatchedEnvironment, actions: NDArray[np.int64], choice: Choice) -> None:
        """Before step `time`: the environment holds the observations of `choice`, and will take `actions` [R, N]."""

    def after(self, time: int, environment: BatchedEnvironment) -> None:
        """After step `time`: the environment holds its rewards and next observations."""


@dataclass(frozen=True)
class Choice:
    """What the algorithm chose, for rows [K] in ascending order; the episodes of all other rows have ended."""

    rows: NDArray[np.int64]
    step: Step


@torch.no_grad()
def play(
    environment: BatchedEnvironment,
    algorithm: Algorithm,
    seeds: NDArray[np.uint64],
    mode: Mode,
    generator: torch.Generator,
    recorder: Recorder,
) -> int:
    """Plays one episode per seed [B], B ≤ R, all at once. Returns the length of the longest.

    Whenever at least half of the rows that act have ended, the ended ones are dropped from the batch that `act` gets.
    Raises BrokenGame for anything that the game cannot mean (benchmark/environments/checks.py).
    """
    team, device = environment.team, generator.device
    actions = np.zeros((environment.batch_size, team.n_agents), np.int64)
    checks = GameChecks(environment, len(seeds))
    environment.reset(seeds)
    checks.reset()
    memory = algorithm.begin(len(seeds), mode, generator)
    recorder.begin(environment, len(seeds), memory)
    rows = np.arange(len(seeds))
    arrays = [environment.observation, environment.available, environment.alive]
    all_rows = [torch.from_numpy(array[: len(seeds)]) for array in arrays]
    for time in range(team.horizon):
        inputs = all_rows if len(rows) == len(seeds) else [torch.from_numpy(array[rows]) for array in arrays]
        if device.type != "cpu":
            inputs = [tensor.to(device) for tensor in inputs]
        observation, available, alive = inputs
        step = algorithm.act(observation, available, alive, memory, mode, generator)
        memory = step.memory
        actions[rows] = step.action.cpu().numpy()
        recorder.before(time, environment, actions, Choice(rows, step))
        environment.step(actions)
        if checks.everything:
            checks.step()
        recorder.after(time, environment)
        running = environment.running[rows]
        count = np.count_nonzero(running)
        if count == 0:
            checks.end(time + 1)
            return time + 1
        if 2 * count <= len(rows):
            actions[rows] = 0
            rows = rows[running]
            kept = torch.from_numpy(np.flatnonzero(running)).to(device)
            memory = {name: value[kept] for name, value in memory.items()}
    raise BrokenGame(f"{named(environment)}: the game goes on past its horizon of {team.horizon} steps")


class EpisodeRecorder:
    """Records all fields of `Episodes` for up to R episodes at once, in arrays allocated once; `episodes` returns copies.

    `probes`: names (benchmark/experiments/probe_names.py) of the probes that fill `Episodes.privileged` at every step.
    """

    def __init__(self, rows: int, team: TeamShape, probes: Sequence[str] = ()) -> None:
        t, n = team.horizon, team.n_agents
        self._before = {
            "observation": np.zeros((rows, t + 1, n, team.observation_size), np.float32),
            "state": np.zeros((rows, t + 1, team.state_size), np.float32),
            "available": np.zeros((rows, t + 1, n, team.action_size), np.bool_),
            "alive": np.zeros((rows, t + 1, n), np.bool_),
            "running": np.zeros((rows, t + 1), np.bool_),
        }
        self._after = {
            "team_reward": np.zeros((rows, t), np.float32),
            "individual_reward": np.zeros((rows, t, n), np.float32),
        }
        self._action = np.zeros((rows, t, n), np.int64)
        self._horizon = t
        self._probes = build_probes(probes)
        self._privileged = {name: np.zeros((rows, t, n, n), np.bool_) for probe in probes for name in PROBES[probe].fills}
        self._chosen: dict[str, Tensor] = {}
        self._context: dict[str, Tensor] = {}

    def begin(self, environment: BatchedEnvironment, count: int, memory: Memory) -> None:
        self._count = count
        self._chosen = {}
        self._context = {
            name.removeprefix(CONTEXT_PREFIX): value.clone()
            for name, value in memory.items()
            if name.startswith(CONTEXT_PREFIX)
        }

    def before(self, time: int, environment: BatchedEnvironment, actions: NDArray[np.int64], choice: Choice) -> None:
        self._look(time, environment)
        self._action[:, time] = actions
        rows_left = choice.rows[environment.running[choice.rows]]
        for probe in self._probes:
            for name, graph in probe.look(environment, actions, rows_left).items():
                self._privileged[name][:, time] = False
                self._privileged[name][rows_left, time] = graph
        decision = self._decision(choice.step)
        if time == 0:
            self._chosen = {name: self._zeros(value) for name, value in decision}
        if len(choice.rows) == self._count:
            for name, value in decision:
                self._chosen[name][:, time] = value
        else:
            rows = torch.from_numpy(choice.rows)
            for name, value in decision:
                self._chosen[name][:, time].index_copy_(0, rows.to(value.device), value)

    def after(self, time: int, environment: BatchedEnvironment) -> None:
        for name, values in self._after.items():
            values[:, time] = getattr(environment, name)

    def episodes(self, environment: BatchedEnvironment, length: int, seeds: NDArray[np.uint64]) -> Episodes:
        """The episodes that were played last, as copies. `length`: of the longest, T of the result.

        Raises BrokenGame where the team rewards of one do not have a finite sum.
        """
        self._look(length, environment)
        count = self._count
        validate_returns(environment, self._after["team_reward"][:count, :length].sum(1))
        recorded: dict[str, Any] = {name: _copied(values[:count, : length + 1]) for name, values in self._before.items()}
        recorded |= {name: _copied(values[:count, :length]) for name, values in self._after.items()}
        running = recorded.pop("running")[:, :-1].contiguous()
        lengths = running.sum(1)
        last = torch.arange(length) == (lengths - 1)[:, None]
        chosen = {name: _cleared(values[:, :length].clone(), ~running) for name, values in self._chosen.items()}
        return Episodes(
            **recorded,
            action=_copied(self._action[:count, :length]),
            log_probability=chosen.pop(_LOG_PROBABILITY),
            running=running,
            terminated=last & torch.from_numpy(environment.terminated[:count])[:, None],
            truncated=last & torch.from_numpy(environment.truncated[:count])[:, None],
            success=_copied(environment.success[:count]),
            length=lengths,
            seed=_copied(seeds.astype(np.int64)),
            extras=chosen,
            context=self._context,
            privileged={name: _copied(values[:count, :length]) for name, values in self._privileged.items()},
        )

    def _look(self, time: int, environment: BatchedEnvironment) -> None:
        for name, values in self._before.items():
            values[:, time] = getattr(environment, name)

    def _zeros(self, value: Tensor) -> Tensor:
        return value.new_zeros(value.shape[0], self._horizon, *value.shape[1:])

    @staticmethod
    def _decision(step: Step) -> list[tuple[str, Tensor]]:
        return [(_LOG_PROBABILITY, step.log_probability), *step.extras.items()]


_LOG_PROBABILITY = ""
"""The key of the log-probability beside the extras; no extra has an empty name."""


def _cleared(values: Tensor, mask: Tensor) -> Tensor:
    """Sets values [B, T, …] to 0 where mask [B, T]: `act` also gets rows that ended since rows were last dropped."""
    return values.masked_fill_(mask.to(values.device).view(*mask.shape, *[1] * (values.dim() - 2)), 0)


def _copied(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(values.copy())


class Collector:
    """Plays training episodes in batches of at most `parallel_episodes`, on its own environment.

    `probes`: names of the probes that fill `Episodes.privileged`.
    """

    def __init__(self, task: Task, backend: Backend, parallel_episodes: int, probes: Sequence[str] = ()) -> None:
        self._task = task
        self._backend = backend
        self._parallel_episodes = parallel_episodes
        self._probes = probes
        self._environment: BatchedEnvironment | None = None

    def collect(
        self, algorithm: Algorithm, episodes: int, first: int, environment_seed: int, generator: torch.Generator
    ) -> Episodes:
        """The run's episodes with the numbers first, …, first + episodes - 1, on the generator's device.

        The seed of each is derived from `environment_seed` and its number. `generator`: for sampling actions.
        """
        rows = min(episodes, self._parallel_episodes)
        environment = self._at_least(rows)
        seeds = episode_seeds(environment_seed, first, episodes)
        batches = []
        for start in range(0, episodes, rows):
            batch = seeds[start : start + rows]
            length = play(environment, algorithm, batch, "train", generator, self._recorder)
            batches.append(self._recorder.episodes(environment, length, batch))
        collected = Episodes.concatenate(batches)
        return collected if generator.device.type == "cpu" else collected.to(generator.device)

    def _at_least(self, rows: int) -> BatchedEnvironment:
        """The environment, rebuilt where it has fewer rows. Episodes do not depend on the number of rows."""
        if self._environment is None or self._environment.batch_size < rows:
            self.close()
            self._environment = self._task.build(rows, self._backend)
            self._recorder = EpisodeRecorder(rows, self._environment.team, self._probes)
        return self._environment

    def close(self) -> None:
        """Ends the environment."""
        if self._environment is not None:
            self._environment.close()
            self._environment = None
