"""What the studies of learned dependence graphs share, and the study of known graphs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from algorithms.interface import Episodes
from benchmark.credit.graphs import agreement_of
from benchmark.papers.dependence_graphs.known_graphs import (
    ALL,
    CHANGES,
    CO_TRAINED,
    NO_EDGE,
    SOME_EDGE,
    STRANGERS,
    TOY,
    ClaimQuality,
    Fit,
    Setting,
    Toy,
    claims_of,
    kinds,
    train_on_uniform_policy,
)
from benchmark.papers.dependence_graphs.studies.dependence_graph_recovery import (
    FIVE,
    FULL,
    IDENTITIES,
    ROOMS,
    TEN,
    FitTable,
    findings,
)
from benchmark.papers.dependence_graphs.world_model_fits import (
    MINIMUM_ENTROPY,
    Bools,
    FrozenPolicy,
    Pairs,
    TrainingSchedule,
    interval_of,
    mean_of,
    pairs_of,
    train_models,
    world_model,
)
from benchmark.papers.runner import run_study
from benchmark.papers.studies import studies


class RecordingModel:
    """Records the seeds of its training episodes."""

    def __init__(self) -> None:
        self.seeds: list[list[int]] = []

    def fit(self, episodes: Episodes) -> None:
        self.seeds.append(episodes.seed.tolist())


# Worlds and schedule


def test_without_a_policy_agents_act_uniformly_over_what_is_available() -> None:
    with FrozenPolicy("lbf/8x8-2p-2f-coop", 0) as world:
        played = world.episodes(4, "a purpose")
    choices = played.available[:, :-1].sum(-1)
    assert len(choices[played.acting].unique()) > 1
    expected = -choices[played.acting].double().log()
    torch.testing.assert_close(played.log_probability[played.acting].double(), expected, atol=1e-6, rtol=0)


def test_probes_change_nothing_and_give_the_oracles() -> None:
    with FrozenPolicy("dg/star-3", 5) as world:
        plain, watched = world.episodes(3, "one"), world.episodes_with_oracles(3, "one")
        other = world.episodes(3, "two")
    assert torch.equal(plain.observation, watched.observation)
    assert torch.equal(plain.action, watched.action)
    assert not torch.equal(plain.observation, other.observation)
    assert not plain.privileged
    graph = watched.privileged["observation_graph"]
    assert graph[..., 0].all()  # the hub sees every leaf move
    assert (graph[..., 1:].sum(-2) == 1).all()


def test_a_frozen_policy_plays_where_one_is_given() -> None:
    with FrozenPolicy("dg/star-3", 0) as world:
        weights = world._plain.actor.policy_state()
    bias = next(name for name in weights if name.endswith("head.bias"))
    wilful = {name: torch.zeros_like(values) for name, values in weights.items()} | {bias: torch.tensor([0, 0, 50.0, 0, 0])}
    with FrozenPolicy("dg/star-3", 0, wilful) as world:
        assert (world.episodes(2, "a purpose").action == 2).all()


def test_all_models_are_trained_on_the_same_fresh_episodes() -> None:
    schedule, models = TrainingSchedule(40, steps_per_collection=10, episodes=3), [RecordingModel(), RecordingModel()]
    train_models(models, Toy(0), schedule, range(2))
    train_models(models, Toy(0), schedule, range(2, schedule.collections))
    assert schedule.collections == len(models[0].seeds) == 4
    assert models[0].seeds == models[1].seeds

    class Recorded(Toy):
        def episodes(self, count: int, purpose: str) -> Episodes:
            requests.append((count, purpose))
            return super().episodes(count, purpose)

    requests: list[tuple[int, str]] = []
    train_models([RecordingModel()], Recorded(0), schedule, range(schedule.collections))
    assert len(set(requests)) == 4
    assert {count for count, _ in requests} == {3}


def test_a_model_makes_the_gradient_steps_of_its_schedule() -> None:
    toy, schedule = Toy(0), TrainingSchedule(20, batch_steps=7, steps_per_collection=5, episodes=2)
    model = world_model(toy.team, 0, schedule, {"hidden_size": 8, "encoder": False})
    train_models([model], toy, schedule, range(schedule.collections))
    steps = {float(state["step"]) for state in model.state_dict()["optimisers"]["actions"]["state"].values()}
    assert steps == {20.0}
    assert "20 gradient steps of 7 environment steps each, 5 on every 2 fresh episodes" in schedule.text


# Pairs


def output(ratio: list[list[list[float]]], known: list[list[float]]) -> tuple[Tensor, Tensor]:
    """One episode of two agents: ratio [T, j, i], known [T, j]."""
    return torch.tensor([ratio]), torch.tensor([known])


def one_episode(true: list[list[list[bool]]]) -> Episodes:
    """Of two agents that live, with that graph [T, j, i] in every oracle but the one of rewards, which sees nothing."""
    made = Toy(0).episodes(1, "any")
    graph = torch.tensor([true])
    steps = graph.shape[1]
    made.action, made.running = made.action[:, :steps, :2], made.running[:, :steps]
    made.privileged = {"observation_graph": graph, "state_graph": graph, "reward_graph": torch.zeros_like(graph)}
    return made


INF = math.inf
RATIOS = output([[[INF, 0.5], [0.95, INF]], [[INF, 1.02], [0.2, INF]]], [[1.0, 1.0], [1.0, MINIMUM_ENTROPY / 2]])
TRUTH = one_episode([[[True, True], [True, True]], [[True, False], [True, True]]])


def test_an_edge_needs_a_ratio_below_the_threshold_and_enough_entropy() -> None:
    pairs = pairs_of(RATIOS, TRUTH)
    assert pairs.ratio.tolist() == pytest.approx([0.5, 0.95, 1.02, 0.2])
    assert pairs.claimed().tolist() == [True, False, False, False]
    assert pairs.claimed(1.0).tolist() == [True, True, False, False]
    assert pairs.density(1.05) == 0.75
    assert pairs.others == 1


def test_the_agreement_is_that_of_the_claimed_edges() -> None:
    found = pairs_of(RATIOS, TRUTH).agreement("observation", 0.9)
    assert (found.density, found.precision, found.recall) == (0.75, 1.0, 1 / 3)
    assert found.f1 == 0.5
    assert found.auroc == 1.0  # 0.2, 0.5 and 0.95 are all below 1.02
    nothing = pairs_of(RATIOS, TRUTH).agreement("reward")
    assert (nothing.recall, nothing.auroc, nothing.precision) == (None, None, 0.0)


@pytest.mark.parametrize(
    ("where", "left"),
    [(np.array([[False, True]]), [1.02, 0.2]), (np.array([[[[False, True], [False, False]]] * 2]), [0.5, 1.02])],
    ids=["steps", "pairs"],
)
def test_a_restriction_selects_steps_or_pairs(where: Bools, left: list[float]) -> None:
    assert pairs_of(RATIOS, TRUTH, where=where).ratio.tolist() == pytest.approx(left)


def test_entropies_may_differ_from_pair_to_pair() -> None:
    known = torch.ones(1, 2, 2, 2)
    known[0, 0, 0, 1] = 0.0
    pairs = pairs_of((RATIOS[0], known), TRUTH, {"mine": np.ones((1, 2, 2, 2), np.bool_)})
    assert pairs.claimed(9.0).tolist() == [False, True, True, True]
    assert pairs.agreement("mine", 9.0).recall == 0.75


def test_no_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="no pair of agents"):
        pairs_of(RATIOS, TRUTH, where=np.zeros((1, 2), np.bool_))


def test_what_is_not_defined_is_left_out_of_a_mean_and_is_nothing_in_an_interval() -> None:
    assert mean_of([1.0, None, 2.0]) == 1.5
    assert mean_of([None]) is None
    assert interval_of([1.0, None]).value == 0.5


# Known graphs


def test_the_toy_shows_actions_and_one_influence() -> None:
    toy = Toy(3)
    found, again, other = toy.episodes(50, "x"), toy.episodes_with_oracles(50, "x"), toy.episodes(50, "y")
    assert torch.equal(found.observation, again.observation)
    assert not torch.equal(found.action, other.action)
    seen, action = found.observation, found.action
    assert not seen[:, 0].any()
    assert torch.equal(seen[:, 1:, :, :3].argmax(-1), action)
    assert torch.equal(seen[:, 1:, 1, 3:].argmax(-1), action[:, :, 0])
    assert not seen[:, :, [0, 2], 3:].any()
    assert [graph.sum().item() for graph in found.privileged.values()] == [50 * 20 * 4, 50 * 20 * 3, 50 * 20 * 3]
    assert action.float().mean() == pytest.approx(1, abs=0.05)


def test_in_rooms_the_door_moves_only_where_there_is_an_edge() -> None:
    with FrozenPolicy("dg/rooms-3", 0) as world:
        episodes = world.episodes_with_oracles(6, "x")
    found = kinds("dg/rooms-3", episodes)
    door = episodes.observation[..., 2].numpy()
    assert (found[CHANGES] == (door[:, 1:, 1] != door[:, :-1, 1])).all()
    assert found[CHANGES].any()
    assert (found[SOME_EDGE] != found[NO_EDGE])[found[ALL]].all()
    assert not (found[CHANGES] & found[NO_EDGE]).any()
    edges = episodes.privileged["observation_graph"].sum((-2, -1)).numpy()
    assert (edges[found[NO_EDGE]] == 3).all()
    assert (edges[found[SOME_EDGE]] > 3).all()


def test_strangers_are_all_pairs_of_the_toy_but_one() -> None:
    episodes = Toy(0).episodes_with_oracles(2, "x")
    where = kinds(TOY, episodes)[STRANGERS]
    assert where.sum() == 2 * 20 * 5
    assert not (where & episodes.privileged["observation_graph"].numpy()).any()


def test_trained_models_find_the_one_influence_and_have_a_curve() -> None:
    setting = Setting(TOY, ("ids",), TrainingSchedule(80, batch_steps=100, episodes=5), evaluation_episodes=4)
    (found,) = train_on_uniform_policy(setting, 0, curve=4)
    assert [steps for steps, _ in found.curve] == [20, 40, 60, 80]
    scores = [seen.agreement["observation"].f1 or 0.0 for _, seen in found.curve]
    assert scores[0] < 0.8 < 0.95 < scores[-1]
    assert found.claims[ALL] == found.curve[-1][1]
    assert found.claims[STRANGERS].density < 0.01
    assert found.claims[ALL].out_degree == pytest.approx(found.claims[ALL].true_out_degree, abs=0.05)


def test_kinds_that_do_not_occur_are_left_out() -> None:
    with FrozenPolicy("dg/rooms-3", 0) as world:
        episodes = world.episodes_with_oracles(1, "x")
        model = world_model(world.team, 0, TrainingSchedule(1), {"hidden_size": 8})
    episodes.observation[..., 2] = 0
    found = claims_of(model, "dg/rooms-3", episodes)
    assert CHANGES not in found
    assert {ALL, NO_EDGE} <= found.keys()


# The study of known graphs


def seen(f1: float, density: float, others: int = 2) -> ClaimQuality:
    """Half of the pairs are edges; so many of these are found, and no other."""
    true = np.arange(2000) % 2 == 0
    hits = round(1000 * f1 / (2 - f1))
    claimed = true & (np.cumsum(true) <= hits)
    agreement = agreement_of("observation", claimed, true, 0.5)
    return ClaimQuality(dict.fromkeys(("observation", "state", "reward", "state and reward"), agreement), density, others)


def made_up(value: Callable[[str, str, str], tuple[float, float]]) -> list[Fit]:
    """Three seeds of everything that FULL teaches; value(world, model, kind) gives F1 and density."""
    fits = []
    cases = [(setting.world, model) for setting in FULL.settings for model in setting.models]
    cases += [(setting.world, CO_TRAINED) for setting in FULL.co_trained]
    for world, model in cases:
        names = [ALL]
        names += [STRANGERS] * (world == TOY) + [CHANGES, SOME_EDGE, NO_EDGE] * world.startswith("dg/rooms")
        for seed in range(3):
            found = {}
            for kind in names:
                f1, density = value(world, model, kind)
                found[kind] = seen(f1 - 0.004 * seed, density)
            fits.append(Fit(world, model, seed, found, 0.0, ((10, found[ALL]),) if model != CO_TRAINED else ()))
    return fits


def as_expected(world: str, model: str, kind: str) -> tuple[float, float]:
    if kind in (NO_EDGE, STRANGERS):
        return 0.5, 0.3 if model == "published" else 0.0
    if "encoder" in model:
        return (0.95 if kind == CHANGES else 0.4), 0.2
    order = {"published": 0.5, "published + heads": 0.75, "ids": 0.98, CO_TRAINED: 0.9}
    return order[model], 0.2


def the_other_way_round(world: str, model: str, kind: str) -> tuple[float, float]:
    if kind in (NO_EDGE, STRANGERS):
        return 0.5, 0.0 if model == "published" else 0.3
    if "encoder" in model:
        return 0.7, 0.2
    order = {"published": 0.65, "published + heads": 0.6, "ids": 0.5, CO_TRAINED: 0.1}
    return order[model], 0.2


@pytest.mark.parametrize(("value", "verdict"), [(as_expected, "supported"), (the_other_way_round, "not supported")])
def test_verdicts_follow_the_fits(value: Any, verdict: str) -> None:
    found = findings(FULL, made_up(value))
    assert [prediction.verdict for prediction in found.predictions] == [verdict] * 8


def test_nothing_is_decided_about_steps_that_did_not_occur() -> None:
    fits = made_up(as_expected)
    still = [Fit(fit.world, fit.model, fit.seed, {ALL: fit.claims[ALL]}, 0.0, fit.curve) for fit in fits if fit.world != TOY]
    doors, quiet, *_ = findings(FULL, still + [fit for fit in fits if fit.world == TOY]).predictions
    assert doors.verdict == quiet.verdict == "undecided"
    assert "did not occur" in doors.found


def test_gains_are_those_of_the_same_seed() -> None:
    fits = made_up(as_expected)
    gain = FitTable(fits).gain("dg/star-5", "ids", "published")
    assert gain.value == pytest.approx(0.48, abs=0.01)
    assert gain.high - gain.low < 0.02


def test_every_world_of_the_specification_is_in_the_study() -> None:
    worlds = [setting.world for setting in FULL.settings]
    assert worlds == [TOY, *ROOMS, "dg/star-5", "dg/line-5", "dg/cycle-5", *TEN]
    assert all(set(IDENTITIES) <= set(setting.models) for setting in FULL.settings if setting.world in (*ROOMS, *FIVE[::2]))


def test_the_study_runs() -> None:
    result = run_study(studies()["dependence-graph-recovery"], quick=True, progress=lambda *told: None)
    agreement, oracles, curve = result.tables
    models = 3 + 4 + 4 + 4 + 1 + 1
    assert len(agreement.rows) == 3 * 2 + 5 * 4 + 4 + 4 + 1
    assert len(oracles.rows) == 4 * (models - 3)
    assert len(curve.rows) == 2 * (models - 1)


def test_pairs_are_plain_numbers() -> None:
    """A ratio of exactly the threshold makes no edge."""
    pairs = Pairs(np.array([0.9, 0.89]), np.ones(2), {"observation": np.array([True, False])}, 1)
    assert pairs.claimed(0.9).tolist() == [False, True]
