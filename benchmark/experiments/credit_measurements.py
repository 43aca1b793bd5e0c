"""Measurements of credit in a record's `outcome.credit`. Strictly checked: a record may come from an untrusted source."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from benchmark.experiments.run_spec import RunSpec
from benchmark.experiments.validation import Strict

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=2**53)]

MAXIMUM_AGENTS_SHOWN = 32
"""The largest team whose mean graphs and drawn episode are kept."""
MAXIMUM_STEPS_DRAWN = 200
MAXIMUM_EDGES_DRAWN = 4000
"""Claimed and true edges together. With these limits a measurement takes at most 37,000 bytes of a record."""

Matrix = Annotated[tuple[tuple[Share, ...], ...], Field(max_length=MAXIMUM_AGENTS_SHOWN)]
Edges = Annotated[tuple[tuple[Count, ...], ...], Field(max_length=MAXIMUM_STEPS_DRAWN)]

OracleName = Literal["observation", "state", "reward", "state and reward"]
"""Where an intervention's effect on an agent is looked for: its whole next observation; the part of it that is not about other
agents (its substate); its individual reward of that step; either of the last two."""

ORACLES: tuple[OracleName, ...] = ("observation", "state", "reward", "state and reward")
CHIEF_ORACLE: OracleName = "state and reward"


class GraphAgreement(Strict):
    """Agreement of a claimed graph with one oracle, over all ordered pairs of different agents of which the first acted.

    `density`: the share of these pairs with an edge in the oracle. `precision`, `recall`, `f1`: of the claimed edges (None
    where undefined: no claimed or no true edges). `auroc`: area under the ROC curve of the score behind the claim, over the
    pairs with a score: not those whose actor was nearly deterministic or whose receiver died (None without a score, or where
    all pairs have, or none has, an edge).
    """

    oracle: OracleName
    density: Share
    precision: Share | None
    recall: Share | None
    f1: Share | None
    auroc: Share | None


class DrawnGraph(Strict):
    """One episode's edges between different agents: for each of T steps the numbers j * N + i of the edges j -> i, ascending.

    `claimed`: by the method; `true`: by the oracle "state and reward".
    """

    claimed: Edges
    true: Edges

    @model_validator(mode="after")
    def _small_and_in_order(self) -> DrawnGraph:
        if len(self.claimed) != len(self.true):
            raise ValueError("both graphs need one entry per step")
        if sum(map(len, self.claimed + self.true)) > MAXIMUM_EDGES_DRAWN:
            raise ValueError(f"no more than {MAXIMUM_EDGES_DRAWN} edges are drawn")
        if any(before >= after for edges in self.claimed + self.true for before, after in pairwise(edges)):
            raise ValueError("the edges of a step must ascend")
        return self


class GraphMeasurement(Strict):
    """A method's influence graph compared with that of interventions in the simulator, on fresh episodes.

    `step`: when the evaluation was due; `episodes`: how many were compared. `density`: the share of pairs of different agents
    with a claimed edge. `mean_claimed`, `mean_true` [N][N]: the share of the steps at which j acted that have an edge j -> i
    (row j, column i; 1 on the diagonal), the latter by the oracle "state and reward"; only in the last measurement of a run,
    as is `drawn`, and only within the limits above.
    """

    kind: Literal["graph"]
    step: Count
    steps_done: Count
    episodes: Annotated[int, Field(ge=1, le=2**53)]
    density: Share
    agreement: Annotated[tuple[GraphAgreement, ...], Field(min_length=1, max_length=4)]
    mean_claimed: Matrix | None = None
    mean_true: Matrix | None = None
    drawn: DrawnGraph | None = None

    @model_validator(mode="after")
    def _consistent(self) -> GraphMeasurement:
        names = [agreement.oracle for agreement in self.agreement]
        if len(set(names)) < len(names):
            raise ValueError("an oracle is named twice")
        for matrix in (self.mean_claimed, self.mean_true):
            if matrix is not None and any(len(row) != len(matrix) for row in matrix):
                raise ValueError("a mean graph must be square")
        if self.agents_shown != (None if self.mean_true is None else len(self.mean_true)):
            raise ValueError("both mean graphs must be of the same agents")
        if self.drawn is not None:
            agents = self.agents_shown
            if agents is None:
                raise ValueError("a graph is drawn beside the mean graphs only")
            if any(
                edge >= agents**2 or edge % (agents + 1) == 0
                for edges in self.drawn.claimed + self.drawn.true
                for edge in edges
            ):
                raise ValueError(f"an edge is drawn that is none between different agents of {agents}")
        return self

    @property
    def agents_shown(self) -> int | None:
        """N of the mean graphs and of the drawn graph; None without them."""
        return None if self.mean_claimed is None else len(self.mean_claimed)

    def without_pictures(self) -> GraphMeasurement:
        """The same measurement without mean graphs and drawn graph, which take most of the space."""
        return self.model_copy(update={"mean_claimed": None, "mean_true": None, "drawn": None})


def measuring_points(spec: RunSpec) -> frozenset[int]:
    """The numbers of the evaluations with a measurement: the first, those at or after each quarter, and the last.

    Empty for methods without an influence graph, and on real packages, whose states cannot be copied.
    """
    return quarter_points(spec) if spec.backend == "native" and spec.entry().claims_influence else frozenset()


def quarter_points(spec: RunSpec) -> frozenset[int]:
    """The numbers of the evaluations that are the first, at or after a quarter, or the last."""
    last = spec.evaluation.points - 1
    return frozenset(-(-last * quarter // 4) for quarter in range(5))
