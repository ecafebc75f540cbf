"""Stained glass: a rose window, cells of coloured glass between dark leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drawn_styles.tools import blur, colours, grid, lit, mix, noise, smoothstep

if TYPE_CHECKING:
    from drawn_styles.tools import Array

SIZE = 1280
# Rings from the middle out: radius, panes, room (how far a pane pushes its neighbours back, in pixels),
# and the glass the panes alternate between.
RINGS = (
    (0.000, 1, 30, ("ffd94a",)),
    (0.066, 12, 0, ("c8141d", "8f0f22")),
    (0.140, 12, 60, ("f7a823", "ffd766")),
    (0.190, 12, 0, ("2a6fd8",)),
    (0.226, 24, 0, ("0f2a7a", "b3122b")),
    (0.305, 12, 95, ("1440b4", "0f58c0")),
    (0.325, 12, 35, ("d8201f",)),
    (0.395, 24, 25, ("f2a71f", "0d7f6a")),
    (0.440, 48, 0, ("6fb4ea", "1a3a9a")),
)
FRAME = ("a3122a", "f0a51e", "a3122a", "17389c")
CORNERS = ("10246a", "173f9f", "2764c4", "0f2f86", "3a1f7c", "86c5ee", "8c1234", "0f6f68")
LEAD = 7.0  # half the width of a lead, in pixels


def glass(rng: np.random.Generator) -> Array:
    """Cut the panes, colour them, then lay the leads and let the light through."""
    sites, room, tint = panes(rng)
    y, x = grid(SIZE, SIZE)
    y = y * SIZE + 3.5 * noise(y.shape, rng, 120, roughness=0.3)
    x = x * SIZE + 3.5 * noise(x.shape, rng, 120, roughness=0.3)
    pane, edge, joint = cut(y, x, sites, room)
    light = glazed(y, x, pane=pane, edge=edge, tint=tint, rng=rng)
    light = veined(light, y, x, sites[pane], room[pane])
    light = light + 0.30 * blur(light, 10) + 0.18 * blur(light, 45)

    width = LEAD * (1 + 0.12 * noise(y.shape, rng, 90)) + 5 * smoothstep(16, 4, joint)
    across = np.clip(edge / width, 0, 1)
    came = np.sqrt(1 - across**2) * width + 0.35 * noise(y.shape, rng, 12, roughness=0.4)
    metal = lit(np.full((*y.shape, 3), (0.085, 0.085, 0.10), np.float32), came, relief=0.5, gloss=0.3)
    return mix(metal + 0.10 * blur(light, 12), light, smoothstep(0.9, 1.05, edge / width))


def panes(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Middles (n, 2) of the panes in pixels, the room (n,) each takes, and their colours (n, 3)."""
    sites, room, names = [], [], []
    for i, (radius, count, push, shades) in enumerate(RINGS):
        turn = np.arange(count) + 0.5 * (i % 2) + rng.normal(0, 0.02, count)
        around = 2 * np.pi * turn / count
        ring = 0.5 + radius * np.stack([np.sin(around), np.cos(around)], axis=1)
        sites += list(ring + rng.normal(0, 0.003, ring.shape))
        room += [push] * count
        names += [shades[k % len(shades)] for k in range(count)]
    border = np.arange(0.025, 0.96, 0.05)
    low, high = np.full_like(border, 0.022), np.full_like(border, 0.978)
    for row, column in (
        (low, border),
        (border, high),
        (high, border[::-1] + 0.025),
        (border[::-1] + 0.025, low),
    ):
        sites += list(np.stack([row, column], axis=1))
        room += [0] * len(border)
        names += [FRAME[k % len(FRAME)] for k in range(len(border))]
    for _ in range(4000):  # the corners: irregular pieces, as many as fit
        spot = rng.uniform(0.06, 0.94, 2)
        radius = np.hypot(*(spot - 0.5))
        gap = np.min(np.hypot(*(np.array(sites) - spot).T))
        if radius > 0.48 and gap > 0.042 + 0.16 * max(radius - 0.5, 0):
            sites.append(spot)
            room.append(0)
            names.append(CORNERS[rng.integers(len(CORNERS))])
    tint = colours(*names)
    tint = np.clip(tint * rng.normal(1, 0.10, (len(tint), 1)), 0, 1)
    return np.array(sites) * SIZE, np.array(room, np.float32), tint


