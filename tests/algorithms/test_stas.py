"""STAS and STAS-ML as networks: sizes, masks, causality, coalitions, draws, resuming. What they learn: test_stas_learning."""

from __future__ import annotations

import math
from io import BytesIO
from typing import Any

import pytest
import torch
from torch import Tensor

from algorithms.interface import TeamShape
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.redistribution.stas import STAS
from algorithms.registry import algorithms
from algorithms.settings.redistribution import STASSettings
from tests.fixtures.reward_models import (
    changed,
    generator,
    made_up,
    remove_agent_embeddings,
    reordered,
    scores_of,
    share_query_maps,
)
from tests.fixtures.toy_team import random_episodes, toy_context, toy_team

TEAM = toy_team(n_agents=3, observation_size=4, action_size=3, horizon=6)
SMALL = {"width": 16, "heads": 2, "depth": 2, "coalitions": 2}
KINDS = {"stas": 1, "stas-ml": 2}
"""Attentions over the agents at a depth of 2."""


def model(kind: str = "stas", team: TeamShape = TEAM, seed: int = 0, **settings: Any) -> STAS:
    chosen = STASSettings(**(SMALL | settings))
    return STAS(chosen, team, generator(seed), agent_layers=1 if kind == "stas" else chosen.depth)


@pytest.mark.parametrize(
    ("agents", "observation", "actions", "horizon", "stas", "stas_ml", "dead"),
    [
        (2, 19, 4, 40, 390_017, 638_721, 82_816),
        (3, 14, 5, 25, 404_225, 702_849, 99_456),
        (15, 26, 5, 25, 605_441, 1_503_105, 299_136),
    ],
)
def test_the_published_sizes_have_the_released_number_of_parameters(
    agents: int, observation: int, actions: int, horizon: int, stas: int, stas_ml: int, dead: int
) -> None:
    """Alice and Bob, and two of MPE; the release's STAS-ML has an attention more, that nothing uses."""
    team = toy_team(agents, observation, actions, horizon=horizon)
    counts = [
        sum(parameter.numel() for parameter in STAS(STASSettings(), team, generator(), layers).parameters())
        for layers in (1, 3)
    ]
    assert counts == [stas, stas_ml - dead]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"shapley": "exact"}])
def test_every_parameter_learns(kind: str, options: dict[str, Any]) -> None:
    """But the biases of keys, which a softmax cannot see; they share a vector with those of the values."""
    of = model(kind, **options)
    trajectories = made_up(TEAM)
    loss, monitors = of.loss(trajectories, trajectories.returns, generator())
    loss.backward()
    assert monitors.keys() == {"reward_model_loss"}
    for name, parameter in of.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def deterministic(kind: str, **settings: Any) -> STAS:
    """A model that draws nothing but dropout: every coalition is the whole team, and there are no agent embeddings."""
    of = model(kind, shapley="all", **settings)
    remove_agent_embeddings(of)
    return of


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_the_loss_is_of_the_sum_of_all_scores(kind: str, loss: str) -> None:
    of, trajectories = model(kind, loss=loss), made_up(TEAM)
    target = trajectories.returns * 3
    actual, _ = of.loss(trajectories, target, generator(7))
    errors = (scores_of(of, trajectories, training=True).sum((1, 2)) - target).abs()
    by_hand = [e * e if loss == "squared" else (e * e / 2 if e < 1 else e - 0.5) for e in errors.tolist()]
    assert actual.item() == pytest.approx(sum(by_hand) / len(by_hand), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("batch", "agents", "horizon"), [(1, 1, 1), (1, 1, 5), (1, 4, 1), (3, 1, 4), (5, 2, 3)])
