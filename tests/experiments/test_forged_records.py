"""Records that no run of their specification can have given: each is refused with a line that names the problem."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.credit_measurements import measuring_points
from benchmark.experiments.outcome import EvaluationPoint, Outcome, TrainingInterval
from benchmark.experiments.outcome_checks import contradiction
from benchmark.experiments.record import CorruptRecord, SettingsOrigin, make_record, read_record, write_record
from benchmark.experiments.run_spec import EvaluationSchedule, RunSpec, resolve
from tests.experiments.test_records import EXECUTION
from tests.fixtures.made_up_graphs import made_up_measurement

Values = dict[str, Any]
BOUNDARIES = (0, 450, 450, 700, 810, 1040)
"""The steps after which the points due at 0, 200, 400 … 1000 were taken; one update passed two of them."""


def spec_of(policy: str = "both", algorithm: str = "ippo+dg", task: str = "lbf/5x5-2p-2f-coop") -> RunSpec:
    return resolve(
        task=task,
        algorithm=algorithm,
        regime="individual",
        seed=0,
        budget=1000,
        evaluation=EvaluationSchedule(points=6, episodes=2, absolute_episodes=3, policy=policy),  # type: ignore[arg-type]
    )


SPEC = spec_of()


def point(number: int, value: float, episodes: int) -> EvaluationPoint:
    won = value == 1.0
    return EvaluationPoint(
        step=200 * number,
        steps_done=BOUNDARIES[number],
        returns=(value,) * episodes,
        successes=(won,) * episodes,
        lengths=(20 if won else 50,) * episodes,
    )


def outcome_of(spec: RunSpec, returns: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0, 1.0, 0.5), best: int = 4) -> Outcome:
    """A whole outcome; `best`: the number of its best evaluation."""
    both = spec.evaluation.policy == "both"
    points = tuple(point(number, value, 2) for number, value in enumerate(returns))
    intervals = []
    for number in range(1, 6):
        steps = BOUNDARIES[number] - BOUNDARIES[number - 1]
        means: Values = {"mean_return": 0.5, "success_rate": 0.25, "mean_length": steps / 10}
        if not steps:
            means = dict.fromkeys(means)
        intervals.append(TrainingInterval(step=200 * number, episodes=10 if steps else 0, **means))
    square = ((1.0, 0.5), (0.0, 1.0))
    measured = [
        made_up_measurement(
            200 * number,
            steps_done=BOUNDARIES[number],
            **({"mean_claimed": square, "mean_true": square} if number == 5 else {}),
        )
        for number in sorted(measuring_points(spec))
    ]
    return Outcome(
        status="ok",
        reason=None,
        steps_done=1040,
        evaluations=points,
        absolute=point(best, 1.0, 3),
        greedy_evaluations=points if both else (),
        greedy_absolute=point(best, 1.0, 3) if both else None,
        training=tuple(intervals),
        monitors={"loss": (0.5, None, 0.5, 0.25, 0.125)},
        credit=tuple(measured),
    )


def failed(taken: int, steps_done: int) -> Outcome:
    """The same run, failed after `taken` evaluations."""
    whole = outcome_of(SPEC)
    return whole.model_copy(
        update={
            "status": "failed",
            "reason": "diverged: loss at step 900",
            "steps_done": steps_done,
            "evaluations": whole.evaluations[:taken],
            "greedy_evaluations": whole.greedy_evaluations[:taken],
            "absolute": None,
            "greedy_absolute": None,
            "training": whole.training[: taken - 1],
            "monitors": {"loss": whole.monitors["loss"][: taken - 1]},
            "credit": tuple(measurement for measurement in whole.credit if measurement.step < 200 * taken),
        }
    )


def test_a_whole_record_is_accepted(tmp_path: Path) -> None:
    write_record(tmp_path / "record.json", make_record(SPEC, SettingsOrigin(source="made up"), outcome_of(SPEC), EXECUTION))
    assert read_record(tmp_path / "record.json").outcome == outcome_of(SPEC)


@pytest.mark.parametrize("policy", ["greedy", "sample"])
def test_a_record_of_one_mode_has_the_earliest_of_the_best_means(policy: str) -> None:
    spec = spec_of(policy)
    assert contradiction(spec, outcome_of(spec, best=3)) is None
    assert "best evaluation of step 600" in (contradiction(spec, outcome_of(spec, best=4)) or "")


def test_the_best_of_both_modes_is_the_latest_by_the_measure_of_the_task() -> None:
    spec = spec_of(algorithm="ippo", task="smaclite/3m")  # scored by success
    returns = (0.0, 15.0, 1.0, 1.0, 3.0, 18.0)
    assert contradiction(spec, outcome_of(spec, returns, best=3)) is None
    assert "best evaluation of step 600" in (contradiction(spec, outcome_of(spec, returns, best=5)) or "")


@pytest.mark.parametrize(("taken", "steps_done"), [(1, 300), (3, 451), (4, 5000), (5, 811)])
def test_a_failed_run_lacks_what_was_due_later(taken: int, steps_done: int) -> None:
    assert contradiction(SPEC, failed(taken, steps_done)) is None


@pytest.mark.parametrize(
    ("length", "success_rate"), [(1.0, 0.0), (50.0, 1.0)], ids=["shortest and never won", "longest and always won"]
)
def test_the_shortest_and_the_longest_episodes_are_accepted(length: float, success_rate: float) -> None:
    whole = outcome_of(SPEC)
    first = whole.training[0].model_copy(
        update={"episodes": int(450 / length), "mean_length": length, "success_rate": success_rate}
    )
    points = [each.model_copy(update={"lengths": (int(length),) * 2}) for each in whole.evaluations]
    changes: Values = {"training": (first, *whole.training[1:]), "evaluations": tuple(points)}
    assert contradiction(SPEC, whole.model_copy(update=changes)) is None


def test_the_best_of_both_modes_is_by_return_where_the_task_is_scored_by_it() -> None:
    returns = (0.0, 0.25, 0.5, 0.75, 0.25, 0.5)  # without a success
    assert contradiction(SPEC, outcome_of(SPEC, returns, best=3)) is None
    assert "best evaluation of step 600" in (contradiction(SPEC, outcome_of(SPEC, returns, best=5)) or "")


def test_what_is_best_is_checked_as_far_as_the_rule_and_the_task_are_known_here() -> None:
    greedy, both = (spec_of(policy, algorithm="ippo") for policy in ("greedy", "both"))
    elsewhere = {"task": "nowhere/nothing"}
    assert "best evaluation of step 600" in (contradiction(greedy.model_copy(update=elsewhere), outcome_of(greedy)) or "")
    assert contradiction(both.model_copy(update=elsewhere), outcome_of(both, best=1)) is None
    assert contradiction(both.model_copy(update={"protocol_version": 3}), outcome_of(both, best=1)) is None
    never = outcome_of(both)
    never = never.model_copy(update={"absolute": point(1, 1.0, 3).model_copy(update={"step": 201})})
    assert (contradiction(both.model_copy(update=elsewhere), never) or "").endswith(
        "of step 201, the best evaluation of step 0 or 200 or 400"
    )


def bounded(monkeypatch: pytest.MonkeyPatch, **bounds: tuple[float, float] | None) -> None:
    """The task of SPEC with these bounds."""
    task = replace(get_task(SPEC.task), **bounds)  # type: ignore[arg-type]
    monkeypatch.setattr("benchmark.experiments.outcome_checks.get_task", lambda name: task)


@pytest.mark.parametrize("bound", [0.5, 100.0])
def test_returns_may_exceed_the_bounds_of_the_task_by_the_rounding_of_single_precision_alone(
    monkeypatch: pytest.MonkeyPatch, bound: float
) -> None:
    """Relative to bounds beyond 1, absolute below."""
    bounded(monkeypatch, return_bounds=(-bound, bound), success_bounds=None)
    limit = bound + 1e-5 * max(1.0, bound)
    whole, lost = outcome_of(SPEC, returns=(0.0,) * 6), point(5, 0.0, 3)
    said = f"the training up to step 200 has a mean return that {SPEC.task} cannot give: it gives {-bound:g} to {bound:g}"
    for sign in (-1, 1):
        for value, accepted in ((sign * limit, True), (sign * math.nextafter(limit, math.inf), False)):
            training = (whole.training[0].model_copy(update={"mean_return": value}), *whole.training[1:])
            changes: Values = {"absolute": lost, "greedy_absolute": lost, "training": training}
            assert contradiction(SPEC, whole.model_copy(update=changes)) == (None if accepted else said)


def test_a_task_without_known_bounds_may_give_any_return(monkeypatch: pytest.MonkeyPatch) -> None:
    bounded(monkeypatch, return_bounds=None, success_bounds=None)
    for value in (-1e50, 1e50):
        assert contradiction(SPEC, outcome_of(SPEC, returns=(value,) * 6, best=5)) is None


def outcome(change: Callable[[Values], object], before: Callable[[], Outcome] = lambda: outcome_of(SPEC)) -> Values:
    values: Values = json.loads(before().model_dump_json())
    change(values)
    return values


def set_in(*places: Any, to: Any) -> Callable[[Values], object]:
    """Sets one value; where it is of an evaluation, in both modes."""

    def change(values: Values) -> None:
        for part in ("evaluations", "greedy_evaluations") if places[0] == "evaluations" else (places[0],):
            *path, last = (part, *places[1:])
            target: Any = values
            for place in path:
                target = target[place]
            target[last] = to

    return change


def of_points(change: Callable[[list[Any]], object]) -> Callable[[Values], object]:
    """A change of the list of evaluations, of both modes."""

    def in_both(values: Values) -> None:
        change(values["evaluations"])
        change(values["greedy_evaluations"])

    return in_both


def cut_to_its_best(values: Values) -> None:
    """One evaluation, dated at the end."""
    best = values["evaluations"][3] | {"step": 1000, "steps_done": 1040}
    values |= {"evaluations": [best], "greedy_evaluations": [best], "training": [], "monitors": {}, "credit": []}
    values["absolute"] |= {"step": 1000, "steps_done": 1040}


def diverged(values: Values) -> None:
    values |= {"status": "failed", "reason": "diverged", "absolute": None, "greedy_absolute": None}


def late_failure() -> Outcome:
    return failed(5, 900)


FORGED: dict[str, tuple[Values, str]] = {
    "cut to its best evaluation": (outcome(cut_to_its_best), "number 0 is of step 1000, not of 0"),
    "no evaluations": (outcome(of_points(list.clear)), "not even at step 0"),
    "the first one missing": (outcome(of_points(lambda points: points.pop(0))), "number 0 is of step 200, not of 0"),
    "the last one missing": (outcome(of_points(list.pop)), "not evaluated at step 1000"),
    "one twice": (outcome(of_points(lambda points: points.insert(2, points[2]))), "number 3 is of step 400, not of 600"),
    "one too many": (outcome(of_points(lambda points: points.append(points[-1]))), "it has 7 evaluations; its schedule has 6"),
    "out of order": (outcome(of_points(list.reverse)), "out of order"),
    "another step": (outcome(set_in("evaluations", 2, "step", to=401)), "number 2 is of step 401, not of 400"),
    "first after training": (outcome(set_in("evaluations", 0, "steps_done", to=10)), "after 10 steps, not before training"),
    "taken too early": (outcome(set_in("evaluations", 3, "steps_done", to=599)), "taken too early, after 599 steps"),
    "taken too late": (outcome(set_in("evaluations", 2, "steps_done", to=460)), "taken too late, after 460 steps"),
    "taken a boundary late": (
        outcome(set_in("evaluations", 1, "steps_done", to=400)),
        "step 400 was taken too late, after 450",
    ),
    "taken out of order": (outcome(set_in("evaluations", 3, "steps_done", to=820)), "taken out of order"),
    "not to the end": (outcome(set_in("steps_done", to=999)), "finished after 999 of 1000 steps"),
    "further than the last evaluation": (
        outcome(set_in("steps_done", to=2000)),
        "taken after 1040 steps, not after the last of",
    ),
    "finished with a reason": (outcome(set_in("reason", to="diverged")), "finished but has a reason of failure"),
    "failed with all points": (outcome(diverged), "failed but has all evaluations"),
    "failed without a reason": (outcome(set_in("reason", to=None), late_failure), "failed but has no reason"),
    "failed with an absolute score": (
        outcome(
            lambda values: values.update(
                {n: json.loads(point(4, 1.0, 3).model_dump_json()) for n in ("absolute", "greedy_absolute")}
            ),
            late_failure,
        ),
        "failed but has an absolute",
    ),
    "failed before its last evaluation": (outcome(set_in("steps_done", to=810), late_failure), "when it had failed"),
    "failed without a point that was due": (
        outcome(set_in("steps_done", to=900), lambda: failed(2, 900)),
        "not evaluated at step 400, which was due before it failed",
    ),
    "failed without a point that was just due": (
        outcome(set_in("evaluations", 1, "steps_done", to=400), lambda: failed(2, 900)),
        "not evaluated at step 400, which was due before it failed",
    ),
    "fewer episodes": (
        outcome(lambda values: values["evaluations"][1].update(returns=[1.0], successes=[True], lengths=[20])),
        "has not the 2 episodes of the schedule",
    ),
    "fewer absolute episodes": (
        outcome(lambda values: values["absolute"].update(returns=[1.0], successes=[True], lengths=[20])),
        "absolute evaluation has not the 3 episodes",
    ),
    "no absolute score": (outcome(lambda values: values.update(absolute=None, greedy_absolute=None)), "no absolute evaluation"),
    "absolute of another policy": (
        outcome(lambda values: [values[name].update(step=600, steps_done=700) for name in ("absolute", "greedy_absolute")]),
        "of the policy of step 600, the best evaluation of step 800",
    ),
    "no greedy evaluations": (outcome(set_in("greedy_evaluations", to=[])), "greedy evaluations are not at the steps"),
    "no greedy absolute score": (outcome(set_in("greedy_absolute", to=None)), "without the other"),
    "endless episodes": (
        outcome(set_in("evaluations", 1, "lengths", to=[10**9] * 2)),
        "evaluation of step 200 has 1000000000 steps; lbf/5x5-2p-2f-coop ends after 50",
    ),
    "an episode longer by one step": (
        outcome(set_in("absolute", "lengths", 2, to=51)),
        "has 51 steps; lbf/5x5-2p-2f-coop ends",
    ),
    "an episode of no steps": (outcome(set_in("evaluations", 1, "lengths", to=[0, 50])), "has no steps"),
    "a return that is too high": (outcome(set_in("absolute", "returns", 0, to=99.0)), "cannot give: it gives 0 to 1"),
    "a return that is too low": (outcome(set_in("absolute", "returns", 0, to=-0.5)), "cannot give: it gives"),
    "a success of half the food": (outcome(set_in("evaluations", 1, "successes", 0, to=True)), "a success of a return"),
    "an interval missing": (outcome(lambda values: values["training"].pop(2)), "not one interval of training"),
    "an interval twice": (outcome(lambda values: values["training"].insert(2, values["training"][2])), "not one interval"),
    "intervals out of order": (outcome(lambda values: values["training"].reverse()), "not one interval of training"),
    "more episodes": (
        outcome(set_in("training", 0, "episodes", to=11)),
        "up to step 200 has 11 episodes of 45.0 steps, but 450 steps in all",
    ),
    "longer episodes in training": (
        outcome(lambda values: values["training"][0].update(episodes=5, mean_length=90.0)),
        "the training up to step 200 has episodes of 90 steps; lbf/5x5-2p-2f-coop ends after 50",
    ),
    "no episodes": (outcome(set_in("training", 0, "episodes", to=0)), "450 steps or means, but no episodes"),
    "episodes without steps": (outcome(set_in("training", 1, "mean_return", to=0.5)), "0 steps or means, but no episodes"),
    "more episodes than steps": (
        outcome(lambda values: values["training"][0].update(episodes=900, mean_length=0.5)),
        "900 episodes in 450 steps",
    ),
    "an impossible success rate": (outcome(set_in("training", 0, "success_rate", to=1.5)), "success rate of 1.5"),
    "an impossible return in training": (outcome(set_in("training", 0, "mean_return", to=7.0)), "mean return that"),
    "a monitor of more intervals": (outcome(lambda values: values["monitors"]["loss"].append(0.5)), "6 values for 5 intervals"),
    "a monitor without training": (outcome(set_in("monitors", "loss", 1, to=0.5)), "of an interval without training"),
    "a measurement missing": (outcome(lambda values: values["credit"].pop(1)), "not those of the steps 0, 400, 600, 800, 1000"),
    "a measurement of another step": (outcome(set_in("credit", 1, "step", to=200)), "not those of the steps 0, 400, 600"),
    "a measurement taken later": (outcome(set_in("credit", 1, "steps_done", to=451)), "not those of the steps 0, 400, 600"),
    "measurements out of order": (outcome(lambda values: values["credit"].reverse()), "not those of the steps 0, 400, 600"),
    "graphs too early": (
        outcome(lambda values: values["credit"][0].update({n: values["credit"][-1][n] for n in ("mean_claimed", "mean_true")})),
        "before the last has mean graphs",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_record_is_refused_with_the_problem(tmp_path: Path, name: str) -> None:
    values, message = FORGED[name]
    forged = make_record(SPEC, SettingsOrigin(source="made up"), Outcome.model_validate_json(json.dumps(values)), EXECUTION)
    write_record(tmp_path / "record.json", forged)
    with pytest.raises(CorruptRecord) as refused:
        read_record(tmp_path / "record.json")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_method_without_a_graph_has_measured_none() -> None:
    spec = spec_of(algorithm="ippo")
    with_credit = outcome_of(spec).model_copy(update={"credit": outcome_of(SPEC).credit})
    assert "are none that ippo has" in (contradiction(spec, with_credit) or "")


@pytest.mark.parametrize("changes", [{"task": "nowhere/nothing"}, {"task_version": 99}], ids=["unknown", "another version"])
def test_what_only_the_task_knows_is_not_checked_of_a_task_that_is_not_known_here(changes: Values) -> None:
    """Such a record is stale, not corrupt."""
    triangle = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    whole = outcome_of(SPEC)
    last = whole.credit[-1].model_copy(update={"mean_claimed": triangle, "mean_true": triangle})
    elsewhere = whole.model_copy(update={"credit": (*whole.credit[:-1], last)})
    assert contradiction(SPEC, elsewhere) == "a mean graph is not of the 2 agents of lbf/5x5-2p-2f-coop"
    assert contradiction(SPEC.model_copy(update=changes), elsewhere) is None


@pytest.mark.parametrize("changes", [{"algorithm": "nothing"}, {"algorithm_version": 99}], ids=["unknown", "another version"])
def test_of_an_algorithm_that_is_not_known_here_measurements_are_where_any_method_has_them(changes: Values) -> None:
    assert contradiction(SPEC.model_copy(update=changes), outcome_of(SPEC)) is None


@given(number=st.integers(0, 5), change=st.sampled_from(["drop", "repeat"]), greedy=st.booleans())
def test_any_evaluation_dropped_or_repeated_is_refused(number: int, change: str, greedy: bool) -> None:
    """Whether in both modes or in one alone."""
    whole = outcome_of(SPEC)
    points = list(whole.evaluations)
    points[number : number + 1] = [] if change == "drop" else [points[number]] * 2
    both = {"greedy_evaluations": tuple(points)} if greedy else {}
    assert contradiction(SPEC, whole.model_copy(update={"evaluations": tuple(points), **both})) is not None


@given(number=st.integers(0, 5), field=st.sampled_from(["step", "steps_done"]), by=st.integers(-300, 300).filter(bool))
def test_any_evaluation_shifted_is_refused(number: int, field: str, by: int) -> None:
    whole = outcome_of(SPEC)
    points = list(whole.evaluations)
    points[number] = points[number].model_copy(update={field: getattr(points[number], field) + by})
    forged = whole.model_copy(update={"evaluations": tuple(points), "greedy_evaluations": tuple(points)})
    assert contradiction(SPEC, forged) is not None


@pytest.mark.slow
def test_every_committed_record_is_accepted() -> None:
    """Two seconds: uv run pytest -m slow -k every_committed_record tests/experiments."""
    for path in (Path(__file__).parents[2] / "results" / "reference").rglob("record.json"):
        read_record(path)
