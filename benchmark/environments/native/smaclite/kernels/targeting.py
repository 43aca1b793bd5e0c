"""Whom each unit is after: the first thing that every frame decides.

Enemies move to the attack point and attack what they meet; allies follow commands. All loops go in overall order and
change `targets` in place: on maps that create the enemies first, enemies see last frame's targets of the allies.
"""

from __future__ import annotations

import numpy as np

from benchmark.environments.native.smaclite.constants import (
    ATTACK_UNIT,
    FAR,
    HEALER,
    HP,
    MAX_HP,
    MOVE,
    PLANE,
    RADIUS,
    ROLE,
    SCAN,
    SPEED,
    TARGET_PLANES,
)
from benchmark.environments.native.smaclite.kernels.geometry import distance, in_attack_range, kernel


@kernel
def can_attack_plane(traits, attacker, target):
    """Whether the attacker's weapon reaches the target's plane."""
    return traits[TARGET_PLANES, attacker] & traits[PLANE, target] != 0


@kernel
def keep_or_drop_targets(units, targets, previous, orders, order_target, tended, rules):
    """Remembers last frame's targets, then clears those that a unit's order no longer allows.

    A healer that goes on healing a unit after its removal (`tended` [U]) has it as its target again: nothing comes of it.
    """
    for unit in range(len(targets)):
        if units[HP, unit] <= 0.0:
            targets[unit] = -1
            previous[unit] = -1
            continue
        target = targets[unit]
        previous[unit] = target
        if orders[unit] <= MOVE:
            targets[unit] = -1
        elif orders[unit] == ATTACK_UNIT:
            wanted = order_target[unit]
            targets[unit] = wanted if units[HP, wanted] > 0.0 or tended[wanted] else -1
        elif target >= 0:
            duel = targets[target] == unit
            if units[HP, target] <= 0.0 or not (duel or in_attack_range(units, rules.stats, unit, target)):
                targets[unit] = -1


@kernel
def any_fighter_without_target(units, targets, rules):
    """Whether an enemy that deals damage has no target."""
    for unit in rules.enemies:
        if units[HP, unit] > 0.0 and targets[unit] < 0 and rules.traits[ROLE, unit] != HEALER:
            return True
    return False


@kernel
def any_ally_healer(units, rules):
    """Whether an ally that heals is alive."""
    for unit in rules.allies:
        if units[HP, unit] > 0.0 and rules.traits[ROLE, unit] == HEALER:
            return True
    return False


@kernel
def choose_opponent(unit, units, targets, rules, attackers_too):
    """The ally that an enemy fighter goes for, -1 for none.

    Candidates are the allies in scan range and, with `attackers_too`, after them those that attack the unit, from however
    far. Healers come first, then the nearest; the first of equals.
    """
    stats, traits = rules.stats, rules.traits
    best = -1
    best_is_healer = False
    best_distance = np.inf
    for turn in range(2 if attackers_too else 1):
        for other in rules.allies:
            if units[HP, other] <= 0.0:
                continue
            if turn == 0:
                away = distance(units, unit, other)
                if away > stats[SCAN, unit] + rules.largest_radius or not can_attack_plane(traits, unit, other):
                    continue
                if away >= stats[SCAN, unit] + stats[RADIUS, other] and targets[other] != unit:
                    continue
            else:
                if targets[other] != unit or not can_attack_plane(traits, unit, other):
                    continue
                away = FAR
            healer = traits[ROLE, other] == HEALER
            if best < 0 or (healer and not best_is_healer) or (healer == best_is_healer and away < best_distance):
                best, best_is_healer, best_distance = other, healer, away
    return best


@kernel
def choose_patient(unit, units, targets, rules, attackers_too):
    """Whom an enemy healer helps: the lowest hit points among the hurt or fighting in scan range; -1 for none.

    Also the speed at which it goes: the slowest candidate's, its own without any. With `attackers_too` the package lists a
    healer's attackers among the candidates: they slow it down, but it never helps them.
    """
    stats, traits = rules.stats, rules.traits
    best = -1
    speed = np.inf
    for turn in range(2 if attackers_too else 1):
        for other in rules.enemies if turn == 0 else rules.allies:
            if other == unit or units[HP, other] <= 0.0:
                continue
            if turn == 0:
                away = distance(units, unit, other)
                if away > stats[SCAN, unit] + rules.largest_radius or not can_attack_plane(traits, unit, other):
                    continue
            else:
                if targets[other] != unit or not can_attack_plane(traits, unit, other):
                    continue
                away = FAR
            speed = min(speed, stats[SPEED, other])
            if away >= stats[SCAN, unit] + stats[RADIUS, other]:
                continue
            if units[HP, other] >= stats[MAX_HP, other] and targets[other] < 0:
                continue
            if best < 0 or units[HP, other] < units[HP, best]:
                best = other
    return best, speed if speed < np.inf else stats[SPEED, unit]
