"""The native spread and tag against mpe2 itself: states are injected into both, then both make the same joint actions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.environments.adapters.rows import RowEnvironment
from benchmark.environments.native.mpe.environment import ParticleEnvironment, SimpleSpread, SimpleTag
from benchmark.environments.tasks.registry import get_task

simple_spread = pytest.importorskip("mpe2.simple_spread_v3", reason="the package mpe2 is not installed")
simple_tag = pytest.importorskip("mpe2.simple_tag_v3", reason="the package mpe2 is not installed")

TOLERANCE = 1e-9
FOREVER = 10**9

SCENARIOS = {
    "spread-3": (
        lambda rows: SimpleSpread(rows, n_agents=3, reward="pettingzoo"),
        lambda: simple_spread.parallel_env(N=3, max_cycles=FOREVER),
    ),
    "spread-6": (
        lambda rows: SimpleSpread(rows, n_agents=6, reward="pettingzoo"),
        lambda: simple_spread.parallel_env(N=6, max_cycles=FOREVER),
    ),
    "spread-15": (
        lambda rows: SimpleSpread(rows, n_agents=15, reward="pettingzoo"),
        lambda: simple_spread.parallel_env(N=15, max_cycles=FOREVER),
    ),
    "spread-5-nearest": (
        lambda rows: SimpleSpread(
            rows,
            n_agents=5,
            reward="pettingzoo",
            landmark_order="nearest",
            observed_landmarks=3,
            agent_order="nearest",
            observed_agents=2,
        ),
        lambda: simple_spread.parallel_env(N=5, max_cycles=FOREVER, num_landmark_neighbors=3, num_agent_neighbors=2),
    ),
    "tag-3": (
        lambda rows: SimpleTag(rows, prey="controlled", reward="pettingzoo"),
        lambda: simple_tag.parallel_env(max_cycles=FOREVER),
    ),
    "tag-6": (
        lambda rows: SimpleTag(rows, n_predators=6, n_prey=2, n_obstacles=3, prey="controlled", reward="pettingzoo"),
        lambda: simple_tag.parallel_env(num_good=2, num_adversaries=6, num_obstacles=3, max_cycles=FOREVER),
    ),
}
ROWS = 400
"""Rows of the quick comparison; the slow one makes 10,000 transitions per scenario."""


def entities(world: Any) -> tuple[list, list]:
    return world.agents, world.landmarks


def inject(package: Any, positions: NDArray, velocities: NDArray, landmarks: NDArray) -> None:
    """Puts one state into the package's world."""
    agents, marks = entities(package.unwrapped.world)
    for agent, position, velocity in zip(agents, positions, velocities, strict=True):
        agent.state.p_pos, agent.state.p_vel = position.copy(), velocity.copy()
    for mark, position in zip(marks, landmarks, strict=True):
        mark.state.p_pos = position.copy()


def extract(package: Any) -> tuple[NDArray, NDArray, NDArray]:
    """Positions [E, 2], velocities [E, 2] and landmarks [L, 2] of the package's world."""
    agents, marks = entities(package.unwrapped.world)
    return (
        np.array([agent.state.p_pos for agent in agents]),
        np.array([agent.state.p_vel for agent in agents]),
        np.array([mark.state.p_pos for mark in marks]),
    )


