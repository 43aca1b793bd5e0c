"""Study: do dependence graphs keep the policy gradient, and what do they save in variance?

In finite worlds the gradient of the team's return is an exact sum, and so is the expectation of every estimate of it.
Estimates differ in the graph that shares credit and in the critic (graph_estimates.py lists them). Undiscounted, lambda 1,
rewards without noise: nothing but graph and critic tells estimates apart.

Where which edges exist hangs on an agent's own steps, what is left out tells of them, and the estimate is biased (graph.py).
In rooms that is so twice. What waiting at the door costs agent 0 is paid before there is an edge. And a value that knows the
time falls as long as the door stays shut, before there is an edge: against it a late arrival at the switch looks better than
an early one, though it earns less.
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
from benchmark.papers.dependence_graphs.graph_estimates import BATCH, CRITICS, EXACTLY, WALKER, WAY, Case, Judged, Key, judged
from benchmark.papers.dependence_graphs.influence_worlds import HUB, ON_THE_WAY, relay, rooms, star, switch
from benchmark.papers.dependence_graphs.tabular_mdp import FiniteWorld, influence_by_intervention
from benchmark.papers.toolkit.estimators import holds

SEED = 2601
RECOVERED, LOST = 0.9, 0.5
"""Cosine above which the walker's gradient counts as recovered, part below which most of it counts as lost."""
TOLD_APART = 3.0
"""Standard errors of a difference."""


@dataclass(frozen=True)
class Size:
    """Agents of the star, random policies of each small world; agents of the rooms, steps under the uniform and under the
    leaning policy, and how many steps are sampled under each."""

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
"""Logits of stay, left and right in every place."""

Measured = dict[str, list[dict[Key, Judged]]]
"""By world, then policy."""


def study(quick: bool, progress: Progress) -> Findings:
    """All worlds; `quick` takes smaller ones and fewer policies."""
    size = QUICK if quick else FULL
    every = cases(size)
    places = [(case, logits) for case in every for logits in case.logits]
    measured: Measured = {case.world.name: [] for case in every}
    for number, (case, logits) in enumerate(places):
        progress(number, len(places), case.world.name)
        measured[case.world.name].append(judged(case, logits))
    progress(len(places), len(places), "done")
    return findings(size, measured)


# What is measured


