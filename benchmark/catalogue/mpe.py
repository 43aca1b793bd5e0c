"""Multi-agent particle environments: spread (cover the landmarks) and tag (catch the prey), by the settings of several papers.

Ids are listed below. `mpe/simple_spread-N` and `mpe/simple_tag-3` pay in the unit of Papoudakis et al. 2021.
"""

from __future__ import annotations

from typing import Any

from benchmark.tasks import ReferenceScores, Simulator, Task, TaskFamily

VERSION = 1
HORIZON = 25
SPREAD = "benchmark.environments.native.mpe:SimpleSpread"
TAG = "benchmark.environments.native.mpe:SimpleTag"

PAPOUDAKIS = "Papoudakis et al. 2021, arXiv 2006.07869"
STAS = "Zhang et al. 2024, STAS, arXiv 2304.07520"
SECA = "SeCA, sequential credit assignment"
COVERED = "every landmark has an agent nearer than 0.1 at the last step"
CAUGHT = "some prey was touched at some step"

EPYMARL_NOTE = (
    "Returns are in the unit of the 2021 tables: the team's reward of a step is -(N D + C + N), with D the sum over landmarks of "
    "the distance to the nearest agent, and C the number of ordered pairs of agents that touch. It is twice mpe2's minus N."
)
PREY_NOTE = "The prey follows a script of ours where the paper used a trained network: returns are not comparable with its own."
SHARED_NOTE = "The paper pays all agents the same team reward; how it is shared out among them is ours."

RANDOM_EPISODES = 100_000
SCRIPTED_EPISODES = 2_000