def sample(native: ParticleEnvironment, kind: str, generator: np.random.Generator) -> tuple[NDArray, NDArray, NDArray]:
    """Random states [B, ...] of a kind: anywhere, crowded (bodies about to touch), far out, or fast."""
    positions = generator.uniform(-1, 1, native.positions.shape)
    velocities = generator.uniform(-1, 1, native.velocities.shape)
    landmarks = generator.uniform(-1, 1, native.landmarks.shape)
    if kind == "crowded":
        reach = native.bodies.size[0] * 2
        angle = generator.uniform(0, 2 * np.pi, positions.shape[:2])
        steps = reach * generator.uniform(0.9, 1.1, angle.shape)
        chain = np.cumsum(np.stack([steps * np.cos(angle), steps * np.sin(angle)], axis=-1), axis=1)
        positions = positions[:, :1] + chain
        landmarks = positions[:, : landmarks.shape[1]] + generator.uniform(-0.3, 0.3, landmarks.shape)
    elif kind == "outside":
        edge = generator.choice([0.9, 1.0, 2.15], positions.shape) + generator.uniform(-0.02, 0.02, positions.shape)
        positions = np.where(generator.random(positions.shape) < 0.7, np.sign(positions) * edge, positions)
    elif kind == "fast":
        speed = np.linalg.norm(velocities, axis=-1, keepdims=True)
        velocities *= generator.choice([0.95, 1.0, 1.3, 1.4], speed.shape) / speed
    return positions, velocities, landmarks


