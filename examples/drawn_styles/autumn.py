"""Palette knife: birches in October, laid in slabs of red and gold, with their reflection in a pond."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from drawn_styles.brush import Brush, Canvas
from drawn_styles.tools import blur, colours, grid, mix, noise, ramp, smoothstep

if TYPE_CHECKING:
    from drawn_styles.tools import Array

SHORE = 0.70  # where the water begins, in units of the height
FOLIAGE = colours("3b0f1c", "7d1420", "c22a1a", "e8591a", "f7931e", "fdc93b", "fff0a0")
LIGHT = colours("2a4f6e", "5f9db0", "bcd8c0", "fff3c4")
POND = colours("0c2233", "17475c", "2f8088", "8cc0ae")
BARK = colours("2b2430", "6c6a7c", "c9c3c0", "fff8e8")
KNIFE = Brush(width=60, length=100, coverage=3, body=1.2, bristle=14, dryness=0.2, streak=0.6, turn=0.5)


def autumn(rng: np.random.Generator) -> Array:
    """Paint the image: masses of foliage, then trunks, leaves, and lights on the water."""
    y, x = grid(1440, 1152)
    colour, angle = foliage(y, x, rng)
    water = smoothstep(SHORE, SHORE + 0.004, y)
    canvas = Canvas(blur(colour, 30) * 0.7, rng)
    canvas.paint(blur(colour, 20), angle, replace(KNIFE, width=95, length=150, hue_jitter=0.04))
    slab = replace(KNIFE, width=52, length=85, coverage=1.6, body=2, value_jitter=0.15, turn=0.4)
    canvas.paint(blur(colour, 6), angle, slab)

    bark, upright, extent = trunks(y, x, rng)
    slab = replace(KNIFE, width=26, length=80, coverage=4, body=2, value_jitter=0.1, turn=0.12)
    canvas.paint(bark, upright, slab, where=extent * (1 - water))

    leaves = (0.15 + smoothstep(0.2, 1.6, noise(y.shape, rng, 130, roughness=0.5))) * (1 - water)
    dab = replace(KNIFE, width=30, length=44, coverage=1.5, body=2.6, value_jitter=0.2, hue_jitter=0.06, turn=0.6)
    canvas.paint(colour, angle, dab, where=leaves)
    dab = Brush(17, 26, coverage=0.9, body=2.8, value_jitter=0.2, turn=0.8)
    canvas.paint(colour * 1.2 + 0.05, angle, dab, where=leaves)

    mirrored = mix(colour, bark * (0.9, 0.85, 0.85), 0.8 * extent)
    ripple = Brush(27, 130, coverage=2.2, body=1.4, bristle=7, value_jitter=0.12, turn=0.05)
    canvas.paint(mirrored, angle, ripple, where=water)
    glint = Brush(15, 90, coverage=1, body=2, value_jitter=0.2, turn=0.05)
    canvas.paint(mirrored * 1.15, angle, glint, where=water * (colour.mean(axis=2) > 0.4))
    return canvas.finished(relief=0.4, gloss=0.3)


def foliage(y: Array, x: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Colours and stroke directions of the wood and the pond that mirrors it."""
    depth = np.where(y < SHORE, y, SHORE - (y - SHORE) * 1.25)  # the height mirrored in the water
    rows = np.clip(depth * y.shape[0], 0, y.shape[0] - 1).astype(int)
    columns = np.broadcast_to(np.arange(y.shape[1]), y.shape)
    clumps = noise(y.shape, rng, 330, roughness=0.35)[rows, columns]
    twigs = noise(y.shape, rng, 70, roughness=0.5)[rows, columns]
    glade = np.exp(-(((x - 0.44) / 0.13) ** 2 + ((depth - 0.50) / 0.22) ** 2))
    tone = 0.50 + 0.20 * clumps + 0.10 * twigs - 0.30 * smoothstep(0.5, SHORE, depth)
    colour = ramp(FOLIAGE, tone + 0.35 * glade)
    sky = smoothstep(0.9, 1.5, clumps + 0.5 * twigs + 1.6 * glade - 1.6 * depth + 0.7)
    colour = mix(colour, ramp(LIGHT, 0.45 + 0.2 * twigs + 0.5 * glade), sky)

    water = smoothstep(SHORE, SHORE + 0.004, y)
    ripple = 0.5 + 0.5 * np.sin(1 / (0.006 + 0.05 * np.clip(y - SHORE + 0.08, 0.01, 1)) + 2 * twigs)
    deep = ramp(POND, 0.25 + 0.35 * ripple + 0.12 * clumps)
    colour = mix(colour, mix(colour * (0.95, 0.85, 0.8), deep, 0.08 + 0.75 * ripple**2), water)
    colour = mix(colour, (0.13, 0.04, 0.08), np.exp(-(((y - SHORE) / 0.010) ** 2)) * 0.85)
    hang = np.pi / 2 + 0.9 * noise(y.shape, rng, 260, roughness=0.2)
    return colour, np.where(y < SHORE, hang, 0.06 * clumps)


def trunks(y: Array, x: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Colours, directions and extent of the birches, thick and thin, and of their mirror image."""
    depth = np.where(y < SHORE, y, SHORE - (y - SHORE) * 1.25)
    marks = noise(y.shape, rng, (14, 46), roughness=0.3)
    extent, side = np.zeros_like(y), np.zeros_like(y)
    for x0, half, foot in (
        (0.08, 0.022, 0.70),
        (0.19, 0.011, 0.67),
        (0.29, 0.017, 0.70),
        (0.37, 0.007, 0.64),
        (0.53, 0.008, 0.65),
        (0.60, 0.013, 0.68),
        (0.70, 0.026, 0.71),
        (0.77, 0.010, 0.66),
    ):
        lean = rng.normal(0, 0.05)
        offset = x - x0 - lean * (foot - depth) - 0.006 * np.sin(9 * depth + 20 * x0)
        width = half * (0.65 + 0.5 * depth / foot)
        inside = smoothstep(1.0, 0.7, np.abs(offset) / width) * (depth < foot)
        side = np.where(inside > 0, offset / width, side)
        extent = np.maximum(extent, inside)
    bark = 0.78 - 0.38 * side - 0.6 * smoothstep(0.9, 1.6, marks)
    return ramp(BARK, bark), np.full_like(y, np.pi / 2), extent
