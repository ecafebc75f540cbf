"""Woodcut: a red sun over mountains and a lake, gouged from a black block and printed over three inks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drawn_styles.tools import grid, mix, noise, smoothstep

if TYPE_CHECKING:
    from drawn_styles.tools import Array

HEIGHT, WIDTH = 1152, 1440
PAPER, KEY = (0.95, 0.90, 0.78), (0.075, 0.07, 0.085)
VERMILION, INDIGO, OCHRE = (0.80, 0.17, 0.09), (0.10, 0.27, 0.42), (0.91, 0.62, 0.22)

# Places and sizes are in units of the image's height, y down.
SUN_Y, SUN_X, SUN_RADIUS = 0.27, 0.80, 0.135
LAKE = 0.68
FAR_PEAKS = (
    (0.02, 0.46, 0.45),
    (0.62, 0.50, 0.40),
    (0.93, 0.54, 0.35),
    (1.16, 0.42, 0.55),
)  # x, y, steepness
NEAR_PEAKS = (
    (-0.02, 0.50, 0.60),
    (0.13, 0.47, 0.75),
    (0.36, 0.29, 0.95),
    (0.56, 0.53, 0.70),
    (0.71, 0.60, 0.60),
    (1.26, 0.55, 0.62),
)


class Block(NamedTuple):
    """The drawing on the block: coordinates, the unsteadiness of the hand, and the outlines to cut."""

    y: Array
    x: Array
    hand: Array  # wavers within a few cuts
    broad: Array  # wavers across the image
    ranges: tuple[tuple[Array, Array], ...]
    bank: Array
    rng: np.random.Generator


def woodcut(rng: np.random.Generator) -> Array:
    """Print ochre, vermilion and indigo on cream paper, a little out of register, then the black block."""
    block = drawing(rng)
    white = cut(block)
    grain = noise(white.shape, rng, (7, 700), roughness=0.35)
    fibre = noise(white.shape, rng, 40, roughness=0.8)
    sheet = np.array(PAPER, np.float32) * (1 + 0.02 * fibre[..., None])
    slips = ((3, -4), (-3, 3), (4, 3))
    for ink, amount, slip in zip((OCHRE, VERMILION, INDIGO), inked(block), slips, strict=True):
        sheet = sheet * mix((1, 1, 1), ink, np.roll(amount, slip, (0, 1)) * np.clip(0.92 + 0.06 * grain, 0, 1))
    salt = smoothstep(-3.0, -2.2, grain + 0.7 * noise(white.shape, rng, 5, roughness=0.6))
    return mix(sheet, KEY, (1 - white) * salt * (0.97 + 0.02 * grain))


def drawing(rng: np.random.Generator) -> Block:
    """Draw the outlines on the block."""
    y, x = grid(HEIGHT, WIDTH)
    ranges = (skyline(x, FAR_PEAKS, rng), skyline(x, NEAR_PEAKS, rng))
    bank = 0.93 + 0.03 * np.sin(3.1 * x + 0.5) + 0.006 * np.sin(19 * x)
    hand, broad = noise(y.shape, rng, 60, roughness=0.45), noise(y.shape, rng, 330, roughness=0.3)
    return Block(y, x, hand, broad, ranges, bank, rng)


def skyline(x: Array, peaks: tuple[tuple[float, ...], ...], rng: np.random.Generator) -> tuple[Array, Array]:
    """A range's ridge y over every column, and how far each column lies to the right of its own peak."""
    column = x[:1]
    jag = 0.010 * noise((1, WIDTH), rng, 130, roughness=0.62)
    flanks = np.stack([py + steep * np.abs(column - px) ** 0.9 + jag for px, py, steep in peaks])
    own = np.array([px for px, _, _ in peaks], np.float32)[flanks.argmin(axis=0)]
    return flanks.min(axis=0), column - own


def gouges(across: Array, along: Array, light: Array, length: float, rng: np.random.Generator) -> Array:
    """White cuts in a black block, one row per unit of `across`, each `length` units of `along` long.

    `light` in [0, 1] widens the cuts; in full light they run together and leave bare paper.
    """
    row = np.floor(across).astype(int)
    shift, pace = rng.random(4096).astype(np.float32), rng.uniform(0.8, 1.25, 4096).astype(np.float32)
    place = along / length * pace[row % 4096] + shift[row % 4096]
    number = np.floor(place).astype(int)
    part = place - number
    # A gouge enters quickly and leaves slowly.
    taper = smoothstep(0, 0.16, part) * smoothstep(1, 0.45, part)
    taper = np.maximum(taper, smoothstep(0.55, 0.95, light))
    force = 0.94 + 0.62 * shift[(row * 131 + number * 17) % 4096]
    return smoothstep(0.10, -0.10, 2 * np.abs(across - row - 0.5) - light * taper * force)


def cut(block: Block) -> Array:
    """Where the block is cut away (1), region by region from the sky down to the near bank."""
    y, x, hand, _, ranges, bank, _ = block
    white = heaven(block)
    for (ridge, right), pitch, sunlit in zip(ranges, (104, 84), (0.60, 0.84), strict=True):
        white = np.where(y > ridge, mountain(block, ridge, right, pitch, sunlit), white)
        white *= smoothstep(0.001, 0.003, np.abs(y - ridge - 0.002) - 0.0012 * hand)  # the outline stays black
    white = np.where(y > LAKE + 0.003 * np.sin(11 * x), lake(block), white)
    return np.where(y > bank + 0.006 * hand, shore(block), white)


