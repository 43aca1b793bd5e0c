"""STAS: spatial-temporal attention with Shapley, the return split over agents and steps (Chen et al. 2024, arXiv 2304.07520).

A network scores every agent at every step; the scores of an episode are fitted to sum to its return (eq. 11 and 13),
    R ~ sum_t sum_i c_{t,i},   loss = mean over episodes of (R - sum c)^2,
and the scores are the rewards. Architecture: tokens [B, T, N, E] -> `depth` causal temporal layers over the T steps of each
agent, with the same weights for all agents (eq. 12) -> one attention over the N agents of each step, averaged over coalitions
(eq. 7 to 10, see `coalition_layer`) -> a linear head -> c [B, T, N]. An agent's contribution to a coalition is not a difference
of two evaluations but the attention's output over the coalition with the agent. So no axiom of the Shapley value holds by
construction, and efficiency holds up to the regression error. The regression cannot identify score components that sum to zero
over the agents of every step, such as a constant for each agent.

Differs from the paper, as the released code does: tokens contain the agents' own observations, not the state; non-members are
masked out of the softmax (the paper multiplies their scores by 0, which leaves them a weight); every agent index has its own
query map (the paper: one for all); the rows of an agent embedding are permuted at random in each training pass; `depth` encoder
layers replace one attention over time; coalition members are drawn independently with probability 1/2, one draw for every pair
of agents, the same for all tokens of a forward pass: their mean is the Banzhaf value, not the Shapley value (other values of
`shapley`: random orders, Owen's sampling, all coalitions with Shapley weights). Sizes, tables N(0, 1), linear maps and the
number of parameters are those of the release.

Differs from the released code: the second residual of a temporal layer is the textbook's (`residual`); no dropout (`dropout`,
0.5 there: on the attention over time, the feed-forward nets and the output of the agent attention); returns are divided by
their standard deviation before the regression; gradients are clipped. Defects that are not reproduced: where lengths differ,
tokens get the time mask of another episode and attend to their future; the padding action is one of the environment's in MPE;
an agent attention of STAS-ML is built and never used; dead agents stay members of coalitions; and at reward time the
permutation of the agent embedding is random (here the output is averaged over rotations).
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
    """PPO with STAS' rewards."""
    assert isinstance(settings.redistribution, STASSettings)
    generator = torch.Generator().manual_seed(learner_seed(context.seed, "reward model"))
    return ppo_with_reward_model(settings, context, STAS(settings.redistribution, context.team, generator))


class STAS(RewardModel):
    """The reward model of STAS and STAS-ML.

    Each of the last `agent_layers` temporal layers is followed by an attention over the agents; the head reads the outputs of
    all these attentions. STAS has one, STAS-ML one after every temporal layer: with a depth of 1 both are the same model.
    Raises ValueError if the heads do not divide the width, or if there are too many agents for the law "exact".
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

    def scores(self, trajectories: Trajectories, generator: torch.Generator, training: bool) -> Tensor:
        x = self.tokens(trajectories)
        # Padding comes after the last step, so the causal mask also excludes padding, for all lengths.
        earlier = causal_mask(trajectories.running.new_ones(1, x.shape[1]))
        dropout_generator = _on_device(generator, x.device) if training and self._dropout else None
        without_agents = len(self.temporal) - len(self.agents)
        outputs = []
        for depth, layer in enumerate(self.temporal):
            x = layer(x, earlier, dropout_generator)
            if depth >= without_agents:
                x = self.agents[depth - without_agents](x, trajectories.acting, generator, training)
                x = drop(x, self._dropout, dropout_generator)
                outputs.append(x)
        scores: Tensor = self.head(torch.cat(outputs, -1))
        return scores.squeeze(-1).masked_fill(~trajectories.acting, 0.0)


def _on_device(generator: torch.Generator, device: torch.device) -> torch.Generator:
    """`generator` itself if it is on the device, else a new generator there with a seed that it draws."""
    if generator.device == device:
        return generator
    seed = torch.randint(2**62, (), generator=generator)
    return torch.Generator(device).manual_seed(int(seed))
