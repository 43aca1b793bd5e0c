"""What is optimal in the game of individual goals, by dynamic programming; policies of runs; the learned-policies study."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from algorithms.interface import Algorithm, Step
from benchmark.environments.native.grids.individual_goals import MOVES, IndividualGoals
from benchmark.environments.tasks.registry import get_task
from benchmark.experiments.record import CorruptRecord
from benchmark.experiments.run_spec import EvaluationSchedule, ImpossibleRun
from benchmark.experiments.store import Store
from benchmark.experiments.study_result import overall
from benchmark.experiments.suite import Suite, load_suite
from benchmark.papers.tar2.shortest_paths import best_returns, distances, optimal_actions
from benchmark.papers.tar2.studies import learned_policies
from benchmark.papers.tar2.studies.learned_policies import (
    DENSE,
    SURE,
    VARIANTS,
    Evaluator,
    Measurements,
    PolicyMeasures,
    evaluate,
    findings,
    measure,
    rise,
)
from benchmark.papers.tar2.trained_policies import trained_policies
from benchmark.training.loop import train
from benchmark.training.policy_files import BEST_POLICY

TASK = "grid/two-goals-positive"
STAY, UP, DOWN, LEFT, RIGHT = range(5)


def seen(place: tuple[int, int], goal: tuple[int, int], side: int = 5) -> torch.Tensor:
    return torch.tensor([*place, goal[0] - place[0], goal[1] - place[1]]) / (side - 1)


def test_optimal_moves_lead_nearer_to_the_goal_or_stay_on_it() -> None:
    def found(place: tuple[int, int], goal: tuple[int, int]) -> list[int]:
        return torch.nonzero(optimal_actions(seen(place, goal), 5))[:, 0].tolist()

    assert found((0, 0), (2, 3)) == [DOWN, RIGHT]
    assert found((4, 4), (4, 0)) == [UP]
    assert found((3, 1), (0, 1)) == [LEFT]
    assert found((2, 2), (2, 2)) == [STAY]
    assert int(distances(seen((0, 4), (3, 0)), 5)) == 7


SIDE, HORIZON = 3, 5


def every_state() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions and goals [K, 2, 2] of all states on the small grid, the two goals different, that are not won."""
    cells = list(itertools.product(range(SIDE), repeat=2))
    states = [
        (positions, goals)
        for goals in itertools.permutations(cells, 2)
        for positions in itertools.product(cells, repeat=2)
        if positions != goals
    ]
    positions, goals = np.array(states).transpose(1, 0, 2, 3)
    return positions, goals


def test_the_optimal_joint_actions_are_those_that_are_optimal_for_each_agent() -> None:
    positions, goals = every_state()
    states, joint = len(positions), list(itertools.product(range(5), repeat=2))
    number = {(*positions[k].ravel(), *goals[k].ravel()): k for k in range(states)}
    environment = IndividualGoals(states * 25, SIDE, 2, horizon=1000)
    environment.reset(np.arange(states * 25, dtype=np.uint64))
    environment.load_state(positions.repeat(25, 0), goals.repeat(25, 0))
    observation = torch.from_numpy(environment.observation.copy())[::25]
    available = environment.available.copy()[::25]
    possible = np.stack([available[:, 0, a] & available[:, 1, b] for a, b in joint], 1)
    environment.step(np.where(possible.reshape(-1, 1), np.tile(joint, (states, 1)), STAY))
    reward = environment.team_reward.astype(np.float64).reshape(states, 25)
    after = np.concatenate([environment.positions, environment.goals], 1).reshape(-1, 8)
    won = environment.terminated.copy()
    following = np.array([states if done else number[tuple(place)] for place, done in zip(after, won, strict=True)])

    near, own = distances(observation, SIDE), optimal_actions(observation, SIDE).numpy()
    value = np.zeros(states + 1)  # the last one is the end
    for left in range(1, HORIZON + 1):
        worth = np.where(possible, reward + value[following].reshape(states, 25), -np.inf)
        value[:-1] = worth.max(1)
        best = worth > value[:-1, None] - 1e-6
        lost = (near > left).numpy()
        wanted = np.where(lost[:, :, None], available, own)
        expected = np.stack([wanted[:, 0, a] & wanted[:, 1, b] for a, b in joint], 1)
        np.testing.assert_array_equal(best, expected)
    in_time = ~lost.any(1)
    assert in_time.mean() > 0.9
    expected_value = best_returns(near, HORIZON, positive=False).numpy()
    np.testing.assert_allclose(value[:-1][in_time], expected_value[in_time], atol=1e-6)


