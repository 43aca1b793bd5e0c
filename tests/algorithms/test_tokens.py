"""The tokens of reward models: what they contain and what they must not contain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from algorithms.redistribution.models.tokens import TokenEmbedding
from algorithms.redistribution.models.trajectories import Trajectories
from tests.fixtures.toy_team import random_episodes, toy_team

TEAM = toy_team(n_agents=3, observation_size=4, action_size=5, horizon=6)
WIDTH = 8


def embedding(seed: int = 0, **options: Any) -> TokenEmbedding:
    return TokenEmbedding(TEAM, WIDTH, torch.Generator().manual_seed(seed), **options)


@pytest.fixture(scope="module")
def trajectories() -> Trajectories:
    sampled = Trajectories.of(random_episodes(TEAM, 12, seed=3))
    assert len(set(sampled.length.tolist())) > 2
    assert not torch.equal(sampled.acting, sampled.running[:, :, None].expand_as(sampled.acting)), "no agent died"
    return sampled


def test_a_token_is_the_sum_of_observation_action_position_and_agent(trajectories: Trajectories) -> None:
    tokens = embedding(agent_embedding=True)
    actual = tokens(trajectories)
    assert actual.shape == (12, 6, 3, WIDTH)
    weights, biases = tokens.observation.weight, tokens.observation.bias
    for episode, agent, step in [(0, 0, 0), (0, 2, 5), (7, 1, 0), (3, 2, 1)]:
        acts = bool(trajectories.acting[episode, step, agent])
        action = int(trajectories.action[episode, step, agent]) if acts else 5
        expected = weights @ trajectories.observation[episode, step, agent] + biases
        expected = expected + tokens.action.weight[action] + tokens.position.weight[step] + tokens.agent.weight[agent]
        torch.testing.assert_close(actual[episode, step, agent], expected)


def test_agents_that_do_not_act_have_their_own_row_of_the_action_table(trajectories: Trajectories) -> None:
    tokens = embedding()
    assert tokens.action.num_embeddings == 6
    idle = ~trajectories.acting
    shown = tokens.actions(trajectories)
    assert (shown[idle] == tokens.action.weight[5]).all()
    assert not (shown[~idle] == tokens.action.weight[5]).all(-1).any()
    other = replace(trajectories, action=trajectories.action.masked_fill(idle, 3))
    assert torch.equal(tokens(other), tokens(trajectories))


def test_states_are_the_tokens_without_the_actions(trajectories: Trajectories) -> None:
    tokens = embedding()
    torch.testing.assert_close(tokens.states(trajectories) + tokens.actions(trajectories), tokens(trajectories))
    other = replace(trajectories, action=(trajectories.action + 1) % 5)
    assert torch.equal(tokens.states(other), tokens.states(trajectories))
    assert not torch.equal(tokens(other), tokens(trajectories))


def test_shorter_batches_take_the_first_positions(trajectories: Trajectories) -> None:
    tokens = embedding()
    cut = Trajectories(
        trajectories.observation[:, :4],
        trajectories.action[:, :3],
        trajectories.acting[:, :3],
        trajectories.running[:, :3],
        trajectories.returns,
    )
    torch.testing.assert_close(tokens(cut), tokens(trajectories)[:, :3])


def test_episodes_beyond_the_horizon_are_refused(trajectories: Trajectories) -> None:
    with pytest.raises(ValueError, match="7 steps are longer than the horizon, 6"):
        embedding()(trajectories.padded(7))


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_tables_are_normal_with_the_given_scale_and_the_linear_map_is_uniform(scale: float) -> None:
    team = toy_team(n_agents=40, observation_size=16, action_size=39, horizon=40)
    tokens = TokenEmbedding(team, 64, torch.Generator().manual_seed(0), agent_embedding=True, table_scale=scale)
    for table in (tokens.action, tokens.position, tokens.agent):
        assert abs(table.weight.mean()) < 0.1 * scale
        assert 0.95 * scale < table.weight.std() < 1.05 * scale
    assert 0.24 < tokens.observation.weight.abs().max() <= 0.25, "uniform in +-1/sqrt(16)"


def test_weights_come_from_the_generator_alone() -> None:
    before = torch.get_rng_state()
    first, second, third = embedding(0).state_dict(), embedding(0).state_dict(), embedding(1).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not any(torch.equal(first[name], third[name]) for name in first)
