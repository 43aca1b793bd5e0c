"""Finite worlds against differentiation, plain sums and the real simulator, and the study that is made of them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.credit.probes import OracleGraph
from benchmark.environments.native.diagnostics.rooms import COLUMNS, SwitchDoorRooms
from benchmark.papers.dependence_graphs.graph_estimates import CREDITS, CRITICS, WAY, Case, EstimateQuality, evaluate
from benchmark.papers.dependence_graphs.influence_worlds import ON_THE_WAY, relay, rooms, star, switch
from benchmark.papers.dependence_graphs.studies.dependence_graph_gradients import QUICK, cases, findings, without_bumps
from benchmark.papers.dependence_graphs.tabular_mdp import Exact, TabularMDP, all_trajectories, sampled_trajectories
from benchmark.papers.runner import run_study
from benchmark.papers.studies import studies


def logits_of(world: TabularMDP, seed: int = 0) -> torch.Tensor:
    draws = torch.Generator().manual_seed(seed)
    return torch.randn(world.agents, world.substates, world.actions, generator=draws, dtype=torch.float64)


@pytest.mark.parametrize("world", [star(3), relay(), switch(-0.5), rooms(2, 12)], ids=lambda world: world.name)
def test_the_gradient_is_that_of_the_expected_return(world: TabularMDP) -> None:
    logits = logits_of(world).requires_grad_()
    (wanted,) = torch.autograd.grad(Exact(world, logits).values[0, 0].sum(), logits)
    torch.testing.assert_close(Exact(world, logits.detach()).gradient(), wanted, atol=1e-12, rtol=1e-9)


def test_values_are_means_over_trajectories() -> None:
    exact = Exact(relay(), logits_of(relay()))
    seen = all_trajectories(exact)
    assert float(seen.weight.sum()) == pytest.approx(1)
    torch.testing.assert_close(seen.weight @ seen.reward.sum(1), exact.values[0, 0])
    to_go = seen.reward.flip(1).cumsum(1).flip(1)
    timed, timeless = (exact.local_values(timed=timed) for timed in (True, False))
    substate = exact.world.substate[seen.state[:, :-1]]
    for agent, where in itertools.product((1, 2), range(2)):
        here = (substate[:, :, agent] == where) * seen.weight[:, None]  # [K, T]
        state = int((exact.world.substate[:, agent] == where).nonzero()[0, 0])
        at_two = (here[:, 2] @ to_go[:, 2, agent]) / here[:, 2].sum()
        assert timed[2, state, agent] == pytest.approx(float(at_two))
        overall = (here * to_go[..., agent]).sum() / here.sum()
        assert timeless[2, state, agent] == pytest.approx(float(overall))
    assert not timed[-1].any()
    assert not timeless[-1].any()


def test_sampled_trajectories_come_from_the_policy() -> None:
    exact = Exact(switch(0.0), logits_of(switch(0.0)))
    seen = sampled_trajectories(exact, 20_000, torch.Generator().manual_seed(1))
    deviation = seen.reward.sum(1).std(0)[0]
    assert float(seen.reward.sum(1).mean(0)[0] - exact.values[0, 0, 0]) == pytest.approx(
        0, abs=float(4 * deviation / 20_000**0.5)
    )
    for step in range(5):
        assert torch.equal(seen.state[:, step + 1], exact.world.next_state[seen.state[:, step], seen.joint[:, step]])


def test_edges_are_those_of_interventions() -> None:
    # Agent 1 changes the door where it stands one cell before the switch, and on it; nothing else influences anybody.
    world = switch(-0.5)
    edges = {(state, j, i) for state, _, j, i in world.graph.nonzero().tolist() if j != i}
    near = {state for state in range(len(world.substate)) if int(world.substate[state, 1]) in (1, 2)}
    assert edges == {(state, 1, 0) for state in near}
    passing_on = relay().graph
    assert passing_on.all(0).all(0).nonzero().tolist() == [[0, 0], [0, 1], [1, 1], [1, 2], [2, 2]]
    assert torch.equal(passing_on.any(0).any(0), passing_on.all(0).all(0))


def test_the_hub_of_the_known_star_is_influenced_by_all_and_influences_nobody() -> None:
    graph = star(4).graph
    assert torch.equal(graph, torch.eye(4, dtype=torch.bool).index_fill(1, torch.tensor(0), True).expand_as(graph))


def test_rules_and_edges_of_the_rooms_are_those_of_the_simulator_and_its_probe() -> None:
    world, random = rooms(2, 30), np.random.default_rng(0)
    simulator, probe = SwitchDoorRooms(64, 2, horizon=30), OracleGraph()
    simulator.reset(np.arange(64, dtype=np.uint64))
    state = np.zeros(64, np.int64)
    for _ in range(30):
        # Mostly to the right, so that doors open and goals are reached.
        actions = random.choice(3, (64, 2), p=[0.15, 0.1, 0.75])
        joint = actions @ [3, 1]
        seen = probe.look(simulator, actions, np.arange(64))
        np.testing.assert_array_equal(world.graph[state, joint].numpy(), seen["state_graph"] | seen["reward_graph"])
        simulator.step(actions)
        reward = world.reward[state, joint].numpy()
        state = world.next_state[state, joint].numpy()
        substate = 4 * simulator.columns + 2 * simulator.open[:, None] + simulator.reached[:, None]
        np.testing.assert_array_equal(world.substate[state].numpy(), substate)
        np.testing.assert_allclose(reward, simulator.individual_reward, atol=1e-6)
    assert simulator.reached.any()


def test_in_rooms_only_switch_and_goal_influence_others() -> None:
    world = rooms(3, 10)
    column = world.substate // 4
    edges = [world.graph[:, :, j, i].any(1) for j, i in ((1, 0), (1, 2), (2, 0), (2, 1))]
    at_the_switch = column[:, 1] >= COLUMNS - 2
    assert torch.equal(edges[0], at_the_switch)
    assert torch.equal(edges[1], at_the_switch)
    assert not edges[2].any()
    assert not edges[3].any()
    assert not set(ON_THE_WAY["rooms"]) & set(world.substate[at_the_switch, 1].tolist())
    by_the_goal = world.graph[:, :, 0, 1].any(1)
    not_reached = world.substate[:, 0] % 2 == 0
    assert torch.equal(by_the_goal, not_reached & (column[:, 0] == COLUMNS - 2) | not_reached & (column[:, 0] == COLUMNS - 1))


def test_without_the_cost_of_bumps_only_the_goal_is_rewarded() -> None:
    assert without_bumps(rooms(2, 5), "made up").reward.unique().tolist() == [0.0, 10.0]


def test_global_credit_without_critic_is_exact_and_local_credit_gives_the_walker_nothing() -> None:
    world = rooms(2, 25)
    logits = torch.tensor([0.0, -1.0, 1.0], dtype=torch.float64).expand(2, world.substates, 3)
    found = evaluate(Case(world, (logits,), ON_THE_WAY["rooms"], 2000), logits)
    for critic in CRITICS:
        assert found[critic, "global", WAY].bias < 1e-9
        assert found[critic, "local", WAY].cosine is None
        assert found[critic, "local", WAY].bias == pytest.approx(1)
        assert found[critic, "local", "agent 0"].noise_error > 0


def test_noise_from_samples_agrees_with_that_from_all_trajectories() -> None:
    world = switch(-0.5)
    logits = logits_of(world, 3)
    whole, sampled = (evaluate(Case(world, (logits,), (0,), count), logits) for count in (0, 20_000))
    assert whole.keys() == sampled.keys()
    for key, exact in whole.items():
        assert exact.noise_error == 0
        assert abs(sampled[key].noise - exact.noise) <= 5 * sampled[key].noise_error
        assert replace(sampled[key], noise=0, noise_error=0) == replace(exact, noise=0, noise_error=0)


def made_up(good: bool) -> dict[str, list[dict[tuple[str, str, str], EstimateQuality]]]:
    """What would be found if all predictions held, or none."""
    found: dict[str, list[dict[tuple[str, str, str], EstimateQuality]]] = {}
    for case in cases(QUICK):
        names = [f"agent {agent}" for agent in range(case.world.agents)] + ([WAY] if case.way else [])
        policy = {}
        for critic, credit, name in itertools.product(CRITICS, CREDITS, names):
            wrong = credit in ("transposed", "local") and name != "agent 0"
            bias = 0.5 if (wrong if good else not wrong) else 0.0
            noise = {"hard": 1.0, "noisy": 1.5, "transposed": 3.0, "local": 0.5, "global": 2.0}[credit]
            part = 1 - bias
            if name == WAY and credit == "hard" and critic == "central":
                part = 0.2 if good else 0.8
            policy[critic, credit, name] = EstimateQuality(part, bias, part, noise if good else 1 / noise, 0.1)
        found[case.world.name] = [policy]
    return found


@pytest.mark.parametrize(("good", "verdict"), [(True, "supported"), (False, "not supported")])
def test_verdicts_follow_the_measurements(good: bool, verdict: str) -> None:
    found = findings(QUICK, made_up(good))
    assert {prediction.verdict for prediction in found.predictions} == {verdict}


def test_the_study_runs_and_finds_the_star_unbiased() -> None:
    result = run_study(studies()["dependence-graph-gradients"], quick=True, progress=lambda *told: None)
    assert result.predictions[0].verdict == "supported"
    assert len(result.tables) == 5 + 4
    assert len(result.tables[0].rows) == len(CRITICS) * len(CREDITS) * 3
