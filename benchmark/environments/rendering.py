"""Draws scenes: one as a figure, an episode as an animated GIF."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from PIL import Image

from benchmark.environments.scene import Box, Disc, Line, Scene

# Okabe and Ito's colours: distinguishable with every common colour vision.
AGENTS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
COLOURS = {"agent": AGENTS[0], "enemy": "#B3261E", "goal": "#F5C518", "item": "#7A5195", "wall": "#5F6368", "mark": "#C8CCD0"}
BACKGROUND = "#FAFAF7"


def draw_frame(scene: Scene, caption: str = "", *, inches: float = 4.0, dots_per_inch: int = 100) -> Figure:
    """A figure of the scene with a caption line below it."""
    x0, y0, x1, y1 = scene.bounds
    aspect = (y1 - y0) / (x1 - x0)
    figure = Figure(figsize=(inches, inches * aspect + 0.35), dpi=dots_per_inch, facecolor="white")
    bottom = 0.35 / (inches * aspect + 0.35)
    axes = figure.add_axes((0.02, bottom, 0.96, 0.98 - bottom))
    axes.set(xlim=(x0, x1), ylim=(y1, y0) if scene.y_down else (y0, y1), xticks=[], yticks=[], facecolor=BACKGROUND)
    axes.set_aspect("equal")
    if scene.cells:
        for x in np.arange(np.ceil(x0), x1):
            axes.axvline(x, color="#E4E4DF", linewidth=0.5, zorder=0)
        for y in np.arange(np.ceil(y0), y1):
            axes.axhline(y, color="#E4E4DF", linewidth=0.5, zorder=0)
    points = 72 * inches / (x1 - x0)
    for shape in scene.shapes:
        _draw(axes, shape, points, -1.0 if scene.y_down else 1.0)
    figure.text(0.03, 0.3 * bottom, caption, fontsize=8, color="#333333", family="DejaVu Sans Mono")
    return figure


def episode_gif(frames: Sequence[tuple[Scene, str]], *, milliseconds: int = 200) -> bytes:
    """Scenes and captions as a looping GIF whose last frame lasts two seconds. Raises ValueError without a frame."""
    if not frames:
        raise ValueError("an episode needs at least one frame")
    images = [_image(draw_frame(scene, caption)) for scene, caption in frames]
    durations = [milliseconds] * (len(images) - 1) + [2000]
    file = BytesIO()
    images[0].save(file, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0, optimize=True)
    return file.getvalue()


def _image(figure: Figure) -> Image.Image:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    return pixels.quantize(colors=64, method=Image.Quantize.MEDIANCUT)


def _draw(axes: Any, shape: Disc | Box | Line, points: float, up: float) -> None:
    """Adds one shape. `points`: typographic points per unit; `up`: sign of the direction that is up on the page."""
    if isinstance(shape, Line):
        axes.plot([shape.x0, shape.x1], [shape.y0, shape.y1], color=COLOURS[shape.role], linewidth=0.8, alpha=0.7, zorder=1)
        return
    if isinstance(shape, Box):
        axes.add_patch(
            Rectangle((shape.x, shape.y), shape.width, shape.height, facecolor=COLOURS[shape.role], edgecolor="none", zorder=1)
        )
        centre, size = (shape.x + shape.width / 2, shape.y + shape.height / 2), min(shape.width, shape.height)
    else:
        numbered = shape.role == "agent" and shape.number is not None
        colour = AGENTS[(shape.number or 0) % len(AGENTS)] if numbered else COLOURS[shape.role]
        axes.add_patch(
            Circle((shape.x, shape.y), shape.radius, facecolor=colour, edgecolor="white", linewidth=0.6, zorder=2, alpha=0.92)
        )
        centre, size = (shape.x, shape.y), 1.6 * shape.radius
        if shape.level is not None:
            width, y = 2 * shape.radius, shape.y - up * 1.35 * shape.radius
            for length, shade in ((width, "#D0D0D0"), (width * min(1.0, max(0.0, shape.level)), "#2E7D32")):
                axes.plot(
                    [shape.x - width / 2, shape.x - width / 2 + length],
                    [y, y],
                    color=shade,
                    linewidth=max(1.0, 0.25 * shape.radius * points),
                    solid_capstyle="butt",
                    zorder=3,
                )
    if shape.label:
        axes.text(
            *centre,
            shape.label,
            ha="center",
            va="center",
            color="black" if shape.role in ("goal", "mark") else "white",
            fontsize=max(4.0, min(12.0, 0.62 * size * points)),
            zorder=4,
            clip_on=True,
        )
