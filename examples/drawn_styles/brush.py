"""A loaded brush: strokes with bristles, ridges and dry ends, laid over one another on a canvas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from drawn_styles.tools import lit, noise

if TYPE_CHECKING:
    from drawn_styles.tools import Array

TRACE_STEP = 3.0  # pixels between the points of a stroke's centre line
SAMPLE_STEP = 0.6  # pixels between paint samples: under 0.7, so that curved strokes leave no holes


@dataclass(frozen=True)
class Brush:
    """How one layer of strokes is laid; lengths are in pixels of the double-size image."""

    width: float
    length: float
    coverage: float  # how many times over the strokes would cover the canvas
    body: float = 1.0  # height of the paint
    bristle: float = 4.0  # width of one bristle mark
    streak: float = 0.35  # how much of the second colour shows between bristles
    dryness: float = 0.35  # how early the stroke breaks up, from 0 (never) to 1
    value_jitter: float = 0.06  # spread of lightness from stroke to stroke
    hue_jitter: float = 0.03  # spread of each channel from stroke to stroke
    turn: float = 0.12  # spread of direction from stroke to stroke, in radians


class Canvas:
    """A toned, woven ground that receives strokes and stores the thickness of the paint."""

    def __init__(self, ground: Array, rng: np.random.Generator) -> None:
        """Start from a image of shape (height, width, 3): the colours of the ground."""
        self.rng = rng
        self.colour = ground.astype(np.float32).copy()
        self.shape = ground.shape[:2]
        y, x = np.indices(self.shape, dtype=np.float32)
        self.height = 0.25 * (np.sin(y * 0.9) * np.sin(x * 0.9)).astype(np.float32)
        self.grain = noise((1024, 1024), rng, (160, 4), roughness=0.55)

    def paint(self, colour: Array, angle: Array, brush: Brush, where: Array | None = None) -> None:
        """Cover the canvas with one layer of strokes.

        `colour` (height, width, 3) is what the strokes try to show, `angle` (height, width) the direction
        they follow, and `where` (height, width) in [0, 1] how likely a stroke is to start at a pixel.
        """
        height, width = self.shape
        area = (height + 2 * brush.length) * (width + 2 * brush.length)
        count = int(brush.coverage * area / (brush.width * brush.length))
        start = self.rng.uniform(-brush.length, (height + brush.length, width + brush.length), (count, 2))
        if where is not None:
            start = start[self.rng.random(count) < _at(where, start)]
        lines = self._trace(start, angle, brush)
        middle = lines[:, lines.shape[1] // 2]
        first, second = _at(colour, middle), _at(colour, lines[:, -1])
        first = first + self.rng.normal(0, brush.hue_jitter, first.shape)
        first = first * (1 + self.rng.normal(0, brush.value_jitter, (len(first), 1)))
        for line, load, streak in zip(lines, first, second, strict=True):
            self.stroke(line, load, streak, brush)

    def _trace(self, start: Array, angle: Array, brush: Brush) -> Array:
        """Follow the angle field from each start; returns centre lines of shape (n, points, 2).

        A direction has no front: each stroke sets off either way and never turns by more than a right angle.
        """
        points = max(int(brush.length / TRACE_STEP), 4)
        turn = self.rng.normal(0, brush.turn, len(start))
        heading = _at(angle, start) + np.pi * self.rng.integers(0, 2, len(start))
        line = [start]
        for _ in range(points - 1):
            heading = turned(heading, _at(angle, line[-1]), 1)
            step = np.stack([np.sin(heading + turn), np.cos(heading + turn)], axis=1)
            line.append(line[-1] + TRACE_STEP * step)
        return np.stack(line, axis=1).astype(np.float32)

    def stroke(self, line: Array, load: Array, streak: Array, brush: Brush) -> None:
        """Lay one stroke of colour `load`, streaked with `streak`, along a centre line (points, 2)."""
        rng = self.rng
        length, width = TRACE_STEP * (len(line) - 1), brush.width * rng.uniform(0.7, 1.15)
        along = np.linspace(0, 1, int(length / SAMPLE_STEP), dtype=np.float32)[:, None]
        across = np.linspace(-1, 1, int(width / SAMPLE_STEP), dtype=np.float32)[None, :]

        position = along[:, 0] * (len(line) - 1)
        knots = np.arange(len(line))
        centre = np.stack([np.interp(position, knots, line[:, i]) for i in (0, 1)], axis=1)
        tangent = np.gradient(centre, axis=0)
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-6
        taper = np.sqrt(np.clip(1 - np.abs(2 * along - 0.9) ** 6, 0.05, 1))
        reach = across * taper * width / 2
        row = (centre[:, :1] + reach * tangent[:, 1:]).round().astype(int)
        column = (centre[:, 1:] - reach * tangent[:, :1]).round().astype(int)

        grain = self._bristles(along * length, across * width / 2, 4 / brush.bristle)
        edge = rng.uniform(0.02, 0.10) + 0.05 * grain[:1]
        dry = 3.2 - brush.dryness * 4.2 * np.clip(along - 0.25, 0, 1) - 0.9 * across**4
        kept = (grain > -dry) & (along > edge) & (along < 1 - np.abs(edge[:, ::-1]) * 1.5)
        kept &= (row >= 0) & (row < self.shape[0]) & (column >= 0) & (column < self.shape[1])
        row, column = row[kept], column[kept]

        blend = brush.streak * np.clip(0.5 + 0.6 * grain, 0, 1)[..., None]
        paint = (load + (streak - load) * blend) * (1 + 0.05 * grain[..., None])
        ridge = np.exp(-(((np.abs(across) - 0.86) / 0.10) ** 2))
        heap = np.exp(-(((along - 0.9) / 0.06) ** 2))
        body = brush.body * (1.6 + 0.55 * grain + 1.1 * ridge + 0.9 * heap - 0.5 * along)
        self.colour[row, column] = paint[kept]
        self.height[row, column] = 0.45 * self.height[row, column] + body[kept]

    def _bristles(self, along: Array, across: Array, fineness: float) -> Array:
        """A strip of bristle marks, cut at a random place from the canvas's sheet of grain."""
        size = len(self.grain)
        row = (along * fineness + self.rng.integers(size)).astype(int) % size
        column = (across * fineness + self.rng.integers(size)).astype(int) % size
        return self.grain[row, column]

    def finished(self, relief: float = 0.35, gloss: float = 0.25) -> Array:
        """The painting under a light from the upper left."""
        return lit(self.colour, self.height, relief, gloss)


def turned(angle: Array, target: Array, amount: Array | float) -> Array:
    """Turn directions towards `target`; a stroke has no front, so the nearer way round is taken."""
    difference = (target - angle + np.pi / 2) % np.pi - np.pi / 2
    return angle + difference * amount


def _at(field: Array, position: Array) -> Array:
    """Read a field or image at the nearest pixel to each (row, column) position."""
    row = np.clip(position[..., 0], 0, field.shape[0] - 1).astype(int)
    column = np.clip(position[..., 1], 0, field.shape[1] - 1).astype(int)
    return field[row, column]
