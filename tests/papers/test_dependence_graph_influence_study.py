"""Influence by actions and by states: the beacon's causes and perfect models, the test of states, and the study."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from algorithms.advantages.dependence_graph.world_model import entropy
from algorithms.interface import Episodes
from benchmark.credit.probes import OracleGraph
from benchmark.environments.native.diagnostics.beacon import CELLS, COLOURS, Beacon
from benchmark.papers.dependence_graphs.state_influence import StateModel
from benchmark.papers.dependence_graphs.studies.dependence_graph_influence import (
    ACTIONS,
    BOTH,
    CAUSES,
    ENCODED,
    FULL,
    GAINS,
    KEEPER,
    SHIP,
    STATES,
    TESTS,
    Fit,
    causes,
    evaluate,
    findings,
    perfect,
)
from benchmark.papers.dependence_graphs.world_model_fits import FrozenPolicy, TrainingSchedule, pairs_of, train_models
from benchmark.papers.runner import run_study
from benchmark.papers.studies import studies


def episodes_of(gain: str, episodes: int = 40) -> Episodes:
    with FrozenPolicy(f"dg/beacon-{gain}", 0) as world:
        return world.episodes_with_oracles(episodes, "x")


@pytest.mark.parametrize("gain", GAINS)
def test_what_the_lamp_shows_is_what_caused_it(gain: str) -> None:
    episodes = episodes_of(gain)
    found = {name: graph[..., KEEPER, SHIP] for name, graph in causes(episodes).items()}
    lamp = episodes.observation[:, 1:, SHIP, :COLOURS].argmax(-1).numpy()
    cell = episodes.observation[:, :-1, KEEPER].argmax(-1).numpy()
    action = episodes.action[..., KEEPER].numpy()
    assert (lamp == action)[found["action"]].all()
    assert (lamp == cell % COLOURS)[found["state"]].all()
    assert (found["action"] != found["state"]).all()
    assert found["either"].all()
    assert found["action"].mean() == pytest.approx(float(gain), abs=0.06)


def test_nothing_else_is_influenced() -> None:
    for graph in causes(episodes_of("0.5", 3)).values():
        graph[..., KEEPER, SHIP] = False
        assert not graph.any()


def test_where_the_action_does_not_decide_the_cell_does() -> None:
    """By intervention on the cell, which the oracle of actions cannot make."""
    rows = 300
    environment = Beacon(rows, action_gain=0.5)
    environment.reset(np.arange(rows, dtype=np.uint64))
    actions = np.random.default_rng(0).integers(0, 3, (rows, 2))
    action = OracleGraph().look(environment, actions, np.arange(rows))["observation_graph"][:, KEEPER, SHIP]
    moved = environment.fork(np.arange(rows))
    moved.cell[:] = (environment.cell + 1) % CELLS
    moved.step(actions)
    environment.step(actions)
    assert ((moved.lamp != environment.lamp) == ~action).all()


def by_counting(gain: float, test: str) -> dict[str, float | None]:
    """The recall of models that know the frequencies of many steps."""
    rows = 100_000
    environment = Beacon(rows, action_gain=gain, horizon=1)
    environment.reset(np.arange(rows, dtype=np.uint64))
    actions = np.random.default_rng(0).integers(0, 3, (rows, 2))
    cell = environment.cell.copy()
    by_action = OracleGraph().look(environment, actions, np.arange(rows))["observation_graph"][:, KEEPER, SHIP]
    environment.step(actions)
    counts = np.zeros((CELLS, 3, COLOURS))
    np.add.at(counts, (cell, actions[:, KEEPER], environment.lamp), 1)
    lamp = environment.lamp
    weights = counts[cell, :, lamp].T if test == ACTIONS else counts.sum(1)[:, lamp]
    shares = weights / weights.sum(0)
    left = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(0)
    claimed = left / math.log(len(weights)) < 0.9
    edges = {"action": by_action, "state": ~by_action, "either": np.ones(rows, np.bool_)}
    return {cause: float(claimed[where].mean()) if where.any() else None for cause, where in edges.items()}


@pytest.mark.parametrize("test", [ACTIONS, STATES])
@pytest.mark.parametrize("gain", GAINS)
def test_perfect_models_know_the_frequencies(gain: str, test: str) -> None:
    counted = by_counting(float(gain), test)
    for cause, value in perfect(float(gain), test).items():
        assert counted[cause] == (None if value is None else pytest.approx(value, abs=0.01)), cause


def test_perfect_models_at_gain_a_half() -> None:
    # By hand: where the lamp shows another colour than the cell's the action is certain; where it shows the cell's, the
    # action's chances are 1/2, 1/4 and 1/4, its entropy is 0.946 of log 3. The cell's entropy is 0.871 of log 6 everywhere.
    assert perfect(0.5, ACTIONS) == {"action": pytest.approx(2 / 3), "state": 0, "either": pytest.approx(1 / 3)}
    assert perfect(0.5, STATES) == {"action": 1, "state": 1, "either": 1}
    assert perfect(0.0, ACTIONS) == {"action": None, "state": 0, "either": 0}
    assert all(perfect(float(gain), BOTH)["either"] == 1 for gain in GAINS)


# The test of states


def test_the_ratio_of_states_equals_a_loop() -> None:
    episodes = episodes_of("0.5", 2)
    with FrozenPolicy("dg/beacon-0.5", 0) as world:
        model = StateModel(world.team, 0, TrainingSchedule(1))
    for network in (model.before, model.after):
        torch.nn.init.normal_(network.head.weight, generator=torch.Generator().manual_seed(1))
    episodes.running[1, 20:] = False
    ratio, known = model.entropy_ratio(episodes)
    names = torch.eye(2)
    with torch.no_grad():
        for b, t, j, i in torch.cartesian_prod(*(torch.arange(size) for size in ratio.shape)).tolist():
            if i == j or not episodes.running[b, t]:
                assert math.isinf(ratio[b, t, j, i])
                continue
            now, then = episodes.observation[b, t, i], episodes.observation[b, t + 1, i]
            alone = entropy(model.before(torch.cat([now, names[i], names[j]])))
            after = entropy(model.after(torch.cat([now, then, names[i], names[j]])))
            assert known[b, t, j, i].item() == pytest.approx(alone.item(), rel=1e-4)
            assert ratio[b, t, j, i].item() == pytest.approx((after / (alone + 1e-8)).item(), rel=1e-3)


def test_the_loss_of_states_equals_a_loop() -> None:
    episodes = episodes_of("0.5", 1)
    with FrozenPolicy("dg/beacon-0.5", 0) as world:
        model = StateModel(world.team, 0, TrainingSchedule(1, batch_steps=1000, steps_per_collection=1))
    names, losses = torch.eye(2), []
    with torch.no_grad():
        for t in range(25):
            for j, i in ((0, 1), (1, 0)):
                now, then = episodes.observation[0, t, i], episodes.observation[0, t + 1, i]
                target = episodes.observation[0, t, j].argmax()
                before = F.cross_entropy(model.before(torch.cat([now, names[i], names[j]])), target)
                losses.append(before + F.cross_entropy(model.after(torch.cat([now, then, names[i], names[j]])), target))
    assert model.fit(episodes) == pytest.approx(float(torch.stack(losses).mean()), rel=1e-4)


def test_influence_by_states_is_learned() -> None:
    schedule = TrainingSchedule(250, batch_steps=100)
    with FrozenPolicy("dg/beacon-0", 0) as world:
        model = StateModel(world.team, 0, schedule)
        train_models([model], world, schedule, range(schedule.collections))
        fresh = world.episodes_with_oracles(10, "to judge")
    pairs = pairs_of(model.entropy_ratio(fresh), fresh, causes(fresh))
    found = evaluate("0", STATES, 0, pairs.claimed(), pairs.true)
    assert found.recall["state"] is not None
    assert found.recall["state"] > 0.95
    assert found.recall["action"] is None
    assert found.precision == 1.0


# The study


def made_up(good: bool) -> list[Fit]:
    """Fits of models that are perfect, or blind at the ends and wrong about the ship."""
    fits = []
    for gain in GAINS:
        for test in TESTS:
            recall = perfect(float(gain), ACTIONS if test == ENCODED else test)
            if not good:
                recall = {cause: None if value is None else 0.7 - 0.5 * float(gain) for cause, value in recall.items()}
            fits += [Fit(gain, test, seed, recall, 1.0 if good else 0.5) for seed in range(3)]
    return fits


@pytest.mark.parametrize(("good", "verdict"), [(True, "supported"), (False, "not supported")])
def test_verdicts_follow_the_fits(good: bool, verdict: str) -> None:
    found = findings(FULL, made_up(good))
    assert [prediction.verdict for prediction in found.predictions] == [verdict] * 7


def test_shares_of_nothing_are_not_defined() -> None:
    true = {cause: np.array([cause != "action", False]) for cause in CAUSES}
    found = evaluate("0", ACTIONS, 0, np.array([False, False]), true)
    assert found == Fit("0", ACTIONS, 0, {"action": None, "state": 0.0, "either": 0.0}, None)
    wrong = evaluate("0", ACTIONS, 0, np.array([True, True]), true)
    assert (wrong.recall["state"], wrong.precision) == (1.0, 0.5)


def test_the_study_runs() -> None:
    result = run_study(studies()["dependence-graph-influence"], quick=True, progress=lambda *told: None)
    (table,) = result.tables
    assert [row[:2] for row in table.rows] == [(test, float(gain)) for test in TESTS for gain in GAINS]
