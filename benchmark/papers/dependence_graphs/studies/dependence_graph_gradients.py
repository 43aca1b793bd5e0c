"""Study dependence-graph-gradients.

Question: do dependence graphs preserve the policy gradient, and by how much do they reduce its variance?
Design: in tabular MDPs the gradient of the team's return and the expectation of each estimate are exact sums. Estimates differ
in the graph along which credit is shared and in the critic (graph_estimates.py). Undiscounted, lambda 1, rewards without
noise, so that only graph and critic differ.
Predictions: no bias on the star; in rooms, less variance, and a gradient for the agent that walks to the switch. If an agent's
own actions decide which edges exist, the omitted terms depend on them, and the estimate is biased
(algorithms/advantages/dependence_graph/graph.py). Rooms have two such terms: the cost of waiting at the door occurs before
there is an edge; and a value that sees the time falls while the door stays shut, before there is an edge, so that a late
arrival at the switch has a higher advantage than an early quality, though it earns less.
Source: Le and Ta 2026, arXiv 2601.21523, Proposition 5.1; experiment X2 of the specification of dependence graphs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch

from algorithms.seeds import derive
from benchmark.environments.native.diagnostics.rooms import BUMP
from benchmark.experiments.study_result import Cell, Findings, Prediction, Progress, Table, together
from benchmark.papers.dependence_graphs.graph_estimates import (
    BATCH,
    CRITICS,
    EXACTLY,
    WALKER,
    WAY,
    Case,
    EstimateQuality,
    Key,
    evaluate,
)
from benchmark.papers.dependence_graphs.influence_worlds import HUB, ON_THE_WAY, relay, rooms, star, switch
from benchmark.papers.dependence_graphs.tabular_mdp import TabularMDP, influence_by_intervention
from benchmark.papers.toolkit.estimators import holds

SEED = 2601
RECOVERED, LOST = 0.9, 0.5
"""Cosine above which the walker's gradient counts as recovered; part below which it counts as lost."""
SIGNIFICANT = 3.0
"""Standard errors from which a difference counts as significant."""


@dataclass(frozen=True)
class Size:
    """Agents of the star, random policies of each small MDP; agents of the rooms, horizons for the uniform and for the leaning
    policy, and the number of steps sampled under each."""

    star_agents: int
    policies: int
    rooms_agents: int
    uniform_steps: int
    leaning_steps: int
    sampled_steps: int


FULL = Size(5, 5, 3, 200, 40, 4_000_000)
QUICK = Size(3, 2, 2, 40, 25, 20_000)
PROPOSITION = "Proposition 5.1: with the true graph the expected gradient is the team's, in every world."
LEANING = (0.0, -1.0, 1.0)
"""Logits of stay, left and right in each substate."""

Qualities = dict[str, list[dict[Key, EstimateQuality]]]
"""By MDP; one entry for each policy."""


def study(quick: bool, progress: Progress) -> Findings:
    """Runs the study; `quick` takes smaller MDPs and fewer policies."""
    size = QUICK if quick else FULL
    all_cases = cases(size)
    work = [(case, logits) for case in all_cases for logits in case.logits]
    measured: Qualities = {case.world.name: [] for case in all_cases}
    for number, (case, logits) in enumerate(work):
        progress(number, len(work), case.world.name)
        measured[case.world.name].append(evaluate(case, logits))
    progress(len(work), len(work), "done")
    return findings(size, measured)


# Measurement


