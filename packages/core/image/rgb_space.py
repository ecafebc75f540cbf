"""Convert colours of any precision to sRGB: RGB and grey spaces given by tone curves and a matrix.

Little CMS, as Pillow offers it, computes with 8 bits. The functions here keep all bits of a float32 value.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from core.arrays import Pixels
from core.errors import UsageError

Matrix = NDArray[np.float64]
"""(3, 3), applied to columns of red, green and blue, or of X, Y and Z."""
Curve = Callable[[NDArray[Any]], NDArray[Any]]
"""A map from encoded values to linear light, both in [0, 1]."""

_PIXELS_AT_ONCE = 2**17
"""Pixels that are converted at once, to bound the memory of temporary arrays."""


@dataclass(frozen=True)
class RGBSpace:
    """A colour space.

    Attributes:
        curves: The tone curve of grey, or those of red, green and blue.
        to_linear_srgb: Maps linear colours to those of sRGB; None for grey.
    """

    curves: tuple[Curve, ...]
    to_linear_srgb: Matrix | None

    @classmethod
    def from_icc(cls, profile: bytes, channels: int, name: str) -> Self | None:
        """Return the space of an ICC profile; None if it is damaged or belongs to an image of other channels.

        Args:
            profile: The profile.
            channels: 1 for a grey image, which may also have an RGB profile, or 3.
            name: Name of the image in error messages.

        Raises:
            UsageError: The profile is a table of colours.
        """
        try:
            tags = _icc_tags(profile)
            if profile[16:20] == b"GRAY" and channels == 1:
                return cls((_icc_curve(tags[b"kTRC"]),), None)
            if profile[16:20] != b"RGB ":
                return None
            if b"rXYZ" not in tags and b"A2B0" in tags:
                raise UsageError(
                    f"{name} has a colour profile made of tables, which can only be applied to 8 bits per channel: "
                    "convert it to sRGB, or to 8 bits"
                )
            curves = tuple(_icc_curve(tags[color + b"TRC"]) for color in (b"r", b"g", b"b"))
            columns = [struct.unpack(">3i", tags[color + b"XYZ"][8:20]) for color in (b"r", b"g", b"b")]
        except UsageError:
            raise
        except (LookupError, ValueError, ArithmeticError, struct.error):
            return None
        to_linear_srgb = np.linalg.inv(_SRGB_TO_XYZ_D50) @ (np.array(columns).T / 65536)
        if np.abs(to_linear_srgb - np.eye(3)).max() < 1e-3:  # profiles of sRGB differ in their rounding
            to_linear_srgb = np.eye(3)
        return cls(curves, to_linear_srgb)

    @classmethod
    def from_cicp(cls, primaries: int, transfer: int, name: str) -> Self | None:
        """Return the space of code points for video (ITU-T H.273), as in the cICP chunk of PNG; None for sRGB.

        Raises:
            UsageError: The space is not supported, such as one of high dynamic range.
        """
        if (primaries, transfer) == (1, 13):
            return None
        if primaries not in _CHROMATICITIES or transfer not in _TRANSFER_CURVES:
            raise UsageError(
                f"{name} has the colour space {primaries}/{transfer} (cICP: primaries/transfer), which is not "
                "supported: convert it to sRGB"
            )
        to_xyz = _matrix_of(_CHROMATICITIES[primaries])
        matrix = np.linalg.inv(_matrix_of(_CHROMATICITIES[1])) @ to_xyz
        return cls((_TRANSFER_CURVES[transfer],) * 3, matrix)

    def to_srgb(self, colors: Pixels) -> Pixels:
        """Return colours (H, W, 1 | 3) in [0, 1] as sRGB, of the same shape except that a grey image may become RGB.

        Colours outside the gamut of sRGB are clipped.
        """
        channels = 1 if self.to_linear_srgb is None and colors.shape[2] == 1 else 3
        converted = np.empty((*colors.shape[:2], channels), np.float32)
        rows = max(1, _PIXELS_AT_ONCE // colors.shape[1])
        for top in range(0, len(colors), rows):
            encoded = np.broadcast_to(colors[top : top + rows], converted[top : top + rows].shape)
            linear = np.stack(
                [self.curves[i % len(self.curves)](encoded[..., i]) for i in range(channels)], -1, dtype=np.float64
            )
            if self.to_linear_srgb is not None:
                linear = linear.clip(0, 1) @ self.to_linear_srgb.T
            converted[top : top + rows] = _srgb_encoded(linear.clip(0, 1))
        return converted


def _srgb_encoded(linear: NDArray[Any]) -> NDArray[Any]:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


_SRGB_TO_XYZ_D50 = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]], np.float64
)
"""From the sRGB profile of the ICC, whose white is D50."""


def _icc_tags(profile: bytes) -> dict[bytes, bytes]:
    """Return the tags of a profile by their signatures (ICC.1:2022, section 7.3)."""
    if profile[36:40] != b"acsp":
        raise ValueError("not an ICC profile")
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = [struct.unpack_from(">4sII", profile, 132 + 12 * number) for number in range(min(count, 200))]
    return {signature: profile[offset : offset + size] for signature, offset, size in entries}


def _icc_curve(tag: bytes) -> Curve:
    """Return a tone curve of the type "curv" or "para" (ICC.1:2022, sections 10.6 and 10.18)."""
    if tag[:4] == b"para":
        (kind,) = struct.unpack_from(">H", tag, 8)
        count = (1, 3, 4, 5, 7)[kind]
        values = [value / 65536 for value in struct.unpack_from(f">{count}i", tag, 12)]
        return _parametric_curve(kind, values)
    if tag[:4] != b"curv":
        raise ValueError("unknown type of curve")
    (count,) = struct.unpack_from(">I", tag, 8)
    if count == 0:
        return lambda values: values
    table = np.frombuffer(tag, ">u2", count, 12).astype(np.float64)
    if count == 1:
        return lambda values: values ** (table[0] / 256)
    return lambda values: np.interp(values, np.linspace(0, 1, count), table / 65535)


def _parametric_curve(kind: int, values: list[float]) -> Curve:
    """Return (a·x + b)^g + e from x = d upwards, and c·x + f below (ICC.1:2022, table 68)."""
    g, a, b, c, d, e, f = (*values, *(1.0, 0.0, 0.0, 0.0, 0.0, 0.0)[len(values) - 1 :])
    if kind in (1, 2):  # below -b/a the curve is constant
        e = f = c if kind == 2 else 0.0
        c, d = 0.0, -b / a
    return lambda x: np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)


def _matrix_of(chromaticities: tuple[float, ...]) -> Matrix:
    """Return the matrix from RGB to XYZ for the x and y of red, green, blue and white (SMPTE RP 177)."""
    points = np.array(chromaticities).reshape(4, 2)
    xyz = np.column_stack([points[:, 0], points[:, 1], 1 - points.sum(1)]).T / points[:, 1]
    primaries, white = xyz[:, :3], xyz[:, 3]
    matrix: Matrix = primaries * np.linalg.solve(primaries, white)
    return matrix


def _bt709_linear(x: NDArray[Any]) -> NDArray[Any]:
    return np.where(x < 0.081, x / 4.5, ((x + 0.099) / 1.099) ** (1 / 0.45))


def _srgb_linear(x: NDArray[Any]) -> NDArray[Any]:
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


_D65 = (0.3127, 0.3290)
_CHROMATICITIES = {
    1: (0.640, 0.330, 0.300, 0.600, 0.150, 0.060, *_D65),  # sRGB and BT.709
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65),  # BT.2020
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65),  # Display P3
}
_TRANSFER_CURVES: dict[int, Curve] = {
    1: _bt709_linear,
    4: lambda x: x**2.2,
    5: lambda x: x**2.8,
    6: _bt709_linear,
    8: lambda x: x,
    13: _srgb_linear,
    14: _bt709_linear,
    15: _bt709_linear,
}