def test_one_episode_one_agent_and_one_step_are_no_special_cases(kind: str, batch: int, agents: int, horizon: int) -> None:
    team = toy_team(agents, horizon=horizon)
    trajectories = made_up(team, batch)
    for training in (False, True):
        scores = scores_of(model(kind, team), trajectories, training=training)
        assert scores.shape == (batch, horizon, agents)
        assert scores.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_agents_that_do_not_act_have_score_zero(kind: str) -> None:
    trajectories = made_up(TEAM)
    scores = scores_of(model(kind), trajectories)
    assert (scores[~trajectories.acting] == 0).all()
    assert (scores[trajectories.acting] != 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("residual", ["textbook", "doubled"])
def test_padding_never_matters(kind: str, residual: str) -> None:
    of, trajectories = model(kind, residual=residual), made_up(TEAM)
    expected = scores_of(of, trajectories)
    padding = ~trajectories.running[:, :, None].expand_as(trajectories.acting)
    assert padding.any()
    assert torch.equal(scores_of(of, changed(trajectories, padding)), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_the_scores_of_an_episode_do_not_depend_on_longer_episodes_in_the_batch(kind: str) -> None:
    of, trajectories = model(kind), made_up(TEAM)
    expected = scores_of(of, trajectories)
    for row in range(len(trajectories)):
        alone = trajectories.rows(torch.tensor([row])).trimmed()
        torch.testing.assert_close(scores_of(of, alone)[0], expected[row, : alone.running.shape[1]], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", [0, 1, 3, 5])
def test_no_score_depends_on_later_steps_for_any_lengths(kind: str, step: int) -> None:
    """The release tiles the mask of one episode over the tokens of another."""
    of, trajectories = model(kind), made_up(TEAM)
    assert len(set(trajectories.length.tolist())) > 2
    where = torch.zeros_like(trajectories.acting)
    where[:, step] = trajectories.acting[:, step]
    before, after = scores_of(of, trajectories), scores_of(of, changed(trajectories, where))
    assert torch.equal(before[:, :step], after[:, :step])
    acted = where[:, step].any(-1)
    assert (before[acted, step] != after[acted, step]).any(-1).all()
    if step < 5:
        longer = trajectories.acting[:, step + 1] & where[:, step]
        assert (before[:, step + 1][longer] != after[:, step + 1][longer]).all(), "the past is seen"


@pytest.mark.parametrize("kind", KINDS)
def test_dead_agents_do_not_affect_the_scores_of_others(kind: str) -> None:
    of, trajectories = deterministic(kind), made_up(TEAM)
    dead = ~trajectories.acting & trajectories.running[:, :, None]
    assert dead.any()
    assert torch.equal(scores_of(of, changed(trajectories, dead)), scores_of(of, trajectories))


@pytest.mark.parametrize("kind", KINDS)
def test_with_shared_queries_and_no_embedding_scores_are_equivariant_to_the_order_of_agents(kind: str) -> None:
    trajectories, order = made_up(TEAM), [2, 0, 1]

    def equivariant(law: str, *, shared_queries: bool, embeddings: bool) -> bool:
        of = model(kind, shapley=law)
        if shared_queries:
            share_query_maps(of)
        if not embeddings:
            remove_agent_embeddings(of)
        expected = scores_of(of, trajectories, training=True)[:, :, order]
        return torch.allclose(scores_of(of, reordered(trajectories, order), training=True), expected, atol=1e-5)

    for law in ("all", "exact"):
        assert equivariant(law, shared_queries=True, embeddings=False)
        assert not equivariant(law, shared_queries=False, embeddings=False)
        assert not equivariant(law, shared_queries=True, embeddings=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_permuted_embedding_favours_no_agent_index_at_reward_time(kind: str) -> None:
    """All rotations are averaged, so a rotated team gets the rotated scores."""
    trajectories = made_up(TEAM)
    of = model(kind, shapley="all")
    share_query_maps(of)
    for order in ([1, 2, 0], [2, 0, 1]):
        expected = scores_of(of, trajectories)[:, :, order]
        torch.testing.assert_close(scores_of(of, reordered(trajectories, order)), expected, atol=1e-5, rtol=1e-5)


def test_training_draws_a_new_permutation_of_the_embedding_in_each_pass() -> None:
    of, trajectories = model(shapley="all"), made_up(TEAM)
    orders = {tuple(scores_of(of, trajectories, draw, training=True).flatten().tolist()) for draw in range(40)}
    assert len(orders) == 6, "all the orders of three agents"
    without = deterministic("stas")
    first = scores_of(without, trajectories, 1, training=True)
    assert torch.equal(first, scores_of(without, trajectories, 2, training=True))
    torch.testing.assert_close(first, scores_of(without, trajectories, 2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("law", ["banzhaf_masks", "permutation", "owen"])
def test_equal_draws_give_equal_scores_and_other_draws_give_others(kind: str, law: str) -> None:
    of, trajectories = model(kind, shapley=law), made_up(TEAM)
    first = scores_of(of, trajectories, 1)
    assert torch.equal(scores_of(of, trajectories, 1), first)
    assert not torch.equal(scores_of(of, trajectories, 2), first)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("law", ["exact", "all"])
def test_nothing_is_drawn_at_reward_time_under_laws_without_draws(kind: str, law: str) -> None:
    of, trajectories = model(kind, shapley=law), made_up(TEAM)
    assert torch.equal(scores_of(of, trajectories, 1), scores_of(of, trajectories, 2))


def test_the_noise_of_the_draws_falls_with_the_square_root_of_their_number() -> None:
    """Standard deviation over repeated passes, over that across agents, steps and episodes."""
    trajectories = made_up(TEAM)

    def noise(**options: Any) -> float:
        of = model(**options)
        remove_agent_embeddings(of)
        repeated = torch.stack([scores_of(of, trajectories, draw)[trajectories.acting] for draw in range(200)])
        return float(repeated.var(0).mean().sqrt() / repeated.mean(0).std())

    one, four, sixteen = (noise(coalitions=count) for count in (1, 4, 16))
    assert one / four == pytest.approx(2.0, rel=0.2)
    assert four / sixteen == pytest.approx(2.0, rel=0.2)
    assert noise(shapley="exact") == 0


def test_more_agents_than_can_be_enumerated_are_refused() -> None:
    with pytest.raises(ValueError, match="1 to 8 agents, not 9"):
        model(team=toy_team(n_agents=9), shapley="exact")


def test_heads_have_to_share_the_width_evenly() -> None:
    with pytest.raises(ValueError, match="3 heads cannot share a width of 16"):
        model(heads=3)


def test_stas_and_stas_ml_are_equal_at_a_depth_of_one() -> None:
    trajectories = made_up(TEAM)
    first, second = model("stas", depth=1), model("stas-ml", depth=1)
    assert torch.equal(scores_of(first, trajectories), scores_of(second, trajectories))


def test_stas_ml_reads_the_agent_attention_of_every_layer() -> None:
    of, trajectories = deterministic("stas-ml"), made_up(TEAM)
    outputs: list[Tensor] = []
    for layer in of.agents:
        layer.register_forward_hook(lambda _, inputs, output: outputs.append(output))
    scores = scores_of(of, trajectories)
    expected = torch.cat(outputs, -1) @ of.head.weight[0] + of.head.bias
    assert len(outputs) == 2
    torch.testing.assert_close(scores, expected * trajectories.acting)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_drawn_in_training_only_and_from_the_generator_passed_in(kind: str) -> None:
    of, trajectories = deterministic(kind, dropout=0.5), made_up(TEAM)
    without = deterministic(kind)
    assert torch.equal(scores_of(of, trajectories), scores_of(without, trajectories))
    before = torch.get_rng_state()
    first = scores_of(of, trajectories, 1, training=True)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(scores_of(of, trajectories, 1, training=True), first)
    assert not torch.equal(scores_of(of, trajectories, 2, training=True), first)


def test_dropout_is_also_on_the_output_of_the_agent_attention() -> None:
    of, read = model("stas-ml", dropout=0.25), []
    of.head.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    scores_of(of, made_up(TEAM, batch=64), training=True)
    assert read[0].shape[-1] == 32
    assert float((read[0] == 0).float().mean()) == pytest.approx(0.25, abs=0.01)


def test_the_doubled_residual_changes_the_scores() -> None:
    trajectories = made_up(TEAM)
    assert not torch.equal(scores_of(model(residual="doubled"), trajectories), scores_of(model(), trajectories))


def test_weights_come_from_the_generator_alone() -> None:
    before = torch.get_rng_state()
    first, second, third = model(seed=0).state_dict(), model(seed=0).state_dict(), model(seed=1).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[name], second[name]) for name in first)
    drawn = [name for name in first if "norm" not in name]
    assert not any(torch.equal(first[name], third[name]) for name in drawn)


def learner(kind: str, device: torch.device | None = None, **redistribution: Any) -> PolicyGradient:
    """IPPO with a small reward model that is fitted after every batch of episodes."""
    schedule = {"warm_up_episodes": 4, "batch_episodes": 4, "fit_interval": 1, "gradient_steps_per_episode": 0.5}
    entry = algorithms()[f"ippo+{kind}"]
    settings = entry.settings(hidden_size=8, redistribution=SMALL | schedule | redistribution)
    algorithm = entry.build(settings, toy_context(TEAM, regime="episodic", device=device or torch.device("cpu")))
    assert isinstance(algorithm, PolicyGradient)
    return algorithm


@pytest.mark.parametrize("kind", KINDS)
def test_the_registered_method_is_the_model_of_its_name(kind: str) -> None:
    of = learner(kind).redistributor.model
    assert isinstance(of, STAS)
    assert len(of.agents) == KINDS[kind]
    assert len(of.temporal) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_rewards_are_the_scaled_scores(kind: str) -> None:
    algorithm, episodes = learner(kind), random_episodes(TEAM, 6, seed=0)
    algorithm.update(episodes)
    redistribution = algorithm.redistributor.redistribute(episodes)
    assert torch.equal(redistribution.shares, redistribution.reward)
    assert (redistribution.shares[~episodes.acting] == 0).all()
    credit = algorithm.credit(episodes)
    assert credit.kind == "reward"
    assert torch.equal(credit.values, redistribution.shares.detach())
    assert torch.equal(credit.values, algorithm.credit(episodes).values)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"dropout": 0.5, "shapley": "permutation", "residual": "doubled"}])
def test_a_resumed_run_goes_on_bit_for_bit(kind: str, options: dict[str, Any]) -> None:
    batches = [random_episodes(TEAM, 6, seed) for seed in range(4)]
    first = learner(kind, **options)
    assert "reward_model_loss" in first.update(batches[0])
    assert "sum_error_mean" in first.update(batches[1])
    second = learner(kind, **options)
    second.update(random_episodes(TEAM, 9, 99))
    second.load_state_dict(torch.load(saved(first), weights_only=True))
    for batch in batches[2:]:
        assert first.update(batch) == second.update(batch)
    assert torch.equal(first.credit(batches[0]).values, second.credit(batches[0]).values)
    ours, theirs = first.policy_state(), second.policy_state()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def saved(algorithm: PolicyGradient) -> BytesIO:
    file = BytesIO()
    torch.save(algorithm.state_dict(), file)
    file.seek(0)
    return file


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{"dropout": 0.5}, {"shapley": "exact"}])
def test_everything_works_on_a_gpu(kind: str, options: dict[str, Any]) -> None:
    algorithm = learner(kind, device=torch.device("cuda"), **options)
    for seed in range(3):
        monitors = algorithm.update(random_episodes(TEAM, 6, seed))
        assert all(math.isfinite(value) for value in monitors.values())
    assert "sum_error_mean" in monitors
    on_cpu = learner(kind, **options)
    on_cpu.load_state_dict(algorithm.state_dict())
    episodes = random_episodes(TEAM, 6, seed=5)
    torch.testing.assert_close(algorithm.credit(episodes).values.cpu(), on_cpu.credit(episodes).values, atol=1e-4, rtol=1e-4)
