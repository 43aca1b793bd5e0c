"""STAS-ML: STAS with an attention over the agents after every temporal layer (Chen et al. 2024, arXiv 2304.07520).

Layer l: x_l = agents_l(temporal_l(x_{l-1})), each with its own coalitions and permutation of the agent embedding; the scores
are a linear map of the concatenation [x_1 .. x_L]. Information passes between agents L times instead of once, which gives up
the interpretation as a Shapley value for sample efficiency. Differences from paper and released code: see `stas`.
"""

from __future__ import annotations

import torch

from algorithms.interface import LearnerContext
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.redistribution.models.reward_model import ppo_with_reward_model
from algorithms.redistribution.stas import STAS
from algorithms.seeds import learner_seed
from algorithms.settings.redistribution import RedistributedPPOSettings, STASMLSettings


def build(settings: RedistributedPPOSettings, context: LearnerContext) -> PolicyGradient:
    """PPO with STAS-ML's rewards."""
    assert isinstance(settings.redistribution, STASMLSettings)
    generator = torch.Generator().manual_seed(learner_seed(context.seed, "reward model"))
    model = STAS(settings.redistribution, context.team, generator, agent_layers=settings.redistribution.depth)
    return ppo_with_reward_model(settings, context, model)