def cut(y: Array, x: Array, sites: Array, room: Array) -> tuple[Array, Array, Array]:
    """For each pixel: its pane, the distance to the pane's edge, and the distance to a joint of three.

    A power diagram: like Voronoi cells, with `room` squared taken off the squared distance to each site.
    """
    square = np.full((3, *y.shape), np.inf, np.float32)  # to the three nearest sites
    owner = np.zeros((2, *y.shape), int)
    reach = 200
    for i, (cy, cx) in enumerate(sites):
        window = np.s_[max(int(cy) - reach, 0) : int(cy) + reach, max(int(cx) - reach, 0) : int(cx) + reach]
        here = (y[window] - cy) ** 2 + (x[window] - cx) ** 2 - room[i] ** 2
        first, second, third = (s[window] for s in square)
        nearest, runner_up = (o[window] for o in owner)
        third[:] = np.minimum(third, np.maximum(here, second))
        beaten = here < second
        runner_up[:] = np.where(here < first, nearest, np.where(beaten, i, runner_up))
        second[:] = np.minimum(second, np.maximum(here, first))
        nearest[:] = np.where(here < first, i, nearest)
        first[:] = np.minimum(first, here)
    between = np.linalg.norm(sites[owner[0]] - sites[owner[1]], axis=-1)
    edge = (square[1] - square[0]) / (2 * between)
    return owner[0], edge.astype(np.float32), (square[2] - square[0]) / 110


def glazed(y: Array, x: Array, *, pane: Array, edge: Array, tint: Array, rng: np.random.Generator) -> Array:
    """The light through the panes: streaks in each pane's own direction, ripples, bubbles and grime."""
    way = rng.uniform(0, np.pi, len(tint)).astype(np.float32)[pane]
    along, across = y * np.sin(way) + x * np.cos(way), y * np.cos(way) - x * np.sin(way)
    sheet = noise((1024, 1024), rng, (26, 260), roughness=0.5)
    streak = sheet[across.astype(int) % 1024, along.astype(int) % 1024]
    cloud = noise(y.shape, rng, 110, roughness=0.5)

    colour = tint[pane]
    paler = np.clip(colour * 1.25 + 0.22, 0, 1)
    deeper = colour**1.7 * 0.8
    colour = mix(colour, paler, np.clip(0.32 * streak + 0.15 * cloud, 0, 0.8))
    colour = mix(colour, deeper, np.clip(-0.40 * streak - 0.15 * cloud, 0, 0.9))

    ripple = 1.6 * noise(y.shape, rng, 22, roughness=0.5) + bubbles(y.shape, rng)
    colour = lit(colour, ripple, relief=0.22, gloss=0.22)
    sun = np.exp(-(((y / SIZE - 0.42) / 0.55) ** 2) - ((x / SIZE - 0.5) / 0.55) ** 2)
    grime = smoothstep(4, 26, edge + 3 * cloud)
    return colour * (0.55 + 0.45 * sun + 0.15 * smoothstep(10, 50, edge))[..., None] * (0.45 + 0.55 * grime)[..., None]


def veined(light: Array, y: Array, x: Array, middle: Array, room: Array) -> Array:
    """Paint leaf veins, as glaziers do in brown enamel, on the panes that take up much room."""
    outwards = np.arctan2(middle[..., 0] - SIZE / 2, middle[..., 1] - SIZE / 2)
    dy, dx = y - middle[..., 0], x - middle[..., 1]
    along = dy * np.sin(outwards) + dx * np.cos(outwards)
    across = np.abs(dy * np.cos(outwards) - dx * np.sin(outwards))
    rib = smoothstep(3.2, 1.8, across)
    vein = smoothstep(0.80, 0.92, np.cos((along - 0.8 * across) * 0.42)) * smoothstep(46, 6, across)
    return light * (1 - 0.75 * np.maximum(rib, vein) * (room > 50))[..., None]


def bubbles(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """A relief of air bubbles, a few large and many small."""
    relief = np.zeros(shape, np.float32)
    for radius in 2.5 + rng.exponential(2.2, 1500):
        size = int(radius) + 2
        cy, cx = (int(rng.integers(size, n - size)) for n in shape)
        dy, dx = np.mgrid[-size:size, -size:size]
        relief[cy - size : cy + size, cx - size : cx + size] += np.sqrt(np.clip(radius**2 - dy**2 - dx**2, 0, None))
    return relief
