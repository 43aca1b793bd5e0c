"""What a run may ask for fits the record that it will write: said before training, and true of the longest numbers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.credit_measurements import (
    MAXIMUM_AGENTS_SHOWN,
    MAXIMUM_STEPS_DRAWN,
    DrawnGraph,
    GraphMeasurement,
    quarter_points,
)
from benchmark.experiments.outcome import EvaluationPoint, Outcome, TrainingInterval
from benchmark.experiments.record import Record, SettingsOrigin, make_record, read_record, write_record
from benchmark.experiments.record_size import (
    BYTES_BESIDE_THE_OUTCOME,
    MAXIMUM_BYTES,
    MAXIMUM_MONITORS,
    MONITOR_NAME_BYTES,
    SOURCE_BYTES,
    SPEC_BYTES,
    Evaluations,
    largest_record,
    size_problem,
)
from benchmark.experiments.run_spec import MAXIMUM_BUDGET, EvaluationSchedule, ImpossibleRun, RunSpec, canonical_json, resolve
from tests.experiments.test_records import EXECUTION, SPEC
from tests.fixtures.made_up_graphs import made_up_measurement

LONGEST = -2.2250738585072014e-308
"""No floating-point number has more characters."""
LONGEST_SHARE = 2.2250738585072014e-308


def most(**given: int) -> Evaluations:
    """The largest schedule with these numbers: as many as can be of the one that is not given."""
    (free,) = {"points", "episodes", "absolute_episodes"} - given.keys()
    low, high = 1, 10**5
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if largest_record(Evaluations(**{**given, free: middle})) <= MAXIMUM_BYTES else (low, middle)
    return Evaluations(**{**given, free: low})


LIMITS = {
    "many points": most(episodes=1, absolute_episodes=1, modes=1),
    "many points of both modes": most(episodes=1, absolute_episodes=1, modes=2),
    "many episodes": most(points=2, absolute_episodes=1, modes=1),
    "many absolute episodes": most(points=2, episodes=1, modes=2),
    "as usual": most(points=41, absolute_episodes=320, modes=2),
}


def schedule_of(size: Evaluations) -> EvaluationSchedule:
    return EvaluationSchedule(
        points=size.points,
        episodes=size.episodes,
        absolute_episodes=size.absolute_episodes,
        policy="both" if size.modes == 2 else "sample",
    )


def largest(size: Evaluations, pictures: bool = False) -> Record:
    """A record that has as much of everything as there can be, in as many digits as there can be."""
    schedule = schedule_of(size)
    spec = RunSpec(
        **SPEC.model_dump(exclude={"evaluation", "budget", "protocol_version", "task", "algorithm"}),
        task="nowhere/nothing",
        algorithm="unknown",
        budget=MAXIMUM_BUDGET,
        evaluation=schedule,
        protocol_version=schedule.protocol_version,
    )
    due = [schedule.due(number, spec.budget) for number in range(size.points)]

    def point(step: int, count: int) -> EvaluationPoint:
        numbers = {"returns": (LONGEST,) * count, "successes": (False,) * count, "lengths": (9999,) * count}
        return EvaluationPoint(step=step, steps_done=step, **numbers)  # type: ignore[arg-type]

    points = tuple(point(step, size.episodes) for step in due)
    absolute = point(due[-1 if size.modes == 2 else 0], size.absolute_episodes)
    outcome = Outcome(
        status="ok",
        reason=None,
        steps_done=due[-1],
        evaluations=points,
        absolute=absolute,
        greedy_evaluations=points if size.modes == 2 else (),
        greedy_absolute=absolute if size.modes == 2 else None,
        training=tuple(interval(after - before, after) for before, after in pairwise(due)),
        monitors={f"{number:0{MONITOR_NAME_BYTES}}": (LONGEST,) * (size.points - 1) for number in range(MAXIMUM_MONITORS)},
        credit=tuple(
            measurement(due[number], pictures and number == size.points - 1) for number in sorted(quarter_points(spec))
        ),
    )
    return make_record(spec, SettingsOrigin(source="x" * (SOURCE_BYTES - 2)), outcome.fitting_a_record(), EXECUTION)


def interval(steps: int, step: int) -> TrainingInterval:
    episodes = steps // 3 - 1
    return TrainingInterval(
        step=step, episodes=episodes, mean_return=LONGEST, success_rate=LONGEST_SHARE, mean_length=steps / episodes
    )


def measurement(step: int, pictures: bool) -> GraphMeasurement:
    edges = (tuple(range(1001, 1011)),) * MAXIMUM_STEPS_DRAWN
    mean = ((0.1234,) * MAXIMUM_AGENTS_SHOWN,) * MAXIMUM_AGENTS_SHOWN
    shown = {"mean_claimed": mean, "mean_true": mean, "drawn": DrawnGraph(claimed=edges, true=edges)} if pictures else {}
    share = LONGEST_SHARE
    return made_up_measurement(step, density=share, numbers=(share,) * 4, true_density=share, episodes=2**53, **shown)


@pytest.mark.parametrize("name", LIMITS)
def test_the_record_of_the_largest_schedule_is_written_and_read(tmp_path: Path, name: str) -> None:
    record = largest(LIMITS[name])
    write_record(tmp_path / "record.json", record)
    assert read_record(tmp_path / "record.json").outcome == record.outcome
    outcome, bound = len(record.outcome.canonical), largest_record(LIMITS[name]) - BYTES_BESIDE_THE_OUTCOME
    assert 0.95 * bound < outcome <= bound


@pytest.mark.parametrize("name", LIMITS)
def test_a_schedule_larger_by_one_is_refused_in_one_line(name: str) -> None:
    size = LIMITS[name]
    larger = [size._replace(**{part: getattr(size, part) + 1}) for part in ("points", "episodes", "absolute_episodes")]
    refused = 0
    for schedule in larger:
        if largest_record(schedule) > MAXIMUM_BYTES:
            with pytest.raises(ValueError, match=r"points? .* may take \d+ bytes; allowed are 200000: choose fewer points"):
                schedule_of(schedule)
            refused += 1
    assert refused


def test_the_usual_schedule_fits() -> None:
    assert largest_record(EvaluationSchedule().size) <= MAXIMUM_BYTES


@pytest.mark.parametrize(("name", "kept"), [("many absolute episodes", False), ("small", True)])
def test_pictures_of_graphs_are_left_out_where_they_do_not_fit(tmp_path: Path, name: str, kept: bool) -> None:
    record = largest(LIMITS.get(name, Evaluations(41, 16, 160, 1)), pictures=True)
    assert (record.outcome.credit[-1].drawn is not None) == kept
    write_record(tmp_path / "record.json", record)
    assert read_record(tmp_path / "record.json").outcome == record.outcome


def run(**changes: object) -> RunSpec:
    values = {"task": "lbf/5x5-2p-1f-coop", "algorithm": "ippo", "regime": "team", "seed": 0, "budget": 1000}
    return resolve(**(values | changes))  # type: ignore[arg-type]


def test_long_episodes_count_with_their_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = schedule_of(LIMITS["many episodes"])
    assert run(evaluation=schedule).evaluation == schedule
    longer = replace(get_task("lbf/5x5-2p-1f-coop"), horizon=10_000)
    monkeypatch.setattr("benchmark.experiments.run_spec.get_task", lambda name: longer)
    with pytest.raises(ImpossibleRun, match="evaluation: the record of 2 points"):
        run(evaluation=schedule)


def test_a_specification_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(canonical_json(run().model_dump(mode="json")))
    assert size < SPEC_BYTES
    monkeypatch.setattr("benchmark.experiments.run_spec.SPEC_BYTES", size)
    assert run().budget == 1000
    with pytest.raises(ImpossibleRun, match=f"the specification of the run takes {size + 1} bytes .* allowed are {size}$"):
        run(seed=10)


def test_a_budget_has_a_step_for_every_point() -> None:
    assert run(budget=40).budget == 40
    with pytest.raises(ImpossibleRun, match=r"39 steps are too few for 41 evaluation points .* the smallest budget is 40$"):
        run(budget=39)
    assert run(budget=1, evaluation=EvaluationSchedule(points=2)).budget == 1


def test_a_source_of_settings_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=f"allowed are {SOURCE_BYTES}"):
        SettingsOrigin(source="\N{GREEK SMALL LETTER ALPHA}" * (SOURCE_BYTES // 6 + 1))


@pytest.mark.parametrize(
    ("modes", "said"), [(1, "absolute ones may take"), (2, "absolute ones, each sampled and greedy, may take")]
)
def test_exactly_the_allowed_bytes_fit_and_one_more_is_refused(modes: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = Evaluations(5, 4, 3, modes)
    monkeypatch.setattr("benchmark.experiments.record_size.MAXIMUM_BYTES", largest_record(schedule))
    assert size_problem(schedule) is None
    monkeypatch.setattr("benchmark.experiments.record_size.MAXIMUM_BYTES", largest_record(schedule) - 1)
    assert said in (size_problem(schedule) or "")


def test_pictures_are_kept_to_the_last_byte_that_an_outcome_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = largest(Evaluations(41, 16, 160, 1), pictures=True).outcome
    size = len(outcome.canonical) + BYTES_BESIDE_THE_OUTCOME
    monkeypatch.setattr("benchmark.experiments.outcome.MAXIMUM_BYTES", size)
    assert outcome.fitting_a_record().credit[-1].drawn is not None
    monkeypatch.setattr("benchmark.experiments.outcome.MAXIMUM_BYTES", size - 1)
    assert outcome.fitting_a_record().credit[-1].drawn is None
