"""What an attack does: damage, explosions, the beam and healing.

Attacks return points for the team: the shield and hit points taken from enemies, and 10 for each kill; what happens to
allies earns none.
"""

from __future__ import annotations

import numpy as np

from benchmark.environments.native.smaclite.constants import (
    ARMOR,
    ATTACKS,
    ATTRIBUTES,
    BEAM,
    BEAM_LENGTH,
    BEAM_WIDTH,
    BLAST_RADIUS,
    BONUS,
    BONUS_ATTRIBUTES,
    DAMAGE,
    ENEMY,
    ENERGY,
    ENERGY_TO_SWITCH,
    EXPLODING,
    FRAME,
    HEAL_STOCK,
    HEALTH_PER_ENERGY,
    HEALTH_PER_SECOND,
    HP,
    KILL_REWARD,
    MAX_HP,
    MAX_SHIELD,
    RADIUS,
    ROLE,
    SHIELD,
    SHIELD_COOLDOWN,
    SHIELD_DELAY,
    TEAM,
    X,
    Y,
)
from benchmark.environments.native.smaclite.kernels.geometry import kernel, offset, within
from benchmark.environments.native.smaclite.kernels.targeting import can_attack_plane


@kernel
def hit(attacker, victim, units, rules):
    """All hits of one attack on one unit: shield first, then hit points less armour per hit. A corpse takes none."""
    stats, traits = rules.stats, rules.traits
    matching = traits[ATTRIBUTES, victim] & traits[BONUS_ATTRIBUTES, attacker]
    damage = stats[DAMAGE, attacker]
    while matching != 0:
        damage += stats[BONUS, attacker]
        matching &= matching - 1
    points = 0.0
    for _ in range(int(stats[ATTACKS, attacker])):
        if units[HP, victim] <= 0.0:
            break
        if stats[MAX_SHIELD, victim] > 0.0:
            units[SHIELD_COOLDOWN, victim] = SHIELD_DELAY
        absorbed = min(units[SHIELD, victim], damage)
        units[SHIELD, victim] -= absorbed
        wound = min(max(damage - absorbed - stats[ARMOR, victim], 0.0), units[HP, victim])
        units[HP, victim] -= wound
        points += absorbed + wound
        if units[HP, victim] <= 0.0:
            points += KILL_REWARD
    return points if traits[TEAM, victim] == ENEMY else 0.0


@kernel
def explode(unit, units, start, rules):
    """The unit dies and hits every opponent it reaches. An enemy's own death is worth its remaining hit points, no kill."""
    points = units[HP, unit] if rules.traits[TEAM, unit] == ENEMY else 0.0
    units[HP, unit] = 0.0
    reach = BLAST_RADIUS + rules.largest_radius
    for victim in range(units.shape[1]):
        if rules.traits[TEAM, victim] == rules.traits[TEAM, unit] or units[HP, victim] <= 0.0:
            continue
        if not can_attack_plane(rules.traits, unit, victim):
            continue
        dx, dy = start[0, victim] - units[X, unit], start[1, victim] - units[Y, unit]
        if dx * dx + dy * dy > reach * reach:
            continue
        if within(offset(units, unit, victim, X), offset(units, unit, victim, Y), BLAST_RADIUS + rules.stats[RADIUS, victim]):
            points += hit(unit, victim, units, rules)
    return points


@kernel
def sweep(unit, target, units, start, rules):
    """The beam: a bar across the firing line, centred on the target, hits every opponent whose disc it touches.

    The bar's angle is arctan(-1 / slope) of the firing line in IEEE arithmetic: slopes 0 and infinite are valid.
    """
    slope = offset(units, unit, target, Y) / offset(units, unit, target, X)
    angle = np.arctan(np.float32(-1.0) / slope)
    cosine, sine = np.cos(angle), np.sin(angle)
    reach = 0.5 * np.hypot(BEAM_LENGTH, BEAM_WIDTH)
    centre_x, centre_y = units[X, target], units[Y, target]
    points = 0.0
    for victim in range(units.shape[1]):
        if rules.traits[TEAM, victim] == rules.traits[TEAM, unit] or units[HP, victim] <= 0.0:
            continue
        if not can_attack_plane(rules.traits, unit, victim):
            continue
        dx, dy = start[0, victim] - centre_x, start[1, victim] - centre_y
        if dx * dx + dy * dy > reach * reach:
            continue
        dx, dy = units[X, victim] - centre_x, units[Y, victim] - centre_y
        along = max(abs(dx * cosine + dy * sine) - 0.5 * BEAM_LENGTH, 0.0)
        across = max(abs(dy * cosine - dx * sine) - 0.5 * BEAM_WIDTH, 0.0)
        if along * along + across * across <= rules.stats[RADIUS, victim] ** 2:
            points += hit(unit, victim, units, rules)
    return points


@kernel
def heal(unit, target, switched, units, rules):
    """One frame of healing: from the stock, which is filled with 3 hit points for each unit of energy.

    A unit killed earlier in the same frame can be brought back. False if the healer gives up its target.
    """
    missing = rules.stats[MAX_HP, target] - units[HP, target]
    if missing <= 0.0 or (switched and units[ENERGY, unit] < ENERGY_TO_SWITCH):
        return False
    wanted = min(missing, HEALTH_PER_SECOND * FRAME)
    if units[HEAL_STOCK, unit] < wanted:
        spent = min(1.0, units[ENERGY, unit])
        units[ENERGY, unit] -= spent
        units[HEAL_STOCK, unit] += HEALTH_PER_ENERGY * spent
    amount = min(wanted, units[HEAL_STOCK, unit])
    units[HEAL_STOCK, unit] -= amount
    units[HP, target] += amount
    return True


@kernel
def attack(unit, target, units, start, rules):
    """One attack of a unit that deals damage. start [2, U]: positions at the start of the frame."""
    role = rules.traits[ROLE, unit]
    if role == EXPLODING:
        return explode(unit, units, start, rules)
    if role == BEAM:
        return sweep(unit, target, units, start, rules)
    return hit(unit, target, units, rules)
