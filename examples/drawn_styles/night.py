"""Impasto: a night sky of whirling brush strokes over dark hills and a gold field."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from drawn_styles.brush import Brush, Canvas, turned
from drawn_styles.tools import blur, colours, grid, mix, noise, ramp, smoothstep

if TYPE_CHECKING:
    from drawn_styles.tools import Array

SKY = colours("0d1738", "152a63", "1f4790", "2f6fb5", "5b9fc4", "9ccbc4", "e3e3b4")
GLOW = colours("2f6fb5", "7fb59b", "d9c75a", "f2b632", "f7d765", "fff6cf")
HILLS = colours("0a1526", "12303f", "1d4f56", "3f7a5e", "86a35a")
FIELD = colours("5a2f16", "a8561c", "d98f2b", "efc24e", "f8e39a")
POPLAR = colours("0b1613", "16302a", "2c4a2c", "6f6a2c", "b0682a")

# Places and sizes are in units of the image's height, y down.
WHIRLS = (  # y, x, radius, spin
    (0.33, 0.56, 0.15, 1.0),
    (0.45, 0.88, 0.10, -0.8),
    (0.56, 0.22, 0.08, 0.6),
    (0.10, 0.86, 0.06, -0.5),
)
LIGHTS = (  # y, x, radius: the moon and seven stars
    (0.17, 1.17, 0.095),
    (0.12, 0.30, 0.045),
    (0.28, 0.13, 0.034),
    (0.07, 0.62, 0.030),
    (0.42, 1.21, 0.036),
    (0.20, 0.90, 0.026),
    (0.46, 0.40, 0.028),
    (0.34, 0.80, 0.020),
)
POPLARS = (  # foot y, x, height, half width
    (0.93, 0.90, 0.40, 0.045),
    (0.94, 1.09, 0.46, 0.052),
    (0.95, 0.99, 0.66, 0.062),
)


class Plan(NamedTuple):
    """Colour, stroke direction and density of fine strokes at each pixel."""

    colour: Array
    angle: Array
    fine: Array


def night(rng: np.random.Generator) -> Array:
    """Paint the sky and the land, coarse to fine, and then the poplars in front of them."""
    y, x = grid(1152, 1536)
    colour, angle, fine = land(y, x, lights(y, x, sky(y, x, rng)), rng)
    canvas = Canvas(blur(colour, 20) * (0.75, 0.65, 0.6), rng)
    canvas.paint(blur(colour, 14), angle, Brush(60, 230, 3.0, bristle=7, hue_jitter=0.04))
    canvas.paint(blur(colour, 4), angle, Brush(36, 150, 2.2, body=1.6, bristle=6, value_jitter=0.13))
    canvas.paint(colour, angle, Brush(25, 100, 1.3, body=2.2, bristle=5, value_jitter=0.17, hue_jitter=0.045))
    canvas.paint(colour * 1.1, angle, Brush(16, 68, 1.1, body=2.2, value_jitter=0.16), where=fine)
    colour, angle, fine = poplars(y, x, rng)
    canvas.paint(colour, angle, Brush(18, 90, 4.5, body=1.8, bristle=5, value_jitter=0.2), where=fine)
    canvas.paint(colour * 1.35, angle, Brush(12, 64, 1.4, body=2.2, value_jitter=0.25), where=fine)
    return canvas.finished()


def sky(y: Array, x: Array, rng: np.random.Generator) -> Plan:
    """Bands of blue that stream from left to right and roll up in the whirls."""
    wobble = noise(y.shape, rng, 500, roughness=0.2)
    stream = 0.9 * y + 0.035 * np.sin(7 * x + 1.5) + 0.012 * wobble  # strokes follow its level lines
    bright = 0.25 * np.sin(34 * stream + 2 * wobble) + 0.12 * noise(y.shape, rng, 160, roughness=0.4)
    for cy, cx, radius, spin in WHIRLS:
        dy, dx = y - cy, x - cx
        far = np.hypot(dy, dx) / radius
        pull = np.log(far**2 + 0.08) * np.exp(-((far / 3) ** 2))
        stream = stream + 0.9 * spin * radius * pull
        arms = np.sin(2 * np.arctan2(dy, dx) - np.sign(spin) * 5 * np.log(far + 0.15))
        bright += (0.35 + 0.45 * arms) * np.exp(-((far / 1.5) ** 2))
    down, across = np.gradient(blur(stream, 6))
    colour = ramp(SKY, 0.38 + 0.55 * bright - 0.12 * smoothstep(0.35, 0.0, y))
    return Plan(colour, np.arctan2(-across, down), smoothstep(0.1, 0.6, bright))


def lights(y: Array, x: Array, plan: Plan) -> Plan:
    """Set the moon and the stars into the sky, each with rings of glow about it."""
    colour, angle, fine = plan
    for cy, cx, radius in LIGHTS:
        dy, dx = y - cy, x - cx
        far = np.hypot(dy, dx) / radius
        halo = np.exp(-((far / 1.45) ** 2))
        glow = 0.1 + halo + 0.10 * np.sin(9 * far) * (halo < 0.85)
        colour = mix(colour, ramp(GLOW, glow), smoothstep(0.06, 0.45, halo))
        angle = turned(angle, np.arctan2(dx, -dy), smoothstep(0.02, 0.3, halo))
        fine = np.maximum(fine, smoothstep(0.05, 0.4, halo))
    return Plan(colour, angle, fine)


def land(y: Array, x: Array, plan: Plan, rng: np.random.Generator) -> Plan:
    """Lay two hills and a field over the foot of the sky, each with furrows along its own ridge."""
    colour, angle, fine = plan
    wobble = noise(y.shape, rng, 500, roughness=0.2)
    peaks = 0.085 * np.exp(-(((x - 0.30) / 0.22) ** 2)) + 0.06 * np.exp(-(((x - 1.05) / 0.25) ** 2))
    ridges = (
        (0.70 - peaks, HILLS, 0.30),
        (0.77 + 0.045 * np.sin(4.6 * x + 0.3), HILLS, 0.55),
        (0.86 - 0.05 * np.sin(3.4 * x + 1.0), FIELD, 0.55),
    )
    for ridge, palette, tone in ridges:
        below = y - ridge
        inside = smoothstep(0, 0.004, below)
        furrows = 0.22 * np.sin(95 * below + 1.5 * wobble) + 0.16 * np.exp(-((below / 0.012) ** 2))
        shade = tone + furrows + 0.12 * wobble - 0.8 * np.clip(below, 0, 0.3)
        colour = mix(colour, ramp(palette, shade), inside)
        slope = np.gradient(ridge, axis=1) * len(y)
        angle = turned(angle, np.arctan(slope) + 0.15 * wobble, inside)
        fine = fine * (1 - inside) + 0.6 * inside
    return Plan(colour, angle, fine)


def poplars(y: Array, x: Array, rng: np.random.Generator) -> Plan:
    """Three dark trees that lick upwards like flames."""
    wobble = noise(y.shape, rng, 70, roughness=0.3)
    side = np.full_like(y, 2)  # 0 on the axis of the nearest tree, -1 and 1 on its outline
    for foot, centre, tall, wide in POPLARS:
        up = (foot - y) / tall
        sway = 0.012 * np.sin(9 * y + 40 * centre)
        half = wide * np.clip(1 - up, 0, 1) ** 0.8 * np.clip(0.3 + 6 * up, 0, 1) * (1 + 0.15 * wobble)
        this = np.where((up > 0.03) & (up < 0.95), (x - centre - sway) / (half + 1e-4), 2)
        side = np.where(np.abs(this) < np.abs(side), this, side)
    side = np.clip(side, -2, 2)
    leaf = 0.27 - 0.20 * side + 0.14 * np.sin(50 * y + 5 * np.abs(side)) + 0.10 * wobble
    angle = np.pi / 2 - 0.2 * np.clip(side, -1, 1) + 0.12 * wobble
    return Plan(ramp(POPLAR, leaf), angle, smoothstep(1.0, 0.8, np.abs(side)))
