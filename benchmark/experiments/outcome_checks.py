"""What the specification of a run implies for its outcome: the checks of `read_record`, after those of spec_checks.py.

The trainer takes point k of the schedule at the first boundary between two updates at or after `due(k)`, and every point that
is due before it goes on. So an outcome has:
* the points 0, 1 … in order, all of them unless the run failed; a failed run lacks those from the first on that was not due
  at its last boundary, and the absolute evaluation
* one interval of training, and one value of each monitor, between two points; their steps are those between the points
* measurements of credit at the points of `measuring_points`, all or none
* the absolute evaluation at the best point (`best_evaluation`)
and, where the task is known here in the version of the specification, lengths and returns that the task can give.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, compress, pairwise
from math import inf

from algorithms.plugins import UserError
from benchmark.environments.tasks.registry import Task, get_task
from benchmark.experiments.credit_measurements import measuring_points, quarter_points
from benchmark.experiments.outcome import EvaluationPoint, Outcome, best_evaluation
from benchmark.experiments.run_spec import RunSpec
from benchmark.experiments.spec_checks import impossible

TOLERANCE = 1e-5
"""Of bounds of returns, relative to those beyond 1: rewards of some packages are sums in single precision."""


def contradiction(spec: RunSpec, outcome: Outcome) -> str | None:
    """The first thing of the spec, or of the outcome, that no run can have given; None if there is nothing."""
    task = _known_task(spec)
    return next(chain(impossible(spec), _contradictions(spec, outcome, task)), None)


def _contradictions(spec: RunSpec, outcome: Outcome, task: Task | None) -> Iterator[str]:
    yield from _points(spec, outcome)
    yield from _boundaries(outcome.evaluations)
    yield from _end(spec, outcome)
    yield from _greedy(spec, outcome)
    yield from _episodes(spec, outcome)
    yield from _absolute(spec, outcome, task)
    yield from _training(outcome)
    yield from _monitors(outcome)
    yield from _credit(spec, outcome, task)
    if task is not None:
        yield from _task(outcome, task)


def _known_task(spec: RunSpec) -> Task | None:
    """The run's task; None if it is unknown here or has another version."""
    try:
        task = get_task(spec.task)
    except UserError:
        return None
    return task if task.version == spec.task_version else None


def _points(spec: RunSpec, outcome: Outcome) -> Iterator[str]:
    schedule, points = spec.evaluation, outcome.evaluations
    due = [schedule.due(number, spec.budget) for number in range(schedule.points)]
    for number, (point, step) in enumerate(zip(points, due, strict=False)):
        if point.step != step:
            yield f"its evaluations are out of order or incomplete: number {number} is of step {point.step}, not of {step}"
    if len(points) > len(due):
        yield f"it has {len(points)} evaluations; its schedule has {len(due)}"
    if not points:
        yield "it was not evaluated, not even at step 0"
    if outcome.status == "ok" and len(points) < len(due):
        yield f"it is said to be finished but was not evaluated at step {due[len(points)]}"
    if outcome.status == "failed":
        if len(points) == len(due):
            yield "it is said to have failed but has all evaluations of its schedule"
        if due[len(points)] <= points[-1].steps_done:
            yield f"it was not evaluated at step {due[len(points)]}, which was due before it failed"


def _boundaries(points: Sequence[EvaluationPoint]) -> Iterator[str]:
    """Each point at the first boundary at or after the step when it was due, as far as the other points tell."""
    if points[0].steps_done != 0:
        yield f"its first evaluation was taken after {points[0].steps_done} steps, not before training"
    for before, after in pairwise(points):
        if after.steps_done < after.step:
            yield f"its evaluation of step {after.step} was taken too early, after {after.steps_done} steps"
        if after.steps_done < before.steps_done:
            yield f"its evaluations of steps {before.step} and {after.step} were taken out of order"
        if after.step <= before.steps_done < after.steps_done:
            yield f"its evaluation of step {after.step} was taken too late, after {after.steps_done} steps"


