"""Numbers of SMAClite's rules and the layout of the arrays that the kernels share. Distances in cells, times in seconds."""

from __future__ import annotations

BOARD = 32
FRAMES_PER_STEP = 8
FRAME = 1.0 / 16.0
SIGHT_RANGE = 9.0
TARGET_RANGE = 6.0
MOVE_DISTANCE = 2.0
MOVE_PROBE = 1.0
GROUP_GAP = 0.05
SCATTER_DRAWS = 20
"""Tries of a scattered start for each unit."""

KILL_REWARD = 10.0
WIN_REWARD = 200.0
RETURN_SCALE = 20.0

SHIELD_PER_SECOND = 2.0
SHIELD_DELAY = 10.0
HEALTH_PER_SECOND = 9.0
HEALTH_PER_ENERGY = 3.0
ENERGY_PER_SECOND = 0.5625
ENERGY_TO_SWITCH = 5.0
BLAST_RADIUS = 2.2
BEAM_LENGTH = 2.8
BEAM_WIDTH = 0.3
FAR = 2e9
"""Distance given to an attacker outside the scan range, so that it is chased last."""

AVOIDANCE_HORIZON = 1.0
EPSILON = 1e-5

# Rows of `units` [10, U]: what changes. Positions hold float32 values, as the package stores them.
X, Y, HP, SHIELD, ENERGY, HEAL_STOCK, COOLDOWN, SHIELD_COOLDOWN, VX, VY = range(10)
UNIT_ROWS = 10

# Rows of `stats` [16, U]: what a unit's type fixes.
(
    MAX_HP,
    MAX_SHIELD,
    ARMOR,
    DAMAGE,
    ATTACKS,
    MAX_COOLDOWN,
    RANGE,
    SCAN,
    SPEED,
    RADIUS,
    REGENERATION,
    START_ENERGY,
    MAX_ENERGY,
    BONUS,
    START_X,
    START_Y,
) = range(16)
STAT_ROWS = 16

# Rows of `traits` [8, U] integers. PLANE is one bit, TARGET_PLANES and the attributes are sets of bits.
TEAM, INDEX, ROLE, PLANE, TARGET_PLANES, ATTRIBUTES, BONUS_ATTRIBUTES, TYPE_BIT = range(8)
TRAIT_ROWS = 8

ALLY, ENEMY = 0, 1
FIGHTER, HEALER, EXPLODING, BEAM = range(4)
STAND, MOVE, ATTACK_UNIT, ATTACK_MOVE = range(4)
