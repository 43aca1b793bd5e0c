"""Worlds with exactly known credit, as episodes that reward models can be fitted to.

*Additive*: observations are independent over steps, and R is the sum over agents and steps of a fixed non-negative function u
of an agent's observation and action. *Synergy*: the game of benchmark/environments/native/diagnostics/synergy.py, whose Shapley
credit has a closed form.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from algorithms.interface import Episodes
from algorithms.seeds import derive, episode_seeds
from algorithms.team import TeamShape
from benchmark.environments.native.diagnostics.synergy import Synergy
from benchmark.papers.toolkit.synthetic_episodes import synthetic_episodes, synthetic_team

Kind = Literal["even", "roles", "rare"]
ADDITIVE: dict[Kind, str] = {
    "even": "all agents and steps alike",
    "roles": "agents weigh 0, 1 and 3",
    "rare": "a tenth of the steps count, for all agents",
}
ROLES = (0.0, 1.0, 3.0)
EVENT_CHANCE = 0.1
STEPS = 10
WORK = 0.9


@dataclass(frozen=True)
class World:
    """B episodes and the true credit [B, T, N] of each agent's action."""

    team: TeamShape
    episodes: Episodes
    credit: Tensor

    def split(self, first: int) -> tuple[World, World]:
        """The first `first` episodes and the others."""
        parts = (torch.arange(first), torch.arange(first, len(self.credit)))
        left, right = (World(self.team, self.episodes.rows(part), self.credit[part]) for part in parts)
        return left, right


def additive(kind: Kind, episodes: int, seed: int) -> World:
    """3 agents, 10 steps, 3 actions, observation [4]: two uniform numbers x, y in (-1, 1), the step's event, the agent's role.

    u = weight (x^2 + [action 1] max(0, y)), with the weight 1, the agent's role, or whether the event happens.
    """
    agents, size = len(ROLES), 4
    random = np.random.default_rng(derive(seed, "additive", kind))
    observation = np.zeros((episodes, STEPS + 1, agents, size), np.float32)
    observation[..., :2] = random.uniform(-1, 1, (episodes, STEPS + 1, agents, 2))
    event = random.random((episodes, STEPS + 1, 1)) < EVENT_CHANCE
    if kind == "rare":
        observation[..., 2] = event
    if kind == "roles":
        observation[..., 3] = np.array(ROLES) / max(ROLES)
    action = random.integers(0, 3, (episodes, STEPS, agents))
    x, y = observation[:, :-1, :, 0], observation[:, :-1, :, 1]
    credit = x**2 + (action == 1) * np.maximum(0, y)
    if kind == "rare":
        credit = credit * event[:, :-1]
    if kind == "roles":
        credit = credit * np.array(ROLES)
    team = synthetic_team(agents, size, 3, STEPS)
    return World(team, synthetic_episodes(observation, action, credit.sum(2)), torch.from_numpy(credit))


def synergy(n_agents: int, exponent: float, episodes: int, seed: int, blocks: int = 1, work: float = WORK) -> World:
    """The synergy game without cost of work. Agents work with probability `work`, whether able or not. For `blocks` > 1 the
    credit has no closed form and is NaN."""
    game = Synergy(episodes, n_agents, exponent, blocks=blocks, cost=0.0, horizon=STEPS)
    random = np.random.default_rng(derive(seed, "synergy", n_agents, str(exponent), blocks))
    action = (random.random((episodes, STEPS, n_agents)) < work).astype(np.int64)
    observation = np.zeros((episodes, STEPS + 1, n_agents, 2), np.float32)
    reward, credit = np.zeros((episodes, STEPS)), np.full((episodes, STEPS, n_agents), np.nan)
    game.reset(episode_seeds(derive(seed, "synergy", "abilities"), 0, episodes))
    observation[:, 0] = game.observation
    for t in range(STEPS):
        game.step(action[:, t])
        observation[:, t + 1], reward[:, t] = game.observation, game.team_reward
        if blocks == 1:
            credit[:, t] = game.individual_reward
    return World(game.team, synthetic_episodes(observation, action, reward), torch.from_numpy(credit))


def additive_bound(n_agents: int, exponent: float, blocks: int = 1, effort: float = WORK / 2, steps: int = STEPS) -> float:
    """The largest R2 that a sum of terms, each of one agent at one step, can have for a synergy game's return.

    Each agent makes an effort with probability `effort` at each step, independently. Exact: the best such sum is the sum of the
    conditional expectations given each effort, and the moments of a product over independent blocks are products.
    """
    mean = square = slope = 0.0
    for bits in itertools.product((0, 1), repeat=n_agents):
        chance = math.prod(effort if bit else 1 - effort for bit in bits)
        value = float(sum(bits) == n_agents) if math.isinf(exponent) else (sum(bits) / n_agents) ** exponent
        mean += chance * value
        square += chance * value**2
        slope += chance * value * (bits[0] - effort) / (effort * (1 - effort))
    variance = square - mean**2
    share_of_a_step = n_agents * slope**2 * effort * (1 - effort) / variance
    # Of the product over blocks, such a sum explains the effect of each block with the other blocks at their means.
    block_variance = variance * blocks / steps
    explained = blocks * mean ** (2 * (blocks - 1)) * block_variance * share_of_a_step
    return explained / ((block_variance + mean**2) ** blocks - mean ** (2 * blocks))
