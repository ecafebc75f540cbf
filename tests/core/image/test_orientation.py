"""Orientations of the EXIF standard, of arrays and of files."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from core.image.orientation import exchanges_sides, upright_array
from core.image.reading import read_image, read_size
from support.image_files import HEIGHT, WIDTH, as_rows

ORIENTED = {  # how the EXIF standard maps the stored image to the displayed one
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", ORIENTED)
def test_arrays_are_turned_upright(colors, orientation):
    upright = upright_array(colors, orientation)
    np.testing.assert_array_equal(upright, ORIENTED[orientation](colors))
    assert exchanges_sides(orientation) == (upright.shape != colors.shape)


@pytest.mark.parametrize("orientation", [0, 9, -1])
def test_unknown_orientations_change_nothing(colors, orientation):
    np.testing.assert_array_equal(upright_array(colors, orientation), colors)
    assert not exchanges_sides(orientation)


@pytest.mark.parametrize("orientation", ORIENTED)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_read_image_applies_the_exif_orientation(tmp_path, suffix, orientation):
    stored = np.zeros((32, 48, 3), np.uint8)
    stored[:16, :16] = (255, 0, 0)
    stored[:16, 16:32] = (0, 255, 0)
    stored[16:, :16] = (0, 0, 255)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(stored).save(path, exif=exif, quality=100)
    expected = ORIENTED[orientation](stored) / 255

    loaded = read_image(path)

    assert read_size(path) == read_size(Image.open(path)) == loaded.size == expected.shape[1::-1]
    centres = np.s_[8::16, 8::16]  # away from the edges, where JPEG and WebP are exact enough
    np.testing.assert_allclose(as_rows(loaded.pixels)[centres], expected[centres], atol=0.03)


@pytest.mark.parametrize("orientation", ORIENTED)
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_read_image_applies_the_orientation_of_16_bit_tiffs(tmp_path, rng, byteorder, orientation):
    samples = rng.integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
    path = tmp_path / "a.tif"
    tag = (274, "H", 1, orientation, True)
    tifffile.imwrite(path, samples, byteorder=byteorder, metadata=None, extratags=[tag])
    expected = ORIENTED[orientation](samples) / 65535
    assert read_size(path) == expected.shape[::-1]
    np.testing.assert_allclose(read_image(path).pixels[0, 0], expected, atol=1e-7)


@pytest.mark.parametrize("suffix", ["png", "webp", "jpg"])
def test_read_image_ignores_invalid_exif_data(tmp_path, colors, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(colors).save(path, exif=b"Exif\0\0rubbish")
    assert read_image(path).size == read_size(path) == (WIDTH, HEIGHT)
