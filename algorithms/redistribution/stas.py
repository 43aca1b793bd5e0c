"""STAS: spatial-temporal attention with Shapley, the return split over agents and steps (Chen et al. 2024, arXiv 2304.07520).

A network scores every agent at every step; the scores of an episode are fitted to sum to its return (eq. 11 and 13),
    R ~ sum_t sum_i c_{t,i},   loss = mean over episodes of (R - sum c)^2,
and paid to the agents as they are. Shapes: tokens [B, T, N, E] -> `depth` temporal layers over each agent's T, causal, the
same weights for all agents (eq. 12) -> one attention over the N agents of each step, averaged over coalitions (eq. 7 to 10,
see `coalition_layer`) -> a linear head -> c [B, T, N]. What a coalition gains by an agent is not a difference of two
evaluations: the attention's output over the coalition with the agent is taken for it. So no axiom of Shapley's value holds by
construction, and efficiency only as far as the regression fits the return. What adds up to zero over the agents of every step,
such as a constant for each, the regression cannot see at all.

Differs from the paper, as the released code does: agents show their own observations, not the state; non-members are left out
of the softmax (the paper multiplies their scores by 0, which leaves them a weight); every agent's index has a query map of its
own (the paper: one for all); the rows of an agent embedding are permuted at random in each training pass; `depth` encoder
layers replace one attention over time; coalitions are fair coin flips, one for every pair of agents, the same for all tokens of
a forward pass: their mean is Banzhaf's value and not Shapley's (`shapley` offers orders, Owen's sampling, and all coalitions
with Shapley's weights). Sizes, tables N(0, 1) and linear maps are the release's, and so is the number of parameters.

Differs from the released code: the second residual of a temporal layer is the textbook's (`residual`); no dropout (`dropout`,
0.5 there: on the attention over time, the feed-forward nets and the output of the agent attention); returns are divided by
their standard deviation before the regression, gradients are clipped. Not reproduced, being defects: where lengths
differ, tokens get the time mask of another episode and see their future; the padding action is one of the environment's in
MPE; an agent attention of STAS-ML is built and never used; dead agents stay members of coalitions; and at reward time the order
of the agent embedding is a random draw, here the average of rotations.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from algorithms.interface import LearnerContext, TeamShape
from algorithms.networks.attention import EncoderLayer, EncoderShape, causal_mask, drop, uniform_linear
from algorithms.policy_gradient.learner import PolicyGradient
from algorithms.redistribution.models.coalition_layer import CoalitionLayer
from algorithms.redistribution.models.reward_model import RewardModel, ppo_with_reward_model
from algorithms.redistribution.models.tokens import TokenEmbedding
from algorithms.redistribution.models.trajectories import Trajectories
from algorithms.seeds import learner_seed
from algorithms.settings.redistribution import RedistributedPPOSettings, STASSettings


def build(settings: RedistributedPPOSettings, context: LearnerContext) -> PolicyGradient:
    """PPO paid by STAS."""
    assert isinstance(settings.redistribution, STASSettings)
    generator = torch.Generator().manual_seed(learner_seed(context.seed, "reward model"))
    return ppo_with_reward_model(settings, context, STAS(settings.redistribution, context.team, generator))


class STAS(RewardModel):
    """Each of the last `agent_layers` temporal layers is followed by an attention over the agents; the head reads all of these.

    STAS has one of them, STAS-ML one after every temporal layer: with a depth of 1 both are the same model.
    Raises ValueError where a layer does: heads that do not divide the width, too many agents for the law "exact".
    """

    def __init__(self, settings: STASSettings, team: TeamShape, generator: torch.Generator, agent_layers: int = 1) -> None:
        super().__init__(settings)
        width = settings.width
        shape = EncoderShape(
            width,
            settings.heads,
            feed_forward=width,
            doubled_residual=settings.residual == "doubled",
            dropout=settings.dropout,
        )
        self._dropout = settings.dropout
        self.tokens = TokenEmbedding(team, width, generator)
        self.temporal = nn.ModuleList(EncoderLayer(shape, generator) for _ in range(settings.depth))
        self.agents = nn.ModuleList(CoalitionLayer(settings, team.n_agents, generator) for _ in range(agent_layers))
        self.head = uniform_linear(agent_layers * width, 1, generator)

    def scores(self, trajectories: Trajectories, draw: torch.Generator, training: bool) -> Tensor:
        x = self.tokens(trajectories)
        # Padding comes last: who sees no later step sees no padding either, whatever the lengths.
        earlier = causal_mask(trajectories.running.new_ones(1, x.shape[1]))
        noise = _on_device(draw, x.device) if training and self._dropout else None
        only_time = len(self.temporal) - len(self.agents)
        read = []
        for depth, layer in enumerate(self.temporal):
            x = layer(x, earlier, noise)
            if depth >= only_time:
                x = self.agents[depth - only_time](x, trajectories.acting, draw, training)
                x = drop(x, self._dropout, noise)
                read.append(x)
        scores: Tensor = self.head(torch.cat(read, -1))
        return scores.squeeze(-1).masked_fill(~trajectories.acting, 0.0)


def _on_device(draw: torch.Generator, device: torch.device) -> torch.Generator:
    """`draw` itself where the device is its own, else a generator there that it seeds."""
    if draw.device == device:
        return draw
    seed = torch.randint(2**62, (), generator=draw)
    return torch.Generator(device).manual_seed(int(seed))
