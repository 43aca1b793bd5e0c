"""The samples of actors: minibatches have the logits, actions, log-probabilities and advantages of their rows."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from algorithms.networks.perceptrons import NetworkShape, TeamNetworks, masked_logits
from algorithms.policy_gradient.actor_samples import EpisodeSamples, StepSamples, previous_actions
from tests.fixtures.toy_team import random_episodes, toy_team

TEAM = toy_team(agent_types=(0, 1, 0))
ROWS = {"all rows": slice(None), "some rows": torch.tensor([4, 0, 2])}


@pytest.mark.parametrize("recurrent", [False, True], ids=["steps", "episodes"])
@pytest.mark.parametrize("sees_last_action", [False, True])
@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_a_minibatch_has_what_belongs_to_its_rows_where_an_agent_acted(
    recurrent: bool, sees_last_action: bool, rows: Tensor | slice
) -> None:
    source = torch.Generator().manual_seed(0)
    shape = NetworkShape(8, 2, "tanh", recurrent)
    actors = TeamNetworks(TEAM, "by_type", 3, shape, 1.0, source, last_action=sees_last_action)
    episodes = random_episodes(TEAM, 6, seed=1)
    advantage = torch.randn(episodes.action.shape, generator=source)
    last_action = previous_actions(episodes.action) if sees_last_action else None
    logits = masked_logits(actors.sequence(episodes.observation[:, :-1], last_action), episodes.available[:, :-1])
    for group, agents in enumerate(([0, 2], [1])):
        samples = (EpisodeSamples if recurrent else StepSamples)(actors, group, episodes, advantage, last_action)
        acting = episodes.acting[:, :, agents]
        assert samples.rows == (6 if recurrent else int(acting.sum()))
        every = (logits, episodes.action, episodes.log_probability, advantage)
        for actual, each in zip(samples.minibatch(rows), every, strict=True):
            own = each[:, :, agents]
            expected = own[rows].transpose(0, 1)[acting[rows].transpose(0, 1)] if recurrent else own[acting][rows]
            torch.testing.assert_close(actual, expected)
