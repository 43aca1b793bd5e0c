"""Who influences whom, claimed and true: the measurement against plain loops, its bounds, and what it refuses."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from torch import Tensor

from algorithms.interface import Episodes, Influence
from benchmark.credit.graphs import area_under_curve, measure_graph
from benchmark.experiments.credit_measurements import CHIEF_ORACLE, ORACLES, GraphAgreement, GraphMeasurement, OracleName
from tests.fixtures.claims_of_influence import chief_truth, judged_episodes, random_claim

FEW = settings(max_examples=60, deadline=None)
SEEDS = st.integers(0, 10_000)


def measured(influence: Influence, episodes: Episodes, pictures: bool = False) -> GraphMeasurement:
    found = measure_graph(influence, episodes, step=10, steps_done=12, pictures=pictures)
    assert found is not None
    return found


def agreement(found: GraphMeasurement, oracle: OracleName = CHIEF_ORACLE) -> GraphAgreement:
    return next(entry for entry in found.agreement if entry.oracle == oracle)


def pairs(episodes: Episodes) -> list[tuple[int, int, int, int]]:
    """(b, t, j, i) of different agents, the first of which acted."""
    batch, _, agents = episodes.action.shape
    return [
        (b, t, j, i)
        for b in range(batch)
        for t in range(int(episodes.length[b]))
        for j in range(agents)
        for i in range(agents)
        if i != j and episodes.alive[b, t, j]
    ]


def truth(episodes: Episodes, oracle: OracleName) -> Tensor:
    return chief_truth(episodes) if oracle == "state and reward" else episodes.privileged[f"{oracle}_graph"]


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


@pytest.mark.parametrize("seed", range(4))
def test_the_measurement_equals_a_loop_over_pairs(seed: int) -> None:
    episodes = judged_episodes(seed=seed)
    claim = random_claim(episodes, seed)
    found = measured(claim, episodes)
    looked_at = pairs(episodes)
    claimed = [bool(claim.graph[place]) for place in looked_at]
    assert found.density == pytest.approx(sum(claimed) / len(claimed))
    assert (found.kind, found.step, found.steps_done, found.episodes) == ("graph", 10, 12, 5)
    assert [entry.oracle for entry in found.agreement] == list(ORACLES)
    for entry in found.agreement:
        true = [bool(truth(episodes, entry.oracle)[place]) for place in looked_at]
        hits = sum(c and t for c, t in zip(claimed, true, strict=True))
        assert entry.density == pytest.approx(sum(true) / len(true))
        assert entry.precision == pytest.approx(share(hits, sum(claimed)))
        assert entry.recall == pytest.approx(share(hits, sum(true)))
        assert entry.f1 == pytest.approx(share(2 * hits, sum(claimed) + sum(true)))
        assert entry.auroc == pytest.approx(looped_area([float(claim.score[place]) for place in looked_at], true))  # type: ignore[index]


def looped_area(scores: list[float], true: list[bool]) -> float:
    """Of all true and other pairs: how often the true one has the higher score, a tie counting half."""
    finite = [(s, t) for s, t in zip(scores, true, strict=True) if math.isfinite(s)]
    assert len(finite) < len(scores)
    wins, duels = 0.0, 0
    for high, positive in finite:
        for low, other in finite:
            if positive and not other:
                duels += 1
                wins += 1.0 if high > low else 0.5 if high == low else 0.0
    return wins / duels


def test_the_agreement_of_a_small_graph_equals_the_numbers_computed_by_hand() -> None:
    """Two agents, one step. Agent 0 influences agent 1, which the method says; it also says the reverse, less surely."""
    episodes = judged_episodes(agents=2, batch=1, steps=1, density=0.0)
    episodes = replace(episodes, alive=torch.ones_like(episodes.alive), running=torch.ones(1, 1, dtype=torch.bool))
    episodes.privileged["state_graph"][0, 0, 0, 1] = True
    claim = Influence(torch.ones(1, 1, 2, 2, dtype=torch.bool), torch.tensor([[[[0.0, -0.2], [-0.7, 0.0]]]]))
    found = measured(claim, episodes)
    assert found.density == 1.0
    names: tuple[OracleName, ...] = ("state", "state and reward")
    for name in names:
        assert agreement(found, name) == GraphAgreement(
            oracle=name, density=0.5, precision=0.5, recall=1.0, f1=2 / 3, auroc=1.0
        )
    assert agreement(found, "reward") == GraphAgreement(
        oracle="reward", density=0.0, precision=0.0, recall=None, f1=0.0, auroc=None
    )


@FEW
@given(seed=SEEDS, agents=st.integers(2, 5), steps=st.integers(1, 6), density=st.floats(0, 1), levels=st.integers(1, 9))
def test_all_numbers_are_shares_and_the_f1_lies_between_precision_and_recall(
    seed: int, agents: int, steps: int, density: float, levels: int
) -> None:
    episodes = judged_episodes(agents, 3, steps, seed, density)
    if not pairs(episodes):
        return
    found = measured(random_claim(episodes, seed, 1 - density, levels), episodes, pictures=True)
    for entry in found.agreement:
        for value in (entry.density, entry.precision, entry.recall, entry.f1, entry.auroc):
            assert value is None or 0 <= value <= 1
        if entry.precision is not None and entry.recall is not None and entry.f1 is not None:
            assert min(entry.precision, entry.recall) - 1e-9 <= entry.f1 <= max(entry.precision, entry.recall) + 1e-9
    assert GraphMeasurement.model_validate_json(found.model_dump_json()) == found


@FEW
@given(seed=SEEDS, density=st.floats(0.1, 0.9))
def test_a_claim_equal_to_the_oracle_has_full_agreement(seed: int, density: float) -> None:
    episodes = judged_episodes(seed=seed, density=density)
    true = chief_truth(episodes)
    found = measured(Influence(true, true.float()), episodes)
    entry = agreement(found)
    assert found.density == entry.density
    if 0 < entry.density < 1:
        assert (entry.precision, entry.recall, entry.f1, entry.auroc) == (1.0, 1.0, 1.0, 1.0)


@FEW
@given(seed=SEEDS, levels=st.integers(1, 9))
def test_a_reversed_score_gives_the_rest_of_the_area(seed: int, levels: int) -> None:
    episodes = judged_episodes(seed=seed)
    claim = random_claim(episodes, seed, levels=levels)
    assert claim.score is not None
    reversed_claim = replace(claim, score=-claim.score)
    for before, after in zip(measured(claim, episodes).agreement, measured(reversed_claim, episodes).agreement, strict=True):
        if before.auroc is None:
            assert after.auroc is None
        else:
            assert after.auroc == pytest.approx(1 - before.auroc)


@FEW
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=30))
def test_the_area_depends_on_the_order_of_scores_alone(drawn: list[tuple[int, bool]]) -> None:
    score = np.array([float(value) for value, _ in drawn])
    true = np.array([positive for _, positive in drawn])
    area = area_under_curve(rankdata(score), true)
    assert area == area_under_curve(rankdata(np.exp(score)), true)
    assert (area is None) == (true.all() or not true.any())


def test_padded_steps_dead_actors_and_self_loops_change_nothing() -> None:
    episodes = judged_episodes()
    claim = random_claim(episodes)
    outside = ~episodes.acting[..., None] | torch.eye(3, dtype=torch.bool)
    assert episodes.length.min() < episodes.running.shape[1]
    assert not episodes.alive[:, :-1][episodes.running].all()
    flipped = {name: torch.where(outside, ~graph, graph) for name, graph in episodes.privileged.items()}
    assert claim.score is not None
    other = Influence(torch.where(outside, ~claim.graph, claim.graph), claim.score.masked_fill(outside, 99.0))
    want = measured(claim, episodes, pictures=True)
    assert measured(other, replace(episodes, privileged=flipped), pictures=True) == want
    longer = episodes.padded(episodes.running.shape[1] + 3)
    missing = (0, 0, 0, 0, 0, 3)
    padded = Influence(*(torch.nn.functional.pad(value, missing) for value in (claim.graph, claim.score)))
    assert measured(padded, longer, pictures=True) == want


def test_what_is_undefined_is_none() -> None:
    nobody = judged_episodes(density=0.0)
    loops = torch.eye(3, dtype=torch.bool).expand_as(nobody.privileged["state_graph"])
    entry = agreement(measured(Influence(loops), nobody))
    assert (entry.density, entry.precision, entry.recall, entry.f1, entry.auroc) == (0.0, None, None, None, None)
    some = judged_episodes()
    entry = agreement(measured(Influence(loops), some))
    assert entry.density > 0
    assert (entry.precision, entry.recall, entry.f1, entry.auroc) == (None, 0.0, 0.0, None)
    unasked = Influence(loops, torch.full(loops.shape, torch.nan))
    assert agreement(measured(unasked, some)).auroc is None


def test_without_a_pair_there_is_no_measurement() -> None:
    alone = judged_episodes(agents=1)
    assert measure_graph(Influence(chief_truth(alone)), alone, step=0, steps_done=0, pictures=True) is None
    dead = replace(judged_episodes(), alive=torch.zeros_like(judged_episodes().alive))
    assert measure_graph(Influence(chief_truth(dead)), dead, step=0, steps_done=0, pictures=True) is None


def test_the_pictures_equal_a_loop() -> None:
    episodes = judged_episodes()
    claim = random_claim(episodes)
    found = measured(claim, episodes, pictures=True)
    assert found.mean_claimed is not None
    assert found.mean_true is not None
    assert found.drawn is not None
    for graph, mean, drawn in (
        (claim.graph, found.mean_claimed, found.drawn.claimed),
        (chief_truth(episodes), found.mean_true, found.drawn.true),
    ):
        for j in range(3):
            acted = [(b, t) for b in range(5) for t in range(int(episodes.length[b])) if episodes.alive[b, t, j]]
            for i in range(3):
                wanted = sum(bool(graph[b, t, j, i]) for b, t in acted) / max(len(acted), 1) if i != j else 1.0
                assert mean[j][i] == round(wanted, 4)
        assert len(drawn) == int(episodes.length[0])
        for t, edges in enumerate(drawn):
            listed = [j * 3 + i for j in range(3) for i in range(3) if i != j and episodes.alive[0, t, j] and graph[0, t, j, i]]
            assert list(edges) == listed


def test_there_are_no_pictures_unless_requested() -> None:
    episodes = judged_episodes()
    found = measured(random_claim(episodes), episodes)
    assert (found.mean_claimed, found.mean_true, found.drawn) == (None, None, None)
    assert measured(random_claim(episodes), episodes, pictures=True).without_pictures() == found


@pytest.mark.parametrize(
    ("agents", "steps", "density", "means", "drawn"),
    [(32, 2, 0.9, True, True), (33, 2, 0.0, False, False), (32, 3, 0.9, True, False), (2, 200, 0.9, True, True),
     (2, 201, 0.9, True, False)],
)  # fmt: skip
def test_large_teams_and_long_episodes_are_not_drawn(agents: int, steps: int, density: float, means: bool, drawn: bool) -> None:
    """32 agents with 0.9 of their 992 edges: 1786 a step in both graphs, so that 4000 numbers are two steps."""
    episodes = judged_episodes(agents, 2, steps, density=density)
    episodes = replace(episodes, alive=torch.ones_like(episodes.alive))
    draws = torch.Generator().manual_seed(4)
    graph = torch.rand(episodes.privileged["state_graph"].shape, generator=draws) < density
    graph |= torch.eye(agents, dtype=torch.bool)
    everywhere = replace(episodes, privileged=dict.fromkeys(episodes.privileged, graph))
    found = measured(Influence(graph), everywhere, pictures=True)
    assert (found.mean_claimed is not None, found.mean_true is not None, found.drawn is not None) == (means, means, drawn)
    assert len(found.model_dump_json()) < 37_000


@pytest.mark.parametrize("name", ["observation_graph", "state_graph", "reward_graph"])
def test_episodes_without_the_oracle_are_refused(name: str) -> None:
    episodes = judged_episodes()
    without = {key: value for key, value in episodes.privileged.items() if key != name}
    with pytest.raises(ValueError, match=f"hold no '{name}': record them with the probe oracle_graph"):
        measured(random_claim(episodes), replace(episodes, privileged=without))
    spoilt = {**episodes.privileged, name: episodes.privileged[name].float()}
    with pytest.raises(ValueError, match=f"'{name}' must be bool"):
        measured(random_claim(episodes), replace(episodes, privileged=spoilt))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda claim: {"graph": claim.graph[:, :, :2]}, "claimed graph must be bool"),
        (lambda claim: {"graph": claim.graph.float()}, "claimed graph must be bool"),
        (lambda claim: {"score": claim.score[:, :1]}, "score must be float"),
        (lambda claim: {"score": claim.graph}, "score must be float"),
    ],
)
def test_claims_of_another_kind_are_refused(spoil: Any, message: str) -> None:
    episodes = judged_episodes()
    claim = random_claim(episodes)
    with pytest.raises(ValueError, match=message):
        measured(replace(claim, **spoil(claim)), episodes)


# --- the model


def picture(**changes: Any) -> dict[str, Any]:
    """A measurement of two agents as a stranger may have written it."""
    agrees = {"oracle": "state", "density": 0.5, "precision": 0.5, "recall": None, "f1": 0.25, "auroc": 1.0}
    square = [[1.0, 0.5], [0.0, 1.0]]
    whole = {"kind": "graph", "step": 0, "steps_done": 0, "episodes": 16, "density": 0.5, "agreement": [agrees]}
    return whole | {"mean_claimed": square, "mean_true": square, "drawn": {"claimed": [[1, 2]], "true": [[]]}} | changes


def test_a_measurement_is_read_back_as_it_was_written() -> None:
    found = GraphMeasurement.model_validate_json(json.dumps(picture()))
    assert GraphMeasurement.model_validate_json(found.model_dump_json()) == found
    assert GraphMeasurement(**found.model_dump()) == found
    assert found.agents_shown == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "tree"}, "kind"),
        ({"surplus": 1}, "surplus"),
        ({"step": -1}, "greater than or equal to 0"),
        ({"episodes": 0}, "greater than or equal to 1"),
        ({"density": 1.5}, "less than or equal to 1"),
        ({"density": float("nan")}, "finite|greater than"),
        ({"agreement": []}, "at least 1"),
        ({"agreement": picture()["agreement"] * 2}, "named twice"),
        ({"agreement": [picture()["agreement"][0] | {"oracle": "taste"}]}, "oracle"),
        ({"agreement": [picture()["agreement"][0] | {"auroc": -0.1}]}, "greater than or equal to 0"),
        ({"mean_claimed": [[1.0, 0.5]]}, "square"),
        ({"mean_claimed": [[1.0, float("inf")], [0.0, 1.0]]}, "less than or equal|finite"),
        ({"mean_claimed": [[0.0] * 33] * 33, "mean_true": [[0.0] * 33] * 33}, "at most 32"),
        ({"mean_true": [[1.0]]}, "of the same agents"),
        ({"mean_true": None}, "of the same agents"),
        ({"mean_claimed": None}, "of the same agents"),
        ({"mean_claimed": None, "mean_true": None}, "beside the mean graphs"),
        ({"drawn": {"claimed": [[1]], "true": []}}, "one entry per step"),
        ({"drawn": {"claimed": [[2, 1]], "true": [[]]}}, "ascend"),
        ({"drawn": {"claimed": [[1, 1]], "true": [[]]}}, "ascend"),
        ({"drawn": {"claimed": [[4]], "true": [[]]}}, "none between different agents of 2"),
        ({"drawn": {"claimed": [[]], "true": [[3]]}}, "none between different agents of 2"),
        ({"drawn": {"claimed": [[-1]], "true": [[]]}}, "greater than or equal to 0"),
        ({"drawn": {"claimed": [[]] * 201, "true": [[]] * 201}}, "at most 200"),
        ({"drawn": {"claimed": [list(range(4001))], "true": [[]]}}, "no more than 4000"),
    ],
)
def test_a_measurement_that_cannot_be_is_refused_with_the_reason(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GraphMeasurement.model_validate_json(json.dumps(picture(**changes)))
