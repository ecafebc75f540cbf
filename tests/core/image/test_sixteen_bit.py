"""All bits of PNG and TIFF files with 16 bits per channel."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from core.errors import UsageError
from core.image.reading import read_image, read_size
from core.image.writing import write_image
from support.image_files import HEIGHT, WIDTH, as_rows, png_16_bit

ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column and row, and distance of columns and rows, in every pass of an interlaced PNG file."""


@pytest.fixture
def samples(rng):
    return rng.integers(0, 65536, (HEIGHT, WIDTH, 4), dtype=np.uint16)


def lzw_tiff(samples):
    """Return a TIFF file of RGB samples with LZW compression, by libtiff, and horizontal differencing."""
    height, width, channels = samples.shape
    differences = np.diff(samples.astype("<u2"), axis=1, prepend=np.uint16(0))
    packed = BytesIO()
    bytes_as_pixels = Image.frombytes("L", (differences.nbytes, 1), differences.tobytes())
    bytes_as_pixels.save(packed, "TIFF", compression="tiff_lzw")
    with Image.open(packed) as image:
        start, count = image.tag_v2[273][0], image.tag_v2[279][0]
    data = packed.getvalue()[start : start + count]
    tags = {256: width, 257: height, 258: 0, 259: 5, 262: 2, 273: 8, 277: channels, 278: height, 279: count, 317: 2}
    bits_at = 8 + count + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    entries = entries.replace(struct.pack("<HHII", 258, 4, 1, 0), struct.pack("<HHII", 258, 3, channels, bits_at))
    head = b"II*\0" + struct.pack("<I", 8 + count) + data + struct.pack("<H", len(tags)) + entries + bytes(4)
    return head + struct.pack(f"<{channels}H", *[16] * channels)


def interlaced(file):
    """Return a PNG file without compression filters with Adam7 interlacing."""
    data = np.frombuffer(zlib.decompress(file[file.index(b"IDAT") + 4 :]), np.uint8).reshape(HEIGHT, -1)[:, 1:]
    pixels = data.reshape(HEIGHT, WIDTH, -1)
    passes = b""
    for x, y, dx, dy in ADAM7:
        rows = pixels[y::dy, x::dx]
        passes += b"".join(b"\0" + row.tobytes() for row in rows)
    out = BytesIO()
    out.write(file[:8])
    PngImagePlugin.putchunk(out, b"IHDR", file[16:28] + b"\1")
    PngImagePlugin.putchunk(out, b"IDAT", zlib.compress(passes))
    PngImagePlugin.putchunk(out, b"IEND", b"")
    return out.getvalue()


def over_white(unit):
    return unit[..., :3] * unit[..., 3:] + 1 - unit[..., 3:]


@pytest.mark.parametrize("layout", ["plain", "interlaced"])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_png_files_keep_all_bits(tmp_path, samples, channels, layout):
    file = png_16_bit(samples[..., :channels]).read()
    (tmp_path / "a.png").write_bytes(interlaced(file) if layout == "interlaced" else file)
    unit = samples[..., :channels] / 65535
    if channels == 2:
        unit = unit[..., [0, 0, 0, 1]]
    loaded = read_image(tmp_path / "a.png")
    np.testing.assert_allclose(as_rows(loaded.pixels), over_white(unit) if channels != 3 else unit, atol=2e-7)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("extra", [None, "unassalpha", "assocalpha", "unspecified"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_files_keep_all_bits(tmp_path, samples, byteorder, extra, compression):
    samples[..., 3] |= 0xC000
    unit, stored = samples / 65535, samples.copy() if extra else samples[..., :3]
    if extra == "assocalpha":
        stored[..., :3] = np.rint(samples[..., :3] * unit[..., 3:])
    options = {"byteorder": byteorder, "compression": compression, "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=extra and [extra], **options)
    expected = over_white(unit) if extra in ("unassalpha", "assocalpha") else unit[..., :3]
    np.testing.assert_allclose(as_rows(read_image(tmp_path / "a.tif").pixels), expected, atol=1e-5)


def test_tiff_files_with_lzw_compression_keep_all_bits(tmp_path, samples):
    (tmp_path / "a.tif").write_bytes(lzw_tiff(samples[..., :3]))
    np.testing.assert_allclose(as_rows(read_image(tmp_path / "a.tif").pixels), samples[..., :3] / 65535, atol=2e-7)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_color_is_compared_with_all_bits(tmp_path, channels):
    samples = np.full((HEIGHT, WIDTH, channels), 0x1234, np.uint16)
    samples[:5] = 0x1235
    key = struct.pack(f">{channels}H", *[0x1234] * channels)
    (tmp_path / "a.png").write_bytes(png_16_bit(samples, (b"tRNS", key)).read())
    assert (read_image(tmp_path / "a.png").alpha[0, 0] == (np.arange(HEIGHT) < 5)[:, None]).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_written_files_are_read_back_exactly(tmp_path, pixels, alpha, suffix):
    stored = np.rint(pixels * 65535) / np.float32(65535)
    write_image(tmp_path / f"a.{suffix}", stored, bit_depth=16)
    np.testing.assert_allclose(read_image(tmp_path / f"a.{suffix}").pixels, stored, atol=2e-7)
    write_image(tmp_path / f"b.{suffix}", stored, alpha=alpha, bit_depth=16)
    np.testing.assert_allclose(read_image(tmp_path / f"b.{suffix}").alpha, alpha, atol=1e-5)


def test_the_orientation_is_applied(tmp_path, samples):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a.png").write_bytes(png_16_bit(samples[..., :3], (b"eXIf", exif.tobytes()[6:])).read())
    expected = np.rot90(samples[..., :3], -1) / 65535
    assert read_size(tmp_path / "a.png") == (HEIGHT, WIDTH)
    np.testing.assert_allclose(as_rows(read_image(tmp_path / "a.png").pixels), expected, atol=2e-7)


def test_cmyk_is_refused(tmp_path, samples):
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="separated", metadata=None)
    with pytest.raises(UsageError, match="has CMYK colours with 16 bits per channel: convert it to RGB, or to 8 bits"):
        read_image(tmp_path / "a.tif")
