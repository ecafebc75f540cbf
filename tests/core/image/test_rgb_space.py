"""Colour spaces of images with more than 8 bits, compared with the formulas of the ICC and the CSS specification."""

import struct
import zlib

import numpy as np
import pytest
import tifffile

from core.errors import UsageError
from core.image.color_profile import srgb_profile
from core.image.reading import read_image
from core.image.rgb_space import RGBSpace
from support.image_files import HEIGHT, WIDTH, as_rows, icc_file, icc_profile, png_16_bit, srgb_encoded

P3_TO_SRGB = np.array([[1.2249, -0.2249, 0], [-0.0420, 1.0420, 0], [-0.0197, -0.0786, 1.0979]])
"""Linear light (CSS Color Module Level 4, section 10.9)."""


@pytest.fixture
def samples(rng):
    return rng.integers(0, 65536, (HEIGHT, WIDTH, 3), dtype=np.uint16)


def linear(encoded):
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_an_rgb_profile_keeps_16_bits(tmp_path, samples, suffix):
    path, profile = tmp_path / f"a.{suffix}", icc_profile("RGB ", 1.8)
    if suffix == "png":
        path.write_bytes(png_16_bit(samples, (b"iCCP", b"p\0\0" + zlib.compress(profile))).read())
    else:
        tifffile.imwrite(path, samples, photometric="rgb", metadata=None, iccprofile=profile)
    pixels = as_rows(read_image(path).pixels)
    gamma = round(1.8 * 256) / 256
    np.testing.assert_allclose(pixels, srgb_encoded((samples / 65535) ** gamma), atol=3e-4)
    assert len(np.unique(pixels)) > 0.9 * len(np.unique(samples))


@pytest.mark.parametrize("space", ["GRAY", "RGB "])
def test_a_profile_of_grey_keeps_16_bits(tmp_path, samples, space):
    tifffile.imwrite(tmp_path / "a.tif", samples[..., 0], metadata=None, iccprofile=icc_profile(space, 1.8))
    expected = srgb_encoded((samples[..., 0] / 65535) ** (round(1.8 * 256) / 256))
    np.testing.assert_allclose(read_image(tmp_path / "a.tif").pixels[0, 1], expected, atol=3e-4)


def test_the_profile_of_srgb_changes_nothing(rng):
    colors = rng.random((HEIGHT, WIDTH, 3), dtype=np.float32)
    space = RGBSpace.from_icc(srgb_profile(), 3, "a")
    np.testing.assert_allclose(space.to_srgb(colors), colors, atol=1e-4)


def test_curves_of_every_kind():
    x = np.linspace(0, 1, 101)
    fixed = {
        0: ([2.0], x**2),
        1: ([2.0, 1.5, -0.5], np.maximum(1.5 * x - 0.5, 0) ** 2),
        2: ([2.0, 0.5, -0.25, 0.1], np.where(x >= 0.5, (0.5 * x - 0.25) ** 2, 0) + 0.1),
        3: ([2.0, 0.5, 0.5, 0.25, 0.305], np.where(x >= 0.305, (0.5 * x + 0.5) ** 2, 0.25 * x)),
        4: (
            [2.0, 0.5, 0.25, 0.25, 0.305, 0.1, 0.05],
            np.where(x >= 0.305, (0.5 * x + 0.25) ** 2 + 0.1, 0.25 * x + 0.05),
        ),
    }
    tags = {
        b"para\0\0\0\0" + struct.pack(f">HH{len(values)}i", kind, 0, *(round(v * 65536) for v in values)): expected
        for kind, (values, expected) in fixed.items()
    }
    tags[b"curv\0\0\0\0" + struct.pack(">I", 0)] = x
    tags[b"curv\0\0\0\0" + struct.pack(">I3H", 3, 0, 16384, 65535)] = np.interp(x, [0, 0.5, 1], [0, 16384 / 65535, 1])
    for tag, expected in tags.items():
        profile = icc_file("GRAY", b"mntr", b"XYZ ", {b"kTRC": tag})
        space = RGBSpace.from_icc(profile, 1, "a")
        found = space.to_srgb(np.float32(x).reshape(1, -1, 1))[0, :, 0]
        np.testing.assert_allclose(found, srgb_encoded(expected.clip(0, 1)), atol=1e-3)


@pytest.mark.parametrize("profile", [b"rubbish", icc_profile("RGB ", 1.8)[:200], icc_profile("GRAY", 1.8)])
def test_a_damaged_or_unsuitable_profile_is_ignored(tmp_path, samples, profile):
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", metadata=None, iccprofile=profile)
    np.testing.assert_allclose(as_rows(read_image(tmp_path / "a.tif").pixels), samples / 65535, atol=2e-7)


def test_a_profile_of_tables_is_refused(tmp_path, samples):
    profile = icc_file("RGB ", b"scnr", b"Lab ", {b"A2B0": b"mft2" + bytes(60)})
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", metadata=None, iccprofile=profile)
    with pytest.raises(UsageError, match=r"a\.tif has a colour profile made of tables, which can only be applied to 8"):
        read_image(tmp_path / "a.tif")


def cicp_png(samples, *code_points):
    return png_16_bit(samples, (b"cICP", bytes(code_points))).read()


def test_display_p3_is_converted(tmp_path, samples):
    samples[:5] = samples[:5, :, :1]
    (tmp_path / "a.png").write_bytes(cicp_png(samples, 12, 13, 0, 1))
    expected = srgb_encoded((linear(samples / 65535) @ P3_TO_SRGB.T).clip(0, 1))
    pixels = as_rows(read_image(tmp_path / "a.png").pixels)
    np.testing.assert_allclose(pixels, expected, atol=1e-3)
    np.testing.assert_allclose(pixels[:5], samples[:5] / 65535, atol=1e-5)  # grey stays grey
    assert np.abs(pixels - samples / 65535).max() > 0.05


def test_linear_light_is_converted(tmp_path, samples):
    (tmp_path / "a.png").write_bytes(cicp_png(samples, 1, 8, 0, 1))
    pixels = as_rows(read_image(tmp_path / "a.png").pixels)
    np.testing.assert_allclose(pixels, srgb_encoded(samples / 65535), atol=1e-5)


def test_high_dynamic_range_is_refused(tmp_path, samples):
    (tmp_path / "a.png").write_bytes(cicp_png(samples, 9, 16, 0, 1))
    with pytest.raises(UsageError, match=r"a\.png has the colour space 9/16 \(cICP: primaries/transfer\), which"):
        read_image(tmp_path / "a.png")
