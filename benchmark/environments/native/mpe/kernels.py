"""Kernels of the multi-particle environments: physics, starts, observations, and the rewards of spread and tag.

Physics of mpe2 1.1.1 in float64 and in its order of operations, so that states differ from the package's by rounding of
exp and log alone. One row's world is a flat array of P = 4E + 2L + 1 numbers: positions (x, y) of agents 0..E-1 (in tag:
predators, then prey), their velocities, positions of landmarks 0..L-1, and a zero that observations can point at.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.environments.native.compilation import njit
from benchmark.environments.native.random import next_below, next_uniform

TIME_STEP = 0.1
DAMPING = 0.25
CONTACT_FORCE = 100.0
CONTACT_MARGIN = 0.001
TOUCH_REWARD = 10.0
"""Reward for one touching pair of predator and prey."""
COVER_RADIUS = 0.1
"""An agent nearer than this to a landmark covers it."""
WALL = 0.9
"""Evading prey turn back beyond this share of the half-width."""
PREY_RANDOMNESS = 0.1
"""How often evading prey move at random."""

_FAR = 50.0 * CONTACT_MARGIN  # beyond it a contact force is below 1e-20, less than rounding
_SPARSE = 200  # draws of one landmark before a start is drawn anew

CONTROLLED, RANDOM, EVADE = 0, 1, 2  # who moves the prey


class Bodies(NamedTuple):
    """The agents' sizes, accelerations and speed caps [E]; how many landmarks; their size (0: they touch nobody)."""

    size: NDArray[np.float64]
    gain: NDArray[np.float64]
    top_speed: NDArray[np.float64]
    landmarks: int
    obstacle_size: float


class View(NamedTuple):
    """What agents observe: dimension k of all observations in a row [N * O] is world[minuend[k]] - world[subtrahend[k]].

    `ranked` [K, 7]: blocks of dimensions that show the nearest (or leftmost) entities; see `_rank`.
    """

    minuend: NDArray[np.int64]
    subtrahend: NDArray[np.int64]
    ranked: NDArray[np.int64]


class Outputs(NamedTuple):
    """The public arrays of the environment and its step counters. The state is the observations, in the same memory."""

    state: NDArray[np.float32]
    available: NDArray[np.bool_]
    running: NDArray[np.bool_]
    team_reward: NDArray[np.float64]
    individual_reward: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    success: NDArray[np.bool_]
    steps: NDArray[np.int32]


@njit(cache=True)
def _overlap(distance, reach):
    """Softened overlap of two bodies at `distance` whose sizes add up to `reach`: margin * log(1 + exp(-gap / margin))."""
    depth = -(distance - reach) / CONTACT_MARGIN
    if depth > 0.0:
        return (depth + np.log1p(np.exp(-depth))) * CONTACT_MARGIN
    return np.log1p(np.exp(depth)) * CONTACT_MARGIN


@njit(cache=True)
def _push(world, a, b, reach, force):
    """Adds the contact force of the body at world[b:b+2] on the agent at world[a:a+2] to force[a:a+2]; returns it.

    Bodies at exactly the same position do not push each other.
    """
    dx, dy = world[a] - world[b], world[a + 1] - world[b + 1]
    square = dx * dx + dy * dy
    if square > (reach + _FAR) * (reach + _FAR) or square == 0.0:
        return 0.0, 0.0
    distance = np.sqrt(square)
    overlap = _overlap(distance, reach)
    x = CONTACT_FORCE * dx / distance * overlap
    y = CONTACT_FORCE * dy / distance * overlap
    force[a] += x
    force[a + 1] += y
    return x, y


@njit(cache=True)
def _move(world, bodies, control, force):
    """One step of physics. control [E]: 0 rest, 1 left, 2 right, 3 down, 4 up; force [2E] is scratch."""
    agents = len(bodies.size)
    velocity, landmark = 2 * agents, 4 * agents
    for a in range(agents):
        force[2 * a] = bodies.gain[a] * ((control[a] == 2) - (control[a] == 1))
        force[2 * a + 1] = bodies.gain[a] * ((control[a] == 4) - (control[a] == 3))
    for a in range(agents):
        for b in range(a + 1, agents):
            x, y = _push(world, 2 * a, 2 * b, bodies.size[a] + bodies.size[b], force)
            force[2 * b] -= x
            force[2 * b + 1] -= y
        if bodies.obstacle_size > 0.0:
            for b in range(bodies.landmarks):
                _push(world, 2 * a, landmark + 2 * b, bodies.size[a] + bodies.obstacle_size, force)
    for a in range(agents):
        at = velocity + 2 * a
        for axis in range(2):
            world[2 * a + axis] += world[at + axis] * TIME_STEP
            world[at + axis] = world[at + axis] * (1.0 - DAMPING) + force[2 * a + axis] * TIME_STEP
        x, y = world[at], world[at + 1]
        speed = np.sqrt(x * x + y * y)
        if speed > bodies.top_speed[a]:
            world[at] = x / speed * bodies.top_speed[a]
            world[at + 1] = y / speed * bodies.top_speed[a]


