"""One step: eight frames of 1/16 s.

A frame goes through all units four times: targets are kept or dropped, wishes made, collisions avoided; then, in random order,
units move, their clocks run, and they attack. Who is killed falls out of the game when the frame is over.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.environments.native.random import shuffle
from benchmark.environments.native.smaclite.constants import (
    ATTACK_UNIT,
    COOLDOWN,
    ENERGY,
    ENERGY_PER_SECOND,
    FRAME,
    FRAMES_PER_STEP,
    HEALER,
    HP,
    MAX_COOLDOWN,
    MAX_ENERGY,
    MAX_HP,
    MAX_SHIELD,
    REGENERATION,
    ROLE,
    SHIELD,
    SHIELD_COOLDOWN,
    SHIELD_PER_SECOND,
    VX,
    VY,
    X,
    Y,
)
from benchmark.environments.native.smaclite.kernels.avoidance import avoid_collisions
from benchmark.environments.native.smaclite.kernels.combat import attack, heal
from benchmark.environments.native.smaclite.kernels.geometry import kernel
from benchmark.environments.native.smaclite.kernels.orders import give_orders, plan_frame
from benchmark.environments.native.smaclite.kernels.targeting import keep_or_drop_targets


class Scratch(NamedTuple):
    """Memory that lives during a step only; nothing in it is read before it is written.

    orders, order_target, previous, sequence [U]; alive, attacking [U] bool; tended [U] bool: healed after its removal;
    points [U]: of each unit in this step; order_point, desired, velocity, start [2, U]; lines, projected [L, 5]; result [3].
    """

    orders: NDArray[np.int64]
    order_target: NDArray[np.int64]
    previous: NDArray[np.int64]
    sequence: NDArray[np.int64]
    alive: NDArray[np.bool_]
    attacking: NDArray[np.bool_]
    tended: NDArray[np.bool_]
    points: NDArray[np.float64]
    order_point: NDArray[np.float64]
    desired: NDArray[np.float64]
    velocity: NDArray[np.float64]
    start: NDArray[np.float64]
    lines: NDArray[np.float64]
    projected: NDArray[np.float64]
    result: NDArray[np.float64]


def scratch(n_units: int, n_edges: int) -> Scratch:
    """Scratch memory for one episode at a time."""
    integers, flags = np.zeros((4, n_units), np.int64), np.zeros((3, n_units), np.bool_)
    pairs, lines = np.zeros((4, 2, n_units), np.float64), np.zeros((2, n_units + n_edges, 5), np.float64)
    return Scratch(
        orders=integers[0],
        order_target=integers[1],
        previous=integers[2],
        sequence=integers[3],
        alive=flags[0],
        attacking=flags[1],
        tended=flags[2],
        points=np.zeros(n_units, np.float64),
        order_point=pairs[0],
        desired=pairs[1],
        velocity=pairs[2],
        start=pairs[3],
        lines=lines[0],
        projected=lines[1],
        result=np.zeros(3, np.float64),
    )


@kernel
def run_step(actions, units, targets, stream, first, imposed, rules, memory):
    """Eight frames under the actions [N] of one row; `first`: of its episode.

    imposed [0 or 8, U]: the sequence of acting units, padded with -1.
    """
    give_orders(actions, units, rules, memory.orders, memory.order_target, memory.order_point)
    memory.points[:] = 0.0
    memory.tended[:] = False
    for frame in range(FRAMES_PER_STEP):
        keep_or_drop_targets(units, targets, memory.previous, memory.orders, memory.order_target, memory.tended, rules)
        plan_frame(
            units, targets, memory.orders, memory.order_target, memory.order_point, memory.desired, memory.attacking, rules
        )
        avoid_collisions(
            units, memory.desired, first and frame == 0, rules, memory.lines, memory.projected, memory.velocity, memory.result
        )
        count = 0
        for unit in range(len(targets)):
            memory.start[0, unit] = units[X, unit]
            memory.start[1, unit] = units[Y, unit]
            memory.alive[unit] = units[HP, unit] > 0.0
            if memory.alive[unit]:
                memory.sequence[count] = unit
                count += 1
        if len(imposed) > 0:
            count = impose(imposed[frame], memory.sequence)
        else:
            shuffle(stream, memory.sequence, count)
        for turn in range(count):
            unit = memory.sequence[turn]
            if units[HP, unit] > 0.0:
                advance(unit, units, rules.stats)
                if memory.attacking[unit]:
                    fire(unit, units, targets, rules, memory)


@kernel
def impose(imposed, sequence):
    """Takes over a sequence that ends at its first -1; returns its length."""
    count = 0
    while count < len(imposed) and imposed[count] >= 0:
        sequence[count] = imposed[count]
        count += 1
    return count


@kernel
def advance(unit, units, stats):
    """Moves one unit and lets its clocks run."""
    units[X, unit] = np.float32(units[X, unit] + units[VX, unit] * FRAME)
    units[Y, unit] = np.float32(units[Y, unit] + units[VY, unit] * FRAME)
    units[COOLDOWN, unit] = max(0.0, units[COOLDOWN, unit] - FRAME)
    if stats[MAX_SHIELD, unit] > 0.0:
        units[SHIELD_COOLDOWN, unit] = max(0.0, units[SHIELD_COOLDOWN, unit] - FRAME)
        if units[SHIELD_COOLDOWN, unit] == 0.0:
            units[SHIELD, unit] = min(stats[MAX_SHIELD, unit], units[SHIELD, unit] + SHIELD_PER_SECOND * FRAME)
    if stats[MAX_ENERGY, unit] > 0.0:
        units[ENERGY, unit] = min(stats[MAX_ENERGY, unit], units[ENERGY, unit] + ENERGY_PER_SECOND * FRAME)
    if stats[REGENERATION, unit] > 0.0:
        units[HP, unit] = min(stats[MAX_HP, unit], units[HP, unit] + stats[REGENERATION, unit] * FRAME)


@kernel
def fire(unit, units, targets, rules, memory):
    """Attacks if the weapon has cooled down. A commanded target that died during the step is attacked on, in vain."""
    if units[COOLDOWN, unit] > 0.0:
        return
    units[COOLDOWN, unit] = rules.stats[MAX_COOLDOWN, unit]
    target = memory.order_target[unit] if memory.orders[unit] == ATTACK_UNIT else targets[unit]
    if rules.traits[ROLE, unit] == HEALER:
        switched = targets[unit] != memory.previous[unit]
        health = units[HP, target]
        if not heal(unit, target, switched, units, rules):
            targets[unit] = -1
        if not memory.alive[target]:
            memory.tended[target] = True
            units[HP, target] = health
    else:
        memory.points[unit] += attack(unit, target, units, memory.start, rules)
