"""The study of what dependence graphs cost: what it times does what it says, and its verdicts follow the numbers."""

from __future__ import annotations

import pytest
import torch

from algorithms.advantages.dependence_graph.graph import multi_agent_advantage, with_self_loops
from algorithms.returns import discounted_sums
from benchmark.papers.dependence_graphs.studies.dependence_graph_cost import (
    FULL,
    PARTS,
    QUICK,
    Cost,
    Costs,
    Size,
    advantage_by_products,
    findings,
)
from benchmark.papers.runner import run_study
from benchmark.papers.studies import studies


@pytest.mark.parametrize("floor", [0.0, 0.05])
def test_products_of_matrices_give_the_same_advantage_as_the_recursion(floor: float) -> None:
    draws = torch.Generator().manual_seed(0)
    graph = with_self_loops(torch.rand(6, 9, 5, 5, generator=draws) < 0.2)
    errors = torch.randn(6, 9, 5, generator=draws)
    recursion = multi_agent_advantage(graph, discounted_sums(errors, 0.9), 0.9, floor)
    torch.testing.assert_close(advantage_by_products(graph, errors, 0.9, floor), recursion, atol=1e-5, rtol=1e-4)


def made_up(good: bool, size: Size = FULL) -> Costs:
    """What would be measured if all predictions held, or none."""
    seconds = {"PPO, paper": 1.0, "PPO, defaults": 0.5, "rollout": 0.01}
    seconds |= {"edges": 0.9, "recursion": 0.01, "recursion, full graph": 0.02, "products": 3.0}
    seconds |= {"fit": 2.0, "fit, drawn": 0.3}
    if not good:
        seconds |= {"recursion": 0.2, "products": 0.1, "fit": 0.01, "fit, drawn": 1.5}
    return {
        (agents, part): Cost(agents / 8 * (seconds[part] if good or part != "edges" or agents == 8 else 0.1), 1 << 20)
        for agents in size.agents
        for part in PARTS
    }


@pytest.mark.parametrize(("good", "verdict"), [(True, "supported"), (False, "not supported")])
def test_verdicts_follow_the_costs(good: bool, verdict: str) -> None:
    found = findings(FULL, made_up(good))
    assert {prediction.verdict for prediction in found.predictions} == {verdict}
    seconds, split, memory, growth = found.tables
    assert seconds.rows[0][1:] == pytest.approx(tuple(made_up(good)[2, part].seconds for part in PARTS))
    assert all(sum(row[3:]) == pytest.approx(1, abs=1e-4) for row in split.rows)  # type: ignore[arg-type]
    assert set(memory.rows[0][1:]) == {1.0}
    assert [row[0] for row in growth.rows] == list(PARTS)


def test_what_was_not_measured_is_not_decided() -> None:
    verdicts = [prediction.verdict for prediction in findings(QUICK, made_up(True, QUICK)).predictions]
    assert verdicts == ["supported", "supported", "undecided", "undecided", "supported"]


def test_the_study_runs_and_measures_every_part() -> None:
    result = run_study(studies()["dependence-graph-cost"], quick=True, progress=lambda *told: None)
    assert result.tables[0].columns == ("agents", *PARTS)
    assert [row[0] for row in result.tables[0].rows] == list(QUICK.agents)
    assert all(number > 0 for row in result.tables[0].rows for number in row[1:])  # type: ignore[operator]