class Scripted(Algorithm):
    """Acts by a table of preferences: the optimal move along x (or y) first, or, if `wrong`, one that is not optimal."""

    def __init__(self, first: str = "x", wrong: bool = False, sureness: float = 1.0) -> None:
        self._order = torch.tensor([0, 2, 2, 1, 1] if first == "y" else [0, 1, 1, 2, 2], dtype=torch.float)
        self._wrong = wrong
        self._sureness = sureness

    def begin(self, rows: int, mode: str, generator: torch.Generator) -> dict[str, torch.Tensor]:
        return {}

    def act(self, observation: torch.Tensor, available: torch.Tensor, *_: Any) -> Step:
        good = (optimal_actions(observation, 5) != self._wrong) & available
        good[..., 0] |= ~good.any(-1)  # frozen rows
        action = torch.where(good, 1 + self._order, 0.0).argmax(-1)
        return Step(action, torch.full(action.shape, self._sureness).log(), {})

    next_collection = update = policy_state = load_policy_state = state_dict = load_state_dict = None  # type: ignore[assignment]


def met(actor: Algorithm, counterpart: Algorithm, episodes: int = 60) -> tuple[Evaluator, PolicyMeasures]:
    evaluator = Evaluator(get_task(TASK), episodes)
    own, greedy = (evaluator.play(actor, mode, "test") for mode in ("sample", "greedy"))
    there = evaluator.states(evaluator.play(counterpart, "sample", "counterpart"))
    return evaluator, evaluate(evaluator, actor, own, greedy, counterpart, there, 0.25)


def test_an_optimal_policy_does_not_fall_short() -> None:
    evaluator, found = met(Scripted("x"), Scripted("y"))
    assert found.short_sampled == found.short_greedy == 0
    assert found.sampled == found.greedy == pytest.approx(float(evaluator.best.mean()), abs=1e-5)
    assert found.success_sampled == found.success_greedy == 1
    assert found.optimal_own == found.optimal_there == 1
    assert (found.surely_wrong, found.confidence, found.rise) == (0, 1, 0.25)
    assert 0.2 < found.like_own < 0.9  # both are optimal, by different ways


def test_agreement_with_oneself_is_one() -> None:
    _, found = met(Scripted("y"), Scripted("y"))
    assert found.like_own == found.like_there == 1


def test_wrong_actions_are_counted_as_confident_or_not() -> None:
    _, sure = met(Scripted(wrong=True), Scripted())
    assert sure.short_sampled > 0.9
    assert (sure.success_sampled, sure.optimal_own, sure.optimal_there, sure.like_there) == (0, 0, 0, 0)
    assert sure.surely_wrong == 1
    _, unsure = met(Scripted(wrong=True, sureness=SURE - 0.01), Scripted())
    assert unsure.surely_wrong == 0
    assert unsure.confidence == pytest.approx(SURE - 0.01)


def test_the_best_returns_of_many_starts_are_the_reference() -> None:
    evaluator = Evaluator(get_task(TASK), 5000)
    assert float(evaluator.best.mean()) == pytest.approx(evaluator.reference, abs=4 * float(evaluator.best.std()) / 5000**0.5)


def test_decisions_that_cannot_matter_are_left_out() -> None:
    evaluator = Evaluator(get_task(TASK), 40)
    states = evaluator.states(evaluator.play(Scripted(wrong=True), "sample", "test"))
    near = distances(states.observation, 5)
    first, last = slice(0, None, 25), slice(24, None, 25)  # all 40 episodes take 25 steps
    assert bool(states.matters[first].all())
    assert torch.equal(states.matters[last], near[last] <= 1)
    assert not bool(states.matters[last].all())


