"""Collecting and evaluating: what is recorded equals a plain replay, whatever the rollout batches."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import benchmark.environments.checks
from algorithms.advantages.gae import build
from algorithms.interface import Episodes, LearnerContext
from algorithms.networks.perceptrons import masked_logits
from algorithms.policy_gradient.actor_samples import previous_actions
from algorithms.seeds import derive, episode_seeds
from algorithms.settings.policy_gradient import IPPOSettings
from benchmark.environments.checks import BrokenGame
from benchmark.environments.interface import Backend, BatchedEnvironment
from benchmark.environments.tasks.registry import Simulator, Task, get_task
from benchmark.experiments.run_spec import resolve
from benchmark.training.components import build_algorithm
from benchmark.training.evaluation import MAXIMUM_ROWS, Evaluator
from benchmark.training.rollout import Collector, play
from tests.fixtures.toys import HORIZON, SIGNS, TEAM, Learner, LearnerSettings, SignGame

ENVIRONMENT_SEED = 11


def learner(seed: int = 3) -> Learner:
    return Learner(LearnerSettings(), LearnerContext(team=TEAM, regime="team", budget=1000, seed=seed))


def collected(episodes: int, parallel: int, first: int = 0) -> Episodes:
    collector = Collector(SIGNS, "native", parallel)
    try:
        return collector.collect(learner(), episodes, first, ENVIRONMENT_SEED, torch.Generator().manual_seed(5))
    finally:
        collector.close()


def test_recorded_episodes_equal_a_plain_replay_of_their_actions() -> None:
    episodes = collected(40, parallel=16)
    for row in range(40):
        environment = SignGame(1)
        environment.reset(episodes.seed[row : row + 1].numpy().astype(np.uint64))
        length = int(episodes.length[row])
        for time in range(length):
            for name in ("observation", "state", "available", "alive"):
                np.testing.assert_array_equal(getattr(episodes, name)[row, time], getattr(environment, name)[0], err_msg=name)
            assert episodes.running[row, time]
            environment.step(episodes.action[row : row + 1, time].numpy())
            for name in ("terminated", "truncated"):
                assert getattr(episodes, name)[row, time] == getattr(environment, name)[0], (row, time, name)
            for name in ("team_reward", "individual_reward"):
                np.testing.assert_allclose(getattr(episodes, name)[row, time], getattr(environment, name)[0], rtol=1e-6)
        assert not environment.running[0]
        assert episodes.success[row] == environment.success[0]
        for name in ("observation", "state", "available", "alive"):
            for time in range(length, episodes.running.shape[1] + 1):
                np.testing.assert_array_equal(getattr(episodes, name)[row, time], getattr(environment, name)[0], err_msg=name)


def test_nothing_happens_after_an_episode_has_ended() -> None:
    episodes = collected(40, parallel=40)
    ended = ~episodes.running
    assert ended.any()
    for name in ("team_reward", "individual_reward", "terminated", "truncated", "action", "log_probability"):
        assert not getattr(episodes, name)[ended].any(), name


def test_numbers_are_recorded_in_single_precision() -> None:
    episodes = collected(4, parallel=4)
    for name in ("observation", "state", "team_reward", "individual_reward", "log_probability"):
        assert getattr(episodes, name).dtype == torch.float32, name


def test_environments_are_built_on_the_given_backend_where_there_are_too_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, str | None]] = []
    build = Task.build

    def noting(task: Task, rows: int, backend: Backend | None = None) -> BatchedEnvironment:
        asked.append((rows, backend))
        return build(task, rows)

    monkeypatch.setattr(Task, "build", noting)
    collector = Collector(SIGNS, "reference", 8)
    for episodes in (3, 3, 20, 8):
        collector.collect(learner(), episodes, 0, 1, torch.Generator().manual_seed(0))
    Evaluator(SIGNS, "reference", 5, torch.device("cpu"))
    assert asked == [(3, "reference"), (8, "reference"), (5, "reference")]


def test_episodes_are_padded_to_the_longest_only() -> None:
    episodes = collected(2, parallel=2, first=4)
    assert episodes.running.shape[1] == int(episodes.length.max()) < HORIZON


def test_every_running_row_keeps_its_own_memory_extras_and_context() -> None:
    episodes = collected(64, parallel=64)
    running = episodes.running
    assert len(set(episodes.length.tolist())) > 3  # rows leave at several times, so acting is asked for fewer and fewer
    rows, times = torch.meshgrid(torch.arange(64), torch.arange(running.shape[1]), indexing="ij")
    assert torch.equal(episodes.extras["row"], rows * running)
    assert torch.equal(episodes.extras["steps"], times * running)
    assert torch.equal(episodes.extras["goal"][running], episodes.context["goal"][rows[running]])


def test_recorded_log_probabilities_are_those_of_the_policy() -> None:
    episodes, method = collected(64, parallel=64), learner()
    with torch.no_grad():
        logits = method.policy(episodes.observation[:, :-1]).masked_fill(~episodes.available[:, :-1], -1e9)
    expected = logits.log_softmax(-1).gather(-1, episodes.action[..., None])[..., 0]
    running = episodes.running
    torch.testing.assert_close(episodes.log_probability[running], expected[running])


def test_the_seeds_of_episodes_do_not_depend_on_batches_or_collections() -> None:
    together, apart = collected(30, parallel=30), collected(30, parallel=7)
    assert torch.equal(together.seed, apart.seed)
    assert torch.equal(together.length, apart.length)
    assert torch.equal(together.observation[:, 0], apart.observation[:, 0])
    assert torch.equal(together.seed[10:], collected(20, parallel=20, first=10).seed)


def test_a_collection_may_grow_and_shrink() -> None:
    collector, generator = Collector(SIGNS, "native", 8), torch.Generator().manual_seed(0)
    counts = [len(collector.collect(learner(), count, 0, 1, generator).length) for count in (3, 20, 1, 8)]
    assert counts == [3, 20, 1, 8]


def test_later_collections_leave_earlier_episodes_alone() -> None:
    collector, generator = Collector(SIGNS, "native", 8), torch.Generator().manual_seed(0)
    first = collector.collect(learner(), 8, 0, 1, generator)
    kept = first.rows(torch.arange(8))
    collector.collect(learner(), 8, 8, 1, generator)
    for name in ("observation", "action", "success", "team_reward", "log_probability"):
        assert torch.equal(getattr(first, name), getattr(kept, name)), name


class Endless(SignGame):
    def _step_rows(self, actions: np.ndarray) -> None:
        super()._step_rows(actions)
        self.running[:] = True
        for ends in (self.terminated, self.truncated, self.success):
            ends[:] = False


class Nothing:
    """A recorder that keeps nothing."""

    def begin(self, *arguments: object) -> None: ...
    def before(self, *arguments: object) -> None: ...
    def after(self, *arguments: object) -> None: ...


@pytest.mark.parametrize("checked_before", [False, True])
def test_an_environment_that_passes_its_horizon_is_refused(checked_before: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    game = Endless(2)
    if checked_before:  # as our own simulators are after their first batch
        monkeypatch.setattr(benchmark.environments.checks, "OURS", "")
        game.unchecked = False
    with pytest.raises(BrokenGame, match=r"^Endless: .*the game goes on past its horizon of 9"):
        play(game, learner(), episode_seeds(1, 0, 2), "greedy", torch.Generator(), Nothing())


class Diverging(SignGame):
    """Pays a reward that is no number in the third step."""

    def _step_rows(self, actions: np.ndarray) -> None:
        super()._step_rows(actions)
        self.team_reward[(self.steps == 3) & self.running] = np.nan


@pytest.mark.parametrize("checked_before", [False, True])
def test_a_reward_that_is_no_number_is_refused_where_it_is_paid(checked_before: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a later batch of our own simulators by the sum over the episode, before it is learned from or evaluated."""
    sentence = r"^toy/signs: team_reward of row \d, step 3 is nan"
    if checked_before:
        monkeypatch.setattr(benchmark.environments.checks, "OURS", "")
        monkeypatch.setattr(BatchedEnvironment, "unchecked", False)
        sentence = r"^toy/signs: the team rewards of row \d sum to nan over the episode"
    diverging = dataclasses.replace(SIGNS, native=Simulator("tests.training.test_rollout:Diverging"))
    collector = Collector(diverging, "native", 8)
    with pytest.raises(BrokenGame, match=sentence):
        collector.collect(learner(), 8, 0, 1, torch.Generator().manual_seed(0))
    evaluator = Evaluator(diverging, "native", 8, torch.device("cpu"))
    with pytest.raises(BrokenGame, match=sentence):
        evaluator.evaluate(learner(), "greedy", 0, step=0, steps_done=0)


