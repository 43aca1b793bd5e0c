"""What agents may do and see, and the state (environments.md B.6, B.9 and B.10)."""

from __future__ import annotations

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
from benchmark.environments.native.smaclite.kernels_geometry import distance, kernel
from benchmark.environments.native.smaclite.kernels_orders import DIRECTION_X, DIRECTION_Y


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
def write_body(unit, units, rules, shields, out, at):
    """Health, shield and type of a living unit; returns the next place in `out`."""
    out[at] = units[HP, unit] / rules.stats[MAX_HP, unit]
    at += 1
    if shields:
        if rules.stats[MAX_SHIELD, unit] > 0.0:
            out[at] = units[SHIELD, unit] / rules.stats[MAX_SHIELD, unit]
        at += 1
    if rules.type_bits > 0:
        out[at + rules.traits[TYPE_BIT, unit]] = 1.0
    return at + rules.type_bits


@kernel
def write_seen(viewer, unit, flag, units, rules, shields, out, at):
    """One other unit, zeros if it is dead or out of sight; returns the next place in `out`."""
    if units[HP, unit] > 0.0:
        away = distance(units, viewer, unit)
        if away < SIGHT_RANGE:
            out[at] = flag
            out[at + 1] = away / SIGHT_RANGE
            out[at + 2] = (units[X, unit] - units[X, viewer]) / SIGHT_RANGE
            out[at + 3] = (units[Y, unit] - units[Y, viewer]) / SIGHT_RANGE
            write_body(unit, units, rules, shields, out, at + 4)
    return at + 5 + shields + rules.type_bits


@kernel
def write_observation(units, rules, available, observation):
    """observation [N, O]: free directions, enemies, other allies, itself; zeros for the dead.

    An enemy's first number is the flag of the action with its number; a healer's actions aim at allies, and so do its flags.
    """
    observation[:] = 0.0
    for agent in range(len(rules.allies)):
        viewer = rules.allies[agent]
        if units[HP, viewer] <= 0.0:
            continue
        out = observation[agent]
        for direction in range(4):
            out[direction] = available[agent, 2 + direction]
        at = 4
        for number in range(len(rules.enemies)):
            flag = available[agent, 6 + number]
            at = write_seen(viewer, rules.enemies[number], flag, units, rules, rules.enemy_shields, out, at)
        for number in range(len(rules.allies)):
            if number != agent:
                at = write_seen(viewer, rules.allies[number], 1.0, units, rules, rules.ally_shields, out, at)
        write_body(viewer, units, rules, rules.ally_shields, out, at)


@kernel
def write_state(units, rules, actions, state):
    """state [S]: all allies, all enemies, then the agents' last actions one-hot (actions [N]; negative: none yet)."""
    state[:] = 0.0
    at = 0
    centre = BOARD / 2
    for unit in rules.allies:
        if units[HP, unit] > 0.0:
            end = write_body(unit, units, rules, rules.ally_shields, state, at + 3)
            # Health comes first, the shield and the type after the position.
            state[at] = state[at + 3]
            if rules.traits[ROLE, unit] == HEALER:
                state[at + 1] = units[ENERGY, unit] / rules.stats[MAX_ENERGY, unit]
            else:
                state[at + 1] = units[COOLDOWN, unit] / rules.stats[MAX_COOLDOWN, unit]
            state[at + 2] = (units[X, unit] - centre) / BOARD
            state[at + 3] = (units[Y, unit] - centre) / BOARD
            at = end
        else:
            at += 4 + rules.ally_shields + rules.type_bits
    for unit in rules.enemies:
        if units[HP, unit] > 0.0:
            end = write_body(unit, units, rules, rules.enemy_shields, state, at + 2)
            state[at] = state[at + 2]
            state[at + 1] = (units[X, unit] - centre) / BOARD
            state[at + 2] = (units[Y, unit] - centre) / BOARD
            at = end
        else:
            at += 3 + rules.enemy_shields + rules.type_bits
    size = (len(state) - at) // len(rules.allies)
    for agent in range(len(rules.allies)):
        if actions[agent] >= 0:
            state[at + agent * size + actions[agent]] = 1.0
