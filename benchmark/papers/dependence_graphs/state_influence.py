"""A test of influence by states, beside the published one by actions: does what became of i tell where j stood?

An edge j -> i is where, after a step, the receiver's two substates tell much more of the actor's substate than the first alone:
    H(q_after(s_j | z_i, z_i')) / (H(q_before(s_j | z_i)) + 1e-8) < threshold,
an estimate of whether I(S_i'; S_j | S_i) is large, the term that the reverse world models leave out. Networks, losses and
optimiser are theirs (world_model.py).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from algorithms.advantages.dependence_graph.world_model import NormalisedNetwork, entropy
from algorithms.interface import Episodes
from algorithms.optimisation.minibatches import flat_step_indices
from algorithms.seeds import derive
from algorithms.settings.dependence_graph import DependenceGraphSettings
from algorithms.team import TeamShape
from benchmark.papers.dependence_graphs.world_model_fits import Lessons


class StateModel:
    """q_before and q_after, for worlds in which nobody dies and observations [O] are one-hot substates."""

    def __init__(self, team: TeamShape, seed: int, lessons: Lessons) -> None:
        settings, size = DependenceGraphSettings(), team.observation_size
        hidden = (2 * settings.hidden_size, settings.hidden_size, settings.hidden_size)
        generator = torch.Generator().manual_seed(derive(seed, "state model"))
        self._names = torch.eye(team.n_agents)
        self.before = NormalisedNetwork(size + 2 * team.n_agents, hidden, size, generator)
        self.after = NormalisedNetwork(2 * size + 2 * team.n_agents, hidden, size, generator)
        parameters = [*self.before.parameters(), *self.after.parameters()]
        self._optimiser = torch.optim.Adam(parameters, lr=settings.learning_rate)
        self._generator = torch.Generator().manual_seed(derive(seed, "steps for the state model"))
        self._lessons = lessons

    def fit(self, episodes: Episodes) -> float:
        """Takes its gradient steps on these episodes; returns the last loss, of both networks together."""
        before, after = _substates(episodes)
        agents = before.shape[1]
        others = ~torch.eye(agents, dtype=torch.bool)
        last = 0.0
        for _ in range(self._lessons.at_once):
            chosen = torch.randperm(len(before), generator=self._generator)[: self._lessons.batch_steps]
            target = before[chosen].argmax(-1)[:, :, None].expand(-1, -1, agents)[:, others].flatten()
            logits = self._logits(before[chosen], after[chosen])
            loss = sum((F.cross_entropy(each[:, others].flatten(0, 1), target) for each in logits), torch.zeros(()))
            self._optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self._optimiser.step()
            last = float(loss.detach())
        return last

    @torch.no_grad()
    def entropy_ratio(self, episodes: Episodes) -> tuple[Tensor, Tensor]:
        """The ratio [B, T, N, N] of actor j and receiver i, infinite where there is nothing to ask (j is i, or no such step),
        and the entropy [B, T, N, N] of j's substate before the receiver's second one is looked at."""
        batch, steps, agents = episodes.action.shape
        known, left = (entropy(logits) for logits in self._logits(*_substates(episodes)))
        ratio = (left / (known + 1e-8)).masked_fill(torch.eye(agents, dtype=torch.bool), torch.inf)
        places, _ = flat_step_indices(episodes.running)
        shape = (batch, steps, agents, agents)
        everywhere = known.new_full((batch * steps, agents, agents), torch.inf).index_copy_(0, places, ratio)
        entropies = torch.zeros_like(everywhere).index_copy_(0, places, known)
        return everywhere.view(shape), entropies.view(shape)

    def _logits(self, before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        """Of q_before and q_after, [M, j, i, O] each, from substates [M, N, O]."""
        steps, agents, _ = before.shape
        actor = self._names[None, :, None].expand(steps, -1, agents, -1)
        receiver = self._names[None, None].expand(steps, agents, -1, -1)
        first, second = (substate[:, None].expand(-1, agents, -1, -1) for substate in (before, after))
        return self.before(torch.cat([first, receiver, actor], -1)), self.after(torch.cat([first, second, receiver, actor], -1))


def _substates(episodes: Episodes) -> tuple[Tensor, Tensor]:
    """Before and after the steps that happened, [M, N, O] each."""
    _, places = flat_step_indices(episodes.running)
    flat = episodes.observation.flatten(0, 1)
    return flat.index_select(0, places), flat.index_select(0, places + 1)