def _end(spec: RunSpec, outcome: Outcome) -> Iterator[str]:
    last = outcome.evaluations[-1].steps_done
    if outcome.status == "ok":
        if outcome.reason is not None:
            yield "it is said to be finished but has a reason of failure"
        if outcome.steps_done < spec.budget:
            yield f"it is said to be finished after {outcome.steps_done} of {spec.budget} steps"
        if last != outcome.steps_done:
            yield f"its last evaluation was taken after {last} steps, not after the last of its {outcome.steps_done} steps"
    else:
        if not outcome.reason:
            yield "it is said to have failed but has no reason"
        if last >= outcome.steps_done:
            yield f"an evaluation was taken at or after the last of its {outcome.steps_done} steps, when it had failed"


def _greedy(spec: RunSpec, outcome: Outcome) -> Iterator[str]:
    if spec.evaluation.policy != "both":
        if outcome.greedy_evaluations or outcome.greedy_absolute is not None:
            yield f"it has greedy evaluations beside those of its policy, '{spec.evaluation.policy}'"
        return
    if _steps(outcome.greedy_evaluations) != _steps(outcome.evaluations):
        yield "its greedy evaluations are not at the steps of the sampled ones"
    if (outcome.greedy_absolute is None) != (outcome.absolute is None):
        yield "it has one of the sampled and the greedy absolute evaluation without the other"


def _steps(points: Sequence[EvaluationPoint]) -> list[tuple[int, int]]:
    return [(point.step, point.steps_done) for point in points]


def _episodes(spec: RunSpec, outcome: Outcome) -> Iterator[str]:
    schedule = spec.evaluation
    for point in (*outcome.evaluations, *outcome.greedy_evaluations):
        if len(point.returns) != schedule.episodes:
            yield f"an evaluation has not the {schedule.episodes} episodes of the schedule"
    for absolute in (outcome.absolute, outcome.greedy_absolute):
        if absolute is not None and len(absolute.returns) != schedule.absolute_episodes:
            yield f"the absolute evaluation has not the {schedule.absolute_episodes} episodes of the schedule"
    for point in _all_points(outcome):
        if min(point.lengths) < 1:
            yield f"an episode of the evaluation of step {point.step} has no steps"


def _all_points(outcome: Outcome) -> Iterator[EvaluationPoint]:
    yield from outcome.evaluations
    yield from outcome.greedy_evaluations
    yield from (point for point in (outcome.absolute, outcome.greedy_absolute) if point is not None)


def _absolute(spec: RunSpec, outcome: Outcome, task: Task | None) -> Iterator[str]:
    if outcome.status == "failed":
        if outcome.absolute is not None:
            yield "it is said to have failed but has an absolute evaluation"
        return
    if outcome.absolute is None:
        yield "it is said to be finished but has no absolute evaluation"
        return
    best = _best(spec, outcome.evaluations, task)
    for absolute in (outcome.absolute, outcome.greedy_absolute):
        if absolute is not None and (absolute.step, absolute.steps_done) not in _steps(best):
            steps = " or ".join(str(point.step) for point in best[:3])
            yield f"the absolute evaluation is of the policy of step {absolute.step}, the best evaluation of step {steps}"


def _best(spec: RunSpec, points: Sequence[EvaluationPoint], task: Task | None) -> Sequence[EvaluationPoint]:
    """The best evaluation; all of them where the rule is not known here, or the measure that the task is scored by."""
    protocol = spec.evaluation.protocol_version
    if spec.protocol_version != protocol or (task is None and protocol > 1):
        return points
    return [points[best_evaluation(points, spec.evaluation, "return" if task is None else task.score)]]