def cases(size: Size) -> list[Case]:
    """The worlds with their policies."""
    made = []
    for world in (star(size.star_agents), star(size.star_agents, known=False), relay(), switch(0.0), switch(-0.5)):
        shape = (world.agents, world.places, world.actions)
        draws = torch.Generator().manual_seed(derive(SEED, world.agents, world.places))
        logits = tuple(torch.randn(shape, generator=draws, dtype=torch.float64) for _ in range(size.policies))
        made.append(Case(world, logits, ON_THE_WAY["switch"] if "switch" in world.name else ()))
    for policy, leaning, steps in (("uniform", (0.0,) * 3, size.uniform_steps), ("leaning", LEANING, size.leaning_steps)):
        world = rooms(size.rooms_agents, steps)
        logits = (torch.tensor(leaning, dtype=torch.float64).expand(world.agents, world.places, -1),)
        for named in (replace(world, name=f"{world.name}, {policy}"), without_bumps(world, policy)):
            made.append(Case(named, logits, ON_THE_WAY["rooms"], size.sampled_steps // steps))
    return made


def without_bumps(world: FiniteWorld, policy: str) -> FiniteWorld:
    """The same rooms where a blocked move costs nothing."""
    reward = world.reward.masked_fill((world.reward - BUMP).abs() < 1e-6, 0.0)
    graph = influence_by_intervention(world.following, reward, world.place, world.actions)
    return replace(world, name=f"{world.name}, {policy}, free bumps", reward=reward, graph=graph)


# What is said


def findings(size: Size, measured: Measured) -> Findings:
    """What the measurements say."""
    named = f"star-{size.star_agents}"
    known, intervened = measured[named], measured[f"{named}, by intervention"]
    told = {world: found for world, found in measured.items() if found is not intervened}
    doors = {world: found for world, found in told.items() if world.startswith("rooms")}
    return Findings(
        design=(
            f"Star: star-spread of {size.star_agents} agents on a ring of five cells, 3 steps, agent {HUB} the hub; once with "
            "the graph that is said of it (every leaf influences the hub, always), once with that of interventions on place "
            "and reward. Relay: 3 agents, 4 steps; an action is paid for two agents and two steps later. Switch: 2 agents, 5 "
            f"steps; agent {WALKER} walks to a switch and agent 0 is paid 1 for pushing its door open, 0 or -0.5 for pushing a "
            f"closed one. All with {size.policies} random tabular policies; tables show medians. Rooms: "
            f"dg/rooms-{size.rooms_agents}, rules and interventions read off the simulator, {size.uniform_steps} steps under "
            f"the uniform policy and {size.leaning_steps} under one that leans right (logits "
            f"{', '.join(f'{logit:g}' for logit in LEANING)} of stay, left, right), as they are and with free bumps. Critics "
            "are exact values of an agent's own reward: none; given its substate; this and the time (timed); state and time "
            "(central). Undiscounted, lambda 1, rewards without noise. Expectations are exact. Bias, part (projection) and "
            f"noise are relative to the exact gradient; noise is the variance of the mean of {BATCH} episodes, from all "
            f"trajectories, in rooms from {size.sampled_steps:,} sampled steps. '{WAY}': the gradient of the others' return in "
            "the places from which no step changes the door. Not everything was foreseen: rooms with free bumps, the critic "
            "that sees the time, the gradient for others on the way to the switch, the variance in rooms and the star by "
            "interventions came in, or got their present words, after first numbers had been seen."
        ),
        predictions=(
            _unbiased("Star: DG by the known graph has the team's gradient, whatever the critic.", {named: known}, CRITICS),
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
            _no_more_noise([policy for found in doors.values() for policy in found]),
            _unbiased(f"{PROPOSITION} It holds as it is stated, without a critic.", told, ("none",)),
            _unbiased(f"{PROPOSITION} It holds with an exact local critic.", told, ("local", "local, timed")),
            _unbiased(
                "Star: the graph that interventions on place and reward show does as well as the one that is said of it.",
                {"star": intervened},
                ("none", "local"),
            ),
        ),
        tables=tuple(_table(world, found) for world, found in measured.items()),
    )


COLUMNS = ("critic", "credit", "agent", "cosine", "bias", "part", "noise", "noise, standard error")


def _table(world: str, found: list[dict[Key, Judged]]) -> Table:
    rows: list[list[Cell]] = []
    for key in found[0]:
        each = [policy[key] for policy in found]
        cosines = [one.cosine for one in each if one.cosine is not None]
        numbers = [_median(getattr(one, name) for one in each) for name in ("bias", "part", "noise")]
        error = each[0].noise_error
        rows.append([*key, _median(cosines) if cosines else None, *map(_rounded, numbers), error or None])
    return Table.of(world, COLUMNS, rows)


def _median(numbers: Iterable[float]) -> float:
    return float(torch.tensor(list(numbers), dtype=torch.float64).quantile(0.5))


def _rounded(number: float) -> float:
    return 0.0 if abs(number) < EXACTLY else number


def _range(numbers: Iterable[float]) -> str:
    """The smallest and the largest."""
    low, high = (_rounded(pick(some)) for some in [list(numbers)] for pick in (min, max))
    return f"{low:.2g}" if low == high else f"{low:.2g} to {high:.2g}"


def _pick(found: list[dict[Key, Judged]], critics: Iterable[str], credit: str, leaves: bool | None = None) -> list[Judged]:
    """Of every policy, every agent as a whole: of all, or only of leaves, or only of the hub."""
    picked = []
    for policy, critic in itertools.product(found, critics):
        names = dict.fromkeys(name for _, _, name in policy if name != WAY)
        wanted = (name for name in names if leaves is None or leaves == (name != f"agent {HUB}"))
        picked += [policy[critic, credit, name] for name in wanted]
    return picked


def _unbiased(expected: str, worlds: Measured, critics: tuple[str, ...]) -> Prediction:
    worst = {world: max(one.bias for one in _pick(found, critics, "hard")) for world, found in worlds.items()}
    text = "; ".join(f"{world}: {_rounded(bias):.2g}" for world, bias in worst.items())
    return Prediction(
        expected=expected,
        found=f"largest bias of any agent, relative to its gradient: {text}.",
        verdict=holds(max(worst.values()) < EXACTLY),
    )


Pairs = dict[str, list[tuple[Judged, Judged]]]
"""By critic: estimates by the true graph, hard, and by all edges, of the same gradient."""


def _against_global(found: list[dict[Key, Judged]]) -> Pairs:
    return {
        critic: list(zip(_pick(found, [critic], "hard"), _pick(found, [critic], "global"), strict=True)) for critic in CRITICS
    }


def _ratios(pairs: Pairs) -> str:
    said = (f"critic {critic}: {_range(hard.noise / whole.noise for hard, whole in each)}" for critic, each in pairs.items())
    return f"its variance over that of the global credit: {'; '.join(said)}."


def _less_noise(found: list[dict[Key, Judged]]) -> Prediction:
    pairs = _against_global(found)
    return Prediction(
        expected="Star: DG by the known graph varies less than the global credit, for every agent and critic.",
        found=_ratios(pairs),
        verdict=holds(all(hard.noise < whole.noise for each in pairs.values() for hard, whole in each)),
    )


def _no_more_noise(found: list[dict[Key, Judged]]) -> Prediction:
    pairs = _against_global(found)
    more = [
        hard.noise - whole.noise > TOLD_APART * math.hypot(hard.noise_error, whole.noise_error)
        for each in pairs.values()
        for hard, whole in each
    ]
    return Prediction(
        expected="Rooms: DG varies no more than the global credit, for any agent and critic.",
        found=f"{_ratios(pairs)[:-1]}; more, beyond {TOLD_APART:g} standard errors, in {sum(more)} of {len(more)} cases.",
        verdict=holds(not any(more)),
    )


def _local(found: list[dict[Key, Judged]]) -> Prediction:
    hub, leaves = (_pick(found, CRITICS, "local", leaves) for leaves in (False, True))
    return Prediction(
        expected="Star: local credit is right for the hub and biased for every leaf, which lacks its part in the hub's reward.",
        found=f"bias of the hub {_range(one.bias for one in hub)}, of leaves {_range(one.bias for one in leaves)}.",
        verdict=holds(max(one.bias for one in hub) < EXACTLY < min(one.bias for one in leaves)),
    )


def _transposed(found: list[dict[Key, Judged]]) -> Prediction:
    apart = [
        abs(first.bias - second.bias) + abs(first.part - second.part)
        for first, second in zip(_pick(found, CRITICS, "transposed", True), _pick(found, CRITICS, "local", True), strict=True)
    ]
    noisier = [
        first.noise / second.noise
        for first, second in zip(_pick(found, CRITICS, "transposed", False), _pick(found, CRITICS, "hard", False), strict=True)
    ]
    return Prediction(
        expected="Star: by the transposed graph leaves have their local gradient, the hub's varies more than by the true one.",
        found=f"bias and part of leaves differ from the local ones by {_rounded(max(apart)):.2g} at the most; "
        f"the hub's variance is {_range(noisier)} times that by the true graph.",
        verdict=holds(max(apart) < EXACTLY and min(noisier) > 1),
    )


def _noisy(found: list[dict[Key, Judged]]) -> Prediction:
    hard, noisy, whole = (_pick(found, CRITICS, credit) for credit in ("hard", "noisy", "global"))
    between = [low.noise <= one.noise <= high.noise for low, one, high in zip(hard, noisy, whole, strict=True)]
    return Prediction(
        expected="Star: with the floor DG is as right; its variance lies between that without it and the global credit's.",
        found=f"largest bias {_rounded(max(one.bias for one in noisy)):.2g}; "
        f"between the two in {sum(between)} of {len(between)} cases.",
        verdict=holds(all(between) and max(one.bias for one in noisy) < EXACTLY),
    )


def _on_the_way(doors: Measured, critic: str) -> dict[str, Judged]:
    return {world: found[0][critic, "hard", WAY] for world, found in doors.items()}


def _said(found: dict[str, Judged]) -> str:
    return "; ".join(
        f"{world}: " + ("no gradient" if one.cosine is None else f"{one.cosine:.2g} and {_rounded(one.part):.2g}")
        for world, one in found.items()
    )


def _recovers(expected: str, doors: Measured, critics: tuple[str, ...]) -> Prediction:
    found = {critic: _on_the_way(doors, critic) for critic in critics}
    verdicts = [
        holds(one.cosine is not None and one.cosine > RECOVERED and one.part > LOST)
        for each in found.values()
        for one in each.values()
    ]
    return Prediction(
        expected=f"{expected} (cosine above {RECOVERED}, part above {LOST}).",
        found="cosine and part: " + ". ".join(f"Critic {critic}: {_said(each)}" for critic, each in found.items()) + ".",
        verdict=together(verdicts),
    )


def _loses(doors: Measured) -> Prediction:
    found = _on_the_way(doors, "central")
    return Prediction(
        expected=f"Rooms: with an exact central critic DG loses most of that gradient (part below {LOST}).",
        found=f"cosine and part: {_said(found)}.",
        verdict=holds(max(one.part for one in found.values()) < LOST),
    )
