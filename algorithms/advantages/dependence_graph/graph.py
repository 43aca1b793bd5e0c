"""What a dependence graph does to credit: earliest arrival and the multi-agent advantage.

A graph [B, T, N, N] bool holds at [b, t, j, i] whether agent j's action at step t influences agent i's next substate or its
reward of that step. Row = who influences, column = who is influenced. Every agent influences itself.

E_t[j, i], the earliest arrival, is the first step e >= t whose edges complete a path from (t, j) to (e + 1, i). Before e
nothing that j did at t has reached agent i, if all influence is by actions. The paper's advantage sums the later TD errors of
all agents i,
    A_t^j = sum_{u >= t} (gamma lambda)^(u-t) sum_i w_{t,u}[j, i] delta_u^i,   w = (1 - floor) [u >= E_t[j, i]] + floor,
and because self loops let reachability only grow with u, this is, with agent i's ordinary advantage A^i (its GAE),
    A_t^j = (1 - floor) sum_i (gamma lambda)^(E-t) A_E^i + floor sum_i A_t^i,  E = E_t[j, i],
with no term where i is never reached. Full graph: everyone gets sum_i A_t^i. Only self loops, floor 0: everyone its own.

Steps beyond an episode's end need no mask here: the GAE is zero there, whatever the graph says.

The mean of this over trajectories is the gradient of the team's return on two conditions. Which edges exist from t on does not
depend on j's own action at t: the errors left out then have mean zero given that action. Where it does depend (an agent walks
to a switch; near it there are edges, elsewhere none), the mean is biased, unless what is left out is zero for a reason of its
own: no reward without influence and no critic. And no influence goes through states alone: what j's action does to j's own
state, which then moves i whatever j does next, is on no path of such edges, and its credit is lost (a graph of the paper's
definition has an edge there; its models and interventions on actions show none). The paper states the result without the first
condition and assumes the second of its models; tests/algorithms/test_dependence_graph_gradients.py counts both.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor


def with_self_loops(graph: Tensor) -> Tensor:
    """The graph [B, T, N, N] bool, every agent influencing itself."""
    return graph | torch.eye(graph.shape[-1], dtype=torch.bool, device=graph.device)


def earliest_arrival(graph: Tensor) -> Tensor:
    """E [B, T, N, N] int64 of a graph [B, T, N, N] bool; T where agent i is never reached.

    Raises ValueError if a self loop is missing.
    """
    return torch.stack([arrival for _, arrival in _backwards(graph)][::-1], 1)


def multi_agent_advantage(graph: Tensor, advantage: Tensor, decay: float, floor: float) -> Tensor:
    """The multi-agent advantage [B, T, N] from every agent's own.

    graph [B, T, N, N] bool; advantage [B, T, N]: the GAE of agent i's own reward and value, zero after the episode's end;
    decay: its gamma * lambda; floor: the weight that errors of unreached agents keep. O(B T N^2 d) for a mean out-degree
    of d, with B N^2 numbers beside the arguments. Raises ValueError if a self loop is missing.
    """
    steps = advantage.shape[1]
    everyone = advantage.sum(-1, keepdim=True)
    # One more step, worth nothing: where the never reached are reached.
    later = F.pad(advantage, (0, 0, 0, 1))
    discounts = decay ** torch.arange(steps + 1, dtype=advantage.dtype, device=advantage.device)
    credited = torch.empty_like(advantage)
    for step, arrival in _backwards(graph):
        terms = later.gather(1, arrival) * discounts[arrival - step]
        credited[:, step] = terms.sum(-1)
    return (1 - floor) * credited + floor * everyone


def _backwards(graph: Tensor) -> Iterator[tuple[int, Tensor]]:
    """t = T-1, …, 0 with E_t [B, N, N] int64: t where there is an edge, else the earliest E_{t+1} of those j influences."""
    if not graph.diagonal(dim1=-2, dim2=-1).all():
        raise ValueError("a dependence graph needs every self loop: diagonal entries are missing")
    batch, steps, agents, _ = graph.shape
    rows = batch * agents
    # The minimum over the influenced is a maximum of negatives, which embedding_bag reduces without making the B N^2 d
    # gathered numbers. Its tables are float32, in which step numbers are exact.
    ahead = torch.full((rows, agents), -float(steps), device=graph.device)
    for step in range(steps - 1, -1, -1):
        edges = graph[:, step].reshape(rows, agents)
        actor, influenced = edges.nonzero().unbind(1)
        degree = edges.sum(-1)
        table_row = actor - actor % agents + influenced
        reached = F.embedding_bag(table_row, ahead, degree.cumsum(0) - degree, mode="max")
        ahead = reached.masked_fill(edges, -float(step))
        yield step, ahead.view(batch, agents, agents).neg().long()
