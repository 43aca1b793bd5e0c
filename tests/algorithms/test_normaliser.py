"""TAR2's normaliser: against a loop in plain Python, for every kind of episode, and against what the release loses."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from algorithms.redistribution.models.normaliser import (
    CODED_EPSILON,
    Kind,
    Learned,
    agent_weights,
    normalised_rewards,
    time_weights,
)

SUMMING: tuple[Kind, ...] = ("fixed", "signed", "softmax")
WEIGHTED: tuple[Kind, ...] = ("fixed", "signed", "coded", "softmax")
LEARNED: tuple[Learned, ...] = ("both", "time", "agents", "neither")
AGENTS = [1, 2, 5, 10]
RETURNS = [-7.0, 0.0, 13.0]


@st.composite
def episodes(draw: st.DrawFn) -> dict[str, Any]:
    """Scores [B, T, N] of any scale or constant, deaths, single survivors, steps in which all are dead, ragged lengths."""
    batch, steps, agents = draw(st.integers(1, 3)), draw(st.integers(1, 7)), draw(st.sampled_from(AGENTS))
    source = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    scale, offset = draw(st.sampled_from([0.0, 1e-6, 1e-3, 1.0, 1e4])), draw(st.sampled_from([0.0, -3.0, 1e3]))
    scores = torch.randn(batch, steps, agents, generator=source, dtype=dtype) * scale + offset
    acting = torch.rand(batch, steps, agents, generator=source) < draw(st.sampled_from([0.15, 0.6, 1.0]))
    length = torch.randint(1, steps + 1, (batch, 1, 1), generator=source)
    acting &= torch.arange(steps)[:, None] < length
    acting[:, 0, 0] = True
    returns = torch.tensor([draw(st.sampled_from(RETURNS)) for _ in range(batch)], dtype=dtype)
    return {"scores": scores, "acting": acting, "returns": returns}


def worst_sum_error(shares: Tensor, returns: Tensor) -> float:
    """max |sum r - R| / max(1, |R|) of shares [B, T, N]."""
    return float(((shares.sum((1, 2)) - returns).abs() / returns.abs().clamp(min=1)).max())


@settings(deadline=None, max_examples=200)
@given(episodes(), st.sampled_from(SUMMING), st.sampled_from(LEARNED))
def test_the_shares_of_any_episode_sum_to_its_return(case: dict[str, Any], kind: Kind, learned: Learned) -> None:
    shares = normalised_rewards(**case, kind=kind, learned=learned)
    assert shares.dtype == case["scores"].dtype
    assert worst_sum_error(shares, case["returns"]) <= 1e-5
    assert shares.isfinite().all()
    assert not shares[~case["acting"]].any()


@settings(deadline=None, max_examples=200)
@given(episodes(), st.sampled_from(["fixed", "softmax"]))
def test_weights_are_fractions_of_one(case: dict[str, Any], kind: Kind) -> None:
    scores, acting = case["scores"], case["acting"]
    over_time, over_agents = time_weights(scores, acting, kind), agent_weights(scores, acting, kind)
    somebody = acting.any(-1)
    assert over_time.min() >= 0
    assert over_agents.min() >= 0
    assert torch.allclose(over_time.sum(1).double(), torch.ones(len(scores), dtype=torch.float64), atol=1e-5)
    assert torch.allclose(over_agents.sum(-1).double(), somebody.double(), atol=1e-5)
    assert not over_time[~somebody].any()


@settings(deadline=None, max_examples=100)
@given(episodes(), st.sampled_from(WEIGHTED), st.sampled_from(LEARNED))
def test_no_share_has_the_opposite_sign_of_the_return(case: dict[str, Any], kind: Kind, learned: Learned) -> None:
    shares = normalised_rewards(**case, kind=kind, learned=learned)
    assert (shares * case["returns"][:, None, None] >= 0).all()


@settings(deadline=None, max_examples=100)
@given(episodes(), st.sampled_from(WEIGHTED), st.sampled_from(LEARNED))
def test_scores_where_no_agent_acts_have_no_effect(case: dict[str, Any], kind: Kind, learned: Learned) -> None:
    shares = normalised_rewards(**case, kind=kind, learned=learned)
    for rubbish in (1e6, math.nan, math.inf):
        case["scores"] = case["scores"].masked_fill(~case["acting"], rubbish)
        assert torch.equal(normalised_rewards(**case, kind=kind, learned=learned), shares)


@settings(deadline=None, max_examples=50)
@given(episodes(), st.sampled_from([0.5, 3.0]), st.integers(0, 2**31))
def test_a_positive_factor_of_the_scores_changes_nothing(case: dict[str, Any], factor: float, seed: int) -> None:
    # Not of scores that are all but equal: the threshold of equality knows their scale.
    source = torch.Generator().manual_seed(seed)
    case["scores"] = torch.randn(case["scores"].shape, generator=source, dtype=torch.float64)
    shares = normalised_rewards(**case, kind="fixed")
    case["scores"] = case["scores"] * factor
    assert torch.allclose(normalised_rewards(**case, kind="fixed").double(), shares.double(), atol=1e-9)


def by_hand(scores: Tensor, acting: Tensor, returns: float, epsilon: float, fallback: bool) -> Tensor:
    """One episode [T, N] with the published formulas, entry by entry."""
    steps, agents = scores.shape
    live = [t for t in range(steps) if any(acting[t])]
    sums = {t: sum(float(scores[t, i]) for i in range(agents) if acting[t, i]) for t in live}
    lowest = min(sums.values())
    total = sum(value - lowest for value in sums.values()) + epsilon
    shares = torch.zeros(steps, agents, dtype=torch.float64)
    for t in live:
        step = (sums[t] - lowest) / total if total or not fallback else 1 / len(live)
        present = [i for i in range(agents) if acting[t, i]]
        least = min(float(scores[t, i]) for i in present)
        above = sum(float(scores[t, i]) - least for i in present) + epsilon
        for i in present:
            agent = (float(scores[t, i]) - least) / above if above or not fallback else 1 / len(present)
            shares[t, i] = step * agent * returns
    return shares


@pytest.mark.parametrize(("kind", "epsilon"), [("fixed", 0.0), ("coded", CODED_EPSILON)])
def test_the_weights_are_those_of_a_plain_loop(kind: Kind, epsilon: float) -> None:
    source = torch.Generator().manual_seed(0)
    scores = torch.randn(20, 6, 3, generator=source, dtype=torch.float64)
    acting = torch.rand(20, 6, 3, generator=source) < 0.6
    acting[:, 0] = True
    returns = torch.randn(20, generator=source, dtype=torch.float64) * 5
    shares = normalised_rewards(scores, acting, returns, kind)
    for row in range(20):
        expected = by_hand(scores[row], acting[row], float(returns[row]), epsilon, fallback=kind == "fixed")
        assert torch.allclose(shares[row], expected, atol=1e-12)


def test_a_hand_computed_episode() -> None:
    # Sums 6, 1 and, of the one survivor, 3: above the lowest 5, 0, 2. Agents above their lowest: (0, 2), (0, 3), alone.
    scores = torch.tensor([[[2.0, 4.0], [-1.0, 2.0], [3.0, 99.0]]])
    acting = torch.tensor([[[True, True], [True, True], [True, False]]])
    shares = normalised_rewards(scores, acting, torch.tensor([14.0]), "fixed")
    assert torch.allclose(shares, torch.tensor([[[0.0, 10.0], [0.0, 0.0], [4.0, 0.0]]]), atol=1e-6)
    equal_agents = normalised_rewards(scores, acting, torch.tensor([14.0]), "fixed", "time")
    assert torch.allclose(equal_agents, torch.tensor([[[5.0, 5.0], [0.0, 0.0], [4.0, 0.0]]]), atol=1e-6)
    equal_steps = normalised_rewards(scores, acting, torch.tensor([14.0]), "fixed", "agents") * 3 / 14
    assert torch.allclose(equal_steps, torch.tensor([[[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]]), atol=1e-6)
    equal_parts = normalised_rewards(scores, acting, torch.tensor([14.0]), "fixed", "neither") * 3 / 14
    assert torch.allclose(equal_parts, torch.tensor([[[0.5, 0.5], [0.5, 0.5], [1.0, 0.0]]]), atol=1e-6)


def test_softmax_weights_computed_by_hand() -> None:
    scores = torch.tensor([[[0.0, math.log(3.0)], [math.log(3.0), 7.0]]])
    acting = torch.tensor([[[True, True], [True, False]]])
    shares = normalised_rewards(scores, acting, torch.tensor([8.0]), "softmax")
    assert torch.allclose(shares, torch.tensor([[[1.0, 3.0], [4.0, 0.0]]]), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_scores_give_equal_parts(dtype: torch.dtype) -> None:
    scores, acting = torch.full((2, 4, 5), 0.1, dtype=dtype), torch.ones(2, 4, 5, dtype=torch.bool)
    shares = normalised_rewards(scores, acting, torch.tensor([20.0, -20.0], dtype=dtype), "fixed")
    assert torch.allclose(shares[0], torch.ones(4, 5, dtype=dtype))
    assert torch.allclose(shares[1], -torch.ones(4, 5, dtype=dtype))


def test_a_large_common_offset_of_the_scores_costs_no_precision() -> None:
    """A weight is a difference of sums: in float32, ten scores near 1000 sum to multiples of 1/1024."""
    steps = torch.randint(0, 8, (20, 30, 10), generator=torch.Generator().manual_seed(0)).double()
    acting, returns = torch.ones(20, 30, 10, dtype=torch.bool), torch.full((20,), 300.0)
    expected = normalised_rewards(steps, acting, returns.double(), "fixed")
    shares = normalised_rewards((1000 + steps / 8192).float(), acting, returns, "fixed")
    assert torch.allclose(shares.double(), expected, atol=1e-4)


def test_a_single_acting_agent_gets_the_whole_return() -> None:
    for agents in (1, 4):
        acting = torch.zeros(1, 5, agents, dtype=torch.bool)
        acting[..., -1] = True
        scores = torch.randn(1, 5, agents, generator=torch.Generator().manual_seed(1))
        shares = normalised_rewards(scores, acting, torch.tensor([3.0]), "fixed")
        assert shares[..., -1].sum() == pytest.approx(3.0)
        assert not shares[..., :-1].any()


def test_an_episode_in_which_no_agent_acts_has_no_shares() -> None:
    for kind in WEIGHTED:
        shares = normalised_rewards(torch.ones(1, 3, 2), torch.zeros(1, 3, 2, dtype=torch.bool), torch.tensor([5.0]), kind)
        assert torch.equal(shares, torch.zeros(1, 3, 2))


@pytest.mark.parametrize("kind", ["fixed", "signed", "coded", "softmax", "none"])
def test_a_nan_score_gives_nan_shares(kind: Kind) -> None:
    scores = torch.zeros(2, 3, 2)
    scores[0, 1, 1] = math.nan
    shares = normalised_rewards(scores, torch.ones(2, 3, 2, dtype=torch.bool), torch.ones(2), kind)
    assert shares[0].isnan().any()
    assert shares[1].isfinite().all()


@pytest.mark.parametrize(("survivor_steps", "kept"), [(5, 0.90), (15, 0.70), (25, 0.50)])
def test_the_released_normaliser_loses_the_steps_of_a_single_survivor(survivor_steps: int, kept: float) -> None:
    scores = torch.randn(500, 50, 5, generator=torch.Generator().manual_seed(0))
    acting = torch.ones(500, 50, 5, dtype=torch.bool)
    acting[:, 50 - survivor_steps :, 1:] = False
    returns = torch.full((500,), 20.0)
    assert float(normalised_rewards(scores, acting, returns, "coded").sum((1, 2)).mean()) / 20 == pytest.approx(kept, abs=0.02)
    assert worst_sum_error(normalised_rewards(scores, acting, returns, "fixed"), returns) <= 1e-5


@pytest.mark.parametrize(("deviation", "kept"), [(0.0, 0.0), (1e-5, 0.83), (1e-3, 0.997)])
def test_the_released_normaliser_loses_return_where_scores_hardly_differ(deviation: float, kept: float) -> None:
    scores = deviation * torch.randn(500, 50, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    acting, returns = torch.ones(500, 50, 5, dtype=torch.bool), torch.ones(500, dtype=torch.float64)
    shares = normalised_rewards(scores, acting, returns, "coded")
    assert float(shares.sum((1, 2)).mean()) == pytest.approx(kept, abs=0.01)


def test_the_released_normaliser_gives_a_lone_agent_nothing() -> None:
    scores = torch.randn(3, 4, 1, generator=torch.Generator().manual_seed(0))
    shares = normalised_rewards(scores, torch.ones(3, 4, 1, dtype=torch.bool), torch.ones(3), "coded")
    assert not shares.any()


def test_without_a_normaliser_the_scores_of_those_that_act_are_the_shares() -> None:
    scores = torch.tensor([[[1.5, -2.0], [3.0, 4.0]]])
    acting = torch.tensor([[[True, True], [True, False]]])
    assert torch.equal(normalised_rewards(scores, acting, torch.ones(1), "none"), torch.tensor([[[1.5, -2.0], [3.0, 0.0]]]))


def test_what_cannot_be_normalised_is_refused() -> None:
    scores, acting = torch.zeros(1, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match="shares must be 'both'"):
        normalised_rewards(scores, acting, torch.ones(1), "none", "time")
    with pytest.raises(ValueError, match="choose fixed, coded or softmax"):
        normalised_rewards(scores, acting, torch.ones(1), "sharp")  # type: ignore[arg-type]


def test_the_highest_scores_get_most_of_a_negative_return_except_with_the_signed_normaliser() -> None:
    scores, acting = torch.tensor([[[0.0], [1.0], [3.0]]]), torch.ones(1, 3, 1, dtype=torch.bool)
    expected: dict[Kind, list[float]] = {"fixed": [0.0, -2.0, -6.0], "signed": [-4.8, -3.2, 0.0]}
    for kind, negative in expected.items():
        gained = normalised_rewards(scores, acting, torch.tensor([8.0]), kind)
        lost = normalised_rewards(scores, acting, torch.tensor([-8.0]), kind)
        assert gained[0, :, 0].tolist() == [0.0, 2.0, 6.0]
        torch.testing.assert_close(lost[0, :, 0], torch.tensor(negative))
