"""Measures a method's influence graph during training: its agreement with interventions in the simulator.

The measurement has its own environment, seeds and random numbers: a run is the same, bit for bit, with and without it.
"""

from __future__ import annotations

import torch

from algorithms.interface import Algorithm, Episodes, Mode
from algorithms.seeds import derive, episode_seeds
from benchmark.credit.graphs import measure_graph
from benchmark.environments.interface import NotForkable
from benchmark.environments.tasks.registry import Task, get_task
from benchmark.experiments.credit_measurements import GraphMeasurement
from benchmark.experiments.run_spec import RunSpec
from benchmark.training.rollout import EpisodeRecorder, play

EPISODES = 16
ORACLE = "oracle_graph"


def measure_influence(
    spec: RunSpec, algorithm: Algorithm, number: int, steps_done: int, device: torch.device
) -> GraphMeasurement | None:
    """The agreement of the algorithm's influence graph with interventions, at evaluation `number`.

    None if the algorithm returns no graph, or if the simulator (a plug-in's, say) cannot be copied. The episodes are sampled as
    in training, because credit is assigned on such episodes; a greedy policy that is stuck has another graph. The last
    measurement of a run includes mean graphs and a drawn episode.
    """
    schedule = spec.evaluation
    probes = tuple(dict.fromkeys((ORACLE, *spec.entry().requires)))
    seed = derive(spec.seed, "influence", number)
    try:
        episodes = observed_episodes(get_task(spec.task), algorithm, "train", probes, seed, device)
    except NotForkable:
        return None
    influence = algorithm.influence(episodes)
    if influence is None:
        return None
    return measure_graph(
        influence,
        episodes,
        step=schedule.due(number, spec.budget),
        steps_done=steps_done,
        pictures=number == schedule.points - 1,
    )


def observed_episodes(
    task: Task, algorithm: Algorithm, mode: Mode, probes: tuple[str, ...], seed: int, device: torch.device
) -> Episodes:
    """Fresh episodes with the results of the probes in `privileged`. They depend on the policy and on `seed` alone."""
    environment = task.build(EPISODES, "native")
    try:
        seeds = episode_seeds(derive(seed, "environment"), 0, EPISODES)
        generator = torch.Generator(device).manual_seed(derive(seed, "acting"))
        recorder = EpisodeRecorder(EPISODES, environment.team, probes)
        length = play(environment, algorithm, seeds, mode, generator, recorder)
        return recorder.episodes(environment, length, seeds)
    finally:
        environment.close()