def test_a_recurrent_policy_is_refused() -> None:
    evaluator = Evaluator(get_task(TASK), 4)
    states = evaluator.states(evaluator.play(Scripted(), "sample", "test"))
    actor = Scripted()
    actor.begin = lambda *_: {"hidden": torch.zeros(1)}  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=r"memory \(hidden\)"):
        states.choices(actor)


# Runs, small enough to be trained here

SMALL = {"width": 8, "depth": 1, "heads": 2, "warm_up_episodes": 8, "batch_episodes": 8, "gradient_steps_per_episode": 0.5}
CHOSEN: dict[str, dict[str, Any]] = {
    DENSE: {},
    "sparse": {},
    "tar2": {"redistribution": SMALL},
    "team-payment": {"redistribution": SMALL | {"payment": "team"}},
}


@pytest.fixture(scope="module")
def small_suite() -> Suite:
    whole = load_suite(learned_policies.SUITE)
    changes = {
        "tasks": (whole.tasks[0].model_copy(update={"budget": 900}),),
        "variants": {name: whole.variants[name].model_copy(update={"settings": CHOSEN[name]}) for name in CHOSEN},
        "preset": "",
        "seeds": (0, 1),
        "evaluation": EvaluationSchedule(points=9, episodes=4, absolute_episodes=4, policy="sample"),
    }
    return whole.model_copy(update=changes)


class Silent:
    def __getattr__(self, name: str) -> Any:
        return lambda *told: None


@pytest.fixture(scope="module")
def small_store(small_suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("small"))
    for run in small_suite.runs():
        train(
            run.spec,
            record_path=store.reference(run.spec),
            checkpoint_folder=store.checkpoints(run.spec),
            origin=small_suite.origin,
            progress=Silent(),
        )
    return store


def test_every_policy_is_evaluated_and_a_repetition_gives_the_same(
    small_suite: Suite, small_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned_policies, "VARIANTS", tuple(CHOSEN))
    told: list[tuple[int, int]] = []
    first, second = (measure(small_suite, small_store, 20, lambda done, of, what: told.append((done, of))) for _ in range(2))
    assert first == second
    assert list(first.policies) == list(itertools.product(CHOSEN, (0, 1)))
    assert told[:9] == [(done, 8) for done in range(9)]
    assert all(0 <= each.optimal_own <= 1 and each.short_sampled > 0.3 for each in first.policies.values())
    assert 0.25 < first.chance < 0.4
    result = findings(first)
    assert [len(table.rows) for table in result.tables] == [4, 4, 8]
    assert result.predictions[2].verdict == "undecided"
    assert "no policy has learned" in result.predictions[2].found


def test_the_best_policy_of_the_run_is_evaluated(small_suite: Suite, small_store: Store) -> None:
    evaluator = Evaluator(get_task(TASK), 20)
    runs = trained_policies(small_suite.runs(), small_store, evaluator.team)
    returns = {
        who: evaluator.play(run.actor, "sample", "the same").team_reward.sum(1) for who, run in runs.items() if who[0] == DENSE
    }
    assert not torch.equal(returns[DENSE, 0], returns[DENSE, 1])
    spec = small_suite.run(TASK, DENSE, 1).spec
    folder = small_store.reference(spec).parent
    kept = load_file(folder / BEST_POLICY)
    assert all(torch.equal(kept[name], tensor) for name, tensor in runs[DENSE, 1].actor.policy_state().items())
    assert runs[DENSE, 1].record.fingerprint == spec.fingerprint


def test_the_rise_is_of_the_last_quarter_over_the_one_before(small_suite: Suite, small_store: Store) -> None:
    record = small_store.find(small_suite.run(TASK, DENSE, 0).spec).record
    assert record is not None
    points = record.outcome.evaluations
    means = [sum(point.returns) / len(point.returns) for point in points]
    assert len(means) == 9
    assert rise(record) == pytest.approx((means[7] + means[8] - means[5] - means[6]) / 2)


