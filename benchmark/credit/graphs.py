"""Agreement of a method's influence graph with the graph of interventions in the simulator.

All numbers are over the ordered pairs (j, i) of different agents at the steps at which j acted, of all episodes together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor

from algorithms.interface import Episodes, Influence
from benchmark.experiments.credit_measurements import (
    CHIEF_ORACLE,
    MAXIMUM_AGENTS_SHOWN,
    MAXIMUM_EDGES_DRAWN,
    MAXIMUM_STEPS_DRAWN,
    DrawnGraph,
    GraphAgreement,
    GraphMeasurement,
    OracleName,
)

Bools = NDArray[np.bool_]


def measure_graph(
    influence: Influence, episodes: Episodes, *, step: int, steps_done: int, pictures: bool
) -> GraphMeasurement | None:
    """Compares a claimed graph [B, T, N, N] of these episodes with the oracles of the probe "oracle_graph".

    None if there is no pair to compare. `step`, `steps_done`: see GraphMeasurement. `pictures`: whether to keep the mean graphs
    and the edges of the first episode, where they are small enough. Raises ValueError for claims or oracles that are missing or
    have another shape or type.
    """
    claimed = _checked("the claimed graph", influence.graph, episodes)
    truths = oracle_graphs(episodes)
    acting = episodes.acting.cpu().numpy()
    valid = acting[..., None] & ~np.eye(acting.shape[-1], dtype=np.bool_)
    if not valid.any():
        return None
    pairs = claimed[valid]
    scored, ranks = None, None
    if influence.score is not None:
        score = _checked("the score", influence.score, episodes, floating=True)[valid]
        scored = np.isfinite(score)
        ranks = rankdata(score[scored])
    agreement = []
    for name, truth in truths.items():
        true = truth[valid]
        area = None if scored is None or ranks is None else area_under_curve(ranks, true[scored])
        agreement.append(agreement_of(name, pairs, true, area))
    mean_claimed, mean_true, drawn = None, None, None
    if pictures and acting.shape[-1] <= MAXIMUM_AGENTS_SHOWN:
        true, length = truths[CHIEF_ORACLE], int(episodes.length[0])
        mean_claimed, mean_true = mean_graph(claimed, acting), mean_graph(true, acting)
        drawn = drawn_graph((claimed & valid)[0, :length], (true & valid)[0, :length])
    return GraphMeasurement(
        kind="graph",
        step=step,
        steps_done=steps_done,
        episodes=len(acting),
        density=float(pairs.mean()),
        agreement=tuple(agreement),
        mean_claimed=mean_claimed,
        mean_true=mean_true,
        drawn=drawn,
    )


def oracle_graphs(episodes: Episodes) -> dict[OracleName, Bools]:
    """The oracles [B, T, N, N] of episodes that were recorded with the probe "oracle_graph". Raises ValueError without it."""

    def oracle(name: str) -> Bools:
        graph = episodes.privileged.get(name)
        if graph is None:
            raise ValueError(f"these episodes hold no '{name}': record them with the probe oracle_graph")
        return _checked(f"'{name}'", graph, episodes)

    state, reward = oracle("state_graph"), oracle("reward_graph")
    return {"observation": oracle("observation_graph"), "state": state, "reward": reward, "state and reward": state | reward}


def agreement_of(oracle: OracleName, claimed: Bools, true: Bools, auroc: float | None) -> GraphAgreement:
    """Claimed edges [P] beside true ones [P]."""
    hits = int(np.count_nonzero(claimed & true))
    claims, truths = int(np.count_nonzero(claimed)), int(np.count_nonzero(true))
    return GraphAgreement(
        oracle=oracle,
        density=truths / len(true),
        precision=hits / claims if claims else None,
        recall=hits / truths if truths else None,
        f1=2 * hits / (claims + truths) if claims + truths else None,
        auroc=auroc,
    )


def area_under_curve(ranks: NDArray[np.float64], true: Bools) -> float | None:
    """The area under the ROC curve: the probability that a true pair has a higher score than another, ties counting half.

    ranks [P]: of the scores, from 1, ties sharing their mean; true [P]. None if all pairs or no pairs are true.
    """
    positives = int(np.count_nonzero(true))
    negatives = len(true) - positives
    if positives == 0 or negatives == 0:
        return None
    above = float(ranks[true].sum()) - positives * (positives + 1) / 2
    return above / (positives * negatives)


def mean_graph(graph: Bools, acting: Bools) -> tuple[tuple[float, ...], ...]:
    """[N][N] the share of the steps at which j acted that have an edge j -> i, to 4 digits; 1 on the diagonal.

    graph [B, T, N, N], acting [B, T, N]. The other entries of an agent that never acted are 0.
    """
    edges = (graph & acting[..., None]).sum((0, 1))
    mean = edges / np.maximum(acting.sum((0, 1)), 1)[:, None]
    np.fill_diagonal(mean, 1.0)
    return tuple(tuple(round(float(share), 4) for share in row) for row in mean)


def drawn_graph(claimed: Bools, true: Bools) -> DrawnGraph | None:
    """Both graphs [T, N, N] of one episode, without self loops, as lists of edges; None above the limits of what is drawn."""
    if len(claimed) > MAXIMUM_STEPS_DRAWN or int(claimed.sum() + true.sum()) > MAXIMUM_EDGES_DRAWN:
        return None
    return DrawnGraph(claimed=_edges(claimed), true=_edges(true))


def _edges(graph: Bools) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(np.flatnonzero(step).tolist()) for step in graph)


def _checked(what: str, tensor: Tensor, episodes: Episodes, *, floating: bool = False) -> NDArray[Any]:
    batch, steps, agents = episodes.action.shape
    shape = (batch, steps, agents, agents)
    if tensor.shape != shape or (not tensor.is_floating_point() if floating else tensor.dtype != torch.bool):
        kind = "float" if floating else "bool"
        raise ValueError(f"{what} must be {kind} {shape}, not {tensor.dtype} {tuple(tensor.shape)}")
    return tensor.detach().cpu().numpy()
