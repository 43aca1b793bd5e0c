"""Study redistribution-cost.

Question: what do reward models cost, and how do time and memory grow with the numbers of agents and steps?
Design: one gradient step of a model, and one redistribution of the same number of episodes, on one thread, on synthetic
episodes of full length. Seconds are processor time, the minimum of several calls; memory is the
peak of what is allocated during the call, without parameters and episodes, which exist before it.
Predictions: attention over time compares all pairs of an agent's steps, N T^2 pairs; attention over agents all pairs of a
step's agents, K T N^2 for K coalitions; the layers between process N T tokens. So time grows between linearly and
quadratically in each. Uniform redistribution costs next to nothing.
Source: experiment E-11 of the TAR2 specification, E7 of the STAS specification.
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
from benchmark.papers.toolkit.profiling import MEBIBYTE, peak_bytes, processor_seconds
from benchmark.papers.toolkit.reward_model_fits import redistributor
from benchmark.papers.toolkit.synthetic_episodes import synthetic_episodes, synthetic_team

SEED = 2414
OBSERVATION, ACTIONS = 32, 8
CASE_STEPS, CASE_AGENTS = 50, 5
"""The reference case, measured with each preset."""


@dataclass(frozen=True)
class Size:
    """The methods; the grid: episodes in a batch, numbers of agents and of steps; episodes in a batch of the reference case;
    calls of which the fastest counts."""

    methods: tuple[str, ...]
    batch: int
    agents: tuple[int, ...]
    steps: tuple[int, ...]
    case_batch: int
    repeats: int

    @property
    def learned(self) -> tuple[str, ...]:
        """The methods with a model to fit."""
        return tuple(method for method in self.methods if get_algorithm(f"ippo+{method}").presets)


FULL = Size(("uniform", "ircr", "arel", "stas", "stas-ml", "tar2"), 16, (2, 5, 10, 20), (25, 50, 100, 200), 64, 3)
QUICK = Size(("uniform", "stas"), 2, (2, 3, 4), (4, 6, 8), 2, 1)


@dataclass(frozen=True)
class Cost:
    """Seconds and peak bytes of one gradient step (None for methods without a model) and of one redistribution of a batch."""

    fit_seconds: float | None
    fit_bytes: int | None
    redistribution_seconds: float
    redistribution_bytes: int


def study(quick: bool, progress: Progress) -> Findings:
    """Runs the study; `quick` takes tiny batches."""
    size = QUICK if quick else FULL
    shapes = [(agents, steps) for agents in size.agents for steps in size.steps]
    total = len(size.methods) * (len(shapes) + 1)
    grid: dict[tuple[str, int, int], Cost] = {}
    case: dict[tuple[str, str], Cost] = {}
    for number, method in enumerate(size.methods):
        settings = settings_of(method, "screening")
        for index, (agents, steps) in enumerate(shapes):
            progress(number * (len(shapes) + 1) + index, total, f"{method}, {agents} agents, {steps} steps")
            grid[method, agents, steps] = cost_of(method, settings, size.batch, agents, steps, size.repeats)
        for preset in ("screening", "paper") if method in size.learned else ("paper",):
            settings = settings_of(method, preset)
            case[method, preset] = cost_of(method, settings, size.case_batch, CASE_AGENTS, CASE_STEPS, size.repeats)
    progress(total, total, "done")
    return findings(size, grid, case)


def settings_of(method: str, preset: str) -> dict[str, Any]:
    """The settings of the redistribution under a preset, empty if the method has no presets."""
    settings: dict[str, Any] = dict(get_algorithm(f"ippo+{method}").presets.get(preset, {}).get("redistribution", {}))
    return settings


def cost_of(method: str, settings: dict[str, Any], batch: int, agents: int, steps: int, repeats: int) -> Cost:
    """The cost of a batch of episodes of `steps` steps."""
    team = synthetic_team(agents, OBSERVATION, ACTIONS, steps)
    episodes = random_episodes(team, batch)
    model = _single_step_redistributor(method, team, episodes, settings)
    learned = isinstance(model, LearnedRedistributor)

    def redistribute() -> None:
        with torch.no_grad():
            model.redistribute(episodes)

    model.observe(episodes)
    model.fit()  # the first step allocates the optimiser's moments
    return Cost(
        fit_seconds=min(processor_seconds(model.fit, repeats, before=lambda: model.observe(episodes))) if learned else None,
        fit_bytes=peak_bytes(model.fit, lambda: model.observe(episodes)) if learned else None,
        redistribution_seconds=min(processor_seconds(redistribute, repeats)),
        redistribution_bytes=peak_bytes(redistribute),
    )


def random_episodes(team: TeamShape, batch: int) -> Episodes:
    """Standard normal observations and rewards, uniform actions."""
    random = np.random.default_rng(derive(SEED, team.n_agents, team.horizon))
    return synthetic_episodes(
        random.standard_normal((batch, team.horizon + 1, team.n_agents, OBSERVATION)).astype(np.float32),
        random.integers(0, ACTIONS, (batch, team.horizon, team.n_agents)),
        random.standard_normal((batch, team.horizon)),
    )


def _single_step_redistributor(method: str, team: TeamShape, episodes: Episodes, settings: dict[str, Any]) -> Redistributor:
    """A redistributor whose fit, after it has observed a batch, makes one gradient step on the whole batch."""
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


# Findings


def exponents(
    size: Size, grid: dict[tuple[str, int, int], Cost], value: Callable[[Cost], float], method: str
) -> list[Interval]:
    """The exponents of growth with agents, at the most steps, and with steps, at the most agents."""
    by_agents = [value(grid[method, agents, size.steps[-1]]) for agents in size.agents]
    by_steps = [value(grid[method, size.agents[-1], steps]) for steps in size.steps]
    return [power_law(size.agents, by_agents), power_law(size.steps, by_steps)]


MEASURES: dict[str, Callable[[Cost], float]] = {
    "seconds of a gradient step": lambda cost: cost.fit_seconds or math.nan,
    "seconds of redistributing": lambda cost: cost.redistribution_seconds,
    "memory of a gradient step": lambda cost: cost.fit_bytes or math.nan,
    "memory of redistributing": lambda cost: cost.redistribution_bytes,
}


def findings(size: Size, grid: dict[tuple[str, int, int], Cost], case: dict[tuple[str, str], Cost]) -> Findings:
    """Design, predictions and tables from the costs."""
    return Findings(
        design=(
            f"Synthetic episodes of full length, observations of {OBSERVATION} numbers, {ACTIONS} actions; batches of "
            f"{size.batch} episodes, {', '.join(map(str, size.agents))} agents, {', '.join(map(str, size.steps))} steps, the "
            f"settings of the screening preset; one thread, processor seconds of the fastest of {size.repeats} calls. "
            "Exponents: least squares on logarithms, with agents at the most steps, with steps at the most agents. Memory: the "
            "peak of what torch allocates during the call."
        ),
        predictions=(_growth(size, grid), _share(size, case)),
        tables=(_case_table(case, size), _exponent_table(size, grid), _grid_table(grid)),
    )


def _case_table(case: dict[tuple[str, str], Cost], size: Size) -> Table:
    return Table.of(
        f"{size.case_batch} episodes of {CASE_STEPS} steps, {CASE_AGENTS} agents",
        ("method", "settings", *COLUMNS),
        ([method, preset, *_cells(cost)] for (method, preset), cost in case.items()),
    )


COLUMNS = ("gradient step, s", "redistributing, s", "gradient step, MiB", "redistributing, MiB")


def _cells(cost: Cost) -> list[Cell]:
    memory = None if cost.fit_bytes is None else cost.fit_bytes / MEBIBYTE
    return [cost.fit_seconds, cost.redistribution_seconds, memory, cost.redistribution_bytes / MEBIBYTE]


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
        growth = exponents(size, grid, MEASURES["seconds of a gradient step"], method)
        texts.append(f"{method}: {' and '.join(exponent.text for exponent in growth)}")
        for exponent in growth:
            verdicts += [above(exponent, 1.0), below(exponent, 2.0)]
    return Prediction(
        expected="The time of a gradient step grows with agents and with steps with exponents between 1 and 2.",
        found=f"exponents with agents and with steps: {'; '.join(texts)}.",
        verdict=together(verdicts),
    )


def _share(size: Size, case: dict[tuple[str, str], Cost]) -> Prediction:
    uniform = case["uniform", "paper"].redistribution_seconds
    shares = {method: uniform / case[method, "screening"].redistribution_seconds for method in size.learned}
    return Prediction(
        expected="Uniform shares cost next to nothing: less than a hundredth of any model's redistribution.",
        found=f"part of it: {', '.join(f'{method} {share:.2%}' for method, share in shares.items())}.",
        verdict="supported" if max(shares.values()) < 0.01 else "not supported",
    )
