"""Generalised advantage estimates by their definition."""

from __future__ import annotations


def gae_by_loop(rewards: list[float], values: list[float], last: float, discount: float, decay: float) -> list[float]:
    """The estimates of one agent's episode: values V(s_0) … V(s_{T-1}), and `last` the value after the last step."""
    following = [*values[1:], last]
    errors = [r + discount * after - before for r, before, after in zip(rewards, values, following, strict=True)]
    return [sum((discount * decay) ** (u - t) * errors[u] for u in range(t, len(errors))) for t in range(len(errors))]
