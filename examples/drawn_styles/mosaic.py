"""Mosaic: two koi circling in a pond, in glass and gold tesserae whose rows follow every outline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drawn_styles.tools import blur, colours, grid, lit, mix, noise, ramp, smoothstep

if TYPE_CHECKING:
    from drawn_styles.tools import Array

SIZE = 1280
RADIUS = 0.285  # of the circle the koi swim on, in units of the height
WATER = colours("0a1f4d", "0f3f86", "1273a8", "17a3b0", "66cdb8", "d3efd2")
KOI = (colours("8f1d10", "dc3a17", "f7802c", "fdeed2"), colours("141634", "2a2350", "e0901a", "ffd95a"))
LILY = colours("f6c63a", "fff0d8", "f3a0ae", "d43f6e", "8c1c50")
PAD = colours("12402c", "2f7d3c", "8dbb45")
PADS = ((0.155, 0.80, 0.105), (0.865, 0.185, 0.09))  # y, x, radius
FRAME = colours("6e1423", "d9a531", "16264f")
GROUT = (0.33, 0.29, 0.25)


def mosaic(rng: np.random.Generator) -> Array:
    """Draw the cartoon, set the tesserae along it, then light them, each a little askew."""
    y, x = grid(SIZE, SIZE)
    cartoon, angle, size = design(y, x, rng)
    sites = settle(angle, size, rng)
    tile, gap = lay(sites, angle, size)
    rows, columns = sites.astype(int).clip(0, SIZE - 1).T
    colour = cartoon[rows, columns]
    colour = colour * rng.normal(1, 0.13, (len(sites), 1)) + rng.normal(0, 0.025, colour.shape)
    image = np.clip(colour, 0.02, 1).astype(np.float32)[tile]

    crumb = noise(y.shape, rng, 10, roughness=0.6)
    face = smoothstep(1.3, 4.2, gap + 0.7 * crumb)
    tilt = rng.normal(0, 0.16, (len(sites), 2)).astype(np.float32)[tile]
    lean = tilt[..., 0] * (y * SIZE - sites[tile, 0]) + tilt[..., 1] * (x * SIZE - sites[tile, 1])
    veins = noise(y.shape, rng, (60, 12), roughness=0.5)
    image = image * (1 + 0.05 * veins + 0.03 * crumb)[..., None]
    height = face * (5 + lean) + 0.4 * crumb
    image = mix(np.array(GROUT, np.float32) * (1 + 0.10 * crumb[..., None]), image, face)
    return lit(image, height.astype(np.float32), relief=0.5, gloss=0.45)


def design(y: Array, x: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """The cartoon's colours, the direction of the rows, and the size of the tesserae in pixels."""
    wobble = noise(y.shape, rng, 380, roughness=0.2)
    things = [koi(y, x, 0.35, KOI[0], rng), koi(y, x, 0.35 + np.pi, KOI[1], rng), lily(y, x)]
    things += [pad(y - cy, x - cx, radius) for cy, cx, radius in PADS]
    away = np.minimum.reduce([outside for outside, _ in things])
    ripple = blur(away, 5) + 0.010 * wobble
    wave = 0.52 + 0.28 * np.sin(ripple * 75) + 0.18 * np.sin(ripple * 23 + 1.2 * wobble) + 0.10 * wobble
    colour = ramp(WATER, wave - 0.25 * smoothstep(0.2, 0.5, np.hypot(y - 0.5, x - 0.5)))
    for outside, skin in things:
        colour = mix(colour, skin, smoothstep(0.001, -0.001, outside))
    outline = np.abs(away - 0.007) < 0.006
    colour = np.where(outline[..., None], np.array((0.03, 0.05, 0.13), np.float32), colour)
    down, across = np.gradient(ripple)
    angle = np.arctan2(down, across)

    rim = np.minimum.reduce([y, x, 1 - y, 1 - x])
    frame = rim < 0.058
    step = np.floor((np.where(np.minimum(y, 1 - y) < np.minimum(x, 1 - x), x, y)) / 0.0345).astype(int)
    band = np.where(rim < 0.018, 0, np.where(rim < 0.038, 1 + (step % 3 == 0), 2))
    colour = np.where(frame[..., None], FRAME[band], colour)
    angle = np.where(frame, 0, angle)
    size = np.where(frame, 22, np.where(away < 0.012, 17, 24))
    return colour.astype(np.float32), angle.astype(np.float32), size.astype(np.float32)


