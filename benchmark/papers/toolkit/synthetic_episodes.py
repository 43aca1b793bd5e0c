"""Teams and episodes made from arrays, for problems without a simulator."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from algorithms.interface import Episodes
from algorithms.team import StateField, TeamShape


def synthetic_team(agents: int, observation_size: int, actions: int, horizon: int) -> TeamShape:
    """A team of `agents` agents of one type, whose state is an uninformative constant of size 1."""
    return TeamShape(
        n_agents=agents,
        observation_sizes=(observation_size,) * agents,
        action_sizes=(actions,) * agents,
        agent_types=(0,) * agents,
        state_size=1,
        horizon=horizon,
        state_fields=(StateField("nothing", "world", None, "constant"),),
    )


def synthetic_episodes(observation: NDArray[np.float32], action: NDArray[np.int64], reward: NDArray[np.float64]) -> Episodes:
    """Episodes of equal length T, truncated at the end, in which all agents stay alive.

    observation [B, T+1, N, O], action [B, T, N], reward [B, T] of the team; each agent's individual reward is 1/N of it.
    """
    batch, steps, agents = action.shape
    last = torch.zeros(batch, steps, dtype=torch.bool)
    last[:, -1] = True
    team_reward = torch.from_numpy(reward).float()
    return Episodes(
        observation=torch.from_numpy(observation),
        state=torch.zeros(batch, steps + 1, 1),
        available=torch.ones(batch, steps + 1, agents, int(action.max()) + 1, dtype=torch.bool),
        alive=torch.ones(batch, steps + 1, agents, dtype=torch.bool),
        action=torch.from_numpy(action),
        log_probability=torch.zeros(batch, steps, agents),
        team_reward=team_reward,
        individual_reward=(team_reward / agents)[:, :, None].expand(-1, -1, agents).clone(),
        running=torch.ones(batch, steps, dtype=torch.bool),
        terminated=torch.zeros_like(last),
        truncated=last,
        success=torch.zeros(batch, dtype=torch.bool),
        length=torch.full((batch,), steps),
        seed=torch.arange(batch),
    )
