"""Scripted play of Alice & Bob, rankings against counting, and the stas-pipeline study."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from algorithms.interface import Episodes
from benchmark.environments.native.alice_and_bob.environment import AliceAndBob
from benchmark.environments.native.alice_and_bob.maps import TWO_ROOMS
from benchmark.environments.tasks.registry import get_task
from benchmark.papers.runner import run_study
from benchmark.papers.stas.demonstrations import TASK, ScriptedPolicy, pickups, scripted_episodes, steps_to
from benchmark.papers.stas.studies.stas_pipeline import (
    BUFFERS,
    COALITIONS,
    FEWEST,
    FULL,
    WITHIN,
    Fit,
    Measurements,
    Ranking,
    Size,
    few_successes,
    findings,
    fit,
    mean_auc,
    mixture,
    ranking,
    relative_error,
)
from benchmark.papers.studies import studies
from benchmark.papers.toolkit.reward_model_fits import fitted, return_r2, shares_of

# Scripted play


def test_shortest_paths_lead_through_open_doors_and_around_walls() -> None:
    steps = steps_to(TWO_ROOMS, TWO_ROOMS.keys[1])  # (5, 1)
    assert steps[5, 1] == 0
    assert steps[1, 1] == 6  # from agent 0's start: right, down through the door at (4, 2), left
    assert steps[1, 7] == 10  # from agent 1's: four down, through its own door, and six to the left
    assert steps[4, 4] > 1000  # a wall


def test_the_script_frees_one_agent_after_the_other() -> None:
    environment = AliceAndBob(3)
    environment.reset(np.zeros(3, np.uint64))
    rows, waiting = np.arange(3), np.full((3, 2), 2)
    positions = np.array([[[1, 1], [2, 5]], [[4, 2], [3, 5]], [[7, 6], [5, 6]]])
    environment.load_state(rows, positions, np.array([[False, False], [True, False], [True, True]]), 0)
    actions = ScriptedPolicy(TWO_ROOMS).actions(environment, waiting)
    assert actions[0].tolist() == [2, 3]  # agent 0 waits, agent 1 takes key 0 below it
    assert actions[1].tolist() == [3, 2]  # agent 0 has left its room for key 1, agent 1 waits
    assert actions[2, 0] == 0  # both go to the treasure at (7, 7)
    assert actions[2, 1] in (0, 3)


def test_the_script_without_random_actions_always_succeeds() -> None:
    episodes = scripted_episodes(50, 0.0, 3, "test")
    assert bool(episodes.success.all())
    assert int(episodes.length.min()) >= 12  # the shortest plan
    assert int(episodes.length.max()) < 20


def test_the_script_with_random_actions_only_is_the_random_policy() -> None:
    returns = scripted_episodes(4000, 1.0, 0, "test").team_reward.double().sum(1)
    scores = get_task(TASK).reference_scores
    assert scores is not None
    assert float(returns.mean()) == pytest.approx(scores.random, abs=4 * float(returns.std()) / 4000**0.5)


def test_episodes_are_a_function_of_seed_and_purpose() -> None:
    first, again, other = (scripted_episodes(20, 0.5, seed, "test") for seed in (0, 0, 1))
    assert torch.equal(first.observation, again.observation)
    assert not torch.equal(first.action, other.action)
    assert not torch.equal(first.action, scripted_episodes(20, 0.5, 0, "another").action)


def test_each_key_is_taken_once_and_the_treasure_ends_the_episode() -> None:
    episodes = scripted_episodes(300, 0.6, 0, "test")
    key, treasure = pickups(episodes)
    won = episodes.success
    assert 0 < int(won.sum()) < 300
    assert (key.sum((1, 2))[won] == 2).all()
    assert (key[won].any(1) == torch.tensor([True, True])).all()  # each agent takes one
    assert torch.equal(treasure.any(2).sum(1), won.long())
    assert torch.equal(torch.nonzero(treasure[won].any(2))[:, 1], episodes.length[won] - 1)
    assert not key[~episodes.acting].any()


def test_a_key_is_marked_at_the_move_that_takes_it() -> None:
    episodes = scripted_episodes(30, 0.6, 0, "test")
    key, _ = pickups(episodes)
    for b, t, i in torch.nonzero(key).tolist():
        place = episodes.observation[b, t + 1, i, 9:11].tolist()
        number = int(episodes.observation[b, t + 1, i, 18]) - 2
        assert place == TWO_ROOMS.keys[number].tolist()
        assert bool((episodes.observation[b, t + 1, :, 13 + 2 * number : 15 + 2 * number] == 0).all())
        assert not bool((episodes.observation[b, t, :, 13 + 2 * number : 15 + 2 * number] == 0).all())


def test_buffers_hold_the_successes_that_they_should() -> None:
    many, few = mixture(400, 0, "test"), few_successes(400, 0, "test")
    assert len(many.length) == len(few.length) == 400
    assert 60 < int(many.success.sum()) < 160
    assert FEWEST <= int(few.success.sum()) <= FEWEST + 5


# Errors and rankings


def test_the_relative_error_is_what_the_model_itself_reports() -> None:
    episodes = mixture(200, 0, "test")
    team = get_task(TASK).build(1, "native").team
    model = fitted("stas", team, 0, episodes, 2, {"width": 8, "heads": 2, "depth": 1, "batch_episodes": 32})
    error = relative_error(shares_of(model, episodes), episodes)
    assert error == pytest.approx(1 - return_r2(model, episodes), rel=1e-4)
    returns = episodes.team_reward.sum(1)
    mean = (returns.mean() / episodes.acting.sum((1, 2)))[:, None, None] * episodes.acting
    assert relative_error(mean, episodes) == pytest.approx(1, abs=1e-4)


def test_the_area_under_the_curve_is_the_chance_of_being_above() -> None:
    generator = np.random.default_rng(0)
    values = torch.from_numpy(generator.integers(0, 5, (6, 7, 2)).astype(float))  # with ties
    marked = torch.from_numpy(generator.random((6, 7, 2)) < 0.3)
    chosen = torch.from_numpy(generator.random((6, 7, 2)) < 0.8)
    marked[:, 0, 0], marked[:, 1, 1], chosen[:, 0, 0], chosen[:, 1, 1] = True, False, True, True
    areas = []
    for b in range(6):
        above, below = values[b][marked[b] & chosen[b]], values[b][~marked[b] & chosen[b]]
        wins = [float(x > y) + 0.5 * float(x == y) for x, y in itertools.product(above.tolist(), below.tolist())]
        areas.append(sum(wins) / len(wins))
    assert mean_auc(values, marked, chosen) == pytest.approx(float(np.mean(areas)))


def successes() -> Episodes:
    episodes = scripted_episodes(60, 0.5, 0, "test")
    assert bool(episodes.success.any())
    assert not bool(episodes.success.all())
    return episodes


def test_rewarding_the_pickups_has_area_one_and_the_opposite_zero() -> None:
    episodes = successes()
    key, treasure = pickups(episodes)
    paid = (key | treasure).float()
    assert ranking(paid, episodes) == Ranking(1, 1, 1, 1)
    assert ranking(-paid, episodes) == Ranking(0, 0, 0, 0)
    equal = ranking(torch.ones_like(paid), episodes)
    assert (equal.all, equal.keys, equal.treasure) == (0.5, 0.5, 0.5)


def test_keys_and_treasure_are_ranked_separately() -> None:
    episodes = successes()
    key, _ = pickups(episodes)
    found = ranking(key.float(), episodes)
    assert found.keys == 1
    assert found.treasure == 0.5  # against moves that take no key: none of them is paid
    assert 0.5 < found.all < 1


# The study

TINY = Size(buffer=64, steps=4, looks=2, held_out=40, seeds=2)


def test_a_model_makes_exactly_the_steps_between_two_evaluations() -> None:
    episodes, held_out = mixture(64, 0, "test"), mixture(40, 0, "held out")
    team = get_task(TASK).build(1, "native").team
    first, again = (fit(team, episodes, held_out, 3, 0, TINY) for _ in range(2))
    assert first == again
    assert len(first.errors) == 3
    at_once = fit(team, episodes, held_out, 3, 0, replace(TINY, steps=8, looks=1))
    assert at_once.errors == pytest.approx((first.errors[0], first.errors[2]), rel=1e-4)
    assert at_once.key == pytest.approx(first.key, rel=1e-4)
    assert first.untrained == at_once.untrained != first.ranking


@pytest.mark.slow
def test_a_model_learns_what_alice_and_bob_are_rewarded_for() -> None:
    team = get_task(TASK).build(1, "native").team
    found = fit(team, mixture(600, 0, "test"), mixture(200, 0, "held out"), 3, 0, replace(TINY, steps=300, looks=1))
    assert found.errors[-1] < 0.5
    assert found.held_out < 0.8
    assert found.treasure > found.elsewhere


def made_up(good: bool) -> Measurements:
    """Models as they were expected, or far from it; no two quite the same."""
    size = replace(FULL, looks=WITHIN // FULL.steps)
    fits = {}
    for buffer, coalitions, seed in itertools.product(BUFFERS, COALITIONS, range(size.seeds)):
        area = (0.9 if good else 0.6) + 0.001 * seed
        errors = (1.2, 1.1, *[0.3 if good else 1.05] * (size.looks - 1))
        key, treasure = (3.0, 5.0) if good else (0.1, 0.2)
        ranking = Ranking(area, area, area, area)
        fits[buffer, coalitions, seed] = Fit(
            errors, 0.5, key, treasure, 0.5 + 0.01 * seed, ranking, Ranking(0.5, 0.5, 0.5, 0.5)
        )
    counts = {(buffer, seed): 9 + seed for buffer in BUFFERS for seed in range(size.seeds)}
    return Measurements(size, fits, counts, [Ranking(0.6, 0.4, 1.0, 0.6)] * size.seeds)


@pytest.mark.parametrize(("good", "verdict"), [(True, "supported"), (False, "not supported")])
def test_verdicts_follow_the_measurements(good: bool, verdict: str) -> None:
    found = findings(made_up(good))
    assert [prediction.verdict for prediction in found.predictions] == [verdict] * 4
    explains = found.predictions[0].found
    assert ("half guided, 1: 5 of 5, first seen at 100 to 100 steps" if good else "half guided, 1: 0 of 5;") in explains


def test_one_seed_that_never_explains_anything_is_enough_to_refute() -> None:
    measured = made_up(good=True)
    key = (BUFFERS[1], 1, 4)
    measured.fits[key] = replace(measured.fits[key], errors=(1.2,) * len(measured.fits[key].errors))
    prediction = findings(measured).predictions[0]
    assert prediction.verdict == "not supported"
    assert "nine successes, 1: 4 of 5" in prediction.found


def test_with_three_coalitions_nothing_was_predicted_of_the_error() -> None:
    measured = made_up(good=True)
    key = (BUFFERS[1], 3, 4)
    measured.fits[key] = replace(measured.fits[key], errors=(1.2,) * len(measured.fits[key].errors))
    assert findings(measured).predictions[0].verdict == "supported"


def test_the_study_makes_500_gradient_steps() -> None:
    assert FULL.steps * FULL.looks == WITHIN == 500


def test_the_study_runs() -> None:
    result = run_study(studies()["stas-pipeline"], quick=True, progress=lambda *told: None)
    kinds = len(BUFFERS) * len(COALITIONS)
    assert [len(table.rows) for table in result.tables] == [kinds, kinds, kinds + len(COALITIONS) + 1]
    assert "9 to 9 in all" in result.design
