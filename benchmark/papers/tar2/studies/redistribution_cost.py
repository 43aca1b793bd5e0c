"""Study: what do reward models cost, and how do time and memory grow with agents and steps?

One gradient step of a model, and one redistribution of the same number of episodes, on one thread, on made-up episodes of
full length. Attention over time compares every step of an agent with every other, N T^2 pairs; attention over agents every
agent of a step with every other, K T N^2 for K coalitions; the layers between take N T tokens. So time is expected to grow
between linearly and quadratically in each. Numbers of seconds are the processor's, the smallest of several; memory is the
peak of what is allocated during the call, without the parameters and the episodes that were there before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from algorithms.interface import Episodes, TeamShape
from algorithms.policy_gradient.redistributor import Redistributor
from algorithms.redistribution.models.reward_model import LearnedRedistributor
from algorithms.seeds import derive
from benchmark.experiments.run_spec import get_algorithm
from benchmark.experiments.study_result import Cell, Findings, Prediction, Progress, Table, Verdict, together
from benchmark.papers.toolkit.estimators import Interval, above, below, power_law, with_interval
from benchmark.papers.toolkit.profiling import MEBIBYTE, peak_bytes, readings
from benchmark.papers.toolkit.reward_model_fits import redistributor
from benchmark.papers.toolkit.synthetic_episodes import made_episodes, made_team

SEED = 2414
OBSERVATION, ACTIONS = 32, 8
ISSUE_STEPS, ISSUE_AGENTS = 50, 5


@dataclass(frozen=True)
class Size:
    """The methods; the grid: episodes a batch, numbers of agents and of steps; how often each is timed; episodes a batch of
    the issue's case."""

    methods: tuple[str, ...]
    batch: int
    agents: tuple[int, ...]
    steps: tuple[int, ...]
    issue_batch: int
    repeats: int

    @property
    def learned(self) -> tuple[str, ...]:
        """The methods that have a model to fit."""
        return tuple(method for method in self.methods if get_algorithm(f"ippo+{method}").presets)


FULL = Size(("uniform", "ircr", "arel", "stas", "stas-ml", "tar2"), 16, (2, 5, 10, 20), (25, 50, 100, 200), 64, 3)
QUICK = Size(("uniform", "stas"), 2, (2, 3, 4), (4, 6, 8), 2, 1)


@dataclass(frozen=True)
class Cost:
    """Seconds and peak bytes of one gradient step (None: nothing is learned) and of one redistribution of a batch."""

    fit_seconds: float | None
    fit_bytes: int | None
    pay_seconds: float
    pay_bytes: int


def study(quick: bool, progress: Progress) -> Findings:
    """The grid, and the case that the issue asks for; `quick` takes tiny batches."""
    size = QUICK if quick else FULL
    places = [(agents, steps) for agents in size.agents for steps in size.steps]
    total = len(size.methods) * (len(places) + 1)
    grid: dict[tuple[str, int, int], Cost] = {}
    case: dict[tuple[str, str], Cost] = {}
    for number, method in enumerate(size.methods):
        settings = settings_of(method, "screening")
        for place, (agents, steps) in enumerate(places):
            progress(number * (len(places) + 1) + place, total, f"{method}, {agents} agents, {steps} steps")
            grid[method, agents, steps] = cost_of(method, settings, size.batch, agents, steps, size.repeats)
        for preset in ("screening", "paper") if method in size.learned else ("paper",):
            settings = settings_of(method, preset)
            case[method, preset] = cost_of(method, settings, size.issue_batch, ISSUE_AGENTS, ISSUE_STEPS, size.repeats)
    progress(total, total, "done")
    return findings(size, grid, case)


def settings_of(method: str, preset: str) -> dict[str, Any]:
    """The settings of the redistribution under a preset, empty where the method has none."""
    found: dict[str, Any] = dict(get_algorithm(f"ippo+{method}").presets.get(preset, {}).get("redistribution", {}))
    return found


def cost_of(method: str, settings: dict[str, Any], batch: int, agents: int, steps: int, repeats: int) -> Cost:
    """Of a batch of episodes of `steps` steps."""
    team = made_team(agents, OBSERVATION, ACTIONS, steps)
    episodes = random_episodes(team, batch)
    found = _payer(method, team, episodes, settings)
    learned = isinstance(found, LearnedRedistributor)

    def pay() -> None:
        with torch.no_grad():
            found.redistribute(episodes)

    found.observe(episodes)
    found.fit()  # the optimiser's moments are made by the first step
    return Cost(
        fit_seconds=min(readings(found.fit, repeats, before=lambda: found.observe(episodes))) if learned else None,
        fit_bytes=peak_bytes(found.fit, lambda: found.observe(episodes)) if learned else None,
        pay_seconds=min(readings(pay, repeats)),
        pay_bytes=peak_bytes(pay),
    )


def random_episodes(team: TeamShape, batch: int) -> Episodes:
    """Standard normal observations and rewards, uniform actions."""
    random = np.random.default_rng(derive(SEED, team.n_agents, team.horizon))
    return made_episodes(
        random.standard_normal((batch, team.horizon + 1, team.n_agents, OBSERVATION)).astype(np.float32),
        random.integers(0, ACTIONS, (batch, team.horizon, team.n_agents)),
        random.standard_normal((batch, team.horizon)),
    )


