"""What agents of the multi-particle environments observe: names the dimensions and tells the kernels how to fill them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from algorithms.team import StateField
from benchmark.environments.native.mpe.kernels import View

Order = Literal["index", "nearest", "x"]
"""Entities are shown by their number, nearest first, or by their relative x."""


def shown(what: str, there: int, order: Order, limit: int | None) -> int:
    """How many of `there` entities an agent sees, `limit` None being all. Raises ValueError if order and limit disagree."""
    if order not in ("index", "nearest", "x"):
        raise ValueError(f"the order of {what} must be index, nearest or x, got '{order}'")
    if limit is None:
        return there
    if order == "index":
        raise ValueError(f"observed_{what} = {limit} needs an order other than 'index', which shows all")
    if not 0 <= limit <= there:
        raise ValueError(f"observed_{what} must be 0..{there}, got {limit}")
    return limit


class ObservationLayout:
    """Collects observation dimensions agent after agent; every dimension is a difference of two numbers of the world.

    `words[E]`: what the agents are called ("agent0", "prey3"); `learners`: the first so many of them are the team.
    """

    def __init__(self, words: list[str], learners: int, n_landmarks: int) -> None:
        self._words = words
        self._learners = learners
        self._velocity = 2 * len(words)
        self._landmark = 4 * len(words)
        self._zero = self._landmark + 2 * n_landmarks
        self._n_landmarks = n_landmarks
        self._minuend: list[int] = []
        self._subtrahend: list[int] = []
        self._ranked: list[tuple[int, ...]] = []
        self._fields: list[list[StateField]] = []
        self._substate: list[list[bool]] = []

    def begin(self, agent: int) -> None:
        """Starts the observation of the next agent: own velocity 2, own position 2."""
        self._agent = agent
        self._fields.append([])
        self._substate.append([])
        for kind, source in (("velocity", self._velocity + 2 * agent), ("position", 2 * agent)):
            self._point(kind, self._words[agent], agent, kind, source, None)

    def landmarks(self, order: Order, count: int) -> None:
        """Relative positions of landmarks, 2 each."""
        start = self._landmark
        if order == "index":
            for j in range(self._n_landmarks):
                self._point(f"landmark{j}", f"landmark{j}", None, "relative_position", start + 2 * j, 2 * self._agent)
        else:
            self._rank(order, "landmark", count, start, self._zero, 0)

    def agents(self, start: int, stop: int, order: Order, count: int, velocities: bool = False) -> None:
        """Relative positions [2] of the agents start..stop-1 but the observer; with `velocities`, then their velocities."""
        if order != "index":
            word = self._words[start].rstrip("0123456789")
            self._rank(order, word, count, 2 * start, 2 * stop, self._velocity if velocities else 0)
            return
        others = [j for j in range(start, stop) if j != self._agent]
        for j in others:
            mate = j < self._learners
            self._point(self._words[j], self._words[j], self._owner(j), "relative_position", 2 * j, 2 * self._agent, mate)
        for j in others if velocities else ():
            mate, velocity = j < self._learners, self._velocity + 2 * j
            self._point(f"{self._words[j]}_velocity", self._words[j], self._owner(j), "velocity", velocity, None, mate)

    def messages(self, count: int) -> None:
        """Messages of `count` other agents, 2 each: all zero, for everybody is silent."""
        for k in range(count):
            self._point(f"message{k}", "nobody", None, "message", None, None, mate=True)

    def substate(self) -> NDArray[np.bool_]:
        """[N, O] which dimensions are not about another learner; padding is not."""
        mask = np.ones((len(self._substate), max(map(len, self._substate))), np.bool_)
        for agent, dimensions in enumerate(self._substate):
            mask[agent, : len(dimensions)] = dimensions
        return mask

    def finish(self) -> tuple[tuple[int, ...], tuple[StateField, ...], View]:
        """The sizes of the observations, the dimensions of all of them, padded to the largest, and these for the kernels."""
        sizes = tuple(len(agent) for agent in self._fields)
        minuend, subtrahend = (np.full((len(sizes), max(sizes)), self._zero) for _ in range(2))
        fields: list[StateField] = []
        start = 0
        for i, size in enumerate(sizes):
            minuend[i, :size] = self._minuend[start : start + size]
            subtrahend[i, :size] = self._subtrahend[start : start + size]
            fields += self._fields[i]
            fields += [StateField(f"agent{i}.padding{k}", "nobody", None, "padding") for k in range(max(sizes) - size)]
            start += size
        ranked = np.array(self._ranked, np.int64).reshape(-1, 7)
        return sizes, tuple(fields), View(minuend.ravel(), subtrahend.ravel(), ranked)

    def _owner(self, agent: int) -> int | None:
        return agent if agent < self._learners else None

    def _point(
        self,
        name: str,
        entity: str,
        owner: int | None,
        kind: str,
        source: int | None,
        origin: int | None,
        mate: bool = False,
    ) -> None:
        """Two dimensions, x and y: the point `source` as seen from the point `origin`; None is zero. `mate`: of a
        learning agent other than the observer."""
        self._substate[-1] += [not mate] * 2
        for axis, letter in enumerate("xy"):
            self._minuend.append(self._zero if source is None else source + axis)
            self._subtrahend.append(self._zero if origin is None else origin + axis)
            self._fields[-1].append(StateField(f"agent{self._agent}.{name}_{letter}", entity, owner, kind))

    def _rank(self, order: Order, word: str, count: int, start: int, stop: int, velocity: int) -> None:
        """Dimensions whose entities the kernels choose anew at every step."""
        own = 2 * self._agent
        skip = own if start <= own < stop else -1
        mates = start < 2 * self._learners
        origin = own if order == "nearest" else -1
        if count > 0:
            self._ranked.append((len(self._minuend), count, start, stop, skip, origin, velocity))
        for k in range(count):
            self._point(f"{order}_{word}{k}", f"{order}_{word}{k}", None, "relative_position", start, own, mates)
        for k in range(count if velocity else 0):
            self._point(f"{order}_{word}{k}_velocity", f"{order}_{word}{k}", None, "velocity", start + velocity, None, mates)
