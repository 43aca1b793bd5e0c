"""The buffer of a reward model against a plain list of episodes."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.redistribution.models.trajectories import EpisodeBuffer, Trajectories
from tests.fixtures.reward_models import generator, made_up
from tests.fixtures.toy_team import toy_team

TEAM = toy_team(n_agents=2, observation_size=3, horizon=5)
CPU = torch.device("cpu")


def batch(first: int, count: int) -> Trajectories:
    """Episodes whose return is their number, which is also in every observation."""
    trajectories = made_up(TEAM, count, seed=first)
    numbers = torch.arange(first, first + count, dtype=torch.float32)
    steps = torch.arange(TEAM.horizon + 1)[:, None, None]
    shown = torch.where(steps <= trajectories.length[:, None, None, None], numbers[:, None, None, None], -1.0)
    return replace(trajectories, observation=shown.expand(-1, -1, 2, 3).contiguous(), returns=numbers)


def numbered(parts: Trajectories) -> list[int]:
    return [int(number) for number in parts.returns]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 12), st.lists(st.integers(1, 15), min_size=1, max_size=8), st.integers(0, 1000))
def test_the_buffer_keeps_the_newest_episodes_as_a_truncated_list_does(capacity: int, sizes: list[int], seed: int) -> None:
    buffer, plain = EpisodeBuffer(capacity, CPU), []
    source = generator(seed)
    for size in sizes:
        buffer.add(batch(len(plain), size))
        plain += range(len(plain), len(plain) + size)
        kept = plain[-capacity:]
        assert len(buffer) == len(kept)
        assert buffer.returns.tolist() == kept
        expected = int(torch.randint(1, len(kept) + 1, (), generator=source))
        sample = buffer.sample(expected, source)
        assert len(set(numbered(sample))) == expected
        assert set(numbered(sample)) <= set(kept)
        check_content(sample)
    assert sorted(numbered(buffer.sample(len(buffer), source))) == kept


def check_content(sample: Trajectories) -> None:
    """Every episode is the one that was added: its observations bear its number at every step that happened."""
    assert int(sample.length.max()) == sample.running.shape[1]
    for row, number in enumerate(numbered(sample)):
        length = int(sample.length[row])
        assert (sample.observation[row, : length + 1] == number).all()
        assert sample.running[row, :length].all()
        assert not sample.acting[row, length:].any()


def test_a_sampled_episode_equals_the_stored_one() -> None:
    buffer, source = EpisodeBuffer(7, CPU), made_up(TEAM, 9)
    buffer.add(source)
    assert torch.equal(buffer.returns, source.returns[2:])
    sample = buffer.sample(7, generator())
    for row, number in enumerate(sample.returns):
        (index,) = torch.nonzero(source.returns == number)[0].tolist()
        for entry in fields(Trajectories):
            actual, expected = getattr(sample, entry.name)[row], getattr(source, entry.name)[index]
            assert torch.equal(actual, expected[: len(actual)] if actual.ndim else expected), entry.name


def test_the_buffer_copies_its_episodes() -> None:
    buffer, source = EpisodeBuffer(4, CPU), batch(0, 4)
    buffer.add(source)
    source.observation.fill_(-1.0)
    source.returns.fill_(-1.0)
    check_content(buffer.sample(4, generator()))
    buffer.sample(4, generator()).observation.fill_(-1.0)
    check_content(buffer.sample(4, generator()))


def test_episodes_are_sampled_uniformly() -> None:
    buffer, source = EpisodeBuffer(10, CPU), generator()
    for first, size in ((0, 7), (7, 1), (8, 4)):
        buffer.add(batch(first, size))
    drawn = Counter(number for _ in range(2000) for number in numbered(buffer.sample(3, source)))
    assert set(drawn) == set(range(2, 12))
    # 600 each; the standard deviation of one count is sqrt(2000 * 0.3 * 0.7) = 20.5.
    assert all(abs(count - 600) < 5 * 20.5 for count in drawn.values())


def test_equal_generators_draw_equal_batches() -> None:
    buffer = EpisodeBuffer(10, CPU)
    buffer.add(batch(0, 10))
    assert numbered(buffer.sample(5, generator(3))) == numbered(buffer.sample(5, generator(3)))
    assert numbered(buffer.sample(5, generator(3))) != numbered(buffer.sample(5, generator(4)))


def test_a_loaded_buffer_continues_as_the_saved_one() -> None:
    first, second = EpisodeBuffer(6, CPU), EpisodeBuffer(6, CPU)
    for start in (0, 4):
        first.add(batch(start, 4))
    second.load_state_dict(first.state_dict())
    for buffer in (first, second):
        buffer.add(batch(8, 3))
    assert first.returns.tolist() == second.returns.tolist() == [5, 6, 7, 8, 9, 10]
    ours, theirs = first.sample(4, generator(1)), second.sample(4, generator(1))
    for entry in fields(Trajectories):
        assert torch.equal(getattr(ours, entry.name), getattr(theirs, entry.name)), entry.name


def test_impossible_capacities_and_sample_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 episode, not 0"):
        EpisodeBuffer(0, CPU)
    buffer = EpisodeBuffer(5, CPU)
    buffer.add(batch(0, 3))
    with pytest.raises(ValueError, match="cannot sample 4 episodes: the buffer holds 3"):
        buffer.sample(4, generator())


def test_batches_of_different_lengths_are_padded_with_steps_that_did_not_happen() -> None:
    short = batch(0, 3)
    running = torch.arange(TEAM.horizon) < torch.tensor([[2], [1], [2]])
    short = replace(short, running=running, acting=short.acting & running[:, :, None]).trimmed()
    assert short.running.shape == (3, 2)
    assert short.observation.shape == (3, 3, 2, 3)
    both = Trajectories.concatenate([short, batch(3, 2)])
    assert both.running.shape == (5, TEAM.horizon)
    assert not both.running[:3, 2:].any()
    assert not both.acting[:3, 2:].any()
    assert not both.observation[:3, 3:].any()
    assert torch.equal(both.length, torch.cat([torch.tensor([2, 1, 2]), batch(3, 2).length]))