@njit(cache=True)
def _square(world, a, b):
    """Squared distance of the points at world[a:a+2] and world[b:b+2]."""
    dx, dy = world[a] - world[b], world[a + 1] - world[b + 1]
    return dx * dx + dy * dy


@njit(cache=True)
def _place(stream, world, start, count, half_width, apart):
    """Draws `count` points from world[start] on, uniformly in the square of that half-width, at least `apart` from another."""
    j, draws = 0, 0
    while j < count:
        at = start + 2 * j
        world[at] = -half_width + 2.0 * half_width * next_uniform(stream)
        world[at + 1] = -half_width + 2.0 * half_width * next_uniform(stream)
        draws += 1
        free = True
        for other in range(start, at, 2):
            free = free and _square(world, at, other) >= apart * apart
        if free:
            j, draws = j + 1, 0
        elif draws == _SPARSE:
            j, draws = 0, 0


@njit(cache=True)
def start_rows(count, streams, worlds, bodies, view, out, half_width, landmark_half_width, apart):
    """New episodes in rows 0..count-1: agents are placed first, then landmarks; all are at rest."""
    agents = len(bodies.size)
    for row in range(count):
        _place(streams[row], worlds[row], 0, agents, half_width, 0.0)
        worlds[row, 2 * agents : 4 * agents] = 0.0
        _place(streams[row], worlds[row], 4 * agents, bodies.landmarks, landmark_half_width, apart)
    observe_rows(count, worlds, view, out)


@njit(cache=True)
def _rank(world, view, key):
    """Points every ranked block of dimensions at the entities to show now.

    A block is (dimension, count, start, stop, skip, origin, velocity): from `dimension` on, `count` of the points at
    world[start:stop:2] without `skip`, the nearest to the point at `origin` first or, if origin < 0, the leftmost first;
    their velocities, which lie `velocity` further in the world, follow in as many dimensions (if `velocity` > 0).
    key [P] is scratch.
    """
    for block in range(len(view.ranked)):
        dimension, count, start, stop, skip, origin, velocity = view.ranked[block]
        for j in range(start, stop, 2):
            key[j] = world[j] if origin < 0 else _square(world, j, origin)
        if skip >= 0:
            key[skip] = np.inf
        for rank in range(count):
            best, least = start, key[start]
            for j in range(start + 2, stop, 2):
                if key[j] < least:
                    best, least = j, key[j]
            key[best] = np.inf
            for axis in range(2):
                view.minuend[dimension + 2 * rank + axis] = best + axis
                if velocity > 0:
                    view.minuend[dimension + 2 * (count + rank) + axis] = best + velocity + axis


@njit(cache=True)
def _show(world, minuend, subtrahend, state):
    """The state of one row. Takes just what it needs: handing over all of view and out takes longer than the loop."""
    for k in range(len(minuend)):
        state[k] = world[minuend[k]] - world[subtrahend[k]]


@njit(cache=True)
def observe_rows(count, worlds, view, out):
    """Observations, state and availability of those of rows 0..count-1 that run."""
    key = np.empty(worlds.shape[1])
    for row in range(count):
        if out.running[row]:
            out.available[row] = True
            if len(view.ranked) > 0:
                _rank(worlds[row], view, key)
            _show(worlds[row], view.minuend, view.subtrahend, out.state[row])


@njit(cache=True)
def _finish(row, out, terminated, truncated, success):
    """Ends an episode: only action 0 is left."""
    out.terminated[row] = terminated
    out.truncated[row] = truncated
    out.success[row] = success
    out.running[row] = False
    out.available[row] = False
    out.available[row, :, 0] = True


@njit(cache=True)
def step_spread(actions, worlds, bodies, view, out, weights, horizon):
    """One step of simple_spread. weights [4]: of D, C_i, 1 and D_i in agent i's cost (mpe.py says what they are)."""
    agents = len(bodies.size)
    force, cost = np.empty(2 * agents), np.empty(agents)
    key = np.empty(worlds.shape[1])
    for row in range(len(actions)):
        out.team_reward[row] = 0.0
        if not out.running[row]:
            out.individual_reward[row] = 0.0
            continue
        world = worlds[row]
        _move(world, bodies, actions[row], force)
        total, uncovered = 0.0, 0
        cost[:] = 0.0
        for j in range(bodies.landmarks):
            nearest, least = 0, np.inf
            for a in range(agents):
                square = _square(world, 2 * a, 4 * agents + 2 * j)
                if square < least:
                    nearest, least = a, square
            distance = np.sqrt(least)
            total += distance
            uncovered += distance >= COVER_RADIUS
            cost[nearest] += weights[3] * distance
        for a in range(agents):
            for b in range(a + 1, agents):
                if np.sqrt(_square(world, 2 * a, 2 * b)) < bodies.size[a] + bodies.size[b]:
                    cost[a] += weights[1]
                    cost[b] += weights[1]
        for a in range(agents):
            reward = -(cost[a] + weights[0] * total + weights[2])
            out.individual_reward[row, a] = reward
            out.team_reward[row] += reward
        if len(view.ranked) > 0:
            _rank(world, view, key)
        _show(world, view.minuend, view.subtrahend, out.state[row])
        out.steps[row] += 1
        if out.steps[row] >= horizon:
            _finish(row, out, False, True, uncovered == 0)