def cases(size: Size) -> list[Case]:
    """The MDPs with their policies."""
    all_cases = []
    for world in (star(size.star_agents), star(size.star_agents, known=False), relay(), switch(0.0), switch(-0.5)):
        shape = (world.agents, world.substates, world.actions)
        draws = torch.Generator().manual_seed(derive(SEED, world.agents, world.substates))
        logits = tuple(torch.randn(shape, generator=draws, dtype=torch.float64) for _ in range(size.policies))
        all_cases.append(Case(world, logits, ON_THE_WAY["switch"] if "switch" in world.name else ()))
    for policy, leaning, steps in (("uniform", (0.0,) * 3, size.uniform_steps), ("leaning", LEANING, size.leaning_steps)):
        world = rooms(size.rooms_agents, steps)
        logits = (torch.tensor(leaning, dtype=torch.float64).expand(world.agents, world.substates, -1),)
        for variant in (replace(world, name=f"{world.name}, {policy}"), without_bumps(world, policy)):
            all_cases.append(Case(variant, logits, ON_THE_WAY["rooms"], size.sampled_steps // steps))
    return all_cases


def without_bumps(world: TabularMDP, policy: str) -> TabularMDP:
    """The same rooms without the cost of a blocked move."""
    reward = world.reward.masked_fill((world.reward - BUMP).abs() < 1e-6, 0.0)
    graph = influence_by_intervention(world.next_state, reward, world.substate, world.actions)
    return replace(world, name=f"{world.name}, {policy}, free bumps", reward=reward, graph=graph)


# Findings


def findings(size: Size, measured: Qualities) -> Findings:
    """Design, predictions and tables from the measurements."""
    star_name = f"star-{size.star_agents}"
    known, intervened = measured[star_name], measured[f"{star_name}, by intervention"]
    given = {world: policies for world, policies in measured.items() if policies is not intervened}
    doors = {world: policies for world, policies in given.items() if world.startswith("rooms")}
    return Findings(
        design=(
            f"Star: star-spread of {size.star_agents} agents on a ring of five cells, 3 steps, agent {HUB} the hub; once with "
            "the given graph (each leaf always influences the hub), once with that of interventions on substate "
            "and reward. Relay: 3 agents, 4 steps; an action is rewarded two agents and two steps later. Switch: 2 agents, 5 "
            f"steps; agent {WALKER} walks to a switch; agent 0 gets 1 for pushing its door open, 0 or -0.5 for pushing a "
            f"closed quality. All with {size.policies} random tabular policies; tables show medians. Rooms: "
            f"dg/rooms-{size.rooms_agents}, transitions and interventions from the simulator, {size.uniform_steps} steps under "
            f"the uniform policy and {size.leaning_steps} under one that leans right (logits "
            f"{', '.join(f'{logit:g}' for logit in LEANING)} of stay, left, right), as they are and with free bumps. Critics "
            "are exact values of an agent's individual reward: none; given its substate; this and the time (timed); state "
            "and time (central). Undiscounted, lambda 1, rewards without noise. Expectations are exact. Bias, part "
            f"(projection) and noise are relative to the exact gradient; noise is the variance of the mean of {BATCH} "
            f"episodes, from all trajectories, in rooms from {size.sampled_steps:,} sampled steps. '{WAY}': the gradient of "
            "the others' return in the substates from which no action changes the door. Added or reworded after first "
            "results had been seen: rooms with free bumps, the critic that sees the time, the gradient for others on the way "
            "to the switch, the variance in rooms and the star by interventions."
        ),
        predictions=(
            _unbiased(
                "Star: DG along the known graph has the team's gradient, with every critic.", {star_name: known}, CRITICS
            ),
            _less_noise(known),
            _local(known),
            _transposed(known),
            _noisy(known),
            _recovers(
                "Rooms: without a critic or with a local one DG recovers the walker's gradient for others, on its way to the "
                "switch",
                doors,
                ("none", "local"),
            ),
            _recovers("Rooms: with a local critic that sees the time, as ours do, it does so too", doors, ("local, timed",)),
            _loses(doors),
            _no_more_noise([policy for policies in doors.values() for policy in policies]),
            _unbiased(f"{PROPOSITION} It holds as it is stated, without a critic.", given, ("none",)),
            _unbiased(f"{PROPOSITION} It holds with an exact local critic.", given, ("local", "local, timed")),
            _unbiased(
                "Star: the graph by interventions on substate and reward does as well as the given quality.",
                {"star": intervened},
                ("none", "local"),
            ),
        ),
        tables=tuple(_table(world, policies) for world, policies in measured.items()),
    )


COLUMNS = ("critic", "credit", "agent", "cosine", "bias", "part", "noise", "noise, standard error")


def _table(world: str, policies: list[dict[Key, EstimateQuality]]) -> Table:
    rows: list[list[Cell]] = []
    for key in policies[0]:
        qualities = [policy[key] for policy in policies]
        cosines = [quality.cosine for quality in qualities if quality.cosine is not None]
        numbers = [_median(getattr(quality, name) for quality in qualities) for name in ("bias", "part", "noise")]
        error = qualities[0].noise_error
        rows.append([*key, _median(cosines) if cosines else None, *map(_rounded, numbers), error or None])
    return Table.of(world, COLUMNS, rows)


def _median(numbers: Iterable[float]) -> float:
    return float(torch.tensor(list(numbers), dtype=torch.float64).quantile(0.5))


def _rounded(number: float) -> float:
    return 0.0 if abs(number) < EXACTLY else number


def _range(numbers: Iterable[float]) -> str:
    """The smallest and the largest, as text."""
    low, high = (_rounded(pick(some)) for some in [list(numbers)] for pick in (min, max))
    return f"{low:.2g}" if low == high else f"{low:.2g} to {high:.2g}"


def _pick(
    policies: list[dict[Key, EstimateQuality]], critics: Iterable[str], credit: str, leaves: bool | None = None
) -> list[EstimateQuality]:
    """Of all policies and critics, the estimates of the gradients of all agents, of the leaves or of the hub."""
    picked = []
    for policy, critic in itertools.product(policies, critics):
        names = dict.fromkeys(name for _, _, name in policy if name != WAY)
        chosen = (name for name in names if leaves is None or leaves == (name != f"agent {HUB}"))
        picked += [policy[critic, credit, name] for name in chosen]
    return picked


def _unbiased(expected: str, worlds: Qualities, critics: tuple[str, ...]) -> Prediction:
    worst = {world: max(quality.bias for quality in _pick(policies, critics, "hard")) for world, policies in worlds.items()}
    text = "; ".join(f"{world}: {_rounded(bias):.2g}" for world, bias in worst.items())
    return Prediction(
        expected=expected,
        found=f"largest bias of any agent, relative to its gradient: {text}.",
        verdict=holds(max(worst.values()) < EXACTLY),
    )


Pairs = dict[str, list[tuple[EstimateQuality, EstimateQuality]]]
"""By critic: pairs of estimates of the same gradient, along the true graph (hard) and with global credit."""


def _against_global(policies: list[dict[Key, EstimateQuality]]) -> Pairs:
    return {
        critic: list(zip(_pick(policies, [critic], "hard"), _pick(policies, [critic], "global"), strict=True))
        for critic in CRITICS
    }


def _ratios(pairs: Pairs) -> str:
    texts = (f"critic {critic}: {_range(hard.noise / whole.noise for hard, whole in each)}" for critic, each in pairs.items())
    return f"its variance over that of the global credit: {'; '.join(texts)}."


def _less_noise(policies: list[dict[Key, EstimateQuality]]) -> Prediction:
    pairs = _against_global(policies)
    return Prediction(
        expected="Star: DG along the known graph varies less than global credit, for every agent and critic.",
        found=_ratios(pairs),
        verdict=holds(all(hard.noise < whole.noise for each in pairs.values() for hard, whole in each)),
    )


def _no_more_noise(policies: list[dict[Key, EstimateQuality]]) -> Prediction:
    pairs = _against_global(policies)
    more = [
        hard.noise - whole.noise > SIGNIFICANT * math.hypot(hard.noise_error, whole.noise_error)
        for each in pairs.values()
        for hard, whole in each
    ]
    return Prediction(
        expected="Rooms: DG varies no more than the global credit, for any agent and critic.",
        found=f"{_ratios(pairs)[:-1]}; more, beyond {SIGNIFICANT:g} standard errors, in {sum(more)} of {len(more)} cases.",
        verdict=holds(not any(more)),
    )


def _local(policies: list[dict[Key, EstimateQuality]]) -> Prediction:
    hub, leaves = (_pick(policies, CRITICS, "local", leaves) for leaves in (False, True))
    return Prediction(
        expected="Star: local credit is right for the hub and biased for every leaf, which lacks its part in the hub's reward.",
        found=f"bias of the hub {_range(quality.bias for quality in hub)}, "
        f"of leaves {_range(quality.bias for quality in leaves)}.",
        verdict=holds(max(quality.bias for quality in hub) < EXACTLY < min(quality.bias for quality in leaves)),
    )


def _transposed(policies: list[dict[Key, EstimateQuality]]) -> Prediction:
    differences = [
        abs(first.bias - second.bias) + abs(first.part - second.part)
        for first, second in zip(
            _pick(policies, CRITICS, "transposed", True), _pick(policies, CRITICS, "local", True), strict=True
        )
    ]
    noisier = [
        first.noise / second.noise
        for first, second in zip(
            _pick(policies, CRITICS, "transposed", False), _pick(policies, CRITICS, "hard", False), strict=True
        )
    ]
    return Prediction(
        expected="Star: along the transposed graph leaves have their local gradient, the hub's varies more than "
        "along the true one.",
        found=f"bias and part of leaves differ from the local ones by {_rounded(max(differences)):.2g} at the most; "
        f"the hub's variance is {_range(noisier)} times that by the true graph.",
        verdict=holds(max(differences) < EXACTLY and min(noisier) > 1),
    )


def _noisy(policies: list[dict[Key, EstimateQuality]]) -> Prediction:
    hard, noisy, whole = (_pick(policies, CRITICS, credit) for credit in ("hard", "noisy", "global"))
    between = [low.noise <= quality.noise <= high.noise for low, quality, high in zip(hard, noisy, whole, strict=True)]
    return Prediction(
        expected="Star: with the floor DG is unbiased too; its variance lies between that without it and that of "
        "global credit.",
        found=f"largest bias {_rounded(max(quality.bias for quality in noisy)):.2g}; "
        f"between the two in {sum(between)} of {len(between)} cases.",
        verdict=holds(all(between) and max(quality.bias for quality in noisy) < EXACTLY),
    )


def _on_the_way(doors: Qualities, critic: str) -> dict[str, EstimateQuality]:
    return {world: policies[0][critic, "hard", WAY] for world, policies in doors.items()}


def _text(qualities: dict[str, EstimateQuality]) -> str:
    return "; ".join(
        f"{world}: " + ("no gradient" if quality.cosine is None else f"{quality.cosine:.2g} and {_rounded(quality.part):.2g}")
        for world, quality in qualities.items()
    )


def _recovers(expected: str, doors: Qualities, critics: tuple[str, ...]) -> Prediction:
    by_critic = {critic: _on_the_way(doors, critic) for critic in critics}
    verdicts = [
        holds(quality.cosine is not None and quality.cosine > RECOVERED and quality.part > LOST)
        for each in by_critic.values()
        for quality in each.values()
    ]
    return Prediction(
        expected=f"{expected} (cosine above {RECOVERED}, part above {LOST}).",
        found="cosine and part: " + ". ".join(f"Critic {critic}: {_text(each)}" for critic, each in by_critic.items()) + ".",
        verdict=together(verdicts),
    )


def _loses(doors: Qualities) -> Prediction:
    qualities = _on_the_way(doors, "central")
    return Prediction(
        expected=f"Rooms: with an exact central critic DG loses most of that gradient (part below {LOST}).",
        found=f"cosine and part: {_text(qualities)}.",
        verdict=holds(max(quality.part for quality in qualities.values()) < LOST),
    )