def _training(outcome: Outcome) -> Iterator[str]:
    points, intervals = outcome.evaluations, outcome.training
    if [interval.step for interval in intervals] != [point.step for point in points[1:]]:
        yield f"it has not one interval of training for each two of its {len(points)} evaluations"
        return
    for interval, (before, after) in zip(intervals, pairwise(points), strict=True):
        steps, values = after.steps_done - before.steps_done, (interval.mean_return, interval.success_rate)
        where = f"the training up to step {interval.step}"
        if interval.episodes == 0:
            if steps or (*values, interval.mean_length) != (None, None, None):
                yield f"{where} has {steps} steps or means, but no episodes"
        elif interval.mean_length != steps / interval.episodes:
            yield f"{where} has {interval.episodes} episodes of {interval.mean_length} steps, but {steps} steps in all"
        elif interval.episodes > steps or None in values:
            yield f"{where} has {interval.episodes} episodes in {steps} steps, or no means of them"
        elif not 0 <= (interval.success_rate or 0) <= 1:
            yield f"{where} has a success rate of {interval.success_rate}"


def _monitors(outcome: Outcome) -> Iterator[str]:
    idle = [number for number, interval in enumerate(outcome.training) if not interval.episodes]
    for values in outcome.monitors.values():
        if len(values) != len(outcome.training):
            yield f"a monitor has {len(values)} values for {len(outcome.training)} intervals of training"
        elif any(values[number] is not None for number in idle):
            yield "a monitor has a value of an interval without training"


def _credit(spec: RunSpec, outcome: Outcome, task: Task | None) -> Iterator[str]:
    measurements, points = outcome.credit, outcome.evaluations
    if not measurements:
        return
    numbers = [number for number in sorted(_measuring_points(spec)) if number < len(points)]
    expected = _steps([points[number] for number in numbers])
    if [(measurement.step, measurement.steps_done) for measurement in measurements] != expected:
        steps = ", ".join(str(step) for step, _ in expected)
        where = f"are not those of the steps {steps}" if steps else f"are none that {spec.algorithm} has on this backend"
        yield f"its measurements of credit {where}"
    shown = {measurement.agents_shown for measurement in measurements} - {None}
    if any(measurement.agents_shown is not None and measurement.step != spec.budget for measurement in measurements):
        yield "a measurement of credit before the last has mean graphs"
    if task is not None and shown - {task.n_agents}:
        yield f"a mean graph is not of the {task.n_agents} agents of {task.id}"


def _measuring_points(spec: RunSpec) -> frozenset[int]:
    """Those of the run; those that it can have where its algorithm is unknown here or has another version."""
    try:
        known = spec.entry().version == spec.algorithm_version
    except UserError:
        known = False
    return measuring_points(spec) if known else quarter_points(spec)


def _task(outcome: Outcome, task: Task) -> Iterator[str]:
    return_bounds, success_bounds = _widened(task.return_bounds), _widened(task.success_bounds)
    for point in _all_points(outcome):
        where = f"an episode of the evaluation of step {point.step}"
        if max(point.lengths) > task.horizon:
            yield f"{where} has {max(point.lengths)} steps; {task.id} ends after {task.horizon}"
        if _outside(point.returns, return_bounds):
            yield f"{where} has a return that {task.id} cannot give: {_said(task.return_bounds)}"
        if _outside(tuple(compress(point.returns, point.successes)), success_bounds):
            yield f"{where} is a success of a return that {task.id} cannot give for one: {_said(task.success_bounds)}"
    for interval in outcome.training:
        where = f"the training up to step {interval.step}"
        if interval.mean_length is not None and interval.mean_length > task.horizon:
            yield f"{where} has episodes of {interval.mean_length:g} steps; {task.id} ends after {task.horizon}"
        if interval.mean_return is not None and _outside((interval.mean_return,), return_bounds):
            yield f"{where} has a mean return that {task.id} cannot give: {_said(task.return_bounds)}"


Bounds = tuple[float, float]


def _widened(bounds: Bounds | None) -> Bounds:
    low, high = bounds or (-inf, inf)
    return low - TOLERANCE * max(1.0, abs(low)), high + TOLERANCE * max(1.0, abs(high))


def _outside(values: Sequence[float], bounds: Bounds) -> bool:
    return bool(values) and (min(values) < bounds[0] or max(values) > bounds[1])


def _said(bounds: Bounds | None) -> str:
    low, high = bounds or (-inf, inf)
    return f"it gives {low:g} to {high:g}"