@njit(cache=True)
def _flee(world, prey, predators, half_width):
    """The move that leads most directly away from the predators, nearer ones counting more, and back from the wall."""
    x, y = 0.0, 0.0
    for a in range(predators):
        square = _square(world, prey, 2 * a)
        if square > 0.0:
            x += (world[prey] - world[2 * a]) / square
            y += (world[prey + 1] - world[2 * a + 1]) / square
    length = np.sqrt(x * x + y * y)
    if length > 0.0:
        x, y = x / length, y / length
    wall = WALL * half_width
    steepness = 2.0 / (half_width - wall)
    x -= np.sign(world[prey]) * max(abs(world[prey]) - wall, 0.0) * steepness
    y -= np.sign(world[prey + 1]) * max(abs(world[prey + 1]) - wall, 0.0) * steepness
    if abs(x) >= abs(y):
        return 2 if x > 0.0 else 1
    return 4 if y > 0.0 else 3


@njit(cache=True)
def _outside(coordinate):
    """What prey pay for leaving the screen along one axis."""
    x = abs(coordinate)
    if x < 0.9:
        return 0.0
    if x < 1.0:
        return (x - 0.9) * 10
    return min(np.exp(2 * x - 2), 10.0)


@njit(cache=True)
def _tag_rewards(world, bodies, rewards, predators, weights, touches):
    """Fills rewards [N] and touches [E], each agent's number of touching pairs. Returns the number of all pairs."""
    agents = len(bodies.size)
    touches[:] = 0
    pairs = 0
    for a in range(predators):
        for prey in range(predators, agents):
            if np.sqrt(_square(world, 2 * prey, 2 * a)) < bodies.size[prey] + bodies.size[a]:
                touches[a] += 1
                touches[prey] += 1
                pairs += 1
    for a in range(predators):
        reward = TOUCH_REWARD * (weights[0] * pairs + weights[1] * touches[a])
        if pairs > 0:
            reward += TOUCH_REWARD * weights[2] * touches[a] / pairs
        if weights[3] > 0.0:
            nearest = np.inf
            for prey in range(predators, agents):
                nearest = min(nearest, _square(world, 2 * prey, 2 * a))
            reward -= weights[3] * np.sqrt(nearest)
        rewards[a] = reward
    for prey in range(predators, len(rewards)):
        fine = _outside(world[2 * prey]) + _outside(world[2 * prey + 1])
        rewards[prey] = -TOUCH_REWARD * touches[prey] - fine
    return pairs


@njit(cache=True)
def step_tag(actions, streams, worlds, bodies, view, out, caught, predators, weights, horizon, mover, capture_ends, half_width):
    """One step of simple_tag. weights [4]: of all touches, own touches, own share of touches, nearest prey's distance."""
    agents = len(bodies.size)
    force = np.empty(2 * agents)
    key = np.empty(worlds.shape[1])
    touches, control = np.empty(agents, np.int64), np.empty(agents, np.int64)
    for row in range(len(actions)):
        out.team_reward[row] = 0.0
        if not out.running[row]:
            out.individual_reward[row] = 0.0
            continue
        world = worlds[row]
        control[: actions.shape[1]] = actions[row]
        if mover != CONTROLLED:
            for prey in range(predators, agents):
                if mover == RANDOM or next_uniform(streams[row]) < PREY_RANDOMNESS:
                    control[prey] = next_below(streams[row], 5)
                else:
                    control[prey] = _flee(world, 2 * prey, predators, half_width)
        _move(world, bodies, control, force)
        pairs = _tag_rewards(world, bodies, out.individual_reward[row], predators, weights, touches)
        for a in range(predators):
            out.team_reward[row] += out.individual_reward[row, a]
        caught[row] = caught[row] or pairs > 0
        if len(view.ranked) > 0:
            _rank(world, view, key)
        _show(world, view.minuend, view.subtrahend, out.state[row])
        out.steps[row] += 1
        ended = capture_ends and pairs > 0
        if ended or out.steps[row] >= horizon:
            _finish(row, out, ended, not ended, caught[row])