def _payer(method: str, team: TeamShape, episodes: Episodes, settings: dict[str, Any]) -> Redistributor:
    """One that makes a single gradient step on a whole batch at every fit after it has observed one."""
    schedule: dict[str, Any] = {}
    if get_algorithm(f"ippo+{method}").presets:
        batch = len(episodes.length)
        schedule = {
            "buffer_episodes": batch,
            "batch_episodes": batch,
            "warm_up_episodes": 0,
            "fit_interval": 1,
            "gradient_steps_per_episode": 1 / batch,
        }
    return redistributor(method, team, SEED, {**settings, **schedule})


# What is said


def exponents(
    size: Size, grid: dict[tuple[str, int, int], Cost], value: Callable[[Cost], float], method: str
) -> list[Interval]:
    """Of the growth with the agents, at the most steps, and with the steps, at the most agents."""
    by_agents = [value(grid[method, agents, size.steps[-1]]) for agents in size.agents]
    by_steps = [value(grid[method, size.agents[-1], steps]) for steps in size.steps]
    return [power_law(size.agents, by_agents), power_law(size.steps, by_steps)]


MEASURES: dict[str, Callable[[Cost], float]] = {
    "seconds of a gradient step": lambda cost: cost.fit_seconds or math.nan,
    "seconds of redistributing": lambda cost: cost.pay_seconds,
    "memory of a gradient step": lambda cost: cost.fit_bytes or math.nan,
    "memory of redistributing": lambda cost: cost.pay_bytes,
}


def findings(size: Size, grid: dict[tuple[str, int, int], Cost], case: dict[tuple[str, str], Cost]) -> Findings:
    """What the costs say."""
    return Findings(
        design=(
            f"Made-up episodes of full length, observations of {OBSERVATION} numbers, {ACTIONS} actions; batches of "
            f"{size.batch} episodes, {', '.join(map(str, size.agents))} agents, {', '.join(map(str, size.steps))} steps, the "
            f"settings of the screening preset; one thread, seconds of the processor in the shortest of {size.repeats} calls. "
            "Exponents: least squares on logarithms, with agents at the most steps, with steps at the most agents. Memory: the "
            "most that torch held beyond what it held before."
        ),
        predictions=(_growth(size, grid), _share(size, case)),
        tables=(_case_table(case, size), _exponent_table(size, grid), _grid_table(grid)),
    )


def _case_table(case: dict[tuple[str, str], Cost], size: Size) -> Table:
    return Table.of(
        f"{size.issue_batch} episodes of {ISSUE_STEPS} steps, {ISSUE_AGENTS} agents",
        ("method", "settings", *COLUMNS),
        ([method, preset, *_cells(cost)] for (method, preset), cost in case.items()),
    )


COLUMNS = ("gradient step, s", "redistributing, s", "gradient step, MiB", "redistributing, MiB")


def _cells(cost: Cost) -> list[Cell]:
    memory = None if cost.fit_bytes is None else cost.fit_bytes / MEBIBYTE
    return [cost.fit_seconds, cost.pay_seconds, memory, cost.pay_bytes / MEBIBYTE]


def _exponent_table(size: Size, grid: dict[tuple[str, int, int], Cost]) -> Table:
    rows: list[list[Cell]] = []
    for method in size.methods:
        for name, value in MEASURES.items():
            if method in size.learned or "gradient" not in name:
                agents, steps = exponents(size, grid, value, method)
                rows.append([method, name, *agents, *steps])
    return Table.of(
        "Exponents of growth",
        ("method", "of what", *with_interval("with agents"), *with_interval("with steps")),
        rows,
    )


def _grid_table(grid: dict[tuple[str, int, int], Cost]) -> Table:
    return Table.of(
        "The grid",
        ("method", "agents", "steps", *COLUMNS),
        ([method, agents, steps, *_cells(cost)] for (method, agents, steps), cost in grid.items()),
    )


def _growth(size: Size, grid: dict[tuple[str, int, int], Cost]) -> Prediction:
    texts: list[str] = []
    verdicts: list[Verdict] = []
    for method in size.learned:
        found = exponents(size, grid, MEASURES["seconds of a gradient step"], method)
        texts.append(f"{method}: {' and '.join(exponent.text for exponent in found)}")
        for exponent in found:
            verdicts += [above(exponent, 1.0), below(exponent, 2.0)]
    return Prediction(
        expected="The time of a gradient step grows with agents and with steps with exponents between 1 and 2.",
        found=f"exponents with agents and with steps: {'; '.join(texts)}.",
        verdict=together(verdicts),
    )


def _share(size: Size, case: dict[tuple[str, str], Cost]) -> Prediction:
    uniform = case["uniform", "paper"].pay_seconds
    shares = {method: uniform / case[method, "screening"].pay_seconds for method in size.learned}
    return Prediction(
        expected="Uniform shares cost next to nothing: less than a hundredth of any model's redistribution.",
        found=f"part of it: {', '.join(f'{method} {share:.2%}' for method, share in shares.items())}.",
        verdict="supported" if max(shares.values()) < 0.01 else "not supported",
    )
