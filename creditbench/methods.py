"""What the code of a method is written with (torch): the interface, the on-policy learner and its two extension points."""

from algorithms.advantages.gae import GAE
from algorithms.interface import (
    CONTEXT_PREFIX,
    Algorithm,
    Collection,
    Credit,
    Episodes,
    Influence,
    LearnerContext,
    Memory,
    Mode,
    Step,
)
from algorithms.policy_gradient.advantage_estimator import AdvantageEstimator
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.policy_gradient.redistributor import Redistribution, Redistributor
from algorithms.redistribution.models.reward_assignment import assign_rewards
from algorithms.redistribution.models.reward_model import RewardModel, ppo_with_reward_model
from algorithms.redistribution.models.trajectories import Trajectories
from algorithms.seeds import learner_seed

__all__ = [
    "CONTEXT_PREFIX",
    "GAE",
    "AdvantageEstimator",
    "Algorithm",
    "Collection",
    "Credit",
    "Episodes",
    "Influence",
    "LearnerContext",
    "Memory",
    "Mode",
    "PolicyGradient",
    "Redistribution",
    "Redistributor",
    "RewardModel",
    "Step",
    "Trajectories",
    "assign_rewards",
    "learner_seed",
    "ppo_with_reward_model",
]
