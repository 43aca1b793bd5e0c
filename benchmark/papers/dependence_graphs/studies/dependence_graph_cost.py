"""Study dependence-graph-cost.

Question: what does credit along a learned dependence graph cost compared with PPO, and how does it grow with the agents?
Design: episodes of star-spread are collected; each part of an update is timed separately on them: inferring the edges
(encoding included), the multi-agent advantage by recursion, the same by matrix products as in the released code, PPO itself,
and a gradient step of the world models on all steps or on a sample.
Predictions: matrix products take N^3 T^2 / 2 operations, the recursion N^2 T times the mean number of edges of an agent, the
models N^2 T pairs; the recursion is cheap, the models are the bottleneck.
Source: experiment X6 of the specification of dependence graphs; Le and Ta 2026, arXiv 2601.21523.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor

from algorithms.advantages.dependence_graph.estimator import DependenceGraphAdvantage
from algorithms.advantages.dependence_graph.graph import multi_agent_advantage, with_self_loops
from algorithms.advantages.dependence_graph.world_model import WorldModel
from algorithms.interface import Episodes, LearnerContext
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.returns import discounted_sums
from algorithms.seeds import derive
from algorithms.settings.dependence_graph import PAPER
from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.run_spec import get_algorithm, validated_settings
from benchmark.experiments.study_result import Cell, Findings, Prediction, Progress, Table
from benchmark.papers.toolkit.estimators import holds, power_law, with_interval
from benchmark.papers.toolkit.profiling import MEBIBYTE, peak_bytes, processor_seconds
from benchmark.training.rollout import Collector

SEED = 2602
EPISODES = 10
EDGES = 0.3
"""The share of pairs of agents with an edge in the random graph."""
AHEAD = 100
"""The look-ahead of the released code, in steps."""
SAMPLED_STEPS = 50
"""Environment steps sampled for a gradient step of the world models, of the 500 that were collected."""
CASE_AGENTS = 8
MANY = 50
"""Number of agents from which matrix products are expected to cost more than PPO."""
PARTS = {
    "rollout": "collecting the episodes",
    "edges": "inferring the edges",
    "recursion": f"sharing advantages out by recursion along a graph with {EDGES:.0%} of the edges",
    "recursion, full graph": "the same along a graph with all edges",
    "products": "the first again by products of matrices",
    "PPO, paper": "advantages, actor and critic of IPPO, preset paper",
    "PPO, defaults": "the same with our defaults",
    "fit": "a gradient step of the world models on all pairs of all steps",
    "fit, drawn": f"the same on {SAMPLED_STEPS} drawn steps",
}
UPDATE = ("edges", "recursion", "PPO, paper")
"""The parts of an update, without the gradient step of the world models."""
FLOOR = 0.05
DECAY = 0.99 * 0.95
GROWTH_OVER = 4
"""Exponents are fitted to that many of the largest numbers of agents."""
FROM = 10


@dataclass(frozen=True)
class Size:
    """Numbers of agents; each part is timed at least `least` and at most `most` times, until `enough` seconds are spent."""

    agents: tuple[int, ...]
    least: int
    most: int
    enough: float


FULL = Size((2, 5, 8, 10, 20, 50, 100), 3, 15, 2.0)
QUICK = Size((2, 3, 8), 1, 1, 0.0)


@dataclass(frozen=True)
class Cost:
    """Median processor seconds and peak memory of a part (None: not measured)."""

    seconds: float
    bytes: int | None


Costs = dict[tuple[int, str], Cost]
"""By number of agents and part."""


def study(quick: bool, progress: Progress) -> Findings:
    """Runs the study; `quick` takes few numbers of agents."""
    size = QUICK if quick else FULL
    costs: Costs = {}
    for number, agents in enumerate(size.agents):
        progress(number, len(size.agents), f"{agents} agents")
        costs |= {(agents, part): cost for part, cost in costs_of(size, agents).items()}
    progress(len(size.agents), len(size.agents), "done")
    return findings(size, costs)


# Measurement


def costs_of(size: Size, agents: int) -> dict[str, Cost]:
    """The cost of each part, for that many agents."""
    task = get_task(f"dg/star-{agents}")
    guided, drawn = (
        built("ippo+dg", PAPER | {"dependence": {"batch_steps": steps}}, agents) for steps in (None, SAMPLED_STEPS)
    )
    collector = Collector(task, "native", EPISODES)
    draws = torch.Generator().manual_seed(derive(SEED, "episodes"))

    def play() -> Episodes:
        return collector.collect(guided, EPISODES, 0, derive(SEED, "starts"), draws)

    episodes = play()
    costs = {"rollout": Cost(median(processor_seconds(play, size.least, size.most, size.enough)), None)}
    collector.close()
    for part, call in calls(agents, episodes, guided, drawn).items():
        peak = peak_bytes(call)  # the first call, in which optimisers allocate their moments
        costs[part] = Cost(median(processor_seconds(call, size.least, size.most, size.enough)), peak)
    return costs


def calls(agents: int, episodes: Episodes, guided: PolicyGradient, drawn: PolicyGradient) -> dict[str, Callable[[], object]]:
    """The timed calls, without the rollout."""
    models, drawing = (world_model_of(algorithm) for algorithm in (guided, drawn))
    plain = {name: built("ippo", settings, agents) for name, settings in (("paper", PAPER), ("defaults", {}))}
    errors = torch.randn(episodes.action.shape, generator=torch.Generator().manual_seed(SEED))
    links = torch.rand(*errors.shape, agents, generator=torch.Generator().manual_seed(SEED))
    some, every = with_self_loops(links < EDGES), torch.ones_like(links, dtype=torch.bool)
    advantage = discounted_sums(errors, DECAY)
    return {
        "edges": lambda: models.infer(episodes),
        "recursion": lambda: multi_agent_advantage(some, advantage, DECAY, FLOOR),
        "recursion, full graph": lambda: multi_agent_advantage(every, advantage, DECAY, FLOOR),
        "products": lambda: advantage_by_products(some, errors, DECAY, FLOOR),
        "PPO, paper": lambda: plain["paper"].update(episodes),
        "PPO, defaults": lambda: plain["defaults"].update(episodes),
        "fit": lambda: models.fit(episodes),
        "fit, drawn": lambda: drawing.fit(episodes),
    }


def built(name: str, settings: Mapping[str, Any], agents: int) -> PolicyGradient:
    """An algorithm with these settings, for star-spread."""
    entry = get_algorithm(name)
    environment = get_task(f"dg/star-{agents}").build(1, "native")
    context = LearnerContext(team=environment.team, regime="individual", budget=1, seed=SEED)
    environment.close()
    algorithm = entry.build(validated_settings(entry, dict(settings)), context)
    assert isinstance(algorithm, PolicyGradient)
    return algorithm


def world_model_of(algorithm: PolicyGradient) -> WorldModel:
    """The learned graph of an algorithm."""
    assert isinstance(algorithm.estimator, DependenceGraphAdvantage)
    assert isinstance(algorithm.estimator.source, WorldModel)
    return algorithm.estimator.source


def advantage_by_products(graph: Tensor, errors: Tensor, decay: float, floor: float) -> Tensor:
    """The multi-agent advantage [B, T, N] as in the released code: the agents that are reached from a step on are a product of
    the graphs [B, T, N, N] of the steps since; their TD errors [B, T, N] are summed over at most AHEAD steps."""
    batch, steps, agents = errors.shape
    edges = graph.to(errors.dtype)
    credited = torch.zeros_like(errors)
    for start in range(steps):
        paths = torch.eye(agents).expand(batch, -1, -1)
        for step in range(start, min(start + AHEAD, steps)):
            paths = (paths @ edges[:, step] > 0).to(errors.dtype)
            weight = (1 - floor) * paths + floor
            credited[:, start] += decay ** (step - start) * (weight @ errors[:, step, :, None])[..., 0]
    return credited


# Findings


def findings(size: Size, costs: Costs) -> Findings:
    """Design, predictions and tables from the costs."""
    return Findings(
        design=(
            f"IPPO guided by a learned graph, preset paper, on dg/star-N: {EPISODES} episodes of 50 steps, observations of 2 + "
            f"4N numbers, 5 actions, {', '.join(map(str, size.agents))} agents. One thread, processor seconds, the "
            f"median of {size.least} to {size.most} calls of each part (as many as take {size.enough:g} s), after one that is "
            "not counted; other work on the machine is not counted but disturbs. Memory: the peak of what torch allocates "
            f"during a call. {'; '.join(f'{part}: {text}' for part, text in PARTS.items())}."
        ),
        predictions=(
            _issue(costs),
            _recursion(size, costs),
            _products(size, costs),
            _bottleneck(size, costs),
            _drawn(size, costs),
        ),
        tables=(_seconds_table(size, costs), _split_table(size, costs), _memory_table(size, costs), _growth_table(size, costs)),
    )


def _seconds_table(size: Size, costs: Costs) -> Table:
    rows = ([agents, *(costs[agents, part].seconds for part in PARTS)] for agents in size.agents)
    return Table.of("Seconds of each part", ("agents", *PARTS), rows)


def _memory_table(size: Size, costs: Costs) -> Table:
    parts = [part for part in PARTS if part != "rollout"]
    rows = ([agents, *((costs[agents, part].bytes or 0) / MEBIBYTE for part in parts)] for agents in size.agents)
    return Table.of("Peak of memory of each part, MiB", ("agents", *parts), rows)


def _split_table(size: Size, costs: Costs) -> Table:
    """The shares of the parts in the time of an update."""
    rows: list[list[Cell]] = []
    for agents in size.agents:
        for fit in ("fit", "fit, drawn"):
            spent = [costs[agents, part].seconds for part in (*UPDATE, fit)]
            rows.append([agents, "all" if fit == "fit" else "drawn", sum(spent), *(each / sum(spent) for each in spent)])
    columns = ("agents", "steps of the fit", "seconds of an update", *(f"share of {part}" for part in (*UPDATE, "fit")))
    return Table.of("Where the time of an update goes (collecting the episodes not counted)", columns, rows)


def _growth_table(size: Size, costs: Costs) -> Table:
    rows: list[list[Cell]] = []
    for part in PARTS:
        seconds = [costs[agents, part].seconds for agents in size.agents[-GROWTH_OVER:]]
        rows.append([part, *power_law(size.agents[-GROWTH_OVER:], seconds)])
    return Table.of(
        f"Exponents of growth with the agents, from {size.agents[-GROWTH_OVER:][0]} on",
        ("part", *with_interval("exponent")),
        rows,
    )


def _ratios(size: Size, costs: Costs, part: str, least: int = 0) -> dict[int, float]:
    """Seconds of a part / seconds of the PPO update, by number of agents."""
    return {
        agents: costs[agents, part].seconds / costs[agents, "PPO, paper"].seconds for agents in size.agents if agents >= least
    }


def _text(numbers: Mapping[int, float]) -> str:
    return ", ".join(f"{number:.2g} ({agents} agents)" for agents, number in numbers.items())


def _issue(costs: Costs) -> Prediction:
    edges, sharing, ppo = (costs[CASE_AGENTS, part].seconds for part in ("edges", "recursion", "PPO, paper"))
    return Prediction(
        expected=f"{EPISODES} episodes, 50 steps, {CASE_AGENTS} agents: edges and advantages cost less than the PPO update.",
        found=f"edges {edges:.3g} s and advantages {sharing:.3g} s, PPO {ppo:.3g} s (with our defaults "
        f"{costs[CASE_AGENTS, 'PPO, defaults'].seconds:.3g} s): {(edges + sharing) / ppo:.2g} times.",
        verdict=holds(edges + sharing < ppo),
    )


def _recursion(size: Size, costs: Costs) -> Prediction:
    ratios, full = (_ratios(size, costs, part) for part in ("recursion", "recursion, full graph"))
    return Prediction(
        expected="Sharing advantages out by recursion costs less than a tenth of the PPO update, however many agents.",
        found=f"times the PPO update: {_text(ratios)}; along a full graph: {_text(full)}.",
        verdict=holds(max(ratios.values()) < 0.1),
    )


def _products(size: Size, costs: Costs) -> Prediction:
    ratios = _ratios(size, costs, "products", MANY)
    faster = {agents: costs[agents, "products"].seconds / costs[agents, "recursion"].seconds for agents in size.agents}
    return Prediction(
        expected=f"From {MANY} agents on, products of matrices cost more than the PPO update.",
        found=f"times the PPO update: {_text(ratios) or 'not measured'}; times the recursion: {_text(faster)}.",
        verdict=holds(min(ratios.values()) > 1) if ratios else "undecided",
    )


def _bottleneck(size: Size, costs: Costs) -> Prediction:
    shares = {}
    for agents in size.agents:
        spent = {part: costs[agents, part].seconds for part in (*UPDATE, "fit")}
        shares[agents] = (spent["edges"] + spent["fit"]) / sum(spent.values())
    late = [share for agents, share in shares.items() if agents >= FROM]
    return Prediction(
        expected=f"The models of all pairs of agents are the bottleneck: from {FROM} agents on inferring edges and fitting "
        "take more than half of an update.",
        found=f"share: {_text(shares)}.",
        verdict=holds(min(late) > 0.5) if late else "undecided",
    )


def _drawn(size: Size, costs: Costs) -> Prediction:
    ratios = _ratios(size, costs, "fit, drawn")
    return Prediction(
        expected=f"On {SAMPLED_STEPS} drawn steps a gradient step of the world models costs less than the PPO update, "
        "however many agents.",
        found=f"times the PPO update: {_text(ratios)}; on all steps: {_text(_ratios(size, costs, 'fit'))}.",
        verdict=holds(max(ratios.values()) < 1),
    )