def test_missing_policies_are_named_with_the_command_that_makes_them(small_suite: Suite, tmp_path: Path) -> None:
    team = Evaluator(get_task(TASK), 1).team
    with pytest.raises(ImpossibleRun) as refused:
        trained_policies(small_suite.runs(), Store(tmp_path), team)
    text = str(refused.value)
    assert "8 of 8 policies of the suite redistribution-ablations" in text
    assert f"dense seed 0 ({small_suite.run(TASK, DENSE, 0).spec.path}/{BEST_POLICY})" in text
    assert "and 3 more" in text
    assert "`uv run snakemake --cores all --config suites=redistribution-ablations`" in text


def test_a_record_without_its_policy_counts_as_missing_and_a_spoilt_one_is_refused(
    small_suite: Suite, small_store: Store, tmp_path: Path
) -> None:
    team = Evaluator(get_task(TASK), 1).team
    run = small_suite.run(TASK, "sparse", 1)
    record = Store(tmp_path).own(run.spec)
    record.parent.mkdir(parents=True)
    record.write_bytes(small_store.reference(run.spec).read_bytes())
    with pytest.raises(ImpossibleRun, match="1 of 1 policies"):
        trained_policies([run], Store(tmp_path), team)
    policy = small_store.reference(run.spec).with_name(BEST_POLICY)
    record.with_name(BEST_POLICY).write_bytes(policy.read_bytes())
    assert list(trained_policies([run], Store(tmp_path), team)) == [("sparse", 1)]
    record.write_text("{}")
    with pytest.raises(CorruptRecord):
        trained_policies([run], Store(tmp_path), team)


# Verdicts

GOOD = PolicyMeasures(1.45, 1.45, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.9, 0.9, 0.0, 0.9, 0.0)
LOST = PolicyMeasures(0.2, 0.1, 0.9, 0.95, 0.1, 0.0, 0.5, 0.5, 0.3, 0.3, 0.0, 0.4, 0.01)


def made_up(**which: PolicyMeasures) -> Measurements:
    """Five seeds of every variant, perfect but for those named; no two of them quite the same."""
    found = {}
    for variant, seed in itertools.product(VARIANTS, range(5)):
        each = which.get(variant.replace("-", "_"), GOOD)
        found[variant, seed] = replace(each, short_sampled=each.short_sampled + 1e-4 * seed)
    return Measurements(1000, TASK, 200_000, 1.45, 1.4533, 0.3, found)


def test_if_all_policies_have_learned_only_the_last_prediction_is_undecided() -> None:
    verdicts = [prediction.verdict for prediction in findings(made_up()).predictions]
    assert verdicts == ["supported", "supported", "supported", "undecided"]


def test_unconverged_rising_and_wrong_policies_are_distinguished() -> None:
    hesitating = findings(made_up(tar2=LOST)).predictions
    assert [prediction.verdict for prediction in hesitating] == ["not supported", "not supported", "supported", "supported"]
    assert (
        "0 are confident of wrong actions, 0 have not converged and were still rising, 5 have not and were not"
        in hesitating[0].found
    )
    rising = findings(made_up(tar2=replace(LOST, rise=0.2))).predictions
    assert "5 have not converged and were still rising, 0 have not and were not" in rising[0].found
    elsewhere = findings(made_up(tar2=replace(LOST, surely_wrong=0.3, rise=0.2))).predictions
    assert "5 are confident of wrong actions, 0 have not converged and were still rising, 0" in elsewhere[0].found
    assert elsewhere[3].verdict == "not supported"
    assert (
        "5 of 50 policies fall short by more than 0.05, 5 of these are confident of wrong actions (tar2 5 of 5)"
        in elsewhere[3].found
    )


def test_a_policy_that_wins_by_detours_has_not_learned_the_optimum() -> None:
    found = findings(made_up(stas=replace(GOOD, optimal_own=0.8))).predictions[2]
    assert found.verdict == "not supported"
    assert "least often in 80.0% (stas, seed 0)" in found.found
    assert overall(findings(made_up(stas=replace(GOOD, optimal_own=0.8))).predictions) == "not supported"


def test_the_moves_are_those_of_the_game() -> None:
    assert MOVES[[UP, DOWN, LEFT, RIGHT]].tolist() == [[0, -1], [0, 1], [-1, 0], [1, 0]]
