"""Earliest arrival in a dependence graph, and the multi-agent advantage.

A graph [B, T, N, N] bool is True at [b, t, j, i] if agent j's action at step t influences agent i's next substate or its reward
of that step. Row = influencing agent, column = influenced agent. Every agent influences itself.

E_t[j, i], the earliest arrival, is the first step e >= t whose edges complete a path from (t, j) to (e + 1, i). If all
influence is by actions, then before e nothing that j did at t has reached agent i. The paper's advantage sums the later TD
errors of all agents i,
    A_t^j = sum_{u >= t} (gamma lambda)^(u-t) sum_i w_{t,u}[j, i] delta_u^i,   w = (1 - floor) [u >= E_t[j, i]] + floor.
Because of the self loops, an agent that is reached stays reached. With agent i's ordinary advantage A^i (its GAE) this is
    A_t^j = (1 - floor) sum_i (gamma lambda)^(E-t) A_E^i + floor sum_i A_t^i,  E = E_t[j, i],
without a term for agents i that are never reached. Full graph: every agent gets sum_i A_t^i. Self loops only and floor 0: every
agent gets its own advantage. tests/oracles/dependence_graph.py computes E by walking along the edges and A by the double sum;
the tests compare this module with them.

Steps after an episode's end need no mask here: the GAE is zero there, for any graph.

The mean of this advantage over trajectories is the gradient of the team's return under two conditions. (1) Which edges exist
from t on does not depend on j's own action at t: the errors left out then have mean zero given that action. Where it does
depend (an agent walks to a switch; edges exist only near it), the mean is biased, unless the terms left out are zero for
another reason: no reward without influence and no critic. (2) No influence goes through states alone: if j's action changes j's
own state, and that state later affects i whatever j does next, no path of such edges contains it, and its credit is lost (a
graph by the paper's definition has an edge there; its models and interventions on actions do not). The paper states the result
without the first condition and assumes the second of its models; tests/algorithms/test_dependence_graph_gradients.py tests
both.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor


def with_self_loops(graph: Tensor) -> Tensor:
    """The graph [B, T, N, N] bool with all self loops."""
    return graph | torch.eye(graph.shape[-1], dtype=torch.bool, device=graph.device)


def earliest_arrival(graph: Tensor) -> Tensor:
    """Earliest arrival E [B, T, N, N] int64 of a graph [B, T, N, N] bool; T where agent i is never reached.

    Raises ValueError if a self loop is missing.
    """
    return torch.stack([arrival for _, arrival in _backwards(graph)][::-1], 1)


def multi_agent_advantage(graph: Tensor, advantage: Tensor, decay: float, floor: float) -> Tensor:
    """The multi-agent advantage [B, T, N] from every agent's own.

    graph [B, T, N, N] bool; advantage [B, T, N]: the GAE of agent i's own reward and value, zero after the episode's end;
    decay: gamma * lambda; floor: the weight of the TD errors of agents that are not reached. O(B T N^2 d) for a mean out-degree
    of d, with B N^2 numbers beside the arguments. Raises ValueError if a self loop is missing.
    """
    steps = advantage.shape[1]
    of_all_agents = advantage.sum(-1, keepdim=True)
    # Step T, with advantage 0, is the arrival of agents that are never reached.
    padded = F.pad(advantage, (0, 0, 0, 1))
    discounts = decay ** torch.arange(steps + 1, dtype=advantage.dtype, device=advantage.device)
    credited = torch.empty_like(advantage)
    for step, arrival in _backwards(graph):
        terms = padded.gather(1, arrival) * discounts[arrival - step]
        credited[:, step] = terms.sum(-1)
    return (1 - floor) * credited + floor * of_all_agents


def _backwards(graph: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yields t = T-1, …, 0 with E_t [B, N, N] int64.

    E_t[j, i] = t if there is an edge (j, i) at t, else the minimum of E_{t+1}[k, i] over the agents k that j influences at t.
    """
    if not graph.diagonal(dim1=-2, dim2=-1).all():
        raise ValueError("a dependence graph needs every self loop: diagonal entries are missing")
    batch, steps, agents, _ = graph.shape
    rows = batch * agents
    # The minimum over the influenced agents is a maximum of negatives, which embedding_bag computes without materialising the
    # B N^2 d gathered numbers. Its tables are float32, in which step numbers are exact.
    negative_arrival = torch.full((rows, agents), -float(steps), device=graph.device)
    for step in range(steps - 1, -1, -1):
        edges = graph[:, step].reshape(rows, agents)
        actor, influenced = edges.nonzero().unbind(1)
        degree = edges.sum(-1)
        table_row = actor - actor % agents + influenced
        reached = F.embedding_bag(table_row, negative_arrival, degree.cumsum(0) - degree, mode="max")
        negative_arrival = reached.masked_fill(edges, -float(step))
        yield step, negative_arrival.view(batch, agents, agents).neg().long()