def heaven(block: Block) -> Array:
    """Rings of cuts about the sun, crossed by rays; level cuts on the sun itself."""
    y, x, hand, broad, *_, rng = block
    dy, dx = y - SUN_Y, x - SUN_X
    around, far = np.arctan2(dy, dx), np.hypot(dy, dx) + 0.004 * broad
    beyond = far - SUN_RADIUS
    ring = 74 * beyond * (1 + 0.1 * np.sin(3 * around)) + 0.10 * hand
    glow = 0.94 - 0.75 * smoothstep(0.0, 0.75, beyond) + 0.11 * np.sin(28 * around + 0.5 * broad) + 0.05 * hand
    air = gouges(ring, around * (far + 0.2) * 10, np.clip(glow, 0.12, 0.93), 1.3, rng)
    face = 0.97 - 0.5 * smoothstep(0.6, 1, far / SUN_RADIUS) * (dy > 0)
    disc = gouges(95 * y + 0.1 * hand, 10 * x, face, 1.0, rng)
    return np.where(beyond < 0, disc, air) * smoothstep(0.0022, 0.0042, np.abs(beyond) + 0.0006 * hand)


def mountain(block: Block, ridge: Array, right: Array, pitch: float, sunlit: float) -> Array:
    """Cuts that run down the slopes, leaning one way on the sunlit right faces, the other way on the left."""
    y, x, hand, broad, *_, rng = block
    below = y - ridge
    wander = 0.5 * below * np.sin(7 * x + 24 * below) + 0.12 * below * broad
    column = np.clip((x + wander) * HEIGHT, 0, WIDTH - 1).astype(int)
    spine = right[0, column] + 0.03 * np.sin(40 * below) * smoothstep(0, 0.05, below)
    facing = smoothstep(-0.004, 0.004, spine + 0.002 * hand)
    across = x + np.where(facing > 0.5, -0.75, 0.55) * (y + 0.02 * np.sin(20 * y))
    gully = smoothstep(0.1, 0.9, np.sin(70 * across + 2.2 * broad + 8 * below))
    gully *= smoothstep(0.02, 0.12, below)
    snow = smoothstep(0.10, 0.06, below + 0.022 * hand + 0.020 * np.sin(60 * across))
    light = 0.12 + (sunlit - 0.12) * facing * (1 - 0.70 * gully) * smoothstep(0.55, 0.1, below)
    light = np.clip(light + 0.5 * snow * (0.25 + facing), 0.12, 0.96)
    return gouges(across * pitch + 0.10 * hand, 10 * y, light, 0.5, rng)


def lake(block: Block) -> Array:
    """Long level cuts that crowd towards the far shore and glitter under the sun."""
    y, x, hand, broad, *_, rng = block
    depth = np.clip((y - LAKE) / (1 - LAKE), 0, 1)
    swell = 0.35 * np.sin(14 * x + 30 * depth + broad) + 0.22 * np.sin(33 * x - 18 * depth)
    across = 34 * depth**0.62 + swell * (0.4 + depth)
    path = np.exp(-(((x - SUN_X) / (0.06 + 0.16 * depth)) ** 2))
    light = 0.30 + 0.14 * np.sin(across * 0.9 + 2 * broad) + 0.50 * path - 0.10 * depth + 0.05 * hand
    return gouges(across, 10 * x, np.clip(light, 0.08, 0.95), 0.75, rng)


def shore(block: Block) -> Array:
    """The near bank, almost black, with short upright cuts for grass."""
    y, x, hand, *_, bank, rng = block
    below = y - bank
    light = np.clip(0.42 - 1.5 * below + 0.1 * hand, 0.1, 1)
    return gouges(80 * (x + 0.35 * below * np.sin(9 * x)) + 0.3 * hand, 10 * y, light, 0.42, rng)


def inked(block: Block) -> tuple[Array, Array, Array]:
    """How much ochre, vermilion and indigo lies where, wiped by hand from full to none."""
    y, x, _, _, ranges, bank, rng = block
    far = np.hypot(y - SUN_Y, x - SUN_X)
    sun = smoothstep(0.002, -0.002, far - SUN_RADIUS)
    near = smoothstep(0, 0.003, y - ranges[1][0])
    air = (1 - near) * smoothstep(0.003, 0, y - ranges[0][0])
    hills = near * (y < LAKE)
    water = smoothstep(0, 0.004, y - LAKE)
    grass = smoothstep(0, 0.003, y - bank)
    path = water * np.exp(-(((x - SUN_X) / (0.05 + 0.35 * (y - LAKE))) ** 2))
    height = y + 0.06 * noise(y.shape, rng, 300, roughness=0.3)
    ochre = [0.9 * air * smoothstep(0.75, 0.1, far), 0.55 * hills, 0.7 * path, 0.8 * grass]
    vermilion = [sun, 0.65 * air * smoothstep(0.30, 0.55, height), 0.75 * path * (1 - grass)]
    indigo = [
        0.95 * air * smoothstep(0.32, 0.0, height) * smoothstep(0.15, 0.55, far),
        0.75 * (1 - air) * (1 - near),
        0.55 * hills * smoothstep(0.42, 0.66, y),
        water * (1 - path) * (0.55 + 0.45 * smoothstep(0.7, 0.95, y)),
        0.35 * grass,
    ]
    most = [np.maximum.reduce(layers) for layers in (ochre, vermilion, indigo)]
    return most[0] * (1 - 0.2 * sun), most[1], most[2] * (1 - sun)
