"""From actions to orders, and from orders to the velocity that each unit would like."""

from __future__ import annotations

import numpy as np

from benchmark.environments.native.smaclite.constants import (
    ATTACK_MOVE,
    ATTACK_UNIT,
    HEALER,
    HP,
    MOVE,
    MOVE_DISTANCE,
    ROLE,
    SPEED,
    STAND,
    X,
    Y,
)
from benchmark.environments.native.smaclite.kernels.geometry import in_attack_range, kernel, offset
from benchmark.environments.native.smaclite.kernels.targeting import (
    any_ally_healer,
    any_fighter_without_target,
    can_attack_plane,
    choose_opponent,
    choose_patient,
)

# Directions of the actions 2 to 5: north, south, east, west.
DIRECTION_X = np.array([0.0, 0.0, 1.0, -1.0])
DIRECTION_Y = np.array([1.0, -1.0, 0.0, 0.0])


@kernel
def give_orders(actions, units, rules, orders, order_target, order_point):
    """Turns a row's actions [N] into orders [U] for the whole step; enemies always attack towards the attack point."""
    for agent in range(len(rules.allies)):
        unit = rules.allies[agent]
        action = actions[agent]
        order_target[unit] = -1
        if action < 2:
            orders[unit] = STAND
        elif action < 6:
            orders[unit] = MOVE
            order_point[0, unit] = units[X, unit] + MOVE_DISTANCE * DIRECTION_X[action - 2]
            order_point[1, unit] = units[Y, unit] + MOVE_DISTANCE * DIRECTION_Y[action - 2]
        else:
            orders[unit] = ATTACK_UNIT
            healer = rules.traits[ROLE, unit] == HEALER
            order_target[unit] = rules.allies[action - 6] if healer else rules.enemies[action - 6]
    for unit in rules.enemies:
        orders[unit] = ATTACK_MOVE
        order_target[unit] = -1
        order_point[0, unit] = rules.attack_x
        order_point[1, unit] = rules.attack_y


@kernel
def head_for_point(unit, x, y, speed, units, desired):
    """Full speed towards a point, however near it is; none if the unit stands exactly there."""
    dx, dy = x - units[X, unit], y - units[Y, unit]
    length = np.sqrt(dx * dx + dy * dy)
    if length > 0.0:
        desired[0, unit] = dx * speed / length
        desired[1, unit] = dy * speed / length


@kernel
def head_for_unit(unit, goal, speed, units, desired):
    """Full speed towards another unit, in float32."""
    dx, dy = offset(units, unit, goal, X), offset(units, unit, goal, Y)
    length = np.sqrt(dx * dx + dy * dy)
    if length > np.float32(0.0):
        speed = np.float32(speed)
        desired[0, unit] = dx * speed / length
        desired[1, unit] = dy * speed / length


@kernel
def plan_frame(units, targets, orders, order_target, order_point, desired, attacking, rules):
    """Fills desired [2, U] and attacking [U]; enemies without a target choose one, in overall order."""
    attackers_too = any_fighter_without_target(units, targets, rules)
    prefer_healers = any_ally_healer(units, rules)
    for unit in range(len(targets)):
        desired[0, unit] = 0.0
        desired[1, unit] = 0.0
        attacking[unit] = False
        if units[HP, unit] <= 0.0:
            continue
        goal = -1
        speed = rules.stats[SPEED, unit]
        if orders[unit] == MOVE:
            head_for_point(unit, order_point[0, unit], order_point[1, unit], speed, units, desired)
        elif orders[unit] == ATTACK_UNIT:
            goal = order_target[unit]
        elif orders[unit] == ATTACK_MOVE:
            if rules.traits[ROLE, unit] == HEALER:
                if targets[unit] < 0:
                    targets[unit], speed = choose_patient(unit, units, targets, rules, attackers_too)
            else:
                distracted = targets[unit] < 0 or rules.traits[ROLE, targets[unit]] != HEALER
                if targets[unit] < 0:
                    targets[unit] = choose_opponent(unit, units, targets, rules, True)
                if targets[unit] >= 0 and prefer_healers and distracted:
                    better = choose_opponent(unit, units, targets, rules, False)
                    if better >= 0:
                        targets[unit] = better
            goal = targets[unit]
            if goal < 0:
                head_for_point(unit, order_point[0, unit], order_point[1, unit], speed, units, desired)
        if goal >= 0:
            if can_attack_plane(rules.traits, unit, goal) and in_attack_range(units, rules.stats, unit, goal):
                attacking[unit] = True
            else:
                head_for_unit(unit, goal, speed, units, desired)