def compare(native: ParticleEnvironment, row: int, package: Any, results: tuple) -> None:
    observations, rewards, terminations, _, _ = results
    positions, velocities, _ = extract(package)
    np.testing.assert_allclose(native.positions[row], positions, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(native.velocities[row], velocities, rtol=0, atol=TOLERANCE)
    for i, name in enumerate(package.possible_agents):
        size = native.team.observation_sizes[i]
        assert observations[name].shape == (size,)
        np.testing.assert_allclose(native.observation[row, i, :size], observations[name], rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(native.individual_reward[row, i], rewards[name], rtol=0, atol=TOLERANCE)
    assert not any(terminations.values())
    seen = [native.observation[row, i, :size] for i, size in enumerate(native.team.observation_sizes)]
    np.testing.assert_allclose(np.concatenate(seen), package.state(), rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(native.state[row], native.observation[row].ravel())


def compare_transitions(scenario: str, rows: int, kind: str, generator: np.random.Generator) -> ParticleEnvironment:
    make_native, make_package = SCENARIOS[scenario]
    native, package = make_native(rows), make_package()
    native.reset(np.arange(rows, dtype=np.uint64))
    package.reset(seed=0)
    states = sample(native, kind, generator)
    native.load_state(*states)
    actions = generator.integers(0, 5, (rows, native.team.n_agents))
    native.step(actions)
    for row in range(rows):
        inject(package, *(part[row] for part in states))
        compare(native, row, package, package.step(dict(zip(package.agents, actions[row].tolist(), strict=True))))
    return native


@pytest.mark.parametrize("kind", ["anywhere", "crowded", "outside", "fast"])
@pytest.mark.parametrize("scenario", ["spread-3", "spread-5-nearest", "tag-3", "tag-6"])
def test_a_transition_is_the_packages(scenario: str, kind: str) -> None:
    compare_transitions(scenario, ROWS, kind, np.random.default_rng(0))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["anywhere", "crowded", "outside", "fast"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_ten_thousand_transitions_are_the_packages(scenario: str, kind: str) -> None:
    compare_transitions(scenario, 2500, kind, np.random.default_rng(1))


@pytest.mark.parametrize(("scenario", "episodes"), [("spread-3", 30), ("spread-6", 10), ("tag-3", 30), ("tag-6", 10)])
def test_whole_episodes_from_the_same_start_are_the_packages(scenario: str, episodes: int) -> None:
    generator = np.random.default_rng(2)
    make_native, make_package = SCENARIOS[scenario]
    native, package = make_native(1), make_package()
    for episode in range(episodes):
        package.reset(seed=episode)
        native.reset(np.array([episode], np.uint64))
        positions, velocities, landmarks = extract(package)
        if episode % 2:  # half of the episodes start in a crowd, so that bodies push each other for long
            positions *= 0.15
            inject(package, positions, velocities, landmarks)
        native.load_state(positions[None], velocities[None], landmarks[None])
        for _ in range(native.team.horizon):
            actions = generator.integers(0, 5, (1, native.team.n_agents))
            results = package.step(dict(zip(package.agents, actions[0].tolist(), strict=True)))
            native.step(actions)
            compare(native, 0, package, results)
        assert native.truncated[0]


@pytest.mark.parametrize("scenario", ["spread-3", "tag-3"])
def test_a_start_is_drawn_from_the_packages_law(scenario: str) -> None:
    make_native, make_package = SCENARIOS[scenario]
    native, package = make_native(4000), make_package()
    native.reset(np.arange(4000, dtype=np.uint64))
    starts = []
    for seed in range(300):
        package.reset(seed=seed)
        starts.append(np.concatenate([part.ravel() for part in extract(package)]))
    ours = np.concatenate([part.reshape(4000, -1) for part in (native.positions, native.velocities, native.landmarks)], axis=1)
    theirs = np.array(starts)
    np.testing.assert_allclose(ours.mean(axis=0), theirs.mean(axis=0), atol=0.15)
    np.testing.assert_allclose(ours.std(axis=0), theirs.std(axis=0), atol=0.06)
    np.testing.assert_allclose(np.abs(ours).max(axis=0), np.abs(theirs).max(axis=0), atol=0.03)


def test_the_sampled_states_reach_every_branch_of_the_rules() -> None:
    generator = np.random.default_rng(3)
    native = SCENARIOS["tag-3"][0](2000)
    native.reset(np.arange(2000, dtype=np.uint64))
    touching, outside, capped = 0, np.zeros(0), np.zeros(0)
    for kind in ("crowded", "outside", "fast"):
        native.load_state(*sample(native, kind, generator))
        native.step(generator.integers(0, 5, (2000, 4)))
        touching += int((native.team_reward > 0).sum())
        outside = np.concatenate([outside, np.abs(native.positions[:, 3]).ravel()])
        capped = np.concatenate([capped, np.linalg.norm(native.velocities[:, 3], axis=-1)])
        native.reset(np.arange(2000, dtype=np.uint64))
    assert touching > 100
    edges, full_fine = (0.0, 0.9, 1.0, 1.0 + np.log(10.0) / 2, np.inf), 10
    assert (np.histogram(outside, edges)[0] > full_fine).all()
    assert (np.abs(capped - 1.3) < 1e-12).sum() > 20


@pytest.mark.parametrize("name", ["mpe/simple_spread-3", "mpe/simple_spread-6", "mpe/simple_spread-3-pettingzoo"])
def test_both_backends_of_a_task_have_equal_episodes(name: str) -> None:
    rows = 6
    task, generator = get_task(name), np.random.default_rng(4)
    native, reference = task.build(rows, "native"), task.build(rows, "reference")
    assert isinstance(native, ParticleEnvironment)
    assert isinstance(reference, RowEnvironment)
    assert reference.block is not None
    seeds = np.arange(rows, dtype=np.uint64)
    for environment in (native, reference):
        environment.reset(seeds)
    packages = [simulator.environment for simulator in reference.block.simulators]
    positions, velocities, landmarks = (np.stack(parts) for parts in zip(*map(extract, packages), strict=True))
    positions[0] = landmarks[0] + 0.05  # one row begins where success is, and rests
    for package, state in zip(packages, zip(positions, velocities, landmarks, strict=True), strict=True):
        inject(package, *state)
    native.load_state(positions, velocities, landmarks)
    while reference.running.any():
        actions = generator.integers(0, 5, (rows, native.team.n_agents))
        actions[0] = 0
        for environment in (native, reference):
            environment.step(actions)
        for array in ("observation", "state", "team_reward", "individual_reward"):
            one, other = getattr(native, array), getattr(reference, array)
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9 if "reward" in array else 1e-7)
        for array in ("available", "alive", "running", "terminated", "truncated", "success"):
            np.testing.assert_array_equal(getattr(native, array), getattr(reference, array))
    assert native.success[0]
    assert not native.success[2:].any()
    reference.close()
