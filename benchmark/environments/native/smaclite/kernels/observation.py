"""What agents may do and see, and the state."""

from __future__ import annotations

import numpy as np

from benchmark.environments.native.smaclite.constants import (
    BOARD,
    COOLDOWN,
    ENERGY,
    HEALER,
    HP,
    MAX_COOLDOWN,
    MAX_ENERGY,
    MAX_HP,
    MAX_SHIELD,
    MOVE_PROBE,
    ROLE,
    SHIELD,
    SIGHT_RANGE,
    TARGET_RANGE,
    TYPE_BIT,
    X,
    Y,
)
from benchmark.environments.native.smaclite.kernels.geometry import distance, kernel
from benchmark.environments.native.smaclite.kernels.orders import DIRECTION_X, DIRECTION_Y


@kernel
def write_available(units, rules, available):
    """available [N, A]: no-op for the dead only; stop, free directions and targets in range for the living."""
    available[:] = False
    for agent in range(len(rules.allies)):
        unit = rules.allies[agent]
        if units[HP, unit] <= 0.0:
            available[agent, 0] = True
            continue
        available[agent, 1] = True
        for direction in range(4):
            x = units[X, unit] + MOVE_PROBE * DIRECTION_X[direction]
            y = units[Y, unit] + MOVE_PROBE * DIRECTION_Y[direction]
            inside = 0.0 <= x < BOARD and 0.0 <= y < BOARD
            available[agent, 2 + direction] = inside and rules.free[int(x), int(y)]
        healer = rules.traits[ROLE, unit] == HEALER
        goals = rules.allies if healer else rules.enemies
        for number in range(min(len(goals), available.shape[1] - 6)):
            goal = goals[number]
            if units[HP, goal] > 0.0 and not (healer and rules.traits[ROLE, goal] == HEALER):
                available[agent, 6 + number] = distance(units, unit, goal) <= TARGET_RANGE


@kernel
def write_body(unit, units, stats, traits, shields, type_bits, out, at):
    """Health, shield and type of a living unit from out[at] on."""
    out[at] = units[HP, unit] / stats[MAX_HP, unit]
    if shields:
        most = stats[MAX_SHIELD, unit]
        out[at + 1] = units[SHIELD, unit] / most if most > 0.0 else 0.0
    if type_bits > 0:
        out[at + 1 + shields + traits[TYPE_BIT, unit]] = 1.0


@kernel
def write_team(viewer, members, flags, units, stats, traits, shields, type_bits, out, at):
    """All other units of a team, zeros for the dead and those out of sight; returns the next index in `out`.

    `flags`: the leading entries of each member in sight, 1 if there are fewer flags.
    """
    x, y = units[X, viewer], units[Y, viewer]
    for number in range(len(members)):
        unit = members[number]
        if unit == viewer:
            continue
        dx, dy = units[X, unit] - x, units[Y, unit] - y
        away = np.sqrt(dx * dx + dy * dy)
        if away < SIGHT_RANGE and units[HP, unit] > 0.0:
            out[at] = flags[number] if number < len(flags) else 1.0
            out[at + 1] = away / SIGHT_RANGE
            out[at + 2] = dx / SIGHT_RANGE
            out[at + 3] = dy / SIGHT_RANGE
            write_body(unit, units, stats, traits, shields, type_bits, out, at + 4)
        at += 5 + shields + type_bits
    return at


@kernel
def write_observation(units, rules, available, observation):
    """observation [N, O]: free directions, enemies, other allies, itself; zeros for the dead.

    An enemy's first number is the flag of the action with its number; a healer's actions aim at allies, and so do its flags.
    """
    observation[:] = 0.0
    stats, traits, allies, enemies, bits = rules.stats, rules.traits, rules.allies, rules.enemies, rules.type_bits
    for agent in range(len(allies)):
        viewer = allies[agent]
        if units[HP, viewer] <= 0.0:
            continue
        out, actions = observation[agent], available[agent]
        for direction in range(4):
            out[direction] = actions[2 + direction]
        at = write_team(viewer, enemies, actions[6:], units, stats, traits, rules.enemy_shields, bits, out, 4)
        at = write_team(viewer, allies, actions[:0], units, stats, traits, rules.ally_shields, bits, out, at)
        write_body(viewer, units, stats, traits, rules.ally_shields, bits, out, at)


@kernel
def write_state(units, rules, actions, state):
    """state [S]: all allies, all enemies, then the agents' last actions one-hot (actions [N]; negative: none yet)."""
    state[:] = 0.0
    at = 0
    stats, traits, bits = rules.stats, rules.traits, rules.type_bits
    centre = BOARD / 2
    for unit in rules.allies:
        if units[HP, unit] > 0.0:
            # Health comes first, the shield and the type after the position: the health is moved.
            write_body(unit, units, stats, traits, rules.ally_shields, bits, state, at + 3)
            state[at] = state[at + 3]
            if traits[ROLE, unit] == HEALER:
                state[at + 1] = units[ENERGY, unit] / stats[MAX_ENERGY, unit]
            else:
                state[at + 1] = units[COOLDOWN, unit] / stats[MAX_COOLDOWN, unit]
            state[at + 2] = (units[X, unit] - centre) / BOARD
            state[at + 3] = (units[Y, unit] - centre) / BOARD
        at += 4 + rules.ally_shields + bits
    for unit in rules.enemies:
        if units[HP, unit] > 0.0:
            write_body(unit, units, stats, traits, rules.enemy_shields, bits, state, at + 2)
            state[at] = state[at + 2]
            state[at + 1] = (units[X, unit] - centre) / BOARD
            state[at + 2] = (units[Y, unit] - centre) / BOARD
        at += 3 + rules.enemy_shields + bits
    size = (len(state) - at) // len(rules.allies)
    for agent in range(len(rules.allies)):
        if actions[agent] >= 0:
            state[at + agent * size + actions[agent]] = 1.0
