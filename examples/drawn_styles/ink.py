"""Ink wash: mountains in mist behind a plum branch; wet washes, dried edges, dry brush and splatter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drawn_styles.brush import TRACE_STEP, Brush, Canvas
from drawn_styles.tools import blur, grid, lit, noise, smoothstep

if TYPE_CHECKING:
    from drawn_styles.tools import Array

HEIGHT, WIDTH = 1520, 1200
PAPER = (0.955, 0.925, 0.86)
# What is left of white light after one full layer of each ink.
SUMI, INDIGO, VERMILION, TEA = (0.13, 0.125, 0.14), (0.22, 0.37, 0.50), (0.86, 0.16, 0.12), (0.88, 0.74, 0.52)
RANGES = (  # level, relief (in units of the height), size of the peaks in pixels, strength, share of indigo
    (0.40, 0.10, 420, 0.22, 0.45),
    (0.50, 0.16, 330, 0.42, 0.50),
    (0.64, 0.15, 260, 0.85, 0.45),
    (0.86, 0.12, 200, 1.50, 0.30),
)


def ink(rng: np.random.Generator) -> Array:
    """Wet washes first, far to near; then the dry branch, the blossom and the splatter."""
    y, x = grid(HEIGHT, WIDTH)
    tooth = noise(y.shape, rng, 7, roughness=0.6)
    fibre = np.maximum(noise(y.shape, rng, (3, 60), 0.3), noise(y.shape, rng, (60, 3), 0.3))
    sheet = lit(np.full((*y.shape, 3), PAPER, np.float32), 0.6 * tooth + 0.5 * fibre, relief=0.10)

    sky, mist = mountains(y, x, tooth, rng)
    sheet = stain(sheet, SUMI, sky)
    sheet = stain(sheet, INDIGO, mist)
    sheet = stain(sheet, TEA, 0.5 * smoothstep(-0.5, 2.5, noise(y.shape, rng, 500, roughness=0.35)))
    wood, petals = plum(y.shape, tooth, rng)
    return stain(stain(sheet, VERMILION, petals), SUMI, wood)


def stain(sheet: Array, pigment: tuple[float, float, float], density: Array) -> Array:
    """Lay a transparent pigment over the sheet; layers multiply, as inks do."""
    return sheet * np.array(pigment, np.float32) ** density[..., None]


def wash(inside: Array, tooth: Array, rng: np.random.Generator, wetness: float) -> Array:
    """The density of one wash, given how many pixels each point lies inside its outline (below 0: outside).

    The outline creeps along the paper's fibres, soft where the paper was wet, and pigment dries dark at
    the rim; where drops fell into the wash it flowers outwards.
    """
    creep = 7 * noise(inside.shape, rng, 60, roughness=0.62) + 1.5 * tooth
    depth = inside + creep * (0.4 + wetness)
    wet = smoothstep(-0.2, 1.4, noise(inside.shape, rng, 260, roughness=0.3) + wetness - 0.5)
    body = smoothstep(-2, 2, depth) * (1 - wet) + smoothstep(-60, 45, depth) * wet
    rim = np.exp(-((np.clip(depth - 2, -6, None) / 5.0) ** 2)) * (1 - wet) * (depth > -6)
    pool = 0.75 + 0.22 * noise(inside.shape, rng, 150, roughness=0.55) + 0.08 * tooth
    flower = noise(inside.shape, rng, 210, roughness=0.58) - 0.9
    bloom = np.exp(-((flower / 0.09) ** 2)) - 0.8 * smoothstep(0, 0.4, flower)
    return body * np.clip(pool + 0.32 * bloom, 0.12, None) + 0.55 * rim


def mountains(y: Array, x: Array, tooth: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Densities of black and of indigo: four ranges, each fading downwards into mist."""
    black, blue = np.zeros_like(y), np.zeros_like(y)
    moon = (np.hypot(y - 0.185, x - 0.235) - 0.088) * HEIGHT
    black += 0.28 * wash(moon, tooth, rng, 0.3) * np.exp(-np.clip(moon, 0, None) / 170)
    for level, relief, size, strength, tint in RANGES:
        ridge = level + relief * 0.5 * noise((1, WIDTH), rng, size, roughness=0.42)
        below = (y - ridge) * HEIGHT
        mist = np.exp(-np.clip(below, 0, None) / (120 + 260 * relief)) + 0.10
        layer = strength * wash(below, tooth, rng, 0.45 - 0.2 * strength) * mist
        rubbed = dry_texture(x * HEIGHT, below, HEIGHT * np.gradient(blur(ridge, 45), axis=1), rng)
        layer += 0.6 * strength * rubbed * mist * smoothstep(0, 30, below)
        black += layer * (1 - tint)
        blue += layer * tint
    return black, blue


