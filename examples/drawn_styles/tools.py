"""Shared functions: noise, blur, colour ramps, light, and saving.

Fields are float arrays of shape (height, width); images are float32 arrays of shape (height, width, 3)
in [0, 1]. Everything is drawn at twice its final size and reduced when it is saved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]  # float32, unless a docstring says otherwise

SUPERSAMPLING = 2


def grid(height: int, width: int) -> tuple[Array, Array]:
    """Coordinates (y, x) of every pixel, in units of the image's height."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return y / height, x / height


def noise(
    shape: tuple[int, int],
    rng: np.random.Generator,
    size: float | tuple[float, float],
    roughness: float = 0.5,
) -> Array:
    """Fractal noise of mean 0 and deviation 1; features are `size` pixels (down, across) and smaller.

    `roughness` runs from 0 (one smooth scale only) to 1 (as much fine detail as coarse).
    """
    down, across = (size, size) if isinstance(size, (int, float)) else size
    frequency = np.hypot(
        np.fft.fftfreq(shape[0])[:, None] * down,
        np.fft.rfftfreq(shape[1])[None, :] * across,
    )
    amplitude = 1 / (1 + frequency ** (1 + 3 * (1 - roughness)))
    spectrum = np.fft.rfft2(rng.standard_normal(shape)) * amplitude
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, shape)
    return (field / field.std()).astype(np.float32)


def blur(field: Array, sigma: float) -> Array:
    """Gaussian blur of a field or of each channel of a image, reflecting at the borders."""
    if field.ndim == 3:
        return np.stack([blur(field[..., c], sigma) for c in range(field.shape[2])], axis=2)
    pad = int(4 * sigma) + 1
    padded = np.pad(field, pad, mode="symmetric")
    down = np.fft.fftfreq(padded.shape[0])[:, None]
    across = np.fft.rfftfreq(padded.shape[1])[None, :]
    kernel = np.exp(-2 * (np.pi * sigma) ** 2 * (down**2 + across**2))
    blurred = np.fft.irfft2(np.fft.rfft2(padded) * kernel, padded.shape)
    return blurred[pad:-pad, pad:-pad].astype(np.float32)


def smoothstep(low: float, high: float, value: ArrayLike) -> Array:
    """Rise smoothly from 0 at `low` to 1 at `high` (or fall, when `low` is the greater)."""
    t = np.clip((np.asarray(value, np.float32) - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a: ArrayLike, b: ArrayLike, amount: Array) -> Array:
    """Blend image or colour `a` towards `b` by a field of amounts in [0, 1]."""
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    return a + (b - a) * amount[..., None]


def colours(*names: str) -> Array:
    """Colours from hexadecimal names, shape (n, 3): colours("0b1d3a", "f5d76e")."""
    return np.array([list(bytes.fromhex(name)) for name in names], np.float32) / 255


def ramp(palette: Array, value: Array) -> Array:
    """Look values in [0, 1] up in a palette of shape (n, 3), blending neighbouring colours."""
    position = np.clip(value, 0, 1) * (len(palette) - 1)
    lower = np.minimum(position.astype(int), len(palette) - 2)
    return mix(palette[lower], palette[lower + 1], position - lower)


def lit(image: Array, height: Array, relief: float, gloss: float = 0.0) -> Array:
    """Light a image from the upper left as if `height` (in pixels) were its surface."""
    down, across = np.gradient(height * relief)
    length = np.sqrt(1 + down**2 + across**2)
    light = np.array([-0.50, -0.45, 0.74], np.float32)  # x, y, up: of length 1
    facing = (-across * light[0] - down * light[1] + light[2]) / length
    shade = facing / light[2]
    # The half vector between the light and a viewer straight above gives the highlight.
    half = light + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    shine = np.clip((-across * half[0] - down * half[1] + half[2]) / length, 0, 1) ** 40
    flat = half[2] ** 40
    return image * np.clip(shade, 0.25, 1.6)[..., None] + gloss * np.clip(shine - flat, 0, 1)[..., None]


def save(image: Array, path: Path) -> None:
    """Reduce to the final size with a Lanczos filter and write as a JPEG of quality 92."""
    pixels = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    height, width = pixels.shape[:2]
    image = Image.fromarray(pixels).resize((width // SUPERSAMPLING, height // SUPERSAMPLING), Image.Resampling.LANCZOS)
    image.save(path, quality=92, optimize=True)
