"""Colour profiles, compared with the formulas of the ICC and CIE."""

import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from core.image.reading import read_image
from support.image_files import (
    HEIGHT,
    WIDTH,
    as_rows,
    cmyk_profile,
    icc_profile,
    srgb_encoded,
    srgb_of_lightness,
)


def test_read_image_converts_cmyk_without_a_profile(tmp_path, rng):
    inks = rng.integers(0, 256, (HEIGHT, WIDTH, 4), dtype=np.uint8)
    inks[0, 0] = 0
    inks[0, 1] = (0, 0, 0, 255)
    inks[0, 2] = (255, 0, 0, 0)
    Image.frombytes("CMYK", (WIDTH, HEIGHT), inks.tobytes()).save(tmp_path / "a.tif")
    ink = inks / 255
    expected = (1 - ink[..., :3]) * (1 - ink[..., 3:])
    np.testing.assert_allclose(as_rows(read_image(tmp_path / "a.tif").pixels), expected, atol=1.01 / 255)


def test_read_image_converts_lab_without_a_profile(tmp_path):
    grey = np.repeat(np.linspace(0, 255, 24).round().astype(np.uint8)[None], 20, axis=0)
    neutral = np.full_like(grey, 128)
    signed = (neutral ^ 128).astype(np.uint8)  # TIFF stores a* and b* as signed bytes, 0 for neutral
    tifffile.imwrite(tmp_path / "a.tif", np.dstack([grey, signed, signed]), photometric="cielab", metadata=None)
    expected = np.repeat(srgb_of_lightness(grey / 255 * 100)[..., None], 3, axis=2)
    np.testing.assert_allclose(as_rows(read_image(tmp_path / "a.tif").pixels), expected, atol=2.5 / 255)


@pytest.mark.parametrize("gamma", [1.0, 1.8])
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_read_image_applies_an_rgb_profile(tmp_path, colors, suffix, gamma):
    path = tmp_path / f"a.{suffix}"
    lossless = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(colors).save(path, icc_profile=icc_profile("RGB ", gamma), **lossless)
    pixels = as_rows(read_image(path).pixels)
    np.testing.assert_allclose(pixels, srgb_encoded((colors / 255) ** gamma), atol=1.5 / 255)
    assert np.abs(pixels - colors / 255).max() > 0.05


def test_read_image_applies_the_primaries_of_a_profile(tmp_path, colors):
    swapped = icc_profile("RGB ", 2.0).replace(b"rXYZ", b"xxxx").replace(b"gXYZ", b"rXYZ").replace(b"xxxx", b"gXYZ")
    Image.fromarray(colors).save(tmp_path / "a.png", icc_profile=swapped)
    expected = srgb_encoded((colors[..., [1, 0, 2]] / 255) ** 2.0)
    np.testing.assert_allclose(as_rows(read_image(tmp_path / "a.png").pixels), expected, atol=1.5 / 255)


@pytest.mark.parametrize("gamma", [1.0, 1.8])
@pytest.mark.parametrize("mode", ["L", "LA"])
@pytest.mark.parametrize("space", ["GRAY", "RGB "])
def test_read_image_applies_a_profile_to_grey(tmp_path, colors, mode, space, gamma):
    grey = colors[..., 0]
    image = Image.fromarray(grey if mode == "L" else np.dstack([grey, np.full_like(grey, 128)]))
    image.save(tmp_path / "a.png", icc_profile=icc_profile(space, gamma))
    share = 1 if mode == "L" else 128 / 255
    expected = srgb_encoded((grey / 255) ** gamma) * share + 1 - share
    for plane in read_image(tmp_path / "a.png").pixels[0]:
        np.testing.assert_allclose(plane, expected, atol=1.5 / 255)


def test_read_image_applies_a_profile_to_16_bit_grey(tmp_path, rng):
    samples = rng.integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", samples, metadata=None, iccprofile=icc_profile("GRAY", 1.8))
    expected = srgb_encoded((samples / 65535) ** 1.8)
    np.testing.assert_allclose(read_image(tmp_path / "a.tif").pixels[0, 0], expected, atol=2.5 / 255)


def test_read_image_applies_a_profile_to_a_palette(tmp_path, colors):
    image = Image.fromarray(colors).quantize(16)
    image.save(tmp_path / "a.png", icc_profile=icc_profile("RGB ", 1.8))
    expected = srgb_encoded((np.asarray(image.convert("RGB")) / 255) ** 1.8)
    np.testing.assert_allclose(as_rows(read_image(tmp_path / "a.png").pixels), expected, atol=1.5 / 255)


def test_read_image_applies_a_lab_profile(tmp_path, rng):
    muted = rng.integers(90, 170, (HEIGHT, WIDTH, 3), dtype=np.uint8)  # Lab with 8 bits is coarse for others
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    image = ImageCms.profileToProfile(Image.fromarray(muted), srgb, lab, outputMode="LAB")
    image.save(tmp_path / "a.tif", icc_profile=lab.tobytes())
    np.testing.assert_allclose(as_rows(read_image(tmp_path / "a.tif").pixels), muted / 255, atol=4 / 255)


@pytest.mark.parametrize("suffix", ["tif", "jpg"])
def test_read_image_applies_a_cmyk_profile(tmp_path, suffix):
    black = np.repeat(np.linspace(0, 255, 18).round().astype(np.uint8), 8)
    inks = np.zeros((16, len(black), 4), np.uint8)
    inks[..., 3] = black
    path = tmp_path / f"a.{suffix}"
    image = Image.frombytes("CMYK", (len(black), 16), inks.tobytes())
    image.save(path, icc_profile=cmyk_profile(), quality=100)
    expected = srgb_of_lightness(100 * (1 - black / 255))
    for plane in read_image(path).pixels[0]:
        np.testing.assert_allclose(plane[8], expected, atol=2.5 / 255)
    assert np.abs(expected - (1 - black / 255)).max() > 0.02  # what it would be without the profile


@pytest.mark.parametrize("profile", [b"rubbish", icc_profile("RGB ", 1.8)[:200], icc_profile("GRAY", 1.8)])
def test_read_image_ignores_a_damaged_or_unsuitable_profile(tmp_path, colors, profile):
    Image.fromarray(colors).save(tmp_path / "a.png", icc_profile=profile)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(loaded.pixels, read_image(colors).pixels)
