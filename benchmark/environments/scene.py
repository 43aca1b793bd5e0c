"""The picture of one row of a simulator, as shapes with roles; rendering.py draws them and chooses the colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["agent", "enemy", "goal", "item", "wall", "mark"]
"""Agents of the team; opponents; goals; items to use; obstacles; marks without effect on the game."""


@dataclass(frozen=True)
class Disc:
    """A disc at (x, y) in the scene's units. `level` in [0, 1]: a bar under it (health, say); `number`: which agent."""

    x: float
    y: float
    radius: float
    role: Role
    label: str = ""
    number: int | None = None
    level: float | None = None


@dataclass(frozen=True)
class Box:
    """A rectangle whose lower left (upper left if the scene's y points down) corner is (x, y)."""

    x: float
    y: float
    width: float
    height: float
    role: Role
    label: str = ""


@dataclass(frozen=True)
class Line:
    """A thin line, such as a shot."""

    x0: float
    y0: float
    x1: float
    y1: float
    role: Role


@dataclass(frozen=True)
class Scene:
    """One frame. `bounds`: x0, y0, x1, y1. `cells`: draw a grid of unit cells. `y_down`: rows count from the top."""

    bounds: tuple[float, float, float, float]
    shapes: tuple[Disc | Box | Line, ...]
    cells: bool = False
    y_down: bool = False
