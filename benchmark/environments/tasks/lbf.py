"""Level-Based Foraging: ids `lbf/{S}x{S}-{P}p-{F}f[-2s][-coop][-exclusive|-winner][-pen]`, suffixes in this order.

    S 5..19       rows and columns            -2s         sight 2 instead of the whole board
    P 2..9        players                     -coop       every food has the highest level
    F 1..9        foods                       -pen        a failed load costs each loader 0.1
    -exclusive    food levels below the upper bound, as in the versions that results of 2021 were published on; not with -coop,
                  which fixes the level in all versions
    -winner       the game of Le and Ta (2026): the strongest loader gets the whole reward, and a food's level is at most the
                  sum of the two lowest player levels; with -coop, as they define it

The package registers F 1..4 without the last three suffixes; more foods and -pen are parameters of it, -exclusive and
-winner only our simulator knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from benchmark.environments.tasks.registry import ReferenceScores, Simulator, Task, TaskFamily

VERSION = 1
HORIZON = 50
PENALTY = 0.1
REGISTERED_FOODS = 4

SOURCES = {
    None: "lbforaging 2.0.0; Papoudakis et al. 2021, arXiv 2006.07869",
    "exclusive": "lbforaging before 2.0.0; Papoudakis et al. 2021, arXiv 2006.07869",
    "winner": "Le and Ta 2026, arXiv 2601.21523",
}
EXCLUSIVE_NOTE = "Food levels are drawn as before lbforaging 2.0.0: only this variant compares with results published in 2021."

_ID = re.compile(
    r"lbf/(?P<size>[1-9]\d?)x(?P=size)-(?P<players>[2-9])p-(?P<foods>[1-9])f"
    r"(?P<short>-2s)?(?P<coop>-coop)?(?:-(?P<rule>exclusive|winner))?(?P<penalty>-pen)?"
)

RANDOM_EPISODES = 100_000
RANDOM_RETURNS = {  # the listed tasks: two tiny ones, those of published tables, those of the -winner game
    "lbf/5x5-2p-1f-coop": 0.05654,
    "lbf/5x5-2p-2f-coop": 0.06024,
    "lbf/8x8-2p-2f-coop": 0.00703,
    "lbf/8x8-2p-2f-2s-coop": 0.00703,
    "lbf/8x8-2p-3f": 0.22236,
    "lbf/10x10-3p-3f": 0.11508,
    "lbf/10x10-3p-3f-exclusive": 0.17396,
    "lbf/10x10-3p-3f-2s": 0.11508,
    "lbf/10x10-3p-3f-2s-exclusive": 0.17396,
    "lbf/15x15-3p-4f": 0.05221,
    "lbf/15x15-3p-5f": 0.05030,
    "lbf/15x15-3p-5f-exclusive": 0.07894,
    "lbf/15x15-4p-3f": 0.08694,
    "lbf/15x15-4p-3f-exclusive": 0.13871,
    "lbf/15x15-4p-5f": 0.08003,
    "lbf/15x15-4p-5f-exclusive": 0.13213,
    "lbf/8x8-2p-4f-coop-winner": 0.00752,
    "lbf/10x10-2p-3f-coop-winner": 0.00277,
    "lbf/15x15-3p-4f-coop-winner": 0.03759,
}
"""Mean return of the uniformly random policy, by `creditbench random --task T --episodes 100000 --seed 0`; the standard
error is below 0.001 everywhere. What a player sees changes nothing for such a policy, hence the equal pairs."""


@dataclass(frozen=True)
class _Game:
    """The parts of an id. `rule`: "exclusive", "winner" or None."""

    size: int
    players: int
    foods: int
    sight: int | None
    coop: bool
    rule: str | None
    penalty: float

    def native(self) -> Simulator:
        parameters: dict[str, Any] = {
            "size": self.size,
            "n_players": self.players,
            "n_foods": self.foods,
            "sight": self.sight,
            "force_coop": self.coop,
            "penalty": self.penalty,
            "horizon": HORIZON,
        }
        if self.rule == "exclusive":
            parameters["food_level"] = "exclusive"
        if self.rule == "winner":
            parameters |= {"reward": "winner", "food_cap": 2}
        return Simulator("benchmark.environments.native.lbf.environment:LevelBasedForaging", parameters)

    def reference(self) -> Simulator | None:
        """The package's game, None for rules that it does not know."""
        if self.rule is not None:
            return None
        board = f"{self.size}x{self.size}-{self.players}p-{min(self.foods, REGISTERED_FOODS)}f"
        parameters: dict[str, Any] = {
            "gym_id": f"Foraging{'-2s' if self.sight else ''}-{board}{'-coop' if self.coop else ''}-v3"
        }
        if self.foods > REGISTERED_FOODS:
            parameters["max_num_food"] = self.foods
        if self.penalty:
            parameters["penalty"] = self.penalty
        return Simulator("benchmark.environments.adapters.lbforaging:make", parameters, package="lbforaging")

    def description(self) -> str:
        foods = f"{self.foods} food{'s' if self.foods > 1 else ''}"
        parts = [
            f"{self.players} players collect {foods} on a board of {self.size} x {self.size}",
            "seeing two cells far" if self.sight else "seeing the whole board",
        ]
        weakest = min(self.players, 2 if self.rule == "winner" else 3)
        strength = f"the strength of the {('two', 'three')[weakest - 2]} weakest players"
        if self.coop:
            parts.append(f"every food takes {strength}")
        if self.rule == "exclusive":
            parts.append(f"every food takes less than {strength}")
        if self.rule == "winner":
            parts.append("the strongest loader gets the whole reward")
        if self.penalty:
            parts.append(f"a failed load costs each loader {self.penalty}")
        return ", ".join(parts) + "."


