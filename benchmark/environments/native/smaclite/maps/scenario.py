"""A map as arrays: start positions, unit statistics, and the meaning of every state dimension. Does not import numba."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.team import StateField, TeamShape
from benchmark.environments.native.smaclite import constants as c
from benchmark.environments.native.smaclite.maps.map_files import Group, Map, MapError, UnitType, agent_types, expand
from benchmark.environments.native.smaclite.maps.terrain import free_cells, rectangle_edges, wall_rectangles

ATTRIBUTES = ("light", "armored", "biological", "mechanical", "massive", "structure")
PLANES = ("ground", "air")
ROLES = ("fighter", "healer", "exploding", "beam")


class Rules(NamedTuple):
    """What never changes during an episode. U units are numbered in order of creation ("overall"), each team in its own order.

    stats [16, U] and traits [8, U]: rows as named in constants.py. allies [N], enemies [M]: overall numbers.
    free [32, 32]: free[x, y]. edges [R, 4, 4]: see terrain.rectangle_edges.
    largest_radius: of all units; attack_x, attack_y: where the enemies go; reward_scale: points that make a return of 1.
    type_bits: length of the one-hot of a unit's type (0: not observed). ally_shields, enemy_shields: whether observed.
    horizon: steps. sparse, released: see kernels/step.py.
    """

    stats: NDArray[np.float64]
    traits: NDArray[np.int64]
    allies: NDArray[np.int64]
    enemies: NDArray[np.int64]
    free: NDArray[np.bool_]
    edges: NDArray[np.float64]
    largest_radius: float
    attack_x: float
    attack_y: float
    reward_scale: float
    type_bits: int
    ally_shields: bool
    enemy_shields: bool
    horizon: int
    sparse: bool
    released: bool


def build_rules(battle: Map, horizon: int, sparse: bool, released: bool) -> Rules:
    """The arrays of a map. Raises MapError if a unit would start outside the board or in a wall."""
    names = [name for group in battle.groups for name in expand(group)]
    teams = [c.ALLY if group.team == "ally" else c.ENEMY for group in battle.groups for _ in expand(group)]
    starts = [position for group in battle.groups for position in placement(group, battle.types)]
    free = free_cells(battle.walls)
    _check_starts(battle, names, starts, free)
    traits = np.array([_traits(battle, name) for name in names], np.int64).T.copy()
    traits[c.TEAM] = teams
    members = [np.flatnonzero(traits[c.TEAM] == team) for team in (c.ALLY, c.ENEMY)]
    for numbers in members:
        traits[c.INDEX, numbers] = np.arange(len(numbers))
    stats = np.array(
        [_stats(battle.types[name], *start) for name, start in zip(names, starts, strict=True)], np.float64
    ).T.copy()
    allies, enemies = members
    most_points = c.KILL_REWARD * len(enemies) + c.WIN_REWARD + stats[c.MAX_HP : c.MAX_SHIELD + 1, enemies].sum()
    return Rules(
        stats=stats,
        traits=traits,
        allies=allies,
        enemies=enemies,
        free=free,
        edges=rectangle_edges(wall_rectangles(free)),
        largest_radius=float(stats[c.RADIUS].max()),
        attack_x=float(battle.attack_point[0]),
        attack_y=float(battle.attack_point[1]),
        reward_scale=float(most_points / c.RETURN_SCALE),
        type_bits=len(battle.observed_types),
        ally_shields=bool((stats[c.MAX_SHIELD, allies] > 0).any()),
        enemy_shields=bool((stats[c.MAX_SHIELD, enemies] > 0).any()),
        horizon=horizon,
        sparse=sparse,
        released=released,
    )


def placement(group: Group, types: dict[str, UnitType]) -> list[tuple[float, float]]:
    """Where a group's units start: a square filled row by row around its position, mirrored for enemies; float32 values."""
    units = expand(group)
    side = ceil(sqrt(len(units)))
    rows = [[types[name].size / 2 for name in units[first : first + side]] for first in range(0, len(units), side)]
    sign = 1 if group.team == "ally" else -1
    row_radii = [max(row) for row in rows]
    height = 2 * sum(row_radii) + (side - 1) * c.GROUP_GAP
    width = max(2 * sum(row) for row in rows)
    y = group.position[1] - sign * height / 2
    positions = []
    before = 0.0
    for row, row_radius in zip(rows, row_radii, strict=True):
        y += sign * (before + row_radius)
        x = group.position[0] - sign * width / 2
        left = 0.0
        for radius in row:
            x += sign * (left + radius)
            positions.append((float(np.float32(x)), float(np.float32(y))))
            x += sign * c.GROUP_GAP
            left = radius
        y += sign * c.GROUP_GAP
        before = row_radius
    return positions


