"""Chunks of PNG files that Pillow ignores."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from core.image.png import find_exif, take_color_space
from core.image.reading import read_image, read_size
from support.image_files import HEIGHT, WIDTH, as_rows, icc_profile, png_16_bit

PROFILE = (b"iCCP", b"p\0\0" + zlib.compress(icc_profile("RGB ", 1.0)))


@pytest.fixture
def samples(rng):
    return rng.integers(0, 65536, (HEIGHT, WIDTH, 3), dtype=np.uint16)


def test_the_orientation_may_follow_the_pixels(tmp_path, colors):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(colors).save(tmp_path / "a.png")
    chunk = BytesIO()
    PngImagePlugin.putchunk(chunk, b"eXIf", exif.tobytes()[6:])
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[:-12] + chunk.getvalue() + data[-12:])
    expected = np.rot90(colors, -1).astype(np.float32) / np.float32(255)
    for source in (tmp_path / "a.png", Image.open(tmp_path / "a.png")):
        assert read_size(source) == (HEIGHT, WIDTH)
        np.testing.assert_array_equal(as_rows(read_image(source).pixels), expected)


def test_srgb_has_precedence_over_the_profile(tmp_path, samples):
    profile = b"p\0\0" + zlib.compress(icc_profile("RGB ", 1.0))
    chunks = ((b"cICP", bytes([1, 13, 0, 1])), (b"iCCP", profile))
    (tmp_path / "a.png").write_bytes(png_16_bit(samples, *chunks).read())
    np.testing.assert_allclose(as_rows(read_image(tmp_path / "a.png").pixels), samples / 65535, atol=2e-7)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_transparent_grey_is_compared_at_every_bit_depth(tmp_path, bits):
    row = bytes([0] + [0] * (16 * bits // 8) + [255] * (16 * bits // 8))  # 16 black pixels, then 16 white ones
    file = BytesIO()
    file.write(b"\x89PNG\r\n\x1a\n")
    PngImagePlugin.putchunk(file, b"IHDR", struct.pack(">IIBBBBB", 32, 20, bits, 0, 0, 0, 0))
    PngImagePlugin.putchunk(file, b"tRNS", struct.pack(">H", 2**bits - 1))
    PngImagePlugin.putchunk(file, b"IDAT", zlib.compress(row * 20))
    PngImagePlugin.putchunk(file, b"IEND", b"")
    (tmp_path / "a.png").write_bytes(file.getvalue())
    assert (read_image(tmp_path / "a.png").alpha[0, 0] == (np.arange(32) < 16)).all()


def test_the_chunk_of_a_color_space_replaces_the_profile_and_leaves_the_file_where_it_was(samples):
    file = png_16_bit(samples, (b"cICP", bytes([12, 13, 0, 1])), PROFILE)
    image = Image.open(file)
    place = file.tell()
    assert "icc_profile" in image.info
    assert take_color_space(file, image, "a.png") is not None
    assert "icc_profile" not in image.info
    assert file.tell() == place
    assert image.size == (WIDTH, HEIGHT)


@pytest.mark.parametrize("chunks", [(), ((b"cICP", bytes([12, 13, 0])),)], ids=["no chunk", "a chunk of 3 bytes"])
def test_without_a_valid_chunk_the_profile_remains(samples, chunks):
    file = png_16_bit(samples, *chunks, PROFILE)
    image = Image.open(file)
    assert take_color_space(file, image, "a.png") is None
    assert "icc_profile" in image.info


def test_a_chunk_that_claims_more_bytes_than_the_file_has_ends_the_search(samples):
    data = png_16_bit(samples, PROFILE).read()
    file = BytesIO(data[:-12] + struct.pack(">I4s", 2**31 - 1, b"tEXt"))
    image = Image.open(file)
    find_exif(file, image)
    assert take_color_space(file, image, "a.png") is None
    assert "exif" not in image.info
