"""How the numbers of a group's runs are read as shares of evaluation episodes (benchmark.analysis.statistics.resolution)."""

from __future__ import annotations

from typing import Literal

from benchmark.analysis.runs.run_table import RunGroup
from benchmark.analysis.statistics.resolution import Scale
from benchmark.experiments.statements import Measure

Evaluation = Literal["final", "absolute"]


def success_scale(group: RunGroup, evaluation: Evaluation = "final") -> Scale:
    """Of success rates."""
    return Scale(_episodes(group, evaluation), 0.0, 1.0, rate=True)


def return_scale(group: RunGroup, evaluation: Evaluation = "final") -> Scale | None:
    """Of mean returns; None where the task has no reference scores of returns."""
    scores = group.task.reference_scores
    if scores is None or group.task.score != "return":
        return None
    span = scores.best - scores.random
    return Scale(_episodes(group, evaluation), -scores.random / span, 1 / span, rate=False)


def score_scale(group: RunGroup, measure: Measure = "final") -> Scale | None:
    """Of final scores, or of areas under the learning curve, which are means of several evaluations and no rates."""
    found = success_scale(group) if group.task.score == "success" else return_scale(group)
    return found if found is None or measure == "final" else Scale(found.episodes, found.offset, found.slope, rate=False)


def normalised_scale(group: RunGroup, evaluation: Evaluation = "final") -> Scale:
    """Of normalised scores; the task must have reference scores."""
    scores, episodes = group.task.reference_scores, _episodes(group, evaluation)
    assert scores is not None
    if group.task.score == "return":
        return Scale(episodes, 0.0, 1.0, rate=False)
    return Scale(episodes, scores.random, scores.best - scores.random, rate=True)


def _episodes(group: RunGroup, evaluation: Evaluation) -> int:
    schedule = group.states[0].spec.evaluation
    return schedule.episodes if evaluation == "final" else schedule.absolute_episodes
