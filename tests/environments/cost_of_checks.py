"""What the checks cost: their share of the processor seconds of simulation, at 128 rows and random actions.

    uv run python -m tests.environments.cost_of_checks

"kept" is what our simulators pay after their first batch, "full" what they pay in it and a game of another package always.
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np

from algorithms.seeds import episode_seeds
from benchmark.environments.checks import GameChecks
from benchmark.environments.interface import BatchedEnvironment
from benchmark.environments.native.random_actions import action_streams, random_available_actions
from benchmark.environments.tasks.registry import get_task

TASKS = ("lbf/8x8-2p-2f-coop", "mpe/simple_spread-3", "smaclite/3m")
ROWS, ROUNDS, REPEATS = 128, 30, 1000


def seconds_of_a_batch(environment: BatchedEnvironment, checked: bool) -> tuple[float, int]:
    """Processor seconds and steps of one batch of episodes, with all checks or without any."""
    actions = np.zeros((ROWS, environment.team.n_agents), np.int64)
    streams, seeds = action_streams(episode_seeds(1, 0, ROWS)), episode_seeds(2, 0, ROWS)
    environment.unchecked = True
    steps, start = 0, time.process_time()
    checks = GameChecks(environment, ROWS) if checked else None
    environment.reset(seeds)
    if checks:
        checks.reset()
    while environment.running.any():
        random_available_actions(environment.available, streams, actions)
        environment.step(actions)
        steps += 1
        if checks:
            checks.step()
    return time.process_time() - start, steps


def seconds_of_kept_checks(environment: BatchedEnvironment, steps: int) -> float:
    """Processor seconds of what remains of the checks of one batch after the first."""
    environment.unchecked = False
    start = time.process_time()
    for _ in range(REPEATS):
        checks = GameChecks(environment, ROWS)
        checks.reset()
        for _ in range(steps):
            if checks.everything:
                checks.step()
        checks.end(steps)
    return (time.process_time() - start) / REPEATS


if __name__ == "__main__":
    for name in TASKS:
        game = get_task(name).build(ROWS)
        seconds_of_a_batch(game, True)  # compiles
        pairs = [(seconds_of_a_batch(game, True), seconds_of_a_batch(game, False)) for _ in range(ROUNDS)]
        alone, steps = median(second for _, (second, _) in pairs), pairs[0][1][1]
        full = median(first[0] / second[0] for first, second in pairs) - 1
        print(f"{name}: kept {seconds_of_kept_checks(game, steps) / alone:.2%}, full {full:.0%}")
