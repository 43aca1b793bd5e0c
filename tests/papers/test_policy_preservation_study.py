"""The policy-preservation study: exact sums over histories against plain loops, finite differences and hand-computed cases."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import softmax

from benchmark.papers.runner import run_study
from benchmark.papers.studies import studies
from benchmark.papers.tar2.history_games import (
    MOST_HISTORIES,
    Array,
    Histories,
    equilibria,
    histories_of,
    optima,
    random_problem,
)
from benchmark.papers.tar2.studies.policy_preservation import SCORES, counterexample, measure, shares_of, toy, uniform_shares

STATES, ACTIONS, HORIZON = 2, 2, 3


def rules(seed: int) -> tuple[Array, Array]:
    """Transitions [T, S, A, A, S + 1], all possible, and rewards [T, S, A, A]."""
    generator = np.random.default_rng(seed)
    shape = (HORIZON, STATES, ACTIONS, ACTIONS)
    return generator.dirichlet(np.ones(STATES + 1), shape), generator.standard_normal(shape)


def written(seed: int) -> Histories:
    transitions, reward = rules(seed)
    found = histories_of(transitions, reward, horizon=HORIZON, most=None)
    assert found is not None
    return found


def value(transitions: Array, reward: Array, policy: Array, t: int = 0, state: int = 0) -> float:
    """The expected return of stochastic policies [N, T, S, A] by recursion over the rules."""
    total = 0.0
    for a, b in itertools.product(range(ACTIONS), repeat=2):
        chance = policy[0, t, state, a] * policy[1, t, state, b]
        later = 0.0
        if t + 1 < HORIZON:
            later = sum(
                transitions[t, state, a, b, following] * value(transitions, reward, policy, t + 1, following)
                for following in range(STATES)
            )
        total += chance * (reward[t, state, a, b] + later)
    return total


def some_policy(seed: int) -> Array:
    return softmax(np.random.default_rng(seed).standard_normal((2, HORIZON, STATES, ACTIONS)), axis=-1)


def test_histories_are_all_that_can_happen() -> None:
    found = written(0)
    assert found.probabilities(some_policy(1)).sum() == pytest.approx(1)
    # 4 joint actions, then the end or one of 2 states, twice; at the horizon the end is certain.
    assert len(found.returns) == 4 * (1 + 2 * 4 * (1 + 2 * 4))


def test_values_of_stochastic_policies_agree_with_a_recursion_over_the_rules() -> None:
    found, policy = written(0), some_policy(1)
    assert found.probabilities(policy) @ found.returns == pytest.approx(value(*rules(0), policy))


def test_values_of_deterministic_policies_agree_with_a_recursion_over_the_rules() -> None:
    found = written(0)
    policies, values = found.deterministic_policies(), found.values(found.returns)
    assert policies.shape == (2**5, HORIZON, STATES)  # one place at the start, two at each later step
    for first, second in [(0, 0), (3, 17), (31, 8)]:
        both = np.stack([np.eye(ACTIONS)[policies[first]], np.eye(ACTIONS)[policies[second]]])
        assert values[first, second] == pytest.approx(value(*rules(0), both))


def test_the_gradient_is_that_of_the_value() -> None:
    found = written(0)
    logits = np.random.default_rng(2).standard_normal((2, HORIZON, STATES, ACTIONS))
    worth = np.broadcast_to(found.returns[:, None, None], found.action.shape)
    gradient = found.gradient(softmax(logits, axis=-1), worth)
    step = 1e-6
    for place in np.ndindex(logits.shape):
        moved = []
        for sign in (1, -1):
            changed = logits.copy()
            changed[place] += sign * step
            moved.append(value(*rules(0), softmax(changed, axis=-1)))
        assert gradient[place] == pytest.approx((moved[0] - moved[1]) / (2 * step), abs=1e-7)


def test_too_many_histories_are_not_enumerated() -> None:
    assert histories_of(*rules(0), horizon=HORIZON, most=291) is None
    assert histories_of(*rules(0), horizon=HORIZON, most=292) is not None


@pytest.mark.parametrize("variable", [False, True])
def test_a_random_problem_is_small_and_has_the_requested_lengths(variable: bool) -> None:
    generator = np.random.default_rng(0)
    lengths = set()
    for _ in range(20):
        problem = random_problem(generator, variable_length=variable)
        assert len(problem.returns) <= MOST_HISTORIES
        assert problem.probabilities(some_policy(3)).sum() == pytest.approx(1)
        lengths |= set(problem.length.tolist())
    assert lengths == ({1, 2, 3} if variable else {3})


def test_optima_and_equilibria_of_a_coordination_game() -> None:
    payoff = np.array([[2.0, 0.0], [0.0, 1.0]])
    assert optima(payoff).tolist() == [[True, False], [False, False]]
    assert equilibria(payoff, payoff).tolist() == [[True, False], [False, True]]
    assert not equilibria(payoff, -payoff)[0, 0]


def test_scores_that_see_the_past_only_give_equal_pasts_equal_scores() -> None:
    # Two steps without an end between: the weight of the agents at step 0 is decided by what is known at step 0.
    problem = random_problem(np.random.default_rng(1), variable_length=False)
    for source in SCORES:
        shares = shares_of(problem, "softmax", source, np.random.default_rng(5))
        split = shares[:, 0, 0] / shares[:, 0].sum(1)
        starts = problem.action[:, 0, 0] * 2 + problem.action[:, 0, 1]
        spread = max(float(np.ptp(split[starts == start])) for start in range(4))
        assert (spread < 1e-12) == (source == "past only")


def test_shares_sum_to_the_return_and_keep_its_sign() -> None:
    problem = random_problem(np.random.default_rng(1), variable_length=True)
    made = [shares_of(problem, kind, source, np.random.default_rng(5)) for kind in ("fixed", "softmax") for source in SCORES]
    for shares in [uniform_shares(problem), *made]:
        assert shares.sum((1, 2)) == pytest.approx(problem.returns)
        assert (shares * problem.returns[:, None, None] >= 0).all()
        assert not shares[~problem.acting].any()


def test_the_toy_has_the_gradients_that_were_computed_by_hand() -> None:
    expected = {"uniform": (0.68512, 0.25815), "hindsight": (0.68512, -0.16920), "causal prefix": (0.68512, 0.51629)}
    for name, (full, to_go) in toy().items():
        assert full == pytest.approx((0.68512, 0.51629), abs=1e-5)
        assert to_go == pytest.approx(expected[name], abs=1e-5)


def test_in_the_counterexample_the_agents_gradient_has_the_opposite_sign() -> None:
    assert counterexample() == pytest.approx((0.25, -0.125))


def test_with_uniform_shares_the_agents_optima_are_the_teams() -> None:
    cases = measure(random_problem(np.random.default_rng(7), variable_length=True), "different", np.random.default_rng(8))
    uniform = next(case for case in cases if case.kind == "uniform")
    assert not uniform.own_optima_differ
    assert not uniform.unstable
    assert uniform.cosines["agent", "full return"] == pytest.approx(1)
    assert uniform.cosines["agent", "reward to go"] < 1 - 1e-3


def test_the_study_finds_the_theorems_and_repeats_itself() -> None:
    first, second = (run_study(studies()["policy-preservation"], quick=True, progress=lambda *told: None) for _ in range(2))
    assert first.sha256 == second.sha256
    undiscounted, _, _, agents, direction = first.predictions
    assert undiscounted.verdict == agents.verdict == direction.verdict == "supported"
