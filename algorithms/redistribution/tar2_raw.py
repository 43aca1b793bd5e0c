"""TAR2, the first version: scores with the sign of the return are the rewards (Kapoor et al. 2024, arXiv 2412.14779).

AREL's layout (`depth` pairs of causal attention over time and attention over agents, heads of the full width, here with GELU)
over tokens of observation, action, agent and step; the outputs x_{t,i} of all D = `depth` pairs are concatenated. With the
outcome z, the mean of the agents' x at the last step at which each acted,
    c_{t,i} = sign(R) ReLU(sign(R) head([x_{t,i}; z])),   head: 2DE -> E -> 1 (DE -> E -> 1 without `outcome`),
so that no reward has the opposite sign of the return R. There is no normaliser: shares sum to the return up to the regression
error.
    loss = mean (sum c - R)^2 + inverse_dynamics * mean cross-entropy of the actions
Inverse dynamics, (D+1)E -> E -> A, predicts a_{t,i} from the team's mean state embedding (a token without its action; at the
first step the agent's own) and x_{t-1,i} (0 at the first step).

Only the abstract of this version's article was available; the formulas are those of the authors' code of autumn 2024. Differs
from it: an agent sees its own observation, and there is no stream of enemies (their SMAClite reads unit states, which a general
environment does not have; their football has the agents' observations, as here, and a common vector); targets and masks of the
cross-entropy are aligned (theirs are transposed against each other); returns are divided by their standard deviation before the
regression. Kept: where the head has the wrong sign at all steps of an episode, its scores have no gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from algorithms.interface import LearnerContext, TeamShape
from algorithms.networks.gelu_network import GELUNetwork
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.redistribution.arel import WideAttention
from algorithms.redistribution.models.inverse_dynamics import action_loss, previous_step, team_state
from algorithms.redistribution.models.outcome import outcome, with_outcome
from algorithms.redistribution.models.reward_model import RewardModel, ppo_with_reward_model
from algorithms.redistribution.models.tokens import TokenEmbedding
from algorithms.redistribution.models.trajectories import Trajectories
from algorithms.seeds import learner_seed
from algorithms.settings.redistribution import RedistributedPPOSettings, TAR2RawSettings


def build(settings: RedistributedPPOSettings, context: LearnerContext) -> PolicyGradient:
    """PPO with the rewards of the first version of TAR2."""
    assert isinstance(settings.redistribution, TAR2RawSettings)
    generator = torch.Generator().manual_seed(learner_seed(context.seed, "reward model"))
    return ppo_with_reward_model(settings, context, TAR2Raw(settings.redistribution, context.team, generator))


class TAR2Raw(RewardModel):
    """The reward model of the first version of TAR2. Deterministic: it does not use `generator`."""

    def __init__(self, settings: TAR2RawSettings, team: TeamShape, generator: torch.Generator) -> None:
        super().__init__(settings)
        self._settings = settings
        width, features = settings.width, settings.depth * settings.width
        self.tokens = TokenEmbedding(team, width, generator, agent_embedding=True)
        self.attention = WideAttention(settings, "gelu", generator)
        self.head = GELUNetwork([features * (1 + settings.outcome), width, 1], generator)
        self.inverse_dynamics: GELUNetwork | None = None
        if settings.inverse_dynamics > 0:
            self.inverse_dynamics = GELUNetwork([features + width, width, team.action_size], generator)

    def scores(self, trajectories: Trajectories, generator: torch.Generator, training: bool) -> Tensor:
        return self._scores(self._features(self.tokens(trajectories), trajectories), trajectories)

    def loss(self, trajectories: Trajectories, target: Tensor, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        states = self.tokens.states(trajectories)
        features = self._features(states + self.tokens.actions(trajectories), trajectories)
        loss = self.regression(self._scores(features, trajectories).sum((1, 2)), target)
        monitors = {"reward_model_loss": loss.detach()}
        if self.inverse_dynamics is not None:
            team = team_state(states, trajectories.acting).expand_as(states)
            context = torch.cat([states[:, :1], team[:, 1:]], 1)
            actions = action_loss(self.inverse_dynamics(torch.cat([context, previous_step(features)], -1)), trajectories)
            loss = loss + self._settings.inverse_dynamics * actions
            monitors["inverse_dynamics_loss"] = actions.detach()
        return loss, monitors

    def _features(self, tokens: Tensor, trajectories: Trajectories) -> Tensor:
        """x [B, T, N, DE]."""
        return torch.cat(self.attention(tokens, trajectories.acting), -1)

    def _scores(self, features: Tensor, trajectories: Trajectories) -> Tensor:
        if self._settings.outcome:
            features = with_outcome(features, outcome(features, trajectories.acting))
        sign = trajectories.returns.sign()[:, None, None]
        gated: Tensor = sign * (sign * self.head(features).squeeze(-1)).relu()
        return gated * trajectories.acting