def _check_starts(battle: Map, names: list[str], starts: list[tuple[float, float]], free: NDArray[np.bool_]) -> None:
    for name, (x, y) in zip(names, starts, strict=True):
        inside = 0 <= x < c.BOARD and 0 <= y < c.BOARD
        if not inside or (battle.types[name].plane == "ground" and not free[int(x), int(y)]):
            where = "in a wall" if inside else f"outside the board of {c.BOARD} x {c.BOARD}"
            raise MapError(f"map {battle.name}: groups: a {name} would start at ({x:.2f}, {y:.2f}), {where}")


def _bits(chosen: Iterable[str], known: tuple[str, ...]) -> int:
    return sum(1 << known.index(name) for name in set(chosen))


def _traits(battle: Map, name: str) -> tuple[int, ...]:
    """One column of `traits`; team and number in the team follow later."""
    kind = battle.types[name]
    return (
        0,
        0,
        ROLES.index(kind.role),
        1 << PLANES.index(kind.plane),
        _bits(kind.targets, PLANES),
        _bits(kind.attributes, ATTRIBUTES),
        _bits(kind.bonus, ATTRIBUTES),
        battle.observed_types.index(name) if battle.observed_types else 0,
    )


def _stats(kind: UnitType, x: float, y: float) -> tuple[float, ...]:
    """One column of `stats`."""
    return (
        kind.hit_points,
        kind.shield,
        kind.armor,
        kind.damage,
        kind.attacks,
        kind.cooldown,
        kind.range,
        kind.scan_range,
        kind.speed,
        kind.size / 2,
        kind.regeneration,
        kind.energy,
        kind.max_energy,
        max(kind.bonus.values(), default=0.0),
        x,
        y,
    )


def team_shape(battle: Map, rules: Rules) -> TeamShape:
    """The sizes of the team: O = 4 + enemies and other allies and itself, A = 6 + targets."""
    n, m = len(rules.allies), len(rules.enemies)
    enemy, ally = _widths(rules)
    own = 1 + rules.ally_shields + rules.type_bits
    observation_size = 4 + m * enemy + (n - 1) * ally + own
    healing = rules.traits[c.ROLE, rules.allies] == c.HEALER
    # The package counts the other allies instead of taking the last one's number: the same on its maps, not on any map.
    targets = max(m, 1 + int(np.flatnonzero(~healing)[-1])) if healing.any() and not healing.all() else m
    fields = _state_fields(battle, rules, 6 + targets)
    return TeamShape(
        n_agents=n,
        observation_sizes=(observation_size,) * n,
        action_sizes=(6 + targets,) * n,
        agent_types=agent_types(battle),
        state_size=len(fields),
        horizon=rules.horizon,
        state_fields=fields,
    )


def _widths(rules: Rules) -> tuple[int, int]:
    """Dimensions that an enemy and another ally take in an observation."""
    return 5 + rules.enemy_shields + rules.type_bits, 5 + rules.ally_shields + rules.type_bits


def substate(rules: Rules, team: TeamShape) -> NDArray[np.bool_]:
    """[N, O] which dimensions of the observations are not about another agent.

    The flag before each enemy says whether the action of that number can be taken; a healer's actions aim at allies.
    """
    n, m = len(rules.allies), len(rules.enemies)
    enemy, ally = _widths(rules)
    mask = np.ones((n, team.observation_size), np.bool_)
    mask[:, 4 + m * enemy : 4 + m * enemy + (n - 1) * ally] = False
    for agent in np.flatnonzero(rules.traits[c.ROLE, rules.allies] == c.HEALER):
        for number in range(min(n, m)):
            mask[agent, 4 + number * enemy] = number == agent
    return mask


def _state_fields(battle: Map, rules: Rules, actions: int) -> tuple[StateField, ...]:
    fields = []
    types = battle.observed_types
    for agent, unit in enumerate(rules.allies):
        rest = "energy" if rules.traits[c.ROLE, unit] == c.HEALER else "cooldown"
        parts = [("health", "health"), (rest, rest), ("x", "position"), ("y", "position")]
        parts += [("shield", "shield")] * rules.ally_shields + [(f"is_{name}", "type") for name in types]
        fields += [StateField(f"ally{agent}.{name}", f"ally{agent}", agent, kind) for name, kind in parts]
    for enemy in range(len(rules.enemies)):
        parts = [("health", "health"), ("x", "position"), ("y", "position")]
        parts += [("shield", "shield")] * rules.enemy_shields + [(f"is_{name}", "type") for name in types]
        fields += [StateField(f"enemy{enemy}.{name}", f"enemy{enemy}", None, kind) for name, kind in parts]
    for agent in range(len(rules.allies)):
        fields += [
            StateField(f"ally{agent}.last_action_{action}", f"ally{agent}", agent, "last_action") for action in range(actions)
        ]
    return tuple(fields)
