"""A test of influence by states, in addition to the published test by actions: does i's next substate depend on j's substate?

There is an edge j -> i if both substates of the receiver predict the actor's substate much better than the first one alone:
    H(q_after(s_j | z_i, z_i')) / (H(q_before(s_j | z_i)) + 1e-8) < threshold,
an estimate of whether I(S_i'; S_j | S_i) is large, a term that the reverse world models leave out. Networks, losses and
optimiser are those of the reverse world models (algorithms/advantages/dependence_graph/world_model.py).
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
from benchmark.papers.dependence_graphs.world_model_fits import TrainingSchedule


class StateModel:
    """q_before and q_after, for tasks without deaths whose observations [O] are one-hot substates."""

    def __init__(self, team: TeamShape, seed: int, schedule: TrainingSchedule) -> None:
        settings, size = DependenceGraphSettings(), team.observation_size
        hidden = (2 * settings.hidden_size, settings.hidden_size, settings.hidden_size)
        generator = torch.Generator().manual_seed(derive(seed, "state model"))
        self._identities = torch.eye(team.n_agents)
        self.before = NormalisedNetwork(size + 2 * team.n_agents, hidden, size, generator)
        self.after = NormalisedNetwork(2 * size + 2 * team.n_agents, hidden, size, generator)
        parameters = [*self.before.parameters(), *self.after.parameters()]
        self._optimiser = torch.optim.Adam(parameters, lr=settings.learning_rate)
        self._generator = torch.Generator().manual_seed(derive(seed, "steps for the state model"))
        self._schedule = schedule

    def fit(self, episodes: Episodes) -> float:
        """Makes the scheduled gradient steps on these episodes; returns the last loss, the sum over both networks."""
        before, after = _substates(episodes)
        agents = before.shape[1]
        others = ~torch.eye(agents, dtype=torch.bool)
        last = 0.0
        for _ in range(self._schedule.steps_per_collection):
            chosen = torch.randperm(len(before), generator=self._generator)[: self._schedule.batch_steps]
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
        """The ratio [B, T, N, N] of actor j and receiver i, infinite if j is i or the step did not happen, and the entropy
        [B, T, N, N] of q_before."""
        batch, steps, agents = episodes.action.shape
        before, after = (entropy(logits) for logits in self._logits(*_substates(episodes)))
        ratio = (after / (before + 1e-8)).masked_fill(torch.eye(agents, dtype=torch.bool), torch.inf)
        flat_indices, _ = flat_step_indices(episodes.running)
        shape = (batch, steps, agents, agents)
        padded = before.new_full((batch * steps, agents, agents), torch.inf).index_copy_(0, flat_indices, ratio)
        entropies = torch.zeros_like(padded).index_copy_(0, flat_indices, before)
        return padded.view(shape), entropies.view(shape)

    def _logits(self, before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        """The logits of q_before and q_after, [M, j, i, O] each, from substates [M, N, O]."""
        steps, agents, _ = before.shape
        actor = self._identities[None, :, None].expand(steps, -1, agents, -1)
        receiver = self._identities[None, None].expand(steps, agents, -1, -1)
        first, second = (substate[:, None].expand(-1, agents, -1, -1) for substate in (before, after))
        return self.before(torch.cat([first, receiver, actor], -1)), self.after(torch.cat([first, second, receiver, actor], -1))


def _substates(episodes: Episodes) -> tuple[Tensor, Tensor]:
    """The substates before and after the steps that happened, [M, N, O] each."""
    _, indices = flat_step_indices(episodes.running)
    flat = episodes.observation.flatten(0, 1)
    return flat.index_select(0, indices), flat.index_select(0, indices + 1)