def koi(y: Array, x: Array, turn: float, palette: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Distance outside a koi's outline (below 0: inside), and its colours."""
    dy, dx = y - 0.5, x - 0.5
    along = (np.arctan2(dy, dx) - turn) % (2 * np.pi) * RADIUS  # 0 at the nose, 0.70 at the tail's end
    across = np.hypot(dy, dx) - RADIUS - 0.016 * np.sin(along * 11)
    wide = np.abs(across)
    body = 0.070 * np.clip(along / 0.20, 0, 1) ** 0.45 * smoothstep(0.62, 0.16, along) + 0.012
    swept = along - 0.9 * np.clip(wide - body, 0, 0.2)
    fins = 0.075 * np.exp(-(((swept - 0.165) / 0.030) ** 4)) + 0.045 * np.exp(-(((swept - 0.36) / 0.022) ** 4))
    tail = 0.095 * smoothstep(0.47, 0.66, along)
    fork = 0.60 + 1.1 * wide  # the tail ends in two points
    outside = np.maximum(wide - body - fins - tail, along - np.minimum(fork, 0.70))
    front = np.hypot(np.minimum(2 * np.pi * RADIUS - along, 9), wide) - 0.012
    outside = np.where(along > 1.3, front, outside)

    scales = np.sin(along * 190 + 3 * np.cos(across * 130))
    patch = smoothstep(-0.1, 0.1, noise(y.shape, rng, 170, roughness=0.3))
    tone = 0.92 - 0.62 * patch + 0.09 * scales - 1.6 * wide * (along < 0.5)
    rays = 0.62 + 0.20 * np.sin(wide * 260)
    skin = ramp(palette, np.where((wide > body) | (along > 0.5), rays, tone))
    eye = np.hypot(along - 0.050, wide - 0.030)
    skin = np.where((eye < 0.019)[..., None], np.array((1.0, 0.93, 0.7), np.float32), skin)
    return outside.astype(np.float32), np.where((eye < 0.009)[..., None], np.float32(0.02), skin)


def lily(y: Array, x: Array) -> tuple[Array, Array]:
    """Distance outside the water lily in the middle, and its colours."""
    dy, dx = y - 0.5, x - 0.5
    radius, around = np.hypot(dy, dx), np.arctan2(dy, dx)
    petal = 0.100 + 0.030 * np.abs(np.cos(4 * around))
    inner = 0.060 + 0.020 * np.abs(np.sin(4 * around))
    tone = np.where(
        radius < 0.025, 0.0, np.where(radius < inner, 0.18 + 6 * (radius - 0.03), 0.45 + 6 * (radius - inner))
    )
    return radius - petal, ramp(LILY, tone)


def pad(y: Array, x: Array, size: float) -> tuple[Array, Array]:
    """Distance outside a lily pad with its notch, and its colours."""
    radius, around = np.hypot(y, x), np.arctan2(y, x)
    notch = 0.02 - np.abs(y - 0.4 * x) * np.sign(x)
    outside = np.where(x > 0, np.maximum(radius - size, notch), radius - size)
    return outside, ramp(PAD, 0.45 + 0.35 * np.sin(11 * around) + 3 * (radius - size / 2))


def settle(angle: Array, size: Array, rng: np.random.Generator, rounds: int = 14) -> Array:
    """Places of the tesserae, shape (n, 2): scattered, then moved to their cells' middles until they pack."""
    thin = rng.random((SIZE // 2, SIZE // 2)) < 4 / size[::2, ::2] ** 2
    sites = 2.0 * np.argwhere(thin) + rng.uniform(0, 2, (thin.sum(), 2))
    rows, columns = np.indices(thin.shape)
    for _ in range(rounds):
        tile = lay(sites, angle, size, every=2)[0].ravel()
        area = np.bincount(tile, minlength=len(sites)).clip(1)
        middle = [np.bincount(tile, 2 * c.ravel(), minlength=len(sites)) / area for c in (rows, columns)]
        sites = np.where((area > 1)[:, None], np.stack(middle, axis=1), sites)
    return sites


def lay(sites: Array, angle: Array, size: Array, every: int = 1) -> tuple[Array, Array]:
    """For each pixel (or each second one): its tessera, and how far it is from the next one.

    Distance is measured square-wise along and across the rows, so that the cells come out as tesserae.
    """
    shape = (SIZE // every, SIZE // every)
    best, second = np.full(shape, 1e9, np.float32), np.full(shape, 1e9, np.float32)
    owner = np.zeros(shape, int)
    rows, columns = sites.astype(int).clip(0, SIZE - 1).T
    for i, (row, column) in enumerate(sites / every):
        turn, reach = angle[rows[i], columns[i]], int(2.2 * size[rows[i], columns[i]]) // every
        top, left = max(int(row) - reach, 0), max(int(column) - reach, 0)
        window = np.s_[top : int(row) + reach, left : int(column) + reach]
        first, runner_up = best[window], second[window]
        dy = np.arange(top, top + first.shape[0], dtype=np.float32)[:, None] - np.float32(row)
        dx = np.arange(left, left + first.shape[1], dtype=np.float32)[None, :] - np.float32(column)
        c, s = np.cos(turn), np.sin(turn)
        here = np.maximum(np.abs(dx * c + dy * s), np.abs(dy * c - dx * s)) + 0.12 * np.hypot(dy, dx)
        runner_up[:] = np.minimum(runner_up, np.maximum(here, first))
        owner[window][here < first] = i
        first[:] = np.minimum(first, here)
    return owner, (second - best) * every