def resolve(name: str) -> Task | None:
    """The task of an id of the form above, None for any other."""
    match = _ID.fullmatch(name)
    if match is None:
        return None
    game = _Game(
        size=int(match["size"]),
        players=int(match["players"]),
        foods=int(match["foods"]),
        sight=2 if match["short"] else None,
        coop=bool(match["coop"]),
        rule=match["rule"],
        penalty=PENALTY if match["penalty"] else 0.0,
    )
    if not 5 <= game.size <= 19 or (game.rule == "exclusive" and game.coop) or (game.rule == "winner" and not game.coop):
        return None
    lowest = 0.0 - game.penalty * game.players * HORIZON
    return Task(
        id=name,
        version=VERSION,
        title=f"LBF {name.removeprefix('lbf/')}",
        description=game.description(),
        source=SOURCES[game.rule],
        n_agents=game.players,
        n_agent_types=1,
        horizon=HORIZON,
        success="all food is loaded",
        random_starts=True,
        random_dynamics=False,
        native=game.native(),
        reference=game.reference(),
        reference_scores=_scores(name),
        return_bounds=(lowest, 1.0),
        # A board with a player on every cell where food may lie has none, and nothing to earn.
        success_bounds=(1.0 + lowest, 1.0) if game.players < (game.size - 2) ** 2 else None,
        note=EXCLUSIVE_NOTE if game.rule == "exclusive" else "",
        has_positions=True,
    )


def _scores(name: str) -> ReferenceScores | None:
    if name not in RANDOM_RETURNS:
        return None
    return ReferenceScores(
        random=RANDOM_RETURNS[name],
        random_source=f"creditbench random --task {name} --episodes {RANDOM_EPISODES} --seed 0",
        best=1.0,
        best_source="the rewards of an episode in which all food is loaded sum to 1 by their normalisation; nothing is higher",
    )


FAMILY = TaskFamily("lbf", "Level-Based Foraging", tuple(RANDOM_RETURNS), resolve)