def dry_texture(across: Array, below: Array, slope: Array, rng: np.random.Generator) -> Array:
    """Rubbed, broken strokes that fan out down the slopes from the ridge (all lengths in pixels)."""
    sheet = noise((2048, 2048), rng, (130, 8), roughness=0.5)
    fan = across - np.clip(slope, -1.2, 1.2) * np.clip(below, 0, None) * 0.8
    streak = sheet[below.astype(int) % 2048, fan.astype(int) % 2048]
    return smoothstep(0.6, 1.7, streak + 0.8 * noise(below.shape, rng, 170, roughness=0.45))


def plum(shape: tuple[int, int], tooth: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Densities of the black branch and of the vermilion blossom, with splatter of both."""
    canvas = Canvas(np.ones((*shape, 3), np.float32), rng)
    twigs = grow(canvas, np.array([0.93 * HEIGHT, 1.03 * WIDTH]), -2.45, 62.0, 760)
    wood = 1.25 * (1 - canvas.colour.mean(axis=2)) + 0.9 * splatter(shape, rng, 260, 1.6)
    petals = np.full(shape, -200, np.float32)
    for row, column in twigs:
        for _ in range(rng.integers(1, 3)):
            blossom(petals, row + rng.normal(0, 26), column + rng.normal(0, 26), rng.uniform(15, 27), rng)
    bloom = wash(petals, tooth, rng, 0.15) * smoothstep(-40, -4, petals)
    return wood, 0.95 * bloom + 0.8 * splatter(shape, rng, 90, 1.8)


def grow(canvas: Canvas, start: Array, heading: float, width: float, length: float) -> list[Array]:
    """Draw a crooked branch and, from its knees, smaller ones; returns where blossom may sit."""
    rng = canvas.rng
    blossoms, place, left = [], start, length
    while left > 0:
        run = min(left, rng.uniform(0.16, 0.30) * length + 40)
        steps = max(int(run / TRACE_STEP), 6)
        turn = heading + np.cumsum(rng.normal(0, 0.02, steps)) + 0.25 * np.sin(np.linspace(0, 3, steps))
        line = place + TRACE_STEP * np.cumsum(np.stack([np.sin(turn), np.cos(turn)], axis=1), axis=0)
        shade = np.full(3, rng.uniform(0.02, 0.22), np.float32)
        thick = max(width * (0.35 + 0.65 * left / length), 5)
        brush = Brush(thick, run, coverage=0, bristle=3, streak=0.6, dryness=0.75)
        canvas.stroke(line.astype(np.float32), shade, shade + 0.5, brush)
        place, left = line[int(0.85 * steps)], left - run
        side = rng.choice([-1, 1])
        if width > 9:
            aside = heading + side * rng.uniform(0.5, 1.1)
            blossoms += grow(canvas, place, aside, width * 0.45, length * 0.5)
        else:
            blossoms.append(place)
        heading += rng.normal(0, 0.32)
    return blossoms


def blossom(inside: Array, row: float, column: float, radius: float, rng: np.random.Generator) -> None:
    """Raise `inside` where five petals lie around (row, column)."""
    reach = int(3 * radius)
    top, left = max(int(row) - reach, 0), max(int(column) - reach, 0)
    window = np.s_[top : max(int(row) + reach, 0), left : max(int(column) + reach, 0)]
    y, x = np.indices(inside[window].shape)
    for turn in rng.uniform(0, 2) + np.arange(5) * 2 * np.pi / 5 + rng.normal(0, 0.12, 5):
        cy, cx = row - top + radius * 0.95 * np.sin(turn), column - left + radius * 0.95 * np.cos(turn)
        petal = radius * rng.uniform(0.55, 0.72) - np.hypot(y - cy, x - cx)
        inside[window] = np.maximum(inside[window], petal)


def splatter(shape: tuple[int, int], rng: np.random.Generator, count: int, size: float) -> Array:
    """Flicked drops, thickly strewn near one line across the sheet and seldom elsewhere."""
    density = np.zeros(shape, np.float32)
    along = rng.random(count)
    rows = (0.95 - 0.75 * along + rng.normal(0, 0.14, count)) * shape[0]
    columns = (0.05 + 0.9 * along + rng.normal(0, 0.14, count)) * shape[1]
    for row, column, radius in zip(rows, columns, size * (0.6 + rng.lognormal(0.0, 0.9, count)), strict=True):
        reach = int(radius * 2) + 3
        top, left = int(row) - reach, int(column) - reach
        if top < 0 or left < 0 or top + 2 * reach > shape[0] or left + 2 * reach > shape[1]:
            continue
        y, x = np.mgrid[-reach:reach, -reach:reach]
        lobes = 1 + 0.05 * np.sin(np.arctan2(y, x) * rng.choice([2, 3, 5]) + rng.uniform(0, 6))
        drop = smoothstep(1, -1, np.hypot(y, x * rng.uniform(0.8, 1.25)) - radius * lobes)
        window = density[top : top + 2 * reach, left : left + 2 * reach]
        np.maximum(window, drop * rng.uniform(0.3, 1), out=window)
    return density
