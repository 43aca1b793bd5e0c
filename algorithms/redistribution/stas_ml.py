"""STAS-ML: STAS with an attention over the agents after every temporal layer (Chen et al. 2024, arXiv 2304.07520).

Layer l: x_l = agents_l(temporal_l(x_{l-1})), with coalitions and an order of the agent embedding of its own; the scores are a
linear map of the concatenation [x_1 .. x_L]. Information crosses between agents L times and not once, which gives up what is
left of the Shapley reading for sample efficiency. What differs from paper and released code stands in `stas`.
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
    """PPO paid by STAS-ML."""
    assert isinstance(settings.redistribution, STASMLSettings)
    generator = torch.Generator().manual_seed(learner_seed(context.seed, "reward model"))
    model = STAS(settings.redistribution, context.team, generator, agent_layers=settings.redistribution.depth)
    return ppo_with_reward_model(settings, context, model)