def test_recurrent_actors_act_on_what_they_learn_from_when_rows_leave() -> None:
    """Hidden state and last action of a row follow it when ended rows are dropped."""
    context = LearnerContext(team=TEAM, regime="team", budget=1000, seed=0)
    algorithm = build(IPPOSettings(hidden_size=8, recurrent=True, last_action=True), context)
    for network in algorithm.actor.networks:
        torch.nn.init.normal_(network.head.weight, generator=torch.Generator().manual_seed(0))
    collector = Collector(SIGNS, "native", 32)
    episodes = collector.collect(algorithm, 32, 0, 1, torch.Generator().manual_seed(0))
    assert len(set(episodes.length.tolist())) > 3
    with torch.no_grad():
        logits = algorithm.actor.sequence(episodes.observation[:, :-1], previous_actions(episodes.action))
    policy = masked_logits(logits, episodes.available[:, :-1]).log_softmax(-1)
    chosen = policy.gather(-1, episodes.action[..., None])[..., 0]
    torch.testing.assert_close(episodes.log_probability[episodes.acting], chosen[episodes.acting])


def plain_return(environment: BatchedEnvironment, method: Learner, seed: np.uint64) -> tuple[float, int, bool]:
    """The greedy policy's return, length and success from one seed, by the plainest loop."""
    environment.reset(np.array([seed], np.uint64))
    total, length = 0.0, 0
    while environment.running[0]:
        with torch.no_grad():
            scores = method.policy(torch.from_numpy(environment.observation[0])).numpy()
        scores = np.where(environment.available[0], scores, -np.inf)
        environment.step(scores.argmax(-1)[None])
        total += float(environment.team_reward[0])
        length += 1
    return total, length, bool(environment.success[0])


