"""The credit that STAS and STAS-ML recover where it is known: R = sum over steps and agents of u(o_{t,i})."""

from __future__ import annotations

from typing import Any

import pytest

from algorithms.redistribution.models import coalition_layer
from algorithms.redistribution.stas import STAS
from algorithms.settings.redistribution import STASSettings
from tests.fixtures.reward_models import KnownCredit, fitted, generator, scores_of


def small(agent_layers: int = 1, seed: int = 0, **settings: Any) -> STAS:
    chosen = STASSettings(**({"width": 32, "depth": 1, "coalitions": 3} | settings))
    return STAS(chosen, KnownCredit.team, generator(seed), agent_layers)


@pytest.mark.parametrize("layers", [1, 2], ids=["stas", "stas-ml"])
def test_predicts_unseen_returns_and_ranks_the_credit_behind_them(layers: int) -> None:
    fit = fitted(small(layers, depth=layers), 400, 3e-3)
    assert fit.return_r2 >= 0.95
    assert fit.credit_correlation >= 0.8


@pytest.mark.parametrize("law", ["permutation", "exact"])
def test_other_coalition_laws_reach_the_same_fit(law: str) -> None:
    fit = fitted(small(shapley=law), 300, 3e-3)
    assert fit.return_r2 >= 0.95
    assert fit.credit_correlation >= 0.75


def test_without_coalitions_the_return_is_fitted_but_credit_goes_to_the_wrong_agents() -> None:
    """All agents attend to all agents: nothing ties an agent's score to its own actions."""
    fit = fitted(small(shapley="all"), 300, 3e-3)
    assert fit.return_r2 >= 0.95
    assert fit.credit_correlation < 0.7


def test_rotations_of_a_permuted_embedding_give_identical_agents_equal_credit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have the same mean credit here. What a row of the embedding is worth, the sum over agents cannot tell."""
    model, unseen = small(seed=1), KnownCredit(500, seed=1).trajectories
    fitted(model, 300, 3e-3)

    def difference() -> float:
        first, second = scores_of(model, unseen).mean((0, 1)).tolist()
        return abs(first - second)

    averaged = difference()
    monkeypatch.setattr(coalition_layer, "ROTATIONS", 1)
    assert difference() > 0.1
    assert averaged < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("law", ["banzhaf_masks", "permutation", "owen", "exact"])
def test_the_published_depth_also_learns_the_credit(law: str) -> None:
    fit = fitted(small(width=64, depth=3, coalitions=5, shapley=law), 600, 1e-3)
    assert fit.return_r2 >= 0.95
    assert fit.credit_correlation >= 0.8