def test_evaluation_gives_each_episodes_return_length_and_success() -> None:
    method, episodes = learner(), MAXIMUM_ROWS + 30
    evaluator = Evaluator(SIGNS, "native", episodes, torch.device("cpu"))
    point = evaluator.evaluate(method, "greedy", 77, step=5, steps_done=6)
    seeds = episode_seeds(derive(77, "environment"), 0, episodes)
    expected = [plain_return(SignGame(1), method, seed) for seed in seeds]
    assert (point.step, point.steps_done) == (5, 6)
    np.testing.assert_allclose(point.returns, [entry[0] for entry in expected], atol=1e-12)
    assert list(point.lengths) == [entry[1] for entry in expected]
    assert list(point.successes) == [entry[2] for entry in expected]


def test_sampled_evaluation_depends_on_its_seed_alone() -> None:
    evaluator = Evaluator(SIGNS, "native", 32, torch.device("cpu"))
    first = evaluator.evaluate(learner(), "sample", 1, 0, 0)
    other = evaluator.evaluate(learner(), "sample", 2, 0, 0)
    assert evaluator.evaluate(learner(), "sample", 1, 0, 0) == first
    assert other.lengths != first.lengths
    assert other.returns != first.returns


def test_lbf_is_collected_with_the_real_learner() -> None:
    task = "lbf/5x5-2p-1f-coop"
    spec = resolve(task=task, algorithm="mappo", regime="team", seed=0, budget=1000)
    collector = Collector(get_task(task), "native", 16)
    environment = get_task(task).build(1)
    algorithm = build_algorithm(spec, environment.team, torch.device("cpu"))
    episodes = collector.collect(algorithm, 24, 0, 3, torch.Generator().manual_seed(1))
    assert episodes.steps == int(episodes.running.sum())
    returns = episodes.team_reward.sum(1)
    assert torch.equal(returns > 0.999, episodes.success)
    assert bool((episodes.available[:, :-1].gather(-1, episodes.action[..., None])).all())
